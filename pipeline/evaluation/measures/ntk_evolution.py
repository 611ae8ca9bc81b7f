"""How the tangent kernel of a network moves while it is trained, and what it predicts on the way."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.evaluation import kernels
from pipeline.evaluation import pairs as positive
from pipeline.evaluation.subject import Subject
from pipeline.kernels import similarity, subspaces

READS = ("encoder", "projector", "views", "normalize", "split")


def measure(
    subject: Subject,
    *,
    reference: str,
    pairs: int = 500,
    precision: Literal["fp64", "fp32", "tf32", "bf16"] = "fp32",
) -> dict[str, Any]:
    """Compares the kernel of one milestone with that of the run's last one, with the labels, and with the embeddings.

    Args:
        subject: The milestone, with the last one as its ``reference``.
        reference: ``last`` in the declaration.
        pairs: n, how many images with two views each.
        precision: Of the per-sample gradients and their products.

    Returns:
        * ``evolution_distance``: ``1 - cos(K, K_end)`` (Fort et al. 2020), blind to the kernel's scale.
        * ``evolution_final``: CKA with the final kernel, the cosine of the centred kernels; ``evolution_labels``: with
          the kernel of one-hot labels.
        * ``evolution_predicted``: a(P_exp, P_th) of this milestone's embeddings and kernel; ``evolution_ntk``:
          a(P_exp, P_NTK) with the leading eigenvectors of that kernel.
        * ``evolution_predicted_end``: a(P_end, P_th), this kernel against the last milestone's embeddings;
          ``evolution_embeddings_end``: a(P_exp, P_end), the embeddings themselves.
        * ``chance``: d / 2n.
    """
    last = subject.reference
    assert last is not None
    inputs = positive.draw(subject, pairs)
    now, final = kernels.kernel(subject, inputs, precision), kernels.kernel(last, inputs, precision)
    learnt, in_the_end = kernels.embeddings(subject, inputs), kernels.embeddings(last, inputs)
    d = len(learnt)
    p_exp, p_end = subspaces.row_space(learnt), subspaces.row_space(in_the_end)
    p_th = subspaces.row_space(kernels.predicted(now, d, precision)[0])
    labels = similarity.label_kernel(inputs.labels.numpy())
    return {
        "evolution_distance": similarity.distance(now, final),
        "evolution_final": similarity.centred_alignment(now, final),
        "evolution_labels": similarity.centred_alignment(now, labels),
        "evolution_predicted": subspaces.alignment(p_exp, p_th),
        "evolution_ntk": subspaces.alignment(p_exp, subspaces.top_eigenvectors(now, d)),
        "evolution_predicted_end": subspaces.alignment(p_end, p_th),
        "evolution_embeddings_end": subspaces.alignment(p_exp, p_end),
        "chance": subspaces.chance_level(*p_exp.shape),
    }
