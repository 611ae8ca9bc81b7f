"""How long what is to be executed will take: from records of like runs, else from the scale's guess."""

from __future__ import annotations

import statistics
from typing import Any

from pipeline import files
from pipeline.engine.state import EXECUTE, States
from pipeline.ledger import receipt
from pipeline.ledger.families import MEASURE, PRETRAIN
from pipeline.ledger.workspace import Node
from pipeline.planning import costs
from pipeline.planning.costs import Cost
from pipeline.planning.spec import Scale

MOST = 200
"""Records of like runs that are looked at."""

_VIEWS = {"count": 2}
"""What a receipt that does not say it was trained with."""


class Forecast:
    """How long what is to be executed will take, and what that guess rests on.

    Args:
        states: Of the nodes.
        scale: Theirs.
    """

    def __init__(self, states: States, scale: Scale) -> None:
        self.states = states
        self.scale = scale
        self._rates: dict[tuple[str, str], float | None] = {}

    def seconds(self) -> tuple[float, str]:
        """Seconds on one worker, and the basis of the guess."""
        parts, count = self._parts()
        basis = []
        if count["measured"]:
            basis.append(f"{count['measured']} stages from receipts of like runs")
        if count["guessed"]:
            basis.append(f"{count['guessed']} from the scale's guess ({self.scale.estimate.basis})")
        return sum(parts.values()), "; ".join(basis) or (
            "starting and ending of processes alone" if parts else "nothing to execute"
        )

    def parts(self) -> dict[str, float]:
        """Seconds of each node that is to be executed, by its name, and of each job's start and end, by the job's.

        A milestone's are those from the one before it in the plan.
        """
        return self._parts()[0]

    @staticmethod
    def job(node: Node) -> str:
        """Name of a node's job among the parts."""
        return f"job {node.family} {node.config}"

    def _parts(self) -> tuple[dict[str, float], dict[str, int]]:
        """The parts, and how many trainings and measurements were measured and how many guessed."""
        count = {"measured": 0, "guessed": 0}
        parts: dict[str, float] = {}
        done: dict[tuple[str, int | None], Cost] = {}
        jobs = []
        for state in self.states:
            node = state.node
            if node.family not in (PRETRAIN, MEASURE):
                if state.status == EXECUTE:
                    jobs.append(self.job(node))
                continue
            place = (node.config, node.seed)
            if node.family is PRETRAIN:
                spent = costs.spent(self.states.plan, node.config, node.at)
                cost = spent.since(done.get(place, Cost()))
                if state.status == EXECUTE or not node.at.step:  # from between two epochs no training goes on
                    done[place] = max(done.get(place, Cost()), spent)
            if state.status != EXECUTE:
                continue
            jobs.append(self.job(node))
            if node.family is PRETRAIN:
                rate = self._training(node.config)
                guess = cost.seconds(self.scale.estimate)
                parts[node.name] = cost.operations * rate if rate is not None else guess
            else:
                rate = self._measuring(node.config)
                parts[node.name] = rate if rate is not None else self.scale.estimate.measurement
            count["guessed" if rate is None else "measured"] += 1
        parts |= dict.fromkeys(jobs, self.scale.estimate.start)
        return parts, count

    def _training(self, config: str) -> float | None:
        """Return the median seconds per multiply-add of like trainings; None where there is none."""
        run = self.states.plan.runs[config].run

        def rate(record: dict[str, Any], params: dict[str, Any]) -> float | None:
            views = {**_VIEWS, **params.get("views", {})}
            image = costs.step_image({"encoder": run["encoder"], "views": views}, costs.side(self.states.plan, config))
            cost = costs.epoch_images(self.states.plan, config) * image
            return record["seconds"] / (record["epochs"] * cost) if record.get("epochs") and cost else None

        return self._median("checkpoints", config, rate)

    def _measuring(self, config: str) -> float | None:
        """Return the median seconds of a measurement of like runs; None where there is none."""
        return self._median("measurements", config, lambda record, _: record["seconds"])

    def _median(self, family: str, config: str, rate: Any) -> float | None:
        """Return the median of a number of runs of the same data set and encoder, with a GPU if these have one."""
        like = "-".join(config.removeprefix("local-").split("-")[:2])
        if (family, like) not in self._rates:
            folder = self.states.workspace.path(f"receipts/{family}")
            deep = "*" if family == "checkpoints" else "*/*"
            paths = sorted(folder.glob(f"*{like}-*/seed*/{deep}.execution.json"))[:MOST]
            found = []
            for path in paths:
                record = files.read_object(path)
                if "seconds" not in record or bool(record.get("gpu")) != self.scale.gpu:
                    continue
                made = receipt.read(path.with_name(path.name.replace(".execution.json", ".json")))
                value = rate(record, made["params"] if made is not None else {})
                if value is not None:
                    found.append(value)
            self._rates[family, like] = statistics.median(found) if found else None
        return self._rates[family, like]
