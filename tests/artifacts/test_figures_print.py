"""Figures as they are printed: one column wide, every letter legible, with outlines of a font that journals take."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import matplotlib
import printing
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.text import Text

from pipeline import components
from pipeline.artifacts import figure, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import read
from pipeline.components import PACKAGE
from pipeline.engine.state import States
from pipeline.ledger.workspace import Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.simulation import stage
from pipeline.simulation.curves import read_curves
from pipeline.work import Work

PRINTED = 3.3
"""Inches: a column."""

LEAST = 5.5
"""Points in print."""

SHIPPED = PACKAGE / "artifacts/fonts"
CATALOGUE = Catalogue(Options(scale="tiny"))
REQUESTS = {request.stem: request for request in CATALOGUE.built()}
FIGURES = sorted(
    stem
    for stem, request in REQUESTS.items()
    for declared in [CATALOGUE.papers[request.paper].artifacts[request.artifact]]
    if declared.kind == "figure" and declared.source in ("simulation", None)
)
CHEAP = {
    "directpred/fig4", "embnorms/fig1", "embnorms/fig6", "embnorms/figS1",
    "directpred/fig1", "multiview/fig1ab", "isoloss/fig1", "multiview/fig6abc", "stepwise/fig8",
}  # fmt: skip


def _made(stem: str, folder: Path) -> Work:
    """The work of a figure, its simulation run with as few replications as it can have."""
    states = States(Plan(CATALOGUE, [REQUESTS[stem]]), Workspace(Path("/nonexistent")))
    key = states.by_name[stem].key_file
    inputs = {}
    for node in key.inputs.values():
        below = states.by_name[states.by_name[stem].node.resolve_input(node).name].key_file
        component = PACKAGE.parent / below.components["simulation"]
        simulation = dict(below.params["simulation"])
        if "replications" in simulation:
            simulation["replications"] = 2
        name = f"simulations/{len(inputs)}"
        (folder / name).mkdir(parents=True)
        work = Work(name=name, spec={"simulation": simulation}, out=folder / name, components={"simulation": component})
        list(stage.execute([work]))
        inputs[node] = folder / name
    (folder / "out").mkdir()
    component = PACKAGE.parent / key.components["figure"]
    return Work(
        name=stem, key="0" * 64, spec=key.params, out=folder / "out", inputs=inputs, components={"figure": component}
    )  # fmt: skip


def _drawn(work: Work) -> Drawing:
    rows, _ = read(work)
    curves = [read_curves(folder) for folder in work.inputs.values()]
    draw = components.load(work.components["figure"]).draw
    options = {name: value for name, value in work.spec["figure"].items() if name != "kind"}
    with style.applied():
        drawing = draw(rows, work.spec, *curves, **options)
        FigureCanvasAgg(drawing.figure)
        drawing.figure.draw_without_rendering()
    return drawing


def smallest(drawing: Drawing) -> tuple[float, str]:
    """The smallest text of a figure, in points when it is printed one column wide."""
    shrunk = min(1.0, PRINTED / float(drawing.figure.get_size_inches()[0]))
    texts = drawing.figure.findobj(lambda part: isinstance(part, Text))
    return min(
        (text.get_fontsize() * shrunk, text.get_text()) for text in texts if text.get_visible() and text.get_text()
    )


def cut(drawing: Drawing) -> list[str]:
    """Texts that reach over the edge of the figure, where nothing prints them."""
    figure = drawing.figure
    figure.draw_without_rendering()
    texts = figure.findobj(lambda part: isinstance(part, Text) and part.get_visible() and part.get_text().strip())
    found = []
    for text in texts:
        if hasattr(text, "get_position_3d"):  # where it stands is known when it is projected
            continue
        if text.get_clip_on() or any(not parent.get_visible() for parent in (text.axes,) if parent is not None):
            continue
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        if box.width and not inside:
            found.append(text.get_text())
    return found


MARKED = [
    pytest.param(stem, marks=() if stem.removeprefix("results/tiny/") in CHEAP else pytest.mark.slow)
    for stem in FIGURES
]


@pytest.mark.parametrize("stem", MARKED)
def test_a_figure_is_legible_in_one_column(stem: str, tmp_path: Path) -> None:
    work = _made(stem, tmp_path)
    drawing = _drawn(work)
    size, text = smallest(drawing)
    assert size >= LEAST, f"{text!r}: {size:.1f} pt"
    assert not cut(drawing)
    assert not printing.crossings(drawing)
    list(figure.execute([work]))
    data = next(work.out.glob("*.pdf")).read_bytes()
    assert b"/Type3" not in data and b"/FontFile2" in data
    fonts = set(re.findall(rb"/BaseFont /(?:[A-Z]{6}\+)?([\w-]+)", data))
    assert b"LiberationSans" in fonts
    assert all(name.startswith((b"LiberationSans", b"STIX", b"DejaVu")) for name in fonts), fonts


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("papers/*/figures/[!_]*.py")), ids=lambda path: path.stem)
def test_figures_are_a_column_wide_and_take_their_sizes_from_the_style(path: Path) -> None:
    draw = inspect.signature(components.load(path).draw)
    assert draw.parameters["width"].default == style.COLUMN == PRINTED
    if "panel" in draw.parameters:  # one of as many as there are
        assert draw.parameters["panel"].default <= 1.5
    else:
        assert draw.parameters["height"].default <= 5.2, "with its caption it fits a page"
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for word in call.keywords if isinstance(call, ast.Call) else ():
            if word.arg in ("fontsize", "labelsize", "size"):
                assert not isinstance(word.value, ast.Constant) or word.value.value in ("medium", "large"), path


def test_the_style_is_legible_and_its_fonts_are_shipped() -> None:
    with style.applied():
        sizes = {name: value for name, value in matplotlib.rcParams.items() if name.endswith(("size", "labelsize"))}
        for name in (
            "font.size",
            "axes.titlesize",
            "axes.labelsize",
            "xtick.labelsize",
            "ytick.labelsize",
            "legend.fontsize",
        ):
            assert sizes[name] >= LEAST, name
        for look, weight in (("normal", "normal"), ("italic", "normal"), ("normal", "bold")):
            found = Path(findfont(FontProperties(family=style.PARAMETERS["font.family"], style=look, weight=weight)))
            assert found.parent == SHIPPED
    assert "SIL OPEN FONT LICENSE" in (SHIPPED / "LICENSE.txt").read_text(encoding="utf-8")
