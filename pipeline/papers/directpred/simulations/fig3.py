"""Figure 3 of Tian 2021: the flow of one mode (p, s) without, with weak and with strong weight decay."""

from __future__ import annotations

import numpy as np

from pipeline.papers.directpred.equilibria import STABLE, UNSTABLE, collapses_without_decay, on_line
from pipeline.papers.directpred.modes import Rates, integrate, offset, velocity
from pipeline.ranges import Count, NonNegative, Pair, Positive, Real, Some, Width
from pipeline.simulation.records import Simulation

_CLOUD, _MOMENTS = 12, 40
"""Points per axis that are followed, and how many moments of their course are kept."""


def simulate(
    *,
    etas: Some[NonNegative] = [0.0, 0.01, 1.0],  # noqa: B006 (a literal that is read, never written)
    tau: NonNegative = 1.0,
    alpha_p: Positive = 1.0,
    variance: NonNegative = 0.1,
    p_range: Pair[Real] = [-1.0, 1.5],  # noqa: B006
    s_range: Pair[Real] = [0.0, 1.5],  # noqa: B006
    marks: Count = 70,
    starts: Width = 24,
    until: Positive = 1000.0,
    soon: Positive = 200.0,
) -> Simulation:
    """Orbits, equilibria, and the fate of a grid of starts.

    Args:
        etas: Weight decays, a panel each.
        tau: Ratio of target to online weight, constant.
        alpha_p: Relative rate of the predictor.
        variance: sigma^2 of the augmentation.
        p_range: Abscissa.
        s_range: Ordinate.
        marks: Points per orbit, at equal distances along it.
        starts: Per axis; s starts above 0.
        until: When fates are read.
        soon: When the distance to the parabola is read.
    """
    made = Simulation()
    made.curves.update(parameters=np.array([tau, alpha_p, variance]), box=np.array([*p_range, *s_range]))
    edge_p, edge_s = _edges(p_range, s_range)
    start_p, start_s = np.meshgrid(
        np.linspace(p_range[0], p_range[1], starts), np.linspace(s_range[0], s_range[1], starts + 1)[1:]
    )
    cloud_p, cloud_s = (grid.ravel() for grid in np.meshgrid(_inside(p_range), _inside(s_range)))
    moments = np.concatenate([[0.0], np.geomspace(0.03, until, _MOMENTS - 1)])
    made.curves["moments"] = moments
    for number, eta in enumerate(etas):
        rates = Rates(alpha_p, eta, variance)
        times = np.concatenate([[0.0], np.geomspace(1e-3, until, 600)])
        orbits = np.stack(integrate(edge_p, edge_s, tau, times, rates, rtol=1e-9)[:2])
        made.curves[f"orbits{number}"] = np.stack([_even(orbit, marks, p_range, s_range) for orbit in orbits.T])
        made.curves[f"cloud{number}"] = np.stack(
            integrate(cloud_p, cloud_s, tau, moments, rates, rtol=1e-8)[:2], axis=-1
        )
        points = _on_parabola(tau, rates, p_range)
        # floats that say stability: curves hold numbers only
        signs = {STABLE: 1.0, UNSTABLE: -1.0}
        made.curves[f"points{number}"] = np.array([[p, p**2 / alpha_p, signs.get(kind, 0.0)] for p, kind in points])
        path = integrate(start_p, start_s, tau, [0.0, soon, until], rates, rtol=1e-8)
        start_c, soon_c = offset(start_p, start_s, rates), offset(path[0][1], path[1][1], rates)
        collapsed = path[1][2] < 1e-3
        made.add(len(points), eta=eta, quantity="equilibria on the parabola")
        made.add(sum(kind == STABLE for _, kind in points), eta=eta, quantity="stable ones")
        made.add(max((p for p, kind in points if kind == STABLE), default=0.0), eta=eta, quantity="largest p of them")
        made.add(collapsed.mean(), eta=eta, quantity="share of starts that collapse")
        made.add(np.abs(soon_c).sum() / np.abs(start_c).sum(), eta=eta, quantity="distance to the parabola left")
        if eta == 0:
            exact = collapses_without_decay(start_p, start_s, tau, rates)
            made.add((exact != collapsed).mean(), eta=eta, quantity="starts off the exact basin")
    return made


def _on_parabola(tau: float, rates: Rates, p_range: list) -> list[tuple[float, str]]:
    """Equilibria on s = p^2 / alpha_p and their stability along it, from the signs of the flow there."""

    def along(p: np.ndarray) -> np.ndarray:
        return velocity(p, p**2 / rates.alpha_p, tau, rates)[0]

    return on_line(along, p_range)


def _inside(span: list) -> np.ndarray:
    """Centres of equal parts of a range: where points that are followed in time start."""
    low, high = span
    return low + (high - low) * (np.arange(_CLOUD) + 0.5) / _CLOUD


def _edges(p_range: list, s_range: list) -> tuple[np.ndarray, np.ndarray]:
    """Starts of the orbits that are drawn: on three edges of the box, and close above s = 0."""
    (left, right), top = p_range, s_range[1]
    starts = [(left, s) for s in np.linspace(0.08, 0.92, 7) * top]
    starts += [(p, top) for p in left + np.linspace(0.08, 0.96, 9) * (right - left)]
    starts += [(right, s) for s in np.linspace(0.12, 0.9, 6) * top]
    starts += [(p, 0.003 * top) for p in np.linspace(0.1, 0.6, 5) * right]
    p, s = np.array(starts).T
    return p, s


def _even(orbit: np.ndarray, marks: int, p_range: list, s_range: list) -> np.ndarray:
    """An orbit (t, 2) inside the box, at ``marks`` points of equal distance along it."""
    slack = 1e-9
    outside = (
        (orbit[:, 0] < p_range[0] - slack) | (orbit[:, 0] > p_range[1] + slack) | (orbit[:, 1] > s_range[1] + slack)
    )
    inside = orbit[: np.argmax(outside) + 1] if outside.any() else orbit
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(inside, axis=0).T))])
    even = np.linspace(0.0, length[-1], marks)
    return np.stack([np.interp(even, length, inside[:, 0]), np.interp(even, length, inside[:, 1])], axis=1)
