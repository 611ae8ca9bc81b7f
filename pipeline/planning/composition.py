"""A run as a composition of components: complete, checked, and split into what its key holds and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from pipeline import annotations as param_types
from pipeline import components, user_files
from pipeline.errors import UserError, nearest
from pipeline.planning.params import PARTS, Params, overlay
from pipeline.planning.spec import Normalize, Strict, parse
from pipeline.ranges import Count, Interval, PositiveFraction


def _param(type_: Any, default: Any, **more: Any) -> Any:
    """A param of a run. One that is added later says with ``default_before=`` what its absence has meant."""
    extra = {"default_before": more.pop("default_before")} if "default_before" in more else {}
    return Field(default, json_schema_extra=extra, **more)


class RunSpec(Strict):
    """The params of a run: a composition of components, and how it is trained.

    Its seed and its milestones are not params: they are in the name of a node.
    """

    views: Params
    encoder: Params
    projector: Params
    predictor: Params
    target: Params
    objective: Params
    optimizer: Params
    schedule: Params = _param(dict, {"kind": "constant"})
    initialization: Params = _param(dict, {"kind": "standard"}, default_before={"kind": "standard"})
    normalize: Normalize | None = _param(dict, None)
    split: Literal["train", "train+unlabeled"] = _param(str, "train")
    fraction: PositiveFraction = _param(float, 1.0, default_before=1.0)
    batch_size: Count = _param(int, 128)
    accumulation: Annotated[int, Interval(ge=1, le=4_096)] = _param(int, 1, default_before=1)
    precision: Literal["fp32", "tf32", "bf16"] = _param(str, "fp32")
    threads: Annotated[int, Interval(ge=1, le=1_024)] = _param(int, 1)
    processes: Annotated[int, Interval(ge=1, le=1_024)] = _param(int, 1, default_before=1)
    sync_batchnorm: bool = _param(bool, True, default_before=True)
    deterministic: bool = _param(bool, False, default_before=False)


_PLAIN = create_model(
    "Plain",
    __base__=Strict,
    **{name: (param_types.field(RunSpec, name), None) for name in RunSpec.model_fields if name not in PARTS},
)  # type: ignore[call-overload]  # pydantic's stub knows no fields by dictionary
"""The params of a run that are no components, none of which a layer has to have."""


def check_values(layer: Mapping[str, Any], where: str, extend: Path | None = None) -> None:
    """Refuse values that would fit no run, whatever the layers below say.

    Args:
        layer: Params that one layer sets. Unknown ones are for :func:`compose`, which knows their kinds.
        where: File and entry, for messages.
        extend: Folder of the user's own components.

    Raises:
        UserError: A component that does not exist, a value of the wrong type or out of its range.
    """
    for name, value in layer.items():
        if name in PARTS:
            value = value if isinstance(value, Mapping) else {"kind": value}
            kinds = [value["kind"]] if "kind" in value else components.kinds(name, extend)
            if "kind" in value:
                components.find_from(where, name, value["kind"], extend)
            for param, set_to in value.items():
                _check_value(name, kinds, param, set_to, where, extend)
        elif name in _PLAIN.model_fields:
            parse(_PLAIN, {name: value}, where)


def _check_value(part: str, kinds: list[str], param: str, value: Any, where: str, extend: Path | None) -> None:
    """Refuse a param's value that none of the kinds which have the param would take."""
    refused = None
    for kind in kinds:
        if param in components.params(part, kind, extend):
            try:
                components.check(part, kind, param, value, where, extend)
                return
            except UserError as error:
                refused = refused or error
    if refused is not None:
        raise refused


def only_known(params: Mapping[str, Any], run: Mapping[str, Any], where: str, extend: Path | None) -> Params:
    """The params of a scale's layer that the components of this run have; unknown to all kinds is an error."""
    kept: Params = {}
    for name, value in params.items():
        if name not in RunSpec.model_fields:
            hint = nearest(name, RunSpec.model_fields, "the keys here are")
            raise UserError(f"{where}.{name}: unknown key; {hint}")
        if name not in PARTS or not isinstance(value, Mapping) or "kind" in value:
            kept[name] = value
            continue
        kind = (run.get(name) or {}).get("kind")
        known = components.params(name, kind, extend) if kind else {}
        for param in value:
            if param not in known and not any(
                param in components.params(name, k, extend) for k in components.kinds(name, extend)
            ):
                raise UserError(f"{where}: {name}.{param}: no {name} has such a key")
        kept[name] = {param: set_to for param, set_to in value.items() if param in known}
    return kept


