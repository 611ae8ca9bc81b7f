"""In which order a network learns, and in which its initial tangent kernel says it will (Simon 2023, Section 5)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.stats import spearmanr

from pipeline.evaluation import pairs as positive
from pipeline.evaluation.calibration import calibrate
from pipeline.evaluation.context import CALIBRATED_ON, EvaluationContext
from pipeline.papers.stepwise.kernel import leading
from pipeline.papers.stepwise.measures import _kernels
from pipeline.ranges import Count

READS = ("encoder", "projector", "views", "normalize", "split")
VALUES = ("order", "growths", "gammas")


def measure(
    subject: EvaluationContext,
    *,
    reference: str,
    pairs: Count = 1000,
    precision: Literal["fp64", "fp32", "tf32", "bf16"] = "fp32",
) -> dict[str, Any]:
    """Compare how much each mode of the initial kernel has grown with its eigenvalue.

    Theory writes embeddings as f = U S [b_1 ... b_d]^T K^-1/2 K_xX with the eigenvectors b_j of K_Gamma (Eq. 24), and
    from small initialization each s_j grows as exp(4 gamma_j t) until it is learnt (Eq. 10): modes are learnt in the
    order of gamma. Of a network s_j is the length of f K^-1/2 b_j, with K that of the network before training.

    This is a question about the time before the first mode is learnt. A mode that is learnt stays at gamma_j^-1/2, so
    when all are, those of small gamma have grown most: from equal starts theory's own correlation goes from 1 to -1.

    Statistics of BatchNorm are collected anew, as they are at the start: in the first steps running ones say what no
    network has, and a change of theirs is no growth.

    Args:
        subject: A milestone, with the run's start as its ``reference``.
        reference: ``first`` in the declaration.
        pairs: n, how many images with two views each.
        precision: Of the per-sample gradients and their products.

    Returns:
        ``order``: Spearman's rank correlation of gamma_j with s_j(t) / s_j(0), 1 where modes grow as theory says, 0
        where the kernel says nothing of it, None where nothing has grown or a mode has nothing to grow from;
        ``growths`` and ``gammas``, of the d leading modes as far as gamma is positive, the largest gamma first.

    Raises:
        NotFinite: An embedding is infinite or NaN.
    """
    start = subject.reference
    assert start is not None
    inputs = positive.draw(subject, pairs)
    calibrate(
        subject.branch,
        subject.arrays.images(CALIBRATED_ON),
        subject.spec["normalize"],
        subject.seed,
        device=subject.device,
    )
    now, before = _kernels.embeddings(subject, inputs), _kernels.embeddings(start, inputs)
    modes = leading(_kernels.kernel(start, inputs, precision), len(now), _kernels.TOLERANCE[precision])
    at_start = strengths(before, modes.modes)
    if not at_start.all():
        return {"order": None, "growths": [], "gammas": modes.gamma.tolist()}
    growths = strengths(now, modes.modes) / at_start
    return {"order": order(modes.gamma, growths), "growths": growths.tolist(), "gammas": modes.gamma.tolist()}


def strengths(outputs: np.ndarray, modes: np.ndarray) -> np.ndarray:
    """Compute s_j, how strongly embeddings (d, 2n) have each mode (k, 2n): the length of f K^-1/2 b_j, shape (k,)."""
    return np.linalg.norm(outputs @ modes.T, axis=0)


def order(gammas: np.ndarray, growths: np.ndarray) -> float | None:
    """Rank modes by eigenvalue and by growth, and correlate; None where that is not defined."""
    if len(gammas) < 3 or np.ptp(growths) == 0:
        return None
    return float(spearmanr(gammas, growths).statistic)
