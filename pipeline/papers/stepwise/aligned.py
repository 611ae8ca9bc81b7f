"""Exact dynamics from aligned initialisation: every mode on its own (Simon 2023, Section 4).

W(0) = U S(0) V with rows of V distinct eigenvectors of Gamma and U orthogonal stays of this form, and each singular
value obeys ds/dt = 4 (1 - gamma s^2) gamma s (Eq. 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


def _starts(starts: ArrayLike) -> Array:
    s = np.asarray(starts, dtype=np.float64)
    if not (s > 0).all():
        raise UserError(f"initial singular values: expected numbers above 0, found {s.min():g}; 0 never leaves 0")
    return s


def singular_values(time: ArrayLike, gamma: ArrayLike, starts: ArrayLike) -> Float64[Array, "*T d"]:
    """s_j(t) from s_j(0), for gamma of any sign (Simon 2023, Eq. 10).

    Written so that nothing overflows: exponentials of -8 gamma t for gamma >= 0, of 8 gamma t else.

    Args:
        time: Times >= 0, (T,) or a number.
        gamma: Eigenvalues of Gamma, (d,).
        starts: s_j(0) > 0, (d,) or a number.

    Returns:
        (T, d).

    Raises:
        UserError: A start that is not positive, or a negative time.
    """
    t, g = np.asarray(time, dtype=np.float64)[..., None], np.asarray(gamma, dtype=np.float64)
    s = _starts(starts)
    if (t < 0).any():
        raise UserError(f"time: expected numbers from 0 on, found {t.min():g}")
    decay = np.exp(-8 * np.abs(g) * t)
    grown = 1 / (g + (s**-2.0 - g) * np.where(g >= 0, decay, 1.0))
    shrunk = decay / (s**-2.0 + (decay - 1) * np.minimum(g, 0.0))
    return np.sqrt(np.where(g >= 0, grown, shrunk))


def eigenvalues(time: ArrayLike, gamma: ArrayLike, starts: ArrayLike) -> Float64[Array, "*T d"]:
    """Eigenvalues lambda_j = gamma_j s_j(t)^2 of C, (T, d).

    For gamma > 0 this is the logistic 1 / (1 + (1 / lambda(0) - 1) exp(-8 gamma t)). The paper prints it without
    the -1, which holds for lambda(0) << 1 only.
    """
    return np.asarray(gamma, dtype=np.float64) * singular_values(time, gamma, starts) ** 2


def losses(time: ArrayLike, gamma: ArrayLike, starts: ArrayLike) -> Array:
    """L(t) = sum_j (1 - gamma_j s_j^2)^2, (T,) (Simon 2023, Eq. 14)."""
    return ((1 - eigenvalues(time, gamma, starts)) ** 2).sum(axis=-1)


def step_times(gamma: ArrayLike, starts: ArrayLike) -> Array:
    """tau_j = -log(gamma_j s_j(0)^2) / (8 gamma_j), when mode j is learnt (Simon 2023, Eq. 16).

    At tau_j the eigenvalue is 1 / (2 - lambda(0)), one half for a small start. It rises from 10 to 90 % within
    log(81) / (8 gamma_j).

    Raises:
        UserError: A gamma or a start is not positive: such a mode is never learnt.
    """
    g, s = np.asarray(gamma, dtype=np.float64), _starts(starts)
    if not (g > 0).all():
        raise UserError(
            f"gamma: expected numbers above 0, found {g.min():g}; such a mode is never learnt, leave it out"
        )
    return -np.log(g * s**2) / (8 * g)


def final_values(gamma: ArrayLike, starts: ArrayLike) -> Array:
    """s_j at infinite time: gamma^-1/2, s_j(0) or 0 for gamma positive, zero or negative (Simon 2023, Eq. 13)."""
    g, s = np.asarray(gamma, dtype=np.float64), _starts(starts)
    positive = np.where(g > 0, g, 1.0) ** -0.5
    return np.where(g > 0, positive, np.where(g == 0, s, 0.0))


def top_spectral(gamma: ArrayLike, rows: ArrayLike, dimensions: int) -> Float64[Array, "d m"]:
    """The least-norm W of zero loss, diag(gamma_j^-1/2) V, up to a rotation (Simon 2023, Def. 4.2, Eq. 15).

    Its squared norm is the sum of 1 / gamma_j.

    Args:
        gamma: Eigenvalues of Gamma in descending order, (m,).
        rows: Eigenvectors as rows, (m, m).
        dimensions: Outputs d.

    Raises:
        UserError: Fewer than d eigenvalues are positive: no W has zero loss.
    """
    g = positive_modes(gamma, dimensions)
    return g[:, None] ** -0.5 * np.asarray(rows, dtype=np.float64)[:dimensions]


def positive_modes(gamma: ArrayLike, dimensions: int) -> Float64[Array, " d"]:
    """The d largest of descending eigenvalues, all of them above rounding.

    Raises:
        UserError: Fewer than d are.
    """
    g = np.asarray(gamma, dtype=np.float64)
    count = int((g > 1e-12 * np.abs(g).max(initial=0.0)).sum())
    if not 1 <= dimensions <= count:
        raise UserError(
            f"dimensions: {count} eigenvalues of Gamma are positive, so expected 1 to {count} outputs, "
            f"found {dimensions}; take fewer outputs or more pairs"
        )
    return g[:dimensions]


def ridge_values(gamma: ArrayLike, penalty: float) -> Float64[Array, "..."]:
    """s_j^2 at the minimum of L + penalty |W|^2: (gamma - penalty / 2) / gamma^2, 0 where that is negative.

    The paper's Eq. 31 has the penalty in place of its half, for it drops a factor of the gradient in Eq. 28.

    Raises:
        UserError: A negative penalty.
    """
    if penalty < 0:
        raise UserError(f"penalty: expected 0 or more, found {penalty:g}")
    g = np.asarray(gamma, dtype=np.float64)
    return np.where(g > penalty / 2, (g - penalty / 2) / np.where(g > 0, g, 1.0) ** 2, 0.0)
