"""An evaluation of somebody's weights, declared as a paper: encoders start from files, and are trained for 0 epochs."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.planning import spec, yaml_files
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.params import Params

MARK = "# Written by: python -m pipeline evaluate "
"""First words of every file that is written here."""

ARTIFACT = "scores"
SCALE = "as-they-are"
"""Scale that changes nothing of what is declared here, so that a data set is the one that was named."""

SCALE_TEXT = "title: weights as they are, nothing changed\n"

UNTRAINED, PIXELS = "untrained", "raw pixels"
"""Rows that show what the same measures say of the encoder before any training, and of the images themselves."""

MEASURES: dict[str, Params] = {
    "linear probe": {"measure": {"kind": "linear_probe"}, "value": "top1_last", "unit": "%"},
    "k-NN": {"measure": {"kind": "knn"}, "value": "top1", "unit": "%"},
    "feature spread": {"measure": {"kind": "linear_probe"}, "value": "feature_std", "better": "neither"},
    "feature rank": {"measure": {"kind": "linear_probe"}, "value": "feature_rank", "better": "neither"},
    "rank over views": {"measure": {"kind": "eigenvalues"}, "value": "hidden_rank", "better": "neither"},
}
"""What is measured: how well classes can be told from features, how far these spread and in how many directions."""


def name_of(paths: Sequence[Path]) -> str:
    """A name made of those of the files."""
    joined = "-".join(path.name.split(".")[0] for path in paths)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", joined).strip("-_")[:60]
    return name or "weights"


def rows(paths: Sequence[Path]) -> dict[str, Path]:
    """What rows are called: the names of the files, with so many folders before them that no two are alike."""
    for depth in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        named = {"/".join(path.parts[-depth:]): path for path in paths}
        if len(named) == len(paths):
            return named
    twice = next(path for path in paths if list(paths).count(path) > 1)
    raise UserError(f"{twice}: stands twice; name each file once")


def declared(
    name: str,
    weights: Mapping[str, Path],
    encoder: Params,
    prefix: str,
    datasets: Sequence[str],
    normalize: Params | None,
    batch_size: int,
) -> dict[str, Any]:
    """The declaration of a paper whose one table has a row per file.

    Args:
        name: Of the paper.
        weights: Row -> file.
        encoder: The network that all of them are of.
        prefix: What stands before its names in the files; empty where it is found out.
        datasets: On which they are measured.
        normalize: Statistics with which images are normalised; None for those of the data set.
        batch_size: Images at a time where views are drawn.
    """
    more = {} if normalize is None else {"normalize": normalize}
    started = {**encoder, "weights_prefix": prefix} if prefix else encoder
    layers: dict[str, Params] = {
        row: {"encoder": {**started, "weights": str(path)}, **more} for row, path in weights.items()
    }
    layers |= {UNTRAINED: {"encoder": dict(encoder), **more}, PIXELS: {"encoder": "pixels", **more}}
    place = {"columns": {"dataset": list(datasets), "measure": list(MEASURES)}}
    if len(datasets) == 1:
        place = {"columns": {"measure": list(MEASURES)}}
    return {
        "paper": name,
        "title": f"What {', '.join(weights)} can tell",
        "authors": "an evaluation of weights",
        "year": time.gmtime().tm_year,
        "defaults": {
            "encoder": dict(encoder),
            "projector": "none",
            "predictor": "none",
            "target": "same",
            "objective": "cosine",
            "views": {"kind": "simclr"},
            "optimizer": {"kind": "sgd", "lr": 0.1},
            "batch_size": batch_size,
        },
        "axes": {"weights": layers},
        "measures": {title: {**measure, "title": title} for title, measure in MEASURES.items()},
        "artifacts": {
            ARTIFACT: {
                "title": "Frozen features of given weights",
                "rows": {"weights": list(layers)},
                **place,
                "fixed": {**({"dataset": datasets[0]} if len(datasets) == 1 else {}), "epochs": 0},
                "baselines": False,
                "ours": True,
            }
        },
    }


def text(content: Mapping[str, Any], typed: Sequence[str]) -> str:
    """The file that declares it."""
    head = (
        f"{MARK}{shlex.join(typed)}\n"
        "# Nothing is trained (0 epochs): an encoder starts from its file and is measured. What a training would need\n"
        "# stands here all the same; with epochs above 0 these weights are where it starts from.\n"
    )
    return head + yaml_files.written(content)


def check(name: str) -> None:
    """Refuse a name that can't be that of a paper.

    Raises:
        UserError: It has other characters than letters, digits, - and _.
    """
    if not re.fullmatch(spec.NAME, name):
        raise UserError(f"--name {name}: expected letters, digits, - and _; type for instance --name weights")


def place(folder: Path, name: str, content: str, known: Catalogue) -> Path:
    """Where the declaration is written.

    Raises:
        UserError: Something else is there, or the name is that of another paper.
    """
    path = folder / "papers" / f"{name}.yaml"
    if path.is_file():
        found = path.read_text(encoding="utf-8", errors="replace")
        if body(found) != body(content):
            raise UserError(
                f"{path}: declares something else already, and is not written over; choose another name with "
                "--name NAME"
            )
    elif name in known.papers:
        raise UserError(f"--name {name}: there is a paper of this name; choose another one with --name NAME")
    return path


def body(content: str) -> str:
    """A file's text without what says how and when it was typed."""
    rest = content.partition("\n")[2] if content.startswith(MARK) else content
    return re.sub(r"^year: \d+\n", "", rest, flags=re.MULTILINE)
