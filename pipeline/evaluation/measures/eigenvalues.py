"""Eigenvalues of what a network makes of two views: of their cross-correlation, and of the spread of its features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pipeline.evaluation import as_trained, spectra
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.finite import NotFinite
from pipeline.ranges import Count, NonNegative

READS = ("encoder", "projector", "views", "normalize", "split", "batch_size")
VALUES = (
    "correlation", "correlation_count", "correlation_rank", "correlation_largest", "correlation_third",
    "cross_correlation", "covariance", "hidden", "cross_correlation_count", "covariance_count", "hidden_count",
    "cross_correlation_rank", "covariance_rank", "hidden_rank", "cross_correlation_largest", "covariance_largest",
    "hidden_largest", "cross_correlation_third", "covariance_third", "hidden_third", "samples",
)  # fmt: skip


@torch.no_grad()
def measure(
    subject: EvaluationContext,
    *,
    samples: Count = 4096,
    largest: Count = 128,
    threshold: NonNegative = 0.1,
    relative: bool = False,
) -> dict[str, Any]:
    """Eigenvalues of embeddings and of the encoder's features, descending.

    Views are drawn as in training, from the run's seed, so that all milestones of a run see the same; BatchNorm takes
    the statistics of each batch and view, as in training.

    Args:
        subject: The checkpoint.
        samples: Number of images, rounded down to whole batches.
        largest: Most eigenvalues that are told of each matrix; all of them are counted.
        threshold: Above which an eigenvalue is counted.
        relative: Whether the threshold is in units of the largest eigenvalue.

    Returns:
        Scores by their names.

        * ``cross_correlation``: of ``C = sum_i (f_i f'_i^T + f'_i f_i^T) / 2n`` (Simon 2023, Eq. 2), which may be
          negative; ``correlation``: of ``E[f f^T]`` over both views, not centred (what DirectPred's rule takes);
          ``covariance``: of the centred covariance of the embeddings of both views (Simon 2023, App. D.4);
          ``hidden``: of that of the encoder's features.
        * ``..._largest`` and ``..._third``: the first and the third of them; ``..._count``: how many lie above the
          threshold; ``..._rank``: the effective rank, see :func:`pipeline.evaluation.spectra.effective_rank`.
        * ``samples``: images that were used.

    Raises:
        NotFinite: An embedding or feature is infinite or NaN.
    """
    used, batches = as_trained.batches(subject, samples, "eigenvalues")
    cross: list[Tensor] = []
    embeddings, features = _Moments(), _Moments()
    for network, views in batches:
        assert network.projector is not None
        hidden = [network.encoder(view) for view in views[:2]]
        found = [network.projector(each).double() for each in hidden]
        product = found[0].T @ found[1]
        cross.append(product + product.T)
        embeddings.add(found)
        features.add([each.double() for each in hidden])
    matrices = {
        "cross_correlation": torch.stack(cross).sum(0) / (2 * used),
        "correlation": embeddings.correlation(),
        "covariance": embeddings.covariance(),
        "hidden": features.covariance(),
    }
    scores: dict[str, Any] = {"samples": used}
    for name, matrix in matrices.items():
        if not torch.isfinite(matrix).all():
            raise NotFinite(name)
        values = torch.linalg.eigvalsh(matrix.cpu()).flip(0)
        least = threshold * values[0].item() if relative else threshold
        scores |= {
            name: values[:largest].tolist(),
            f"{name}_largest": values[0].item(),
            f"{name}_third": values[2].item() if len(values) > 2 else None,
            f"{name}_count": int((values > least).sum()),
            f"{name}_rank": spectra.effective_rank(values),
        }
    return scores


class _Moments:
    """Sums over the rows of many tensors, each (batch, dim) float64."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum: Tensor | None = None
        self._squares: Tensor | None = None

    def add(self, tensors: list[Tensor]) -> None:
        """Add rows."""
        for rows in tensors:
            total, squares = rows.sum(0), rows.T @ rows
            self._sum = total if self._sum is None else self._sum + total
            self._squares = squares if self._squares is None else self._squares + squares
            self._rows += len(rows)

    def correlation(self) -> Tensor:
        """Not centred, over all rows; (dim, dim)."""
        assert self._squares is not None
        return self._squares / self._rows

    def covariance(self) -> Tensor:
        """Centred, over all rows; (dim, dim)."""
        assert self._sum is not None
        mean = self._sum / self._rows
        return self.correlation() - torch.outer(mean, mean)
