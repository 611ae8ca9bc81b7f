"""Params of a run in layers: what one layer sets, and what it makes of those below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import brief

Params = dict[str, Any]

PARTS = ("views", "encoder", "projector", "predictor", "target", "objective", "optimizer", "schedule", "initialization")
"""The params of a run that are components."""


NAMES = ("like", "reads", "reference")
"""What a layer may say beside params: names of other things."""


def shaped(layer: Params) -> Params:
    """A layer as it was given.

    Raises:
        ValueError: A component is neither a name nor a mapping with text as its keys, or a name is no text.
    """
    for name, value in layer.items():
        kind = value.get("kind", "") if isinstance(value, Mapping) else value
        if name in PARTS and (not isinstance(kind, str) or kind == "" != value == ""):
            raise ValueError(f"{name}: expected the name of one, or its keys {{kind: ..., ...}}, found {brief(value)}")
        for key in _no_names(value):
            raise ValueError(f"{name}: expected a name in place of the key {brief(key)}; write the name of a param")
        if name in NAMES and not isinstance(value, str):
            raise ValueError(f"{name}: expected a name, found {brief(value)}")
    return layer


def _no_names(value: Any) -> Iterator[Any]:
    """Keys of mappings, however deep, that are no text."""
    if isinstance(value, Mapping):
        yield from (key for key in value if not isinstance(key, str))
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for one in inside:
        yield from _no_names(one)


def overlay(base: Params, extra: Mapping[str, Any]) -> Params:
    """Params of ``base`` with those of ``extra`` on top.

    A component given by another kind (or by name alone) replaces the one below; params without a kind change it.
    """
    result = dict(base)
    for name, value in extra.items():
        if name in PARTS and isinstance(value, str):
            value = {"kind": value}
        if name in PARTS and isinstance(value, Mapping):
            below = result.get(name) or {}
            same = value.get("kind", below.get("kind")) == below.get("kind")
            result[name] = {**below, **value} if same else dict(value)
        else:
            result[name] = value
    return result


def values(params: Mapping[str, Any]) -> Params:
    """Dotted names of params with their values."""
    found: Params = {}
    for name, value in params.items():
        if name in PARTS and isinstance(value, Mapping):
            found |= {f"{name}.{param}": set_to for param, set_to in value.items()}
        else:
            found[f"{name}.kind" if name in PARTS else name] = value
    return found


def paths(params: Mapping[str, Any]) -> set[str]:
    """Dotted names of the params that a layer sets."""
    return set(values(params))


def nested(path: str, value: Any) -> Params:
    """``optimizer.lr``, 0.1 -> ``{"optimizer": {"lr": 0.1}}``."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value
