"""The stage ``pretrain`` for runs of several processes: this one is rank 0, and starts the others.

Where another rank is lost, all start again from the progress that was saved last; the bytes of the result are those of
a training that nothing happened to.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline.data.arrays import Arrays
from pipeline.errors import UserError
from pipeline.numerics import saved_tensors
from pipeline.numerics.device import prepare_device
from pipeline.training.pretrain import Training
from pipeline.training.processes.ranks import End, Ranks
from pipeline.training.processes.run import GroupRun, device_of
from pipeline.training.streaming import StreamedImages, training_images
from pipeline.work import Work

RESTARTS = 3
"""How often a training starts again with nothing saved since the last time."""


def execute(works: list[Work]) -> Iterator[Work]:
    """Train the milestones of one run, one seed after the other.

    Args:
        works: As of :func:`pipeline.training.pretrain.execute`; ``processes`` of their spec is 2 or more.

    Yields:
        Each work, once its payload is complete.

    Raises:
        UserError: A param, the data or a checkpoint to resume from is bad; there are fewer GPUs than processes; or
            ranks are lost again and again.
    """
    spec = works[0].spec
    device = _device(spec, works)
    images = training_images(Arrays.open(works[0].inputs["data"]), spec["split"], device, works[0].context)
    seeds: dict[int, list[Work]] = {}
    for work in works:
        seeds.setdefault(work.seed, []).append(work)
    for of_seed in seeds.values():
        yield from _Elastic(of_seed, images, device).train()


def _device(spec: dict[str, Any], works: list[Work]) -> torch.device:
    """Where rank 0 computes, on a machine that has room for all."""
    processes, chosen = spec["processes"], works[0].context.get("device")
    if chosen not in (None, "cpu", "cuda"):
        raise UserError(
            f"device: expected cpu or cuda for a run of {processes} processes, found {chosen}; which GPUs they take, "
            "CUDA_VISIBLE_DEVICES says"
        )
    device = prepare_device(spec, works[0].context)
    if device.type == "cuda" and torch.cuda.device_count() < processes:
        raise UserError(
            f"processes: expected {processes} GPUs, one for each, found {torch.cuda.device_count()}; set processes: "
            f"{torch.cuda.device_count()}, or type --config device=cpu"
        )
    for work in works:
        work.context["device"] = device_of(0, device)
    return prepare_device(spec, works[0].context)


@dataclass
class _Elastic:
    """The milestones of one seed, by as many groups of processes as it takes.

    Attributes:
        works: Those that are left.
        images: The training images, on the device or to be read ahead.
        device: Of rank 0.
    """

    works: list[Work]
    images: Tensor | StreamedImages
    device: torch.device

    def train(self) -> Iterator[Work]:
        """Train, and start again where ranks are lost."""
        processes, monitor = self.works[0].spec["processes"], self.works[0].monitor
        name, tries, left = self.works[0].name.rsplit("/", 1)[0], 0, len(self.works)
        saved = self._saved()
        while self.works:
            lost = yield from self._by_a_group(processes)
            if lost is None:
                return
            for report in list(monitor.screen.reports):
                monitor.screen.leave(report)
            if (left, saved) != (len(self.works), self._saved()):
                tries, left, saved = 0, len(self.works), self._saved()
            if tries == RESTARTS:
                raise UserError(
                    f"processes: {lost}, for the {tries + 1}th time since anything was saved; for want of memory? "
                    "Type the same command again, which goes on from there, or set processes to fewer"
                )
            tries += 1
            again = f"{lost}; all {processes} start again from what was saved last"
            print(f"{monitor.called(name)}  {again}", file=monitor.screen.stream, flush=True)

    def _by_a_group(self, processes: int) -> Generator[Work, None, End | None]:
        """Train as far as one group of processes gets; returns what it lost, or None at the end.

        Raises:
            UserError: As of :func:`execute`.
            RuntimeError: A rank failed.
        """
        with Ranks(self.works, processes, self.device) as ranks:
            try:
                run = functools.partial(GroupRun, group=ranks.join())
                training = iter(Training(list(self.works), self.images, self.works[0].monitor, 1, run))
                while True:
                    done = next(training, _END)
                    if done is _END:
                        return None
                    if isinstance(done, Work):
                        self.works = [work for work in self.works if work is not done]
                        yield done
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                end = ranks.lost()
                if end is None:
                    raise
                if not end.signal:
                    raise _failure(end) from error
                return end

    def _saved(self) -> int:
        """When progress was saved last; 0 where there is none."""
        scratch = self.works[0].scratch if self.works else None
        try:
            return 0 if scratch is None else (scratch / saved_tensors.FILE).stat().st_mtime_ns
        except OSError:
            return 0


_END = object()


def _failure(end: End) -> Exception:
    return UserError(end.why) if end.user else RuntimeError(str(end))
