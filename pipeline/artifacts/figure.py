"""Stage ``figure``: a figure from its measurements, as PNG and PDF, with the data in it as CSV; some move, as GIF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf

from pipeline import components
from pipeline.artifacts import animation, claims, formats, page, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.images import Images
from pipeline.artifacts.report import identity, report
from pipeline.artifacts.rows import read
from pipeline.simulation.curves import read_curves
from pipeline.work import Work


def execute(works: list[Work]) -> Iterator[Work]:
    """Write ``ARTIFACT.png``, ``.pdf``, ``.csv``, ``.json`` and ``.md`` of each work; ``.gif`` if it has an animation.

    A figure that asks for images gets them as one more argument, and its caption ends with their licence.

    The component in ``work.components["figure"]`` draws: ``draw(rows, params, *, ...)``, for a simulation ``draw(rows,
    params, curves, *, ...)``, returns a :class:`~pipeline.artifacts.drawing.Drawing`.

    Raises:
        UserError: A claim's selection, a measure's value or a published row fits no cell, or too many.
    """
    for work in works:
        params = work.spec
        rows, unmatched = read(work)
        verdicts = claims.judge(params["claims"], rows, params["scale"]["key"], work.name)
        options = {name: value for name, value in params["figure"].items() if name != "kind"}
        stem = work.out / params["artifact"]
        with style.applied():
            draw = components.load(work.components["figure"]).draw
            images = _images(work)
            drawing = draw(rows, params, *_curves(work), *images, **options)
            _write_data(stem.with_suffix(".csv"), params, drawing)
            _save(drawing, stem, page.heading(params), identity(work))
            moving = _animate(drawing, stem, identity(work))
        content = {**report(params, rows, verdicts, unmatched), "figure": params["figure"], **identity(work)}
        formats.write_json(stem.with_suffix(".json"), content)
        picture = stem.with_suffix(".png").name
        formats.write_text(
            stem.with_suffix(".md"), page.render(params, rows, verdicts, picture, _caption(drawing, images), moving)
        )
        yield work


def _curves(work: Work) -> list[Mapping[str, Any]]:
    """Curves of the simulation that a figure shows, as one more argument; none for a figure of measurements."""
    return [read_curves(folder) for node, folder in work.inputs.items() if node.startswith("simulations/")]


def _images(work: Work) -> list[Images]:
    """Images that a figure shows, as one more argument; none for a figure of numbers."""
    about = work.spec.get("images")
    return [Images(work.inputs[about["node"]], about)] if about else []


def _caption(drawing: Drawing, images: list[Images]) -> str:
    return " ".join([drawing.caption, *(one.credit() for one in images)])


def _write_data(path: Path, params: Mapping[str, Any], drawing: Drawing) -> None:
    """The data in a figure, one row per mark."""
    about = {
        "paper": params["paper"]["key"],
        "artifact": params["artifact"],
        "scale": params["scale"]["key"],
        "flavour": params["flavour"],
    }
    columns = ["paper", "artifact", *drawing.columns, "quantity", "value", "scale", "flavour"]
    rows = ({**about, **record, "value": formats.number(record["value"])} for record in drawing.records)
    formats.write_csv(path, columns, rows)


def _animate(drawing: Drawing, stem: Path, carried: Mapping[str, str]) -> str | None:
    """Save the animation; its file's name, None for a figure without one."""
    if drawing.animation is None:
        return None
    path = stem.with_suffix(".gif")
    animation.write(path, drawing.animation, carried)
    return path.name


def _save(drawing: Drawing, stem: Path, title: str, carried: Mapping[str, str]) -> None:
    """Save as PNG and PDF without what differs between renderings: dates, versions of software."""
    FigureCanvasAgg(drawing.figure)
    drawing.figure.draw_without_rendering()
    drawing.figure.set_layout_engine("none")  # once, so that both files have the same layout
    drawing.figure.savefig(stem.with_suffix(".png"), metadata={"Software": None, "Title": title, **carried})
    FigureCanvasPdf(drawing.figure)
    about = {"Title": title, "Subject": carried["pipeline:artifact"]}
    about["Keywords"] = "; ".join(f"{name}={value}" for name, value in carried.items())
    nothing = {"Creator": None, "Producer": None, "CreationDate": None}
    drawing.figure.savefig(stem.with_suffix(".pdf"), metadata={**about, **nothing})
