"""Figure 6 of Draganov 2025: the field of the cosine loss without and with GradScale."""

from __future__ import annotations

import numpy as np

from pipeline.papers.embnorms import plane
from pipeline.papers.embnorms.steps import ratio, turn
from pipeline.ranges import Degrees, Positive, Real, Some, Width
from pipeline.simulation.records import Simulation

RELATIONS = (("near", "<", "far"),)


def simulate(
    *,
    powers: Some[Real] = [0.0, 1.0, 2.0],  # noqa: B006 - params are literals
    near: Positive = 0.5,
    far: Positive = 2.0,
    angle: Degrees = 60.0,
    rate: Positive = 0.01,
    circles: Width = 5,
    per_circle: Width = 20,
    extent: Positive = 2.5,
) -> Simulation:
    """Lengths of arrows and angles of steps at two norms, and the fields.

    Args:
        powers: Of the norm by which GradScale multiplies.
        near: Smaller of the two norms that are compared.
        far: Larger one.
        angle: From the target direction, degrees.
        rate: Learning rate of the step.
        circles: On which arrows are drawn.
        per_circle: Arrows on each.
        extent: Radius of the outermost circle.
    """
    made = Simulation()
    phi = np.radians(angle)
    z = plane.polar(np.array([near, far]), phi)
    radii = np.linspace(extent / circles, extent, circles)
    angles = np.linspace(-np.pi, np.pi, per_circle, endpoint=False)
    norms = np.geomspace(0.25, 4.0, 33)
    made.curves = {
        "points": plane.polar(radii[:, None], angles),
        "radii": radii,
        "norms": norms,
    }
    every = np.radians(np.linspace(5.0, 175.0, 35))
    for power in powers:
        lengths = np.linalg.norm(plane.field(z, power), axis=1)
        after = plane.trajectory(z, rate, 1, power)[1]
        turned = phi - np.arctan2(after[:, 0], after[:, 1])
        around = np.linalg.norm(plane.field(plane.polar(radii[:, None], every), power), axis=-1)
        found = {
            "length at the larger norm / at the smaller": lengths[1] / lengths[0],
            "largest |length - sin(phi)|": np.abs(around - np.sin(every)).max(),
            "turn at the larger norm / at the smaller": turned[1] / turned[0],
            "|circulation|": abs(plane.circulation(power)),
        }
        for quantity, value in found.items():
            made.add(value, power=power, quantity=quantity)
        made.curves[f"field {power:g}"] = plane.field(made.curves["points"], power)
        made.curves[f"turn {power:g}"] = np.degrees(turn(phi, ratio(rate, norms, power)))
    return made
