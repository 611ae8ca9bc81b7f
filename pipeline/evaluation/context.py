"""What a measure looks at: one checkpoint with its data."""

from __future__ import annotations

import functools
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.data.arrays import Arrays
from pipeline.evaluation.features import extract
from pipeline.nets.checkpoint import load_network
from pipeline.nets.network import Network
from pipeline.nets.target import Branch

if TYPE_CHECKING:
    from pipeline.monitor import Progress


class NotFinite(Exception):
    """The network's output has infinities or NaNs: its training diverged, whatever its loss says."""


@dataclass
class EvaluationContext:
    """A checkpoint to be measured. Nothing is read or built before it is asked for.

    Attributes:
        spec: The params of the run that the measure reads (its ``READS``), and ``threads``.
        seed: Seed of the run; a measure that draws numbers derives its seeds from it.
        device: Where to compute.
        checkpoint: Payload folder of the checkpoint.
        data: Payload folder of the data.
        components: Source file of each component that ``spec`` names.
        progress: Where to say how far a long measurement is.
        known: Features by split, and kernels; measures of the same checkpoint share one such mapping.
        reference: The checkpoint that this one is compared with, of a measure that compares.
        memory: Bytes for the computation of a tangent kernel, if the user has set a limit.
        scratch: A folder for the progress of a long measurement, which survives a crash.
    """

    spec: Mapping[str, Any]
    seed: int
    device: torch.device
    checkpoint: Path
    data: Path
    components: Mapping[str, Path]
    progress: Progress
    known: MutableMapping[str, Any] = field(default_factory=dict)
    reference: EvaluationContext | None = None
    memory: int | None = None
    scratch: Path | None = None

    @functools.cached_property
    def arrays(self) -> Arrays:
        """The data set."""
        return Arrays.open(self.data)

    @property
    def n_classes(self) -> int:
        """Number of classes of the data set."""
        return self.arrays.n_classes

    @functools.cached_property
    def network(self) -> Network:
        """The network with its trained weights, in evaluation mode: those parts that ``spec`` names."""
        network = load_network(self.spec, self.arrays.image_shape, self.components, self.checkpoint)
        return network.to(self.device).eval().requires_grad_(False)

    @functools.cached_property
    def branch(self) -> Branch:
        """Images to embeddings: encoder and projector."""
        assert self.network.projector is not None
        return Branch(self.network.encoder, self.network.projector).eval()

    def images(self, split: str) -> Tensor:
        """uint8, (N, C, H, W), on the CPU."""
        return self.arrays.images(split)

    def labels(self, split: str) -> Tensor:
        """int64, (N,), on ``device``."""
        return self.arrays.labels(split).to(self.device)

    def features(self, split: str) -> Tensor:
        """Output of the encoder on the normalised, un-augmented images of a split.

        Computed once per checkpoint and split, so it must not be written to.

        Returns:
            (N, d) float32, on ``device``.

        Raises:
            NotFinite: A feature is infinite or NaN.
        """
        if split not in self.known:

            def tick(done: int, total: int) -> None:
                self.progress.tick(f"features of {split}", done, total)

            found = extract(
                self.network.encoder,
                self.images(split),
                self.spec["normalize"],
                device=self.device,
                tick=tick,
            )
            if not torch.isfinite(found).all():
                raise NotFinite(f"features of {split}")
            self.known[split] = found
        return self.known[split]
