"""How the tangent kernel of a network moves while it is trained, and what it predicts on the way."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.errors import UserError
from pipeline.evaluation import pairs as positive
from pipeline.evaluation.context import EvaluationContext
from pipeline.kernels import similarity, subspaces
from pipeline.papers.stepwise.measures import _kernels
from pipeline.ranges import Count

READS = ("encoder", "projector", "views", "normalize", "split")
VALUES = (
    "evolution_distance", "evolution_final", "evolution_labels", "evolution_predicted", "evolution_ntk",
    "evolution_predicted_end", "evolution_embeddings_end", "chance",
)  # fmt: skip

_LABELLED = 20
"""Inputs with a label from which on the kernel is compared with that of labels."""


def measure(
    subject: EvaluationContext,
    *,
    reference: str,
    pairs: Count = 1000,
    precision: Literal["fp64", "fp32", "tf32", "bf16"] = "fp32",
) -> dict[str, Any]:
    """Compares the kernel of one milestone with that of the run's last one, with the labels, and with the embeddings.

    Args:
        subject: The milestone, with the last one as its ``reference``.
        reference: ``last`` in the declaration.
        pairs: n, how many images with two views each.
        precision: Of the per-sample gradients and their products.

    Returns:
        Scores by their names.

        * ``evolution_distance``: ``1 - cos(K, K_end)`` (Fort et al. 2020), blind to the kernel's scale.
        * ``evolution_final``: CKA with the final kernel, the cosine of the centred kernels; ``evolution_labels``: with
          the kernel of one-hot labels, on the inputs that have one.
        * ``evolution_predicted``: a(P_exp, P_th) of this milestone's embeddings and kernel; ``evolution_ntk``:
          a(P_exp, P_NTK) with the leading eigenvectors of that kernel.
        * ``evolution_predicted_end``: a(P_end, P_th), this kernel against the last milestone's embeddings;
          ``evolution_embeddings_end``: a(P_exp, P_end), the embeddings themselves.
        * ``chance``: d / 2n.

    Raises:
        UserError: Too few of the inputs have a label.
    """
    last = subject.reference
    assert last is not None
    inputs = positive.draw(subject, pairs)
    # first, since they tell whether a training has diverged
    learnt, in_the_end = _kernels.embeddings(subject, inputs), _kernels.embeddings(last, inputs)
    now, final = _kernels.kernel(subject, inputs, precision), _kernels.kernel(last, inputs, precision)
    d = len(learnt)
    p_exp, p_end = subspaces.row_space(learnt), subspaces.row_space(in_the_end)
    p_th = subspaces.row_space(_kernels.predicted(now, d, precision)[0])
    labels = inputs.labels.numpy()
    known = labels >= 0
    if known.sum() < _LABELLED:
        raise UserError(
            f"ntk_evolution.pairs: expected at least {_LABELLED} inputs with a label among {len(labels)}, found "
            f"{known.sum()}; take more pairs, or split: train"
        )
    of_labels = similarity.centred_alignment(now[known][:, known], similarity.label_kernel(labels[known]))
    return {
        "evolution_distance": similarity.distance(now, final),
        "evolution_final": similarity.centred_alignment(now, final),
        "evolution_labels": of_labels,
        "evolution_predicted": subspaces.alignment(p_exp, p_th, d),
        "evolution_ntk": subspaces.alignment(p_exp, subspaces.top_eigenvectors(now, d), d),
        "evolution_predicted_end": subspaces.alignment(p_end, p_th, d),
        "evolution_embeddings_end": subspaces.alignment(p_exp, p_end, d),
        "chance": subspaces.chance_level(*learnt.shape),
    }
