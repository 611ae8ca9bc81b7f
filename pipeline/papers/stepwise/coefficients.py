"""The matrix flow in the eigenbasis of Gamma, and its prediction from small initialisation (Simon 2023, Appendix C).

W = U A(t) V with A(0) upper triangular, in rescaled time t' = 4 t: a curve at t' is the flow of Eq. 6 at t' / 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from pipeline.errors import UserError
from pipeline.papers.stepwise.aligned import singular_values

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def velocity(coefficients: Float64[Array, "d m"], gamma: Float64[Array, " m"]) -> Float64[Array, "d m"]:
    """dA/dt' = (I - A Lambda A^T) A Lambda, of the shape (d, m) of A (Simon 2023, Eq. 45)."""
    scaled = coefficients * gamma
    return scaled - (scaled @ coefficients.T) @ scaled


def integrate(start: ArrayLike, gamma: ArrayLike, times: ArrayLike, *, rtol: float = 1e-11) -> Float64[Array, "T d m"]:
    """A(t') by integration of Eq. 45: the truth that Eqs. 47 and 48 approximate.

    The sentence on Figure 6 names the equations the other way round.

    Args:
        start: A(0), (d, m).
        gamma: Eigenvalues of Gamma, (m,).
        times: t' in rising order, from 0 on, (T,).
        rtol: Relative tolerance. The absolute one is far below any entry: entries start at 1e-9 and rise from 0.

    Returns:
        (T, d, m).

    Raises:
        UserError: Shapes do not fit, or the integration fails.
    """
    a, g, t = (np.asarray(given, dtype=np.float64) for given in (start, gamma, times))
    if a.ndim != 2 or g.shape != a.shape[1:]:
        raise UserError(f"A(0), gamma: expected shapes (d, m) and (m,), found {a.shape} and {g.shape}")

    def flow(_: float, flat: Array) -> Array:
        return velocity(flat.reshape(a.shape), g).ravel()

    found = solve_ivp(flow, (0.0, t[-1]), a.ravel(), method="DOP853", t_eval=t, rtol=rtol, atol=1e-30)
    if not found.success:
        raise UserError(f"flow of Eq. 45: the integration stopped: {found.message}; start from smaller A(0)")
    return found.y.T.reshape(len(t), *a.shape)


def predict(start: ArrayLike, gamma: ArrayLike, times: ArrayLike) -> Float64[Array, "T d m"]:
    """A(t') for a small upper triangular A(0): s_j by Eq. 47, a_jk of j < k by Eq. 48, 0 below the diagonal.

    The entries below the diagonal are 0 to leading order only. A pair with k <= d ends at
    a_kj = -a_jk sqrt(gamma_k / gamma_j), of the same order as a_jk, once mode k is learnt.

    Args:
        start: A(0), (d, m), positive on its diagonal.
        gamma: Eigenvalues of Gamma, (m,); the first d are positive.
        times: t', (T,).

    Returns:
        (T, d, m).

    Raises:
        UserError: The d leading eigenvalues or the diagonal of A(0) are not positive.
    """
    a, g, t = (np.asarray(given, dtype=np.float64) for given in (start, gamma, times))
    d = len(a)
    if not (g[:d] > 0).all():
        raise UserError(f"gamma: expected the first {d} above 0, found {g[:d].min():g}; take fewer rows")
    diagonal = np.diagonal(a)
    modes = singular_values(t / 4, g[:d], diagonal)
    grown = (modes / diagonal)[:, :, None] ** (g / g[:d, None])
    predicted = np.triu(a, 1) * grown
    predicted[:, np.arange(d), np.arange(d)] = modes
    return predicted
