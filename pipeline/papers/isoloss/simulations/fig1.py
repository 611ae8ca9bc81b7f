"""What Figure 1 of Halvagal 2023 sketches, computed: two modes under the Euclidean and the cosine loss."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.papers.isoloss import gaussian, spectra
from pipeline.ranges import Interval, Pair, Positive
from pipeline.simulation.records import Simulation


def simulate(
    *,
    euclidean_start: Pair[Positive] = [0.15, 2.0],  # noqa: B006 - params are literals
    cosine_start: Pair[Positive] = [0.15, 2.0],  # noqa: B006
    euclidean_until: Positive = 5.0,
    cosine_until: Positive = 9.0,
    stages: Annotated[int, Interval(ge=2, le=1_000)] = 4,
    angles: Annotated[int, Interval(ge=2, le=100_000)] = 181,
) -> Simulation:
    """Eigenvalues of two modes at some stages, and the density of the embeddings' direction under the cosine loss.

    Args:
        euclidean_start: Eigenvalues of W W^T at time 0, small and large mode.
        cosine_start: The same for the cosine loss.
        euclidean_until: Flow time of the last stage.
        cosine_until: The same for the cosine loss.
        stages: Moments shown, evenly spaced, the first is time 0.
        angles: Of the density, over half a turn.
    """
    made = Simulation()
    angle = np.linspace(-np.pi / 2, np.pi / 2, angles)
    made.curves["angle"] = angle
    starts = {"euclidean": np.array(euclidean_start), "cosine": np.array(cosine_start)}
    until = {"euclidean": euclidean_until, "cosine": cosine_until}
    for loss, start in starts.items():
        s = spectra.flow(start, loss, "plain", np.linspace(0.0, until[loss], stages))
        drift = (
            spectra.euclidean_drift(start, "plain") if loss == "euclidean" else gaussian.cosine_drift(start, "plain")
        )
        told = {
            "rate of the small mode": drift[0],
            "rate of the large mode": drift[1],
            "small mode at the end": s[-1, 0],
            "large mode at the end": s[-1, 1],
            "sum, end over start": s[-1].sum() / start.sum(),
        }
        for quantity, value in told.items():
            made.add(float(value), loss=loss, quantity=quantity)
        made.curves[f"{loss}/s"] = s
        # direction of a Gaussian with variances s: angle 0 is along the large mode
        small, large = s[:, :1], s[:, 1:]
        density = 1.0 / (2 * np.pi * np.sqrt(small * large) * (np.cos(angle) ** 2 / large + np.sin(angle) ** 2 / small))
        made.curves[f"{loss}/density"] = density
    return made
