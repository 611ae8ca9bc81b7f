"""Charts of trainings as SVG: axes with labels, one colour per run, seeds as a band of one standard deviation.

Colours are classes of the style sheet, so a chart is legible in both schemes; a script may read values off it, since
its axes stand in it as attributes. The same charts stand on the site's pages and on the page that ``watch`` serves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from pipeline.provenance.curves import Point
from pipeline.site.axis import Axis

WIDE, HIGH = 360.0, 246.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 46.0, 38.0
COLOURS, DASHES = 10, 4
"""Colours of the style sheet; further runs have them again, with other dashes."""
MOST = COLOURS * DASHES
"""Runs that can be told apart in one chart."""
BAND = "Line: mean over seeds; band: ± one standard deviation (none: one seed)."
"""What a reader is told below charts."""

TITLES = {
    "loss": ("loss", "mean over the images of an epoch"),
    "embedding_std": ("embedding std", "1: fills the sphere, 0: collapsed"),
    "effective_rank": ("effective rank", "dimensions"),
}
"""Column of a history -> what its axis says, and in what it is."""


@dataclass(frozen=True)
class Spread:
    """A place on a curve.

    Attributes:
        epoch: Where.
        mean: Over the seeds that have a number there.
        std: Their standard deviation (one less than their number below the fraction); None of fewer than two.
        seeds: How many these are.
        geometric: Whether both are of logarithms: the band is from ``mean / std`` to ``mean * std``.
    """

    epoch: float
    mean: float
    std: float | None
    seeds: int
    geometric: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper end of the band; both the mean where there is none."""
        if self.std is None:
            return self.mean, self.mean
        if self.geometric:
            return self.mean / self.std, self.mean * self.std
        return self.mean - self.std, self.mean + self.std


@dataclass
class Line:
    """One run.

    Attributes:
        name: What a person calls it.
        seeds: Seed -> points by epoch; more than one line of a seed, if there are eigenvalues, in ``ranks``.
        place: Chooses its colour and dashes.
        live: Whether it goes on: its end is marked.
        ranks: Rank of an eigenvalue -> seed -> points, in place of ``seeds``.
        of: Seeds of the run; 0: those that have points.
    """

    name: str
    seeds: Mapping[int, Sequence[Point]]
    place: int = 0
    live: bool = False
    ranks: Mapping[int, Mapping[int, Sequence[Point]]] = field(default_factory=dict)
    of: int = 0


