"""The linear model: loss, gradient and flow of W, Wp and Wa (Tian 2021, Eqs. 1-4; Appendix D, Eqs. 100-102)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import solve_ivp

from pipeline.errors import UserError
from pipeline.papers.directpred.checks import Array, covariance, nonnegative, positive

if TYPE_CHECKING:
    from jaxtyping import Float64


@dataclass(frozen=True)
class Inputs:
    """Covariances of the inputs, n1 x n1.

    Attributes:
        mean: X, of the mean over augmentations; the covariance of two views of one sample (Sigma_d in Appendix D).
        spread: X', mean covariance of augmented views around their mean; X + X' is that of one view (Sigma_s).
    """

    mean: Float64[Array, "n1 n1"]
    spread: Float64[Array, "n1 n1"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", covariance("X", self.mean))
        object.__setattr__(self, "spread", covariance("X'", self.spread))
        if self.mean.shape != self.spread.shape:
            raise UserError(f"X': expected the shape of X, {self.mean.shape}, found {self.spread.shape}")

    @property
    def view(self) -> Float64[Array, "n1 n1"]:
        """X + X', the covariance of one view."""
        return self.mean + self.spread


def isotropic(size: int, variance: float) -> Inputs:
    """X = I and X' = sigma^2 I, the text's second assumption."""
    nonnegative("variance", variance)
    return Inputs(np.eye(size), variance * np.eye(size))


def transposed(matrix: Float64[Array, "*batch rows columns"]) -> Float64[Array, "*batch columns rows"]:
    """Of the last two axes."""
    return np.swapaxes(matrix, -1, -2)


def loss(
    w: Float64[Array, "*batch n2 n1"],
    wp: Float64[Array, "*batch n2 n2"],
    wa: Float64[Array, "*batch n2 n1"],
    inputs: Inputs,
) -> Any:
    """J = E |Wp W x1 - Wa x2|^2 / 2 over samples and pairs of views (Tian 2021, Eq. 1).

    Args:
        w: Online network, (..., n2, n1).
        wp: Predictor, (..., n2, n2).
        wa: Target, (..., n2, n1); the stop-gradient is the caller's: hold it while differentiating.
        inputs: Covariances.
    """
    out = wp @ w
    own = np.einsum("...ij,jk,...ik->...", out, inputs.view, out)
    cross = np.einsum("...ij,jk,...ik->...", out, inputs.mean, wa)
    other = np.einsum("...ij,jk,...ik->...", wa, inputs.view, wa)
    return (own - 2 * cross + other) / 2


def descent(
    w: Float64[Array, "*batch n2 n1"],
    wp: Float64[Array, "*batch n2 n2"],
    wa: Float64[Array, "*batch n2 n1"],
    inputs: Inputs,
) -> tuple[Float64[Array, "*batch n2 n1"], Float64[Array, "*batch n2 n2"]]:
    """(-dJ/dW, -dJ/dWp) with the target held: Wp^T G and G W^T, G = Wa X - Wp W (X + X')."""
    gap = wa @ inputs.mean - wp @ w @ inputs.view
    return transposed(wp) @ gap, gap @ transposed(w)


def velocity(
    w: Float64[Array, "*batch n2 n1"],
    wp: Float64[Array, "*batch n2 n2"],
    wa: Float64[Array, "*batch n2 n1"] | None,
    inputs: Inputs,
    alpha_p: float,
    eta: Any,
    beta: Any,
) -> tuple[Float64[Array, "*batch n2 n1"], Float64[Array, "*batch n2 n2"], Float64[Array, "*batch n2 n1"]]:
    """(dW, dWp, dWa) / dt (Tian 2021, Eqs. 3, 2, 4).

    The decay of Wp is eta, not alpha_p eta: an optimiser with one weight-decay number and a faster predictor follows
    another law, for which Theorem 1 fails.

    Args:
        w: As for :func:`loss`.
        wp: As for :func:`loss`.
        wa: The target; None without moving average: the target is W, held in the gradient.
        inputs: Covariances.
        alpha_p: Relative rate of the predictor.
        eta: Weight decay; broadcasts against (..., 1, 1).
        beta: Rate of the moving average; broadcasts likewise; not used where ``wa`` is None.
    """
    down_w, down_wp = descent(w, wp, w if wa is None else wa, inputs)
    dwa = np.zeros_like(w) if wa is None else beta * (w - wa)
    return down_w - eta * w, alpha_p * down_wp - eta * wp, dwa


def integrate(
    w: Float64[Array, "*batch n2 n1"],
    wp: Float64[Array, "*batch n2 n2"],
    wa: Float64[Array, "*batch n2 n1"] | None,
    times: Any,
    inputs: Inputs,
    *,
    alpha_p: float = 1.0,
    eta: float = 0.0,
    beta: float = 1.0,
    rtol: float = 1e-11,
) -> tuple[Float64[Array, "t *batch n2 n1"], Float64[Array, "t *batch n2 n2"], Float64[Array, "t *batch n2 n1"]]:
    """W, Wp and Wa at ``times``, each of shape (t, ...); arguments as for :func:`velocity`.

    Raises:
        UserError: A rate is negative, shapes do not fit, or the flow cannot be integrated.
    """
    positive("alpha_p", alpha_p)
    nonnegative("eta", eta)
    nonnegative("beta", beta)
    _fitting(w, wp, wa, inputs)
    shapes = [w.shape, wp.shape, w.shape]
    cuts = np.cumsum([w.size, wp.size])

    def unpack(state: Array) -> list[Array]:
        return [part.reshape(shape) for part, shape in zip(np.split(state, cuts), shapes, strict=True)]

    def rhs(_: float, state: Array) -> Array:
        w_now, wp_now, wa_now = unpack(state)
        parts = velocity(w_now, wp_now, None if wa is None else wa_now, inputs, alpha_p, eta, beta)
        return np.concatenate([part.ravel() for part in parts])

    grid = np.asarray(times, dtype=float)
    start = np.concatenate([w.ravel(), wp.ravel(), (w if wa is None else wa).ravel()])
    done = solve_ivp(
        rhs, (grid[0], grid[-1]), start, method="DOP853", t_eval=grid, rtol=rtol, atol=rtol * 1e-2
    )  # fmt: skip
    if not done.success:
        raise UserError(f"flow: it cannot be integrated to t = {grid[-1]:g}: {done.message}")
    paths = [np.stack([part[k] for part in map(unpack, done.y.T)]) for k in range(3)]
    return paths[0], paths[1], paths[0] if wa is None else paths[2]


def _fitting(w: Array, wp: Array, wa: Array | None, inputs: Inputs) -> None:
    n2, n1 = w.shape[-2:]
    if wp.shape[-2:] != (n2, n2):
        raise UserError(f"Wp: expected {n2} x {n2}, the rows of W, found {wp.shape[-2]} x {wp.shape[-1]}")
    if wa is not None and wa.shape != w.shape:
        raise UserError(f"Wa: expected the shape of W, {w.shape}, found {wa.shape}")
    if inputs.mean.shape[-1] != n1:
        raise UserError(f"X: expected {n1} x {n1}, the columns of W, found {inputs.mean.shape}")
