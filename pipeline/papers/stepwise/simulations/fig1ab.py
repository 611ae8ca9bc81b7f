"""Figure 1, A and B, of Simon 2023: gradient descent on the linear model of pairs of crops, and its prediction."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipeline.papers.stepwise import aligned, correlation, crops, start
from pipeline.papers.stepwise.descent import crossings, follow
from pipeline.ranges import Count, Positive, Replications, Seed, Side, Width
from pipeline.simulation.records import Simulation

RELATIONS = (("crop", "<=", "size"),)

_SAMPLES = 500


def simulate(
    *,
    images: Literal["photographs", "shapes"] = "photographs",
    pairs: Count = 500,
    size: Side = 32,
    crop: Side = 20,
    outputs: Width = 10,
    alpha: Positive = 1.0e-7,
    rate: Positive = 5.0e-5,
    beyond: Positive = 1.3,
    replications: Replications = 20,
    seed: Seed = 0,
) -> Simulation:
    """Loss and eigenvalues of C during full-batch gradient descent from W(0) ~ N(0, alpha^2).

    Args:
        images: Where the crops are taken from: ``photographs`` or ``shapes``.
        pairs: Images n, two crops of each.
        size: Their side in pixels.
        crop: Side of the crops.
        outputs: Outputs d.
        alpha: Standard deviation of W(0).
        rate: Learning rate.
        beyond: Last time, in units of the last step's.
        replications: Random experiments.
        seed: Of images, crops and W(0) of the first, whose curves are kept; the next has the next.
    """

    def one(seed: int) -> Simulation:
        gamma, rows = correlation.descending(correlation.gamma_matrix(*crops.pairs(images, pairs, size, crop, seed)))
        leading = aligned.positive_modes(gamma, outputs)
        weights = alpha * np.random.default_rng([seed, 2]).standard_normal((outputs, rows.shape[1]))
        starts = start.effective_starts(weights, rows[:outputs])
        tau = aligned.step_times(leading, starts)
        estimated = aligned.step_times(leading, start.gaussian_starts(outputs, alpha))
        time = np.unique(np.rint(np.geomspace(0.3 * tau.min(), beyond * tau.max(), _SAMPLES) / rate)) * rate
        found, last, along = follow(weights, gamma, rows, rate=rate, times=time)
        measured = np.linalg.eigvalsh(found)[:, ::-1]
        loss = ((found - np.eye(outputs)) ** 2).sum(axis=(1, 2))
        crossed, own = crossings(time, measured), crossings(time, along)
        predicted = aligned.eigenvalues(time, leading, starts)
        # descent lags behind the flow: a step multiplies a small mode by 1 + 4 rate gamma, not by its exponential
        lag = np.log1p(4 * rate * leading) / (4 * rate * leading)
        lagged = [aligned.eigenvalues(time * lag[j], leading[j], starts[j])[:, 0] for j in range(outputs)]
        apart = np.abs(measured - np.sort(np.stack(lagged, axis=1))[:, ::-1]).max(axis=0)
        order = np.sort(tau)
        between = np.append(np.sqrt(order[1:] * order[:-1]), time[-1])
        plateau = np.interp(between, time, loss) - np.arange(outputs - 1, -1, -1)
        basis = np.linalg.qr(last.T)[0]

        made = Simulation()
        for mode in range(outputs):
            numbers = {
                "gamma": gamma[mode],
                "gamma of the next over gamma": gamma[mode + 1] / gamma[mode] if mode + 1 < len(gamma) else 0.0,
                "predicted time": tau[mode],
                "time at which v_j is learnt": np.nan_to_num(own, nan=time[-1])[mode],
                "largest distance from the predicted eigenvalue": apart[mode],
                "measured over predicted time": crossed[mode] / tau[mode],
                "measured over estimated time": crossed[mode] / estimated[mode],
                "loss off the plateau": abs(plateau[mode]),
                "eigenvalue at the end": measured[-1, mode],
                "share in the row space": (rows[mode] @ basis) @ (rows[mode] @ basis),
            }
            for quantity, value in numbers.items():
                made.add(value, mode=mode + 1, quantity=quantity)
        made.curves.update(
            time=time, loss=loss, measured=measured, predicted=predicted,
            tau=tau, estimated=estimated, predicted_loss=aligned.losses(time, leading, starts),
        )  # fmt: skip
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made