@dataclass
class Chart:
    """Curves of one quantity on common axes.

    Attributes:
        quantity: What it is.
        remark: In what it is told, or what its ends mean.
        lines: The runs.
        log: Whether the vertical axis is logarithmic; numbers that are not above 0 are left out there.
    """

    quantity: str
    remark: str
    lines: list[Line]
    log: bool = False

    @property
    def positive(self) -> bool:
        """Whether a logarithmic axis would have something to show."""
        parts = (seeds for line in self.lines for _, seeds in _all(line))
        return any(value > 0 for seeds in parts for points in seeds.values() for _, value in points)

    def svg(self) -> str:
        """Draw it; whatever is no finite number is a gap."""
        drawn = [(line, [spreads(seeds, bool(line.ranks)) for _, seeds in _all(line)]) for line in self.lines]
        shown = [self._shown(points) for _, parts in drawn for points in parts]
        x = Axis.over([(point.epoch, point.epoch) for part in shown for point in part], whole=True)
        y = Axis.over([_ends(point, self.log) for part in shown for point in part], log=self.log)
        words = f"{self.quantity} by epoch, {len(self.lines)} run{'' if len(self.lines) == 1 else 's'}"
        head = (
            f'<svg class="chart" role="img" aria-label="{escape(words)}" viewBox="0 0 {WIDE:g} {HIGH:g}" '
            f'data-x="{x.low!r} {x.high!r} {LEFT:g} {WIDE - RIGHT:g}" '
            f'data-y="{y.low!r} {y.high!r} {HIGH - BOTTOM:g} {TOP:g}"{" data-log" if self.log else ""}>'
        )
        body = [self._axes(x, y)]
        for line, parts in drawn:
            body.append(self._line(line, [self._shown(points) for points in parts], x, y))
        return f"{head}{''.join(body)}</svg>"

    def _shown(self, points: Iterable[Spread]) -> list[Spread]:
        """Points that have a place, and those that are gaps between such."""
        return [p if math.isfinite(p.mean) and (p.mean > 0 or not self.log) else _gap(p) for p in points]

    def _line(self, line: Line, parts: list[list[Spread]], x: Axis, y: Axis) -> str:
        marks = []
        of = line.of or max((len(seeds) for _, seeds in _all(line)), default=0)
        for strength, points in enumerate(parts):
            for run in _stretches(points):
                faint = f' opacity="{max(1 - 0.14 * strength, 0.35):.2f}"' if strength else ""
                if any(point.ends[0] < point.ends[1] for point in run):
                    marks.append(f'<path class="band" d="{self._area(run, x, y)}"/>')
                of_fewer = _counts(run, of)
                if len(run) == 1:
                    marks.append(_dot(_x(x, run[0].epoch), _y(y, run[0].mean), "alone", of_fewer))
                else:
                    way = "L".join(f"{_x(x, p.epoch):.1f} {_y(y, p.mean):.1f}" for p in run)
                    marks.append(f'<path class="mean" d="M{way}"{faint}{of_fewer}/>')
        last = next((p for p in reversed(parts[0]) if math.isfinite(p.mean)), None) if parts else None
        if last is None:
            return ""
        if line.live:
            marks.append(_dot(_x(x, last.epoch), _y(y, last.mean), "live"))
        seeds = f", {last.seeds} of {of} seeds" if last.seeds < of else f", {of} seeds" if of > 1 else ""
        spread = f" {'×/÷' if last.geometric else '±'} {last.std:.3g}" if last.std is not None else ""
        said = escape(f"{line.name}: {last.mean:.4g}{spread} at epoch {last.epoch:g}{seeds}")
        name = escape(line.name, quote=True)
        head = f'<g class="line {look(line.place)}" data-name="{name}" data-of="{of}">'
        return f"{head}<title>{said}</title>{''.join(marks)}</g>"

    def _area(self, run: Sequence[Spread], x: Axis, y: Axis) -> str:
        ends = [(_x(x, point.epoch), *_ends(point, self.log, y.low)) for point in run]
        above = [f"{at:.1f} {_y(y, high):.1f}" for at, _, high in ends]
        below = [f"{at:.1f} {_y(y, low):.1f}" for at, low, _ in reversed(ends)]
        return f"M{'L'.join(above + below)}Z"

    def _axes(self, x: Axis, y: Axis) -> str:
        right, foot = WIDE - RIGHT, HIGH - BOTTOM
        up = [(_y(y, value), text) for value, text in y.ticks()]
        along = [(_x(x, value), text) for value, text in x.ticks()]
        grid = "".join(f"M{LEFT:g} {at:.1f}H{right:g}" for at, _ in up)
        grid += "".join(f"M{at:.1f} {foot:g}v4" for at, _ in along)
        texts = [f'<text class="tick up" x="{LEFT - 7:g}" y="{at + 4:.1f}">{text}</text>' for at, text in up]
        texts += [f'<text class="tick along" x="{at:.1f}" y="{foot + 17:g}">{text}</text>' for at, text in along]
        remarks = [
            *([self.remark] if self.remark else []),
            *(["logarithmic"] if self.log and "log" not in self.remark else []),
        ]
        texts.append(f'<text class="what" x="4" y="15">{escape(self.quantity)}</text>')
        if remarks:
            texts.append(f'<text class="remark" x="4" y="31">{escape(", ".join(remarks))}</text>')
        texts.append(f'<text class="tick end" x="{right:g}" y="{HIGH - 5:g}">epoch</text>')
        return f'<path class="grid" d="{grid}"/><path class="base" d="M{LEFT:g} {foot:g}H{right:g}"/>{"".join(texts)}'


