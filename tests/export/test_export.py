"""Encoders for other code: those behind a cell, with the features that were measured; and folders that need no project."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forging
import pytest
import torch

import pipeline
from pipeline.__main__ import _parser
from pipeline.commands import _targets
from pipeline.data.arrays import Arrays
from pipeline.engine.executor import Executor
from pipeline.engine.grouping import jobs_of
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.errors import UserError
from pipeline.evaluation.neighbours import votes
from pipeline.export import card, code, folder, selection
from pipeline.ledger.sources import Folder
from pipeline.ledger.workspace import Workspace
from pipeline.provenance.chain import walk

PAPER = """
paper: theirs
title: Two encoders
authors: somebody
year: 2027
defaults:
  projector: {kind: mlp, hidden: 16, out: 8}
  predictor: none
  target: {kind: same, stop_gradient: false}
  objective: infonce
  views: {kind: simclr, scale_min: 0.5}
  optimizer: {kind: sgd, lr: 0.05}
  batch_size: 32
methods:
  shipped: {encoder: {kind: tiny_conv, channels: [4, 8], strides: [1, 2]}}
  own: {encoder: {kind: patches, width: 6}}
measures:
  knn: {measure: {kind: knn}, value: top1, unit: "%"}
artifacts:
  duel:
    title: One and the other
    rows: {method: [shipped, own]}
    columns: {epochs: [0, 1]}
    fixed: {dataset: marks}
    measure: knn
    seeds: 2
"""
DATASETS = """
marks: {title: Small shapes, source: {kind: shapes, train: 96, test: 64, size: 8},
  normalize: {mean: [0.5, 0.4, 0.5], std: [0.25, 0.2, 0.25]}}
"""
PATCHES = '''
"""Means of patches, mapped."""
from torch import nn
from pipeline.ranges import Width
from squares import squares


def build(image_shape, *, width: Width = 4):
    """Means of patches, mapped."""
    network = nn.Sequential(squares(2), nn.Flatten(), nn.Linear(image_shape[0] * 16, width), nn.BatchNorm1d(width))
    network.features = width
    return network
'''
SQUARES = "from torch import nn\n\n\ndef squares(side):\n    return nn.AvgPool2d(side)\n"
STEM = "results/theirs/theirs/duel"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with a table that was built in this process, of a shipped encoder and of one of the user's own."""
    made = tmp_path_factory.mktemp("export")
    for name, text in {
        "papers/theirs.yaml": PAPER,
        "datasets.yaml": DATASETS,
        "scales/theirs.yaml": "title: theirs\n",
        "encoders/patches.py": PATCHES,
        "encoders/squares.py": SQUARES,
    }.items():
        (made / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        (made / "theirs" / name).write_text(text)
    with contextlib.chdir(made), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(made / "theirs/encoders")
        (made / ".dvc").mkdir()
        planned = _targets.planned(["theirs/duel"], _targets.catalogue(["scale=theirs", "extend=theirs"]))
        sync_key_files(planned.states, jobs_of(planned.states).values())
        for node in planned.plan.nodes():
            Executor(Workspace(made)).run([node])
        yield made


def measured(root: Path, encoder) -> float:
    """What the table's measurement says of a checkpoint."""
    (path,) = (root / encoder.node.replace("checkpoints/", "measurements/")).glob("knn-*/scores.json")
    return json.loads(path.read_text())["top1"]


@pytest.mark.parametrize("method", ["shipped", "own"])
def test_three_lines_give_the_encoder_that_was_measured(root: Path, method: str) -> None:
    encoder = pipeline.load(root / STEM, method=method, epochs=1, seed=1, extend=root / "theirs")
    (data,) = root.glob("data/local-marks-*")
    arrays = Arrays.open(data)
    features = {split: encoder(arrays.images(split)) for split in ("train", "test")}
    cast = votes(features["train"], arrays.labels("train"), features["test"], 8, k=200, temperature=0.1)
    right = (cast.argmax(1) == arrays.labels("test")).double().mean().item()
    assert 100 * right == pytest.approx(measured(root, encoder))
    assert features["test"].shape == (64, encoder.features) and not encoder.training
    assert encoder.normalize["mean"] == [0.5, 0.4, 0.5] and encoder.image_shape == (3, 8, 8)
    floats = arrays.images("test").float() / 255
    assert torch.allclose(encoder(floats), features["test"], atol=1e-5)
    (root / "notebooks").mkdir(exist_ok=True)
    with contextlib.chdir(root / "notebooks"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "PROJECT", root)
        again = pipeline.load(STEM, method=method, epochs=1, seed=1, extend=root / "theirs")
        assert again.key == encoder.key
    again = pipeline.load(root / encoder.node, extend=root / "theirs")
    assert again.key == encoder.key and torch.equal(again(floats), encoder(floats))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"epochs": 1, "seed": 0}, r"several networks are behind it; say also method \(shipped, own\)"),
        ({"method": "shipped", "epochs": 1}, "2 seeds; say which: seed=0"),
        ({"method": "shipped", "epochs": 1, "seed": 5}, "seed=5: there are 0, 1"),
        ({"method": "shiped"}, "method=shiped: no such cell; did you mean shipped"),
        ({"methd": "shipped"}, "there is no axis 'methd'; did you mean method"),
        ({"role": "untrained"}, "role=untrained"),
    ],
)
def test_what_names_no_network_says_what_is_missing(root: Path, said, words) -> None:
    with pytest.raises(UserError, match=words):
        pipeline.load(root / STEM, **said)


