"""How far two trainings have learnt the same embeddings (Simon 2023, Table 2)."""

from __future__ import annotations

from typing import Any

from pipeline.errors import UserError
from pipeline.evaluation import pairs as positive
from pipeline.evaluation.context import EvaluationContext
from pipeline.kernels import subspaces
from pipeline.numerics.randomness import derived_seed
from pipeline.papers.stepwise.measures import _kernels
from pipeline.ranges import Count

READS = ("encoder", "projector", "views", "normalize", "split")
VALUES = (
    "alignment", "alignment_centred", "alignment_random", "chance", "chance_std", "dimensions", "rank", "pairs",
)  # fmt: skip


def measure(subject: EvaluationContext, *, reference: str, pairs: Count = 1000, draws: Count = 32) -> dict[str, Any]:
    """Alignment of the embeddings of two checkpoints on the same augmented pairs.

    Args:
        subject: The checkpoint, with the other one as its ``reference``.
        reference: The other checkpoint; in the declaration a method, or ``last`` for the run's own last milestone.
        pairs: n, how many images with two views each.
        draws: Random subspaces for the Monte Carlo of the chance level.

    Returns:
        Scores by their names.

        * ``alignment``: a(P, P') of the row spaces; ``alignment_centred``: without the constant function.
        * ``alignment_random``: mean alignment of random subspaces with the reference's; ``chance``: d / 2n, what it
          should be; ``chance_std``: spread of one draw.
        * ``dimensions``: d; ``rank``: the lower one of the two, below d where embeddings have collapsed; ``pairs``: n.

    Raises:
        UserError: The embeddings differ in width, or the views in size.
    """
    other = subject.reference
    assert other is not None
    inputs = positive.draw(subject, pairs)
    mine, theirs = _kernels.embeddings(subject, inputs), _kernels.embeddings(other, inputs)
    if len(mine) != len(theirs):
        raise UserError(
            f"agreement: expected embeddings of one width, found {len(mine)} and {len(theirs)} ({reference}); "
            "give both methods the same projector.out"
        )
    p, q = subspaces.row_space(mine), subspaces.row_space(theirs)
    d = len(mine)
    by_chance = subspaces.monte_carlo(q, d, derived_seed(subject.seed, "random subspaces"), draws)
    p_centred, q_centred = (subspaces.row_space(subspaces.centred(rows)) for rows in (mine, theirs))
    return {
        "alignment": subspaces.alignment(p, q, d),
        "alignment_centred": subspaces.alignment(p_centred, q_centred, d),
        "alignment_random": by_chance.mean,
        "chance": subspaces.chance_level(*mine.shape),
        "chance_std": by_chance.std,
        "dimensions": d,
        "rank": min(len(p), len(q)),
        "pairs": pairs,
    }
