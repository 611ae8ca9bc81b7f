"""Figure 4 of Halvagal 2023: eigenvalues of two neurons from several initialisations, under both losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import Row, axis_values
from pipeline.ranges import Inches

_CAPTION = (
    "Both eigenvalues of W W^T of a linear network with two neurons, from three initialisations (colours), trained on "
    "fresh Gaussian inputs; dashed: the exact mean flow. Euclidean: both end at 1 from above and below. Cosine: they "
    "meet at the mean of their initial values (numbers on the right), because the loss conserves their sum."
)


def draw(
    rows: Sequence[Row],
    params: Mapping[str, Any],
    curves: Mapping[str, Any],
    *,
    width: Inches = 3.3,
    height: Inches = 2.1,
) -> Drawing:
    """Two panels that share the axis of eigenvalues; a pair of lines per initialisation.

    Args:
        rows: The artifact's rows, with the axes ``loss`` and ``start``.
        params: The artifact's params.
        curves: ``step``, and ``LOSS/START/trained`` and ``LOSS/START/theory``, each steps x 2.
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(1, 2, sharey=True)
    step = curves["step"]
    records = []
    for axes, loss, letter in zip(panels, axis_values(rows, "loss"), "ab", strict=True):
        axes.axhline(1.0, color="0.8", linewidth=0.6, zorder=0)
        for number, start in enumerate(axis_values(rows, "start")):
            trained, theory = (curves[f"{loss}/{start}/{what}"] for what in ("trained", "theory"))
            colour = style.COLOURS[number]
            axes.plot(step, trained, color=colour)
            axes.plot(step, theory, color="black", linewidth=0.6, dashes=(4, 3))
            if loss == "cosine":
                mean = trained[0].mean()
                axes.plot(step[-1], mean, marker="_", color=colour, markersize=8, clip_on=False)
                axes.annotate(
                    f"{mean:.3g}", (step[-1], mean), xytext=(6, 0), textcoords="offset points", color=colour,
                    fontsize=style.SMALL, va="center", annotation_clip=False,
                )  # fmt: skip
            for what, values in (("trained", trained), ("theory", theory)):
                records += [
                    {
                        "loss": loss,
                        "start": start,
                        "step": int(s),
                        "mode": mode + 1,
                        "quantity": what,
                        "value": float(v),
                    }
                    for s, pair in zip(step[::5], values[::5], strict=True)
                    for mode, v in enumerate(pair)
                ]
        axes.set_title(f"{letter}  {loss.capitalize()} loss", loc="left")
        axes.set_xlabel("step")
        axes.set_xlim(0, step[-1])
    panels[0].set_ylim(0, None)
    panels[0].set_ylabel("eigenvalues $\\lambda_1, \\lambda_2$ of $W W^\\top$")
    handles = [Line2D([], [], color=style.COLOURS[k], label=f"start {k + 1}") for k in range(number + 1)]
    handles.append(Line2D([], [], color="black", linewidth=0.6, dashes=(4, 3), label="theory"))
    panels[0].legend(handles=handles, loc="upper right", ncols=2)
    return Drawing(figure, ["loss", "start", "step", "mode"], records, _CAPTION)
