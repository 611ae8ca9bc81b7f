"""Arrays on disk, and the sources that fill them, each against what its files were made from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pipeline import components
from pipeline.data import cifar, imagenet, prepare, raw
from pipeline.data import images as decoding
from pipeline.data.arrays import Arrays
from pipeline.data.images import fitted
from pipeline.data.splits import balanced, long_tailed
from pipeline.data.writer import Writer
from pipeline.errors import UserError
from pipeline.work import Work

ROOT = Path(__file__).resolve().parents[2]
DATASETS = yaml.safe_load((ROOT / "params/datasets.yaml").read_text(encoding="utf-8"))


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def prepared(out: Path, source: dict, raw_dir: Path | None = None, **spec: object) -> Arrays:
    """Run the stage on a declaration of the test's own."""
    out.mkdir(parents=True)
    resolved = components.resolve("source", source, "test")
    work = Work(
        name=f"data/{out.name}",
        spec={"name": out.name, "source": resolved, **spec},
        out=out,
        context={"raw_dir": str(raw_dir) if raw_dir else None, "download_dir": str(out.parent / "downloads")},
    )
    assert list(prepare.execute([work])) == [work]
    return Arrays.open(out)


def payload(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def refused(*arguments: object, **more: object) -> str:
    with pytest.raises(UserError) as caught:
        prepared(*arguments, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pictures(n: int, side: tuple[int, int] = (40, 30), seed: int = 0) -> list[Image.Image]:
    values = np.random.default_rng(seed).integers(0, 256, (n, side[1], side[0], 3), dtype=np.uint8)
    return [Image.fromarray(value) for value in values]


def png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")  # whatever the file's name ends with: exact, and Pillow looks at the contents
    return data.getvalue()


# ---- the file format


@pytest.fixture
def some() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (7, 3, 5, 5), dtype=np.uint8),
        "train_labels": rng.integers(0, 2, 7),
        "train_factors/x": rng.random(7, dtype=np.float32),
        "test_images": rng.integers(0, 256, (3, 3, 5, 5), dtype=np.uint8),
        "test_labels": rng.integers(0, 2, 3),
        "unlabeled_images": rng.integers(0, 256, (4, 3, 5, 5), dtype=np.uint8),
    }


def written(folder: Path, arrays: dict[str, np.ndarray], step: int = 100, backwards: bool = False) -> Path:
    folder.mkdir()
    with Writer(folder, "some") as writer:
        writer.declare(["a", "b"], {name: (str(v.dtype), v.shape) for name, v in arrays.items()})
        for begin in range(0, 100, step):
            for name in sorted(arrays, reverse=backwards):
                if begin < len(arrays[name]):
                    writer.append(name, arrays[name][begin : begin + step])
    return folder


@pytest.mark.parametrize("length", range(8))
def test_the_safetensors_library_reads_what_is_written(tmp_path, some, length):
    from safetensors.numpy import load_file, save

    some["train_factors/" + "y" * length] = some["train_factors/x"][::-1].copy()  # headers of all lengths
    path = written(tmp_path / "d", some) / "arrays.safetensors"
    read = load_file(path)
    assert set(read) == set(some)
    for name, value in some.items():
        assert read[name].dtype == value.dtype
        assert np.array_equal(read[name], value)
    # The library, given all at once, chooses the same layout.
    assert path.read_bytes() == save(some)


def test_the_bytes_do_not_depend_on_chunks(tmp_path, some):
    whole = payload(written(tmp_path / "a", some))
    assert whole == payload(written(tmp_path / "b", some, step=2))
    assert whole == payload(written(tmp_path / "c", some, step=1, backwards=True))
    meta = json.loads(whole["meta.json"])
    assert meta == {
        "name": "some",
        "classes": ["a", "b"],
        "counts": {"train": 7, "test": 3, "unlabeled": 4},
        "image_shape": [3, 5, 5],
    }


def test_writing_needs_the_memory_of_a_chunk(tmp_path):
    chunk = np.zeros((16, 3, 64, 64), dtype=np.uint8)
    tmp_path.joinpath("d").mkdir()
    tracemalloc.start()
    try:
        with Writer(tmp_path / "d", "big") as writer:
            writer.declare(["a"], {"train_images": ("uint8", (16 * 400, 3, 64, 64))})
            for _ in range(400):
                writer.append("train_images", chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "d/arrays.safetensors").stat().st_size > 400 * chunk.nbytes
    assert peak < 20 * chunk.nbytes


@pytest.mark.parametrize(
    "rows",
    [np.zeros((8, 3, 5, 5), np.uint8), np.zeros((1, 3, 5, 4), np.uint8), np.zeros((1, 3, 5, 5), np.int64)],
)
def test_rows_must_be_as_declared(tmp_path, rows):
    with pytest.raises(ValueError, match="train_images"), Writer(tmp_path, "some") as writer:
        writer.declare(["a"], {"train_images": ("uint8", (7, 3, 5, 5))})
        writer.append("train_images", rows)
    assert not (tmp_path / "meta.json").exists()


def test_all_declared_rows_must_come(tmp_path, some):
    some["train_labels"] = some["train_labels"][:6]
    with (
        pytest.raises(ValueError, match="train_labels: declared 7 rows, got 6"),
        Writer(tmp_path, "d") as writer,
    ):
        writer.declare(["a"], {"train_labels": ("int64", (7,)), "train_images": ("uint8", (7, 3, 5, 5))})
        for name in ("train_labels", "train_images"):
            writer.append(name, some[name])
    assert not (tmp_path / "meta.json").exists()


def test_arrays_gives_the_splits(tmp_path, some):
    import torch

    arrays = Arrays.open(written(tmp_path / "d", some))
    assert (arrays.name, arrays.n_classes, arrays.classes) == ("some", 2, ["a", "b"])
    assert arrays.image_shape == (3, 5, 5)
    for split in ("train", "test", "unlabeled"):
        assert arrays.images(split).dtype == torch.uint8
        assert np.array_equal(arrays.images(split).numpy(), some[f"{split}_images"])
        assert arrays.count(split) == len(some[f"{split}_images"])
    both = np.concatenate([some["train_images"], some["unlabeled_images"]])
    assert np.array_equal(arrays.images("train+unlabeled").numpy(), both)
    assert arrays.labels("train").dtype == torch.int64
    assert arrays.labels("train").tolist() == some["train_labels"].tolist()
    assert arrays.labels("train+unlabeled").tolist() == [*some["train_labels"].tolist(), -1, -1, -1, -1]
    assert arrays.count("train+unlabeled") == 11
    assert list(arrays.factors("train")) == ["x"]
    assert np.array_equal(arrays.factors("train")["x"].numpy(), some["train_factors/x"])
    assert arrays.factors("test") == {}


def test_images_are_mapped_not_read(tmp_path):
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs /proc")

    def resident() -> int:
        lines = status.read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssFile"))) * 1024

    value = np.ones((2000, 3, 128, 128), dtype=np.uint8)
    arrays = Arrays.open(written(tmp_path / "d", {"train_images": value, "test_images": value[:2]}, step=100_000))
    size = value.nbytes
    del value
    arrays.images("test")  # imports torch
    before = resident()
    images = arrays.images("train")
    assert int(images[1234].sum()) == 3 * 128 * 128
    assert resident() - before < size / 4


@pytest.mark.parametrize("split", ["unlabeled", "train+unlabeled", "train+test", "val", ""])
def test_an_unknown_split_is_named_with_those_that_exist(tmp_path, some, split):
    del some["unlabeled_images"]
    arrays = Arrays.open(written(tmp_path / "d", some))
    for read in (arrays.images, arrays.labels, arrays.count):
        with pytest.raises(UserError, match=r"some has no split .*; choose one of: "):
            read(split)


def test_a_folder_that_is_no_data_set(tmp_path, some):
    with pytest.raises(UserError, match=r"meta\.json: expected the description"):
        Arrays.open(tmp_path)
    folder = written(tmp_path / "d", some)
    whole = (folder / "arrays.safetensors").read_bytes()
    (folder / "arrays.safetensors").write_bytes(whole[:-1])
    with pytest.raises(UserError, match="not a safetensors file"):
        Arrays.open(folder).images("train")
    (folder / "arrays.safetensors").unlink()
    with pytest.raises(UserError, match=r"arrays\.safetensors: missing"):
        Arrays.open(folder)


