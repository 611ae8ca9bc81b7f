"""Appendix D of Tian 2021: data that are not isotropic, and what augmentations that scramble do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UserError
from pipeline.papers.directpred.checks import Array, covariance
from pipeline.papers.directpred.flow import Inputs

if TYPE_CHECKING:
    from jaxtyping import Float64


def multiplicative(data: Float64[Array, "n n"], scrambled: Float64[Array, "n k"]) -> Inputs:
    """Views A x with A = Pc + U B U^T: B is k x k with independent N(0, 1) entries, Pc = I - U U^T.

    Sigma_d = Pc S Pc and Sigma_s = Pc S Pc + tr(U^T S U) U U^T, as E[B M B^T] = tr(M) I; the text has Sigma_s = S. So
    Sigma_d Sigma_s^-1 is Pc for every S on which both parts are of full rank.

    Args:
        data: S, covariance of x, n x n.
        scrambled: U, n x k with orthonormal columns, k >= 1.

    Raises:
        UserError: U's columns are not orthonormal, or S is no covariance.
    """
    data = covariance("data", data)
    if scrambled.ndim != 2 or not np.allclose(scrambled.T @ scrambled, np.eye(scrambled.shape[1]), atol=1e-10):
        raise UserError("scrambled: expected orthonormal columns; take them from numpy.linalg.qr")
    outer = scrambled @ scrambled.T
    kept = np.eye(len(data)) - outer
    inside = kept @ data @ kept
    return Inputs((inside + inside.T) / 2, float(np.trace(scrambled.T @ data @ scrambled)) * outer)


def additive(data: Float64[Array, "n n"], noise: Float64[Array, "n n"]) -> Inputs:
    """Views x + n: Sigma_d = S and Sigma_s = S + N."""
    return Inputs(data, noise)


def survivors(inputs: Inputs) -> tuple[Float64[Array, " n"], Float64[Array, "n n"]]:
    """Eigenvalues, descending, and left eigenvectors (rows) of Sigma_d Sigma_s^-1.

    Rows of W that are left eigenvectors and Wp = diag(eigenvalues) stand still (Tian 2021, Eq. 103: Wp W = W Sigma_d
    Sigma_s^-1 with W = Wa); so does every W -> S W, Wp -> S Wp S^-1. The eigenvalues lie in [0, 1]; without a
    predictor only those at 1 survive.

    Raises:
        UserError: Sigma_s is singular: there is a direction in which views never differ from 0.
    """
    view = inputs.view
    values, vectors = np.linalg.eigh(view)
    if values[0] <= len(values) * np.finfo(float).eps * values[-1]:
        raise UserError(f"Sigma_s: expected full rank, found an eigenvalue of {values[0]:.3g}; drop that direction")
    root = (vectors / np.sqrt(values)) @ vectors.T
    inner, basis = np.linalg.eigh(root @ inputs.mean @ root)
    return inner[::-1], (basis.T @ root)[::-1]
