"""The augmentation graph of four instances: two classes, two groups of similar pixels (Ghosh 2024, Eqs. 45, 46).

Instances 1 and 2 are of one class, 3 and 4 of the other; 1 and 3 look alike, as do 2 and 4. The text gives the primed
probabilities of Eq. 45 and the unprimed edge weights of Eq. 46 and does not print how these follow from those;
:func:`weights` is the only way that agrees with Eq. 39.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.multiview.graph import Array

if TYPE_CHECKING:
    from jaxtyping import Float64

MODES = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=np.float64) / 2.0
"""Eigenvectors of every such graph, as rows: constant, class, pixels, neither."""


def pattern(same: float, group: float, look: float, neither: float) -> Float64[Array, "4 4"]:
    """The 4 x 4 matrix with one value per relation of two instances, symmetric.

    Args:
        same: On the diagonal.
        group: Of one class, different look.
        look: Of one look, different class.
        neither: For the rest.
    """
    a, b, c, d = same, group, look, neither
    return np.array([[a, b, c, d], [b, a, d, c], [c, d, a, b], [d, c, b, a]], dtype=np.float64)


def transitions(rho: float, mu: float, nu: float, delta: float) -> Float64[Array, "4 4"]:
    """p(x_j|x_i), Eq. 45: rho keeps the instance, mu only its class, nu only its look, delta neither.

    Raises:
        UserError: No probabilities, or not summing to 1.
    """
    found = (rho, mu, nu, delta)
    if min(found) < 0 or abs(sum(found) - 1.0) > 1e-9:
        raise UserError(f"rho, mu, nu, delta: expected four probabilities that sum to 1, found {found}")
    return pattern(*found)


def weights(rho: float, mu: float, nu: float, delta: float) -> Float64[Array, " 4"]:
    """The four edge weights of Eq. 46, in the order of its arguments, from the probabilities of Eq. 45.

    They sum to 1/4. The first is never the smallest: rho - mu = ((rho' - mu')^2 + (nu' - delta')^2) / 4.
    """
    r, m, n, d = rho, mu, nu, delta
    return np.array(
        [(r * r + m * m + n * n + d * d) / 4, (r * m + n * d) / 2, (r * n + m * d) / 2, (r * d + m * n) / 2]
    )


def eigenvalues(rho: float, mu: float, nu: float, delta: float) -> Float64[Array, "4"]:
    """Eigenvalues of D^-1/2 A D^-1/2 = 4 A at :data:`MODES`, in their order."""
    r, m, n, d = rho, mu, nu, delta
    return np.array([(r + m + n + d) ** 2, (r + m - n - d) ** 2, (r + n - m - d) ** 2, (r + d - m - n) ** 2])


def ansatz(rho: float, mu: float, nu: float, delta: float) -> tuple[float, float, float, float]:
    """Probabilities that few augmentations are said to leave: mu and nu alike, delta never seen.

    It describes one unlucky sample; in the mean over samples mu : nu is that of the population.
    """
    rest = (1.0 - rho) / 2.0
    return rho, rest, rest, 0.0