# ---- which images are kept


def test_a_limit_takes_the_first_of_every_class():
    labels = np.array([0, 0, 0, 1, 2, 1, 0, 2, 1])
    assert balanced(labels, 3).tolist() == [0, 3, 4]
    assert balanced(labels, 4).tolist() == [0, 1, 3, 4]
    assert balanced(labels, 6).tolist() == [0, 1, 3, 4, 5, 7]
    assert balanced(labels, None).tolist() == balanced(labels, 99).tolist() == list(range(9))
    assert balanced(labels, 0).tolist() == []
    with pytest.raises(UserError, match="limit of -1"):
        balanced(labels, -1)


def test_a_limit_holds_when_classes_run_out():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20)
    for limit in range(74):
        kept = balanced(labels, limit)
        assert len(kept) == limit and (np.diff(kept) > 0).all()
        counts = np.bincount(labels[kept], minlength=3)
        others = [counts[k] for k in range(3) if counts[k] < (50, 3, 20)[k]]
        assert not others or counts.max() - min(others) <= 1


def test_long_tails_have_the_printed_counts():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))
    counts = np.bincount(labels[long_tailed(labels, 1.5)])
    assert counts.tolist() == [5000, 3333, 2222, 1481, 987, 658, 438, 292, 195, 130] and counts.sum() == 14736
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(100), 500))
    counts = np.bincount(labels[long_tailed(labels, 1.034)])
    assert (counts.sum(), counts[0], counts[-1]) == (14620, 500, 18)
    assert len(long_tailed(labels, 1.03365)) == 14750  # the authors' code


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.integers(100, 300),
)
def test_a_long_tail_keeps_the_first_of_every_class(labels, hundredths):
    values = np.array(labels)
    largest = max(labels.count(k) for k in set(labels))
    # in whole numbers: n_0 / (h / 100)^i
    allowed = {k: largest * 100**k // hundredths**k for k in set(labels)}
    if 0 in allowed.values():
        with pytest.raises(UserError, match=r"^source\.imbalance: .* none of its images"):
            long_tailed(values, hundredths / 100)
        return
    expected, seen = [], dict.fromkeys(allowed, 0)
    for row, label in enumerate(labels):
        if seen[label] < allowed[label]:
            expected.append(row)
        seen[label] += 1
    assert long_tailed(values, hundredths / 100).tolist() == expected


def test_the_counts_of_a_long_tail_are_exact():
    assert int(121 * 1.1**-2) == 99  # what floating point says of 100
    labels = np.repeat([0, 1, 2], 121)
    assert np.bincount(labels[long_tailed(labels, 1.1)]).tolist() == [121, 110, 100]
    assert long_tailed(labels, 1.0).tolist() == list(range(363)) and long_tailed(labels[:0], 2.0).tolist() == []
    for ratio in (0.99, float("nan")):
        with pytest.raises(UserError, match="ratio of 1 or more"):
            long_tailed(labels, ratio)


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "shapes", "train": 400, "test": 40, "size": 8},
        {"kind": "textured_digits", "train": 400, "test": 40, "size": 8},
        {"kind": "shapes", "train": 600, "test": 8, "size": 64},  # drawn in three pieces
        {"kind": "digits", "train": 400, "test": 40},
    ],
    ids=lambda source: f"{source['kind']}{source['train']}",
)
def test_a_long_tail_is_cut_from_the_whole_set(tmp_path, source):
    whole = prepared(tmp_path / "whole", source)
    cut = prepared(tmp_path / "cut", {**source, "imbalance": 1.4})
    assert whole.meta["counts"] == {"train": source["train"], "test": source["test"]}
    rows = long_tailed(whole.labels("train").numpy(), 1.4)
    assert cut.count("train") == len(rows) < whole.count("train")
    assert np.array_equal(cut.images("train"), whole.images("train")[rows])
    assert np.array_equal(cut.labels("train"), whole.labels("train")[rows])
    assert list(cut.factors("train")) == list(whole.factors("train"))
    for name, values in cut.factors("train").items():
        assert np.array_equal(values, whole.factors("train")[name][rows]), name
    assert np.array_equal(cut.images("test"), whole.images("test"))
    assert np.array_equal(cut.labels("test"), whole.labels("test"))


@pytest.mark.parametrize(("scale", "least", "images"), [("quick", 17, (2000, 2000)), ("tiny", 2, (100, 200))])
def test_stand_ins_of_long_tailed_sets_have_images_of_every_class(tmp_path, scale, least, images):
    used = yaml.safe_load((ROOT / f"params/scales/{scale}.yaml").read_text(encoding="utf-8"))["datasets"]
    for name in ("cifar10_unbalanced", "cifar100_unbalanced", "flowers102"):
        given = dict(used[name])
        source = {**DATASETS[given.pop("name")]["source"], **given}
        arrays = prepared(tmp_path / name, source)
        counts = np.bincount(arrays.labels("train").numpy(), minlength=arrays.n_classes)
        assert counts.min() >= least and counts[0] == counts.max() > 6 * counts[-1], counts
        assert images[0] <= counts.sum() <= images[1]


# ---- digits


def test_digits_are_those_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_digits

    original = load_digits()
    arrays = prepared(tmp_path / "digits", {"kind": "digits"})
    assert arrays.image_shape == (3, 8, 8)
    assert arrays.meta["counts"] == {"train": 1297, "test": 500}
    images = np.concatenate([arrays.images(split).numpy() for split in ("train", "test")])
    labels = np.concatenate([arrays.labels(split).numpy() for split in ("train", "test")])
    assert (images[:, 0] == images[:, 1]).all() and (images[:, 0] == images[:, 2]).all()
    values = np.rint(images[:, 0].astype(float) * 16 / 255).reshape(-1, 64)
    # All 1,797 of them, each once: compared as sorted rows of label and pixels.
    ours = np.column_stack([labels, values])
    theirs = np.column_stack([original.target, original.data])
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_digits_are_split_by_class(tmp_path):
    arrays = prepared(tmp_path / "digits", {"kind": "digits"})
    whole = np.bincount(np.concatenate([arrays.labels(s).numpy() for s in ("train", "test")]))
    for split in ("train", "test"):
        share = arrays.count(split) / 1797
        assert np.abs(np.bincount(arrays.labels(split).numpy()) - share * whole).max() <= 1.0


def test_digits_params(tmp_path):
    full = prepared(tmp_path / "a", {"kind": "digits"})
    few = prepared(tmp_path / "b", {"kind": "digits", "train": 100, "size": 16})
    assert few.image_shape == (3, 16, 16)
    assert np.array_equal(few.images("test").numpy()[:, :, ::2, 1::2], full.images("test").numpy())
    assert few.count("train") == 100
    other = prepared(tmp_path / "c", {"kind": "digits", "seed": 1})
    assert not np.array_equal(other.labels("test"), full.labels("test"))
    assert "at most 1797 together, found 1297 and 501" in refused(tmp_path / "d", {"kind": "digits", "test": 501})
    assert "multiple of 8, found 12" in refused(tmp_path / "e", {"kind": "digits", "size": 12})


# ---- the stage


@pytest.mark.parametrize("kind", ["shapes", "digits", "textured_digits"])
def test_preparing_twice_gives_the_same_bytes(tmp_path, kind):
    prepared(tmp_path / "a" / kind, {"kind": kind})
    prepared(tmp_path / "b" / kind, {"kind": kind})
    assert payload(tmp_path / "a" / kind) == payload(tmp_path / "b" / kind)


def test_declared_data_sets_resolve():
    for name, entry in DATASETS.items():
        assert set(entry) <= {
            *(
                "title",
                "source",
                "files",
                "licence",
                "citation",
                "homepage",
                "classes",
                "image_size",
                "splits",
            ),
            *("normalize", "notes"),
        }, name
        source = components.resolve("source", entry["source"], name)
        for file in entry.get("files", []):
            raw.RawFile.parse(name, file)
        if not entry.get("files"):
            assert entry["splits"] == {split: source[split] for split in ("train", "test")}, name
        assert source.get("size", entry["image_size"]) == entry["image_size"], name
        if entry["normalize"]:
            assert [len(entry["normalize"][key]) for key in ("mean", "std")] == [3, 3], name