def spreads(seeds: Mapping[int, Sequence[Point]], geometric: bool = False) -> list[Spread]:
    """Means and standard deviations over seeds, at every epoch at which one of them has a point.

    A seed that has diverged has no number from there on; the mean is of the others, and NaN where there is none.

    Args:
        seeds: Seed -> points.
        geometric: Whether means and deviations are of logarithms, as is fit for eigenvalues over decades; numbers that
            are not above 0 are left out.
    """
    at: dict[float, list[float]] = {}
    for points in seeds.values():
        for epoch, value in points:
            at.setdefault(epoch, []).append(value)
    found = []
    for epoch, values in sorted(at.items()):
        finite = [value for value in values if math.isfinite(value)]
        if geometric:
            finite = [math.log(value) for value in finite if value > 0]
        mean = math.fsum(finite) / len(finite) if finite else math.nan
        squares = math.fsum((value - mean) ** 2 for value in finite)
        std = math.sqrt(squares / (len(finite) - 1)) if len(finite) > 1 else None
        if geometric:
            mean, std = math.exp(mean), std if std is None else math.exp(std)
        found.append(Spread(epoch, mean, std, len(finite), geometric))
    return found


def ranks(lists: Mapping[int, Sequence[tuple[float, Sequence[float]]]]) -> dict[int, dict[int, list[Point]]]:
    """Curves of the first, second, fourth, eighth, ... of sorted lists: rank -> seed -> points."""
    longest = max((len(values) for found in lists.values() for _, values in found), default=0)
    chosen = [2**k for k in range(longest.bit_length()) if 2**k <= longest]
    return {
        rank: {
            seed: [(epoch, values[rank - 1]) for epoch, values in found if len(values) >= rank]
            for seed, found in lists.items()
        }
        for rank in chosen
    }


def look(place: int) -> str:
    """Classes of a run's colour and dashes."""
    return f"k{place % COLOURS} d{place // COLOURS % DASHES}"


def swatch(place: int) -> str:
    """A short line as the run has it in charts."""
    mark = '<path class="mean" d="M1 5H25"/>'
    return f'<svg class="swatch {look(place)}" viewBox="0 0 26 10" aria-hidden="true">{mark}</svg>'


def _all(line: Line) -> list[tuple[int, Mapping[int, Sequence[Point]]]]:
    return list(line.ranks.items()) if line.ranks else [(1, line.seeds)]


def _gap(point: Spread) -> Spread:
    return Spread(point.epoch, math.nan, None, 0)


def _ends(point: Spread, log: bool, least: float | None = None) -> tuple[float, float]:
    """Lower and upper end of the band; on a logarithmic axis ``least``, or the mean, for one that is not above 0."""
    low, high = point.ends
    if log and low <= 0:
        low = point.mean if least is None else least
    return low, high


def _stretches(points: Iterable[Spread]) -> list[list[Spread]]:
    """Points without a gap between them."""
    found: list[list[Spread]] = [[]]
    for point in points:
        if math.isfinite(point.mean):
            found[-1].append(point)
        elif found[-1]:
            found.append([])
    return [run for run in found if run]


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDE - RIGHT - LEFT)


def _y(axis: Axis, value: float) -> float:
    return HIGH - BOTTOM - axis.share(value) * (HIGH - BOTTOM - TOP)


def _dot(x: float, y: float, name: str, more: str = "") -> str:
    return f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"{more}/>'


def _counts(run: Sequence[Spread], of: int) -> str:
    """Of how many seeds each mean is, for a reader of values; nothing where all of them are of all seeds."""
    counts = [point.seeds for point in run]
    return f' data-seeds="{" ".join(map(str, counts))}"' if min(counts) < of else ""
