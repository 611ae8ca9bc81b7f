"""The files of a result in LaTeX: which there are, and what may be written over."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError
from pipeline.latex.escape import START, comment
from pipeline.latex.numbers import numbers
from pipeline.latex.table import tabular

HEAD = f"{START}tex"
"""First words of such a file."""


def content(stem: str, report: Mapping[str, Any], key: str, folder: Path, printed: bool = False) -> dict[Path, str]:
    """Files of an artifact with their text: of a table ``NAME.tex``, of each number ``NAME/PLACE.tex``.

    Args:
        stem: Name of the artifact's node.
        report: Content of its JSON file.
        key: Of its receipt.
        folder: Where they are written.
        printed: Whether the paper's own numbers stand beside ours.

    Raises:
        UserError: It has no numbers.
    """
    name = report["artifact"]
    head = f"{HEAD} from {stem}.json (key {key[:16]}); written anew, not edited"
    found = {folder / name / f"{place}.tex": f"{head}\n{text}%\n" for place, text in numbers(report).items()}
    if report["kind"] == "table":
        found[folder / f"{name}.tex"] = f"{head}\n{tabular(report, printed)}"
    if not found:
        raise UserError(f"{stem}: a figure without numbers of its own; include {stem}.pdf")
    return found


def told(report: Mapping[str, Any], folder: Path) -> str:
    """What to write into a paper."""
    name, places = report["artifact"], list(numbers(report))
    parts = [rf"\input{{{folder}/{name}}}"] if report["kind"] == "table" else []
    if places:
        parts.append(
            rf"\input{{{folder}/{name}/{places[0]}}}" + (f" and {len(places) - 1} more numbers" * (len(places) > 1))
        )
    return ", ".join(parts)


def check(path: Path) -> None:
    """Refuse to write over what is none of these files.

    Raises:
        UserError: Something else is there.
    """
    files.ours(path, HEAD.encode(), b"written anew, not edited", "file of tex")


def drop_old(folder: Path, kept: Container[Path]) -> None:
    """Remove numbers that the artifact no longer has, so that a paper which still asks for one is not set."""
    for path in sorted(folder.glob("*.tex")):
        if path not in kept:
            with contextlib.suppress(UserError):  # somebody's own file stays
                check(path)
                files.discard(path)


def table_of(report: Mapping[str, Any]) -> str:
    """A table alone, for whoever copies it; empty for a figure."""
    return "\n".join([comment(report["artifact"]), tabular(report)]) if report["kind"] == "table" else ""