def _contradictions(run: Params, where: str) -> None:
    predictor, target = run["predictor"], run["target"]
    if target["kind"] == "ema" and target.get("stop_gradient") is False:
        raise UserError(f"{where}: target.stop_gradient: an EMA target gets no gradient; use target: {{kind: same}}")
    if predictor["kind"] == "none":
        for param in ("lr_multiplier", "weight_decay", "scheduled"):
            if param in predictor:
                raise UserError(f"{where}: predictor.{param}: there is no predictor; remove {param}")
    encoder = run["encoder"]
    if encoder.get("weights_prefix") and not encoder.get("weights"):
        raise UserError(f"{where}: encoder.weights_prefix: expected beside weights: FILE; add it, or remove it")
    if encoder["kind"] == "pixels" and encoder.get("weights"):
        raise UserError(f"{where}: encoder.weights: pixels has no parameters; remove weights, or choose another kind")
    _processes(run, where)
    if run["projector"]["kind"] == "none" and run["encoder"]["kind"] == "pixels" and run["objective"] is None:
        raise UserError(f"{where}: nothing to train")


def _processes(run: Params, where: str) -> None:
    """Refuse what several processes can't do, and what would change nothing for one."""
    processes = run["processes"]
    if processes == 1:
        if not run["sync_batchnorm"]:
            raise UserError(
                f"{where}: sync_batchnorm: one process has all images of a minibatch; remove it, or set processes"
            )
        return
    if run["batch_size"] < 2 * processes:
        raise UserError(
            f"{where}: processes: expected at most {run['batch_size'] // 2}, two images of a minibatch of "
            f"{run['batch_size']} for each, found {processes}; set fewer, or batch_size"
        )
    if run["accumulation"] > 1:
        raise UserError(
            f"{where}: accumulation: {processes} processes pass a minibatch in as many parts, each at once; set "
            "accumulation: 1 and more processes, or processes: 1"
        )


def below(layer: Mapping[str, Any], swept: Iterable[Mapping[str, Any]], extend: Path | None = None) -> Params:
    """What is left of a scale's layer below what an artifact sweeps.

    A component of the scale is left out where the artifact sweeps its kind, or a param that only the paper's kind has.
    """
    above: Params = {}
    for sweep in swept:
        above = overlay(above, sweep)
    kept: Params = {}
    for name, value in layer.items():
        if name not in above:
            kept[name] = value
        elif name in PARTS:
            value = {"kind": value} if isinstance(value, str) else value
            kind = value.get("kind")
            wanted = {"kind": kind, **above[name]}
            if kind is not None and (
                wanted.pop("kind") != kind or not wanted.keys() <= components.params(name, kind, extend).keys()
            ):
                continue
            kept[name] = {param: set_to for param, set_to in value.items() if param not in above[name]}
    return {name: value for name, value in kept.items() if value != {}}


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


def compose(params: Params, where: str, extend: Path | None = None) -> Params:
    """The complete spec of a run from the params that its layers set.

    Raises:
        UserError: Unknown or contradictory keys, wrong types; the message says what to change.
    """
    for part in PARTS:
        given = params.get(part)
        if isinstance(given, Mapping):
            for param in given:
                hint = _HINTS.get((part, str(given.get("kind")), str(param)))
                if hint:
                    raise UserError(f"{where}: {part}.{param}: {hint}")
    run = parse(RunSpec, params, where).model_dump()
    for part in PARTS:
        run[part] = components.resolve(part, run[part], where, extend)
    _contradictions(run, where)
    return run


def prune(run: Params, extend: Path | None = None) -> tuple[Params, Params]:
    """Split a spec into the params that are in its key and those that equal what their absence meant.

    A component says the latter in a module constant, ``DEFAULT_BEFORE = {"nesterov": False}``, a field of
    :class:`RunSpec` in its ``default_before``; so a field added later renames no run, and a changed default does. Where
    the user's files lie is in neither (:func:`pipeline.user_files.places`).
    """
    kept: Params = {}
    omitted_defaults: Params = {}
    for name, value in run.items():
        extra = RunSpec.model_fields[name].json_schema_extra if name in RunSpec.model_fields else None
        if isinstance(extra, dict) and "default_before" in extra and extra["default_before"] == value:
            omitted_defaults[name] = value
            continue
        if name in components.CATEGORIES and isinstance(value, dict) and "kind" in value:
            default_before = components.default_before(name, value["kind"], extend)
            quiet = {param: v for param, v in value.items() if param in default_before and default_before[param] == v}
            kept[name] = {param: v for param, v in value.items() if param not in quiet}
            if quiet:
                omitted_defaults[name] = quiet
        else:
            kept[name] = value
    return user_files.without_places(kept), omitted_defaults
