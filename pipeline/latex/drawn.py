"""A built figure drawn anew for a paper: from the payload that its receipt names, in another width or font."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import components
from pipeline.comparing.sides import Side
from pipeline.engine.executor import is_as_written
from pipeline.errors import UserError
from pipeline.latex.look import Look, applied
from pipeline.latex.mark import drawn_from
from pipeline.ledger.workspace import Node, Workspace
from pipeline.work import Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FLATTEST = 0.75
"""Height of a figure by its width up to which it grows with the width."""

_BOX = re.compile(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]")


def names(report: Mapping[str, Any], side: Side, look: Look, folder: Path) -> dict[Path, float]:
    """Files of a figure and their widths in inches: ``FOLDER/fig2-3.3in.pdf``."""
    widths = look.widths or (round(_size(side)[0], 2),)
    return {folder / f"{report['artifact']}-{width:g}in.pdf": width for width in widths}


def save(workspace: Workspace, side: Side, look: Look, width: float, path: Path, extend: Path | None) -> str:
    """Draw a figure anew and save it as PDF; returns what does not fit on it, empty where all does.

    Args:
        workspace: The checkout.
        side: The figure as it is built.
        look: What is laid over the project's style.
        width: Inches.
        path: Where to.
        extend: Folder of the user's own components.

    Raises:
        UserError: Payload that it shows is not here as its receipts say.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    stem, receipt = side.link.node.name, side.link.receipt
    work = Work(stem, receipt["params"], path.parent, dict(_inputs(workspace, side)))
    with applied(look):
        figure = _draw(work, options(receipt["params"]["figure"], _size(side), width), extend)
        figure.set_figwidth(width)  # one that takes no width is stretched
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        _fit(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        crowded = _crowded(figure)
        FigureCanvasPdf(figure)
        told = {
            "Title": receipt["params"]["title"],
            "Subject": drawn_from(stem, receipt["key"]),
            "Keywords": look.words,
        }
        nothing = {"Creator": None, "Producer": None, "CreationDate": None}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        figure.savefig(part, format="pdf", metadata={**told, **nothing})
        part.replace(path)
    return crowded


def _inputs(workspace: Workspace, side: Side) -> Iterator[tuple[str, Path]]:
    """Payload folders that the figure has read, each file compared with its receipt."""
    stem = side.link.node.name
    for role, entry in side.link.receipt["inputs"].items():
        node = Node(entry["node"])
        folder, outputs = workspace.payload(node), side.chain.links[node.name].receipt["outputs"]
        for name in entry["files"]:
            if not is_as_written(folder / name, outputs[name]):
                what = "not what its receipt says" if (folder / name).is_file() else "not here"
                raise UserError(
                    f"{stem}: to draw it anew, {folder / name} is {what}; type: python -m pipeline restore {stem}.csv"
                )
        yield role, folder


def _size(side: Side) -> tuple[float, float]:
    """Width and height in inches of the figure as it is built.

    Raises:
        UserError: Its PDF is not there, or is none.
    """
    found = _BOX.search(side.outputs.get("pdf", b""))
    if found is None:
        raise UserError(f"{side.link.node.name}.pdf: not here; type: snakemake {side.link.node.name}.csv")
    return float(found[1]) / 72, float(found[2]) / 72


def options(figure: Mapping[str, Any], built: tuple[float, float], width: float) -> dict[str, Any]:
    """Arguments of a figure's component for another width.

    A figure that grows by a factor grows in height by its root, for its letters stay as large: twice the width wants
    panels that are wider and not twice as high. One that is high already keeps its height.

    Args:
        figure: Its declaration.
        built: Width and height of the figure as it is built.
        width: The width that is wanted.
    """
    factor = math.sqrt(width / built[0])
    if factor > 1:
        factor = min(factor, max(1.0, _FLATTEST * width / built[1]))
    declared = {name: value for name, value in figure.items() if name != "kind"}
    other = {"width": width, **{name: declared[name] * factor for name in ("height", "panel") if declared.get(name)}}
    return declared | {name: value for name, value in other.items() if name in declared}


def _draw(work: Work, arguments: Mapping[str, Any], extend: Path | None) -> Figure:
    """Call the figure's component, as its stage does."""
    from pipeline.artifacts.images import Images
    from pipeline.artifacts.rows import read
    from pipeline.simulation.curves import read_curves

    params = work.spec
    rows, _ = read(work)
    curves = [read_curves(folder) for node, folder in work.inputs.items() if node.startswith("simulations/")]
    about = params.get("images")
    images = [Images(work.inputs[about["node"]], about)] if about else []
    draw = components.load(components.find("figure", params["figure"]["kind"], extend)).draw
    return draw(rows, params, *curves, *images, **arguments).figure


def _fit(figure: Figure) -> None:
    """Break remarks above and below the panels so that they end within the page, in whatever font."""
    width = figure.get_figwidth() * figure.dpi
    for text in figure.texts:
        words, most = " ".join(text.get_text().split()), max(map(len, text.get_text().split("\n")))
        while text.get_rotation() == 0 and text.get_window_extent().x1 > width and most > 12:
            most -= 1
            text.set_text(textwrap.fill(words, most))


def _crowded(figure: Figure) -> str:
    """The first titles or names of axes that end beyond the page or stand on each other."""
    named = [part for axes in figure.axes for part in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    boxes = [(text.get_text(), text.get_window_extent()) for text in named if text.get_text() and text.get_visible()]
    page = figure.bbox
    for number, (text, box) in enumerate(boxes):
        if box.x0 < page.x0 - 2 or box.x1 > page.x1 + 2 or box.y0 < page.y0 - 2 or box.y1 > page.y1 + 2:
            return f"{text!r} ends beyond it"
        for other, place in boxes[:number]:
            if box.overlaps(place):
                return f"{other!r} and {text!r} stand on each other"
    return ""
