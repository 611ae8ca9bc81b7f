"""Figures in motion: their bytes follow from what is drawn, and they go wherever the figure goes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Project, copy_project
from matplotlib.figure import Figure
from PIL import Image

from pipeline import components
from pipeline.artifacts import animation, style
from pipeline.artifacts.animation import Animation
from pipeline.artifacts.rows import CELL, Row
from pipeline.errors import UserError
from pipeline.ledger.workspace import Workspace
from pipeline.papers.directpred.figures import fig3 as directpred_fig3
from pipeline.papers.multiview.figures import toyB4 as multiview_toyB4
from pipeline.papers.stepwise.figures import fig1ab as stepwise_fig1ab
from pipeline.provenance import audit, identify

CARRIED = {identify.ARTIFACT: "results/quick/theirs/decay", identify.KEY: "0123456789abcdef" * 4}


def decay(count: int = 12) -> Animation:
    """A point that falls along a curve."""
    with style.applied():
        figure = Figure(figsize=(3.3, 2.0))
        axes = figure.subplots()
        time = np.linspace(0, 3, count)
        axes.plot(time, np.exp(-time), color="0.7")
        (point,) = axes.plot([], [], "o")

    def draw(number: int) -> list:
        point.set_data(time[number : number + 1], np.exp(-time[number : number + 1]))
        return [point]

    return Animation(figure, draw, count, seconds=3.0, pause=2.0)


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")))
        return found


def test_the_same_drawing_gives_the_same_bytes(tmp_path):
    animation.write(tmp_path / "a.gif", decay(), CARRIED)
    animation.write(tmp_path / "b.gif", decay(), CARRIED)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    moved = decay()
    moved.figure.axes[0].set_xlabel("t")
    animation.write(tmp_path / "c.gif", moved, CARRIED)
    assert (tmp_path / "a.gif").read_bytes() != (tmp_path / "c.gif").read_bytes()


def test_it_loops_for_ever_and_pauses_on_the_last_frame(tmp_path):
    path = tmp_path / "a.gif"
    animation.write(path, decay(), CARRIED)
    with Image.open(path) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (12, (660, 400), 0)
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            durations.append(image.info["duration"])
    assert durations == [250] * 11 + [2250]
    assert identify.identity(path) == CARRIED


def test_only_what_moves_changes_and_white_is_white(tmp_path):
    animation.write(tmp_path / "a.gif", decay(), CARRIED)
    found = frames(tmp_path / "a.gif")
    assert all((frame[0, 0] == 255).all() for frame in found)
    blue = np.array([0x00, 0x72, 0xB2])
    places = [np.argwhere((frame == blue).all(-1)).mean(0) for frame in found]
    assert (np.diff(places, axis=0) > 0).all(), "the point goes right and down, and leaves nothing behind"
    differ = (found[0] != found[-1]).any(-1)
    assert 0 < differ.sum() < 800, "at 200 dots per inch"


@pytest.mark.parametrize("count", [0, 1, animation.MAX_FRAMES + 1])
def test_too_few_and_too_many_frames_are_refused(tmp_path, count):
    with pytest.raises(UserError, match=r"a\.gif: Animation\.count: expected 2 to 48 frames, found \d+$"):
        animation.write(tmp_path / "a.gif", decay(count), CARRIED)
    assert not (tmp_path / "a.gif").exists()


# -- those of the papers

COMPONENTS = {
    "directpred/fig3": (directpred_fig3, {}),
    "multiview/toyB4": (multiview_toyB4, {"replications": 2, "draws": 20, "long": 30.0}),
    "stepwise/fig1ab": (stepwise_fig1ab, {"replications": 1}),
}


@pytest.mark.parametrize("name", [pytest.param("directpred/fig3", marks=pytest.mark.slow), *list(COMPONENTS)[1:]])
def test_animations_of_the_papers_are_small_and_go_somewhere(tmp_path, name):
    component, options = COMPONENTS[name]
    module = components.load(components.find("simulation", name))
    curves = module.simulate(**options).curves
    rows = [Row({"eta": eta}, CELL, "", "", 0) for eta in (0.0, 0.01, 1.0)] if name == "directpred/fig3" else []
    with style.applied():
        moving = component.draw(rows, {}, curves).animation
        animation.write(tmp_path / "a.gif", moving, CARRIED)
    found = frames(tmp_path / "a.gif")
    assert len(found) == moving.count == 40, "no two frames in a row are equal"
    assert found[0].shape[1] == 660
    assert (tmp_path / "a.gif").stat().st_size < 1.5e6
    assert (found[0] != found[-1]).any(-1).sum() > 1000


# -- in a project

PAPER = """
paper: theirs
title: A theory of theirs
authors: somebody
year: 2027
artifacts:
  moving:
    title: Decay of a mode in time
    kind: figure
    draw: moving
    simulation: {kind: decay}
    quantity: value at the end
    rows: {rate: [1.0]}
    fixed: {quantity: end}
  still:
    title: Decay of a mode in time
    kind: figure
    draw: still
    simulation: {kind: decay}
    quantity: value at the end
    rows: {rate: [1.0]}
    fixed: {quantity: end}
"""

SIMULATION = '''
"""Exponential decay."""

import numpy as np

from pipeline.simulation.records import Simulation


def simulate(*, rate: float = 1.0) -> Simulation:
    """A mode x' = -rate x from 1."""
    made = Simulation()
    made.curves["x"] = np.exp(-rate * np.linspace(0.0, 3.0, 8))
    made.add(made.curves["x"][-1], rate=rate, quantity="end")
    return made
'''

FIGURE = '''
"""A decay."""

from matplotlib.figure import Figure

