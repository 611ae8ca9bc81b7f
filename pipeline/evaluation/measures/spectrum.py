"""Spectra of the predictor's input and of the predictor, and how they are aligned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluation import as_trained, spectra
from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.finite import NotFinite
from pipeline.nets.predictor import MatrixPredictor
from pipeline.ranges import Count

READS = ("encoder", "projector", "predictor", "views", "normalize", "batch_size", "split")
VALUES = (
    "spectrum",
    "f_effective_rank",
    "samples",
    "smallest_eigenvalue",
    "asymmetry",
    "spectrum_log_largest_s",
    "spectrum_log_smallest_s",
    "spectrum_largest_p",
    "spectrum_smallest_p",
    "spectrum_leading_alignment",
    "spectrum_asymmetry",
)
LEADING = 10
"""Eigenvectors of F whose alignment is told as one number."""


@torch.no_grad()
def predictor_input(subject: EvaluationContext, samples: int) -> tuple[Tensor, int]:
    """``F = E[f f^T]`` of the predictor's input f as training sees it: augmented, in batches, not centred.

    BatchNorm takes the statistics of each batch and view; the running statistics stay as they are.

    Args:
        subject: The checkpoint.
        samples: Number of images of the training split, drawn at random by the run's seed; rounded down to
            whole batches (one smaller batch if there is not even one).

    Returns:
        (d, d) float64 on the CPU, the mean over all views of all images, and the number of images.

    Raises:
        NotFinite: An entry of F is infinite or NaN.
    """
    used, batches = as_trained.batches(subject, samples, "spectrum")
    total: Tensor | None = None
    rows = 0
    for network, views in batches:
        assert network.projector is not None
        for view in views:
            f = network.projector(network.encoder(view)).double()
            total = f.T @ f if total is None else total.addmm_(f.T, f)
            rows += len(f)
    assert total is not None
    if not torch.isfinite(total).all():
        raise NotFinite("the predictor's input")
    return (total / rows).cpu(), used


def summary(spectrum: Mapping[str, Any]) -> dict[str, float | None]:
    """The four panels of Fig. 2 of Tian 2021 as numbers, one or two each.

    Args:
        spectrum: What :func:`measure` returns under this name.

    Returns:
        Scores by their names.

        * ``spectrum_log_largest_s``, ``spectrum_log_smallest_s``: natural logarithms of the ends of F's spectrum; one
          that rounding has brought to zero or below counts as the smallest that double precision can tell from zero
          beside the largest.
        * ``spectrum_largest_p``, ``spectrum_smallest_p``: the ends of that of the symmetric part of W_p.
        * ``spectrum_leading_alignment``: mean of ``cos(u_j, W_p u_j)`` over the ten leading eigenvectors of F.
        * ``spectrum_asymmetry``: of W_p.

        ``None`` where W_p is no matrix or a number is not defined.
    """
    values, alignment = spectrum["f_eigenvalues"], spectrum.get("alignment", [])[:LEADING]
    p = spectrum.get("wp_symmetric_eigenvalues") or [None]
    told = [cosine for cosine in alignment if cosine is not None]
    least = torch.finfo(torch.float64).eps * values[0]
    return {
        "spectrum_log_largest_s": math.log(values[0]) if values[0] > 0 else None,
        "spectrum_log_smallest_s": math.log(max(values[-1], least)) if values[0] > 0 else None,
        "spectrum_largest_p": p[0],
        "spectrum_smallest_p": p[-1],
        "spectrum_leading_alignment": math.fsum(told) / len(told) if told else None,
        "spectrum_asymmetry": spectrum.get("asymmetry"),
    }


def measure(subject: EvaluationContext, *, samples: Count = 2048) -> dict[str, Any]:
    """Eigenvalues of F and of W_p, and the quantities of Fig. 2 of Tian 2021.

    F is that of the checkpoint's weights on fresh views, for every predictor alike; it is not the moving
    average that DirectPred keeps.

    Args:
        subject: The checkpoint.
        samples: Number of training images for F, see :func:`predictor_input`.

    Returns:
        ``spectrum``, a dict of lists and numbers, and its numbers once more by themselves, for tables:

        * ``f_eigenvalues``: of F, descending; ``f_effective_rank``.
        * ``samples``: the number of images that were used.
        * ``spectrum_``...: see :func:`summary`.

        If the predictor is one matrix W_p (its weight; a bias plays no part) also

        * ``wp_symmetric_eigenvalues``: of its symmetric part, descending; ``smallest_eigenvalue``: the last.
        * ``wp_real_eigenvalues``: real parts of its own eigenvalues, descending.
        * ``asymmetry``: ``|W_p - W_p^T| / |W_p + W_p^T|`` (Frobenius), ``None`` if infinite.
        * ``alignment``: ``cos(u_j, W_p u_j)`` for the eigenvectors u_j of F, in the order of
          ``f_eigenvalues``; ``None`` where ``W_p u_j`` vanishes.

    Raises:
        UserError: Fewer than two samples.
    """
    if samples < 2:
        raise UserError(f"spectrum.samples: expected at least 2 (BatchNorm needs them), found {samples}")
    correlation, used = predictor_input(subject, samples)
    values, vectors = spectra.eigenbasis(correlation)
    lists: dict[str, Any] = {"f_eigenvalues": values.tolist()}
    numbers: dict[str, Any] = {"f_effective_rank": spectra.effective_rank(values), "samples": used}
    predictor = subject.network.predictor
    if isinstance(predictor, MatrixPredictor):
        matrix = predictor.weight.detach().double().cpu()
        if not torch.isfinite(matrix).all():
            raise NotFinite("the predictor")
        symmetric = torch.linalg.eigvalsh((matrix + matrix.T) / 2).flip(0)
        asymmetry = spectra.asymmetry(matrix)
        lists |= {
            "wp_symmetric_eigenvalues": symmetric.tolist(),
            "wp_real_eigenvalues": sorted(torch.linalg.eigvals(matrix).real.tolist(), reverse=True),
            "alignment": spectra.alignment(matrix, vectors),
        }
        numbers |= {
            "smallest_eigenvalue": symmetric[-1].item(),
            "asymmetry": asymmetry if math.isfinite(asymmetry) else None,
        }
    found = lists | numbers
    return {"spectrum": found, **numbers, **summary(found)}
