"""Figure 1 of Draganov 2025: embeddings off the sphere, the field of the cosine loss, growth of the norm in a step."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.papers.embnorms import gradients, plane
from pipeline.papers.embnorms.steps import growth, ratio
from pipeline.ranges import Count, Degrees, Interval, Positive, Seed, Some, Width
from pipeline.simulation.records import Simulation

_OTHERS = np.array([[0.4, 1.1], [-1.3, 0.2], [0.7, -0.9], [-0.5, -0.6]])
"""The positive and three negatives of an anchor, for Prop. 3.2."""


def simulate(
    *,
    radii: Some[Positive] = [0.5, 1.0, 2.0],  # noqa: B006 - params are literals
    angle: Degrees = 60.0,
    grid: Annotated[int, Interval(ge=2, le=1_000)] = 11,
    extent: Positive = 2.25,
    start_angle: Degrees = 172.0,
    start_radius: Positive = 0.6,
    rate: Positive = 0.12,
    steps: Count = 60,
    clusters: Width = 4,
    points: Width = 14,
    seed: Seed = 3,
) -> Simulation:
    """Numbers of the field at some radii, and what the three panels show.

    Args:
        radii: Norms at which the arrows are measured.
        angle: Of these arrows from the target direction, degrees.
        grid: Arrows per side of the field.
        extent: The field is drawn from minus this to this.
        start_angle: Of the descent from the target direction, degrees.
        start_radius: Norm where the descent begins.
        rate: Learning rate of the descent.
        steps: Of the descent.
        clusters: Groups of embeddings in the schematic panel.
        points: Embeddings per group.
        seed: Of the schematic panel.
    """
    made = Simulation()
    phi = np.radians(angle)
    for radius in radii:
        z = plane.polar(radius, phi)
        arrow = plane.field(z)
        path = np.linalg.norm(plane.trajectory(z, rate, steps), axis=1)
        differences = [-plane.slope(lambda p: -plane.similarity(p), z, axis) for axis in np.eye(2)]
        others = np.vstack([z, _OTHERS])
        pushed = gradients.infonce(others, 0, 1)[1]
        pulls = [
            plane.slope(lambda p: gradients.infonce(np.vstack([p, _OTHERS]), 0, 1)[0], z, axis) for axis in np.eye(2)
        ]
        doubled = gradients.infonce(np.vstack([2.0 * z, _OTHERS]), 0, 1)[1]
        found = {
            "InfoNCE: difference from d loss / dz": np.abs(pushed - pulls).max(),
            "InfoNCE: radial part": abs(pushed @ z) / radius,
            "InfoNCE: gradient at twice the norm / at the norm": np.linalg.norm(doubled) / np.linalg.norm(pushed),
            "length": np.linalg.norm(arrow),
            "length / (sin(phi) / r) - 1": abs(np.linalg.norm(arrow) * radius / np.sin(phi) - 1.0),
            "difference from -d loss / dz": np.abs(arrow - differences).max(),
            "radial part": abs(arrow @ z) / radius,
            "growth in one step": path[1] / path[0] - 1.0,
            "growth beyond Corollary 3.3": abs(path[1] / path[0] - growth(phi, ratio(rate, radius))),
            "least growth along a descent": np.diff(path).min(),
        }
        for quantity, value in found.items():
            made.add(value, radius=radius, quantity=quantity)

    rng = np.random.default_rng(seed)
    centres = np.linspace(20.0, 340.0, clusters, endpoint=False)
    angles = np.radians(centres[:, None] + 13.0 * rng.standard_normal((clusters, points)))
    norms = np.exp(0.1 + 0.33 * rng.standard_normal((clusters, points)))
    places = np.linspace(-extent, extent, grid)
    mesh = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    mesh = mesh[np.linalg.norm(mesh, axis=1) > 0.45]
    special = plane.polar(np.array(radii)[:, None], np.array([phi, -phi])).reshape(-1, 2)
    z = plane.polar(1.2, np.radians(75.0))
    made.curves = {
        "embeddings": plane.polar(norms, angles).reshape(-1, 2),
        "mesh": mesh,
        "arrows": plane.field(mesh),
        "special": special,
        "special_arrows": plane.field(special),
        "descent": plane.trajectory(plane.polar(start_radius, np.radians(start_angle)), rate, steps),
        "tangent": np.stack([z, z + plane.field(z)]),
        "radii": np.array(radii, dtype=np.float64),
    }
    return made
