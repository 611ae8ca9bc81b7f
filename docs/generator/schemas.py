"""JSON Schemas of the files below ``params/``, for editors: from the models of pipeline/planning and the components.

The models know the frame of a file; what stands inside it (a layer of a run's parameters, a component with those of its
kind) they take as plain dictionaries, because components are found by name. Here both are put together, so that an
editor completes ``predictor: {kind: directpred, rho: ...}`` and underlines what the plan would refuse.

Draft 7, which the YAML extensions of editors read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from pipeline import annotations, components
from pipeline.artifacts import claims
from pipeline.planning import composition, spec

from . import signatures

Schema = dict[str, Any]

FIELDS: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "fields.yaml").read_text(encoding="utf-8"))
"""Model -> field -> what it means."""

MODELS: tuple[type[BaseModel], ...] = (
    spec.Paper,
    spec.Artifact,
    spec.Setting,
    spec.Pictures,
    spec.Measure,
    spec.Claim,
    spec.Published,
    spec.Flavour,
    spec.Scale,
    spec.PaperScale,
    spec.ArtifactScale,
    spec.Spaced,
    spec.Derive,
    spec.Estimate,
    spec.Dataset,
    spec.Normalize,
    spec.DeclaredFile,
)

LAYER = "a layer of a run's parameters"
METHOD = "a layer of a run's parameters, or with `like`, `reads`, `reference`, `derive`"
AXIS = "a parameter's path (`optimizer.lr`), or value → layer, with `datasets` for what differs on one"
INSIDE: dict[tuple[str, str], tuple[str, Schema]] = {
    ("Paper", "defaults"): (LAYER, {"$ref": "#/$defs/layer"}),
    ("Paper", "datasets"): (f"data set → {LAYER}", {"additionalProperties": {"$ref": "#/$defs/layer"}}),
    ("Paper", "methods"): (f"method → {METHOD}", {"additionalProperties": {"$ref": "#/$defs/method"}}),
    ("Paper", "axes"): (f"axis → {AXIS}", {"additionalProperties": {"$ref": "#/$defs/axis"}}),
    ("Flavour", "axes"): (f"axis → {AXIS}", {"additionalProperties": {"$ref": "#/$defs/axis"}}),
    ("Flavour", "kinds"): ("category → kind → parameters", {"$ref": "#/$defs/kinds"}),
    ("Measure", "measure"): ("a measure, with its parameters", {"$ref": "#/$defs/measure"}),
    ("Artifact", "draw"): ("a figure, or its name", {"$ref": "#/$defs/figure"}),
    ("Artifact", "simulation"): ("a simulation, or its name", {"$ref": "#/$defs/simulation"}),
    ("Scale", "every_run"): (LAYER, {"$ref": "#/$defs/layer"}),
    ("PaperScale", "every_run"): (LAYER, {"$ref": "#/$defs/layer"}),
    ("ArtifactScale", "every_run"): (LAYER, {"$ref": "#/$defs/layer"}),
    ("Scale", "datasets"): (
        "data set → data set, `{name: ...}` with parameters of its source, or null",
        {"additionalProperties": {"$ref": "#/$defs/used"}},
    ),
    ("PaperScale", "datasets"): (
        "data set → data set, `{name: ...}` with parameters of its source, or null",
        {"additionalProperties": {"$ref": "#/$defs/used"}},
    ),
    ("Scale", "measures"): ("kind of measure → parameters", {"$ref": "#/$defs/measures"}),
    ("Dataset", "source"): ("a source, with its parameters", {"$ref": "#/$defs/source"}),
}
"""Fields whose values the models take as plain data: in words, and as a schema."""


def of_type(annotation: str) -> Schema:
    """The schema of an annotation as a component writes it, with its range; an empty one where nothing is checked."""
    return _plain(annotations.schema(annotation))


def _parameters(known: list[signatures.Component]) -> Schema:
    """Name -> schema, over all kinds that have a parameter of the name."""
    found: dict[str, list[tuple[signatures.Component, signatures.Parameter]]] = {}
    for component in known:
        for parameter in component.parameters:
            found.setdefault(parameter.name, []).append((component, parameter))
    properties: Schema = {}
    for name, having in found.items():
        types: list[Schema] = []
        for _, parameter in having:
            if (one := of_type(parameter.annotation)) not in types:
                types.append(one)
        told = {parameter.text: component.kind for component, parameter in reversed(having) if parameter.text}
        text = "\n\n".join(
            f"{words} ({', '.join(c.kind for c, p in having if p.text == words)})" for words in reversed(told)
        )
        one = {} if {} in types else types[0] if len(types) == 1 else {"anyOf": types}
        properties[name] = {**({"description": text} if text else {}), **one}
    return properties


def _component(category: str, extend: Path | None, bare: bool) -> Schema:
    """A component: ``{kind: ..., ...}``, or where ``bare`` its kind alone, or a layer without a kind."""
    known = signatures.all_of(category, extend)
    kind = {
        "enum": [one.kind for one in known],
        "enumDescriptions": [one.title.split("\n\n")[0].replace("\n", " ") for one in known],
        "description": f"Which {category}; its parameters follow from it.",
    }
    whole: Schema = {
        "type": "object",
        "properties": {"kind": kind, **_parameters(known)},
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": one.kind}}, "required": ["kind"]},
                "then": {"propertyNames": {"enum": ["kind", *(p.name for p in one.parameters)]}},
            }
            for one in known
        ],
    }
    if not bare:
        whole["required"] = ["kind"]
    return {"anyOf": [whole, kind]} if bare else whole


def _by_kind(category: str, extend: Path | None) -> Schema:
    """Kind -> its parameters."""
    return {
        "type": "object",
        "properties": {
            one.kind: {"type": "object", "properties": _parameters([one]), "additionalProperties": False}
            for one in signatures.all_of(category, extend)
        },
        "additionalProperties": False,
    }


def _layer(extend: Path | None, more: Schema | None = None) -> Schema:
    run = composition.RunSpec.model_json_schema()
    properties: Schema = {}
    for name in composition.RunSpec.model_fields:
        text = FIELDS["Run"][name]
        if name in components.CATEGORIES:
            properties[name] = {"description": text, "allOf": [{"$ref": f"#/$defs/{name}"}]}
        else:
            own = {
                key: value for key, value in run["properties"][name].items() if key not in ("title", "default_before")
            }
            properties[name] = {"description": text, **own}
    return {"type": "object", "properties": {**properties, **(more or {})}, "additionalProperties": False}


def _inner(extend: Path | None) -> Schema:
    """What the models take as plain data."""
    asides: Schema = {
        name: {"type": "string", "description": text} for name, text in FIELDS["Method"].items()
    }  # like, reads, reference
    asides["derive"] = {**_dressed(spec.Derive), "description": FIELDS["Method"]["derive"]}
    by_dataset = {
        "type": "object",
        "description": FIELDS["Place"]["datasets"],
        "additionalProperties": {"$ref": "#/$defs/layer"},
    }
    parts = [name for name in composition.RunSpec.model_fields if name in components.CATEGORIES]
    used = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "The data set that is used."},
            **_parameters(signatures.all_of("source", extend)),
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    return {
        **{name: _component(name, extend, bare=True) for name in (*parts, "figure", "simulation")},
        **{name: _component(name, extend, bare=False) for name in ("measure", "source")},
        "layer": _layer(extend),
        "method": _layer(extend, asides),
        "place": _layer(extend, {**asides, "datasets": by_dataset}),
        "axis": {
            "anyOf": [
                {"type": "string", "description": "Path of one parameter, such as optimizer.lr."},
                {"type": "object", "additionalProperties": {"$ref": "#/$defs/place"}},
            ]
        },
        "used": {"anyOf": [{"type": "string"}, used, {"type": "null"}]},
        "measures": _by_kind("measure", extend),
        "kinds": {
            "type": "object",
            "properties": {name: _by_kind(name, extend) for name in components.CATEGORIES},
            "additionalProperties": False,
        },
        "Normalize": _dressed(spec.Normalize),
    }


def _plain(schema: Any) -> Any:
    """Without pydantic's titles, and tuples as draft 7 writes them."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "prefixItems":
            key = "items"
        found[key] = {k: _plain(v) for k, v in value.items()} if key in ("properties", "$defs") else _plain(value)
    return found


