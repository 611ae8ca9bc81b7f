"""Figure 2a of Draganov 2025: steps until pairs of free embeddings converge, with the bounds behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from pipeline.artifacts import drawing, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row
from pipeline.ranges import Inches, Natural, Some

_CAPTION = (
    "Top: gradient steps until the mean cosine of 500 pairs exceeds 0.999; dots: simulation, mean of the draws; "
    "lines: closed form for small steps and constant norms. Left: against the mean initial angle, one line per "
    "norm. Right: against the norm, one line per angle; dashed: proportional to the square. Bottom (ours), left: "
    "how tight Theorem 3.4 is, the exact gain of one step over the bound 2 a sin^2, a = gamma / rho^2; above 1 "
    "the bound is wrong; dotted: the refined bound of Appendix A.4. Right: probability that two random directions"
    " have a cosine of 0.5 or more: the bound of Prop. C.1, 1 / (2 d t^2), the exact value, and a Monte Carlo "
    "estimate (where at least 10 of {samples:.0f} pairs do)."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 4.0,
    drawn: Some[Natural] = [0, 2, 6, 9, 11],  # noqa: B006 - params are literals
) -> Drawing:
    """Steps against angle and norm, and two bounds.

    Args:
        rows: The artifact's rows.
        params: The artifact's params.
        curves: Of the simulation.
        width: Inches.
        height: Inches.
        drawn: Which of the simulation's angles have a line in the second panel.
    """
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(2, 2)
    records = _against_angle(panels[0][0], curves)
    _against_norm(panels[0][1], curves, [k for k in drawn if k < curves["angles"].shape[1]])
    records += _tightness(panels[1][0], curves)
    records += _nearness(panels[1][1], curves)
    for axes, letter in zip(panels.ravel(), "abcd", strict=True):
        axes.set_title(f"{letter}  {axes.get_title()}", loc="left")
        axes.set_title("")
    return Drawing(figure, ["panel", "line", "index"], records, _CAPTION.format(samples=curves["samples"][0]))


def _record(panel: str, line: str, index: int, **numbers: float) -> list[dict[str, Any]]:
    at = {"panel": panel, "line": line, "index": index}
    return [{**at, "quantity": name.replace("_", " "), "value": float(number)} for name, number in numbers.items()]


def _name(axes: Axes, x: float, y: float, text: str, colour: Any) -> None:
    """A line's name to the right of its end."""
    axes.annotate(
        text, (x, y), xytext=(5, 0), textcoords="offset points",
        color=colour, fontsize=style.SMALL, va="center", annotation_clip=False,
    )  # fmt: skip


