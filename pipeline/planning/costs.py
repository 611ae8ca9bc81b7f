"""What a training costs before one like it has been run: operations of its encoder's forward passes, and their number.

Nothing is imported for it and nothing decides by it: only how long things may take is said from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.ledger.workspace import Milestone

if TYPE_CHECKING:
    from pipeline.planning.needs import DataPlan, Needs
    from pipeline.planning.spec import Estimate

_PER_PIXEL = {"resnet18": 36_200, "resnet50": 81_500}
"""Multiply-adds per pixel with the stock stem, which leaves a sixteenth of the pixels to the first block."""

_STEMS = {"stock": 1, "tinyimagenet": 4, "cifar": 16, "cifar_padded": 16}
"""How many times as many pixels other stems leave."""

_UNKNOWN = 36_200
"""Of encoders that are not the project's own, per pixel."""

SCALING = 0.8
"""How much of a process's own speed it keeps among others: a guess at what waiting for each other costs."""


class Cost(NamedTuple):
    """What a training has spent.

    Attributes:
        operations: Multiply-adds of the forward passes.
        passes: Views in all steps: each takes a while, however few images it has.
    """

    operations: float = 0.0
    passes: float = 0.0

    def since(self, before: Cost) -> Cost:
        """What has come to it after ``before``."""
        return Cost(max(self.operations - before.operations, 0.0), max(self.passes - before.passes, 0.0))

    def seconds(self, guess: Estimate) -> float:
        """How long it takes by a scale's guess."""
        return self.operations / (1e9 * guess.speed) + self.passes * guess.step


def speedup(processes: int) -> float:
    """How many times as fast several processes train as one, each on a device of its own."""
    return 1.0 if processes == 1 else processes * SCALING


def forward(encoder: Mapping[str, Any], side: int) -> float:
    """Count the multiply-adds of one forward pass.

    Args:
        encoder: Params of the encoder.
        side: Side of a square image, in pixels.
    """
    kind = encoder["kind"]
    if kind == "pixels":
        return 0.0
    if kind == "tiny_conv":
        total, before, pixels = 0.0, 3, float(side)
        for channels, stride in zip(encoder["channels"], encoder["strides"], strict=True):
            pixels = -(-pixels // stride)
            total += 9 * before * channels * pixels**2
            before = channels
        return total
    return _PER_PIXEL.get(kind, _UNKNOWN) * _STEMS.get(encoder.get("stem", "stock"), 1) * side**2


def images(data: Mapping[str, Any], also: Mapping[str, Any], split: str, fraction: float = 1.0) -> int:
    """Count the images that a training sees in an epoch.

    Args:
        data: Params of the data set.
        also: What else is declared of it: ``splits``, and the params of its source that have their defaults.
        split: Name of the split, or names joined by ``+``.
        fraction: Share of them.
    """
    source = {**also.get("source", {}), **data["source"]}
    total = 0.0
    for name in split.split("+"):
        drawn = source.get(name)  # of what is drawn: how many; files may be named so
        counted = isinstance(drawn, int)
        count: float = drawn if isinstance(drawn, int) else (also.get("splits") or {}).get(name) or 0
        limit = source.get(f"limit_{name}")
        count = min(count, limit) if limit else count
        ratio = source.get("imbalance") or 1.0
        if ratio > 1 and counted and name == "train":  # what is declared of files is what is left of them
            classes = data["classes"]
            count = count / classes * sum(ratio**-number for number in range(classes))
        total += count
    return round(total * fraction)


def step_image(run: Mapping[str, Any], side: int) -> float:
    """Count the multiply-adds of the forward passes that one image takes in a training: one per view.

    Args:
        run: Params of the run.
        side: Side of the data set's images.
    """
    return sum(count * forward(run["encoder"], size) for count, size in _views(run, side))


def _views(run: Mapping[str, Any], side: int) -> list[tuple[int, int]]:
    """How many views there are of each size."""
    views = run["views"]
    counts, sizes = views.get("count", 1), views.get("size") or side
    counts = counts if isinstance(counts, list) else [counts]
    sizes = sizes if isinstance(sizes, list) else [sizes] * len(counts)
    return list(zip(counts, sizes, strict=True))


def seen(at: Milestone, batch: int, epoch: int) -> int:
    """Count the images that a training has seen at a milestone.

    Args:
        at: The milestone.
        batch: Images per step.
        epoch: Images per epoch.
    """
    return at.step * batch if at.step else at.epoch * epoch


def epoch_images(needs: Needs, config: str) -> int:
    """Count the images of an epoch of a planned run."""
    run = needs.runs[config]
    data = needs.data[run.data]
    return images(data.params, data.omitted_defaults, run.run["split"], run.run["fraction"])


def image_side(data: DataPlan) -> int:
    """Look up the side of the images of a planned data set; where nobody says it, that of CIFAR."""
    return data.params["source"].get("size") or data.omitted_defaults["image_size"] or 32


def side(needs: Needs, config: str) -> int:
    """Look up the side of the images of a planned run."""
    return image_side(needs.data[needs.runs[config].data])


def spent(needs: Needs, config: str, at: Milestone) -> Cost:
    """Say what a planned run has spent up to a milestone."""
    run, width = needs.runs[config].run, side(needs, config)
    images = seen(at, run["batch_size"], epoch_images(needs, config))
    views = sum(count for count, _ in _views(run, width))
    return Cost(images * step_image(run, width), images / run["batch_size"] * views)
