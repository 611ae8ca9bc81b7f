"""Images that lie in many files, as pixels or as they came: the same images, for whoever reads them."""

from __future__ import annotations

import collections
import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from sklearn.datasets import load_sample_images
from trainings import content, make_works, run_spec

from pipeline import components
from pipeline.data import images, prepare, shards
from pipeline.data.arrays import Arrays
from pipeline.data.sharded import ShardedImages
from pipeline.data.stored import PixelImages
from pipeline.errors import UserError
from pipeline.evaluation.features import extract
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.keys import KeyFile
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.composition import prune
from pipeline.planning.key_files import ARRAYS, key_files
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.training import pretrain
from pipeline.training.streaming import StreamedImages, training_images
from pipeline.work import Work

KEPT = ("pixels", "shards", "encoded")
torch.set_num_threads(1)


def photograph(number: int, height: int, width: int) -> Image.Image:
    """A piece of a real photograph."""
    whole = load_sample_images().images[number % 2]
    top, left = (37 * number) % (427 - height), (53 * number) % (640 - width)
    return Image.fromarray(whole[top : top + height, left : left + width])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of photographs of all sizes, JPEG and PNG; a test folder, and images without labels."""
    root = tmp_path_factory.mktemp("photos")
    number = 0
    for folder, count in (("train/a", 11), ("train/b", 9), ("test/a", 3), ("test/b", 2), ("more/x", 4)):
        (root / folder).mkdir(parents=True)
        for _ in range(count):
            image = photograph(number, 60 + 7 * (number % 20), 90 + 11 * (number % 13))
            kind, more = ("png", {}) if number % 5 == 4 else ("jpg", {"quality": 90})
            image.save(root / folder / f"{number:03d}.{kind}", **more)
            number += 1
    return root


def prepared(out: Path, root: Path, **source: Any) -> Arrays:
    out.mkdir(parents=True)
    given = {"kind": "imagefolder", "root": str(root), "size": 24, "unlabeled": "more"} | source
    resolved = components.resolve("source", given, "test")
    resolved["root"] = resolved["root"]["path"]  # as the executor hands it over
    list(prepare.execute([Work(name="data/photos", spec={"name": "photos", "source": resolved}, out=out)]))
    return Arrays.open(out)


@pytest.fixture(scope="module")
def sets(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    """The same images, kept in three ways, in files of 16 kB."""
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PART", 1 << 14)
        return {keep: prepared(out / keep, photos, keep=keep) for keep in KEPT}


# what is written


def test_the_same_images_however_they_are_kept(sets: dict[str, Arrays]) -> None:
    for split in ("train", "test", "unlabeled", "train+unlabeled"):
        expected = sets["pixels"].images(split)
        for keep in ("shards", "encoded"):
            found = sets[keep].images(split)
            assert isinstance(found, ShardedImages)
            assert len(found) == len(expected) and found.shape == expected.shape and found.device == expected.device
            assert torch.equal(found[:], expected)
            assert torch.equal(found[1:3], expected[1:3]) and len(found[5:5]) == 0
            for rows in (torch.tensor([2, 0, 0]), [1, 2], np.array([-1, 0])):
                assert torch.equal(found[rows], expected[rows])
            assert torch.equal(sets[keep].labels(split), sets["pixels"].labels(split))
            assert sets[keep].count(split) == len(expected) and sets[keep].image_shape == (3, 24, 24)
            with pytest.raises(IndexError):
                found[0]
    assert "stored" not in sets["pixels"].meta  # and so on, to the byte: names and keys of such sets are as they were
    assert sorted(path.name for path in sets["pixels"].path.parent.iterdir()) == ARRAYS


def test_files_are_kept_as_they_came_in_parts_of_a_bounded_size(sets: dict[str, Arrays], photos: Path) -> None:
    folder = sets["encoded"].path.parent
    for split, number in (("train", 20), ("test", 5)):
        parts = sorted(folder.glob(f"{split}-*.bin"))
        assert [path.name for path in parts] == [shards.name_of(split, count) for count in range(len(parts))]
        paths = [path for name in ("a", "b") for path in sorted((photos / split / name).iterdir())]
        assert b"".join(path.read_bytes() for path in parts) == b"".join(path.read_bytes() for path in paths)
        spans = sets["encoded"]._read(f"{split}_spans").tolist()
        assert len(spans) == len(paths) == number
        for path, (file, begin, length) in zip(paths, spans, strict=True):
            assert parts[file].read_bytes()[begin : begin + length] == path.read_bytes()
        for path in parts:
            assert path.stat().st_size <= 1 << 14 or sum(span[0] == parts.index(path) for span in spans) == 1
        sides = [Image.open(path).size[::-1] for path in paths]
        assert sets["encoded"]._read(f"{split}_sides").tolist() == [list(side) for side in sides]
    assert len(list(folder.glob("train-*.bin"))) > 3
    pixels = sorted(sets["shards"].path.parent.glob("train-*.bin"))
    assert {path.stat().st_size for path in pixels[:-1]} == {(1 << 14) // (3 * 24 * 24) * 3 * 24 * 24}
    assert len(b"".join(path.read_bytes() for path in pixels)) == 20 * 3 * 24 * 24


def test_the_same_files_give_the_same_bytes(sets: dict[str, Arrays], photos: Path, tmp_path: Path) -> None:
    for keep in ("shards", "encoded"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shards, "PART", 1 << 14)
            again = prepared(tmp_path / keep, photos, keep=keep)
        assert content(again.path.parent) == content(sets[keep].path.parent)


@pytest.mark.parametrize("keep", KEPT)
def test_a_damaged_file_is_refused_when_it_is_prepared(keep: str, photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for path in sorted(photos.rglob("*.*")):
        (root / path.relative_to(photos)).parent.mkdir(parents=True, exist_ok=True)
        (root / path.relative_to(photos)).write_bytes(path.read_bytes())
    damaged = root / "train/b/012.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-400])
    with pytest.raises(UserError, match=r"cannot be read as an image \(.*truncated.*\)") as caught:
        prepared(tmp_path / "out", root, keep=keep)
    assert str(damaged) in str(caught.value) and "\n" not in str(caught.value)


def test_sets_of_before_keep_their_names(photos: Path) -> None:
    for kind in ("imagefolder", "imagenet", "imagenet100"):
        given = {"kind": kind} | ({"root": str(photos)} if kind == "imagefolder" else {})
        kept, _ = prune({"source": components.resolve("source", given, "test")})
        assert not {"keep", "draft"} & kept["source"].keys()
        other, _ = prune({"source": components.resolve("source", given | {"keep": "shards", "draft": True}, "test")})
        assert other["source"]["keep"] == "shards" and other["source"]["draft"] is True


# what is read


def test_a_file_that_is_gone_or_cut_is_one_line(photos: Path, tmp_path: Path) -> None:
    arrays = prepared(tmp_path / "set", photos, keep="encoded")
    part = tmp_path / "set/train-00000.bin"
    whole = part.read_bytes()
    found = arrays.images("train")
    os.truncate(part, len(whole) - 100)
    assert torch.equal(found[:3], arrays.images("train")[:3])
    with pytest.raises(UserError, match=f"{re.escape(str(part))}: it ends within image 19") as caught:
        found[:]
    assert "\n" not in str(caught.value)
    _, begin, length = arrays._read("train_spans")[7].tolist()
    part.write_bytes(whole[:begin] + bytes(length) + whole[begin + length :])
    with pytest.raises(UserError, match=f"{re.escape(str(part))}: image 7: cannot be read as an image"):
        arrays.images("train")[:]
    part.unlink()
    with pytest.raises(UserError, match=r"train-00000\.bin: cannot be read"):
        arrays.images("train")
    with pytest.raises(IndexError):
        arrays.images("test").read(np.array([5]), [np.empty((3, 24, 24), np.uint8)])


def decoded(image: Image.Image, kind: str, size: int, fit: str, draft: bool) -> np.ndarray:
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": 90} if kind == "JPEG" else {}))
    stream.seek(0)
    return images.decode(stream, "it", size, fit, ["JPEG", "PNG"], draft).astype(int)


@pytest.mark.parametrize("fit", images.FITS)
def test_a_draft_is_near_the_whole_decoding_and_the_same_where_there_is_nothing_to_leave_out(fit: str) -> None:
    whole = Image.fromarray(load_sample_images().images[0])  # 640 x 427
    for size, scale in ((224, 1), (213, 2), (96, 4), (53, 8)):
        slow, fast = (decoded(whole, "JPEG", size, fit, draft) for draft in (False, True))
        assert slow.shape == fast.shape == (3, size, size)
        difference = np.abs(slow - fast)
        if scale == 1:
            assert not difference.any()
        else:
            assert difference.any() and difference.mean() < 4.5 and np.quantile(difference, 0.99) < 32
    assert not (decoded(whole, "PNG", 53, fit, True) - decoded(whole, "PNG", 53, fit, False)).any()
    grey = whole.convert("L")
    assert np.abs(decoded(grey, "JPEG", 53, fit, True) - decoded(grey, "JPEG", 53, fit, False)).mean() < 4.5


def test_a_draft_is_what_is_kept(photos: Path, tmp_path: Path) -> None:
    sets = {keep: prepared(tmp_path / keep, photos, keep=keep, draft=True) for keep in KEPT}
    plain = prepared(tmp_path / "plain", photos).images("train")
    for keep in KEPT:
        assert torch.equal(sets[keep].images("train")[:], sets["pixels"].images("train")[:])
    assert not torch.equal(sets["encoded"].images("train")[:], plain)


# trainings and measures


def test_trainings_and_features_are_those_of_pixels(sets: dict[str, Arrays], tmp_path: Path) -> None:
    spec = run_spec() | {"batch_size": 8}
    found = {}
    for keep, place in [*((keep, "memory") for keep in KEPT), *((keep, "disk") for keep in KEPT)]:
        (work,) = make_works(spec, [2], tmp_path / f"{keep}-{place}", sets[keep].path.parent)
        work.context |= {"images": place, "readers": 2}
        list(pretrain.execute([work]))
        found[keep, place] = content(work.out)
    assert len({str(hashes) for hashes in found.values()}) == 1

    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 24 * 24, 5))
    features = [extract(encoder, sets[keep].images("train"), None, batch_size=6) for keep in KEPT]
    assert torch.equal(features[0], features[1]) and torch.equal(features[0], features[2])


def test_a_set_in_many_files_is_streamed_from_them(sets: dict[str, Arrays]) -> None:
    cpu = torch.device("cpu")
    for keep, kind in (("pixels", PixelImages), ("shards", ShardedImages), ("encoded", ShardedImages)):
        found = training_images(sets[keep], "train+unlabeled", cpu, {"images": "disk"})
        assert isinstance(found, StreamedImages) and isinstance(found._stored, kind)
        rows = torch.tensor([23, 0, 11])
        assert torch.equal(found.take(rows), sets["pixels"].images("train+unlabeled")[rows])


# keys


def test_only_who_reads_many_files_has_their_reader_in_its_key(photos: Path, folder: Path) -> None:
    keys: dict[str, dict[str, KeyFile]] = {}
    scale = yaml.safe_load((folder / "scales/small.yaml").read_text())
    scale["datasets"]["stl10"] = {"name": "photos"}
    (folder / "scales/small.yaml").write_text(yaml.safe_dump(scale))
    for keep in ("pixels", "encoded"):
        source = {"kind": "imagefolder", "root": str(photos), "size": 24, "unlabeled": "more", "keep": keep}
        entry = {"title": "T", "source": source, "splits": {"train": 20, "test": 5, "unlabeled": 4}, "licence": "MIT"}
        (folder / "datasets.yaml").write_text(yaml.safe_dump({"photos": entry}))
        known = Catalogue(Options(scale="small", extend=str(folder)))
        plan = Plan(known, [known.request("results/small/mine/t.csv")])
        assert {data.sharded for name, data in plan.data.items() if "photos-" in name} == {keep == "encoded"}
        assert len(plan.data) == 2
        keys[keep] = key_files(plan, Fingerprints())
    for keep, found in keys.items():
        counted: collections.Counter[tuple[str, bool]] = collections.Counter()
        for key in found.values():
            data = key.inputs.get("data", "")
            if data:
                sharded = keep == "encoded" and "photos-" in data
                assert ("pipeline/data/sharded.py" in key.code) == sharded, key.stage
                assert key.reads.get("data") == (None if sharded else ARRAYS)
                counted[key.stage, sharded] += 1
            else:
                assert "pipeline/data/sharded.py" not in key.code  # who mends the reader prepares nothing again
        assert {stage for stage, _ in counted} == {"pretrain", "linear_probe"}
        assert {sharded for _, sharded in counted} == ({False, True} if keep == "encoded" else {False})
