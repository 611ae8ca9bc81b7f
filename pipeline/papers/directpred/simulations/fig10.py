"""Figure 10 of Tian 2021: flows of one weight each, with a predictor and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np

from pipeline.papers.directpred.scalars import Weights, bare_velocity, integrate, tied_velocity, velocity
from pipeline.ranges import Interval, NonNegative, Pair, Positive, Real, Some
from pipeline.simulation.records import Simulation


def simulate(
    *,
    same: Real = 1.0,
    different: Real = 0.5,
    alpha_p: Positive = 1.0,
    beta: NonNegative = 1.0,
    target: Real = 1.0,
    p_range: Pair[Real] = [-1.5, 1.5],  # noqa: B006 (a literal that is read, never written)
    w_range: Pair[Real] = [-0.3, 1.0],  # noqa: B006
    nodes: Annotated[int, Interval(ge=2, le=1_000)] = 17,
    start: Some[Real] = [0.05, 0.1, 0.2],  # noqa: B006
    until: Positive = 400.0,
    near: Positive = 0.001,
    long: Positive = 20000.0,
) -> Simulation:
    """Vector fields, and where small positive weights go.

    Args:
        same: lambda_s.
        different: lambda_d.
        alpha_p: Relative rate of the predictor.
        beta: Rate of the moving average.
        target: wa where it is held.
        p_range: Both axes of the panel of a held target.
        w_range: Both axes of the other panels.
        nodes: Of a vector field, per axis.
        start: Weights from which all runs start, each in all of w, wp and wa.
        until: Time at the end.
        near: Distance from the origin of the starts that tell whether it is stable.
        long: Time that they have: where the growth is of second order it takes about 1 / near.
    """
    made = Simulation()
    model = Weights(same, different, alpha_p, beta)
    (left, right), (low, high) = p_range, w_range
    wide, narrow = np.linspace(left, right, nodes), np.linspace(low, high, nodes)

    def held(w: np.ndarray, wp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return velocity(w, wp, target, model)[:2]

    def tied(w: np.ndarray, wa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tied_velocity(w, wa, model)

    def bare(w: np.ndarray, wa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return bare_velocity(w, wa, model)

    begin = np.array([start, start])
    times = np.concatenate([[0.0], np.geomspace(0.01, until, 240)])
    for name, rhs, axis in (
        ("held target", held, wide),
        ("tied weights", tied, narrow),
        ("no predictor", bare, narrow),
    ):
        x, y = np.meshgrid(axis, axis)
        made.curves[f"{name}.axis"] = axis
        made.curves[f"{name}.field"] = np.stack(rhs(x, y))
        path = integrate(begin, times, rhs)
        made.curves[f"{name}.path"] = path
        made.add(np.abs(path[:, -1]).max(), system=name, quantity="largest last weight")
        ends = path[0, -1] * (path[1, -1] if name == "held target" else 1.0)
        made.add(np.abs(ends - _goal(name, model, target)).max(), system=name, quantity="distance from the goal")
        made.add(_growth(rhs), system=name, quantity="growth rate at the origin")
        made.add(_farthest(rhs, near, long), system=name, quantity="farthest from the origin, from beside it")
    made.curves["parameters"] = np.array([same, different, target])
    return made


def _growth(rhs: Callable[..., Any]) -> float:
    """Largest real part of the eigenvalues of the Jacobian at the origin."""
    step = 1e-6
    columns = [np.subtract(rhs(*(step * unit)), rhs(*(-step * unit))) / (2 * step) for unit in np.eye(2)]
    return float(np.linalg.eigvals(np.array(columns).T).real.max().round(9))


def _farthest(rhs: Callable[..., Any], near: float, long: float) -> float:
    """Largest distance that starts on a small circle reach: it stays small if the origin is stable, in any order."""
    angle = np.linspace(0.0, 2 * np.pi, 8, endpoint=False) + 0.3
    path = integrate(near * np.stack([np.cos(angle), np.sin(angle)]), np.linspace(0.0, long, 200), rhs)
    return float(np.linalg.norm(path, axis=0).max())


def _goal(system: str, model: Weights, target: float) -> float:
    """Of wp w at a held target, of w elsewhere, from small positive weights."""
    if system == "no predictor":
        return 0.0
    return model.different / model.same * (target if system == "held target" else 1.0)
