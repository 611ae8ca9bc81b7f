"""Images in results: a figure reads prepared arrays, its key holds their hash, and its caption names their licence."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.artifacts.images import Images
from pipeline.engine.executor import Executor
from pipeline.engine.grouping import jobs_of
from pipeline.engine.state import States
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.errors import UserError
from pipeline.ledger.families import PREPARE
from pipeline.ledger.sources import Folder
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.key_files import key_files
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance import recompute
from pipeline.provenance.chain import walk

PAPER = """
paper: theirs
title: A gallery
authors: Nobody
year: 2024
artifacts:
  gallery:
    title: Digits
    kind: figure
    draw: {kind: gallery, lines: 2}
    images: {dataset: digits, split: test}
"""
DRAW = '''
"""The first images of a data set."""
from matplotlib.figure import Figure
from pipeline.artifacts import images as pictures
from pipeline.artifacts.drawing import Drawing


def draw(rows, params, images, *, lines: int = 2):
    figure = Figure(figsize=(1.0, 0.7))
    indices = [range(4 * row, 4 * row + 4) for row in range(lines)]
    records = pictures.grid(figure, images, indices, [f"row {k}" for k in range(lines)])
    return Drawing(figure, ["row", "place", "index"], records, "The first of them.")
'''
DATASETS = """
unlicensed:
  title: Of unknown terms
  source: {kind: digits, size: 8, train: 20, test: 10, seed: 0}
  classes: 10
many:
  title: In many files
  source: {kind: imagenet, keep: shards}
  licence: MIT
"""
STEM = "results/tiny/theirs/gallery"


def declare(folder: Path, paper: str = PAPER) -> Catalogue:
    """A folder of the user's own with a figure of images."""
    (folder / "figures").mkdir(parents=True)
    (folder / "paper.yaml").write_text(paper)
    (folder / "figures/gallery.py").write_text(DRAW)
    (folder / "datasets.yaml").write_text(DATASETS)
    return Catalogue(Options(scale="tiny", extend=str(folder)))


def planned(known: Catalogue) -> Plan:
    """The plan of the figure."""
    request = known.request(f"{STEM}.csv")
    assert request is not None
    return Plan(known, [request])


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> tuple[Path, Plan]:
    """The figure, built through the executor."""
    root = tmp_path_factory.mktemp("gallery")
    with contextlib.chdir(root):
        plan = planned(declare(root / "theirs"))
        states = States(plan, Workspace(root))
        sync_key_files(states, jobs_of(states).values())
        for node in plan.nodes():
            Executor(Workspace(root)).run([node])
    return root, plan


def test_images_are_shown_by_index_with_their_licence(gallery):
    root, plan = gallery
    about = plan.artifacts[STEM].params["images"]
    page = " ".join((root / f"{STEM}.md").read_text().split())
    licence = plan.catalogue.datasets["digits"].licence
    assert (
        f"The first of them. Images: Handwritten digits of scikit-learn, 8x8, split test. Licence: {licence}." in page
    )
    arrays = load_file(root / about["node"] / "arrays.safetensors")
    images = Images(root / about["node"], about)
    assert len(images) == len(arrays["test_images"]) == 500
    for index in (0, 3, 499):
        assert np.array_equal(images.picture(index), arrays["test_images"][index].transpose(1, 2, 0))
        assert images.label(index) == arrays["test_labels"][index]
    rows = (root / f"{STEM}.csv").read_text().splitlines()
    assert rows[0] == "paper,artifact,row,place,index,quantity,value,scale,flavour" and len(rows) == 9
    assert rows[-1] == f"theirs,gallery,row 1,4,7,label,{arrays['test_labels'][7]},tiny,paper"
    with pytest.raises(UserError, match="digits, split test: expected an index from 0 to 499, found 500"):
        images.picture(500)


def test_the_hash_of_the_images_is_in_the_key(gallery):
    root, plan = gallery
    receipt = json.loads((root / f"{STEM}.receipt.json").read_text())
    (entry,) = receipt["inputs"].values()
    assert Node(entry["node"]).family is PREPARE and entry["files"] == ["arrays.safetensors", "meta.json"]
    chain = walk(Folder(root), [STEM])
    assert not chain.findings and list(chain.links) == [entry["node"], STEM]
    from pipeline.ledger.fingerprint import Fingerprints

    key = key_files(plan, Fingerprints())[Node(STEM).key]
    assert receipt["key"] in key.keys_of({entry["node"]: entry["content"]}, None, None)
    assert receipt["key"] not in key.keys_of({entry["node"]: "0" * 64}, None, None)


def test_it_is_drawn_again_where_the_images_are_and_only_counted_where_not(gallery):
    root, _ = gallery
    receipt = json.loads((root / f"{STEM}.receipt.json").read_text())
    component = {"figure": root / "theirs/figures/gallery.py"}

    def read(path: str) -> bytes | None:
        return (root / path).read_bytes() if (root / path).is_file() else None

    again = recompute.again(receipt, {}, read, component, lambda node: root / node)
    assert again["code"] and not again["note"] and not again["told"]
    assert again["files"] == {name: entry["sha256"] for name, entry in receipt["outputs"].items()}
    without = recompute.again(receipt, {}, read, component)
    assert set(without["files"]) == {"gallery.json"} and not without["told"]
    assert without["files"]["gallery.json"] == receipt["outputs"]["gallery.json"]["sha256"]
    assert without["note"].startswith("without the images of digits, which are not here")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "dataset: digits",
            "dataset: unlicensed",
            "unlicensed has no licence, which a figure with its images must name",
        ),
        (
            "dataset: digits",
            "dataset: many",
            "expected a data set whose images lie in one file, which figures read, found many; show those of another one",
        ),
        ("dataset: digits", "dataset: digit", "there is no data set called 'digit'"),
        ("kind: figure\n", "kind: table\n", "expected measure, simulation or configuration, one of them"),
        ("split: test", "split: all", "images.split: expected"),
    ],
)
def test_what_cannot_be_shown(tmp_path, old, new, message):
    with pytest.raises(UserError) as caught:
        planned(declare(tmp_path / "theirs", PAPER.replace(old, new)))
    assert message in str(caught.value) and "\n" not in str(caught.value)
