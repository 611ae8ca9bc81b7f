"""A training as one of several processes has it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from pipeline import components
from pipeline.data.arrays import Arrays
from pipeline.training.capture import StepRunner
from pipeline.training.pretrain import Run
from pipeline.training.processes import batchnorm
from pipeline.training.processes.group import Group
from pipeline.training.processes.step import GroupStep
from pipeline.training.processes.views import PartedPolicy
from pipeline.training.streaming import StreamedImages
from pipeline.work import Work


class GroupRun(Run):
    """The run in rank 0, which writes and is seen; the state of all processes is the same.

    Attributes:
        group: The processes.
    """

    def __init__(self, work: Work, images: Tensor | StreamedImages | None, epochs: int | None, group: Group) -> None:
        """Build everything at position 0, as for one process, and divide its steps.

        Raises:
            UserError: A policy, or a BatchNorm, that cannot be divided.
        """
        super().__init__(work, images, epochs)
        self.group = group
        spec, network = work.spec, self.network
        if spec.get("sync_batchnorm", True):
            for part in (network.encoder, network.projector, network.target):
                if part is not None:
                    batchnorm.synchronize(part, group)
        else:
            assert network.predictor is not None
            batchnorm.part(network.predictor, group)  # it alone has the embeddings of all images
        shape = Arrays.open(work.inputs["data"]).image_shape
        policy = components.make(work.components["views"], spec["views"], shape, spec["normalize"])
        step, parted = GroupStep(self.steps.step, group), PartedPolicy(policy, group)
        self.steps = StepRunner(step, parted, self.seed, self.device, self.batches.batch_size)
        # nobody has tried what a graph makes of messages between processes, and what a dead one leaves of it
        self.steps.eager_reason = f"{group.processes} processes"

    def step(self, epoch: int, step: int) -> list[Tensor]:
        """Take one step, of which the group's other processes take their part now; compare them once per epoch."""
        embeddings = super().step(epoch, step)
        if step + 1 == self.batches.steps:
            self.group.check_equal(self.network.parameters())
        return embeddings


class FollowingRun(GroupRun):
    """The run in any other rank: it writes nothing."""

    def write(self, folder: Path, epoch: int) -> None:
        """Leave it to rank 0."""

    def write_weights(self, folder: Path, step: int) -> None:
        """Leave it to rank 0."""


def device_of(rank: int, device: torch.device) -> str:
    """Where a rank computes: on a GPU of its own, or on the CPU."""
    return f"cuda:{rank}" if device.type == "cuda" else device.type
