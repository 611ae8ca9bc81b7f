"""The two operators of an augmentation graph and the eigenfunctions that they share (Ghosh 2024, Eqs. 3 to 9).

T_M averages a function over the augmentations of an image; T_k averages it over the other augmentations of the same
image. Functions are columns: shape (augmented images, d) for F, (images, d) for G. Inner products are weighted by the
probabilities.

The printed objective ||T_M f - f||^2 (Eqs. 9, 14) subtracts a function of augmented images from one of images. Taken
as written on one common space it shares its minimisers with T_k only if T_M is normal with eigenvalues >= 0: its proof
(Theorem B.3) takes singular vectors of T_M for eigenvectors. :func:`invariance` is the form that needs no such
assumption: the distance of f(a) from the mean over the augmentations of its own image. It equals <f, (1 - T_k) f>, so
an eigenfunction of T_k with eigenvalue lambda costs exactly 1 - lambda. The largest lambda is 1, not below: that of
the constant function.

What is found is a span, never single functions. With q_i = <f_i, T_k f_i>, the sum of 1 - q_i (Eq. 29) is the same for
all bases of a span; the sum of (1 - q_i)^2 (Eq. 28) is not: it is least where all q_i are equal, away from the
eigenbasis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

from pipeline.errors import UserError
from pipeline.papers.multiview.graph import Array, checked, factor

if TYPE_CHECKING:
    from jaxtyping import Float64


def kernel(law: Float64[Array, "x a"], p: Float64[Array, " x"] | None = None) -> Float64[Array, "a a"]:
    """k(a, b) = E_x[p(a|x) p(b|x)] / (p_A(a) p_A(b)), the augmentation covariance kernel (Ghosh 2024, Eq. 3)."""
    law, p = checked(law, p)
    degree = p @ law
    return (law.T @ (p[:, None] * law)) / np.outer(degree, degree)


def mean_over_views(law: Float64[Array, "x a"], functions: Float64[Array, "a d"]) -> Float64[Array, "x d"]:
    """(T_M f)(x) = E[f(a) | x], shape (images, d) (Ghosh 2024, Eq. 8)."""
    return law @ functions


def mean_over_images(
    law: Float64[Array, "x a"], functions: Float64[Array, "x d"], p: Float64[Array, " x"] | None = None
) -> Float64[Array, "a d"]:
    """(T_M^* g)(a) = E[g(x) | a], the adjoint of T_M, shape (augmented images, d)."""
    law, p = checked(law, p)
    return (law.T @ (p[:, None] * functions)) / (p @ law)[:, None]


def smooth(
    law: Float64[Array, "x a"], functions: Float64[Array, "a d"], p: Float64[Array, " x"] | None = None
) -> Float64[Array, "a d"]:
    """(T_k f)(a) = E_b[k(a, b) f(b)], which is T_M^* T_M f (Ghosh 2024, Eq. 6, Lemma B.2)."""
    law, p = checked(law, p)
    return kernel(law, p) @ ((p @ law)[:, None] * functions)


def eigenfunctions(
    law: Float64[Array, "x a"], d: int, p: Float64[Array, " x"] | None = None
) -> tuple[Float64[Array, " d"], Float64[Array, "a d"]]:
    """Leading eigenvalues and eigenfunctions of T_k, orthonormal in L2(p_A).

    Args:
        law: p(a|x).
        d: How many.
        p: Probabilities of the images.

    Returns:
        Eigenvalues, descending, shape (d,), and the functions, shape (augmented images, d).

    Raises:
        UserError: More asked for than there are nonzero eigenvalues.
    """
    root = factor(law, p)
    _, values, right = np.linalg.svd(root, full_matrices=False)
    rank = int((values > 1e-10).sum())
    if not 1 <= d <= rank:
        raise UserError(f"d: expected 1 to {rank}, the rank of the graph, found {d}")
    degree = checked(law, p)[1] @ np.asarray(law, dtype=np.float64)
    return values[:d] ** 2, right[:d].T / np.sqrt(degree)[:, None]


def invariance(
    law: Float64[Array, "x a"], functions: Float64[Array, "a d"], p: Float64[Array, " x"] | None = None
) -> float:
    """sum_i E_x E_{a|x} (f_i(a) - (T_M f_i)(x))^2: spread of the views around their mean, per image."""
    law, p = checked(law, p)
    away = functions[None] - mean_over_views(law, functions)[:, None]
    return float(np.einsum("x,xa,xai->", p, law, away**2))


def invariance_minimisers(
    law: Float64[Array, "x a"], d: int, p: Float64[Array, " x"] | None = None
) -> tuple[Float64[Array, " d"], Float64[Array, "a d"]]:
    """Orthonormal functions of least spread around the mean over the views, found from that objective alone.

    The quadratic form of :func:`invariance` is assembled image by image, and minimised under (f_i, f_j)_{p_A} =
    delta_ij as a generalised eigenvalue problem. T_k is not used: Theorem 3.1 says that the span is that of its
    leading eigenfunctions.

    Returns:
        Costs, ascending, shape (d,), and the functions, shape (augmented images, d).
    """
    law, p = checked(law, p)
    size = law.shape[1]
    if not 1 <= d <= size:
        raise UserError(f"d: expected 1 to {size}, the number of augmented images, found {d}")
    form = np.zeros((size, size))
    for weight, views in zip(p, law, strict=True):
        own = np.flatnonzero(views)
        # covariance of indicators: the variance of f over this image's views is f^T (diag(q) - q q^T) f
        form[np.ix_(own, own)] += weight * (np.diag(views[own]) - np.outer(views[own], views[own]))
    costs, functions = eigh(form, np.diag(p @ law), subset_by_index=(0, d - 1))
    return costs, functions


def span_distance(first: Float64[Array, "a d"], second: Float64[Array, "a d"], weights: Float64[Array, " a"]) -> float:
    """Sine of the largest principal angle between the spans of two sets of functions in L2(weights).

    Raises:
        UserError: Linearly dependent functions, or sets of different size.
    """
    if first.shape != second.shape:
        raise UserError(f"functions: expected two sets of one shape, found {first.shape} and {second.shape}")
    bases = []
    for functions in (first, second):
        basis, triangle = np.linalg.qr(np.sqrt(weights)[:, None] * functions)
        if np.abs(np.diag(triangle)).min() < 1e-12 * np.abs(triangle).max():
            raise UserError("functions: linearly dependent; expected a basis")
        bases.append(basis)
    # from the part outside, not from cosines: those lose half of the digits of a small angle
    outside = bases[1] - bases[0] @ (bases[0].T @ bases[1])
    return float(np.linalg.norm(outside, 2))


def printed_costs(operator: Float64[Array, "a a"]) -> tuple[Float64[Array, " a"], Float64[Array, "a a"]]:
    """Minimisers of ||(T - I) f||^2 as printed (Ghosh 2024, Eqs. 9, 14), T acting on one space of equal weights.

    Returns:
        Costs, ascending, and the functions, as columns.

    Raises:
        UserError: T is not square.
    """
    operator = np.asarray(operator, dtype=np.float64)
    if operator.ndim != 2 or operator.shape[0] != operator.shape[1]:
        raise UserError(f"operator: T - 1 needs one space, a square matrix; found shape {operator.shape}")
    _, values, right = np.linalg.svd(operator - np.eye(len(operator)))
    return values[::-1] ** 2, right[::-1].T
