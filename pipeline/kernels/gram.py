"""Gram matrices of per-sample gradients, tile by tile, added up in float64.

Gradient form: K_ij += G_i . G_j, with the gradients of some rows of a weight held for all samples.

Factor form, for weights with many entries and layers with few positions: the gradient is a sum of outer products, so

    K_ij += sum_ts (a_i[t] . a_j[s]) (delta_i[t] . delta_j[s])

needs the inputs and deltas alone. For a linear layer this is the product of two small Gram matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

COLUMNS = 1 << 12  # of bf16 operands that are turned into float32 at once where a device has no mixed product


@dataclass(frozen=True)
class Block:
    """One block of the kernel: of output ``first`` of the rows with output ``second`` of the columns.

    Attributes:
        first: Index of a direction.
        second: Index of a direction.
        target: Where the block lies, (rows, columns), float64.
    """

    first: int
    second: int
    target: Tensor


@dataclass(frozen=True)
class Sides:
    """Which stored samples are rows and which are columns of the kernel.

    Attributes:
        rows: Start and end.
        columns: Start and end.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def same(self) -> bool:
        """Say whether both are the same samples: then a triangle is enough."""
        return self.rows == self.columns


def product(x: Float[Tensor, "m k"], y: Float[Tensor, "n k"]) -> Float[Tensor, "m n"]:
    """x y^T of (m, k) and (n, k); operands of bf16 are multiplied and added up in float32."""
    if x.dtype != torch.bfloat16:
        return x @ y.T
    if x.device.type == "cuda":
        return torch.mm(x, y.T, out_dtype=torch.float32)
    found = x.new_zeros(len(x), len(y), dtype=torch.float32)
    for first in range(0, x.shape[1], COLUMNS):
        part = slice(first, first + COLUMNS)
        found.addmm_(x[:, part].float(), y[:, part].float().T)
    return found


def _starts(side: tuple[int, int], tile: int) -> list[tuple[int, int]]:
    return [(first, min(first + tile, side[1])) for first in range(*side, tile)]


def _part(block: Block, sides: Sides, i: tuple[int, int], j: tuple[int, int]) -> Tensor:
    row, column = sides.rows[0], sides.columns[0]
    return block.target[i[0] - row : i[1] - row, j[0] - column : j[1] - column]


def add_gradients(
    blocks: Sequence[Block], sides: Sides, gradients: Float[Tensor, "directions samples entries"], tile: int
) -> None:
    """Gradient form: add G G^T to each block.

    Args:
        blocks: Of the kernel; of those on the diagonal with the same samples on both sides the upper triangle of
            tiles is added to.
        sides: Rows and columns.
        gradients: (directions, samples, entries).
        tile: Samples at once.
    """
    for block in blocks:
        first, second = gradients[block.first], gradients[block.second]
        triangle = sides.same and block.first == block.second
        for i in _starts(sides.rows, tile):
            for j in _starts(sides.columns, tile):
                if not (triangle and j < i):
                    _part(block, sides, i, j).add_(product(first[slice(*i)], second[slice(*j)]))


def add_factors(
    blocks: Sequence[Block],
    sides: Sides,
    inputs: Float[Tensor, "samples ..."],
    delta: Float[Tensor, "directions samples T o"],
    see: Callable[[Float[Tensor, "some ..."]], Float[Tensor, "some p T"]],
    tile: int,
) -> None:
    """Factor form: add the sum over pairs of positions to each block.

    Args:
        blocks: As above.
        sides: Rows and columns.
        inputs: Of the layer, (samples, ...).
        delta: (directions, samples, T, o).
        see: Gives the patches of inputs, (samples, p, T).
        tile: Samples at once.
    """
    count = delta.shape[2]
    triangle = sides.same and all(block.first == block.second for block in blocks)

    def flat(part: tuple[int, int]) -> Tensor:
        found = see(inputs[slice(*part)])
        return found.transpose(1, 2).reshape(-1, found.shape[1])

    for i in _starts(sides.rows, tile):
        rows = flat(i)
        for j in _starts(sides.columns, tile):
            if triangle and j < i:
                continue
            seen = product(rows, rows if i == j else flat(j))
            for block in blocks:
                if sides.same and block.first == block.second and j < i:
                    continue
                x, y = delta[block.first, slice(*i)].flatten(0, 1), delta[block.second, slice(*j)].flatten(0, 1)
                both = product(x, y).mul_(seen)
                if count > 1:
                    both = both.view(i[1] - i[0], count, j[1] - j[0], count).sum((1, 3))
                _part(block, sides, i, j).add_(both)
                del both


def mirror(blocks: Sequence[Block], sides: Sides, tile: int) -> None:
    """Fill the lower triangles of blocks on the diagonal from the upper ones."""
    for block in blocks:
        if block.first != block.second or not sides.same:
            continue
        for i in _starts(sides.rows, tile):
            for j in _starts(sides.columns, tile):
                if j > i:
                    _part(block, sides, j, i).copy_(_part(block, sides, i, j).T)
        # within a tile on the diagonal a product may round x y and y x differently
        for i in _starts(sides.rows, tile):
            part = _part(block, sides, i, i)
            part.copy_(part.triu() + part.triu(1).T)


def gradient_tile_bytes(tile: int, stored: torch.dtype, gradient: torch.dtype) -> int:
    """Bytes that a tile of the gradient form takes beside the gradients."""
    mixed = 2 * 4 * tile * COLUMNS if stored == torch.bfloat16 else 0
    return tile * tile * (gradient.itemsize + 3 * 8) + mixed


def factor_tile_bytes(tile: int, p: int, o: int, count: int, stored: torch.dtype, gradient: torch.dtype) -> int:
    """Bytes that a tile of the factor form takes beside inputs and deltas: patches, and two matrices over positions."""
    rows = tile * count
    mixed = 2 * 4 * rows * max(p, o) if stored == torch.bfloat16 else 0
    return 3 * rows * p * stored.itemsize + mixed + (2 * rows * rows + tile * tile) * gradient.itemsize + 16 * tile**2
