"""Functions of symmetric matrices by products alone: what a GPU does fast, and what a CUDA graph can hold.

An eigendecomposition on a GPU tells the host whether it converged, so the host waits for it in every step and it can't
be captured. The Newton-Schulz iteration is a fixed number of products. Everything here is computed in float64, whatever
the type of the argument, and on stacks of matrices.

Errors of the roots are absolute, in units of a bound on the spectrum, and not relative: matrices that are
ill-conditioned or lack rank are no special case.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Float64

RESOLUTION = 2.0**-21
"""Smallest eigenvalue, as a share of the bound, whose sign and root are still told from those of 0. What is rounded to
float32 has eigenvalues of up to ``-2^-23`` where there should be none, so what is smaller is not known; and for each
bit more the root takes longer. (ResNet-18 on CIFAR-10 comes close: after 36 steps the smallest of 128 eigenvalues is
``2^-20``, its root within 2 %.)"""
SQUARINGS = 20
_AT_A_TIME = 4
"""Squarings between two normalisations; with trace 1 before, the trace is at least ``dim^-15`` after them."""
_CUSHION = 0.15
_CONVERGED = 1e-15


def _cubics(smallest: float) -> list[tuple[float, float]]:
    """Coefficients of the odd cubics ``a x - b x^3`` that take [smallest, 1] to 1, one after the other.

    On an interval ``[l, 1]`` the cubic with the same value at both ends and a maximum of 1 between them gains most.
    With the true ``l`` it would take the largest values to nearly nothing, and their digits with them; so ``l`` is
    taken as at least ``_CUSHION`` (the idea of Chen and Chow 2014, "A stable scaling of Newton-Schulz"). Small values
    grow by the factor 2.4 per step, where the plain iteration, to which the cubics tend, has 1.5.
    """
    steps = []
    low = smallest
    while 1 - low > _CONVERGED:
        end = max(low, _CUSHION)
        third = (1 + end + end * end) / 3
        a = 1.5 / math.sqrt(third)
        b = a / (3 * third)
        steps.append((a, b))
        low = min(a * low - b * low**3, a - b, 1.0)
    return [*steps, (1.5, 0.5)]


_SIGN = _cubics(RESOLUTION)
_ROOT = _cubics(math.sqrt(RESOLUTION))


def _stack(matrix: Tensor) -> Tensor:
    """(..., dim, dim) to float64, shape (n, dim, dim)."""
    return matrix.double().reshape(-1, *matrix.shape[-2:])


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.mT) / 2


def _eye(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=torch.float64, device=like.device)


def _trace(stack: Tensor) -> Tensor:
    """(n, dim, dim) to (n, 1, 1)."""
    return stack.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]


def _nonzero(bound: Tensor) -> Tensor:
    return bound.double().clamp_min(torch.finfo(torch.float64).tiny)


def largest_eigenvalue(matrix: Float[Tensor, "*stack dim dim"]) -> Float64[Tensor, "*stack 1 1"]:
    """Magnitude of the eigenvalue of largest magnitude of a symmetric matrix.

    The power method without a start vector: the matrix itself is squared, so that the ``N = 2^20`` steps of a vector
    are 20 products, and eigenvalues of any multiplicity are found alike. The result is a mean of eigenvalues
    with the weights ``s^N``, hence not above the largest, and below by a share of at most ``dim / (e N)``: 5e-5 for
    128 dimensions, and that only if as many eigenvalues are as close to the largest.

    Args:
        matrix: Symmetric, shape (..., dim, dim), of any scale.

    Returns:
        float64, shape (..., 1, 1); 0 for a zero matrix, NaN for one that is not finite.
    """
    stack = _stack(matrix)
    unit = stack.abs().amax(dim=(-2, -1), keepdim=True)
    stack = stack / _nonzero(unit)
    power = stack
    for _ in range(SQUARINGS // _AT_A_TIME):
        for _ in range(_AT_A_TIME):
            power = power @ power
        power = power / _nonzero(_trace(power))
    # the mean of s^2, since both signs may be there
    mean = ((stack @ stack) * power).sum(dim=(-2, -1), keepdim=True)
    return (mean.clamp_min(0).sqrt() * unit).reshape(*matrix.shape[:-2], 1, 1)


def positive_part(
    matrix: Float[Tensor, "*stack dim dim"], bound: Float[Tensor, "*stack 1 1"]
) -> Float64[Tensor, "*stack dim dim"]:
    """The nearest positive semi-definite matrix: negative eigenvalues become 0, all else stays.

    ``(A + A sign(A)) / 2``, the sign by Newton-Schulz (Higham 2008, Sec. 5.3, with scaled steps). Eigenvalues
    of magnitude below ``RESOLUTION`` times the bound come out as anything between 0 and themselves.

    Args:
        matrix: Symmetric, shape (..., dim, dim).
        bound: At least the magnitude of every eigenvalue, shape (..., 1, 1). (A share of 1e-8 too little is harmless.)

    Returns:
        float64, symmetric, shape of ``matrix``; within ``RESOLUTION / 8`` times the bound.
    """
    stack = _stack(matrix)
    sign = stack / _nonzero(bound).reshape(-1, 1, 1)
    for a, b in _SIGN:
        sign = torch.baddbmm(sign, sign, sign @ sign, beta=a, alpha=-b)
    return _symmetric(torch.baddbmm(stack, stack, sign)).div_(2).reshape(matrix.shape)


def square_root(
    matrix: Float[Tensor, "*stack dim dim"], bound: Float[Tensor, "*stack 1 1"]
) -> Float64[Tensor, "*stack dim dim"]:
    """Root of a positive semi-definite matrix.

    The coupled Newton-Schulz iteration (Higham 2008, Eq. 6.35, with scaled steps) on ``A / bound + RESOLUTION``: the
    lift keeps the inverse root finite, which runs along, and with which most of the lift is taken off again
    (``sqrt(s) = r - RESOLUTION / 2 r + ...`` for ``r = sqrt(s + RESOLUTION)``).

    Args:
        matrix: Symmetric, shape (..., dim, dim), no eigenvalue below ``-RESOLUTION / 2`` times the bound; where
            more than rounding may have left such, :func:`positive_part` first.
        bound: As there.

    Returns:
        float64, symmetric, shape of ``matrix``. Within ``RESOLUTION^2 / (8 s^1.5)`` of the root of an eigenvalue ``s``
        in units of the bound (3e-11 from 0.01 on), and within ``sqrt(RESOLUTION) / 2``, 3.5e-4, everywhere.
    """
    stack, bound = _stack(matrix), _nonzero(bound).reshape(-1, 1, 1)
    one = _eye(stack).expand_as(stack)
    root, inverse = stack / bound + RESOLUTION * one, one
    for a, b in _ROOT:
        # in this order: with root @ inverse, or made symmetric on the way, rounding errors grow without limit
        factor = torch.baddbmm(one, inverse, root, beta=a, alpha=-b)
        root, inverse = root @ factor, factor @ inverse
    return (_symmetric(root - RESOLUTION / 2 * inverse) * bound.sqrt()).reshape(matrix.shape)


def inverse(matrix: Float[Tensor, "*stack dim dim"], condition: float) -> Float64[Tensor, "*stack dim dim"]:
    """Inverse of a positive definite matrix.

    Newton's iteration ``X <- X + (1 - X A) X`` (Schulz) from ``1 / tr A``: ``1 - X A`` is squared in every step and
    begins below ``1 - 1 / condition``, so the number of steps is known beforehand.

    Args:
        matrix: Symmetric, shape (..., dim, dim).
        condition: At least trace over smallest eigenvalue.

    Returns:
        float64, shape of ``matrix``. Its relative error and ``X A - 1`` are about those of ``torch.linalg.inv``: the
        true condition number times the rounding error. (``A X - 1`` is larger, which is why the order above is as it
        is: a system is solved as ``C X``.) Not finite for a zero matrix.
    """
    stack = _stack(matrix)
    trace = _trace(stack)
    unit, one = stack / trace, _eye(stack).expand_as(stack)
    found = one
    for _ in range(math.ceil(math.log2(-math.log(_CONVERGED) * condition)) + 1):
        found = torch.baddbmm(found, one - found @ unit, found)
    return (found / trace).reshape(matrix.shape)