def test_declared_checksums_are_those_of_torchvision():
    from torchvision.datasets import CIFAR10, CIFAR100, STL10, Flowers102
    from torchvision.datasets.imagenet import ARCHIVE_META

    def check(name: str, theirs: type, extra: dict[str, str]) -> None:
        (file,) = DATASETS[name]["files"]
        assert (file["name"], file["url"], file["md5"]) == (theirs.filename, theirs.url, theirs.tgz_md5)
        sums = {**dict(theirs.train_list), **dict(theirs.test_list), **extra}
        assert file["contents"] == {f"{theirs.base_folder}/{path}": value for path, value in sums.items()}

    for name, theirs in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        check(name, theirs, {theirs.meta["filename"]: theirs.meta["md5"]})
    check("stl10", STL10, {})
    flowers = {file["name"]: file["md5"] for file in DATASETS["flowers102"]["files"]}
    assert flowers == dict(Flowers102._file_dict.values())
    for name in ("imagenet", "imagenet100"):
        assert {file["name"]: file["md5"] for file in DATASETS[name]["files"]} == dict(ARCHIVE_META.values())


# ---- CIFAR


def cifar_folder(root: Path, dataset: str, per_file: int = 20) -> tuple[dict, dict[str, np.ndarray]]:
    """Files in the authors' format with random contents; returns the declaration and what went in."""
    rng = np.random.default_rng(0)
    coarse = dataset == "cifar100"
    folder = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[dataset]
    names = {
        "cifar10": [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"],
        "cifar100": ["train", "test"],
    }
    classes = 100 if coarse else 10
    (root / folder).mkdir(parents=True)
    contents, put = {}, {}
    for name in names[dataset]:
        data = rng.integers(0, 256, (per_file, 3072), dtype=np.uint8)
        labels = [int(k) for k in rng.integers(0, classes, per_file)]
        batch = {"data": data, "fine_labels" if coarse else "labels": labels, "batch_label": name}
        if coarse:
            batch["coarse_labels"] = [0] * per_file
        (root / folder / name).write_bytes(pickle.dumps(batch, protocol=2))
        put[name] = data, np.array(labels)
    key = "fine_label_names" if coarse else "label_names"
    meta = {key: [f"class {k}" for k in range(classes)]}
    (root / folder / ("meta" if coarse else "batches.meta")).write_bytes(pickle.dumps(meta, protocol=2))
    for path in sorted((root / folder).iterdir()):
        contents[f"{folder}/{path.name}"] = md5(path.read_bytes())
    file = {"name": f"{folder}.tar.gz", "url": None, "checksum": "unpublished", "contents": contents}
    test = [name for name in put if name.startswith("test")]
    merged = {
        "train": [np.concatenate([put[n][i] for n in put if n not in test]) for i in (0, 1)],
        "test": [put[test[0]][i] for i in (0, 1)],
    }
    return file, merged


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_cifar_is_read_as_it_was_written(tmp_path, dataset):
    file, put = cifar_folder(tmp_path / "raw", dataset)
    arrays = prepared(tmp_path / "out", {"kind": dataset}, tmp_path / "raw", files=[file])
    for split, (data, labels) in put.items():
        assert np.array_equal(arrays.images(split).numpy(), data.reshape(-1, 3, 32, 32))
        assert np.array_equal(arrays.labels(split).numpy(), labels)
    assert arrays.classes[3] == "class 3"
    assert arrays.n_classes == len(arrays.classes) == (100 if dataset == "cifar100" else 10)


def test_cifar_from_the_archive_gives_the_same_bytes(tmp_path):
    file, _ = cifar_folder(tmp_path / "raw", "cifar10")
    prepared(tmp_path / "a/out", {"kind": "cifar10"}, tmp_path / "raw", files=[file])
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / file["name"], "w:gz") as archive:
        archive.add(tmp_path / "raw/cifar-10-batches-py", "cifar-10-batches-py")
    packed = {**file, "checksum": None, "md5": md5((tmp_path / "packed" / file["name"]).read_bytes())}
    prepared(tmp_path / "b/out", {"kind": "cifar10"}, tmp_path / "packed", files=[packed])
    assert payload(tmp_path / "a/out") == payload(tmp_path / "b/out")


def test_cifar_with_a_limit(tmp_path):
    file, put = cifar_folder(tmp_path / "raw", "cifar10", per_file=100)
    source = {"kind": "cifar10", "limit_train": 50, "limit_test": 10}
    splits = {"train": 500, "test": 100, "unlabeled": None}
    arrays = prepared(tmp_path / "out", source, tmp_path / "raw", files=[file], splits=splits)
    assert arrays.meta["counts"] == {"train": 50, "test": 10}
    assert np.bincount(arrays.labels("train").numpy()).tolist() == [5] * 10
    kept = balanced(put["train"][1], 50)
    assert np.array_equal(arrays.images("train").numpy(), put["train"][0][kept].reshape(-1, 3, 32, 32))


def test_counts_are_compared_with_the_declared_ones(tmp_path):
    file, _ = cifar_folder(tmp_path / "raw", "cifar10")
    text = refused(
        tmp_path / "out",
        {"kind": "cifar10"},
        tmp_path / "raw",
        files=[file],
        splits={"train": 101, "test": 20},
    )
    assert "out: 100 train images, expected 101" in text and str(tmp_path / "raw") in text


def test_a_cifar_file_is_not_opened_before_its_checksum_is_right(tmp_path, monkeypatch):
    file, _ = cifar_folder(tmp_path / "raw", "cifar10")
    path = tmp_path / "raw/cifar-10-batches-py/data_batch_3"
    path.write_bytes(path.read_bytes()[:-7])
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled an unverified file"))
    text = refused(tmp_path / "out", {"kind": "cifar10"}, tmp_path / "raw", files=[file])
    assert str(path) in text and "--config raw_dir=FOLDER" in text


class Evil:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_that_runs_code_is_refused_even_with_the_right_checksum(tmp_path, protocol):
    file, _ = cifar_folder(tmp_path / "raw", "cifar10")
    path = tmp_path / "raw/cifar-10-batches-py/data_batch_2"
    path.write_bytes(pickle.dumps({"data": Evil(tmp_path / "harm"), "labels": []}, protocol=protocol))
    file["contents"]["cifar-10-batches-py/data_batch_2"] = md5(path.read_bytes())
    text = refused(tmp_path / "out", {"kind": "cifar10"}, tmp_path / "raw", files=[file])
    assert f"{path}: this pickle names" in text
    assert not (tmp_path / "harm").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "harm").exists()  # the test's pickle does what it should


def test_what_is_no_pickle_is_refused(tmp_path):
    (tmp_path / "batch").write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match="not a readable CIFAR batch"):
        cifar.refuse_code(tmp_path / "batch")


@pytest.mark.parametrize("limit", [None, 60])
def test_cifar_with_a_long_tail(tmp_path, limit):
    file, put = cifar_folder(tmp_path / "raw", "cifar10", per_file=100)
    data, labels = put["train"]
    first = balanced(labels, limit)
    rows = first[long_tailed(labels[first], 1.2)]
    source = {"kind": "cifar10", "imbalance": 1.2, "limit_train": limit}
    splits = {"train": len(long_tailed(labels, 1.2)), "test": 100}
    arrays = prepared(tmp_path / "out", source, tmp_path / "raw", files=[file], splits=splits)
    assert arrays.meta["counts"] == {"train": len(rows), "test": 100} and len(rows) < len(first)
    assert np.array_equal(arrays.images("train").numpy(), data[rows].reshape(-1, 3, 32, 32))
    assert np.array_equal(arrays.labels("train").numpy(), labels[rows])
    assert np.array_equal(arrays.labels("test").numpy(), put["test"][1])
    text = refused(tmp_path / "x", source, tmp_path / "raw", files=[file], splits={"train": 500})
    assert "expected 500" in text and "source.imbalance: 1.2 asks for an entry with counts of its own" in text


