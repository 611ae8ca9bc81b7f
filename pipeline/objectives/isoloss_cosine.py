"""IsoLoss for the cosine similarity: modes with small eigenvalues are learnt as fast as the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.objectives._pairs import full_precision
from pipeline.ranges import Positive

if TYPE_CHECKING:
    from jaxtyping import Float

STOPS_GRADIENT = True
SHORTEST = 1e-12
"""Length that a prediction is at least taken to have, as in ``torch.nn.functional.normalize``."""


def loss(
    embeddings: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    matrix: Float[Tensor, "dim dim"],
    *,
    scale: Positive = 2.0,
) -> Float[Tensor, ""]:
    """Sum over ordered pairs of different views of ``scale mean(l(z_i, z_j))``, Halvagal 2023, Eq. 17.

    With SG a stop-gradient and ``p = W_p z_i``::

        l = - z_i . SG( z_j / (|p| |z_j|) ) + 1/2 SG( p . z_j / (|p|^3 |z_j|) ) |W_p^(1/2) z_i|^2

    The root need not be formed: the last factor is ``z_i . W_p z_i``, its gradient ``2 W_p z_i`` (taken so for a
    ``W_p`` that is not symmetric, too). The gradient of the objective ``cosine`` of the same ``scale`` is ``W_p^T``
    times that of this one, so that modes with small eigenvalues of ``W_p``, which that one learns slowly, are learnt
    as fast as the others. Only the gradient has a meaning: the value is no similarity and may leave [-scale, scale].
    Unlike that of ``cosine`` it depends on the scale of ``W_p``, to which it is inversely proportional: whatever
    normalises eigenvalues is a factor on the learning rate.

    The predictor gets no gradient: one that is set every few steps stays as it is between them, and in the first step
    it is what it was initialised with.

    Args:
        embeddings: ``z_i``, one tensor of shape (batch, dim) per view, two or more views.
        targets: ``z_j``, likewise; no gradient reaches them.
        matrix: ``W_p``, shape (dim, dim); no gradient reaches it.
        scale: Weight of one pair; 2 in the released code, as of ``cosine``.

    Returns:
        Scalar.

    Raises:
        UserError: There is only one view.
    """
    with torch.autocast(embeddings[0].device.type, enabled=False):
        z, t = (torch.stack(views) for views in full_precision(embeddings, targets))
        with torch.no_grad():
            prediction = z @ matrix.to(z.dtype).T
            length = prediction.norm(dim=-1, keepdim=True).clamp_min(SHORTEST)
            direction = functional.normalize(t, dim=-1)
            # Eq. 17 is linear in the direction of the target, so all other views of an image may be added first
            others = torch.stack([torch.cat([direction[:i], direction[i + 1 :]]).sum(dim=0) for i in range(len(z))])
            along = (prediction * others).sum(dim=-1, keepdim=True) / length**2
            spread = along / length * prediction  # gradient of the second term, whose value is half of it times z
            gradient = spread - others / length
            half = (spread * z).sum() / 2
        return ((gradient * z).sum() - half) * (scale / z.shape[1])
