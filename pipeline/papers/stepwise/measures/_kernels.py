"""Embeddings and tangent kernels of checkpoints on positive pairs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.evaluation.context import EvaluationContext
from pipeline.evaluation.features import extract
from pipeline.evaluation.finite import NotFinite
from pipeline.evaluation.pairs import Pairs
from pipeline.kernels.tangent import tangent_kernel
from pipeline.papers.stepwise.kernel import leading

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]

TOLERANCE = {"fp64": 1e-11, "fp32": 1e-6, "tf32": 1e-3, "bf16": 1e-2}
"""Share of its largest eigenvalue up to which those of a kernel are rounding, by the precision it was computed in."""

MEMORY = 4 * 10**9
"""Bytes for a kernel where the user says nothing."""


def predicted(
    tangent: Float64[Array, "both both"], dimensions: int, precision: str
) -> tuple[Float64[Array, "k both"], Float64[Array, " k"]]:
    """Compute what a kernel predicts on the inputs that it was computed on, Eq. 49 without its rotation.

    Args:
        tangent: K, (2n, 2n).
        dimensions: d.
        precision: In which it was computed.

    Returns:
        Embeddings (k, 2n) and gamma_1 ... gamma_k; k is d, or less if fewer modes of K_Gamma are positive.
    """
    solution = leading(tangent, dimensions, TOLERANCE[precision])
    return solution.outputs(tangent), solution.gamma


def embeddings(subject: EvaluationContext, pairs: Pairs) -> Float64[Array, "d both"]:
    """f on the pairs, (d, 2n): encoder and projector in evaluation mode.

    Raises:
        NotFinite: One is infinite or NaN.
    """
    tick = functools.partial(subject.progress.tick, "embeddings")
    found = extract(subject.branch, pairs.images, None, device=subject.device, tick=tick)
    if not torch.isfinite(found).all():
        raise NotFinite("embeddings of the pairs")
    return found.double().cpu().numpy().T


def kernel(subject: EvaluationContext, pairs: Pairs, precision: str) -> Float64[Array, "both both"]:
    """Empirical tangent kernel of the embedding on the pairs, (2n, 2n); computed once per checkpoint and job.

    That of the sum of the d outputs over sqrt(d) (Simon 2023, Appendix D.5).
    """
    name = f"kernel {precision} {len(pairs.images)}"
    if name not in subject.known:
        found = tangent_kernel(
            subject.branch,
            pairs.images,
            memory=subject.memory or MEMORY,
            precision=precision,
            tick=functools.partial(subject.progress.tick, "tangent kernel, pass"),
            scratch=subject.scratch,
        )
        subject.known[name] = found.numpy()
    return subject.known[name]