def test_unbalanced_data_sets_are_declared_with_their_counts():
    for name, per_class in (("cifar10", 5000), ("cifar100", 500)):
        entry, whole = DATASETS[f"{name}_unbalanced"], DATASETS[name]
        labels = np.repeat(np.arange(entry["classes"]), per_class)
        kept = long_tailed(labels, entry["source"]["imbalance"])
        assert entry["splits"] == {**whole["splits"], "train": len(kept)}
        same = ("files", "licence", "citation", "homepage", "classes", "image_size", "normalize")
        assert [entry[key] for key in same] == [whole[key] for key in same]


def test_params_that_came_later_leave_old_data_sets_their_names():
    from pipeline.planning.composition import prune

    for kind in ("cifar10", "cifar100", "shapes", "digits", "textured_digits"):
        kept, _ = prune({"source": components.resolve("source", {"kind": kind}, "test")}, None)
        assert not {"imbalance", "votes"} & set(kept["source"]), kind
        kept, _ = prune({"source": components.resolve("source", {"kind": kind, "imbalance": 1.5}, "test")}, None)
        assert kept["source"]["imbalance"] == 1.5


# ---- what people said


def old_numpy(data: bytes) -> bytes:
    """A pickle of protocol 2 as the NumPy of the authors' time wrote it: its modules had other names."""
    return data.replace(b"numpy._core", b"numpy.core")


def torch_file(value: object, kind: str) -> bytes:
    """What torch.save writes, of today (zip) or of before version 1.6 (legacy), arrays by either name of NumPy."""
    pickled = pickle.dumps(value, protocol=2)
    if kind.endswith("old"):
        assert b"numpy._core" in pickled
        pickled = old_numpy(pickled)
    if kind.startswith("legacy"):
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        parts = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
        return b"".join([*parts, pickled, pickle.dumps([], protocol=2)])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in (("data.pkl", pickled), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"archive/{name}", content)
    return data.getvalue()


def as_file(arrays: dict[str, np.ndarray], kind: str) -> bytes:
    if kind in ("npy", "npz"):
        data = io.BytesIO()
        np.savez(data, **arrays) if kind == "npz" else np.save(data, arrays["counts"])
        return data.getvalue()
    if kind == "torch.save":
        import torch

        data = io.BytesIO()
        torch.save(arrays, data)
        return data.getvalue()
    return torch_file(arrays, kind)


def labels_file(truth: np.ndarray, classes: int, wrong: float = 0.2) -> dict[str, np.ndarray]:
    """Arrays as CIFAR-N has them, with a share of wrong labels."""
    rng = np.random.default_rng(1)
    said = np.where(rng.random(len(truth)) < wrong, rng.integers(0, classes, len(truth)), truth)
    name = "aggre_label" if classes == 10 else "noisy_label"
    return {"clean_label": truth.astype(np.int64), name: said.astype(np.int64)}


def votes_file(truth: np.ndarray, right: float = 1.0) -> np.ndarray:
    """Counts as CIFAR-10H has them: 50 votes, most of them for the label."""
    rng = np.random.default_rng(2)
    first = np.where(np.arange(len(truth)) < right * len(truth), truth, (truth + 1) % 10)
    counts = 20 * np.eye(10, dtype=np.int64)[first]
    for row in counts:
        np.add.at(row, rng.integers(0, 10, 30), 1)
    return counts


def with_labels(root: Path, archive: dict, name: str, data: bytes, **more: object) -> list[dict]:
    """Put a file of labels beside CIFAR's; returns what a data set would declare."""
    (root / name).write_bytes(data)
    return [archive, {"name": name, "url": None, "md5": md5(data), **more}]


@pytest.mark.parametrize("kind", ["npz", "torch.save", "zip", "zip old", "legacy", "legacy old"])
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_labels_of_training_images_become_votes(tmp_path, dataset, kind):
    classes = 10 if dataset == "cifar10" else 100
    archive, put = cifar_folder(tmp_path / "raw", dataset)
    arrays = labels_file(put["train"][1], classes)
    name = "human.npz" if kind == "npz" else "human.pt"
    files = with_labels(tmp_path / "raw", archive, name, as_file(arrays, kind))
    choice = next(name for name in arrays if name != "clean_label")
    found = prepared(tmp_path / "out", {"kind": dataset, "votes": choice}, tmp_path / "raw", files=files)
    votes = found.votes("train")
    assert str(votes.dtype) == "torch.int64" and votes.shape == (len(arrays[choice]), classes)
    assert votes.sum(1).tolist() == [1] * len(votes) and votes.argmax(1).tolist() == arrays[choice].tolist()
    assert np.array_equal(found.labels("train").numpy(), put["train"][1])
    with pytest.raises(UserError, match=r"^split: out holds no votes on the images of split test; use .* cifar10h"):
        found.votes("test")


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_votes_on_test_images(tmp_path, kind):
    archive, put = cifar_folder(tmp_path / "raw", "cifar10")
    counts = votes_file(put["test"][1])
    files = with_labels(tmp_path / "raw", archive, f"counts.{kind}", as_file({"counts": counts}, kind))
    source = {"kind": "cifar10", "votes": "counts"}
    found = prepared(tmp_path / "out", source, tmp_path / "raw", files=files)
    assert found.votes("test").tolist() == counts.tolist()
    with pytest.raises(UserError, match="cifar10n or cifar100n"):
        found.votes("train")
    with pytest.raises(UserError, match="has no split 'val'"):
        found.votes("val")


def test_votes_are_cut_with_the_images(tmp_path):
    archive, put = cifar_folder(tmp_path / "raw", "cifar10", per_file=50)
    arrays = labels_file(put["train"][1], 10)
    files = with_labels(tmp_path / "raw", archive, "human.npz", as_file(arrays, "npz"))
    source = {"kind": "cifar10", "votes": "aggre_label", "imbalance": 1.1, "limit_train": 150}
    found = prepared(tmp_path / "out", source, tmp_path / "raw", files=files)
    rows = balanced(put["train"][1], 150)
    rows = rows[long_tailed(put["train"][1][rows], 1.1)]
    assert 0 < len(rows) < 150 and found.votes("train").argmax(1).tolist() == arrays["aggre_label"][rows].tolist()


def test_a_copy_in_another_format_gives_the_same_bytes(tmp_path):
    archive, put = cifar_folder(tmp_path / "raw", "cifar10")
    arrays = labels_file(put["train"][1], 10)
    original = as_file(arrays, "legacy old")
    copy = as_file({name: values.astype(np.uint8) for name, values in arrays.items()}, "npz")
    instead = {"cifar10n.npz": hashlib.sha256(copy).hexdigest()}
    files = with_labels(tmp_path / "raw", archive, "human.pt", original, instead=instead)
    source = {"kind": "cifar10", "votes": "aggre_label"}
    prepared(tmp_path / "a/out", source, tmp_path / "raw", files=files)
    (tmp_path / "raw/human.pt").unlink()
    text = refused(tmp_path / "x", source, tmp_path / "raw", files=files)
    assert "put it at FOLDER/human.pt or FOLDER/cifar10n.npz, and type --config raw_dir=FOLDER" in text
    (tmp_path / "raw/cifar10n.npz").write_bytes(copy)
    prepared(tmp_path / "b/out", source, tmp_path / "raw", files=files)
    assert payload(tmp_path / "a/out") == payload(tmp_path / "b/out")


