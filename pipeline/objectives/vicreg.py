"""VICReg: views agree, every feature varies, and no two features vary together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.objectives._pairs import full_precision, mean_over_pairs
from pipeline.ranges import NonNegative

if TYPE_CHECKING:
    from jaxtyping import Float


def loss(
    predictions: list[Float[Tensor, "batch dim"]],
    targets: list[Float[Tensor, "batch dim"]],
    *,
    invariance: NonNegative = 25.0,
    variance: NonNegative = 25.0,
    covariance: NonNegative = 1.0,
    epsilon: NonNegative = 1e-4,
) -> Float[Tensor, ""]:
    """Mean over ordered pairs of different views of invariance, variance and covariance term.

    Bardes 2022, Sec. 4, with the normalisations of its released code::

        l(p, z) = invariance |p - z|^2 / (N d) + variance (v(p) + v(z)) / 2 + covariance (c(p) + c(z))
        v(x) = 1/d sum_k max(0, 1 - sqrt(Var(x_k) + epsilon)),    c(x) = 1/d sum_{k != l} Cov(x)_kl^2

    The text has ``|p - z|^2 / N`` and the sum of both ``v``: with its coefficients the weights of the terms
    differ from the code by factors of ``d`` and 2. Variance and covariance are unbiased, ``1/(N - 1)``. Both
    depend on one view only, so each is computed once per view, however many pairs that is in.

    Args:
        predictions: One tensor of shape (batch, dim) per view, two or more views.
        targets: Likewise; without gradient if the target has a stop-gradient, and then their variance and
            covariance are constants.
        invariance: Weight of the mean squared difference.
        variance: Weight of the hinge that keeps standard deviations at 1 or above.
        covariance: Weight of the squared covariances.
        epsilon: Added to the variance, so that the root has a gradient at 0.

    Returns:
        Scalar.
    """

    def of_view(x: Tensor) -> Tensor:
        centred = x - x.mean(dim=0)
        matrix = centred.T @ centred / (len(x) - 1)
        diagonal = matrix.diagonal()
        hinge = functional.relu(1 - (diagonal + epsilon).sqrt()).mean()
        redundancy = (matrix - torch.diag(diagonal)).square().sum() / x.shape[1]
        return variance / 2 * hinge + covariance * redundancy

    with torch.autocast(predictions[0].device.type, enabled=False):
        p, z = full_precision(predictions, targets)
        agreement = mean_over_pairs(functional.mse_loss, p, z)
        # every view stands in as many ordered pairs as every other, once as prediction, once as target
        of_predictions = torch.stack([of_view(view) for view in p]).mean()
        of_targets = of_predictions if z is p else torch.stack([of_view(view) for view in z]).mean()
        return invariance * agreement + of_predictions + of_targets
