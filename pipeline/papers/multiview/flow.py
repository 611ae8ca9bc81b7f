"""Gradient flow of Barlow Twins in a linear network, with any weight of the off-diagonal (Ghosh 2024, Eqs. 30 to 38).

The output is W x, the cross-correlation C = W Gamma W^T with Gamma symmetric, and the loss sum_i (1 - C_ii)^2 +
beta sum_{i!=j} C_ij^2. Every off-diagonal pair counts twice, so both terms have the factor 4 of :func:`velocity`. All
functions but the first two work in the eigenbasis of Gamma: Z = W V, and ``rates`` are its eigenvalues, of either sign:
where the text has singular values, growth and decay follow the sign. A rotation of the rows leaves the loss unchanged
only at beta = 1; the text's remark on noise uses it for weak orthogonalisation, where only signs and order are free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from pipeline.errors import UserError
from pipeline.papers.multiview.graph import Array

if TYPE_CHECKING:
    from jaxtyping import Float64, Num


def loss(weights: Float64[Array, "d inputs"], gamma: Float64[Array, "inputs inputs"], beta: float) -> float:
    """The loss at W, shape (d, inputs) (Eq. 30)."""
    c = weights @ _symmetric(gamma) @ weights.T
    off = (c**2).sum() - (np.diag(c) ** 2).sum()
    return float(((1.0 - np.diag(c)) ** 2).sum() + beta * off)


def velocity(
    weights: Float64[Array, "d inputs"], gamma: Float64[Array, "inputs inputs"], beta: float
) -> Float64[Array, "d inputs"]:
    """dW/dt = -4 [(1 - beta) diag(C) + beta C - 1] W Gamma, minus the gradient of :func:`loss` (Eq. 34)."""
    c = weights @ _symmetric(gamma) @ weights.T
    return -4.0 * ((1.0 - beta) * np.diag(np.diag(c)) + beta * c - np.eye(len(c))) @ weights @ gamma


def flow(
    start: Float64[Array, "*batch d modes"], rates: Float64[Array, " modes"], beta: float, times: Float64[Array, " n"]
) -> Float64[Array, "n *batch d modes"]:
    """Z at the times, integrated; many networks at once.

    Args:
        start: Z(0), shape (..., d, modes).
        rates: Eigenvalues of Gamma, shape (modes,).
        beta: Weight of the off-diagonal, >= 0.
        times: Ascending, from 0 on, shape (n,).

    Returns:
        Shape (n, ..., d, modes).

    Raises:
        UserError: A negative beta, times in no order, or the integration fails.
    """
    start, rates, times = (np.asarray(x, dtype=np.float64) for x in (start, rates, times))
    if beta < 0 or not np.isfinite(beta):
        raise UserError(f"beta: expected 0 or more, found {beta}")
    if times.ndim != 1 or times[0] < 0 or (np.diff(times) <= 0).any():
        raise UserError("times: expected ascending times from 0 on")
    if start.shape[-1:] != rates.shape:
        raise UserError(f"start, rates: expected one rate per mode, found {start.shape[-1:]} and {rates.shape}")
    eye = np.eye(start.shape[-2])

    def push(_: float, state: Array) -> Array:
        z = state.reshape(start.shape)
        scaled = z * rates
        c = scaled @ z.swapaxes(-1, -2)
        return (-4.0 * ((1.0 - beta) * c * eye + beta * c - eye) @ scaled).reshape(-1)

    span = (0.0, float(times[-1]))
    found = solve_ivp(push, span, start.reshape(-1), "DOP853", t_eval=times, rtol=1e-10, atol=1e-13)
    if not found.success:
        raise UserError(f"flow: the integration stopped: {found.message}")
    return found.y.T.reshape(len(times), *start.shape)


def decoupled(
    start: Float64[Array, "*#rows modes"], rates: Float64[Array, " modes"], s: Float64[Array, "*#rows"]
) -> Float64[Array, "... modes"]:
    """Rows at beta = 0 in their own time s: z_k = z_k(0) exp(lambda_k s) (from Eq. 36).

    Eq. 38 follows: ln|z_k / z_k(0)| / lambda_k is s for every mode of a row.

    Args:
        start: z(0), shape (..., modes).
        rates: Eigenvalues of Gamma.
        s: Shape (...,), broadcast against the rows.
    """
    return start * np.exp(np.asarray(s)[..., None] * rates)


def own_time(
    start: Float64[Array, "rows modes"], rates: Float64[Array, " modes"], times: Float64[Array, " T"]
) -> Float64[Array, "T rows"]:
    """s(t) of each row at beta = 0: ds/dt = 4 (1 - sum_k lambda_k z_k(0)^2 exp(2 lambda_k s)).

    Args:
        start: z(0), shape (rows, modes).
        rates: Eigenvalues of Gamma.
        times: Ascending, from 0 on.

    Returns:
        Shape (times, rows).
    """

    def push(_: float, s: Array) -> Array:
        return 4.0 * (1.0 - (decoupled(start, rates, s) ** 2 @ rates))

    zero = np.zeros(len(start))
    found = solve_ivp(push, (0.0, float(times[-1])), zero, "DOP853", t_eval=times, rtol=1e-11, atol=1e-12)
    if not found.success:
        raise UserError(f"own_time: the integration stopped: {found.message}")
    return found.y.T


def final_time(start: Float64[Array, "*rows modes"], rates: Float64[Array, " modes"]) -> Array:
    """s at which a row has C_ii = 1: the root of sum_k lambda_k z_k(0)^2 exp(2 lambda_k s) = 1, shape (...,).

    The left side rises strictly, so the root is unique. It exists if a mode of positive eigenvalue is in the row.

    Raises:
        UserError: It does not: all modes of the row decay or stay, and its C_ii tends to 0 from below.
    """
    start, rates = np.asarray(start, dtype=np.float64), np.asarray(rates, dtype=np.float64)
    amount = rates * start**2
    if not ((amount > 0).any(-1)).all():
        raise UserError("start, rates: a row has no mode of positive eigenvalue; its C_ii never reaches 1")
    grows = rates > 0
    # one growing mode alone would be there at (each bound from above); with the decaying ones a little later
    alone = np.where(amount[..., grows] > 0, amount[..., grows], np.inf)
    bound = np.where(np.isfinite(alone), -np.log(alone) / (2.0 * rates[grows]), np.inf)
    high, step = bound.min(-1), 1.0 / rates.max()
    while (short := _diagonal(amount, rates, high) < 1.0).any():
        high = np.where(short, high + step, high)
    low = high - step
    while (past := _diagonal(amount, rates, low) > 1.0).any():
        low = np.where(past, low - step, low)
    for _ in range(200):
        middle = (low + high) / 2
        past = _diagonal(amount, rates, middle) > 1.0
        low, high = np.where(past, low, middle), np.where(past, middle, high)
        if (high - low <= 1e-15 * np.maximum(1.0, np.abs(high))).all():
            break
    return (low + high) / 2


def _diagonal(amount: Array, rates: Array, s: Array) -> Array:
    return (amount * np.exp(2.0 * s[..., None] * rates)).sum(-1)


def winner(start: Float64[Array, "*rows modes"], rates: Float64[Array, " modes"]) -> NDArray[np.int64]:
    """Mode that a row ends on at beta = 0 if it starts small: the first to reach C_ii = 1 alone.

    It is that of least -ln(sqrt(lambda_k) |z_k(0)|) / lambda_k; no mode of lambda_k <= 0 wins.
    """
    start, rates = np.asarray(start, dtype=np.float64), np.asarray(rates, dtype=np.float64)
    if not (rates > 0).any():
        raise UserError("rates: expected one positive eigenvalue or more")
    grows = rates > 0
    with np.errstate(divide="ignore"):
        waits = -np.log(np.sqrt(rates[grows]) * np.abs(start[..., grows])) / rates[grows]
    return np.flatnonzero(grows)[waits.argmin(-1)]


def dominant(z: Float64[Array, "*rows modes"], rates: Float64[Array, " modes"]) -> NDArray[np.int64]:
    """Mode with the largest part lambda_k z_k^2 of a row's C_ii."""
    return (rates * z**2).argmax(-1)


