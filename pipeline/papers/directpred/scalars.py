"""The model of one weight each: w, wp and wa (Tian 2021, Eqs. 104-107)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import solve_ivp

from pipeline.errors import UserError
from pipeline.papers.directpred.checks import Array, nonnegative, positive

if TYPE_CHECKING:
    from jaxtyping import Float64


@dataclass(frozen=True)
class Weights:
    """Parameters of the scalar model.

    Attributes:
        same: lambda_s > 0, second moment of a view.
        different: lambda_d >= 0, moment of two views of one sample.
        alpha_p: Relative rate of the predictor.
        beta: Rate of the moving average.
    """

    same: float = 1.0
    different: float = 0.5
    alpha_p: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        positive("lambda_s", self.same)
        nonnegative("lambda_d", self.different)
        positive("alpha_p", self.alpha_p)
        nonnegative("beta", self.beta)
        if self.different > self.same:
            raise UserError(f"lambda_d: expected at most lambda_s = {self.same:g}, found {self.different:g}")


def velocity(w: Any, wp: Any, wa: Any, model: Weights) -> tuple[Any, Any, Any]:
    """(dw, dwp, dwa) / dt (Tian 2021, Eqs. 105, 104, 106).

    With s = w^2, p = wp and tau = wa / w it is the flow of one mode, for lambda_s = 1 + sigma^2 and lambda_d = 1.
    """
    gap = wa * model.different - wp * w * model.same
    return gap * wp, model.alpha_p * gap * w, model.beta * (w - wa)


def energy(w: Any, wp: Any, wa: Any, model: Weights) -> Any:
    """E of Eq. 107: at alpha_p = 1 and a fixed target (dw, dwp) is minus its gradient."""
    return model.same / 2 * (wa * model.different / model.same - wp * w) ** 2


def tied_velocity(w: Any, wa: Any, model: Weights) -> tuple[Any, Any]:
    """(dw, dwa) / dt on w = wp, which the flow keeps at alpha_p = 1 only (in general it keeps wp = sqrt(alpha_p) w)."""
    dw, _, dwa = velocity(w, w, wa, model)
    return dw, dwa


def bare_velocity(w: Any, wa: Any, model: Weights) -> tuple[Any, Any]:
    """(dw, dwa) / dt without a predictor, wp = 1."""
    dw, _, dwa = velocity(w, np.ones_like(w), wa, model)
    return dw, dwa


def tied_jacobian(w: float, wa: float, model: Weights) -> Float64[Array, "2 2"]:
    """Of :func:`tied_velocity`; at the origin its eigenvalues are 0 and -beta: it is unstable to second order."""
    return np.array(
        [[wa * model.different - 3 * model.same * w**2, w * model.different], [model.beta, -model.beta]]
    )  # fmt: skip


def integrate(start: Any, times: Any, rhs: Any, rtol: float = 1e-11) -> Float64[Array, "k t ..."]:
    """Weights (k, ...) under ``rhs(*weights) -> velocities`` at ``times``; shape (k, t, ...)."""
    first, grid = np.asarray(start, dtype=float), np.asarray(times, dtype=float)

    def flat(_: float, state: Array) -> Array:
        return np.stack(rhs(*state.reshape(first.shape))).ravel()

    done = solve_ivp(
        flat, (grid[0], grid[-1]), first.ravel(), method="DOP853", t_eval=grid, rtol=rtol, atol=rtol * 1e-3
    )  # fmt: skip
    if not done.success:
        raise UserError(f"scalars: the flow cannot be integrated to t = {grid[-1]:g}: {done.message}")
    return np.moveaxis(done.y.reshape(*first.shape, len(grid)), -1, 1)
