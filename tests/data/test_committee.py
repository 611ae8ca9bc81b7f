"""Votes of a committee: the images are those of the source it wraps, and the votes are what a plain loop counts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from pipeline.data.sources import committee, digits, shapes, textured_digits
from pipeline.data.writer import Writer
from pipeline.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {"digits": digits, "shapes": shapes, "textured_digits": textured_digits}
SMALL = {"size": 8, "train": 192, "test": 96}


def make(folder: Path, source, **params) -> dict[str, np.ndarray]:
    folder.mkdir()
    with Writer(folder, "some") as writer:
        source.build({}, writer, **params)
    return load_file(folder / "arrays.safetensors")


@pytest.mark.parametrize("params", [{"size": 8, "seed": 3}, {"size": 16}, {"size": 24, "seed": 1}])
@pytest.mark.parametrize("of", sorted(SOURCES))
def test_the_images_are_those_of_the_source(tmp_path, of, params):
    params = {"train": 100, "test": 60, **params}
    ours = make(tmp_path / "a", committee, of=of, **params)
    theirs = make(tmp_path / "b", SOURCES[of], **params)
    votes = {name: ours.pop(name) for name in ("train_votes", "test_votes")}
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert values.dtype == ours[name].dtype and np.array_equal(values, ours[name]), name
    classes = theirs["train_labels"].max() + 1
    assert {v.shape for v in votes.values()} == {(100, classes), (60, classes)}


@pytest.mark.parametrize("scale", ["quick", "tiny"])
def test_networks_are_trained_on_the_images_that_were_voted_on(scale):
    """What stands for CIFAR-10N, -10H and -100N shows the images that stand for CIFAR-10 and CIFAR-100."""
    declared = yaml.safe_load((ROOT / "params/datasets.yaml").read_text(encoding="utf-8"))
    used = yaml.safe_load((ROOT / f"params/scales/{scale}.yaml").read_text(encoding="utf-8"))["datasets"]

    def source(name: str) -> dict:
        given = used[name] if isinstance(used[name], dict) else {"name": used[name]}
        return {**declared[given["name"]]["source"], **{k: v for k, v in given.items() if k != "name"}}

    for voted, trained in (("cifar10n", "cifar10"), ("cifar10h", "cifar10"), ("cifar100n", "cifar100")):
        ours, theirs = source(voted), source(trained)
        assert ours.pop("kind") == "committee" and ours.pop("of") == theirs.pop("kind")
        # the seeds of what is declared without one are 0
        assert {"seed": 0, **ours} == {"seed": 0, **theirs}


def test_the_bytes_depend_on_the_params_alone(tmp_path):
    for name in ("a", "b"):
        make(tmp_path / name, committee, **SMALL)
    first = (tmp_path / "a/arrays.safetensors").read_bytes()
    assert first == (tmp_path / "b/arrays.safetensors").read_bytes()
    votes = load_file(tmp_path / "a/arrays.safetensors")
    digest = hashlib.sha256(votes["train_votes"].tobytes() + votes["test_votes"].tobytes()).hexdigest()
    # Another value here means other votes under an unchanged spec: what rests on them would change.
    assert digest == "65c53ef6716b7f856cafc1a44e4edc2e8d7e1e39c9f2a0ed5812cbf81d26cddf"
    other = make(tmp_path / "c", committee, **SMALL, members=24)
    assert not np.array_equal(other["test_votes"], votes["test_votes"])


def plain_coarse(image: np.ndarray) -> list[int]:
    """One image, pixel by pixel."""
    channels, side, _ = image.shape
    edge = [(y, x) for y in range(side) for x in range(side) if 0 in (y, x) or side - 1 in (y, x)]
    ground = [sorted(int(image[c, y, x]) for y, x in edge)[len(edge) // 2] for c in range(channels)]
    cells = [0] * 64
    starts = [k * side // 8 for k in range(8)]
    for y in range(side):
        for x in range(side):
            cell = 8 * max(k for k in range(8) if starts[k] <= y) + max(k for k in range(8) if starts[k] <= x)
            cells[cell] += sum(abs(int(image[c, y, x]) - ground[c]) for c in range(channels))
    return [cell * 255 // max(*cells, 1) for cell in cells]


@pytest.mark.parametrize("side", [8, 11, 16])
def test_the_coarse_picture_is_that_of_plain_loops(side):
    images = np.random.default_rng(0).integers(0, 256, (5, 3, side, side), dtype=np.uint8)
    images[4] = 7  # nothing but ground
    assert committee.coarse(images).tolist() == [plain_coarse(image) for image in images]


def test_colours_do_not_matter():
    rng = np.random.default_rng(1)
    figure = rng.random((6, 1, 16, 16)) < 0.4
    figure[..., [0, -1], :] = figure[..., :, [0, -1]] = False
    light, dark = (np.where(figure, *colours).repeat(3, 1).astype(np.uint8) for colours in ((200, 50), (0, 255)))
    assert np.array_equal(committee.coarse(light), committee.coarse(dark))


def test_votes_are_those_of_nearest_neighbours():
    """Each member against scikit-learn, which is told what the member knows and sees."""
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(2)
    labels = np.arange(60) % 4
    seen = {"train": rng.integers(0, 256, (60, 64)), "test": rng.integers(0, 256, (30, 64))}
    found = committee.votes(seen, labels, 4, 5, 6, 3, 0.25)
    expected = {split: np.zeros((len(images), 4), dtype=int) for split, images in seen.items()}
    for member in range(6):
        stream = (5, f"committee/{member}")
        keys = shapes.uniform(stream, "known", 60)
        known = [sorted(np.flatnonzero(labels == k), key=lambda row, keys=keys: keys[row])[:3] for k in range(4)]
        rows = np.concatenate(known)
        cells = np.argsort(shapes.uniform(stream, "cells", 64))[:16]
        model = KNeighborsClassifier(1).fit(seen["train"][rows][:, cells], labels[rows])
        for split, images in seen.items():
            for row, vote in enumerate(model.predict(images[:, cells])):
                if split == "test" or row not in rows:
                    expected[split][row, vote] += 1
    for split, counts in expected.items():
        assert np.array_equal(found[split], counts), split


def test_who_knows_an_image_abstains():
    labels = np.arange(40) % 2
    seen = {"train": np.random.default_rng(3).integers(0, 256, (40, 64)), "test": np.zeros((3, 64), dtype=np.int64)}
    found = committee.votes(seen, labels, 2, 0, 30, 10, 1.0)
    assert found["test"].sum(1).tolist() == [30] * 3
    # each knows 20 of the 40, so of 1,200 votes 600 are cast, and nobody votes on what they know
    assert found["train"].sum() == 600 and 1 <= found["train"].sum(1).min() < found["train"].sum(1).max() < 30
    with pytest.raises(UserError, match=r"^source\.members: all 1 know the same training image"):
        committee.votes(seen, labels, 2, 0, 1, 10, 1.0)


@pytest.mark.parametrize(
    "params",
    [{}, {"of": "shapes", "seed": 1}, {**SMALL, "of": "digits"}, {**SMALL, "of": "shapes", "seed": 1}],
    ids=["quick", "quick shapes", "tiny", "tiny shapes"],
)
def test_votes_are_informative_and_imperfect(tmp_path, params):
    arrays = make(tmp_path / "a", committee, **params)
    for split in ("train", "test"):
        votes, labels = arrays[f"{split}_votes"].astype(float), arrays[f"{split}_labels"]
        assert votes.sum(1).min() >= 10 and votes.sum(1).max() <= 25
        right = votes.argmax(1) == labels
        assert 0.6 < right.mean() < 0.97
        shares = votes / votes.sum(1, keepdims=True)
        entropy = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(1)
        low, high = np.quantile(entropy, [0.1, 0.9])
        assert high - low > 1.0
        # where they agree they are right more often
        halves = right[entropy <= np.median(entropy)].mean(), right[entropy > np.median(entropy)].mean()
        assert halves[0] > halves[1] + 0.05


def test_params_that_the_source_refuses(tmp_path):
    with pytest.raises(UserError, match=r"source\.size: .* multiple of 8"):
        make(tmp_path / "a", committee, of="digits", size=12, train=100, test=50)
