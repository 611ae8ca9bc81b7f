"""Figures: what is drawn is what is written, files without dates, legible, robust to what is missing."""

from __future__ import annotations

import csv
import itertools
import json
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import printing
import pytest
from handmade import DIVERGED, cell, filled, grid, params, work
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from pipeline.artifacts import figure, style
from pipeline.artifacts.drawing import Drawing, apart
from pipeline.artifacts.rows import read
from pipeline.components import PACKAGE
from pipeline.papers.directpred.figures import fig2 as directpred_fig2
from pipeline.papers.directpred.figures import fig6 as directpred_fig6
from pipeline.work import Work

EPOCHS = [0, 50, 100]
TRAINED = {0: 0, 50: 4, 100: 8}
ALPHAS = [1.0, 2.0, 4.0, 8.0, 16.0]


def spectrum(epoch: int, regular: bool) -> dict[str, Any]:
    """A made-up measurement with six modes."""
    decay = 2.0**-epoch
    return {
        "f_eigenvalues": [0.5, 0.2, 0.1, 0.1 * decay, 0.05 * decay, -1e-12],
        "wp_symmetric_eigenvalues": [1.0, 0.8, 0.5, 0.2 * decay, 0.0, -0.5 * decay],
        "alignment": [1 - decay / 2, 1 - decay, 0.5, -0.1, 0.2, None],
        "asymmetry": 0.9 * decay if regular else 0.0,
        "smallest_eigenvalue": -0.5 * decay,
    }


def fig2(folder: Path, **changes: Any) -> Work:
    """Both regimes at three epochs."""
    cells, scores = [], {}
    for wp in ("regular", "symmetric"):
        for epochs in EPOCHS:
            made = cell({"wp": wp, "epochs": epochs, "dataset": "stl10"}, 1, trained_epochs=TRAINED[epochs])
            cells.append(made)
            scores[made["nodes"][0]] = {"spectrum": spectrum(TRAINED[epochs], wp == "regular")}
    spec = params(
        artifact="fig2", kind="figure", title="Spectra", rows=["wp"], columns=["epochs"], cells=cells,
        fixed={"dataset": "stl10"}, measure={"value": "spectrum", "unit": "", "title": "spectra of F and Wp"},
        figure={"kind": "directpred_fig2", "leading": 4},
    )  # fmt: skip
    scores |= changes.pop("scores", {})
    spec |= changes
    path = PACKAGE / "papers/directpred/figures/fig2.py"
    return work(folder, spec, scores, components={"figure": path})


def fig6(folder: Path, lost: bool = False, **changes: Any) -> Work:
    """Two data sets along alpha_p; with ``lost``, a seed diverged and a cell is missing."""
    cells = grid(dataset=["stl10", "cifar10"], alpha_p=ALPHAS, epochs=[100])
    places = [tuple(entry["axes"].values()) for entry in cells]
    values: dict[tuple, list] = {at: [40.0 + 5 * k, 42.0 + 5 * k] for k, at in enumerate(places)}
    if lost:
        values["stl10", 2.0, 100] = [44.0, DIVERGED]
        values["stl10", 4.0, 100] = [DIVERGED, DIVERGED]
        cells[9].update(missing="not among the data sets", nodes=[], dataset="")
    spec = params(
        artifact="fig6", kind="figure", title="Relative rate", rows=["dataset"], columns=["alpha_p"],
        cells=cells, fixed={"epochs": 100}, figure={"kind": "directpred_fig6"},
        claims=[{"text": "It rises", "rising": "alpha_p", "for_each": ["dataset"]}],
    )  # fmt: skip
    spec |= changes
    scores = filled([entry for entry in cells if not entry["missing"]], values)
    return work(folder, spec, scores, components={"figure": PACKAGE / "papers/directpred/figures/fig6.py"})


def build(made: Work) -> Path:
    """Run the stage; returns the payload folder."""
    assert list(figure.execute([made])) == [made]
    return made.out


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(fig2(tmp_path_factory.mktemp("fig2")))


@pytest.fixture(scope="module")
def sixth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(fig6(tmp_path_factory.mktemp("fig6")))


def drawn(made: Work) -> Drawing:
    """The drawing of a work, laid out."""
    rows, _ = read(made)
    module = {"fig2": directpred_fig2, "fig6": directpred_fig6}[made.spec["artifact"]]
    options = {name: value for name, value in made.spec["figure"].items() if name != "kind"}
    with style.applied():
        drawing = module.draw(rows, made.spec, **options)
        FigureCanvasAgg(drawing.figure)
        drawing.figure.draw_without_rendering()
    return drawing


def chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of a PNG file, their checksums verified."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    place = 8
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        (check,) = struct.unpack(">I", data[place + 8 + size : place + 12 + size])
        assert check == zlib.crc32(kind + body)
        yield kind, body
        place += size + 12


# -- files


def test_png_carries_its_identity_and_no_date(sixth: Path) -> None:
    found = list(chunks(sixth / "fig6.png"))
    assert found[-1][0] == b"IEND"
    assert {kind for kind, _ in found} <= {b"IHDR", b"pHYs", b"tEXt", b"IDAT", b"IEND"}, "no tIME"
    texts = dict(body.decode("latin-1").split("\0", 1) for kind, body in found if kind == b"tEXt")
    assert set(texts) == {"Title", "pipeline:artifact", "pipeline:key"}
    assert texts["pipeline:artifact"] == "results/quick/directpred/fig6"
    assert texts["Title"] == "Figure 6: Relative rate"
    report = json.loads((sixth / "fig6.json").read_text(encoding="utf-8"))
    assert {name: report[name] for name in texts if name != "Title"} == {
        name: text for name, text in texts.items() if name != "Title"
    }
    width, height = struct.unpack(">II", found[0][1][:8])
    assert (width, height) == (990, 720), "3.3 x 2.4 inches at 300 dots per inch"


def test_pdf_carries_its_identity_and_no_date(second: Path) -> None:
    data = (second / "fig2.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    for word in (b"CreationDate", b"ModDate", b"/Producer", b"/Creator"):
        assert word not in data
    assert b"results/quick/directpred/fig2" in data and b"pipeline:key=" in data
    assert b"/FontFile2" in data and b"/Type3" not in data, "fonts are embedded as outlines"
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", data)
    assert box and [float(side) / 72 for side in box.groups()] == pytest.approx([3.3, 4.9])


@pytest.mark.parametrize("make", [fig2, fig6])
def test_the_same_bytes_elsewhere(tmp_path: Path, make: Any, request: pytest.FixtureRequest) -> None:
    """In another process, with other hash seeds, another home and a user's own matplotlibrc."""
    first = request.getfixturevalue({fig2: "second", fig6: "sixth"}[make])
    made = make(tmp_path)
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.family: serif\nsavefig.dpi: 40\n")
    inputs = {node: str(path) for node, path in made.inputs.items()}
    saved = [made.name, made.spec, inputs, str(made.components["figure"])]
    (tmp_path / "work.json").write_text(json.dumps(saved))
    script = """
import json
from pathlib import Path
from pipeline.artifacts import figure
from pipeline.work import Work
name, spec, inputs, component = json.loads(Path("work.json").read_text())
inputs = {node: Path(path) for node, path in inputs.items()}
list(figure.execute([Work(name, spec, Path("out"), inputs, components={"figure": Path(component)})]))
"""
    environ = {
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONHASHSEED": "11",
        "TZ": "Asia/Tokyo",
        "HOME": str(tmp_path),
    }
    environ |= {"MATPLOTLIBRC": str(tmp_path), "MPLCONFIGDIR": matplotlib.get_configdir()}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environ, check=True)
    for suffix in ("csv", "json", "md", "png", "pdf"):
        name = f"{made.spec['artifact']}.{suffix}"
        assert (tmp_path / "out" / name).read_bytes() == (first / name).read_bytes(), name


def test_the_style_leaves_no_trace() -> None:
    before = dict(matplotlib.rcParams)
    with style.applied():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
    assert dict(matplotlib.rcParams) == before


# -- what is drawn is what is written


def test_fig2_csv_is_what_is_drawn(tmp_path: Path, second: Path) -> None:
    drawing = drawn(fig2(tmp_path))
    written = lines(second / "fig2.csv")
    assert len(written) == len(drawing.records)
    panels = drawing.figure.axes[:8]
    for number, wp in enumerate(("regular", "symmetric")):
        own = [row for row in written if row["wp"] == wp]
        for axes, quantity in zip(panels[number::2], ("f_eigenvalue", "wp_eigenvalue", "alignment"), strict=False):
            (bundle,) = (part for part in axes.collections if isinstance(part, LineCollection))
            seen = sorted(tuple(point) for segment in bundle.get_segments() for point in segment)
            told = [row for row in own if row["quantity"] == quantity]
            expected = sorted((float(row["trained_epochs"]), float(row["value"])) for row in told)
            assert sum(seen, ()) == pytest.approx(sum(expected, ()), rel=1e-5)
            assert len(bundle.get_segments()) == len({row["mode"] for row in told})
        for line, quantity in zip(panels[6 + number].lines, ("asymmetry", "smallest_eigenvalue"), strict=False):
            told = [row for row in own if row["quantity"] == quantity]
            assert list(line.get_xdata()) == [float(row["trained_epochs"]) for row in told] == [0.0, 4.0, 8.0]
            assert list(line.get_ydata()) == pytest.approx([float(row["value"]) for row in told], rel=1e-5)


