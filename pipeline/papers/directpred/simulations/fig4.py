"""Figure 4 of Tian 2021: equilibria of a mode on the parabola, by the size of the weight decay."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import numpy as np

from pipeline.papers.directpred.equilibria import (
    HALF_STABLE,
    STABLE,
    UNSTABLE,
    caption_velocity,
    on_line,
    parabola_velocity,
    threshold,
)
from pipeline.papers.directpred.modes import Rates
from pipeline.ranges import Interval, NonNegative, Pair, Real
from pipeline.simulation.records import Simulation


def simulate(
    *,
    decays: dict[str, NonNegative] = {"none": 0.0, "weak": 0.6, "strong": 1.4},  # noqa: B006 (a literal that is read, never written)
    tau: NonNegative = 1.0,
    variance: NonNegative = 0.1,
    p_range: Pair[Real] = [-0.35, 1.05],  # noqa: B006
    nodes: Annotated[int, Interval(ge=2, le=100_000)] = 141,
) -> Simulation:
    """Eq. 16 and its equilibria, found where the flow changes its sign.

    Args:
        decays: Panel -> weight decay as a multiple of the threshold tau^2 / (4 (1 + sigma^2)).
        tau: Ratio of target to online weight, constant.
        variance: sigma^2 of the augmentation.
        p_range: Abscissa.
        nodes: Points of each curve.
    """
    made = Simulation()
    p = np.linspace(p_range[0], p_range[1], nodes)
    made.curves["p"] = p
    for name, multiple in decays.items():
        rates = Rates(1.0, multiple * threshold(tau, variance), variance)
        points = on_line(partial(parabola_velocity, tau=tau, rates=rates), p_range)
        made.curves[f"{name}.flow"] = parabola_velocity(p, tau, rates)
        made.curves[f"{name}.caption"] = caption_velocity(p, tau, rates)
        signs = {STABLE: 1.0, UNSTABLE: -1.0}
        made.curves[f"{name}.points"] = np.array([[at, signs.get(kind, 0.0)] for at, kind in points])
        for stability in (STABLE, UNSTABLE, HALF_STABLE):
            made.add(sum(kind == stability for _, kind in points), decay=name, quantity=stability)
        made.add(max(at for at, _ in points), decay=name, quantity="largest p")
    return made
