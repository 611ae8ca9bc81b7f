"""What changed between two revisions, as a table in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.artifacts.rows import Row
from pipeline.comparing import text_report
from pipeline.comparing.artifacts import Comparison
from pipeline.comparing.cells import ComparedCell
from pipeline.latex.escape import START, comment, escape
from pipeline.latex.quantity import quantity
from pipeline.latex.table import NEEDS

HEAD = f"{START}diff"
"""First words of such a file."""


def changes(found: Sequence[Comparison], old: str, new: str, missing: Sequence[str] = ()) -> str:
    """Changed cells of all artifacts; what is the same is a comment.

    Args:
        found: One per artifact.
        old: Side A, for people.
        new: Side B.
        missing: What was not compared, and why.
    """
    lines = [
        f"{HEAD}: A is {escape(old)}, B is {escape(new)}",
        comment(NEEDS),
        *(comment(line) for line in missing),
        r"{\sisetup{separate-uncertainty=true}%",
        r"\begin{tabular}{@{}lrrrl@{}}",
        r"\toprule",
        r"cell & A & B & B $-$ A & verdict \\",
    ]
    for one in found:
        changed = [cell for cell in one.cells if cell.changed]
        lines += [r"\midrule", rf"\multicolumn{{5}}{{@{{}}l}}{{{escape(one.stem.removeprefix('results/'))}}} \\"]
        lines += [_row(cell, one.unit) for cell in changed]
        summary = text_report.summary(one.cells) if one.cells else "no cells"
        lines += [] if changed else [rf"\multicolumn{{5}}{{@{{}}l}}{{\quad {escape(summary)}}} \\"]
        lines += [comment(cause.sentence()) for cause in one.causes]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", ""])


def _row(cell: ComparedCell, unit: str) -> str:
    difference = "" if cell.value is None else rf"\num{{{quantity(cell.value, cell.error, unit)}}}"
    cells = [rf"\quad {escape(cell.title)}", _level(cell.old, unit), _level(cell.new, unit), difference]
    return " & ".join([*cells, escape(cell.verdict)]) + r" \\"


def _level(row: Row | None, unit: str) -> str:
    if row is None or row.mean is None or row.setting:
        return escape(text_report.level(row, unit))
    return rf"\num{{{quantity(row.mean, row.std, unit)}}}"