def test_fig2_numbers_by_hand(second: Path) -> None:
    written = lines(second / "fig2.csv")
    at = {(r["wp"], r["trained_epochs"], r["quantity"], r["mode"]): r["value"] for r in written}
    assert at["regular", "4", "f_eigenvalue", "4"] == "0.00625"
    assert at["regular", "4", "smallest_eigenvalue", ""] == "-0.03125"
    assert at["symmetric", "0", "alignment", "2"] == "0"
    assert ("regular", "4", "f_eigenvalue", "6") not in at, "negative by rounding: no place on a log axis"
    assert ("regular", "4", "alignment", "5") not in at, "only the leading four were asked for"
    assert {(r["dataset"], r["paper_dataset"], r["seed"], r["scale"]) for r in written} == {
        ("digits", "stl10", "0", "quick")
    }


def test_fig2_draws_epochs_that_share_a_milestone_once(tmp_path: Path) -> None:
    made = fig2(tmp_path)
    for entry in made.spec["cells"]:
        if entry["epochs"] == 50:
            entry["trained_epochs"] = 0
            entry["nodes"] = [f"measurements/local-{entry['axes']['wp']}-0-stl10/seed0/epoch0000/linear_probe-0"]
    records = drawn(made).records
    epochs = {record["trained_epochs"] for record in records}
    marks = [r for r in records if r["quantity"] == "asymmetry" and r["wp"] == "regular"]
    assert epochs == {0, 8} and len(marks) == 2


def test_fig6_csv_is_what_is_drawn(tmp_path: Path, sixth: Path) -> None:
    (axes,) = drawn(fig6(tmp_path)).figure.axes
    written = lines(sixth / "fig6.csv")
    means = [line for line in axes.lines if line.get_marker() == "o"]
    for number, name in enumerate(("stl10", "cifar10")):
        own = [row for row in written if row["paper_dataset"] == name]
        told = {what: [float(r["value"]) for r in own if r["quantity"] == what] for what in ("mean", "std", "seed")}
        assert list(means[number].get_xdata()) == ALPHAS
        assert list(means[number].get_ydata()) == pytest.approx(told["mean"], rel=1e-5)
        band = axes.collections[number].get_paths()[0].vertices
        for alpha, mean, std in zip(ALPHAS, told["mean"], told["std"], strict=True):
            heights = [y for x, y in band if x == alpha]
            assert (min(heights), max(heights)) == pytest.approx((mean - std, mean + std), rel=1e-5)
        colour = means[number].get_color()
        dots = [line for line in axes.lines if line.get_marker() == "." and line.get_color() == colour]
        assert [y for line in dots for y in line.get_ydata()] == pytest.approx(told["seed"], rel=1e-5)
    first = [row for row in written if row["paper_dataset"] == "stl10" and row["alpha_p"] == "1.0"]
    assert [(row["quantity"], row["seed"], row["value"]) for row in first] == [
        ("mean", "", "41"), ("std", "", "1.41421"), ("seed", "0", "40"), ("seed", "1", "42"),
    ]  # fmt: skip


