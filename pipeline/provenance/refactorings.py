"""What ``accept`` declares: the modules in which a stage's receipts differ from today's code, and nothing else."""

from __future__ import annotations

from pipeline import files
from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.ledger import receipt
from pipeline.ledger.accepted import Acceptance


def refactorings(states: States, stage: str, reason: str) -> dict[Acceptance, int]:
    """Declarations that make receipts of a stage valid that are stale by code alone, and how many each serves.

    Args:
        states: What today's declarations ask for.
        stage: Kind of stage.
        reason: Why results are the same.

    Raises:
        UserError: No such stage is planned, or none is stale by code alone.
    """
    known = sorted({state.key_file.stage for state in states})
    if stage not in known:
        raise UserError(f"accept {stage}: no such stage here; there are: {', '.join(known)}")
    found: dict[tuple, tuple[Acceptance, int]] = {}
    others = 0
    for state in states:
        key_file = state.key_file
        if key_file.stage != stage:
            continue
        made = receipt.read(states.workspace.path(state.node.receipt))
        if made is None or made["code"] == key_file.code or key_file.reasons(made["code"]):
            continue
        if files.digest(made["params"]) != files.digest(key_file.params):
            others += 1
            continue
        was = {module: digest for module, digest in made["code"].items() if key_file.code.get(module) != digest}
        now = {module: digest for module, digest in key_file.code.items() if made["code"].get(module) != digest}
        place = (tuple(was.items()), tuple(now.items()))
        found[place] = (Acceptance(stage, reason, was, now), found.get(place, (None, 0))[1] + 1)
    if not found:
        more = f" ({others} are stale by their params too)" if others else ""
        raise UserError(
            f"accept {stage}: no stage is stale by its code alone{more}; type: python -m pipeline why TARGET"
        )
    return dict(found.values())
