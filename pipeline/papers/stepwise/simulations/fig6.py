"""Figure 6 of Simon 2023: coefficients of W in the eigenbasis, integrated and as small initialisation predicts them."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.stepwise import coefficients
from pipeline.ranges import Interval, Positive, Replications, Seed, Some, Width
from pipeline.simulation.records import Simulation

_SAMPLES = 1001


def simulate(
    *,
    rows: Width = 3,
    modes: Annotated[int, Interval(ge=1, le=1_000)] = 5,
    alphas: Some[Positive] = [1.0e-3, 1.0e-6, 1.0e-9],  # noqa: B006 (a literal that is read, never written)
    until: Positive = 220.0,
    settled: Positive = 400.0,
    replications: Replications = 20,
    seed: Seed = 0,
) -> Simulation:
    """A(t') from one upper triangular start at several scales, by Eq. 45 and by Eqs. 47 and 48.

    Args:
        rows: Outputs d.
        modes: Eigenvalues of Gamma, gamma_j = 2^-j.
        alphas: Scales of A(0); the last is drawn.
        until: Last t' that is drawn (four times the t of the other figures).
        settled: t' at which all has come to its end, whatever the start.
        replications: Random starts.
        seed: Of the first A(0), which is drawn; the next has the next.

    Raises:
        UserError: Fewer modes than outputs, or a scale that is not positive.
    """
    if not 1 <= rows <= modes:
        raise UserError(f"rows: expected 1 to {modes} (modes), found {rows}")
    if not alphas or min(alphas) <= 0:
        raise UserError(f"alphas: expected scales above 0, found {alphas}")
    gamma = 0.5 ** np.arange(1, modes + 1)
    time = np.append(np.linspace(0.0, until, _SAMPLES), settled)
    diagonal, upper = np.eye(rows, modes, dtype=bool), np.triu(np.ones((rows, modes), dtype=bool), 1)
    lower = ~(diagonal | upper)
    limit = gamma[:rows] ** -0.5

    def one(seed: int) -> Simulation:
        draw = np.triu(np.random.default_rng(seed).standard_normal((rows, modes)))
        np.fill_diagonal(draw, np.abs(np.diagonal(draw)))
        made = Simulation()
        for alpha in alphas:
            true = coefficients.integrate(alpha * draw, gamma, time)
            predicted = coefficients.predict(alpha * draw, gamma, time)
            sizes = np.abs(true)
            ratio = sizes[:, upper] / np.abs(predicted[:, upper])
            made.add(np.abs(true[:, diagonal] / predicted[:, diagonal] - 1).max(), alpha=alpha, quantity="error of s")
            made.add(np.abs(true[-1][diagonal] / limit - 1).max(), alpha=alpha, quantity="error at the end")
            made.add(np.exp(np.abs(np.log(ratio)).max()), alpha=alpha, quantity="factor above")
            made.add(sizes[:, upper].max(), alpha=alpha, quantity="largest above")
            made.add(sizes[:, lower].max(), alpha=alpha, quantity="largest below")
            made.add(sizes[-1][lower].max() / sizes[-1][upper].max(), alpha=alpha, quantity="below over above")
        made.curves.update(time=time[:-1], gamma=gamma, true=true[:-1], predicted=predicted[:-1])
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made
