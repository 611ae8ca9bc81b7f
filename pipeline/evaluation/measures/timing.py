"""How long the training of a run takes here: its steps timed, on the machine and in the way in which it is trained."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import torch

from pipeline import hardware
from pipeline.errors import UserError
from pipeline.evaluation.context import EvaluationContext
from pipeline.ranges import Count
from pipeline.training.pretrain import Run
from pipeline.work import Work

if TYPE_CHECKING:
    from pathlib import Path

READS = (
    "views", "encoder", "projector", "predictor", "target", "objective", "optimizer", "schedule", "initialization",
    "normalize", "split", "fraction", "batch_size", "accumulation", "precision", "deterministic", "processes",
    "sync_batchnorm",
)  # fmt: skip
UNTRAINED = True
"""It looks at no weights: whatever milestone is asked for, the run is timed once."""
VALUES = (
    "epoch_minutes", "step_seconds", "step_seconds_std", "images_per_second", "epoch_views", "n", "hardware", "mode",
)  # fmt: skip


def measure(
    subject: EvaluationContext, *, warm_up: Count = 20, steps: Count = 20, repeats: Count = 5
) -> dict[str, Any]:
    """Time steps of the run from its start, views and update included; what reads data and writes checkpoints is not.

    Minutes depend on the machine, which is named; ``epoch_views``, images times views, is the cost that does not.

    Args:
        subject: The run, at epoch 0.
        warm_up: Steps before the first that is timed: kernels are compiled and graphs are captured in them.
        steps: Steps of one timing. The host waits for the device before and after it.
        repeats: Timings.

    Returns:
        ``step_seconds``: median over the timings of the mean over their steps; ``step_seconds_std``: standard deviation
        over the timings (ddof = 1; 0 for one); ``epoch_minutes``; ``images_per_second``; ``epoch_views``; ``n``:
        timings; ``hardware``: name of GPU or CPU, with the number of threads; ``mode``: how steps were taken.

    Raises:
        UserError: The run is one of several processes.
    """
    if subject.spec.get("processes", 1) > 1:
        raise UserError(
            f"measures: timing: expected a run of one process, found processes: {subject.spec['processes']}, whose "
            "steps are not timed; set processes: 1, or leave minutes out"
        )
    run = Run(_work(subject), epochs=warm_up + steps * repeats)
    position = 0

    def take(count: int) -> float:
        nonlocal position
        _wait(subject.device)
        start = time.perf_counter()
        for _ in range(count):
            epoch, step = divmod(position, run.batches.steps)
            run.step(epoch, step)
            position += 1
            if position % run.batches.steps == 0:
                run.losses.end_epoch()
        _wait(subject.device)
        return (time.perf_counter() - start) / count

    take(warm_up)
    taken = []
    for number in range(repeats):
        taken.append(take(steps))
        subject.progress.tick("timing", number + 1, repeats)
    median = statistics.median(taken)
    images = len(run.batches.images)
    count = subject.spec["views"].get("count", 2)
    views = sum(count) if isinstance(count, list) else count
    return {
        "step_seconds": median,
        "step_seconds_std": statistics.stdev(taken) if repeats > 1 else 0.0,
        "epoch_minutes": median * run.batches.steps / 60,
        "images_per_second": images / (median * run.batches.steps),
        "epoch_views": images * views,
        "n": repeats,
        "hardware": hardware.card() or f"{hardware.processor()}, {torch.get_num_threads()} threads",
        "mode": run.steps.mode,
    }


def _work(subject: EvaluationContext) -> Work:
    files: dict[str, Path] = {part: path for part, path in subject.components.items() if part != "measure"}
    return Work(
        name="timing",
        spec=dict(subject.spec),
        out=subject.checkpoint,  # nothing is written
        inputs={"data": subject.data},
        seed=subject.seed,
        components=files,
        context={"device": subject.device.type},
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