def _dress(schema: Schema, model: str) -> None:
    """Describe the fields of a model, and put in what it takes as plain data."""
    for name, field in schema["properties"].items():
        inside = INSIDE.get((model, name))
        if inside is not None:
            kept = {key: field[key] for key in ("default", "type") if key in field and "$ref" not in inside[1]}
            schema["properties"][name] = field = kept | inside[1]
        if "$ref" in field:  # draft 7 overlooks what stands beside a reference
            schema["properties"][name] = field = {"allOf": [{"$ref": field.pop("$ref")}], **field}
        field["description"] = FIELDS[model][name]
    one_of = {
        "Claim": claims.CHECKS,
        "Derive": ("best", "place", "first", "minus"),
    }.get(model)
    if one_of:
        schema["oneOf"] = [{"required": [name]} for name in one_of]
    if model == "Artifact":
        axis = [
            {"required": [at], "properties": {at: {"required": ["measure"]}}} for at in ("rows", "columns", "fixed")
        ]
        sources = [{"required": [name]} for name in ("measure", "simulation", "configuration", "draw")]
        schema["anyOf"] = [*sources, *axis]
        setting = schema["properties"]["configuration"]  # of a parameter alone, its path will do
        setting["additionalProperties"] = {"anyOf": [{"type": "string"}, setting["additionalProperties"]]}
    for name in ("rows", "columns", "over") if model == "Artifact" else ():
        values = schema["properties"][name]["additionalProperties"]
        schema["properties"][name]["additionalProperties"] = {"anyOf": [values, _dressed(spec.Spaced)]}


