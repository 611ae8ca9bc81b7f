"""Data of the user's own without code: folders of photographs, arrays in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from pipeline import components
from pipeline.data import prepare
from pipeline.data.arrays import Arrays
from pipeline.errors import UserError
from pipeline.planning import spec
from pipeline.work import Work


def prepared(out: Path, source: dict) -> Arrays:
    out.mkdir(parents=True)
    resolved = components.resolve("source", source, "test")
    for name in ("root", "file", "test_file"):
        if resolved.get(name):
            resolved[name] = resolved[name]["path"]  # as the executor hands it over
    work = Work(name=f"data/{out.name}", spec={"name": out.name, "source": resolved}, out=out)
    assert list(prepare.execute([work])) == [work]
    return Arrays.open(out)


def picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of four images; the test folder lacks one of them."""
    for number in range(4):
        picture(tmp_path / f"photos/train/cats/{number}.png", number)
        picture(tmp_path / f"photos/train/dogs/{number}.png", 100 + number)
    picture(tmp_path / "photos/val/dogs/a.png", 200)
    picture(tmp_path / "photos/more/x/a.png", 250)
    return tmp_path / "photos"


def test_a_folder_per_class(tmp_path: Path, photos: Path) -> None:
    found = prepared(
        tmp_path / "a", {"kind": "imagefolder", "root": str(photos), "test": "val", "size": 8, "unlabeled": "more"}
    )
    assert found.classes == ["cats", "dogs"] and found.image_shape == (3, 8, 8)
    assert found.images("train")[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 100, 101, 102, 103]
    assert found.labels("train").tolist() == [0] * 4 + [1] * 4
    assert found.images("test")[:, 0, 0, 0].tolist() == [200] and found.labels("test").tolist() == [1]
    assert found.images("train+unlabeled")[:, 0, 0, 0].tolist()[-1] == 250
    assert found.labels("train+unlabeled").tolist()[-1] == -1


def test_a_share_of_every_class_is_held_out(tmp_path: Path, photos: Path) -> None:
    source = {"kind": "imagefolder", "root": str(photos / "train"), "train": ".", "held_out": 0.25, "size": 8}
    one, same, other = (
        prepared(tmp_path / name, source | {"seed": seed}) for name, seed in (("a", 0), ("b", 0), ("c", 3))
    )
    assert one.labels("test").tolist() == [0, 1] and one.labels("train").tolist() == [0] * 3 + [1] * 3
    shades = {split: set(one.images(split)[:, 0, 0, 0].tolist()) for split in ("train", "test")}
    assert not shades["train"] & shades["test"] and len(shades["train"] | shades["test"]) == 8
    assert one.path.read_bytes() == same.path.read_bytes() != other.path.read_bytes()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, "source.test: expected a folder in .*photos, found 'test'; there are: more, train, val"),
        ({"train": "../photos/train"}, None),
        ({"train": "..", "test": "val"}, r"source.train: expected a folder in .*, found '\.\.'"),
        ({"train": "val", "test": "train"}, "train/cats: a class without training images"),
        ({"train": "val", "held_out": 0.5}, "two images or more of class dogs, found 1"),
        ({"test": "val", "formats": ["JPEG"]}, "add PNG to source.formats"),
        ({"test": "val", "formats": ["EPS"]}, "source.formats: expected some of"),
    ],
)
def test_folders_that_are_no_data_set_are_refused(tmp_path: Path, photos: Path, source, words) -> None:
    given = {"kind": "imagefolder", "root": str(photos), "size": 8} | source
    if words is None:
        prepared(tmp_path / "a", given | {"test": "val"})
        return
    with pytest.raises(UserError, match=words):
        prepared(tmp_path / "a", given)