def test_fig6_draws_published_points(tmp_path: Path) -> None:
    published = [{"dataset": "stl10", "alpha_p": "2", "value": "60.5", "std": "", "unit": "%"}]
    drawing = drawn(fig6(tmp_path, published=published))
    diamonds = [line for line in drawing.figure.axes[0].lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert [(line.get_xdata(), line.get_ydata()) for line in diamonds] == [([2.0], [60.5])]
    assert [r["value"] for r in drawing.records if r["quantity"] == "published"] == [60.5]
    assert "diamonds" in drawing.caption


def test_page_has_picture_caption_table_and_verdicts(sixth: Path) -> None:
    page = (sixth / "fig6.md").read_text(encoding="utf-8")
    assert page.startswith("# Figure 6: Relative rate\n") and "![Relative rate](fig6.png)" in page
    assert "Bands: one standard deviation" in page and "digits stands for stl10" in page
    assert "| stl10   | 41.0 ± 1.4 (2) |" in page
    assert "- **shown**: It rises (2 of 2 parts)\n  - stl10: rank correlation +1.00 ± 0.35" in page


# -- what is missing


def test_fig6_with_gaps(tmp_path: Path) -> None:
    out = build(fig6(tmp_path, lost=True))
    at = {(row["paper_dataset"], row["alpha_p"], row["quantity"]): row["value"] for row in lines(out / "fig6.csv")}
    assert at["stl10", "2.0", "mean"] == "44" and ("stl10", "2.0", "std") not in at
    assert ("stl10", "4.0", "mean") not in at and ("cifar10", "16.0", "mean") not in at
    page = (out / "fig6.md").read_text(encoding="utf-8")
    assert "stl10, alpha_p 2.0 (1 of 2 seeds diverged); stl10, alpha_p 4.0 (2 of 2 seeds diverged)" in " ".join(
        page.split()
    )
    assert "- not among the data sets (1 cell)" in page


@pytest.mark.parametrize("make", [fig2, fig6])
def test_nothing_measured_is_an_empty_figure(tmp_path: Path, make: Any) -> None:
    made = make(tmp_path)
    for entry in made.spec["cells"]:
        entry.update(missing="not among the data sets", nodes=[], dataset="")
    assert drawn(made).records == []


def test_fig2_of_a_run_that_diverged(tmp_path: Path) -> None:
    node = "measurements/local-regular-100-stl10/seed0/epoch0008/linear_probe-0"
    out = build(fig2(tmp_path, scores={node: DIVERGED}))
    epochs = {(row["wp"], row["trained_epochs"]) for row in lines(out / "fig2.csv")}
    assert ("regular", "8") not in epochs and ("symmetric", "8") in epochs
    assert "regular, 100 epochs (1 of 1 seeds diverged)" in (out / "fig2.md").read_text(encoding="utf-8")


# -- legible


def texts(drawing: Drawing) -> list[Text]:
    found = drawing.figure.findobj(lambda part: isinstance(part, Text))
    return [part for part in found if part.get_visible() and part.get_text().strip()]


@pytest.mark.parametrize("make", [fig2, fig6])
def test_text_is_large_enough_and_inside(tmp_path: Path, make: Any) -> None:
    drawing = drawn(make(tmp_path))
    box = drawing.figure.bbox
    axes = [axis for panel in drawing.figure.axes for axis in (panel.xaxis, panel.yaxis)]
    ticks = [tick for axis in axes for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())]
    labels = {label for tick in ticks for label in (tick.label1, tick.label2)}
    for text in texts(drawing):
        assert text.get_fontsize() >= style.SMALL
        if text not in labels:  # ticks beyond the limits keep a label that is not drawn
            extent = text.get_window_extent()
            assert extent.x0 >= -1 and extent.y0 >= -1, text.get_text()
            assert extent.x1 <= box.x1 + 1 and extent.y1 <= box.y1 + 1, text.get_text()
    assert not printing.crossings(drawing)


def test_names_of_lines_do_not_overlap(tmp_path: Path) -> None:
    made = fig6(tmp_path)
    rows, _ = read(made)
    for row in rows:
        row.seeds = {0: 50.0, 1: 50.5}
    with style.applied():
        drawing = directpred_fig6.draw(rows, made.spec)
        FigureCanvasAgg(drawing.figure)
        drawing.figure.draw_without_rendering()
    first, other = [text.get_window_extent() for text in texts(drawing) if "(" in text.get_text()
                    and text.get_text().startswith(("stl10", "cifar10"))]  # fmt: skip
    assert not first.overlaps(other)


def test_apart() -> None:
    assert apart([1.0, 5.0], 2.0) == [1.0, 5.0]
    assert apart([3.0, 3.0], 2.0) == pytest.approx([2.0, 4.0])
    found = apart([5.0, 1.0, 1.1, 1.2, 4.9], 1.0)
    order = sorted(found)
    assert all(b - a > 0.998 for a, b in itertools.pairwise(order))
    assert sorted(range(5), key=found.__getitem__) == [1, 2, 3, 4, 0], "the order is kept"


def test_texts_are_as_wide_in_the_file_as_they_were_when_they_were_laid_out(tmp_path):
    names = ["airplane", "automobile", "bird", "truck"]
    with style.applied():
        drawn = Figure(figsize=(3.3, 1.75))
        for number, axes in enumerate(drawn.subplots(1, 2)):
            axes.set_axis_off()
            axes.imshow(np.full((40, 40), 0.5), cmap="gray", vmin=0, vmax=1)
            for line, name in enumerate(names if number == 0 else []):
                axes.text(-1, 10 * line + 5, name, ha="right", va="center", fontsize=style.SMALL)
        figure._save(Drawing(drawn, [], [], ""), tmp_path / "x", "x", {"pipeline:artifact": "x"})
    with Image.open(tmp_path / "x.png") as picture:
        ink = np.asarray(picture.convert("L")).min(axis=0) < 200
    assert 3 <= np.flatnonzero(ink)[0] <= 12, "the longest name begins at the edge, and not beyond it"