def changed_labels(arrays: dict, counts: np.ndarray) -> dict[str, tuple[str, bytes, str, str]]:
    """Files that are not about these images, or no labels: choice, name, contents, what is said."""
    other = {**arrays, "clean_label": np.roll(arrays["clean_label"], 1)}
    big = {**arrays, "aggre_label": arrays["aggre_label"] + 9}
    few = {name: values[:-1] for name, values in arrays.items()}
    fractions = {**arrays, "aggre_label": arrays["aggre_label"] + 0.5}
    return {
        "another order": ("aggre_label", "npz", as_file(other, "npz"), "its clean_label is not the label of"),
        "no truth": ("aggre_label", "npz", as_file({"aggre_label": counts}, "npz"), "holds no clean_label, only"),
        "no such labels": ("worse_label", "npz", as_file(arrays, "npz"), "holds no worse_label, only aggre_label"),
        "another class": ("aggre_label", "npz", as_file(big, "npz"), "expected labels from 0 to 9"),
        "too few": ("aggre_label", "npz", as_file(few, "npz"), "expected whole numbers of shape (100,), found int64"),
        "fractions": ("aggre_label", "npz", as_file(fractions, "npz"), "expected whole numbers of shape (100,)"),
        "nobody": ("counts", "npy", as_file({"counts": counts * 0}, "npy"), "one or more per image"),
        "many": ("counts", "npy", as_file({"counts": counts * 100}, "npy"), "expected 0 to 255 votes per class"),
        "other images": ("counts", "npy", as_file({"counts": np.roll(counts, 1, 1)}, "npy"), "0.0% of the test images"),
        "list": ("aggre_label", "pt", torch_file([1, 2], "zip"), "a list and no dictionary of arrays"),
        "page": ("aggre_label", "pt", b"<html>not found</html>", "cannot be read as a file of labels"),
        "no zip": ("aggre_label", "npz", b"<html>not found</html>", "cannot be read as a file of labels"),
    }


@pytest.mark.parametrize(
    "case",
    ["another order", "no truth", "no such labels", "another class", "too few", "fractions", "nobody", "many",
     "other images", "list", "page", "no zip"],
)  # fmt: skip
def test_labels_of_other_images_are_refused(tmp_path, case):
    archive, put = cifar_folder(tmp_path / "raw", "cifar10")
    arrays = labels_file(put["train"][1], 10)
    cases = changed_labels(arrays, votes_file(put["test"][1]))
    choice, suffix, data, message = cases[case]
    files = with_labels(tmp_path / "raw", archive, f"human.{suffix}", data)
    text = refused(tmp_path / "out", {"kind": "cifar10", "votes": choice}, tmp_path / "raw", files=files)
    assert text.startswith(f"{tmp_path / 'raw'}/human.{suffix}: ") and message in text, text
    assert text.endswith("put the authors' file in its place")


@pytest.mark.parametrize(("right", "taken"), [(0.92, True), (0.9, False), (0.5, False)])
def test_most_majorities_must_be_the_label(tmp_path, right, taken):
    archive, put = cifar_folder(tmp_path / "raw", "cifar10", per_file=50)
    counts = votes_file(put["test"][1], right)
    assert (counts.argmax(1) == put["test"][1]).mean() == right
    files = with_labels(tmp_path / "raw", archive, "counts.npy", as_file({"counts": counts}, "npy"))
    source = {"kind": "cifar10", "votes": "counts"}
    if taken:
        prepared(tmp_path / "out", source, tmp_path / "raw", files=files)
    else:
        text = refused(tmp_path / "out", source, tmp_path / "raw", files=files)
        assert f"its majority is the label of {right:.1%} of the test images, expected more than 90%" in text


@pytest.mark.parametrize("kind", ["zip", "legacy", "npy", "npz"])
def test_a_file_of_labels_that_runs_code_is_refused(tmp_path, kind):
    archive, put = cifar_folder(tmp_path / "raw", "cifar10")
    evil = {"clean_label": Evil(tmp_path / "harm"), "aggre_label": put["train"][1]}
    if kind in ("npy", "npz"):
        holder = np.array([evil["clean_label"]], dtype=object)
        data = as_file({"counts": holder} if kind == "npy" else {"clean_label": holder, "aggre_label": holder}, kind)
    else:
        data = torch_file(evil, kind)
    choice = "counts" if kind == "npy" else "aggre_label"
    name = f"human.{kind if kind in ('npy', 'npz') else 'pt'}"
    files = with_labels(tmp_path / "raw", archive, name, data)
    text = refused(tmp_path / "out", {"kind": "cifar10", "votes": choice}, tmp_path / "raw", files=files)
    assert f"{name}: cannot be read as a file of labels (" in text
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("extra", [0, 2])
def test_votes_need_one_file_of_labels(tmp_path, extra):
    archive, put = cifar_folder(tmp_path / "raw", "cifar10")
    data = as_file(labels_file(put["train"][1], 10), "npz")
    files = [archive]
    for number in range(extra):
        files += with_labels(tmp_path / "raw", archive, f"human{number}.npz", data)[1:]
    text = refused(tmp_path / "out", {"kind": "cifar10", "votes": "aggre_label"}, tmp_path / "raw", files=files)
    assert (
        f"source.votes: aggre_label is read from one file that ends in .pt, .npy, .npz, and files names {extra}" in text
    )


@pytest.mark.parametrize(
    ("name", "copy", "split", "agreement"),
    [
        ("cifar10n", {}, "train", 0.9099),
        ("cifar10n", {"votes": "worse_label"}, "train", 0.5979),
        ("cifar100n", {}, "train", 0.5980),
        ("cifar10h", {}, "test", 0.9921),
    ],
)
def test_real_labels_agree_as_often_as_published(tmp_path, name, copy, split, agreement):
    entry = DATASETS[name]
    root = real("cifar-100-python" if name == "cifar100n" else "cifar-10-batches-py")
    original = entry["files"][1]
    if not any((root / one).is_file() for one in (original["name"], *original["instead"])):
        pytest.skip(f"put {original['name']} or {' or '.join(original['instead'])} into {root} to run this")
    source = {**entry["source"], **copy}
    arrays = prepared(tmp_path / name, source, root, files=entry["files"], splits=entry["splits"])
    votes, labels = arrays.votes(split), arrays.labels(split)
    assert votes.shape == (len(labels), entry["classes"])
    assert round(float((votes.argmax(1) == labels).float().mean()), 4) == agreement
    total = votes.sum(1)
    assert (int(total.min()), int(total.max())) == ((47, 63) if name == "cifar10h" else (1, 1))


@pytest.mark.parametrize(("name", "counts"), [("cifar10", (5000, 130)), ("cifar100", (500, 18))])
def test_the_real_long_tails(tmp_path, name, counts):
    root = real("cifar-100-python" if name == "cifar100" else "cifar-10-batches-py")
    entry = DATASETS[f"{name}_unbalanced"]
    arrays = prepared(tmp_path / name, entry["source"], root, files=entry["files"], splits=entry["splits"])
    found = np.bincount(arrays.labels("train").numpy())
    assert (found[0], found[-1]) == counts and found.sum() == entry["splits"]["train"]


def real(folder: str) -> Path:
    for variable in ("SSL_RAW_DIR", "SSL_TEST_DATA"):
        if (named := os.environ.get(variable)) and (Path(named) / folder).is_dir():
            return Path(named)
    pytest.skip(f"set SSL_RAW_DIR or SSL_TEST_DATA to a folder that holds {folder}/ to run this on the real data")


