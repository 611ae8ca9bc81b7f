"""The provenance graph of a chain as inline SVG: raw data, data sets, runs, measurements, results, left to right.

Seeds and milestones of a run are one box, and so are all measurements of one kind on it. An edge that a longer path
implies (a probe reads the data set that its run was trained on) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from itertools import accumulate

from pipeline.provenance.chain import Chain
from pipeline.site import layers
from pipeline.site.graph_boxes import Box, count, fold

KINDS = {
    "raw": 176.0,
    "data": 150.0,
    "checkpoints": 224.0,
    "measurements": 150.0,
    "simulations": 190.0,
    "results": 150.0,
}
"""Kinds of boxes from left to right, with their widths."""
_BETWEEN, _MARGIN, _PAD, _LINE = 52.0, 4.0, 10.0, 15.0

_LETTER = 6.5
"""Width of a letter, on average; what does not fit is cut, and stands whole in the box's title."""

STYLE = """
.provenance{--g-ink:#1d1d1b;--g-soft:#5c5b57;--g-line:#a9a69d;--g-box:#fff;--g-edge:#c9c5ba;--g-bad:#a3190f;
--g-focus:#0b5cad;font:12px/1.2 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
@media (prefers-color-scheme:dark){.provenance{--g-ink:#eceae4;--g-soft:#aeaba3;--g-line:#6b6963;--g-box:#22221f;
--g-edge:#4b4944;--g-bad:#ff9d90;--g-focus:#8cc4ff}}
@media print{.provenance{--g-ink:#000;--g-soft:#444;--g-line:#888;--g-box:#fff;--g-edge:#bbb;--g-bad:#a3190f}}
.provenance text{fill:var(--g-ink)}.provenance .soft{fill:var(--g-soft)}
.provenance rect{fill:var(--g-box);stroke:var(--g-line)}
.provenance path{fill:none;stroke:var(--g-edge);stroke-width:1.25}
.provenance .results rect{stroke:var(--g-ink);stroke-width:1.5}.provenance .raw rect{stroke-dasharray:2 2}
.provenance .bad rect{stroke:var(--g-bad);stroke-width:2}.provenance .bad .soft,.provenance .bad text{fill:var(--g-bad)}
.provenance a{cursor:pointer}.provenance a:hover rect{stroke:var(--g-focus)}.provenance a:focus{outline:none}
.provenance a:hover .name{text-decoration:underline}
.provenance a:focus-visible rect{stroke:var(--g-focus);stroke-width:3}
"""


def svg(
    chain: Chain,
    tops: Iterable[str],
    href: Callable[[Box], str | None] | None = None,
    called: Mapping[str, str] | None = None,
) -> str:
    """The graph of a chain.

    Args:
        chain: As :func:`pipeline.provenance.chain.walk` gives it.
        tops: The nodes from which it was walked.
        href: Where a box links to, None for nowhere; without it no box is a link.
        called: See :func:`pipeline.site.graph_boxes.fold`.
    """
    boxes = fold(chain, tops, called)
    below = layers.ordered({box.id: box.below for box in boxes.values()})
    columns = layers.columns(below, {box.id: list(KINDS).index(box.kind) for box in boxes.values()})
    names = [name for column in columns for name in column]
    high = {name: 14 + _LINE * len(boxes[name].lines) for name in names}
    top = layers.heights(columns, below, high)
    widths = [max(KINDS[boxes[name].kind] for name in column) for column in columns]
    starts = list(accumulate((width + _BETWEEN for width in widths), initial=0.0))
    left = {name: starts[k] for k, column in enumerate(columns) for name in column}
    width = starts[-1] - _BETWEEN + 2 * _MARGIN
    height = max((top[name] + high[name] for name in names), default=0.0) + 2 * _MARGIN
    parts = [
        f'<svg class="provenance" xmlns="http://www.w3.org/2000/svg" role="group" aria-label="{_summary(boxes)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="{-_MARGIN:g} {-_MARGIN:g} {width:.0f} {height:.0f}">',
        f"<style>{STYLE}</style>",
        '<g aria-hidden="true">',
    ]
    for name in names:
        for other in below[name]:
            x, y = left[other] + KINDS[boxes[other].kind], top[other] + high[other] / 2
            end, to, half = left[name], top[name] + high[name] / 2, (x + left[name]) / 2
            parts.append(f'<path d="M{x:.1f} {y:.1f}C{half:.1f} {y:.1f} {half:.1f} {to:.1f} {end:.1f} {to:.1f}"/>')
    parts.append("</g>")
    for name in names:
        parts.append(_draw(boxes[name], left[name], top[name], high[name], href(boxes[name]) if href else None))
    return "\n".join([*parts, "</svg>"])


def _summary(boxes: dict[str, Box]) -> str:
    words = {
        "data": "data set",
        "checkpoints": "run",
        "measurements": "kind of measurement",
        "simulations": "simulation",
        "results": "result",
    }
    numbers = {kind: sum(box.kind == kind for box in boxes.values()) for kind in words}
    counts = [count(number, words[kind]).replace("kind of measurements", "kinds of measurement")
              for kind, number in numbers.items() if number]  # fmt: skip
    return f"Provenance, from raw data to results: {', '.join(counts)}"


def _draw(box: Box, x: float, y: float, high: float, link: str | None) -> str:
    wide, kind = KINDS[box.kind], box.kind + (" bad" if box.bad else "")
    fits = int((wide - 2 * _PAD) / _LETTER)
    body = [f"<title>{escape('; '.join([box.id, *box.lines[1:], *box.bad]))}</title>"]
    body.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:g}" height="{high:g}" rx="3"/>')
    for number, text in enumerate(box.lines):
        short = text if len(text) <= fits else f"{text[: fits - 1]}…"
        look = 'class="name" font-weight="600"' if not number else 'class="soft"'
        body.append(f'<text {look} x="{x + _PAD:.1f}" y="{y + 18 + _LINE * number:.1f}">{escape(short)}</text>')
    if link is None:
        return f'<g class="{kind}">{"".join(body)}</g>'
    label = escape("; ".join([*box.lines, *box.bad]))
    return f'<a class="{kind}" href="{escape(link)}" aria-label="{label}">{"".join(body)}</a>'
