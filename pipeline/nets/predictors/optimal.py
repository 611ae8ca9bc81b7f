"""The optimal linear predictor, plugged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.nets import matrix_sqrt, moments
from pipeline.nets.predictor import MatrixPredictor
from pipeline.ranges import Count, Momentum, NonNegative

if TYPE_CHECKING:
    from jaxtyping import Float

HAS: dict[str, dict[str, object]] = {"matrix": {}}
OWN_RULE = True


def optimal_matrix(
    correlation: Float[Tensor, "dim dim"],
    cross: Float[Tensor, "dim dim"],
    regularizer: float,
    method: Literal["solve", "products"] | None = None,
) -> Float[Tensor, "dim dim"]:
    """Regularised solution ``W`` of ``W F = (C + C^T) / 2``.

    Tian 2021, Table 1, with ``F = E[f f^T]`` and ``C = E[f_a f^T]``. The right side is symmetric, ``W`` need
    not be. (The exact least-squares optimum has ``C`` alone on the right; they agree in the isotropic
    theory.)

    Args:
        correlation: ``F``, shape (dim, dim).
        cross: ``C``, rows for the target, shape (dim, dim).
        regularizer: ``F`` is replaced by ``F + regularizer tr(F)/dim I``.
        method: ``solve``, the linear system, or ``products`` (:mod:`pipeline.nets.matrix_sqrt`), which a GPU computes
            without telling the host anything. Both in float64. None is ``solve`` on the CPU and ``products`` elsewhere.

    Returns:
        ``W``, shape (dim, dim), dtype of ``F``.

    Raises:
        torch.linalg.LinAlgError: ``F`` is zero. (By products the result is NaN, and no error.)
    """
    f, c = correlation.double(), cross.double()
    ridged = f + regularizer * f.diagonal().mean() * torch.eye(len(f), dtype=f.dtype, device=f.device)
    symmetric = (c + c.T) / 2
    if method is None:
        method = "solve" if f.device.type == "cpu" else "products"
    if method == "solve":
        return torch.linalg.solve(ridged, symmetric).T.to(correlation.dtype)
    trace_over_smallest = len(f) * (1 + regularizer) / regularizer
    return (symmetric @ matrix_sqrt.inverse(ridged, trace_over_smallest)).to(correlation.dtype)


def rank_one_matrix(
    correlation: Float[Tensor, "dim dim"], cross: Float[Tensor, "dim dim"], regularizer: float
) -> Float[Tensor, "dim dim"]:
    """Compute what the released code plugs in instead: all rows equal.

    It computes the inverse as ``Q v Q^T`` with ``v`` the *vector* of inverse eigenvalues, not on a diagonal:
    the product is a vector, which is multiplied by ``C`` and broadcast into every row of ``W``. The predictor
    then tells a single number about its input.

    Args and returns as for :func:`optimal_matrix`.
    """
    s, q = torch.linalg.eigh(correlation.double())
    s = s.clamp_min(0)
    inverse = q @ (q @ (s + regularizer * s.mean()).reciprocal())
    return (inverse @ cross.double()).expand(len(s), -1).to(correlation.dtype)


class OptimalPredictor(MatrixPredictor):
    """``W_p`` solved from moving averages, every ``every``-th step.

    Attributes:
        correlation: Moving average of ``E[f f^T]``, shape (features, features).
        cross: Moving average of ``E[f_a f^T]``, shape (features, features).
        batches: How many minibatches they hold.
    """

    correlation: Tensor
    cross: Tensor
    batches: Tensor

    def __init__(self, features: int, *, every: int, rho: float, regularizer: float, rank_one: bool) -> None:
        super().__init__(features, trained=every > 1)
        self.every, self.rho, self.regularizer = every, rho, regularizer
        self.solve = rank_one_matrix if rank_one else optimal_matrix
        self.register_buffer("correlation", torch.zeros(features, features))
        self.register_buffer("cross", torch.zeros(features, features))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(
        self, embeddings: list[Float[Tensor, "batch features"]], targets: list[Float[Tensor, "batch features"]]
    ) -> None:
        """Update both moving averages."""
        moments.average_(self.correlation, moments.correlation(embeddings), self.batches, self.rho)
        moments.average_(self.cross, moments.cross_correlation(targets, embeddings), self.batches, self.rho)
        self.batches += 1

    @torch.no_grad()
    def after_step(self) -> None:
        """Overwrite ``W_p``."""
        self.weight.copy_(self.solve(self.correlation, self.cross, self.regularizer))


def build(
    features: int,
    *,
    every: Count = 1,
    rho: Momentum = 0.3,
    regularizer: NonNegative = 0.01,
    inverse: Literal["matrix", "rank_one"] = "matrix",
) -> OptimalPredictor:
    """The optimal predictor plugged in every few minibatches (Tian 2021, Table 1).

    Args:
        features: Width of the embedding.
        every: Minibatches from one solution to the next, with plain gradient steps between; 1, 2, 3 or 5 in
            the table.
        rho: Weight of the past in both moving averages. Not in the text.
        regularizer: Ridge, in units of the mean eigenvalue of ``F``. Not in the text; our choice, scale-free.
        inverse: ``matrix`` for the text's equation; ``rank_one`` for what the released code computes, see
            :func:`rank_one_matrix`.

    Raises:
        UserError: ``every`` below 1, ``rho`` not in [0, 1), or no regulariser.
    """
    if every < 1:
        raise UserError(f"predictor.every: expected at least 1, found {every}; the table has 1, 2, 3 and 5")
    if not 0 <= rho < 1:
        raise UserError(f"predictor.rho: expected from 0 to below 1, found {rho}; the default is 0.3")
    if regularizer <= 0:
        raise UserError(f"predictor.regularizer: expected above 0, found {regularizer}; try 0.01")
    return OptimalPredictor(features, every=every, rho=rho, regularizer=regularizer, rank_one=inverse == "rank_one")
