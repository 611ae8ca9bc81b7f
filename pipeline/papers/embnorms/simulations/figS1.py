"""Figure S1 of Draganov 2025: the landscape of the cosine similarity."""

from __future__ import annotations

import numpy as np

from pipeline.papers.embnorms import plane
from pipeline.simulation.records import Simulation


def simulate(
    *,
    radii: list = [0.5, 1.0, 2.0],  # noqa: B006 - params are literals
    angle: float = 60.0,
    inner: float = 0.05,
    extent: float = 2.4,
    rings: int = 25,
    rays: int = 121,
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
