"""Two-layer projector."""

from __future__ import annotations

from pipeline.nets.mlp import Mlp
from pipeline.ranges import Width


def build(features: int, *, hidden: Width = 512, out: Width = 128, bias: bool = True, affine: bool = False) -> Mlp:
    """Linear, BatchNorm, ReLU, Linear (Tian 2021, Sec. 5; widths and BatchNorm from the released code).

    Args:
        features: Width of the encoder's features.
        hidden: Width between the layers.
        out: Width of the embedding.
        bias: Whether both linear layers have one.
        affine: Whether BatchNorm learns a scale and a shift.
    """
    return Mlp(features, hidden, out, bias=bias, affine=affine)
