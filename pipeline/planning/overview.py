"""What every artifact needs at a scale, from nothing: runs, those that others need too, and time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pipeline.ledger.families import MEASURE, PRETRAIN
from pipeline.planning import costs
from pipeline.planning.catalogue import Catalogue, Request
from pipeline.planning.costs import Cost
from pipeline.planning.plan import Plan
from pipeline.planning.spec import Estimate

Run = tuple[str, int]
"""A run's config and seed."""


@dataclass(frozen=True)
class Demand:
    """What one artifact needs by itself.

    Attributes:
        name: ``PAPER/ARTIFACT``.
        printed: Whether it is one of the papers' tables and figures, or one of ours.
        runs: Trainings, seeds counted.
        shared: Those of them that other artifacts need too.
        seconds: On one worker, from nothing.
    """

    name: str
    printed: bool
    runs: int
    shared: int
    seconds: float


@dataclass(frozen=True)
class Overview:
    """What all artifacts of a scale need.

    Attributes:
        rows: One per artifact.
        runs: Trainings of all; shared ones count once.
        seconds: On one worker, from nothing.
        gpu: Whether the worker is a GPU.
        basis: What the time rests on.
    """

    rows: list[Demand]
    runs: int
    seconds: float
    gpu: bool
    basis: str

    @property
    def shared(self) -> int:
        """How many trainings are saved because artifacts share them."""
        return sum(row.runs for row in self.rows) - self.runs


def overview(catalogue: Catalogue, scale: str) -> Overview:
    """Plan every artifact of a scale, and say what each needs.

    Raises:
        UserError: A declaration is wrong.
    """
    declared = catalogue.scale(scale)
    estimate = declared.estimate
    needs = {request.stem.split("/", 2)[2]: _needs(Plan(catalogue, [request])) for request in catalogue.wanted(scale)}
    wanted = Counter(run for work, _, _ in needs.values() for run in work)
    whole: dict[Run, Cost] = {}
    for work, _, _ in needs.values():
        for run, cost in work.items():
            whole[run] = max(whole.get(run, Cost()), cost)
    jobs = set().union(*(jobs for _, jobs, _ in needs.values()))
    measurements = set().union(*(measurements for _, _, measurements in needs.values()))
    registered = {f"{paper}/{name}" for (paper, name), row in catalogue.registry.items() if row.get("needs")}
    rows = [
        Demand(
            name, name in registered, len(need[0]), sum(wanted[run] > 1 for run in need[0]), _seconds(estimate, *need)
        )
        for name, need in needs.items()
    ]
    return Overview(rows, len(whole), _seconds(estimate, whole, jobs, measurements), declared.gpu, estimate.basis)


@dataclass(frozen=True)
class Total:
    """What all artifacts of a scale need together.

    Attributes:
        runs: Trainings, seeds counted.
        seconds: On one worker, from nothing.
        gpu: Whether the worker is a GPU.
        files: Raw files that data sets are made of: name -> bytes; None where nobody says how many.
    """

    runs: int
    seconds: float
    gpu: bool
    files: dict[str, int | None]


def total(catalogue: Catalogue, scale: str) -> Total:
    """Plan all artifacts of a scale at once.

    Raises:
        UserError: A declaration is wrong.
    """
    plan = Plan(catalogue, catalogue.wanted(scale))
    declared = catalogue.scale(scale)
    work, jobs, measurements = _needs(plan)
    raw = {file["name"]: file.get("bytes") for data in plan.data.values() for file in data.params["files"]}
    return Total(len(work), _seconds(declared.estimate, work, jobs, measurements), declared.gpu, raw)


def alone(catalogue: Catalogue, request: Request) -> float:
    """Seconds that one artifact takes on one worker, from nothing."""
    return _seconds(catalogue.scale(request.scale).estimate, *_needs(Plan(catalogue, [request])))


def _seconds(estimate: Estimate, work: dict[Run, Cost], jobs: set[str], measurements: set[str]) -> float:
    return (
        sum(cost.seconds(estimate) for cost in work.values())
        + estimate.measurement * len(measurements)
        + estimate.start * len(jobs)
    )


def _needs(plan: Plan) -> tuple[dict[Run, Cost], set[str], set[str]]:
    """Costs of all trainings, names of jobs, and names of measurements."""
    work: dict[Run, Cost] = {}
    jobs: set[str] = set()
    measurements: set[str] = set()
    for node in plan.nodes():
        jobs.add(f"{node.family} {node.config}")
        if node.family is MEASURE:
            measurements.add(node.name)
        elif node.family is PRETRAIN:
            place = (node.config, node.seed or 0)
            work[place] = max(work.get(place, Cost()), costs.spent(plan, node.config, node.at))
    return work, jobs, measurements
