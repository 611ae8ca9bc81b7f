"""Figures of embedding norms of trained networks: what is drawn is what went in, legible in one column, gaps and all."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import printing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from safetensors.numpy import save_file

from pipeline.artifacts import bands, style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.images import Images
from pipeline.artifacts.lost import DIVERGED
from pipeline.artifacts.rows import CELL, Row
from pipeline.papers.embnorms.figures import along, buckets, extremes, splits

PARAMS = {"scale": {"key": "quick"}, "measure": {"title": "norms", "unit": ""}}
SPLITS = ("CIFAR-10 train", "CIFAR-10 test", "CIFAR-100 train", "CIFAR-100 test")
MEASURES = [name for split in SPLITS for name in (split, f"{splits.QUANTILES}{split}")]
EPOCHS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
DECAYS = {"SimCLR": [0.0, 1e-5, 5e-2], "SimSiam": [0.0, 5e-4, 5e-2]}
CUTS = {method: [0.33, 1.0, 2.0, 4.0, 8.0] for method in ("SimCLR", "SimSiam", "BYOL")}
STAND_IN = {"dataset": "digits"}


def row(axes: dict[str, Any], *values: Any, **more: Any) -> Row:
    paper = str(axes.get("dataset", "cifar10"))
    about = {"role": CELL, "dataset": paper, "paper_dataset": paper, "trained_epochs": axes.get("epochs", 512), **more}
    return Row(axes, about.pop("role"), seeds=dict(enumerate(values)), **about)


def baseline() -> Row:
    """A row that no figure draws: with its data set and nothing else."""
    return row({"dataset": "cifar10"}, 99.0, role="raw pixels")


# -- rows


def norms(**more: Any) -> list[Row]:
    """Made-up norms of the four splits, of three seeds."""
    found = [baseline()]
    for method, dataset in itertools.product(("SimCLR", "SimSiam"), ("cifar10", "cifar100")):
        rng = np.random.default_rng(len(found))
        own = "CIFAR-10 " if dataset == "cifar10" else "CIFAR-100 "
        for split in SPLITS:
            mean = (1.0 if split.endswith("train") else 0.97) if split.startswith(own) else 0.8 + 0.02 * len(found) / 30
            sample = mean * np.exp(0.18 * rng.standard_normal(5000)) / math.exp(0.18**2 / 2)
            quantiles = np.quantile(sample, np.linspace(0, 1, 101)).tolist()
            at = {"method": method, "dataset": dataset}
            means = [mean, mean, mean] if mean == 1.0 else [mean - 0.01, mean, mean + 0.01]
            found.append(row({**at, "measure": split}, *means, **more))
            found.append(row({**at, "measure": f"{splits.QUANTILES}{split}"}, *[quantiles] * 3, **more))
    return found


def bucketed() -> list[Row]:
    """Made-up buckets, not of every combination, with the numbers of a trend beside them."""
    found = [baseline()]
    sets = {"accuracy by norm": ("cifar10", "cifar100", "imagenet100"), "agreement by norm": ("cifar10", "cifar100"),
            "entropy by norm": ("cifar10",)}  # fmt: skip
    centres = (np.arange(20) + 0.5) / 20
    for number, (measure, datasets) in enumerate(sets.items()):
        for method, dataset in itertools.product(("SimCLR", "SimSiam"), datasets):
            if (method, dataset) == ("SimSiam", "imagenet100"):
                continue
            shift = 0.05 * (method == "SimSiam") + 0.04 * len(dataset)
            count = np.round(5e4 * np.exp(-(((centres - 0.3 - shift / 2) / 0.14) ** 2)) / 7).astype(int)
            level = (60 + 30 * centres, 80 + 15 * centres, 0.9 - 0.6 * centres)[number] - 20 * shift * (number < 2)
            level = level - 0.08 * (number == 2 and method == "SimSiam")
            rough = level + (2.0, 1.0, 0.03)[number] * np.sin(40 * centres)
            value = [float(v) if n > 50 else None for v, n in zip(rough, count, strict=True)]
            made = {"norm": centres.tolist(), "count": count.tolist(), "value": value}
            unit = "bits" if number == 2 else "%"
            found.append(row({"method": method, "dataset": dataset, "measure": measure}, made, made, unit=unit))
            found.append(row({"method": method, "dataset": dataset, "measure": f"trend of {measure}"}, 0.9))
    return found


def tracks(line: str, ragged: dict[str, list[float]], **more: Any) -> list[Row]:
    """Made-up norms, accuracies and learning rates along training, of three seeds."""
    found = [baseline()]
    for method, values in ragged.items():
        for place, value in enumerate(values):
            for epochs in EPOCHS:
                share = math.log2(epochs + 1) / 8
                end = 0.4 + 2 * place if line == "cut" else (-0.3, 0.4, 5.0)[place]
                norm = (8.0 if method == "SimCLR" else 30.0) * 10 ** (
                    -end * share if line != "cut" else (share - end) / 3
                )
                accuracy = 30 + 55 * min(1.0, share * (0.7 + 0.2 * place)) - 30 * (line != "cut" and place == 2) * share
                rate = 0.03 * math.cos(math.pi * epochs / 512) / norm
                at = {"method": method, line: value, "epochs": epochs}
                for measure, number, unit, error in (
                    ("mean norm", norm, "", 0.15 * norm), ("accuracy", accuracy, "%", 2.0), ("effective learning rate", rate, "", rate / 5)
                ):  # fmt: skip
                    spread = [number - error, number, number + error]
                    found.append(row({**at, "measure": measure}, *spread, unit=unit, **more))
    return found


FIG5 = {
    "line": "weight_decay",
    "panels": ["mean norm", "accuracy"],
    "labels": ["mean norm", "$k$-nn accuracy in %"],
    "log": [],
}
FIGS3 = {
    "line": "weight_decay", "panels": ["mean norm", "accuracy", "effective learning rate"],
    "labels": ["mean norm", "$k$-nn accuracy in %", "learning rate / norm"], "log": ["mean norm", "effective learning rate"],
}  # fmt: skip
FIGS4 = {
    "line": "cut", "panels": ["mean norm", "accuracy"], "labels": ["mean norm", "$k$-nn accuracy in %"],
    "log": ["mean norm"], "legend": "cut constant",
}  # fmt: skip


def images(folder: Path) -> Images:
    """Twelve images of each of ten classes, each of one colour; the image is its own index."""
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    rng = np.random.default_rng(0)
    pictures = np.repeat(np.repeat(rng.integers(0, 256, (120, 3, 8, 8), dtype=np.uint8), 4, axis=2), 4, axis=3)
    labels = (np.arange(120) % 10).astype(np.int64)
    save_file({"train_images": pictures, "train_labels": labels}, folder / "arrays.safetensors")
    (folder / "meta.json").write_text(json.dumps({"name": "cifar10", "classes": classes}))
    about = {"title": "CIFAR-10", "licence": "none", "dataset": "cifar10", "split": "train"}
    return Images(folder, about)


LARGEST = [[label + 10 * k for k in range(10)] for label in range(10)]
SMALLEST = [[label + 10 * k for k in range(11, 1, -1)] for label in range(10)]


def extreme(**more: Any) -> list[Row]:
    made = zip(extremes.SIDES, (LARGEST, SMALLEST), strict=True)
    return [baseline(), *(row({"method": "SimCLR", "measure": side}, one, one, **more) for side, one in made)]


# -- drawn


def laid_out(draw: Callable[..., Drawing], rows: list[Row], *more: Any, **options: Any) -> Drawing:
    with style.applied():
        drawing = draw(rows, PARAMS, *more, **options)
        FigureCanvasAgg(drawing.figure)
        drawing.figure.draw_without_rendering()
    return drawing


STOOD_IN = {"dataset": "digits", "instead": {"encoder.kind": ["resnet50", "resnet18"]}}
PICTURES = ("figS6", "figS6 stood in")
LOOKS: dict[str, Callable[..., Drawing]] = {
    "fig3": lambda: laid_out(splits.draw, norms()),
    "figS5": lambda: laid_out(splits.draw, norms(**STOOD_IN), shape="bars"),
    "fig4": lambda: laid_out(buckets.draw, bucketed()),
    "fig5": lambda: laid_out(along.draw, tracks("weight_decay", DECAYS), **FIG5),
    "figS3": lambda: laid_out(along.draw, tracks("weight_decay", DECAYS, **STOOD_IN), **FIGS3),
    "figS4": lambda: laid_out(along.draw, tracks("cut", CUTS), **FIGS4),
    "figS6": lambda folder: laid_out(extremes.draw, extreme(), images(folder)),
    "figS6 stood in": lambda folder: laid_out(extremes.draw, extreme(**STOOD_IN), images(folder)),
}


@pytest.fixture(params=LOOKS)
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> Drawing:
    make = LOOKS[request.param]
    return make(tmp_path) if request.param in PICTURES else make()


def test_nothing_overlaps_or_leaves_the_page(shown: Drawing) -> None:
    texts, page = printing.seen(shown), shown.figure.bbox
    assert page.width == pytest.approx(3.3 * shown.figure.dpi) and len(texts) > 10
    for text, box in texts:
        assert box.x0 >= -0.5 and box.y0 >= -0.5 and box.x1 <= page.x1 + 0.5 and box.y1 <= page.y1 + 0.5, text
    assert not printing.crossings(shown)
    sizes = [part.get_fontsize() for part in shown.figure.findobj(lambda part: isinstance(part, Text))]
    assert min(sizes) >= style.SMALL


def test_what_stands_in_is_said(shown: Drawing, request: pytest.FixtureRequest) -> None:
    said = shown.figure.get_suptitle()
    told = request.node.callspec.params["shown"] in ("figS5", "figS3", "figS6 stood in")
    assert ("digits for cifar10" in said) is told, said


def test_records_have_their_columns_and_are_all_different(shown: Drawing) -> None:
    assert shown.records and shown.caption.endswith(".")
    for record in shown.records:
        assert set(record) - {"quantity", "value"} <= set(shown.columns)
    places = [tuple((name, record[name]) for name in sorted(record) if name != "value") for record in shown.records]
    assert len(set(places)) == len(places)


def of(records: Iterable[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    return [one for one in records if all(one.get(name) == value for name, value in wanted.items())]


# -- splits


@pytest.mark.parametrize("shape", ["violins", "bars"])
def test_splits_are_the_rows(shape: str) -> None:
    rows = norms()
    drawing = laid_out(splits.draw, rows, shape=shape)
    percents = [10, 90] if shape == "bars" else list(range(101))
    for one in rows[1:]:
        name = str(one.axes["measure"])
        at = {
            "method": one.axes["method"],
            "dataset": one.axes["dataset"],
            "split": name.removeprefix(splits.QUANTILES),
        }
        if name in SPLITS:
            (mean,) = of(drawing.records, quantity="mean", **at)
            (std,) = of(drawing.records, quantity="std", **at)
            assert (mean["value"], std["value"]) == (pytest.approx(np.mean(one.values)), pytest.approx(one.std))
        else:
            told = of(drawing.records, quantity="quantile", seed=0, **at)
            assert [record["percent"] for record in told] == percents
            assert [record["value"] for record in told] == pytest.approx([one.seeds[0][k] for k in percents])
    assert len(drawing.records) == 16 * (2 + len(percents))
    panels = drawing.figure.axes
    assert [panel.get_title() for panel in panels] == [
        f"{method}, trained on {name}" for name in ("CIFAR-10", "CIFAR-100") for method in ("SimCLR", "SimSiam")
    ]
    for number, panel in enumerate(panels):
        numbers = [text for text in panel.texts if text.get_text()]
        own = of(drawing.records, quantity="mean", method=("SimCLR", "SimSiam")[number % 2],
                 dataset=("cifar10", "cifar100")[number // 2])  # fmt: skip
        assert [text.get_text() for text in numbers] == [f"{record['value']:.3f}" for record in own]
        bold = [text.get_text() for text in numbers if text.get_fontweight() == "bold"]
        assert bold == ["1.000"], "the training split"
        black = [line for line in panel.lines if line.get_color() == "black" and len(set(line.get_xdata())) == 2]
        assert [line.get_ydata()[0] for line in black] == [record["value"] for record in own]


def test_violins_have_one_area_and_bars_begin_at_zero() -> None:
    violins = laid_out(splits.draw, norms()).figure.axes[1]
    shapes = [part.get_paths()[0].vertices for part in violins.collections if isinstance(part, PolyCollection)]
    areas = [abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2 for x, y in (shape.T for shape in shapes)]
    assert len(areas) == 4 and areas == pytest.approx([areas[0]] * 4, rel=0.03)
    for shape in shapes:
        middle = (shape[:, 0].max() + shape[:, 0].min()) / 2
        sides = [set(np.round(side, 9)) for side in (shape[:, 0] - middle, middle - shape[:, 0])]
        assert sides[0] == sides[1] and len(sides[0]) > 100
    panel = laid_out(splits.draw, norms(), shape="bars").figure.axes[0]
    assert panel.get_ylim()[0] == 0 and [bar.get_y() for bar in panel.patches] == [0.0] * 4
    assert [bar.get_height() for bar in panel.patches][:2] == [1.0, pytest.approx(0.97)]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 2), min_size=101, max_size=101).map(sorted))
def test_density_is_one_on_the_whole_and_lies_where_the_quantiles_do(quantiles: list[float]) -> None:
    q = np.asarray(quantiles)
    values, heights = splits.density(q, 2000)
    assert values[0] == q[0] and values[-1] == q[-1] and (heights >= 0).all()
    if q[-1] - q[0] > 1e-3:
        area = float(np.sum((heights[1:] + heights[:-1]) / 2 * np.diff(values)))
        assert area == pytest.approx(1, abs=0.02)


def test_density_of_a_normal_distribution() -> None:
    q = np.quantile(np.random.default_rng(0).normal(1, 0.1, 100_000), np.linspace(0, 1, 101))
    values, heights = splits.density(q)
    exact = np.exp(-(((values - 1) / 0.1) ** 2) / 2) / (0.1 * math.sqrt(2 * math.pi))
    assert np.abs(heights - exact).max() < 0.05 * exact.max()
    values, heights = splits.density(np.ones(101))
    assert np.isfinite(heights).all() and (values == 1).all()


# -- buckets


def test_buckets_are_those_that_have_a_value() -> None:
    rows = bucketed()
    drawing = laid_out(buckets.draw, rows)
    expected = []
    for one in rows:
        if one.axes.get("measure") not in buckets.PANELS:
            continue
        made = one.seeds[0]
        at = {**one.axes, "seed": 0}
        for norm, count, value in zip(made["norm"], made["count"], made["value"], strict=True):
            if value is not None:
                expected.append({**at, "norm": norm, "quantity": "value", "value": value})
                expected.append({**at, "norm": norm, "quantity": "count", "value": count})

    def ordered(records: list[dict[str, Any]]) -> list[Any]:
        return sorted((sorted(record.items()) for record in records), key=str)

    assert ordered(drawing.records) == ordered(expected)
    assert any(None in one.seeds[0]["value"] for one in rows if one.axes.get("measure") in buckets.PANELS)
    for panel, measure in zip(drawing.figure.axes, buckets.PANELS, strict=True):
        told = of(drawing.records, measure=measure, quantity="value")
        lines = [(x, y) for line in panel.lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]
        assert sorted(lines) == sorted((record["norm"], record["value"]) for record in told)
        marks = [part for part in panel.collections if isinstance(part, PathCollection)]
        assert len(marks) == len(panel.lines) == (5, 4, 2)[list(buckets.PANELS).index(measure)]
    largest = drawing.figure.axes[0].collections[0]
    counts = rows[1].seeds[0]["count"]
    shares = [n / sum(counts) for n in counts if n > 50]
    assert largest.get_sizes() / largest.get_sizes().sum() == pytest.approx(np.asarray(shares) / sum(shares))


# -- along


@pytest.mark.parametrize("options", [FIG5, FIGS3, FIGS4])
def test_lines_along_training_are_the_rows(options: dict[str, Any]) -> None:
    line, ragged = options["line"], CUTS if options["line"] == "cut" else DECAYS
    rows = tracks(line, ragged)
    drawing = laid_out(along.draw, rows, **options)
    wanted = [one for one in rows if one.axes.get("measure") in options["panels"]]
    expected = [{**one.axes, "epochs": int(one.axes["epochs"]), "quantity": name, "value": pytest.approx(value)}
                for one in wanted for name, value in (("mean", one.mean), ("std", one.std))]  # fmt: skip
    by_place = {
        tuple(str(record[name]) for name in (*drawing.columns, "quantity")): record for record in drawing.records
    }
    assert len(drawing.records) == len(expected) == len(by_place)
    for record in expected:
        assert by_place[tuple(str(record[name]) for name in (*drawing.columns, "quantity"))] == record
    panels = iter(drawing.figure.axes)
    for measure in options["panels"]:
        for method, values in ragged.items():
            panel = next(panels)
            seen = [list(drawn.get_ydata()) for drawn in panel.lines if len(drawn.get_xdata())]
            told = [[r["value"] for r in of(drawing.records, method=method, measure=measure, quantity="mean", **{line: v})]
                    for v in values]  # fmt: skip
            assert seen == told and len(told) == len(values)
            assert panel.get_yscale() == ("log" if measure in options["log"] else "linear")
            low, high = panel.get_xlim()
            assert low < 0 and high > 256, "epoch 0 has a place"
            bottom, top = panel.get_ylim()
            assert bottom < min(itertools.chain(*told)) or measure in options["log"]
            assert all(y < top and (y > bottom or y < top / 10**6) for y in itertools.chain(*told))
    (legend,) = drawing.figure.legends
    assert len(legend.get_texts()) == len({value for values in ragged.values() for value in values})


def test_lines_share_axes_where_numbers_are_of_a_kind() -> None:
    first, second, *accuracies = laid_out(along.draw, tracks("weight_decay", DECAYS), **FIG5).figure.axes
    assert first.get_ylim() != second.get_ylim(), "norms of networks that are not alike"
    assert accuracies[0].get_ylim() == accuracies[1].get_ylim(), "percents"


def test_what_is_zero_or_did_not_stay_finite_has_no_place_on_a_logarithmic_axis() -> None:
    rows = [one for one in tracks("weight_decay", DECAYS) if one.role == CELL]
    chosen = [one for one in rows if one.axes["weight_decay"] == 5e-2 and one.axes["method"] == "SimCLR"]
    for one in chosen:
        if one.axes["epochs"] >= 64:
            one.seeds = dict.fromkeys(one.seeds, DIVERGED)
        elif one.axes["epochs"] == 32:
            one.seeds = dict.fromkeys(one.seeds, 0.0)
        elif one.axes["epochs"] == 16:
            one.seeds = {0: 1e-9, 1: one.seeds[1], 2: DIVERGED}
    drawing = laid_out(along.draw, rows, **FIGS3)
    at = {"method": "SimCLR", "weight_decay": 5e-2, "quantity": "mean"}
    assert [r["epochs"] for r in of(drawing.records, measure="mean norm", **at)] == [0, 1, 2, 4, 8, 16]
    assert [r["epochs"] for r in of(drawing.records, measure="accuracy", **at)] == [0, 1, 2, 4, 8, 16, 32]
    means = [r["value"] for r in of(drawing.records, measure="mean norm", quantity="mean")]
    assert min(means) / 2 < drawing.figure.axes[0].get_ylim()[0] < min(means), "a band does not stretch the axis"


def test_a_norm_that_collapses_leaves_its_axis_and_squeezes_no_other() -> None:
    rows = tracks("weight_decay", {"SimCLR": [0.0, 5e-2]})
    last = [one for one in rows if one.axes.get("epochs") == 256 and one.axes["weight_decay"] == 5e-2]
    for one in last:
        one.seeds = {0: 1e-30}
    drawing = laid_out(along.draw, rows, **FIGS4 | {"line": "weight_decay"}, decades=4)
    bottom, top = drawing.figure.axes[0].get_ylim()
    assert top / bottom == pytest.approx(1e4) and "4 decades below" in drawing.caption
    at = {"weight_decay": 5e-2, "measure": "mean norm", "quantity": "mean"}
    assert of(drawing.records, **at)[-1] == {"method": "SimCLR", **at, "epochs": 256.0, "value": 1e-30}, "it is told"


def test_epochs_that_a_scale_has_put_together_are_one_point() -> None:
    rows = tracks("cut", {"SimCLR": [1.0, 2.0]})
    for one in rows:
        one.trained_epochs = {0: 0, 1: 1, 2: 1, 4: 1}.get(one.axes.get("epochs", 0), 3)
    drawing = laid_out(along.draw, rows, **FIGS4)
    told = of(drawing.records, cut=1.0, measure="mean norm", quantity="mean")
    assert [record["epochs"] for record in told] == [0, 1, 3]
    assert [tick.get_text() for tick in drawing.figure.axes[-1].get_xticklabels()] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-5, "$10^{-5}$"), (5e-4, r"$5\times10^{-4}$"), (0.05, "0.05"), ("5e-2", "0.05"), (1, "1"), (0.33, "0.33")],
)  # fmt: skip
def test_values_in_a_legend(value: Any, text: str) -> None:
    assert along.power(value) == text


# -- extremes


def test_images_are_those_of_the_indices(tmp_path: Path) -> None:
    shelf = images(tmp_path)
    drawing = laid_out(extremes.draw, extreme(), shelf)
    for side, indices in zip(extremes.SIDES, (LARGEST, SMALLEST), strict=True):
        told = of(drawing.records, side=side)
        assert [record["index"] for record in told] == [index for line in indices for index in line]
        assert [record["place"] for record in told] == [k + 1 for _ in indices for k in range(10)]
        assert all(record["row"] == shelf.classes[record["value"]] for record in told), "each in the row of its class"
        assert {(record["seed"], record["quantity"]) for record in told} == {(0, "label")}
    sides = []
    for axes, indices in zip(drawing.figure.axes, (LARGEST, SMALLEST), strict=True):
        places = itertools.product(range(10), range(10))
        for image, (line, place) in zip(axes.images, places, strict=True):
            assert np.array_equal(image.get_array(), shelf.picture(indices[line][place]))
            left, right, bottom, top = image.get_extent()
            assert (left, top) == (place, line) and right - left == pytest.approx(bottom - top), "a square in its place"
            sides.append(image.get_window_extent().width)
    assert sides == pytest.approx([sides[0]] * 200) and sides[0] > 0.12 * drawing.figure.dpi


def test_a_class_may_have_fewer_images_than_there_are_places(tmp_path: Path) -> None:
    rows = extreme()
    rows[1].seeds = {0: DIVERGED, 1: [[0, 10], [], *[[label] for label in range(2, 10)]]}
    told = of(laid_out(extremes.draw, rows, images(tmp_path)).records, side=extremes.SIDES[0])
    assert [record["index"] for record in told] == [0, 10, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [record["row"] for record in told][:3] == ["airplane", "airplane", "bird"]
    assert {record["seed"] for record in told} == {1}, "the first has nothing to show"


# -- gaps


@pytest.mark.parametrize("kind", ["none", "missing", "diverged"])
def test_nothing_measured_is_an_empty_figure(tmp_path: Path, kind: str) -> None:
    def lost(rows: list[Row]) -> list[Row]:
        for one in rows:
            one.seeds = dict.fromkeys(one.seeds, DIVERGED) if kind == "diverged" else {}
            one.missing = "not among the data sets" if kind == "missing" else None
        return rows if kind != "none" else rows[:1]

    for drawing in (
        laid_out(splits.draw, lost(norms())), laid_out(splits.draw, lost(norms()), shape="bars"),
        laid_out(buckets.draw, lost(bucketed())), laid_out(along.draw, lost(tracks("cut", CUTS)), **FIGS4),
        laid_out(extremes.draw, lost(extreme()), images(tmp_path)),
    ):  # fmt: skip
        assert drawing.records == []
        assert kind == "none" or "not measured" in [text for text, _ in printing.seen(drawing)]


def test_a_gap_is_no_mark_and_the_rest_stays() -> None:
    rows = [one for one in norms() if one.axes.get("method") != "SimSiam" or one.axes["dataset"] != "cifar100"]
    first = next(one for one in rows if one.axes.get("measure") == "CIFAR-10 test")
    first.seeds = {0: DIVERGED, 1: 0.5}
    for shape in ("violins", "bars"):
        drawing = laid_out(splits.draw, rows, shape=shape)
        at = {"split": "CIFAR-10 test", "method": "SimCLR", "dataset": "cifar10"}
        assert [r["value"] for r in of(drawing.records, quantity="mean", **at)] == [0.5]
        assert of(drawing.records, quantity="std", **at) == [], "there is none of one seed"
        assert len(of(drawing.records, quantity="mean")) == 12
        assert [text.get_text() for text in drawing.figure.axes[3].texts] == ["not measured"]


def test_points_of_a_band_by_hand() -> None:
    rows = [row({"epochs": 4}, 1.0, 3.0), row({"epochs": 0}, 5.0), row({"epochs": 8}, DIVERGED), row({"epochs": 16})]
    assert bands.by_epoch(rows) == [(0.0, 5.0, None), (4.0, 2.0, pytest.approx(math.sqrt(2)))]


def test_a_band_reaches_one_deviation_to_both_sides() -> None:
    axes = Figure().subplots()
    records = bands.draw_band(axes, [(0, 5.0, None), (4, 2.0, 0.5)], {"method": "a"}, "epochs", "black", marker="o")
    (line,), (band,) = axes.lines, axes.collections
    assert (list(line.get_xdata()), list(line.get_ydata()), line.get_marker()) == ([0, 4], [5.0, 2.0], "o")
    assert {tuple(point) for point in band.get_paths()[0].vertices} == {(0.0, 5.0), (4.0, 1.5), (4.0, 2.5)}
    assert [(r["epochs"], r["quantity"], r["value"]) for r in records] == [
        (0, "mean", 5.0), (4, "mean", 2.0), (4, "std", 0.5),
    ]  # fmt: skip
