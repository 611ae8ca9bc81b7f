"""DirectPred's rule: from the correlation of the predictor's input to the predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

import torch
from torch import Tensor

from pipeline.nets import matrix_sqrt

if TYPE_CHECKING:
    from jaxtyping import Float


class Rule(TypedDict):
    """What :func:`directpred_matrix` needs beside the correlation."""

    epsilon: float
    normalized: bool
    offset: float
    floor: float
    alpha: float
    cap: float | None


def directpred_matrix(
    correlation: Float[Tensor, "*stack dim dim"],
    *,
    epsilon: float,
    normalized: bool,
    offset: float = 0.0,
    floor: float = 0.0,
    alpha: float = 0.5,
    cap: float | None = None,
    method: Literal["eigh", "products"] | None = None,
) -> Float[Tensor, "*stack dim dim"]:
    """The predictor that shares the eigenvectors of ``F`` and takes a power, the root, of its eigenvalues.

    Tian 2021, Eq. 18, with the offset of its Table 7, and ``lambda = s^alpha`` of Halvagal 2023 for the root::

        F = U diag(s) U^T,    W_p = U diag(p) U^T,    p_j = max(max(s_j - c, 0)^alpha + epsilon m, floor)

    Literally ``m = max_j s_j``, which is not scale-free: the root grows with the norm of the embedding and
    the second term with its square. Normalised, ``s`` is divided by its maximum first and ``m = 1``; up to
    the factor ``sqrt(max s)``, to which a cosine loss is blind, this is ``sqrt(s_j) + epsilon sqrt(max s)``,
    and it is what the released code computes. Both agree where the largest eigenvalue is 1. Offset and floor
    are in the same units, so the released form of Table 7 is ``epsilon = -c``, no offset and a floor of 1e-4.

    With ``alpha = 1`` it is DirectCopy (Wang 2021), ``W_p = F / max s + epsilon 1`` if normalised; the released code of
    Halvagal 2023 has ``epsilon = 0.25`` there.

    Args:
        correlation: ``F``, symmetric and positive semi-definite, shape (..., dim, dim).
        epsilon: Lifts all eigenvalues; negative values are allowed.
        normalized: Which of the two readings.
        offset: ``c``, the same for all eigenvalues.
        floor: Smallest eigenvalue of the result; the text has 0, the released code 1e-4 (normalised).
        alpha: The power, from 0 (all eigenvalues become 1) on.
        cap: Eigenvalues ``s`` above it count as it, before all else; None for none.
        method: ``eigh``, the eigendecomposition, or ``products`` (:mod:`pipeline.nets.matrix_sqrt`), which a GPU
            computes without telling the host anything. Both in float64; they agree within ``3.5e-4 sqrt(m + |c|)``
            where an eigenvalue vanishes, about what the rounding of ``F`` to float32 does to its root, and to ten
            digits where it is above a hundredth. Powers other than 0, 1/2 and 1 have no products. None is ``eigh`` on
            the CPU, where it is faster, and for these powers, and ``products`` elsewhere.

    Returns:
        ``W_p``, symmetric, commuting with ``F``, shape (..., dim, dim), dtype of ``F``.

    Raises:
        torch.linalg.LinAlgError: ``F`` is not finite. (By products the result is NaN, and no error.)
        ValueError: A power by products that has none.
    """
    if method is None:
        method = "eigh" if correlation.device.type == "cpu" or alpha not in _POWERS else "products"
    by = _by_eigenvalues if method == "eigh" else _by_products
    # in double precision: sqrt turns a rounding error of 1e-7 in a vanishing eigenvalue into one of 3e-4
    return by(correlation.double(), epsilon, normalized, offset, floor, alpha, cap).to(correlation.dtype)


_POWERS = (0.0, 0.5, 1.0)
"""Those that are products of matrices."""


def _by_eigenvalues(
    f: Tensor, epsilon: float, normalized: bool, offset: float, floor: float, alpha: float, cap: float | None
) -> Tensor:
    s, u = torch.linalg.eigh(f)
    s = s.clamp(0, cap)
    top = s[..., -1:]
    if normalized:
        s, top = s / top.clamp_min(torch.finfo(s.dtype).tiny), torch.ones_like(top)
    power = (s - offset).clamp_min(0)
    power = power.sqrt() if alpha == 0.5 else power.pow(alpha)
    p = (power + epsilon * top).clamp_min(floor)
    return (u * p.unsqueeze(-2)) @ u.mT


def _by_products(
    f: Tensor, epsilon: float, normalized: bool, offset: float, floor: float, alpha: float, cap: float | None
) -> Tensor:
    """The same: each ``max(x, 0)`` of eigenvalues is the positive part of a matrix."""
    if alpha not in _POWERS:
        raise ValueError(f"alpha: expected one of {_POWERS}, which are products of matrices, found {alpha}")
    f = f.tril() + f.tril(-1).mT  # what eigh reads: the root magnifies a difference between the halves
    one = torch.eye(f.shape[-1], dtype=f.dtype, device=f.device)
    top = matrix_sqrt.largest_eigenvalue(f)
    if cap is not None:
        above = matrix_sqrt.positive_part(f - cap * one, top.clamp_min(cap))
        # what rounding has left below 0 is small beside the old top, but need not be beside the cap
        capped = matrix_sqrt.positive_part(f - above, top.clamp_max(cap))
        # as it is where no eigenvalue is above: the difference of large numbers would round
        f, top = torch.where(top > cap, capped, f), top.clamp_max(cap)
    if normalized:
        f, top = f / top.clamp_min(torch.finfo(f.dtype).tiny), torch.ones_like(top)
    bound = top + abs(offset)
    if offset:  # else no eigenvalue is negative, up to a rounding that does no harm
        f = matrix_sqrt.positive_part(f - offset * one, bound)
    if alpha == 0.5:
        power = matrix_sqrt.square_root(f, bound)
    else:
        power = f if alpha else one.expand_as(f)
    w = power + epsilon * top * one
    if epsilon >= 0 and floor <= (epsilon if normalized else 0.0):
        return w  # no eigenvalue is below the floor
    bound = bound**alpha + abs(epsilon) * top + abs(floor)
    return matrix_sqrt.positive_part(w - floor * one, bound) + floor * one