from pipeline.artifacts.animation import Animation
from pipeline.artifacts.drawing import Drawing


def draw(rows, params, curves, *, width: float = 3.0):
    """One line."""
    stills = [Figure(figsize=(width, 2.0)) for _ in range(2)]
    lines = [figure.subplots().plot(curves["x"])[0] for figure in stills]

    def frame(number):
        lines[1].set_data(range(number + 1), curves["x"][: number + 1])
        return lines[1:]

    records = [{"step": k, "quantity": "x", "value": float(x)} for k, x in enumerate(curves["x"])]
    return Drawing(stills[0], ["step"], records, "Decay.", Animation(stills[1], frame, 8))
'''

CONFIG = ("--config", "scale=tiny", "extend=theirs")
MOVING, STILL = "results/tiny/theirs/moving", "results/tiny/theirs/still"
DROPPED = (', "Decay.", Animation(stills[1], frame, 8))', ', "Decay.")')


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("animation") / "project")
    assert DROPPED[0] in FIGURE
    files = {
        "papers/theirs.yaml": PAPER,
        "simulations/decay.py": SIMULATION,
        "figures/moving.py": FIGURE,
        "figures/still.py": FIGURE.replace(*DROPPED),
    }
    for name, text in files.items():
        path = project.root / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project.snakemake(f"{MOVING}.csv", f"{STILL}.csv", *CONFIG)
    return project


def test_the_receipt_lists_it_and_the_page_names_it(theirs):
    found = json.loads((theirs.root / f"{MOVING}.receipt.json").read_text())
    assert sorted(found["outputs"]) == [f"moving.{end}" for end in ("csv", "gif", "json", "md", "pdf", "png")]
    assert identify.identity(theirs.root / f"{MOVING}.gif")[identify.KEY] == found["key"]
    assert "\n\nIn motion: [moving.gif](moving.gif)\n" in (theirs.root / f"{MOVING}.md").read_text()


def test_a_figure_without_one_writes_none(theirs):
    found = json.loads((theirs.root / f"{STILL}.receipt.json").read_text())
    assert sorted(found["outputs"]) == [f"still.{end}" for end in ("csv", "json", "md", "pdf", "png")]
    assert not (theirs.root / f"{STILL}.gif").exists()
    assert "In motion" not in (theirs.root / f"{STILL}.md").read_text()


def test_a_lost_one_comes_back_without_drawing(theirs):
    path = theirs.root / f"{MOVING}.gif"
    content = path.read_bytes()
    path.unlink()
    assert not theirs.build(f"{MOVING}.csv", *CONFIG)
    assert path.read_bytes() == content


def test_a_copy_finds_its_receipt_and_a_changed_copy_is_named(theirs, tmp_path):
    workspace, copy = Workspace(theirs.root), tmp_path / "from_a_mail.gif"
    shutil.copy(theirs.root / f"{MOVING}.gif", copy)
    origin = identify.by_content(workspace, copy)
    assert (origin.node, origin.name) == (MOVING, "moving.gif")
    assert audit.audit(workspace, str(copy), origin, None).holds
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")
    assert not audit.audit(workspace, str(copy), identify.by_content(workspace, copy), None).holds


def test_the_site_shows_it_on_request_only(theirs):
    theirs.pipeline("site", *CONFIG)
    page = (theirs.root / "site/tiny/theirs/moving.html").read_text()
    before, _, after = page.partition("<details>\n<summary>In motion</summary>")
    assert 'src="moving.gif"' not in before and 'src="moving.gif"' in after.partition("</details>")[0]
    assert (theirs.root / "site/tiny/theirs/moving.gif").read_bytes() == (theirs.root / f"{MOVING}.gif").read_bytes()
    assert "In motion" not in (theirs.root / "site/tiny/theirs/still.html").read_text()


def test_its_path_as_a_target_is_told_what_to_type(theirs):
    done = theirs.snakemake(f"{MOVING}.gif", *CONFIG, check=False)
    line = f"{MOVING}.gif: an animation comes with its figure; type {MOVING}.png"
    assert done.returncode == 1 and line in done.stderr
    told = theirs.pipeline("audit", f"{MOVING}.gif", *CONFIG).stdout
    assert "everything holds" in told


@pytest.mark.slow
def test_a_bundle_carries_it_and_verify_draws_it_again(theirs):
    """Components of somebody's own are never run by verify: this one is made part of the checkout."""
    paper = theirs.root / "pipeline/papers/theirs"
    paper.mkdir()
    (paper / "__init__.py").touch()
    for category in ("figures", "simulations"):
        shutil.move(theirs.root / "theirs" / category, paper / category)
    declared = theirs.root / "theirs/papers/theirs.yaml"
    for name in ("moving", "still", "decay"):
        declared.write_text(re.sub(rf"(draw|simulation|kind): {name}\b", rf"\1: theirs/{name}", declared.read_text()))
    theirs.snakemake(f"{MOVING}.csv", *CONFIG)
    theirs.pipeline("bundle", f"{MOVING}.csv", "-o", "moving.zip", *CONFIG)
    told = theirs.pipeline("verify", "moving.zip", check=False).stdout
    assert "the same bytes (csv, gif, json, md, pdf, png)" in told and "NOT verified" not in told


@pytest.mark.slow
def test_none_stays_of_an_earlier_drawing(theirs):
    path = next(theirs.root.glob("*/**/figures/moving.py"))
    path.write_text(path.read_text().replace(*DROPPED))
    theirs.snakemake(f"{MOVING}.csv", *CONFIG)
    assert (theirs.root / f"{MOVING}.png").is_file() and not (theirs.root / f"{MOVING}.gif").exists()
