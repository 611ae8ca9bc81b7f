"""Projector of two or more layers."""

from __future__ import annotations

from typing import Annotated, Literal

from pipeline.nets.mlp import Mlp
from pipeline.ranges import Interval, Width

DEFAULT_BEFORE = {"layers": 2, "norm": "hidden"}


def build(
    features: int,
    *,
    hidden: Width = 512,
    out: Width = 128,
    bias: bool = True,
    affine: bool = False,
    layers: Annotated[int, Interval(ge=2, le=8)] = 2,
    norm: Literal["hidden", "every", "none"] = "hidden",
) -> Mlp:
    """Linear, BatchNorm, ReLU, Linear (Tian 2021, Sec. 5; widths and BatchNorm from the released code).

    Args:
        features: Width of the encoder's features.
        hidden: Width between the layers.
        out: Width of the embedding.
        bias: Whether all linear layers have one.
        affine: Whether BatchNorm learns a scale and a shift.
        layers: Linear layers (SimSiam has three).
        norm: Where BatchNorm stands: behind all layers but the last, behind ``every`` one (SimSiam, Chen and He 2021),
            or nowhere (SimCLR in the released code of Draganov 2025).
    """
    return Mlp(features, hidden, out, bias=bias, affine=affine, layers=layers, norm=norm)