def test_what_is_no_result_is_refused(root: Path) -> None:
    for path, words in {
        root / "theirs": "expected a result such as",
        root / "results/theirs/theirs/dual": "there is no receipt",
        root / next(root.glob("measurements/*/*/*/*")): "expected a result such as",
    }.items():
        with pytest.raises(UserError, match=words):
            pipeline.load(path)
    with pytest.raises(UserError, match="leave what selects a cell out"):
        pipeline.load(next(root.glob("checkpoints/*/seed0/epoch0001")), seed=0)


def test_weights_that_are_not_the_receipts_are_not_loaded(root: Path) -> None:
    """The store's are, where they are at hand."""
    (path,) = root.glob("checkpoints/*tiny_conv*/seed0/epoch0001/model.safetensors")
    before = path.read_bytes()
    wanted = pipeline.load(path.parent)
    path.write_bytes(before[:-4] + b"\x00\x00\x80\x3f")
    try:
        assert torch.equal(pipeline.load(path.parent)(torch.ones(1, 3, 8, 8)), wanted(torch.ones(1, 3, 8, 8)))
        shutil.move(root / ".dvc/cache", root / ".dvc/away")
        with pytest.raises(
            UserError, match="is not what its receipt says; type: python -m pipeline restore checkpoints/"
        ):
            pipeline.load(path.parent)
    finally:
        path.write_bytes(before)
        if (root / ".dvc/away").exists():
            shutil.rmtree(root / ".dvc/cache", ignore_errors=True)
            shutil.move(root / ".dvc/away", root / ".dvc/cache")


def test_code_that_was_changed_is_told(root: Path) -> None:
    path = root / "theirs/encoders/patches.py"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.load(root / STEM, method="own", epochs=1, seed=0, extend=root / "theirs")
        path.write_text(PATCHES.replace("squares(2)", "squares(2), nn.Identity()").replace('"""Means', '"""Mean'))
        try:
            with pytest.raises((UserError, UserWarning), match=r"patches\.py was changed since|does not fit"):
                pipeline.load(root / STEM, method="own", epochs=1, seed=0, extend=root / "theirs")
        finally:
            path.write_text(PATCHES)


STRANGER = """
import sys, torch
found = {}
images = torch.load("images.pt")
for method in ("shipped", "own"):
    encoder = torch.hub.load(method, "encoder", source="local")
    raw = torch.hub.load(method, "encoder", source="local", pretrained=False)
    found[method] = [encoder(images), raw(images), encoder.training]
assert not any(name.split(".")[0] == "pipeline" for name in sys.modules)
torch.save(found, "features.pt")
"""


