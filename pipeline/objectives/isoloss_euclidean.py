"""IsoLoss for the squared distance: every mode is learnt at the same relative rate."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from pipeline.objectives._pairs import full_precision

if TYPE_CHECKING:
    from jaxtyping import Float

STOPS_GRADIENT = True


def loss(
    embeddings: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    matrix: Float[Tensor, "dim dim"],
    *,
    form: Literal["distance", "product"] = "distance",
) -> Float[Tensor, ""]:
    """Mean over ordered pairs of different views of ``1/2 mean(|z_i - SG(z_j + z_i - W_p z_i)|^2)``.

    Halvagal 2023, Eq. 15; SG is a stop-gradient. Its gradient is ``W_p z_i - z_j``: that of the objective ``euclidean``
    is ``W_p^T`` times this, so that modes with small eigenvalues of ``W_p``, which that one learns slowly, are learnt
    as fast as the others. The second form, with the same gradient, is ``mean(SG(W_p z_i - z_j) . (z_i - SG(z_j)))``.

    The predictor gets no gradient: one that is set every few steps stays as it is between them.

    Args:
        embeddings: ``z_i``, one tensor of shape (batch, dim) per view, two or more views.
        targets: ``z_j``, likewise; no gradient reaches them.
        matrix: ``W_p``, shape (dim, dim); no gradient reaches it.
        form: ``distance`` or ``product``, the two forms; the value of the latter may be negative.

    Returns:
        Scalar.

    Raises:
        UserError: There is only one view.
    """
    with torch.autocast(embeddings[0].device.type, enabled=False):
        z, t = full_precision(embeddings, targets)
        w = matrix.detach().to(z[0].dtype)
        fixed, t = [view.detach() for view in z], [view.detach() for view in t]
        wrong = {(i, j): fixed[i] @ w.T - t[j] for i, j in permutations(range(len(z)), 2)}
        if form == "distance":
            losses = [(z[i] - (fixed[i] - wrong[i, j])).square().sum() / 2 for i, j in wrong]
        else:
            losses = [(wrong[i, j] * (z[i] - t[j])).sum() for i, j in wrong]
        return torch.stack(losses).mean() / len(z[0])