@pytest.mark.parametrize(("dataset", "folder"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")])
def test_the_real_cifar_is_what_torchvision_reads(tmp_path, dataset, folder):
    import torchvision

    root = real(folder)
    entry = DATASETS[dataset]
    arrays = prepared(tmp_path / dataset, entry["source"], root, files=entry["files"], splits=entry["splits"])
    for split in ("train", "test"):
        theirs = getattr(torchvision.datasets, dataset.upper())(root, train=split == "train")
        assert np.array_equal(arrays.images(split).numpy(), theirs.data.transpose(0, 3, 1, 2))
        assert arrays.labels(split).tolist() == theirs.targets
        assert arrays.classes == theirs.classes


# ---- STL-10


def test_stl10_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "raw/stl10_binary"
    folder.mkdir(parents=True)
    put = {
        s: rng.integers(0, 256, (n, 3, 96, 96), dtype=np.uint8)
        for s, n in (("train", 6), ("test", 4), ("unlabeled", 5))
    }
    labels = {"train": np.array([0, 9, 1, 0, 2, 1]), "test": np.array([3, 1, 0, 9])}
    for split, images in put.items():
        images.transpose(0, 1, 3, 2).tofile(folder / f"{split}_X.bin")  # the authors store columns first
        if split in labels:
            (labels[split] + 1).astype(np.uint8).tofile(folder / f"{split}_y.bin")
    contents = {f"stl10_binary/{path.name}": md5(path.read_bytes()) for path in sorted(folder.iterdir())}
    file = {"name": "stl10_binary.tar.gz", "checksum": "unpublished", "contents": contents}
    arrays = prepared(tmp_path / "a", {"kind": "stl10"}, tmp_path / "raw", files=[file])
    for split, images in put.items():
        assert np.array_equal(arrays.images(split).numpy(), images)
    for split, values in labels.items():
        assert np.array_equal(arrays.labels(split).numpy(), values)
    assert arrays.count("train+unlabeled") == 11
    assert arrays.classes[9] == "truck"
    few = prepared(
        tmp_path / "b",
        {"kind": "stl10", "limit_train": 4, "limit_unlabeled": 0},
        tmp_path / "raw",
        files=[file],
    )
    assert few.meta["counts"] == {"train": 4, "test": 4}
    assert few.labels("train").tolist() == [0, 9, 1, 2]


# ---- folders of images


def test_flowers102(tmp_path, monkeypatch):
    from scipy.io import savemat
    from torchvision.datasets import Flowers102

    base = tmp_path / "raw/flowers-102"
    (base / "jpg").mkdir(parents=True)
    images = pictures(12)
    for number, image in enumerate(images, 1):
        (base / f"jpg/image_{number:05d}.jpg").write_bytes(png(image))
    labels = np.array([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 102])
    savemat(base / "imagelabels.mat", {"labels": labels[None]})
    split = {"trnid": [1, 2, 3], "valid": [6, 5, 4], "tstid": [7, 8, 9, 10, 11, 12]}
    savemat(base / "setid.mat", {name: np.array(ids)[None] for name, ids in split.items()})
    files = [
        {
            "name": "102flowers.tgz",
            "checksum": "unpublished",
            "folder": "flowers-102",
            "contents": {"jpg/": None},
        },
        {
            "name": "imagelabels.mat",
            "md5": md5((base / "imagelabels.mat").read_bytes()),
            "folder": "flowers-102",
        },
        {"name": "setid.mat", "md5": md5((base / "setid.mat").read_bytes()), "folder": "flowers-102"},
    ]
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda _: True)  # it knows the real files' checksums
    arrays = prepared(tmp_path / "a", {"kind": "flowers102", "size": 16}, tmp_path / "raw", files=files)
    assert arrays.labels("train").tolist() == [0, 1, 2, 0, 1, 101]
    assert arrays.labels("test").tolist() == [2, 1, 0]
    assert arrays.n_classes == 102
    expected = np.asarray(images[5].resize((16, 16), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.array_equal(arrays.images("test")[0].numpy(), expected)
    other = {"kind": "flowers102", "size": 16, "train": "train", "limit_train": 2}
    assert prepared(tmp_path / "b", other, tmp_path / "raw", files=files).labels("train").tolist() == [0, 1]
    text = refused(tmp_path / "c", {"kind": "flowers102", "test": "test"}, tmp_path / "raw", files=files)
    assert "expected two of train, val, test" in text


def tiny_imagenet(root: Path, ids: tuple[str, ...] = ("n02", "n01", "n10")) -> dict[str, list[Image.Image]]:
    base = root / "tiny-imagenet-200"
    put: dict[str, list[Image.Image]] = {"train": [], "test": []}
    for k, id_ in enumerate(sorted(ids)):
        (base / f"train/{id_}/images").mkdir(parents=True)
        (base / f"train/{id_}/{id_}_boxes.txt").write_text("0 0 1 1\n")
        for i, image in enumerate(pictures(3, (64, 64), seed=k)):
            (base / f"train/{id_}/images/{id_}_{i}.JPEG").write_bytes(png(image))
            put["train"].append(image)
    (base / "val/images").mkdir(parents=True)
    lines = []
    for i, image in enumerate(pictures(3, (64, 64), seed=99)):
        (base / f"val/images/val_{i}.JPEG").write_bytes(png(image))
        lines.append(f"val_{i}.JPEG\t{ids[i]}\t0\t0\t1\t1\n")
    (base / "val/val_annotations.txt").write_text("".join(lines))
    (base / "words.txt").write_text("n01\ttench\nn02\tgoldfish, Carassius\n")
    order = sorted(range(3), key=lambda i: ids[i])
    put["test"] = [pictures(3, (64, 64), seed=99)[i] for i in order]
    return put


def test_tinyimagenet(tmp_path):
    put = tiny_imagenet(tmp_path / "raw")
    file = {
        "name": "tiny-imagenet-200.zip",
        "checksum": "unpublished",
        "contents": {"tiny-imagenet-200/train/": None, "tiny-imagenet-200/val/": None},
    }
    splits = {"train": 9, "test": 3}
    source = {"kind": "tinyimagenet"}
    arrays = prepared(tmp_path / "a/out", source, tmp_path / "raw", files=[file], splits=splits)
    assert arrays.classes == ["tench", "goldfish, Carassius", "n10"]
    assert arrays.labels("train").tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert arrays.labels("test").tolist() == [0, 1, 2]
    for split, images in put.items():
        expected = np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])
        assert np.array_equal(arrays.images(split).numpy(), expected), split

    # From the archive, and with the validation images sorted into folders: the same bytes.
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed/tiny-imagenet-200.zip", "w") as archive:
        for path in sorted((tmp_path / "raw").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "raw"))
    prepared(tmp_path / "b/out", source, tmp_path / "packed", files=[file], splits=splits)
    assert payload(tmp_path / "a/out") == payload(tmp_path / "b/out")
    val = tmp_path / "raw/tiny-imagenet-200/val"
    for i, id_ in enumerate(("n02", "n01", "n10")):
        (val / id_).mkdir()
        (val / f"images/val_{i}.JPEG").rename(val / id_ / f"val_{i}.JPEG")
    (val / "images").rmdir()
    prepared(tmp_path / "c/out", source, tmp_path / "raw", files=[file], splits=splits)
    assert payload(tmp_path / "a/out") == payload(tmp_path / "c/out")

    # Half an unpacked folder.
    (tmp_path / "raw/tiny-imagenet-200/train/n01/images/n01_2.JPEG").unlink()
    text = refused(tmp_path / "d/out", source, tmp_path / "raw", files=[file], splits=splits)
    assert "8 train images, expected 9" in text
    broken = tmp_path / "raw/tiny-imagenet-200/train/n01/images/n01_1.JPEG"
    broken.write_bytes(broken.read_bytes()[:5000])
    text = refused(tmp_path / "e/out", source, tmp_path / "raw", files=[file], splits={"train": 8, "test": 3})
    assert f"{broken}: cannot be read as an image" in text


