"""Params of a run in layers: what one layer sets, and what it makes of those below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Params = dict[str, Any]

PARTS = ("views", "encoder", "projector", "predictor", "target", "objective", "optimizer", "schedule", "initialization")
"""The params of a run that are components."""


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


def paths(params: Mapping[str, Any]) -> set[str]:
    """Dotted names of the params that a layer sets."""
    found = set()
    for name, value in params.items():
        if name in PARTS and isinstance(value, Mapping):
            found |= {f"{name}.{param}" for param in value}
        else:
            found.add(f"{name}.kind" if name in PARTS else name)
    return found


def nested(path: str, value: Any) -> Params:
    """``optimizer.lr``, 0.1 -> ``{"optimizer": {"lr": 0.1}}``."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value
