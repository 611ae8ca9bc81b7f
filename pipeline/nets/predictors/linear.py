"""A linear predictor trained by gradient, optionally kept symmetric."""

from __future__ import annotations

import torch

from pipeline.nets.predictor import MatrixPredictor

HAS = {"matrix": {"bias": False}}


class SymmetricPredictor(MatrixPredictor):
    """``W_p`` is projected onto the symmetric matrices: at the start and after each optimiser step."""

    def __init__(self, features: int, *, bias: bool) -> None:
        super().__init__(features, bias=bias)
        self.after_step()

    @torch.no_grad()
    def after_step(self) -> None:
        """``W <- (W + W^T) / 2``."""
        self.weight.copy_((self.weight + self.weight.T) / 2)


def build(features: int, *, bias: bool = False, symmetric: bool = False) -> MatrixPredictor:
    """Linear predictor (Tian 2021, Sec. 2 and Tables 2, 3, 5).

    Args:
        features: Width of the embedding.
        bias: Whether there is one; the text's default is none.
        symmetric: Keep ``W_p`` symmetric. The text starts symmetric and symmetrises the flow (assumption 3);
            projecting after each step is how the released code does it.
    """
    return SymmetricPredictor(features, bias=bias) if symmetric else MatrixPredictor(features, bias=bias)