def image_net(root: Path, ids: list[str]) -> list[dict]:
    """Synthetic ILSVRC, as folders below ``root/folders`` and as archives below ``root/archives``."""
    from scipy.io import savemat

    truth = [ids[k] for k in (1, 0, 2, 0)]
    archives = root / "archives/imagenet"
    archives.mkdir(parents=True)
    with tarfile.open(archives / imagenet.TRAIN, "w") as outer:
        for k, id_ in reversed(list(enumerate(ids))):
            (root / f"folders/imagenet/train/{id_}").mkdir(parents=True)
            (root / f"folders/imagenet/val/{id_}").mkdir(parents=True)
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as packed:
                for i, image in enumerate(pictures(2, (40 + 4 * k, 30), seed=k)):
                    add(packed, f"{id_}_{i}.JPEG", png(image))
                    (root / f"folders/imagenet/train/{id_}/{id_}_{i}.JPEG").write_bytes(png(image))
            add(outer, f"{id_}.tar", inner.getvalue())
    with tarfile.open(archives / imagenet.VAL, "w") as packed:
        for i, image in reversed(list(enumerate(pictures(4, seed=77)))):
            name = f"ILSVRC2012_val_{i + 1:08d}.JPEG"
            add(packed, name, png(image))
            (root / f"folders/imagenet/val/{truth[i]}/{name}").write_bytes(png(image))
    # The kit numbers the classes in an order of its own, and lists inner nodes of WordNet as well.
    numbers = {id_: number for number, id_ in enumerate(reversed(ids), 1)}
    table = np.zeros(len(ids) + 1, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    for row, (id_, number) in enumerate([*numbers.items(), ("n99999999", len(ids) + 1)]):
        table[row] = (number, id_, 0 if id_ in ids else 2)
    mat = io.BytesIO()
    savemat(mat, {"synsets": table})
    with tarfile.open(archives / imagenet.DEVKIT, "w:gz") as packed:
        add(packed, "ILSVRC2012_devkit_t12/data/meta.mat", mat.getvalue())
        lines = "".join(f"{numbers[id_]}\n" for id_ in truth)
        add(packed, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", lines.encode())
    declared = []
    for file in DATASETS["imagenet"]["files"]:
        path = archives / file["name"]
        declared.append({**file, "md5": md5(path.read_bytes()), "bytes": path.stat().st_size})
    return declared


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def test_imagenet_from_folders_and_from_archives(tmp_path):
    ids = ["n00000001", "n00000002", "n00000003"]
    files = image_net(tmp_path, ids)
    source = {"kind": "imagenet", "size": 24}
    splits = {"train": 6, "test": 4}
    arrays = prepared(tmp_path / "a/out", source, tmp_path / "folders", files=files, splits=splits)
    assert arrays.classes == ids
    assert arrays.labels("train").tolist() == [0, 0, 1, 1, 2, 2]
    assert arrays.labels("test").tolist() == [0, 0, 1, 2]
    expected = ImageOps.fit(pictures(2, (44, 30), seed=1)[1], (24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(arrays.images("train")[3].numpy(), np.asarray(expected).transpose(2, 0, 1))

    prepared(tmp_path / "b/out", source, tmp_path / "archives", files=files, splits=splits)
    assert payload(tmp_path / "a/out") == payload(tmp_path / "b/out")
    assert not (tmp_path / "b/downloads").exists()  # read in place

    (tmp_path / "archives/imagenet" / imagenet.DEVKIT).unlink()
    text = refused(tmp_path / "c/out", source, tmp_path / "archives", files=files)
    assert f"put {imagenet.DEVKIT} beside it" in text
    few = {**source, "limit_train": 3, "limit_test": 3}
    arrays = prepared(tmp_path / "d/out", few, tmp_path / "folders", files=files, splits=splits)
    assert arrays.labels("train").tolist() == [0, 1, 2]
    assert arrays.meta["counts"] == {"train": 3, "test": 3}


def test_imagenet_without_its_files_says_where_to_get_them(tmp_path):
    text = refused(tmp_path / "imagenet", {"kind": "imagenet"}, tmp_path, files=DATASETS["imagenet"]["files"])
    assert "see https://image-net.org/download.php" in text
    assert "FOLDER/imagenet/train/: one folder of JPEG files per class" in text
    assert "1d675b47d978889d74fa0da5fadfb00e" in text


def test_imagenet100_picks_its_classes(tmp_path):
    from pipeline.data.sources.imagenet100 import CLASSES

    assert len(set(CLASSES)) == 100 and sorted(CLASSES) == CLASSES
    root = tmp_path / "raw/imagenet"
    image = png(pictures(1, (8, 8))[0])
    for split in ("train", "val"):
        for id_ in [*CLASSES, "n00000001"]:
            (root / split / id_).mkdir(parents=True)
            (root / split / id_ / "a.JPEG").write_bytes(image)
    files = DATASETS["imagenet100"]["files"]
    source = {"kind": "imagenet100", "size": 8}
    arrays = prepared(tmp_path / "a", source, tmp_path / "raw", files=files)
    assert arrays.classes == CLASSES
    assert arrays.labels("train").tolist() == list(range(100))
    text = refused(tmp_path / "b", {**source, "subset": "folder"}, tmp_path / "raw", files=files)
    assert "101 classes, expected 100" in text
    (root / "val" / CLASSES[7] / "a.JPEG").unlink()
    text = refused(tmp_path / "c", source, tmp_path / "raw", files=files)
    assert f"no validation images of class {CLASSES[7]}" in text


@pytest.mark.parametrize("side", [(40, 30), (30, 41), (24, 24), (10, 12)])
def test_images_are_brought_to_one_size(side):
    image = pictures(1, side)[0]
    # Pillow's own centre crop and plain resizing are the references.
    crop = ImageOps.fit(image, (24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(fitted(image, 24, "crop")), np.asarray(crop))
    squash = image.resize((24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(fitted(image, 24, "squash")), np.asarray(squash))


# ---- folders of images


@pytest.fixture
def sorted_images(tmp_path: Path) -> Path:
    """Tiny ImageNet of three classes, the validation images in folders: 9 and 3 images."""
    put = tiny_imagenet(tmp_path / "raw")
    val = tmp_path / "raw/tiny-imagenet-200/val"
    shutil.rmtree(val)
    for id_, image in zip(("n01", "n02", "n10"), put["test"], strict=True):
        (val / id_).mkdir(parents=True)
        (val / id_ / "a.JPEG").write_bytes(png(image))
    return tmp_path / "raw/tiny-imagenet-200"


SORTED = {
    "files": [
        {
            "name": "tiny-imagenet-200.zip",
            "checksum": "unpublished",
            "contents": {"tiny-imagenet-200/train/": None, "tiny-imagenet-200/val/": None},
        }
    ],
    "splits": {"train": 9, "test": 3},
    "classes": 3,
}


def folders(root: Path, out: str, **source: object) -> Arrays:
    return prepared(root.parents[1] / out, {"kind": "tinyimagenet", **source}, root.parent, **SORTED)


def refused_folders(root: Path, **source: object) -> str:
    out = root.parents[1] / f"refused{len(list(root.parents[1].iterdir()))}"
    return refused(out, {"kind": "tinyimagenet", **source}, root.parent, **SORTED)


def test_names_that_start_with_a_dot_are_no_classes_and_no_images(sorted_images):
    folders(sorted_images, "before/out")
    for split in ("train", "val"):
        (sorted_images / split / ".ipynb_checkpoints").mkdir()
        (sorted_images / split / ".ipynb_checkpoints/a.JPEG").write_bytes(png(pictures(1)[0]))
        (sorted_images / split / "n01/.thumbnails").mkdir()
        (sorted_images / split / "n01/.thumbnails/a.JPEG").write_bytes(png(pictures(1)[0]))
        (sorted_images / split / "n01/._a.JPEG").write_bytes(b"of macOS")
        (sorted_images / split / ".DS_Store").write_bytes(b"of macOS")
        (sorted_images / split / "n01/notes.txt").write_text("no image")
    folders(sorted_images, "after/out")
    home = sorted_images.parents[1]
    assert payload(home / "before/out") == payload(home / "after/out")


def test_dots_in_archives_are_no_classes_either(tmp_path):
    ids = ["n00000001", "n00000002", "n00000003"]
    files = image_net(tmp_path, ids)
    path = tmp_path / "archives/imagenet" / imagenet.TRAIN
    with tarfile.open(path, "a") as outer:
        add(outer, "._n00000001.tar", b"of macOS")
    (at,) = [number for number, file in enumerate(files) if file["name"] == imagenet.TRAIN]
    files[at] = {**files[at], "md5": md5(path.read_bytes()), "bytes": path.stat().st_size}
    source, declared = {"kind": "imagenet", "size": 8}, {"splits": {"train": 6, "test": 4}, "classes": 3}
    assert prepared(tmp_path / "a", source, tmp_path / "archives", files=files, **declared).classes == ids


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_that_one_split_has_is_refused(sorted_images, split):
    (sorted_images / split / "n03").mkdir()
    (sorted_images / split / "n03/a.JPEG").write_bytes(png(pictures(1)[0]))
    text = refused_folders(sorted_images)
    assert "n03" in text and ("without training images" in text or "one folder of images" in text or "of this" in text)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_of_imagenet_that_one_split_has_is_refused(tmp_path, split):
    files = image_net(tmp_path, ["n00000001", "n00000002", "n00000003"])
    extra = tmp_path / "folders/imagenet" / split / "n00000004"
    extra.mkdir()
    (extra / "a.JPEG").write_bytes(png(pictures(1)[0]))
    text = refused(tmp_path / "x", {"kind": "imagenet", "size": 8}, tmp_path / "folders", files=files)
    assert "n00000004" in text


def test_a_class_without_validation_images_is_refused(tmp_path):
    tiny_imagenet(tmp_path / "raw")
    annotations = tmp_path / "raw/tiny-imagenet-200/val/val_annotations.txt"
    annotations.write_text("\n".join(annotations.read_text().splitlines()[:2]) + "\n")
    text = refused_folders(tmp_path / "raw/tiny-imagenet-200")
    assert str(annotations) in text and "n10" in text


def test_the_number_of_classes_is_compared_with_the_declared_one(sorted_images):
    for split in ("train", "val"):
        (sorted_images / split / "n03").mkdir()
        (sorted_images / split / "n03/a.JPEG").write_bytes(png(pictures(1)[0]))
    text = refused_folders(sorted_images)
    assert "4 classes, expected 3" in text and "correct classes in params/datasets.yaml" in text


def test_a_limit_does_not_hide_what_is_missing(sorted_images):
    found = folders(sorted_images, "a/out", limit_train=3, limit_test=2)
    assert found.meta["counts"] == {"train": 3, "test": 2} and found.labels("train").tolist() == [0, 1, 2]
    (sorted_images / "train/n01/images/n01_2.JPEG").unlink()
    (sorted_images / "train/n01/images/n01_1.JPEG").write_bytes(b"no image")  # it is not decoded any more
    for limits in ({"limit_train": 3, "limit_test": 2}, {}):
        assert "8 train images, expected 9" in refused_folders(sorted_images, **limits)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_a_limit_of_cifar_does_not_hide_what_is_missing(tmp_path, dataset):
    file, put = cifar_folder(tmp_path / "raw", dataset)
    count = {split: len(put[split][1]) for split in ("train", "test")}
    source = {"kind": dataset, "limit_train": 10}
    splits = {**count, "train": count["train"] + 1}
    text = refused(tmp_path / "x", source, tmp_path / "raw", files=[file], splits=splits)
    assert f"{count['train']} train images, expected {splits['train']}" in text


def test_images_of_formats_that_are_not_declared_are_refused(sorted_images):
    name = sorted_images / "train/n01/images/n01_3.tif"
    pictures(1)[0].save(name)
    text = refused_folders(sorted_images)
    assert str(name) in text and "add TIFF to source.formats" in text
    name.rename(sorted_images / "train/n01/images/n01_2.JPEG")  # whatever a file is called
    text = refused_folders(sorted_images)
    assert "n01_2.JPEG" in text and "source.formats declares: JPEG, PNG" in text
    folders(sorted_images, "a/out", formats=["JPEG", "PNG", "TIFF"])


@pytest.mark.parametrize("formats", [[], ["EPS"], ["JPG"], ["PNG", "PDF"]])
@pytest.mark.parametrize("kind", ["tinyimagenet", "imagenet", "imagenet100"])
def test_formats_are_bitmaps(sorted_images, formats, kind):
    names = ["tiny-imagenet-200.zip"] if kind == "tinyimagenet" else [imagenet.TRAIN, imagenet.VAL]
    with pytest.raises(UserError, match=r"^source\.formats: expected some of BMP, GIF, JPEG"):
        components.load(components.find("source", kind)).build(
            dict.fromkeys(names, sorted_images.parent), None, formats=formats
        )


def test_every_source_of_image_files_declares_its_formats():
    reading = [kind for kind in components.kinds("source") if "fit" in components.params("source", kind)]
    assert sorted(reading) == ["flowers102", "imagefolder", "imagenet", "imagenet100", "tinyimagenet"]
    for kind in reading:
        default = components.params("source", kind)["formats"][1]
        before = {} if kind == "imagefolder" else {"formats": default}  # it has had them from the first
        if kind in ("imagefolder", "imagenet", "imagenet100"):
            before |= {"keep": "pixels", "draft": False}
        assert default == ["JPEG", "PNG"] and components.default_before("source", kind) == before


# ---- image files


def decoded(path: Path, size: int = 6, formats: tuple[str, ...] = decoding.FORMATS) -> np.ndarray:
    (found,) = decoding._decoded([path], size, "squash", formats)
    return found


def test_sixteen_bits_are_scaled_by_their_range(tmp_path):
    values = np.linspace(0, 65535, 36).round().astype(np.uint16).reshape(6, 6)
    expected = np.rint(values / 65535 * 255).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    (tmp_path / "a.pgm").write_bytes(b"P5 6 6 65535\n" + values.astype(">u2").tobytes())
    for name in ("a.png", "a.pgm"):
        found = decoded(tmp_path / name)
        assert all(np.array_equal(channel, expected) for channel in found), name


@pytest.mark.parametrize(
    ("values", "mode"),
    [(np.float32([[0.1, 0.9]]), "F"), (np.int32([[1, 70000]]), "I"), (np.uint16([[1, 4000]]), "I;16")],
)
def test_numbers_without_a_range_are_refused_by_name(tmp_path, values, mode):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UserError) as caught:
        decoded(tmp_path / "a.tif")
    assert str(tmp_path / "a.tif") in str(caught.value) and f"Pillow's mode {mode}, " in str(caught.value)


def test_nothing_but_declared_formats_is_opened(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    def ghostscript(*_: object, **__: object) -> None:
        raise AssertionError("another program was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    path = tmp_path / "a.JPEG"
    pictures(1)[0].save(path, "EPS")
    for formats in (("JPEG", "PNG"), decoding.FORMATS):
        with pytest.raises(UserError, match=r"a\.JPEG: cannot be read as an image \(it is none of the formats"):
            decoded(path, formats=formats)


@pytest.mark.parametrize("side", [9460, 30000])
def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path, side):
    # A PNG's header says how large it is; behind it stands nothing.
    chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data + struct.pack(">I", 9) + b"IDAT")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserError, match=r"a\.png: cannot be read as an image \(.*pixels") as caught:
            decoded(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F")
COLOUR = (200, 30, 90)


def file_of(mode: str, kind: str, side: tuple[int, int]) -> bytes | None:
    """One colour in a mode and format; None where Pillow does not write one in the other."""
    data = io.BytesIO()
    try:
        if mode == "LAB":
            Image.new("LAB", side, COLOUR).save(data, kind)
        else:
            through = "L" if mode in ("I", "I;16", "F", "LA") else "RGB"
            Image.new("RGB", side, COLOUR).convert(through).convert(mode).save(data, kind)
    except (OSError, ValueError, KeyError):
        return None
    return data.getvalue()


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.sampled_from(MODES),
    st.sampled_from(decoding.FORMATS),
    st.tuples(st.integers(1, 33), st.integers(1, 33)),
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    st.sampled_from(decoding.FITS),
)
@pytest.mark.filterwarnings("ignore")
def test_any_image_file_is_an_array_or_one_line_with_its_name(mode, kind, side, kept, changes, fit):
    """Of any mode and size, cut off anywhere, with any byte changed."""
    data = file_of(mode, kind, side)
    if data is None:
        return
    content, whole = bytearray(data), not changes and kept > 0.5
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    content = content if whole else content[: int(kept * len(content))]

    def opened() -> io.BytesIO:
        stream = io.BytesIO(bytes(content))
        stream.name = "archive.tar: picture"
        return stream

    try:
        (found,) = decoding._decoded([opened], 8, fit, decoding.FORMATS)
    except UserError as error:
        text = str(error)
        assert text.startswith("archive.tar: picture: cannot be read as an image (") and "\n" not in text
        assert not whole or mode in ("I", "I;16", "F", "LAB"), text
        return
    assert found.shape == (3, 8, 8) and found.dtype == np.uint8
    if whole and mode in ("L", "RGB", "LA", "RGBA") and kind in ("PNG", "BMP", "TIFF"):
        grey = Image.new("RGB", (1, 1), COLOUR).convert("L").getpixel((0, 0))
        assert tuple(found[:, 4, 4]) == (COLOUR if "RGB" in mode else (grey,) * 3)