GREY = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
LABELS = np.array([0, 1, 0, 1, 1, 0])
MNIST = {"train_images": GREY, "train_labels": LABELS[:, None], "test_images": GREY[:2], "test_labels": LABELS[:2]}


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("layout", ["grey", "first", "last"])
def test_arrays_of_a_file(tmp_path: Path, suffix: str, layout: str) -> None:
    shapes = {"grey": lambda a: a, "first": lambda a: a[:, None].repeat(3, 1), "last": lambda a: a[..., None]}
    arrays = {name: shapes[layout](a) if name.endswith("images") else a for name, a in MNIST.items()}
    path = tmp_path / f"a.{suffix}"
    np.savez(path, **arrays) if suffix == "npz" else save_file(arrays, path)
    found = prepared(tmp_path / "out", {"kind": "arrays", "file": str(path), "classes": ["a", "b"]})
    assert found.classes == ["a", "b"] and found.image_shape == (3, 4, 4)
    assert np.array_equal(found.images("train").numpy(), GREY[:, None].repeat(3, 1))
    assert np.array_equal(found.labels("train").numpy(), LABELS) and found.count("test") == 2


def test_arrays_of_other_names_and_of_two_files(tmp_path: Path) -> None:
    named = {"x_train": GREY, "y_train": LABELS, "x_test": GREY[:3], "y_test": LABELS[:3], "x_unlabeled": GREY[3:]}
    np.savez(tmp_path / "a.npz", **named)
    source = {"kind": "arrays", "images": "x_{split}", "labels": "y_{split}", "file": str(tmp_path / "a.npz")}
    found = prepared(tmp_path / "one", source | {"limit_train": 4})
    assert (found.count("train"), found.count("test"), found.count("unlabeled")) == (4, 3, 3)
    assert found.classes == ["0", "1"] and found.labels("train").tolist() == [0, 1, 0, 1]
    for name in ("a", "b"):
        np.savez_compressed(tmp_path / f"{name}.npz", images=GREY, labels=LABELS)
    source = {"kind": "arrays", "images": "images", "labels": "labels", "file": str(tmp_path / "a.npz")}
    assert prepared(tmp_path / "two", source | {"test_file": str(tmp_path / "b.npz")}).count("test") == 6
    with pytest.raises(UserError, match=r"expected a name with \{split\}"):
        prepared(tmp_path / "three", source)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_images": GREY / 255}, "train_images: expected uint8 from 0 to 255, found float64"),
        ({"train_images": GREY[:4]}, "4 images, and 6 labels in train_labels"),
        ({"train_images": GREY[:, :3]}, r"expected square images of 1 or 3 channels, found the shape \(6, 1, 3, 4\)"),
        ({"train_images": np.zeros((6, 3, 3, 3), np.uint8)}, "set source.channels to first or last"),
        ({"test_images": GREY[:2, :2, :2]}, r"images of test have the shape \(3, 2, 2\), those of train \(3, 4, 4\)"),
        ({"train_labels": LABELS * 2}, "no training image has the label 1"),
        ({"train_labels": LABELS - 1}, "expected whole numbers from 0 on"),
        ({"train_labels": LABELS / 1}, "expected whole numbers from 0 on, one per image, found float64"),
        ({"test_images": None}, "there is no array 'test_images'; did you mean"),
        ({"train_labels": np.array([{}] * 6, object)}, "train_labels: cannot be read"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(tmp_path: Path, change, words) -> None:
    np.savez(tmp_path / "a.npz", **{name: a for name, a in (MNIST | change).items() if a is not None})
    with pytest.raises(UserError, match=words):
        prepared(tmp_path / "out", {"kind": "arrays", "file": str(tmp_path / "a.npz")})


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_what_is_no_file_of_arrays_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello")
    with pytest.raises(UserError, match=r"expected a \.npz or \.safetensors file"):
        prepared(tmp_path / "out", {"kind": "arrays", "file": str(tmp_path / name)})


def test_how_many_classes_there_are_need_not_be_said() -> None:
    entry = {"title": "Mine", "source": {"kind": "imagefolder", "root": "photos"}}
    assert spec.parse(spec.Dataset, entry, "here").classes is None
