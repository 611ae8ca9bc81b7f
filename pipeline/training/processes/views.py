"""Views of a process's part of a minibatch, drawn as for the whole: which process makes a view changes nothing in it.

Drawing is cheap, and done by every process for all images; making views is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.training.processes.group import Group, Share


class PartedPolicy:
    """A policy for several processes.

    Args:
        policy: Has ``sample(batch, generator)``, which draws for so many images, and ``apply(images, drawn)``, which
            makes views. What the former returns has ``split(sizes)``, which cuts it into parts of so many images, as a
            tensor's does; or it is a tuple of such things.
        group: The processes; every minibatch begins here.

    Raises:
        UserError: The policy lacks one of the two.
    """

    def __init__(self, policy: Any, group: Group) -> None:
        lacking = [name for name in ("sample", "apply") if not callable(getattr(policy, name, None))]
        if lacking:
            raise UserError(
                f"views: expected a policy with sample and apply, for processes from 2, found none with {lacking[0]}; "
                "set processes: 1, or see docs/how-to/contracts.md"
            )
        self.sample: Callable[[int, torch.Generator], Any] = policy.sample
        self.apply: Callable[[Tensor, Any], list[Tensor]] = policy.apply
        self.group = group

    def __call__(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Views of this process's part of ``images``, (batch, channels, height, width) uint8."""
        share = self.group.divide(len(images))
        drawn = self.sample(len(images), generator)
        return self.apply(images[share.own], drawn if share.whole else part_of(drawn, share))


def part_of(drawn: Any, share: Share) -> Any:
    """What was drawn for this process's images.

    Raises:
        UserError: It can't be split.
    """
    if isinstance(drawn, tuple) and not hasattr(drawn, "split"):
        return tuple(part_of(one, share) for one in drawn)
    if not callable(getattr(drawn, "split", None)):
        raise UserError(
            f"views: expected what sample returns to have split, for processes from 2, found {type(drawn).__name__}; "
            "set processes: 1, or see docs/how-to/contracts.md"
        )
    return drawn.split(list(share.sizes))[share.rank]