def test_a_folder_needs_nothing_of_this_project(root: Path, tmp_path: Path) -> None:
    encoders = {
        method: pipeline.load(root / STEM, method=method, epochs=1, seed=1, extend=root / "theirs")
        for method in ("shipped", "own")
    }
    for method, encoder in encoders.items():
        names = folder.write(encoder, tmp_path / method)
        assert {"model.safetensors", "config.json", "hubconf.py", "README.md", "receipt.json"} <= {*names}
        with pytest.raises(UserError, match="there is something already, and it is not written over"):
            folder.write(encoder, tmp_path / method)
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    torch.save(images, tmp_path / "images.pt")
    command = [sys.executable, "-c", STRANGER]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin"}, check=False)
    assert done.returncode == 0, done.stderr
    for method, (features, raw, training) in torch.load(tmp_path / "features.pt").items():
        assert torch.allclose(features, encoders[method](images), atol=1e-5) and not training
        assert not torch.allclose(raw, features)


ZOO = """
methods:
  resnet: {encoder: {kind: torchvision, name: resnet18}}
  vit: {encoder: {kind: timm, name: vit_tiny_patch16_224, resize: 32}}
artifacts:
  zoo:
    title: By name
    rows: {method: [resnet, vit]}
    fixed: {dataset: marks, epochs: 0}
    measure: knn
"""


def test_timm_and_the_hub_load_what_they_know(root: Path, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="an extra: make setup EXTRAS=timm")
    import yaml

    paper = yaml.safe_load(PAPER) | yaml.safe_load(ZOO) | {"paper": "zoo"}
    (root / "theirs/papers/zoo.yaml").write_text(yaml.safe_dump(paper))
    with contextlib.chdir(root):
        planned = _targets.planned(["zoo/zoo"], _targets.catalogue(["scale=theirs", "extend=theirs"]))
        sync_key_files(planned.states, jobs_of(planned.states).values())
        for node in planned.plan.nodes():
            Executor(Workspace(root)).run([node])
    images = torch.rand(3, 3, 32, 32)
    for method in ("resnet", "vit"):
        encoder = pipeline.load(root / "results/theirs/zoo/zoo", method=method, extend=root / "theirs")
        folder.write(encoder, tmp_path / method)
        network = timm.create_model(f"local-dir:{tmp_path / method}", pretrained=True).eval()
        assert torch.allclose(network(images), encoder.network(images), atol=1e-4), method
        assert list(network.pretrained_cfg["mean"]) == encoder.normalize["mean"]
        sys.path.insert(0, str(tmp_path / method))
        try:
            hub = __import__("hubconf")
            theirs = hub.Encoder.from_pretrained(str(tmp_path / method)).eval()
            assert torch.allclose(theirs(images), encoder(images), atol=1e-4), method
        finally:
            sys.path.remove(str(tmp_path / method))
            del sys.modules["hubconf"]


def test_the_card_has_numbers_and_says_where_they_come_from(root: Path, tmp_path: Path) -> None:
    encoder = pipeline.load(root / STEM, method="shipped", epochs=1, seed=1)
    folder.write(encoder, tmp_path / "encoder")
    card = (tmp_path / "encoder/README.md").read_text()
    assert re.search(rf"\| knn \| top1 \| {measured(root, encoder):g} \| `[0-9a-f]{{16}}` \|", card)
    assert encoder.key in card and walk(Folder(root), [encoder.node]).root() in card
    assert encoder.receipt["outputs"]["model.safetensors"]["sha256"] in card
    config = json.loads((tmp_path / "encoder/config.json").read_text())
    assert config["architecture"] is None and config["pretrained_cfg"]["mean"] == [0.5, 0.4, 0.5]
    assert config["key"] == encoder.key and config["num_features"] == 8


def test_the_card_is_called_as_its_run(root: Path, tmp_path: Path) -> None:
    encoder = pipeline.load(root / STEM, method="shipped", epochs=1, seed=1)
    config = folder.configuration(encoder)
    assert "\n# theirs/shipped, marks, seed 1\n" in card.text(encoder, config, [])
    of_run = {encoder.node.split("/")[1]: "as declared"}
    assert "\n# as declared, seed 1\n" in card.text(encoder, config, [], of_run)


