"""What the tangent kernel after training says about the embeddings that were learnt (Simon 2023, Table 1)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pipeline.evaluation import pairs as positive
from pipeline.evaluation.context import EvaluationContext
from pipeline.kernels import subspaces
from pipeline.numerics.randomness import derived_seed
from pipeline.papers.stepwise.kernel import pair_correlation
from pipeline.papers.stepwise.measures import _kernels
from pipeline.ranges import Count

READS = ("encoder", "projector", "views", "normalize", "split")
VALUES = (
    "alignment_predicted", "alignment_ntk", "alignment_random_predicted", "alignment_random_ntk", "chance",
    "chance_std", "alignment_predicted_centred", "alignment_ntk_centred", "gammas", "kernel_eigenvalues",
    "embedding_eigenvalues", "dimensions", "rank", "pairs",
)  # fmt: skip


def measure(
    subject: EvaluationContext,
    *,
    pairs: Count = 1000,
    precision: Literal["fp64", "fp32", "tf32", "bf16"] = "fp32",
    draws: Count = 32,
) -> dict[str, Any]:
    """Alignment of the embeddings with those that the tangent kernel predicts, and with its leading eigenvectors.

    P_exp, P_th and P_NTK are the row spaces of f on 2n augmented inputs, of the prediction (Eq. 49) from the kernel of
    the trained network, and the d leading eigenvectors of that kernel. The network is in evaluation mode, which the
    text leaves open: with the statistics of a minibatch a single input would have no gradient of its own.

    Args:
        subject: The checkpoint.
        pairs: n, how many images with two views each.
        precision: Of the per-sample gradients and their products.
        draws: Random subspaces for the Monte Carlo of the chance level.

    Returns:
        Scores by their names.

        * ``alignment_predicted``: a(P_exp, P_th); ``alignment_ntk``: a(P_exp, P_NTK).
        * ``alignment_random_predicted``, ``alignment_random_ntk``: mean alignment of random subspaces with P_th and
          P_NTK; ``chance``: d / 2n, what it should be (less where P_th has fewer dimensions); ``chance_std``: spread of
          one draw.
        * ``alignment_predicted_centred``, ``alignment_ntk_centred``: without the constant function, which most
          subspaces contain (a control; the paper's are not centred).
        * ``gammas``: the d leading eigenvalues of K_Gamma as far as they are positive (where fewer are, P_th has fewer
          dimensions, and those that it lacks count 0); ``kernel_eigenvalues``: those of K;
          ``embedding_eigenvalues``: those of the embeddings' correlation C (Eq. 2), descending.
        * ``dimensions``: d; ``rank``: of the embeddings, below d where they have collapsed; ``pairs``: n.
    """
    inputs = positive.draw(subject, pairs)
    learnt = _kernels.embeddings(subject, inputs)
    tangent = _kernels.kernel(subject, inputs, precision)
    d = len(learnt)
    expected, gamma = _kernels.predicted(tangent, d, precision)
    p_exp, p_th = subspaces.row_space(learnt), subspaces.row_space(expected)
    p_ntk = subspaces.top_eigenvectors(tangent, d)
    seed = derived_seed(subject.seed, "random subspaces")
    by_chance = {name: subspaces.monte_carlo(p, d, seed, draws) for name, p in (("predicted", p_th), ("ntk", p_ntk))}
    centred = [subspaces.row_space(subspaces.centred(rows)) for rows in (learnt, expected, p_ntk)]
    return {
        "alignment_predicted": subspaces.alignment(p_exp, p_th, d),
        "alignment_ntk": subspaces.alignment(p_exp, p_ntk, d),
        **{f"alignment_random_{name}": found.mean for name, found in by_chance.items()},
        "chance": subspaces.chance_level(d, tangent.shape[0]),
        "chance_std": by_chance["predicted"].std,
        "alignment_predicted_centred": subspaces.alignment(centred[0], centred[1], d),
        "alignment_ntk_centred": subspaces.alignment(centred[0], centred[2], d),
        "gammas": gamma.tolist(),
        "kernel_eigenvalues": np.linalg.eigvalsh(tangent)[::-1][:d].tolist(),
        "embedding_eigenvalues": np.linalg.eigvalsh(pair_correlation(learnt))[::-1].tolist(),
        "dimensions": d,
        "rank": len(p_exp),
        "pairs": pairs,
    }