def _against_angle(axes: Axes, curves: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line per norm."""
    steps, angle = curves["steps"].mean(axis=0), curves["angles"].mean(axis=0)
    colours = style.RANKS(np.linspace(0.0, 1.0, len(steps)))
    records = []
    for k, (norm, colour) in enumerate(zip(curves["norms"], colours, strict=True)):
        ahead = curves["closed form"][k]
        shown = ahead > 0.5
        axes.plot(curves["line"][shown], ahead[shown], color=colour, linewidth=0.9)
        axes.plot(angle, steps[k], "o", color=colour, markersize=3)
        _name(axes, 179, ahead[-1], f"norm {norm:g}", colour)
        for index, place in enumerate(angle):
            records += _record("a, b", f"norm {norm:g}", index, angle=place, steps=steps[k][index])
        for index, place in enumerate(curves["line"]):
            records += _record("a", f"norm {norm:g}, closed form", index, angle=place, steps=ahead[index])
    axes.set_yscale("log")
    axes.set_ylim(0.7, None)
    axes.set_xlim(0, 180)
    axes.set_xticks([0, 45, 90, 135, 180])
    axes.set_xlabel("initial angle (degrees)")
    axes.set_ylabel("steps to converge")
    axes.set_title("angle: matters at ends")
    return records


def _against_norm(axes: Axes, curves: Mapping[str, Any], drawn: Sequence[int]) -> None:
    """One line per angle."""
    steps, angle, norms = curves["steps"].mean(axis=0), curves["angles"].mean(axis=0), curves["norms"]
    for number, k in enumerate(drawn):
        colour = style.COLOURS[number]
        axes.plot(norms, steps[:, k], color=colour, marker="o", markersize=3, linewidth=0.9)
    ends = [np.log(steps[-1, k]) for k in drawn]
    for number, (k, place) in enumerate(zip(drawn, drawing.apart(ends, 0.75), strict=True)):
        _name(axes, norms[-1], np.exp(place), f"{angle[k]:.0f}°", style.COLOURS[number])
    guide = np.array([2.0, 10.0])
    axes.plot(guide, 12.0 * guide**2, color=style.MUTED, linewidth=0.8, linestyle="--")
    axes.text(5.6, 230.0, r"$\propto \rho^2$", color=style.MUTED, va="top")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(norms))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(norms, [f"{norm:g}" if norm in (0.25, 1, 3, 10) else "" for norm in norms])
    axes.set_xlabel(r"embedding norm $\rho$")
    axes.set_ylabel("steps to converge")
    axes.set_title("norm: quadratic")


def _tightness(axes: Axes, curves: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Gain over the printed bound."""
    line, records = curves["line"], []
    top = 1.6
    axes.axhspan(1.0, top, color="0.93", linewidth=0, zorder=0)
    axes.axhline(1.0, color=style.MUTED, linewidth=0.7)
    axes.text(4, top - 0.04, "above the bound", color=style.MUTED, fontsize=style.SMALL, va="top")
    for number, a in enumerate(curves["ratios"]):
        colour = style.COLOURS[number]
        gain, refined = curves["gain"][number], curves["refined"][number]
        axes.plot(line, gain, color=colour, zorder=3)
        axes.plot(line, refined, color=colour, linestyle=":", linewidth=1.0)
        for index, place in enumerate(line):
            records += _record(
                "c", f"a = {a:g}", index, angle=place, gain_over_bound=gain[index], refined_over_bound=refined[index]
            )
    ends = [float(gain[-1]) for gain in curves["gain"]]
    for number, place in enumerate(drawing.apart([min(end, top - 0.1) for end in ends], 0.13)):
        _name(axes, 180, place, f"$a={curves['ratios'][number]:g}$", style.COLOURS[number])
    axes.set_ylim(0, top)
    axes.set_xlim(0, 180)
    axes.set_xticks([0, 45, 90, 135, 180])
    axes.set_xlabel(r"angle $\varphi$ (degrees)")
    axes.set_ylabel(r"gain / $2a\,\sin^2\varphi$")
    axes.set_title("Theorem 3.4: tight to 90°")
    return records


def _nearness(axes: Axes, curves: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Prop. C.1 against the truth."""
    fine, d = curves["fine"], curves["dimensions"]
    hits = curves["shares"] * curves["samples"][0] >= 10
    axes.plot(fine, curves["bound"], color=style.COLOURS[1])
    axes.plot(fine, curves["probability"], color=style.COLOURS[0])
    axes.plot(d[hits], curves["shares"][hits], "o", color="black", markersize=3, zorder=3)
    floor = 1e-12
    axes.text(400, 0.2, "bound", color=style.COLOURS[1], fontsize=style.SMALL, ha="right")
    axes.text(55, 1e-8, "exact", color=style.COLOURS[0], fontsize=style.SMALL, ha="right")
    axes.text(15, 4e-4, "Monte\nCarlo", color="black", fontsize=style.SMALL, ha="right", va="top")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(floor, 3.0)
    axes.set_xlabel("dimension $d$")
    axes.set_ylabel(rf"$P[\cos\varphi\geq t]$,  $t={curves['cosine'][0]:g}$")
    axes.set_title("Prop. C.1: two directions")
    records = []
    for index, size in enumerate(fine):
        numbers = {"probability": curves["probability"][index], "bound": curves["bound"][index]}
        records += _record("d", "exact and bound", index, dimension=size, **numbers)
    for index in np.flatnonzero(hits).tolist():
        records += _record("d", "Monte Carlo", index, dimension=d[index], probability=curves["shares"][index])
    return records
