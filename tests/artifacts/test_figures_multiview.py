"""Curves of many views: panels of data sets that a scale leaves out say so, and lose no line of the legend."""

from __future__ import annotations

import printing
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pipeline.artifacts import style
from pipeline.artifacts.drawing import Drawing
from pipeline.artifacts.rows import CELL, Row
from pipeline.papers.multiview.figures import curves, frontier, widths

PARAMS = {"scale": {"key": "quick"}, "measure": {"title": "linear probe", "unit": "%"}}
SETTINGS = ("2 views", "4 views", "VICReg, 2 views")


def rows(measured: str) -> list[Row]:
    """Three settings on two data sets, of which one is measured."""
    return [
        Row(
            {"setting": setting, "dataset": name, "epochs": epochs}, CELL, dataset=name, paper_dataset=name,
            trained_epochs=epochs, seeds={0: 20.0 + number + epochs, 1: 22.0 + number + epochs} if name == measured else {},
            missing=None if name == measured else "not run",
        )
        for name in ("cifar10", "stl10")
        for number, setting in enumerate(SETTINGS)
        for epochs in (5, 10)
    ]  # fmt: skip


@pytest.mark.parametrize("measured", ["cifar10", "stl10"])
def test_a_data_set_that_is_left_out_is_told_in_its_panel(measured: str) -> None:
    with style.applied():
        drawing: Drawing = curves.draw(rows(measured), PARAMS)
        FigureCanvasAgg(drawing.figure)
    panels = {panel.get_title(): panel for panel in drawing.figure.axes}
    for name, panel in panels.items():
        assert [text.get_text() for text in panel.texts if text.get_text()] == (
            [] if name == measured else ["not measured"]
        )
        assert len(panel.get_xticks()) > 0 if name == measured else len(panel.get_xticks()) == 0
    (legend,) = drawing.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(SETTINGS)
    assert not printing.crossings(drawing)


@pytest.mark.parametrize("measured", ["cifar10", "stl10"])
def test_so_it_is_with_widths(measured: str) -> None:
    choices = ("Barlow Twins, fixed", "Barlow Twins, optimal")
    found = [
        Row(
            {"choice": choice, "dataset": name, "pdim": pdim}, CELL, dataset=name, paper_dataset=name, trained_epochs=8,
            seeds={0: 20.0 + place, 1: 22.0 + place} if name == measured else {},
            missing=None if name == measured else "not run",
        )
        for name in ("cifar10", "stl10")
        for choice in choices
        for place, pdim in enumerate((64, 256, 1024))
    ]  # fmt: skip
    with style.applied():
        drawing = widths.draw(found, PARAMS)
        FigureCanvasAgg(drawing.figure)
    told = {
        panel.get_title(): [text.get_text() for text in panel.texts if text.get_text()] for panel in drawing.figure.axes
    }
    assert told == {name: [] if name == measured else ["not measured"] for name in ("cifar10", "stl10")}
    (legend,) = drawing.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(choices)
    assert not printing.crossings(drawing)


def test_points_of_the_frontier_have_names_beside_each_other() -> None:
    found = [
        Row(
            {"setting": f"{views} views, {share} %", "dataset": "cifar10", "epochs": 100, "measure": measure}, CELL,
            dataset="cifar10", paper_dataset="cifar10", trained_epochs=8, seeds={0: value, 1: value},
        )
        for views in (2, 4, 8)
        for share in (25, 50, 75)
        for measure, value in (("patches", 20.0 + views / 10 + share / 100), (curves.MINUTES, 0.01 + 1e-5 * share))
    ]  # fmt: skip
    with style.applied():
        drawing = frontier.draw(found, PARAMS)
        FigureCanvasAgg(drawing.figure)
    named = [text.get_text() for text in drawing.figure.axes[0].texts]
    assert len(named) == 9 and not printing.crossings(drawing)
