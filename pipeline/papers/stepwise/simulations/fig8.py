"""Figure 8 of Simon 2023: a mode of self-supervised learning leaves a maximum, one of supervised learning does not."""

from __future__ import annotations

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.stepwise import modes
from pipeline.ranges import Pair, Positive, Some
from pipeline.simulation.records import Simulation

_SAMPLES = 601


def simulate(
    *,
    gammas: Some[Positive] = [1.0, 0.5, 0.25],  # noqa: B006 (a literal that is read, never written)
    starts: Pair[Positive] = [1.0e-2, 1.0e-4],  # noqa: B006
    until: Positive = 12.0,
) -> Simulation:
    """Losses of one mode, and its value in time for several gamma, from both sides of 0 and from two distances to it.

    The paper prints neither gamma nor starts.

    Args:
        gammas: Eigenvalues.
        starts: Two distances from 0, the larger one first: sbar(0) and cbar(0).
        until: Last t.

    Raises:
        UserError: Starts that are no two falling numbers between 0 and 0.5.
    """
    if len(starts) != 2 or not 0 < starts[1] < starts[0] < 0.5:
        raise UserError(f"starts: expected two falling numbers between 0 and 0.5, found {starts}")
    gamma, time = np.asarray(gammas, dtype=np.float64), np.linspace(0.0, until, _SAMPLES)
    sizes, place = np.asarray(starts, dtype=np.float64), np.linspace(-1.5, 1.5, 301)
    start = np.array([1.0, -1.0])[:, None] * sizes
    laws = {
        "self-supervised": (modes.barlow, modes.barlow_path, modes.barlow_half_time, modes.approach_time(gamma)),
        "supervised": (modes.supervised, modes.supervised_path, modes.supervised_half_time, 1 / (2 * gamma)),
    }
    made = Simulation()
    made.curves.update(gamma=gamma, time=time, starts=sizes, place=place)
    for model, (loss, path, half_time, approach) in laws.items():
        paths = path(time, gamma[:, None, None], start)  # time, gamma, sign, distance
        made.curves |= {f"{model} paths": paths, f"{model} loss": loss(place)}
        near, far = half_time(gamma, sizes[1]), half_time(gamma, sizes[0])
        step = 1e-6
        speed = (path(step / gamma.max(), gamma, sizes[1]) - sizes[1]) / (step / gamma.max())
        for mode, rate in enumerate(gammas):
            found = {
                "half-time": near[mode],
                "half-time in approach times": near[mode] / approach[mode],
                "delay": (near[mode] - far[mode]) * rate,
                "speed at the start": speed[mode] / rate,
                "end from above": paths[-1, mode, 0, 0],
                "end from below": paths[-1, mode, 1, 0],
            }
            for quantity, value in found.items():
                made.add(value, model=model, quantity=quantity, gamma=rate)
    return made
