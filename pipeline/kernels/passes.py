"""What is held in memory in which pass over the samples."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import UserError
from pipeline.kernels.gram import factor_tile_bytes, gradient_tile_bytes
from pipeline.kernels.memory import readable
from pipeline.kernels.precision import Precision

SAMPLES = {"cpu": 8, "cuda": 256}  # in one forward and backward pass: more is no faster
SHARE = 4  # a quarter of what is free is for activations and tiles, the rest for gradients
LEAST_TILE, MOST_TILE, TILES = 16, 1024, 8
MOVING = 32  # multiply-adds that take as long as writing an entry of a product and reading it again


@dataclass(frozen=True)
class Unit:
    """A parameter.

    Attributes:
        name: Of the parameter.
        layer: Name of its layer, None where its gradients are taken the general way.
        kind: What it is to the layer.
        rows: In how many parts it can be cut.
        width: Entries of a part.
        p: Entries of a patch (weights).
        o: Rows of the weight (weights).
        count: Positions T (weights).
        held: Entries of one sample's input (weights).
    """

    name: str
    layer: str | None
    kind: Literal["weight", "bias", "scale", "general"]
    rows: int
    width: int
    p: int = 0
    o: int = 0
    count: int = 0
    held: int = 0


@dataclass(frozen=True)
class Piece:
    """Rows of a parameter that one pass takes care of.

    Attributes:
        unit: The parameter.
        first: First row.
        last: The row after the last.
        form: Whether gradients are held, or their factors.
        tile: Samples at once in the Gram product.
    """

    unit: Unit
    first: int
    last: int
    form: Literal["gradient", "factor"]
    tile: int


@dataclass(frozen=True)
class PassPlan:
    """How a kernel is computed.

    Attributes:
        passes: Pieces of each pass.
        samples: In one forward and backward pass.
        tile: Samples at once in Gram products of the gradient form.
    """

    passes: tuple[tuple[Piece, ...], ...]
    samples: int
    tile: int


@dataclass(frozen=True)
class Size:
    """How much there is.

    Attributes:
        samples: Inputs and queries together.
        rows: Of the kernel.
        columns: Of the kernel.
        directions: Outputs whose gradients are taken.
        blocks: Of the kernel.
        kernel: Bytes of the kernel, with copies made to save it.
        least: Bytes that the checks before the first pass took.
        sample: Bytes that one sample's forward and backward pass takes.
        device: Type of the device.
    """

    samples: int
    rows: int
    columns: int
    directions: int
    blocks: int
    kernel: int
    least: int
    sample: int
    device: str


def factors_are_better(unit: Unit, size: Size) -> bool:
    """Say whether the factor form has fewer multiply-adds.

    Gradients: made once for every sample and position, multiplied once for every pair. Factors: multiplied for every
    pair of samples and of positions, and both products moved through memory.
    """
    pairs = size.rows * size.columns / 2
    entries = unit.p * unit.o
    gradients = entries * (size.samples * size.directions * unit.count + pairs * size.blocks)
    factors = pairs * unit.count**2 * (unit.p + size.blocks * (unit.o + MOVING))
    return factors < gradients


def make(units: Sequence[Unit], size: Size, memory: int, precision: Precision, form: str = "best") -> PassPlan:
    """Cut the parameters into passes whose gradients fit the budget.

    Later layers come first, and a pass takes neighbours: then its backward pass is short.

    Args:
        units: Parameters in the order in which they are used.
        size: Of the problem.
        memory: Budget in bytes.
        precision: Number formats.
        form: ``gradient`` or ``factor`` takes that form wherever it can be had; for comparisons.

    Raises:
        UserError: The budget does not suffice.
    """
    stored = precision.stored.itemsize
    rows = size.samples * size.directions

    def gradient_tile(tile: int) -> int:
        return gradient_tile_bytes(tile, precision.stored, precision.gradient)

    def factor_tile(unit: Unit, tile: int) -> int:
        return factor_tile_bytes(tile, unit.p, unit.o, unit.count, precision.stored, precision.gradient)

    longest = max(size.rows, size.columns)
    small = min(LEAST_TILE, longest)
    floor = max(size.sample, gradient_tile(small))
    narrowest = max((unit.width * rows * stored for unit in units), default=0)
    needed = max(size.kernel + floor + narrowest, size.least)
    if memory < needed:
        raise UserError(
            f"memory: expected a budget of at least {readable(needed)} for the kernel, one sample's activations and "
            f"one row of the widest weight for all samples, found {readable(memory)}; raise the budget or take "
            f"fewer samples"
        )
    free = memory - size.kernel
    everything = sum(unit.rows * unit.width for unit in units) * rows * stored
    # room that no gradients will ask for goes to larger chunks
    room = max(free // SHARE, free - everything)
    work = max(floor, min(room, free - narrowest, max(gradient_tile(MOST_TILE), SAMPLES[size.device] * size.sample)))
    samples = max(1, min(work // size.sample, SAMPLES[size.device], size.samples))
    capacity = free - work

    wanted = min(MOST_TILE, max(128, -(-longest // TILES)))
    tile = _largest(min(wanted, longest), small, gradient_tile, work)
    passes: list[list[Piece]] = [[]]
    left = capacity
    for unit in reversed(units):
        factors = rows * unit.o * unit.count + size.samples * unit.held
        fits = factors * stored <= capacity and factor_tile(unit, 1) <= work
        can = unit.kind == "weight" and fits
        if can and (form == "factor" or (form == "best" and factors_are_better(unit, size))):
            if factors * stored > left:
                passes.append([])
                left = capacity
            small_tile = _largest(min(wanted, longest), 1, functools.partial(factor_tile, unit), work)
            passes[-1].append(Piece(unit, 0, unit.rows, "factor", small_tile))
            left -= factors * stored
            continue
        first, row = 0, unit.width * rows * stored
        while first < unit.rows:
            count = min(left // row, unit.rows - first)
            if not count:
                passes.append([])
                left = capacity
                continue
            passes[-1].append(Piece(unit, first, first + count, "gradient", tile))
            first += count
            left -= count * row
    return PassPlan(tuple(tuple(one) for one in passes if one), samples, tile)


def _largest(most: int, least: int, size: Callable[[int], int], room: int) -> int:
    """The largest tile, halving from ``most``, that fits the room; ``least`` is known to fit."""
    tile = most
    while tile > least and size(tile) > room:
        tile = max(least, tile // 2)
    return tile