def _dressed(model: type[BaseModel]) -> Schema:
    schema = _plain(model.model_json_schema())
    _dress(schema, model.__name__)
    return schema


def _reached(schema: Any, definitions: Schema, found: set[str]) -> set[str]:
    """Names of the definitions that a schema refers to, directly or not."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        if name in definitions and name not in found:
            found.add(name)
            _reached(definitions[name], definitions, found)
        for value in schema.values():
            _reached(value, definitions, found)
    elif isinstance(schema, list):
        for value in schema:
            _reached(value, definitions, found)
    return found


def _file(model: type[BaseModel], title: str, extend: Path | None, each: bool = False) -> Schema:
    whole = _plain(model.model_json_schema())
    definitions = whole.pop("$defs", {})
    for name, definition in definitions.items():
        _dress(definition, name)
    _dress(whole, model.__name__)
    definitions |= _inner(extend)
    if each:
        definitions[model.__name__] = whole
        whole = {"type": "object", "additionalProperties": {"$ref": f"#/$defs/{model.__name__}"}}
    reached = _reached(whole, definitions, set())
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        **whole,
        "$defs": {name: definitions[name] for name in sorted(reached)},
    }


def schemas(extend: Path | None = None) -> dict[str, Schema]:
    """File name -> schema.

    Args:
        extend: A folder with components of the user's own, whose kinds are then known too.
    """
    return {
        "paper.schema.json": _file(spec.Paper, "A paper: params/papers/*.yaml", extend),
        "scale.schema.json": _file(spec.Scale, "A scale: params/scales/*.yaml", extend),
        "datasets.schema.json": _file(spec.Dataset, "Data sets: params/datasets.yaml", extend, each=True),
    }
