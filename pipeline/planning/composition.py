"""A run as a composition of components: complete, checked, and split into what its key holds and what it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline import components
from pipeline.errors import UserError, nearest
from pipeline.planning.params import PARTS, Leaves
from pipeline.planning.spec import Strict, parse


def _leaf(type_: Any, default: Any, **more: Any) -> Any:
    """A leaf of a run. One that is added later says with ``absent=`` what its absence has meant."""
    extra = {"absent": more.pop("absent")} if "absent" in more else {}
    return Field(default, json_schema_extra=extra, **more)


class Run(Strict):
    """The leaves of a run: a composition of components, and how it is trained.

    Its seed and its milestones are not leaves: they are in the name of a node.
    """

    views: Leaves
    encoder: Leaves
    projector: Leaves
    predictor: Leaves
    target: Leaves
    objective: Leaves
    optimizer: Leaves
    schedule: Leaves = _leaf(dict, {"kind": "constant"})
    initialization: Leaves = _leaf(dict, {"kind": "standard"}, absent={"kind": "standard"})
    normalize: Leaves | None = _leaf(dict, None)
    split: Literal["train", "train+unlabeled"] = _leaf(str, "train")
    batch_size: int = _leaf(int, 128, gt=0)
    precision: Literal["fp32", "tf32", "bf16"] = _leaf(str, "fp32")
    threads: int = _leaf(int, 1, gt=0)
    deterministic: bool = _leaf(bool, False, absent=False)


def only_known(leaves: Mapping[str, Any], run: Mapping[str, Any], where: str, extend: Path | None) -> Leaves:
    """The leaves of a scale's layer that the components of this run have; unknown to all kinds is an error."""
    kept: Leaves = {}
    for name, value in leaves.items():
        if name not in Run.model_fields:
            hint = nearest(name, Run.model_fields, "the keys here are")
            raise UserError(f"{where}.{name}: unknown key; {hint}")
        if name not in PARTS or not isinstance(value, Mapping) or "kind" in value:
            kept[name] = value
            continue
        kind = (run.get(name) or {}).get("kind")
        known = components.leaves(name, kind, extend) if kind else {}
        for leaf in value:
            if leaf not in known and not any(
                leaf in components.leaves(name, k, extend) for k in components.kinds(name, extend)
            ):
                raise UserError(f"{where}: {name}.{leaf}: no {name} has such a key")
        kept[name] = {leaf: set_to for leaf, set_to in value.items() if leaf in known}
    return kept


def _contradictions(run: Leaves, where: str) -> None:
    predictor, target = run["predictor"], run["target"]
    if target["kind"] == "ema" and target.get("stop_gradient") is False:
        raise UserError(f"{where}: target.stop_gradient: an EMA target gets no gradient; use target: {{kind: same}}")
    if predictor["kind"] == "none":
        for leaf in ("lr_multiplier", "weight_decay"):
            if leaf in predictor:
                raise UserError(f"{where}: predictor.{leaf}: there is no predictor; remove {leaf}")
    if run["projector"]["kind"] == "none" and run["encoder"]["kind"] == "pixels" and run["objective"] is None:
        raise UserError(f"{where}: nothing to train")


_HINTS = {
    ("predictor", "directpred", "hidden"): "directpred sets one linear map from F and has no hidden layer; "
    "remove hidden, or use predictor: {kind: mlp}",
    ("predictor", "directpred", "layers"): "directpred sets one linear map from F and is no two-layer predictor; "
    "remove layers, or use predictor: {kind: mlp}",
    ("predictor", "directpred", "symmetric"): "directpred is symmetric by construction; remove symmetric",
    ("predictor", "directpred", "bias"): "directpred has no bias; remove bias, or use predictor: {kind: linear}",
    ("predictor", "optimal", "symmetric"): "the optimal predictor is solved for, not trained; remove symmetric",
    ("target", "same", "momentum"): "the target is the online network; remove momentum, or use target: {kind: ema}",
}


def compose(leaves: Leaves, where: str, extend: Path | None = None) -> Leaves:
    """The complete spec of a run from the leaves that its layers set.

    Raises:
        UserError: Unknown or contradictory keys, wrong types; the message says what to change.
    """
    for part in PARTS:
        given = leaves.get(part)
        if isinstance(given, Mapping):
            for leaf in given:
                hint = _HINTS.get((part, str(given.get("kind")), str(leaf)))
                if hint:
                    raise UserError(f"{where}: {part}.{leaf}: {hint}")
    run = parse(Run, leaves, where).model_dump()
    for part in PARTS:
        run[part] = components.resolve(part, run[part], where, extend)
    _contradictions(run, where)
    return run


def prune(run: Leaves, extend: Path | None = None) -> tuple[Leaves, Leaves]:
    """Split a spec into the leaves that are in its key and those that equal what their absence meant.

    A component says the latter in a module constant, ``ABSENT = {"nesterov": False}``, a field of
    :class:`Run` in its ``absent``; so a field added later renames no run, and a changed default does.
    """
    kept: Leaves = {}
    silent: Leaves = {}
    for name, value in run.items():
        extra = Run.model_fields[name].json_schema_extra if name in Run.model_fields else None
        if isinstance(extra, dict) and "absent" in extra and extra["absent"] == value:
            silent[name] = value
            continue
        if name in components.CATEGORIES and isinstance(value, dict) and "kind" in value:
            absent = components.absent(name, value["kind"], extend)
            quiet = {leaf: v for leaf, v in value.items() if leaf in absent and absent[leaf] == v}
            kept[name] = {leaf: v for leaf, v in value.items() if leaf not in quiet}
            if quiet:
                silent[name] = quiet
        else:
            kept[name] = value
    return kept, silent
