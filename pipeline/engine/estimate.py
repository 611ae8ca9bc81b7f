"""How long what is to be executed will take: from records of like runs, else from the scale's guess."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline import files
from pipeline.engine.state import EXECUTE, State, States
from pipeline.ledger import receipt
from pipeline.ledger.families import MEASURE, PREPARE, PRETRAIN, Family
from pipeline.ledger.workspace import Node
from pipeline.planning import costs
from pipeline.planning.costs import Cost
from pipeline.planning.spec import Scale

MOST = 200
"""Records of like runs that are looked at."""

MEASURED, GUESSED = "measured", "guessed"
"""What the seconds of a stage rest on: receipts of like runs, or what the scale says."""

SPLITS = ("train", "test", "unlabeled")

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
        self._rates: dict[tuple[Family, str], float | None] = {}
        self._records: dict[tuple[Family, str], list[tuple[dict[str, Any], dict[str, Any]]]] = {}

    def seconds(self) -> tuple[float, str]:
        """Seconds on one worker, and the basis of the guess."""
        found = list(self._costs(self.states))
        count = Counter(basis for state, _, basis in found if state.node.family in (PRETRAIN, MEASURE))
        basis = []
        if count[MEASURED]:
            basis.append(f"{count[MEASURED]} stages from receipts of like runs")
        if count[GUESSED]:
            basis.append(f"{count[GUESSED]} from the scale's guess ({self.scale.estimate.basis})")
        return sum(self._parts(found).values()), "; ".join(basis) or (
            "starting and ending of processes alone" if found else "nothing to execute"
        )

    def parts(self) -> dict[str, float]:
        """Seconds of each node that is to be executed, by its name, and of each job's start and end, by the job's.

        A milestone's are those from the one before it in the plan.
        """
        return self._parts(self._costs(self.states))

    @staticmethod
    def job(node: Node) -> str:
        """Name of a node's job among the parts."""
        return f"job {node.family} {node.config}"

    def _parts(self, found: Iterable[tuple[State, float, str]]) -> dict[str, float]:
        parts: dict[str, float] = {}
        jobs = []
        for state, seconds, _ in found:
            jobs.append(self.job(state.node))
            if seconds:
                parts[state.node.name] = seconds
        return parts | dict.fromkeys(jobs, self.scale.estimate.start)

    def of_job(self, names: Iterable[str]) -> tuple[float, bool]:
        """Seconds that one job is at work, and whether receipts say so of all of it.

        Args:
            names: Its nodes: all seeds and milestones of a run, all measurements of one rule, ...
        """
        found = list(self._costs(self.states.by_name[name] for name in names))
        return sum(seconds for _, seconds, _ in found), all(basis == MEASURED for _, _, basis in found)

    def memory(self, config: str, family: Family) -> tuple[float, bool]:
        """Megabytes that a job of a run, data set or simulation holds in all processes, and whether receipts say so.

        Args:
            config: The run, data set or simulation.
            family: Of the job's nodes.
        """
        run = self.states.plan.runs.get(config)
        processes = run.run["processes"] if run is not None and family is PRETRAIN else 1
        known = [record["memory_mb"] for record, _ in self._like(family, config) if record.get("memory_mb")]
        if known:
            return float(max(known)) * processes, True
        data = run.data if run is not None else config if family is PREPARE else None
        images = 0.0
        if data is not None and not self.states.plan.data[data].sharded:  # of which a minibatch is read at a time
            declared = self.states.plan.data[data]
            splits = {**declared.params["source"], **(declared.omitted_defaults.get("splits") or {})}
            names = [name for name in SPLITS if name in splits]
            count = sum(costs.images(declared.params, declared.omitted_defaults, name) for name in names)
            images = count * 3 * costs.image_side(declared) ** 2 / 2**20
        return (self.scale.estimate.memory + images) * processes, False

    def _costs(self, states: Iterable[State]) -> Iterator[tuple[State, float, str]]:
        """What is to be executed, its seconds, and what that guess rests on.

        Of a run its milestones come in their order: each goes on from the one before.
        """
        done: dict[tuple[str, int | None], Cost] = {}
        for state in states:
            node, seconds, rate = state.node, 0.0, None
            if node.family is PRETRAIN:
                place = (node.config, node.seed)
                spent = costs.spent(self.states.plan, node.config, node.at)
                cost = spent.since(done.get(place, Cost()))
                if state.status == EXECUTE or not node.at.step:  # from between two epochs no training goes on
                    done[place] = max(done.get(place, Cost()), spent)
            if state.status != EXECUTE:
                continue
            if node.family is PRETRAIN:
                rate = self._training(node.config)
                guess = cost.seconds(self.scale.estimate)
                seconds = cost.operations * rate if rate is not None else guess
                seconds /= costs.speedup(self.states.plan.runs[node.config].run["processes"])
            elif node.family is MEASURE:
                rate = self._measuring(node.config)
                seconds = rate if rate is not None else self.scale.estimate.measurement
            else:
                rate = self._median(node.family, node.config, lambda record, _: record["seconds"])
                seconds = rate or 0.0
            yield state, seconds, GUESSED if rate is None else MEASURED

    def _training(self, config: str) -> float | None:
        """Return the median seconds per multiply-add of like trainings by one process; None where there is none."""
        run = self.states.plan.runs[config].run

        def rate(record: dict[str, Any], params: dict[str, Any]) -> float | None:
            views = {**_VIEWS, **params.get("views", {})}
            image = costs.step_image({"encoder": run["encoder"], "views": views}, costs.side(self.states.plan, config))
            cost = costs.epoch_images(self.states.plan, config) * image
            seconds = record["seconds"] * costs.speedup(params.get("processes", 1))
            return seconds / (record["epochs"] * cost) if record.get("epochs") and cost else None

        return self._median(PRETRAIN, config, rate)

    def _measuring(self, config: str) -> float | None:
        """Return the median seconds of a measurement of like runs; None where there is none."""
        return self._median(MEASURE, config, lambda record, _: record["seconds"])

    def _median(self, family: Family, config: str, rate: Any) -> float | None:
        """Return the median of a number of runs of the same data set and encoder, with a GPU if these have one."""
        place = (family, like_of(family, config))
        if place not in self._rates:
            found = [value for one in self._like(family, config) if (value := rate(*one)) is not None]
            self._rates[place] = statistics.median(found) if found else None
        return self._rates[place]

    def _like(self, family: Family, config: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Records, and params, of nodes of the same data set and encoder, with a GPU if these have one."""
        like = like_of(family, config)
        if (family, like) not in self._records:
            folder = self.states.workspace.path(f"receipts/{family.folder}")
            deep = {PRETRAIN: f"*{like}-*/seed*/*", MEASURE: f"*{like}-*/seed*/*/*"}.get(family, f"*{like}*")
            found = []
            for path in sorted(folder.glob(f"{deep}.execution.json"))[:MOST]:
                record = files.read_object(path)
                if "seconds" not in record or (
                    family in (PRETRAIN, MEASURE) and bool(record.get("gpu")) != self.scale.gpu
                ):
                    continue
                made = receipt.read(path.with_name(path.name.replace(".execution.json", ".json")))
                found.append((record, made["params"] if made is not None else {}))
            self._records[family, like] = found
        return self._records[family, like]


def like_of(family: Family, config: str) -> str:
    """What names of like runs have in common: data set and encoder; those of others all but the hash."""
    if family in (PRETRAIN, MEASURE):
        return "-".join(config.removeprefix("local-").split("-")[:2])
    return config.removeprefix("local-").rpartition("-")[0] or config
