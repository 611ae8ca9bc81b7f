"""Augmentations that are asked for and change nothing: a run with one has the name of an experiment that it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.errors import UserError

STRENGTHS = ("brightness", "contrast", "saturation", "hue")


def refuse(views: Mapping[str, Any], side: int | None, where: str) -> None:
    """Refuse a blur or a colour jitter that does nothing, before anything runs.

    The policy ``simclr`` refuses the same when it is built, where it knows the images themselves.

    Args:
        views: Params of a policy; one that has none of these operations passes.
        side: Pixels of the data set's images; None where nobody has said, and then a blur's kernel is not known.
        where: Entry that asks for it, for messages.

    Raises:
        UserError: A blur with a kernel of one pixel, or a jitter of no strength.
    """
    count = max((len(value) for value in views.values() if isinstance(value, list)), default=1)
    for number in range(count):
        view = {name: value[number % len(value)] if isinstance(value, list) else value for name, value in views.items()}
        pixels = view.get("size") or side
        share = view.get("blur_kernel")
        if view.get("blur_probability") and share and pixels and int(share * pixels) <= 1:
            least = math.ceil(200 / pixels) / 100
            more = f"set it to {least:g} or more, or " if least <= 1 else "set "
            raise UserError(
                f"{where}: views.blur_kernel: {share:g} of {pixels} pixels is a kernel of one pixel, which blurs "
                f"nothing; {more}views.blur_probability: 0"
            )
        if view.get("jitter_probability") and not any(view.get(name, 1) for name in STRENGTHS):
            raise UserError(
                f"{where}: views.jitter_probability: {view['jitter_probability']:g} with {', '.join(STRENGTHS)} at 0 "
                "changes nothing; set one of them, or views.jitter_probability: 0"
            )
