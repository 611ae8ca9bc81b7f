"""A comparison as one page that needs nothing else: figures side by side, cells with changes marked, causes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from pipeline.artifacts import page
from pipeline.comparing import text_report
from pipeline.comparing.artifacts import Comparison
from pipeline.comparing.cells import BEYOND, IDENTICAL, UNKNOWN, ComparedCell
from pipeline.comparing.sides import Side

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:3rem;border-top:1px solid #ccc;padding-top:1rem}
.wide{overflow-x:auto;margin:1.2rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap}
th,td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #ddd}
th{font-weight:600}tr.same{color:#767676}tr.moved td{background:#fdf3d6}tr.beyond td{background:#fbdcd6}
tr.beyond td:last-child{font-weight:600}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}
figure{margin:0}figcaption{color:#555;font-size:.9rem}img{max-width:100%;background:#fff}
code{font-size:.9em}.quiet{color:#555}
@media(prefers-color-scheme:dark){body{color:#e4e4e4;background:#161616}th,td{border-color:#444}h2{border-color:#444}
tr.same{color:#9a9a9a}tr.moved td{background:#4a3f17}tr.beyond td{background:#5d241b}.quiet,figcaption{color:#b0b0b0}}
"""


def render(found: Sequence[Comparison], missing: Iterable[str], first: str, second: str) -> str:
    """The page.

    Args:
        found: Comparisons.
        missing: Lines about artifacts that one side does not have.
        first: Title of side A.
        second: Title of side B.
    """
    title = f"{first} and {second}"
    body = [f"<h1>Results: A is {escape(first)}, B is {escape(second)}</h1>"]
    body += [f"<p>{escape(line)}</p>" for line in missing]
    links = [f'<a href="#{escape(one.stem)}">{escape(one.stem)}</a>: {escape(_line(one))}' for one in found]
    body.append(f"<ul>{''.join(f'<li>{link}</li>' for link in links)}</ul>")
    body += map(_section, found)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    text = "\n".join(body)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>{text}</body></html>\n'


def _line(found: Comparison) -> str:
    if found.quantities and not any(cell.seeds for cell in _rows(found)):
        moved = sum(quantity.changed for quantity in found.quantities)
        return f"{moved} of {sum(quantity.values for quantity in found.quantities)} plotted values differ"
    return text_report.summary(found.cells)


def _rows(found: Comparison) -> list:
    return [row for cell in found.cells for row in (cell.old, cell.new) if row is not None]


def _section(found: Comparison) -> str:
    report = found.new.report or found.old.report
    heading = page.heading(report) if "artifact" in report else found.stem
    parts = [
        f'<h2 id="{escape(found.stem)}">{escape(heading)}</h2><p class="quiet"><code>{escape(found.stem)}</code></p>'
    ]
    pictures = [
        (letter, side, side.outputs["png"])
        for letter, side in (("A", found.old), ("B", found.new))
        if "png" in side.outputs
    ]
    if pictures:
        parts.append(f'<div class="pair">{"".join(_picture(*picture) for picture in pictures)}</div>')
    if found.quantities:
        lines = [
            [q.name, str(q.values), str(q.changed), f"{100 * q.largest:.3g} %" if q.changed else "", q.at]
            for q in found.quantities
        ]
        parts.append(
            _table(
                ["quantity", "values", "differ", "at most by", "there"],
                lines,
                ["moved" if q.changed else "same" for q in found.quantities],
            )
        )
    if any(row.seeds for row in _rows(found)):
        lines = [[cell.title, *text_report.numbers(cell, found.unit), cell.verdict] for cell in found.cells]
        parts.append(_table(["cell", "A", "B", "B − A", "verdict"], lines, [_mark(cell) for cell in found.cells]))
    if found.causes:
        listed = "".join(f"<li>{escape(cause.sentence())}</li>" for cause in found.causes)
        parts.append(f"<p>What differs in what they were made from:</p><ul>{listed}</ul>")
    parts += [f'<p class="quiet">{escape(note)}</p>' for note in found.notes]
    return "\n".join(parts)


def _mark(cell: ComparedCell) -> str:
    if cell.verdict == IDENTICAL:
        return "same"
    return "beyond" if cell.verdict in (BEYOND, UNKNOWN) else "moved"


def _picture(letter: str, side: Side, content: bytes) -> str:
    data = base64.b64encode(content).decode()
    text = f"{letter}: {side.title}"
    return (
        f'<figure><img alt="figure at {escape(text)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], marks: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    body = "".join(
        f'<tr class="{mark}">{"".join(f"<td>{escape(text)}</td>" for text in row)}</tr>'
        for row, mark in zip(rows, marks, strict=True)
    )
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