def rewritten(root: Path, path: Path, receipt: Path, **changes: Any) -> None:
    """Make a JSON file of a node another one, and have its receipt say so."""
    content = {**json.loads(path.read_text()), **changes}
    path.unlink()  # it may be a link into the store
    path.write_text(json.dumps(content))
    found = json.loads(receipt.read_text())
    found["outputs"][path.name] = forging.entry(path.read_bytes())
    receipt.write_text(json.dumps(found))


def test_a_collapse_stands_in_the_card(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, symlinks=True)
    monkeypatch.chdir(copy)

    def told() -> list[str]:
        encoder = pipeline.load(copy / STEM, method="shipped", epochs=1, seed=1)
        text = card.text(encoder, folder.configuration(encoder), [])
        return [line for line in text.splitlines() if line.startswith("**Collapsed**")]

    encoder = pipeline.load(copy / STEM, method="shipped", epochs=1, seed=1)
    summary, receipt = copy / encoder.node / "summary.json", copy / f"receipts/{encoder.node}.json"
    measurements = encoder.node.replace("checkpoints/", "measurements/")
    (scores,) = (copy / measurements).glob("knn-*/scores.json")
    measured = copy / f"receipts/{measurements}/{scores.parent.name}.json"
    rewritten(copy, summary, receipt, embedding_std=0.9)
    rewritten(copy, scores, measured, collapsed=False)
    assert told() == []
    rewritten(copy, scores, measured, collapsed=True)
    (line,) = told()
    assert line.startswith("**Collapsed**: its features are next to one point or one line (knn")
    rewritten(copy, summary, receipt, embedding_std=0.0123)
    assert told() == [
        "**Collapsed**: at the end of its training its embeddings are next to one point (spread 0.012; near 1 where they "
        "fill the sphere). It tells images apart badly, or not at all."
    ]


def test_it_is_exported_as_it_is_typed(root: Path, tmp_path: Path, capsys) -> None:
    words = ["export", STEM, "--where", "method=shipped", "epochs=1", "--seed", "0", "--to", str(tmp_path / "net")]
    with contextlib.chdir(root):
        arguments = _parser().parse_args([*words, "--config", "extend=theirs"])
        arguments.run(arguments)
        with pytest.raises(UserError, match="there is something already"):
            arguments.run(arguments)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == f'torch.hub.load("{tmp_path / "net"}", "encoder", source="local")' and len(printed) == 2
    assert json.loads((tmp_path / "net/receipt.json").read_text())["seed"] == 0


@pytest.mark.parametrize("name", ["results/duel.csv", "results/duel", "theirs/duel", "duel"])
def test_a_table_is_named_as_elsewhere(root: Path, tmp_path: Path, name: str) -> None:
    words = ["export", name, "--where", "method=shipped", "epochs=1", "--seed", "0", "--to", str(tmp_path / "net")]
    with contextlib.chdir(root):
        arguments = _parser().parse_args([*words, "--config", "scale=theirs", "extend=theirs"])
        arguments.run(arguments)
    assert json.loads((tmp_path / "net/receipt.json").read_text())["seed"] == 0


def test_imports_that_cannot_be_carried_are_refused(tmp_path: Path) -> None:
    for line, words in {
        "import pipeline.ranges": "write from pipeline.ranges import",
        "from . import x": "relative",
    }.items():
        (tmp_path / "mine.py").write_text(f"{line}\n")
        with pytest.raises(UserError, match=words):
            code.carried(tmp_path / "mine.py", "copy")
    modules, dotted, needed = code.carried(pipeline_encoder("resnet18"), "copy")
    assert dotted == "copy.nets.encoders.resnet18" and {"torch", "torchvision"} <= {*needed}
    assert "nets/per_view.py" in modules and not any("from pipeline" in text for text in modules.values())


def pipeline_encoder(kind: str) -> Path:
    from pipeline import components

    return components.find("encoder", kind)
