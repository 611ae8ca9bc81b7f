"""How long what is to be executed will take: from receipts of like runs, else from the scale's guess."""

from __future__ import annotations

import statistics
from typing import Any

from pipeline import files
from pipeline.engine.state import EXECUTE, States
from pipeline.ledger.families import MEASURE, PRETRAIN


class Estimate:
    """How long what is to be executed will take, and what that guess rests on."""

    def __init__(self, states: States, scale: Any) -> None:
        self.states = states
        self.scale = scale

    def seconds(self) -> tuple[float, str]:
        """Seconds on one worker, and the basis of the guess."""
        measured = 0
        guessed = 0
        total = 0.0
        done: dict[tuple[str, int | None], int] = {}
        jobs = set()
        for state in self.states:
            node = state.node
            place = (node.config, node.seed)
            if node.family is PRETRAIN and state.status != EXECUTE:
                done[place] = max(done.get(place, 0), node.epoch or 0)
            if state.status != EXECUTE:
                continue
            jobs.add((node.family, node.config))
            if node.family is PRETRAIN:
                epochs = max((node.epoch or 0) - done.get(place, 0), 0)
                done[place] = max(done.get(place, 0), node.epoch or 0)
                rate = self._rate("checkpoints", node.config)
                total += epochs * (rate if rate is not None else self.scale.estimate.epoch)
            elif node.family is MEASURE:
                rate = self._rate("measurements", node.config)
                total += rate if rate is not None else self.scale.estimate.measurement
            else:
                continue
            measured += rate is not None
            guessed += rate is None
        total += self.scale.estimate.start * len(jobs)
        basis = []
        if measured:
            basis.append(f"{measured} stages from receipts of like runs")
        if guessed:
            basis.append(f"{guessed} from the scale's guess ({self.scale.estimate.basis})")
        return total, "; ".join(basis) or ("starting and ending of processes alone" if jobs else "nothing to execute")

    def _rate(self, family: str, config: str) -> float | None:
        """Return the median seconds per epoch, or per measurement, of like runs.

        These have the same data set and encoder, and had a GPU if these will.
        """
        if not hasattr(self, "_rates"):
            self._rates: dict[tuple[str, str], float | None] = {}
        like = "-".join(config.removeprefix("local-").split("-")[:2])
        if (family, like) not in self._rates:
            folder = self.states.workspace.path(f"receipts/{family}")
            found = []
            for path in (
                list(folder.glob(f"*{like}-*/seed*/epoch*.execution.json"))[:200]
                + list(folder.glob(f"*{like}-*/seed*/epoch*/*.execution.json"))[:200]
            ):
                record = files.read_object(path)
                epochs = record.get("epochs", 0 if family == "checkpoints" else 1)
                if epochs and "seconds" in record and bool(record.get("gpu")) == self.scale.gpu:
                    found.append(record["seconds"] / epochs)
            self._rates[family, like] = statistics.median(found) if found else None
        return self._rates[family, like]
