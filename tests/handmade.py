"""Artifacts made by hand, for the tests of tables, claims and figures."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from pipeline.work import Work

DIVERGED = {"outcome": "diverged"}


def params(**changes: Any) -> dict[str, Any]:
    """Params of an artifact without cells."""
    return {
        "paper": {
            "key": "directpred",
            "title": "Understanding",
            "authors": "Tian, Chen, Ganguli",
            "year": 2021,
        },
        "artifact": "table8",
        "title": "DirectPred against the SGD baseline",
        "kind": "table",
        "rows": ["method"],
        "columns": ["dataset", "epochs"],
        "fixed": {},
        "measure": {"value": "top1_last", "unit": "%", "title": "linear probe, top-1"},
        "claims": [],
        "notes": None,
        "scale": {"key": "quick", "title": "CPU, minutes, stand-in data"},
        "flavour": "paper",
        "published": [],
        "cells": [],
        **changes,
    }


def cell(axes: dict[str, Any], seeds: int = 2, **changes: Any) -> dict[str, Any]:
    """A cell of the plan; its nodes are named by its axes."""
    used = {"stl10": "digits", "cifar10": "shapes"}.get(axes.get("dataset", ""), axes.get("dataset", ""))
    epochs = axes.get("epochs", 0)
    name = "-".join(str(value) for value in axes.values()).replace(" ", "_")
    made = {
        "axes": axes,
        "role": "cell",
        "dataset": used,
        "paper_dataset": axes.get("dataset", ""),
        "epochs": epochs,
        "trained_epochs": {100: 8, 300: 14, 500: 20}.get(epochs, epochs),
        "missing": None,
        **changes,
    }
    if made["missing"]:
        return {**made, "dataset": "", "trained_epochs": 0, "nodes": []}
    run = name if made["role"] == "cell" else f"{name}-{made['role'].replace(' ', '_')}"
    stem = f"measurements/local-{run}/seed{{}}/epoch{made['trained_epochs']:04d}/linear_probe-0"
    return {**made, "nodes": [stem.format(seed) for seed in range(seeds)]}


def grid(seeds: int = 2, **axes: list) -> list[dict[str, Any]]:
    """Cells of a complete grid."""
    return [cell(dict(zip(axes, values, strict=True)), seeds) for values in itertools.product(*axes.values())]


def work(folder: Path, spec: dict[str, Any], scores: dict[str, Any], **more: Any) -> Work:
    """A work whose measurements hold ``scores`` (by node)."""
    inputs = {}
    for number, (node, values) in enumerate(scores.items()):
        inputs[node] = folder / "in" / str(number)
        inputs[node].mkdir(parents=True, exist_ok=True)
        (inputs[node] / "scores.json").write_text(json.dumps(values))
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    paper, edition = spec["paper"]["key"], spec["scale"]["key"]
    # The params travel through a key file, which is JSON with sorted keys.
    spec = json.loads(json.dumps(spec, sort_keys=True))
    return Work(f"results/{edition}/{paper}/{spec['artifact']}", spec, out, inputs, **more)


def filled(cells: list[dict[str, Any]], values: dict[tuple, list], name: str = "top1_last") -> dict[str, Any]:
    """Scores of cells by the values of their axes (and the role, for baselines); one value per seed."""
    scores = {}
    for entry in cells:
        key = tuple(entry["axes"].values()) + ((entry["role"],) if entry["role"] != "cell" else ())
        for node, value in zip(entry["nodes"], values.get(key, []), strict=True):
            scores[node] = value if isinstance(value, dict) else {name: value, "outcome": "trained"}
    return scores
