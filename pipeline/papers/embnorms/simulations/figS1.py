"""Figure S1 of Draganov 2025: the landscape of the cosine similarity."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.papers.embnorms import plane
from pipeline.ranges import Degrees, Interval, Positive, Some
from pipeline.simulation.records import Simulation

RELATIONS = (("inner", "<", "extent"),)


def simulate(
    *,
    radii: Some[Positive] = [0.5, 1.0, 2.0],  # noqa: B006 - params are literals
    angle: Degrees = 60.0,
    inner: Positive = 0.05,
    extent: Positive = 2.4,
    rings: Annotated[int, Interval(ge=2, le=10_000)] = 25,
    rays: Annotated[int, Interval(ge=2, le=10_000)] = 121,
) -> Simulation:
    """Slopes on circles, and the surface.

    Args:
        radii: Of the circles.
        angle: Where slopes are taken, degrees from the direction that all is compared with.
        inner: The surface has no value at the origin; it begins at this radius.
        extent: Radius where it ends.
        rings: Of the surface's grid.
        rays: Of the surface's grid.
    """
    made = Simulation()
    phi = np.radians(angle)
    for radius in radii:
        z = plane.polar(radius, phi)
        outward, along = z / radius, np.array([-np.cos(phi), np.sin(phi)])
        found = {
            "slope along the circle": plane.slope(plane.similarity, z, along),
            "|slope along the ray|": abs(plane.slope(plane.similarity, z, outward)),
            "similarity": float(plane.similarity(z)),
        }
        for quantity, value in found.items():
            made.add(value, radius=radius, quantity=quantity)
    r, angles = np.geomspace(inner, extent, rings), np.linspace(-np.pi, np.pi, rays)
    surface = plane.polar(r[:, None], angles)
    made.curves = {
        "surface": surface,
        "similarity": plane.similarity(surface),
        "radii": np.array(radii, dtype=np.float64),
        "angles": angles,
        "slopes": np.sin(np.abs(angles)) / np.array(radii)[:, None],
    }
    return made