def collapsed(signs: Num[np.ndarray, " d"], rates: Float64[Array, " modes"], beta: float) -> Float64[Array, "d modes"]:
    """The state in which all rows are parallel to the first mode, a saddle for beta > 0, shape (d, modes).

    C = c s s^T with c = 1 / (1 + beta (d - 1)).
    """
    d, leading = len(signs), int(np.argmax(rates))
    z = np.zeros((d, len(rates)))
    z[:, leading] = signs * np.sqrt(1.0 / ((1.0 + beta * (d - 1)) * rates[leading]))
    return z


def escape_rate(rate: float, beta: float, d: int) -> float:
    """Rate 4 lambda_k beta d / (1 + beta (d - 1)) at which rows leave the collapsed state along mode k.

    For perturbations orthogonal to the signs; along them nothing happens. So collapse at beta > 0 is a statement about
    training times short of 1/(beta d), though the text words it as a limit.
    """
    return 4.0 * rate * beta * d / (1.0 + beta * (d - 1))


def aligned(
    start: Float64[Array, " modes"], rates: Float64[Array, " modes"], times: Float64[Array, " n"]
) -> Float64[Array, "n modes"]:
    """Singular values at beta = 1 from an aligned start: 1 / s^2 = lambda + (1 / s(0)^2 - lambda) exp(-8 lambda t).

    Args:
        start: s(0) > 0, shape (modes,).
        rates: Eigenvalues, positive, of the modes that are aligned.
        times: Shape (n,).

    Returns:
        s at the times, shape (n, modes).
    """
    if (np.asarray(start) <= 0).any():
        raise UserError("start: expected positive singular values")
    faded = (1.0 / np.asarray(start) ** 2 - rates) * np.exp(-8.0 * np.outer(times, rates))
    return 1.0 / np.sqrt(rates + faded)


def correlations(z: Float64[Array, "*batch d modes"], rates: Float64[Array, " modes"]) -> Float64[Array, "*batch d d"]:
    """C = Z Lambda Z^T, shape (..., d, d)."""
    return (z * rates) @ z.swapaxes(-1, -2)


def effective_rank(c: Float64[Array, "*batch d d"]) -> Array:
    """(sum e)^2 / sum e^2 over the eigenvalues of C, shape (...,)."""
    return np.trace(c, axis1=-2, axis2=-1) ** 2 / (c**2).sum((-1, -2))


def _symmetric(gamma: Array) -> Array:
    gamma = np.asarray(gamma, dtype=np.float64)
    if gamma.ndim != 2 or gamma.shape != gamma.T.shape or np.abs(gamma - gamma.T).max() > 1e-10 * np.abs(gamma).max():
        raise UserError("gamma: expected a symmetric matrix, half of X X'^T + X' X^T")
    return gamma
