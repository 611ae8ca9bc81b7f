"""A finite augmentation graph: images, augmented images, and the probabilities between them.

The law ``P`` has shape (images, augmented images): ``P[x, a] = p(a|x)`` (Ghosh 2024, Eq. 2). ``p`` holds the
probabilities of the images, shape (images,); None stands for equal ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

_TOLERANCE = 1e-9


def checked(
    law: Float64[Array, "x a"], p: Float64[Array, " x"] | None = None
) -> tuple[Float64[Array, "x a"], Float64[Array, " x"]]:
    """The law and the images' probabilities in float64, after a check.

    Args:
        law: p(a|x), shape (images, augmented images).
        p: Probabilities of the images; None for equal ones.

    Raises:
        UserError: Not a matrix, a negative probability, probabilities that do not sum to 1, an image of probability
            zero, or an augmented image that no image gives.
    """
    law = np.asarray(law, dtype=np.float64)
    if law.ndim != 2 or 0 in law.shape:
        raise UserError(f"law: expected a matrix of images times augmented images, found shape {law.shape}")
    p = np.full(len(law), 1.0 / len(law)) if p is None else np.asarray(p, dtype=np.float64)
    if p.shape != law.shape[:1]:
        raise UserError(f"p: expected one probability per image, {len(law)}, found shape {p.shape}")
    if not (np.isfinite(law).all() and (law >= 0).all() and np.isfinite(p).all() and (p > 0).all()):
        raise UserError("law, p: expected probabilities: finite, law >= 0, p > 0")
    if np.abs(law.sum(1) - 1.0).max() > _TOLERANCE or abs(p.sum() - 1.0) > _TOLERANCE:
        raise UserError("law, p: expected each row of law, and p, to sum to 1")
    if (law.sum(0) == 0).any():
        raise UserError("law: an augmented image comes from no image; remove its column")
    return law, p


def marginal(law: Float64[Array, "x a"], p: Float64[Array, " x"] | None = None) -> Float64[Array, " a"]:
    """p_A(a), the probabilities of the augmented images, shape (augmented images,) (Ghosh 2024, Eq. 40)."""
    law, p = checked(law, p)
    return p @ law


def edges(law: Float64[Array, "x a"], p: Float64[Array, " x"] | None = None) -> Float64[Array, "a a"]:
    """Edge weights A_ab = E_x[p(a|x) p(b|x)], square over the augmented images, summing to 1 (Ghosh 2024, Eq. 39)."""
    law, p = checked(law, p)
    return law.T @ (p[:, None] * law)


def normalised(law: Float64[Array, "x a"], p: Float64[Array, " x"] | None = None) -> Float64[Array, "a a"]:
    """D^-1/2 A D^-1/2 with D = diag(p_A): symmetric, eigenvalues in [0, 1] of which the largest is 1."""
    root = factor(law, p)
    return root.T @ root


def factor(law: Float64[Array, "x a"], p: Float64[Array, " x"] | None = None) -> Float64[Array, "x a"]:
    """D_X^1/2 P D_A^-1/2, shape (images, augmented images); its singular values are those of T_M.

    Left singular vectors are sqrt(p) times functions of the images, right ones sqrt(p_A) times functions of the
    augmented images.
    """
    law, p = checked(law, p)
    return np.sqrt(p)[:, None] * law / np.sqrt(p @ law)


def sampled(
    law: Float64[Array, "x a"], draws: int, rng: np.random.Generator, size: int | None = None
) -> Float64[Array, "... x a"]:
    """Relative frequencies of ``draws`` augmentations of each image, the law of a sampled graph.

    The mean of the edge weights is (1 - 1/draws) A + diag(p_A)/draws: with self-pairs kept, the eigenvectors of the
    mean (relative to the true p_A) are the population's, all gaps shrink by 1 - 1/draws.

    Args:
        law: p(a|x).
        draws: Augmentations per image.
        rng: Random numbers.
        size: How many sampled laws; None for one, without the axis.

    Returns:
        Shape (size, images, augmented images); columns may be empty (see :func:`seen`).

    Raises:
        UserError: No draw.
    """
    law, _ = checked(law)
    if draws < 1:
        raise UserError(f"draws: expected 1 or more, found {draws}")
    probabilities = law / law.sum(1, keepdims=True)
    shape = (1 if size is None else size, len(law))
    counts = rng.multinomial(draws, probabilities, size=shape) / draws
    return counts[0] if size is None else counts


def seen(law: Array) -> Array:
    """The law without the augmented images that never occur."""
    return law[:, law.any(0)]
