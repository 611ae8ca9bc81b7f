"""Latent classes on a sphere and what is seen of them (Draganov 2025, Section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.embnorms.gradients import Floats, unit

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64


@dataclass(frozen=True)
class Classes:
    """A drawn set of classes.

    Attributes:
        centres: Unit vectors, shape (classes, latent).
        latents: Unit vectors, shape (classes * members, latent), class after class.
        labels: Class of each, shape (classes * members,).
        observed: Latents through a random linear map, shape (classes * members, observed).
    """

    centres: Float64[Floats, "classes latent"]
    latents: Float64[Floats, "n latent"]
    labels: Int64[np.ndarray, " n"]
    observed: Float64[Floats, "n observed"]


def draw_classes(
    rng: np.random.Generator,
    *,
    classes: int = 4,
    members: int = 1000,
    latent: int = 11,
    observed: int = 64,
    variance: float = 0.1,
    gain: float = 1.0,
) -> Classes:
    """Draw centres, members and the map.

    The text's S^10 lies in R^11, as its 11 x 64 map says. How the map is drawn it does not say; here its entries are
    normal with standard deviation ``gain``.

    Args:
        rng: Source of all that is random.
        classes: How many centres, uniform on the sphere.
        members: Per class.
        latent: Dimension of the space in which the sphere is.
        observed: Dimension of an observation.
        variance: Of a member around its centre, per coordinate and before it is put back on the sphere.
        gain: Of the map.

    Raises:
        UserError: A number of classes, members or dimensions is below 1 (2 for the latent space), or a variance
            negative.
    """
    if min(classes, members, observed) < 1 or latent < 2:
        raise UserError(
            f"classes: {classes} of {members} members, {latent} latent and {observed} observed dimensions; "
            "expected 1 or more, and 2 latent dimensions"
        )
    if not variance >= 0.0:
        raise UserError(f"classes: variance {variance}; expected 0 or more")
    centres = unit(rng.standard_normal((classes, latent)))
    labels = np.repeat(np.arange(classes), members)
    latents = unit(centres[labels] + np.sqrt(variance) * rng.standard_normal((len(labels), latent)))
    return Classes(centres, latents, labels, gain * latents @ rng.standard_normal((latent, observed)))


def neighbour_distance(z: Float64[Floats, "n d"], rank: int = 10) -> Float64[Floats, " n"]:
    """Cosine distance of every embedding to its ``rank``-th nearest neighbour, itself left out; shape (n,).

    Raises:
        UserError: There are not so many neighbours.
    """
    if not 1 <= rank < len(z):
        raise UserError(f"neighbours: rank {rank} among {len(z)} embeddings; expected 1 to {len(z) - 1}")
    directions = unit(z)
    distances = 1.0 - directions @ directions.T
    np.fill_diagonal(distances, np.inf)
    return np.maximum(np.partition(distances, rank - 1, axis=1)[:, rank - 1], 0.0)
