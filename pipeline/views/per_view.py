"""Policies whose views differ: params given view by view, and a policy made of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float, Num


def each_view(params: Mapping[str, Any], count: int | list) -> list[dict[str, Any]]:
    """The params of every single view.

    A list in place of a number has one value per view; where ``count`` is a list too, one per group of views, and
    ``count`` says how many views a group has. So ``count: 2, blur_probability: [1.0, 0.1]`` blurs every first and
    few second views, and ``count: [2, 6], size: [64, 32]`` makes two large views and six small ones.

    Args:
        params: Params by name, numbers (or ``None``, or words) and lists of them.
        count: Number of views, or of those in each group.

    Returns:
        One dictionary per view, with the names of ``params`` and no lists.

    Raises:
        UserError: A count below one, a list of the wrong length, or something in a list that's no number.
    """
    groups = count if isinstance(count, list) else [count]
    for number in groups or [0]:
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise UserError(f"views.count: expected at least 1, found {count}; two views is the usual choice")
    lists = {name: value for name, value in params.items() if isinstance(value, list)}
    if lists and not isinstance(count, list):
        groups = [1] * count
    for name, values in lists.items():
        if len(values) != len(groups):
            per = "group of views" if isinstance(count, list) else "view"
            raise UserError(
                f"views.{name}: expected one number, or a list of {len(groups)}, one per {per} (views.count is "
                f"{count}), found {values!r}"
            )
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float | None):
                raise UserError(f"views.{name}: expected a list of numbers, found {values!r}; correct {value!r}")
    return [
        {name: value[group] if name in lists else value for name, value in params.items()}
        for group, size in enumerate(groups)
        for _ in range(size)
    ]


def together(views: list[dict[str, Any]], apart: frozenset[str]) -> list[list[dict[str, Any]]]:
    """Split views into runs that can be made in one go: neighbours that differ in the params of ``apart`` alone."""
    runs: list[list[dict[str, Any]]] = []
    for view in views:
        if runs and all(view[name] == runs[-1][0][name] for name in view.keys() - apart):
            runs[-1].append(view)
        else:
            runs.append([view])
    return runs


@dataclass(frozen=True)
class Mixed:
    """Several policies on the same images, their views one after the other.

    Attributes:
        policies: Each has ``sample`` and ``apply``.
    """

    policies: tuple[Any, ...]

    def sample(self, batch: int, generator: torch.Generator) -> tuple[Any, ...]:
        """Draw what each policy needs for ``batch`` images, in their order."""
        return tuple(policy.sample(batch, generator) for policy in self.policies)

    def apply(self, images: Num[Tensor, "N C H W"], drawn: tuple[Any, ...]) -> list[Float[Tensor, "N C _ _"]]:
        """All views of (N, C, H, W) images: tensors (N, C, h, w), h and w those of the policy."""
        parts = zip(self.policies, drawn, strict=True)
        return [view for policy, part in parts for view in policy.apply(images, part)]

    def __call__(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """All views of a batch: (N, C, H, W) uint8 on the generator's device, to tensors (N, C, h, w)."""
        return self.apply(images, self.sample(len(images), generator))
