"""A whole project at scale tiny without its science: the real executor, payload in seconds."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import components
from pipeline.artifacts import claims, formats, table
from pipeline.artifacts.report import identity, report
from pipeline.artifacts.rows import read, values_read
from pipeline.engine import executor
from pipeline.engine.grouping import jobs_of
from pipeline.engine.state import States
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.plan import Plan
from pipeline.work import Work


def build(root: Path, known: Catalogue, stems: Container[str] | None = None) -> Plan:
    """Bring everything that is declared into place below ``root``, or the artifacts named, through the executor.

    Real: plan, key files, fingerprints, receipts, store, journal; every table and drawing, every figure's JSON and rows.
    Synthetic: what ``execute`` of a stage would compute. Data sets and networks are a few bytes, scores and records of
    simulations are numbers that follow from their place, pictures are a line of text.
    """
    plan = Plan(known, [one for one in known.built() if stems is None or one.stem in stems])
    states = States(plan, Workspace(root))
    sync_key_files(states, jobs_of(states).values())
    families = {state.key_file.module: state.node.family.name for state in states}
    stages = {module.removesuffix(".py").replace("/", "."): _Stage(f, plan) for module, f in families.items()}
    works = executor.Executor(Workspace(root))
    with pytest.MonkeyPatch.context() as patch:
        # The science is neither imported nor executed, so whether its code has changed meanwhile need not be asked.
        patch.setattr(executor, "importlib", SimpleNamespace(import_module=stages.__getitem__))
        patch.setattr(executor.Executor, "_check_code", lambda self, *_: None)
        patch.setattr(executor, "components", SimpleNamespace(PACKAGE=components.PACKAGE, load=lambda path: None))
        patch.setattr(executor.machine, "record", lambda seconds: RECORD)
        jobs: dict[str, list[Node]] = {}
        for node in plan.nodes():
            jobs.setdefault(f"{node.family} {node.config}", []).append(node)
        for nodes in jobs.values():
            works.run(nodes)
    return plan


RECORD = {
    "commit": "0" * 40, "cores": 1, "finished": "2026-01-01T00:00:00Z", "gpu": None, "processor": "none", "seconds": 0.0,
    "versions": {"numpy": "0"},
}  # fmt: skip


class _Stage:
    """Stands for the module of a stage."""

    def __init__(self, family: str, plan: Plan) -> None:
        self._make = getattr(self, f"_{family}")
        self._values: dict[str, set[str]] = {}
        self._records: dict[str, list[dict[str, Any]]] = {}
        for artifact in plan.artifacts.values():
            for number, name, value in values_read(artifact.params):
                axes = artifact.params["cells"][number]["axes"]
                self._values.setdefault(name, set()).add(value)
                self._records.setdefault(name, []).append({**axes, "value": number / 8})

    def execute(self, works: list[Work]) -> Iterator[Work]:
        """See the modules of the stages."""
        for work in works:
            self._make(work)
            yield work

    def _prepare(self, work: Work) -> None:
        _tensors(work, "arrays.safetensors")
        formats.write_json(work.out / "meta.json", {"name": work.spec["name"]})

    def _pretrain(self, work: Work) -> None:
        _tensors(work, "model.safetensors")
        _tensors(work, "losses.safetensors")
        if work.step is None:
            _tensors(work, "state.safetensors")
            (work.out / "history.csv").write_text("epoch,loss\n1,0.5\n")
        formats.write_json(work.out / "summary.json", {"outcome": "trained"})

    def _measure(self, work: Work) -> None:
        number = int(work.key[:6], 16) / 2**18
        scores = dict.fromkeys(sorted(self._values.get(work.name, ())), number)
        formats.write_json(work.out / "scores.json", {**scores, "outcome": "trained"})

    def _simulate(self, work: Work) -> None:
        _tensors(work, "curves.safetensors")
        distinct = {json.dumps({**record, "value": 0}): record for record in self._records[work.name]}
        (work.out / "records.json").write_text(json.dumps(list(distinct.values())))

    def _artifact(self, work: Work) -> None:
        if work.spec["kind"] == "table":
            list(table.execute([work]))
            return
        if not (work.spec["cells"] or work.inputs):  # a drawing, and nothing below it
            from pipeline.artifacts import figure

            list(figure.execute([work]))
            return
        params, stem = work.spec, work.out / work.spec["artifact"]
        rows, unmatched = read(work)
        verdicts = claims.judge(params["claims"], rows, params["scale"]["key"], work.name)
        content = {**report(params, rows, verdicts, unmatched), "figure": params["figure"], **identity(work)}
        formats.write_json(stem.with_suffix(".json"), content)
        formats.write_csv(stem.with_suffix(".csv"), table.columns(params), [table.line(params, row) for row in rows])
        for suffix in (".md", ".pdf", ".png"):
            stem.with_suffix(suffix).write_text(f"{work.name}{suffix} {work.key}\n")


def _tensors(work: Work, name: str) -> None:
    """Write a file of tensors without a tensor, other for every node."""
    head = json.dumps({"__metadata__": {"node": work.name, "key": work.key}}).encode()
    (work.out / name).write_bytes(len(head).to_bytes(8, "little") + head)
