"""The files of a result in LaTeX: which there are, and what may be written over."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError
from pipeline.latex.escape import comment
from pipeline.latex.mark import head, source
from pipeline.latex.numbers import numbers
from pipeline.latex.table import tabular


def content(stem: str, report: Mapping[str, Any], key: str, folder: Path, printed: bool = False) -> dict[Path, str]:
    """Files of an artifact with their text: of a table ``NAME.tex``, of each number ``NAME/PLACE.tex``.

    Args:
        stem: Name of the artifact's node.
        report: Content of its JSON file.
        key: Of its receipt.
        folder: Where they are written.
        printed: Whether the paper's own numbers stand beside ours.

    Returns:
        Nothing for a figure without numbers of its own.
    """
    name, first = report["artifact"], head(stem, key)
    found = {folder / name / f"{place}.tex": f"{first}\n{text}%\n" for place, text in numbers(report).items()}
    if report["kind"] == "table":
        found[folder / f"{name}.tex"] = table(stem, report, key, printed)
    return found


def table(stem: str, report: Mapping[str, Any], key: str, printed: bool = False) -> str:
    """The file of a table; arguments as for :func:`content`."""
    return f"{head(stem, key)}\n{tabular(report, printed)}"


def told(report: Mapping[str, Any], folder: Path) -> str:
    """What to write into a paper for a table and its numbers; empty where there are none."""
    name, places = report["artifact"], list(numbers(report))
    parts = [rf"\input{{{folder}/{name}}}"] if report["kind"] == "table" else []
    if places:
        parts.append(
            rf"\input{{{folder}/{name}/{places[0]}}}" + (f" and {len(places) - 1} more numbers" * (len(places) > 1))
        )
    return ", ".join(parts)


def included(path: Path) -> str:
    """What to write into a paper for a figure that was drawn."""
    return rf"\includegraphics{{{path}}}"


def check(path: Path, stem: str) -> None:
    """Refuse to write over what is no earlier file of the same artifact.

    Two artifacts may have one name: every sweep's table is called ``table``, and every edition has a ``table8``.

    Args:
        path: Where to.
        stem: What is to be written.

    Raises:
        UserError: Something else is there.
    """
    if not path.exists():
        return
    found = source(path)
    if found is None:
        kind = "a folder" if path.is_dir() else "a file, and no earlier file of tex"
        raise UserError(f"{path}: {kind}: it is not written over; name another folder with -o, or remove it")
    if found != stem:
        raise UserError(f"{path} is from {found}; write {stem} into another folder with -o, or remove this one")


def check_folders(whose: Mapping[Path, str], top: Path) -> None:
    """Refuse to put numbers of two artifacts into one folder, where none of their names is the same.

    Args:
        whose: Files that are to be written, with the artifact of each.
        top: Folder that may hold files of many.

    Raises:
        UserError: A folder has numbers of another artifact.
    """
    for folder, stem in {path.parent: stem for path, stem in whose.items() if path.parent != top}.items():
        for path in sorted(folder.glob("*.tex")):
            if source(path) is not None:
                check(path, stem)


def drop_old(folder: Path, kept: Container[Path], stem: str) -> None:
    """Remove numbers that the artifact no longer has, so that a paper which still asks for one is not set."""
    for path in sorted(folder.glob("*.tex")):
        if path not in kept and source(path) == stem:  # somebody's own file stays
            files.discard(path)


def table_of(report: Mapping[str, Any]) -> str:
    """A table alone, for whoever copies it; empty for a figure."""
    return "\n".join([comment(report["artifact"]), tabular(report)]) if report["kind"] == "table" else ""
