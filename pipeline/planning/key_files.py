"""Key files of a plan: of every node what is known of its key before anything has run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import components, user_files
from pipeline.ledger import accepted
from pipeline.ledger.families import ARTIFACT, MEASURE, PREPARE, SIMULATE, trainer
from pipeline.ledger.fingerprint import Fingerprints, label
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node, checkpoint, measurement
from pipeline.planning.composition import prune
from pipeline.planning.params import PARTS, Params
from pipeline.planning.plan import Plan

ARRAYS = ["arrays.safetensors", "meta.json"]
"""What stages read of a data set, but of one whose images lie in many files: of that all."""

SHARDED = components.PACKAGE / "data/sharded.py"
"""What reads such images: in the code of whoever reads such a set, and of nobody else."""

WEIGHTS = ["model.safetensors", "summary.json"]
"""What measurements read of a checkpoint."""


def key_files(plan: Plan, fingerprints: Fingerprints) -> dict[str, KeyFile]:
    """All key files: path -> content."""
    found: dict[str, KeyFile] = {}
    options = plan.catalogue.options
    entries = plan.catalogue.accepted
    where = ("raw_dir", "device", "extend", "memory", "images", "readers")
    context = {name: value for name in where if (value := getattr(options, name))}

    # Thousands of stages are made of some dozens of sets of components: each set is looked at once.
    seen: dict[tuple[str, ...], tuple[dict[str, str], dict[str, str]]] = {}

    def looked_at(module: str, parts: dict[str, Path]) -> tuple[dict[str, str], dict[str, str]]:
        which = (module, *(f"{category}={path}" for category, path in parts.items()))
        if which not in seen:
            roots = [components.PACKAGE.parent / module, *parts.values()]
            seen[which] = fingerprints.code(roots), {category: _portable(path) for category, path in parts.items()}
        return seen[which]

    def made(
        stage: str,
        module: str,
        parts: dict[str, Path],
        interleave: int = 1,
        logger: str | None = None,
        **more: Any,
    ) -> KeyFile:
        code, named = looked_at(module, parts)
        equal = accepted.earlier(stage, code, entries)
        here = context | ({"interleave": interleave} if interleave > 1 else {}) | ({"logger": logger} if logger else {})
        return KeyFile(stage=stage, module=module, code=code, components=named, context=here, accepted=equal, **more)

    def read_of(data: Mapping[str, str]) -> tuple[dict[str, list[str]], dict[str, Path]]:
        """Which files of data sets are read, and what reads them; by role, of the data sets' identities."""
        sharded = {role for role, identity in data.items() if plan.data[identity].sharded}
        return {role: ARRAYS for role in data if role not in sharded}, {"images": SHARDED} if sharded else {}

    for identity, data in plan.data.items():
        found[Node(f"data/{identity}").key] = made(
            "prepare",
            PREPARE.module,
            {"source": data.source},
            params=data.params,
            paths=data.places,
            omitted_defaults=data.omitted_defaults,
            tracked=data.tracked,
        )
    for config, run in plan.runs.items():
        kept, omitted_defaults = prune(run.run, plan.extend)
        reads, reader = read_of({"data": run.data})
        parts = _parts(run.run, PARTS, plan.extend) | reader
        found[checkpoint(config, 0, 0).key] = made(
            "pretrain",
            trainer(run.run["processes"]),
            parts,
            options.at_once(run.gpu) if run.run["processes"] == 1 else 1,
            options.logger,
            params=kept,
            paths=user_files.places(run.run),
            omitted_defaults=omitted_defaults,
            inputs={"data": f"data/{run.data}"},
            tracked=run.tracked,
            reads=reads,
        )
        for measure in run.measures:
            params = plan.measures[measure]
            kind = params["kind"]
            read = components.reads("measure", kind, plan.extend)
            chosen = {"measure": params, "threads": run.run["threads"], **{name: run.run[name] for name in read}}
            kept, omitted_defaults = prune(chosen, plan.extend)
            paths = user_files.places(chosen)
            named = {"measure": components.find("measure", kind, plan.extend)}
            named |= _parts(run.run, read, plan.extend)
            sets = {"data": f"data/{run.data}"} | params.get("data", {})
            inputs = {"checkpoint": f"checkpoints/{config}/{{milestone}}"} | sets
            reads, reader = read_of({role: node.removeprefix("data/") for role, node in sets.items()})
            reads |= {"checkpoint": [*WEIGHTS, *components.records_read(kind, plan.extend)]}
            named |= reader
            if "reference" in params:
                reference = checkpoint(config, 0, 0).resolve_input(f"checkpoints/{params['reference']}")
                other = plan.runs[reference.config].run
                of_other, quiet = prune({name: other[name] for name in read}, plan.extend)
                paths |= user_files.places({"reference": {name: other[name] for name in read}})
                kept["reference"], omitted_defaults["reference"] = of_other, quiet
                named |= {f"reference.{part}": path for part, path in _parts(other, read, plan.extend).items()}
                inputs["reference"] = f"checkpoints/{params['reference']}"
                reads["reference"] = WEIGHTS
            found[measurement(config, 0, 0, measure).key] = made(
                kind,
                MEASURE.module,
                named,
                params=kept,
                paths=paths,
                omitted_defaults=omitted_defaults,
                inputs=inputs,
                reads=reads,
                tracked=run.tracked,
            )
    for identity, simulation in plan.simulations.items():
        kept, omitted_defaults = prune({"simulation": simulation.params}, plan.extend)
        found[Node(f"simulations/{identity}").key] = made(
            "simulate",
            SIMULATE.module,
            {"simulation": components.find("simulation", simulation.params["kind"], plan.extend)},
            params=kept,
            paths=user_files.places({"simulation": simulation.params}),
            omitted_defaults=omitted_defaults,
            tracked=simulation.tracked,
        )
    for stem, artifact in plan.artifacts.items():
        kind = artifact.declaration.kind
        parts = {}
        if "figure" in artifact.params:
            parts["figure"] = components.find("figure", artifact.params["figure"]["kind"], plan.extend)
        found[Node(stem).key] = made(
            kind,
            ARTIFACT.modules[kind],
            parts,
            params=artifact.params,
            inputs={node: node for node in artifact.nodes},
            reads={node: ARRAYS for node in artifact.nodes if Node(node).family is PREPARE},
            tracked=plan.catalogue.scale(artifact.request.scale).tracked,
        )
    return found


def _parts(run: Params, names: Iterable[str], extend: Path | None) -> dict[str, Path]:
    """Source files of those of a run's components that ``names`` names, and of what completes them."""
    found: dict[str, Path] = {}
    for part in names:
        if part in PARTS:
            found[part] = components.find(part, run[part]["kind"], extend)
            if (finisher := components.finishes(part, run[part], extend)) is not None:
                found[f"{part}.finisher"] = finisher
    return found


def _portable(path: Path) -> str:
    name = label(path)
    return name if name.startswith(f"{components.PACKAGE.name}/") else str(path.resolve())
