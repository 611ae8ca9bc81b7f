"""Every planned run: what it is made of, how far it is, and what was measured of it. Reads files; changes none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.artifacts.rows import values_read
from pipeline.durations import clock
from pipeline.engine.state import EXECUTE, IN_PLACE, RESTORABLE, State, States
from pipeline.evaluation.collapse import embeddings_collapsed
from pipeline.ledger import receipt
from pipeline.ledger.workspace import Milestone, Node, checkpoint, measurement
from pipeline.planning.plan import Plan
from pipeline.provenance import why
from pipeline.provenance.differences import flat
from pipeline.provenance.live import Live, Status, goes_on

STATES = (
    "declared", "waiting", "running", "interrupted", "failed", "stale", "restorable", "done", "diverged",
    "collapsed",
)  # fmt: skip
"""In which a run may be.

declared: nothing is there. waiting: a snakemake that is at work will train it. stale: it was trained with other code
or data. restorable: the store has it. collapsed: it is done, and its embeddings, or features that were measured, are
next to one point or line. The rest is what it says.
"""


@dataclass
class KnownRun:
    """One training with one seed.

    Attributes:
        config: Folder of the run without its seed.
        seed: Its seed.
        state: One of :data:`STATES`.
        detail: What there is to say about that, in a line.
        wanted: Epochs of the milestones that are planned; 0 for those between two epochs.
        present: Epochs of the milestones that are in place, likewise.
        params: Its params by dotted names, those of its data set included.
        scores: ``MEASURE.NAME`` -> value, of the latest milestone at which it was measured.
        measured: Measure -> the milestone of these scores.
        told: The scores that an artifact shows.
        live: Where the training is, if it goes on.
        artifacts: The artifacts that need it.
        served: Those of them whose milestones of it are all in place.
        name: What a person calls it: paper and method, data set, and in what it differs from the method.
    """

    config: str
    seed: int
    state: str
    detail: str
    wanted: list[int]
    present: list[int]
    params: dict[str, Any]
    scores: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, int | str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    live: dict[str, Any] | None = None
    artifacts: list[str] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    name: str = ""

    @property
    def short(self) -> str:
        """The part of its name that is enough to find its folders."""
        return self.config.rpartition("-")[2]

    @property
    def folder(self) -> str:
        """Where its milestones lie, which is also what its status is called by."""
        return f"checkpoints/{self.config}/seed{self.seed}"

    def data(self) -> dict[str, Any]:
        """The run for machines."""
        kept = ("name", "config", "seed", "state", "detail", "wanted", "present", "live", "params", "measured")
        found = {name: getattr(self, name) for name in kept}
        return {**found, "artifacts": self.artifacts, "scores": self.scores}


def collect(plan: Plan, states: States) -> list[KnownRun]:
    """All runs of a plan with all their seeds."""
    live = Live(states.workspace)
    labels = labels_of(plan)
    shown = _shown(plan)
    users = _users(plan)
    called = plan.called()
    found = []
    for config, planned in plan.runs.items():
        params = {**_data(plan, planned.data), **flat(planned.run)}
        worker = live.worker(config)
        busy = any(status.pid == worker for name, status in live.statuses.items() if _of(name, config))
        for seed in sorted({seed for seed, _ in planned.milestones}):
            nodes = [
                states.by_name[checkpoint(config, s, at).name] for s, at in sorted(planned.milestones) if s == seed
            ]
            run = KnownRun(config, seed, "", "", [node.node.at.epoch for node in nodes], [], dict(params))
            run.present = [node.node.at.epoch for node in nodes if node.status == IN_PLACE]
            starts = worker is not None and not busy and len(run.present) < len(nodes)
            run.state, run.detail = _state(run, nodes, live, worker, starts, states)
            busy = busy or starts  # the seeds of a run are trained one after the other
            run.name = called.get(config, config)
            needed = users.get((config, seed), {})
            there = {node.node.at for node in nodes if node.status == IN_PLACE}
            run.artifacts = sorted(needed)
            run.served = sorted(stem for stem, milestones in needed.items() if milestones <= there)
            for measure, places in sorted(planned.measures.items()):
                _measure(run, measure, [at for s, at in places if s == seed], labels, shown, states, live)
            found.append(run)
    return found


def _of(name: str, config: str) -> bool:
    return name.startswith(f"checkpoints/{config}/")


def _data(plan: Plan, identity: str) -> dict[str, Any]:
    params = plan.data[identity].params
    return {"dataset": params["name"], **flat(params.get("source", {}), "source")}


def labels_of(plan: Plan) -> dict[str, str]:
    """Measure -> the name of its columns: its kind, where no other measure is of that kind."""
    kinds = {identity: params["kind"] for identity, params in plan.measures.items()}
    alone = list(kinds.values())
    return {identity: kind if alone.count(kind) == 1 else identity for identity, kind in kinds.items()}


def _shown(plan: Plan) -> dict[str, set[str]]:
    """Measure -> names of the values that artifacts show."""
    found: dict[str, set[str]] = {}
    for artifact in plan.artifacts.values():
        for _, node, value in values_read(artifact.params):
            found.setdefault(node.rsplit("/", 1)[1], set()).add(value)
    return found


def _users(plan: Plan) -> dict[tuple[str, int | None], dict[str, set[Milestone]]]:
    """Run and seed -> the artifacts that need it, each with the milestones that it reads."""
    found: dict[tuple[str, int | None], dict[str, set[Milestone]]] = {}
    for stem, artifact in plan.artifacts.items():
        for node in map(Node, artifact.nodes):
            found.setdefault((node.config, node.seed), {}).setdefault(stem, set()).add(node.at)
    return found


# -- states


def _state(
    run: KnownRun, nodes: list[State], live: Live, worker: int | None, starts: bool, states: States
) -> tuple[str, str]:
    if len(run.present) == len(nodes):
        return _finished(run, nodes, states)
    status = live.statuses.get(nodes[0].node.name.rsplit("/", 1)[0])
    if worker is not None and status is not None and status.pid == worker:
        run.live = {**status.found, "alive": True}
        return "running", progress(status.found)
    if starts:
        run.live = {"pid": worker, "alive": True}
        return "running", f"process {worker} is starting"
    if all(node.status in (IN_PLACE, RESTORABLE) for node in nodes):
        return "restorable", "the store has it"
    since = status.found.get("time", 0) if status is not None else 0
    failures = [line for node in nodes if node.status != IN_PLACE and (line := live.failure(node.node, since))]
    if worker is None and failures:
        return "failed", failures[0]
    asked = any(node.node.receipt in live.asked for node in nodes)
    if status is not None and (worker is None or not asked):
        run.live = {**status.found, "alive": False}
        return "interrupted", _interrupted(status, nodes)
    if asked or worker is not None:
        return "waiting", f"{len(run.present)} of {len(nodes)} milestones are in place" if run.present else ""
    if any(node.found is not None and node.status == EXECUTE for node in nodes):
        return "stale", "; ".join(dict.fromkeys(r for n in nodes if n.found is not None for r in why.lines(states, n)))
    return "declared", ""


def _finished(run: KnownRun, nodes: list[State], states: States) -> tuple[str, str]:
    summary = _payload(nodes[-1].node, "summary.json", states) or {}
    if summary.get("outcome") == "diverged":
        return "diverged", f"in epoch {summary.get('diverged_in_epoch')}"
    if _collapsed(nodes[-1].node, states):
        return "collapsed", f"its embeddings at epoch {run.present[-1]} are next to one point"
    if len(run.wanted) == 1:
        return "done", ""
    whole = [node.node.epoch for node in nodes if node.node.epoch is not None]
    words = [f"milestones {', '.join(map(str, whole))}"] if whole else []
    words += [f"{len(nodes) - len(whole)} between epochs"] if len(whole) < len(nodes) else []
    return "done", "; ".join(words)


def progress(status: Mapping[str, Any]) -> str:
    """Say how far a training is, by its status file."""
    parts = [f"epoch {status.get('epoch')} of {status.get('epochs')}"]
    if status.get("images_per_second"):
        parts.append(f"{status['images_per_second']:.0f} images/s")
        parts.append(f"ETA {clock(status['eta_seconds'])}")
    if status.get("loss") is not None:
        parts.append(f"loss {status['loss']:.4f}")
    return ", ".join([*parts, f"process {status.get('pid')}"])


def _interrupted(status: Status, nodes: list[State]) -> str:
    place = f"at epoch {status.found.get('epoch')} of {status.found.get('epochs')}"
    pending = next(node for node in nodes if node.status != IN_PLACE)
    if goes_on(status, pending):
        return f"{place}; the same snakemake command goes on from there"
    if not status.resumable:
        return f"{place}, before anything was saved; the same snakemake command starts again"
    return f"{place}, with other code, params or data than now; it will start anew"


# -- measurements


def _measure(
    run: KnownRun,
    measure: str,
    places: list[Milestone],
    labels: Mapping[str, str],
    shown: Mapping[str, set[str]],
    states: States,
    live: Live,
) -> None:
    """Put the latest scores of one measure into a run; a measurement that failed is told with it."""
    label = labels[measure]
    for at in sorted(places, reverse=True):
        node = measurement(run.config, run.seed, at, measure)
        failure = None if states.by_name[node.name].status == IN_PLACE else live.failure(node, 0)
        if failure and run.state in ("done", "collapsed", "running"):
            run.detail = "; ".join(part for part in (run.detail, f"{label} at {at.words} failed: {failure}") if part)
        scores = _payload(node, "scores.json", states)
        if scores is None:
            continue
        values = dict(_scalars(scores))
        run.scores |= {f"{label}.{name}": value for name, value in values.items()}
        run.measured[label] = at.words if at.step else at.epoch
        if scores.get("collapsed") and run.state == "done":
            run.state, run.detail = (
                "collapsed",
                f"the features at {at.words} ({label}) are next to one point or line",
            )
        # What an artifact shows is told; all numbers where that is more than a number.
        chosen = [name for name in sorted(shown.get(measure, ())) if name in values] or list(values)
        run.told += [f"{label}.{name}" for name in chosen]
        return


def _scalars(scores: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in scores.items():
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            yield name, value


def _payload(node: Node, name: str, states: States) -> dict[str, Any] | None:
    """A JSON file of a node's payload, in place or in the store."""
    found = next((found for path in _places(node, name, states) if (found := files.read_json(path)) is not None), None)
    return found if isinstance(found, dict) else None


def _places(node: Node, name: str, states: States) -> Iterator[Path]:
    """Where a file of a node's payload may be."""
    yield states.workspace.payload(node) / name
    made = receipt.read(states.workspace.path(node.receipt))
    entry = (made or {"outputs": {}})["outputs"].get(name)
    if entry:
        yield states.store.object(entry["md5"])


def _collapsed(node: Node, states: States) -> bool:
    """Whether the record of a training says so; one that is nowhere, or damaged, says nothing."""
    found = (files.read_object(path) for path in _places(node, "summary.json", states))
    return any(embeddings_collapsed(summary) for summary in found)
