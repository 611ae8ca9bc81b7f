"""How far two trainings have learnt the same embeddings (Simon 2023, Table 2)."""

from __future__ import annotations

from typing import Any

from pipeline.errors import UserError
from pipeline.evaluation import kernels
from pipeline.evaluation import pairs as positive
from pipeline.evaluation.subject import Subject
from pipeline.kernels import subspaces
from pipeline.training.randomness import derived_seed

READS = ("encoder", "projector", "views", "normalize", "split")


def measure(subject: Subject, *, reference: str, pairs: int = 1000, draws: int = 32) -> dict[str, Any]:
    """Alignment of the embeddings of two checkpoints on the same augmented pairs.

    Args:
        subject: The checkpoint, with the other one as its ``reference``.
        reference: The other checkpoint; in the declaration a method, or ``last`` for the run's own last milestone.
        pairs: n, how many images with two views each.
        draws: Random subspaces for the Monte Carlo of the chance level.

    Returns:
        * ``alignment``: a(P, P') of the row spaces; ``alignment_centred``: without the constant function.
        * ``alignment_random``: mean alignment of random subspaces with the reference's; ``chance``: d / 2n, what it
          should be; ``chance_std``: spread of one draw.
        * ``dimensions``: d; ``pairs``: n.

    Raises:
        UserError: The embeddings differ in width, or the views in size.
    """
    other = subject.reference
    assert other is not None
    inputs = positive.draw(subject, pairs)
    mine, theirs = kernels.embeddings(subject, inputs), kernels.embeddings(other, inputs)
    if len(mine) != len(theirs):
        raise UserError(
            f"agreement: expected embeddings of one width, found {len(mine)} and {len(theirs)} ({reference}); "
            "give both methods the same projector.out"
        )
    p, q = subspaces.row_space(mine), subspaces.row_space(theirs)
    by_chance = subspaces.monte_carlo(q, derived_seed(subject.seed, "random subspaces"), draws)
    return {
        "alignment": subspaces.alignment(p, q),
        "alignment_centred": subspaces.alignment(
            subspaces.row_space(subspaces.centred(mine)), subspaces.row_space(subspaces.centred(theirs))
        ),
        "alignment_random": by_chance.mean,
        "chance": subspaces.chance_level(*p.shape),
        "chance_std": by_chance.std,
        "dimensions": len(p),
        "pairs": pairs,
    }
