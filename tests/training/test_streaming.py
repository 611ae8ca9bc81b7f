"""Training images that stay on disk: the same bytes as with all of them in memory, and memory that is bounded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from trainings import content, files_of, make_works, run_spec, write_noise

from pipeline import hardware
from pipeline.data.arrays import Arrays
from pipeline.data.stored import PixelImages
from pipeline.errors import UserError
from pipeline.numerics import saved_tensors
from pipeline.planning.options import Options
from pipeline.training import pretrain, streaming
from pipeline.training.batches import Batches, fraction_of
from pipeline.training.streaming import ReadAhead, StreamedBatches, StreamedImages, batches_of, share_of, where
from pipeline.work import Work

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


def write_parts(folder: Path, **parts: torch.Tensor) -> Arrays:
    """A data set of these splits; images are uint8 of one shape."""
    tensors: dict[str, torch.Tensor] = {f"{split}_images": images for split, images in parts.items()}
    tensors["train_labels"] = torch.zeros(len(parts["train"]), dtype=torch.int64)
    save_file(tensors, folder / "arrays.safetensors")
    counts = {split: len(images) for split, images in parts.items()}
    meta = {"name": "noise", "classes": ["one"], "counts": counts, "image_shape": list(parts["train"].shape[1:])}
    (folder / "meta.json").write_text(json.dumps(meta))
    return Arrays.open(folder)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def streamed(arrays: Arrays, names: list[str], **more: Any) -> StreamedImages:
    return StreamedImages(PixelImages(arrays.path, names), CPU, **more)


def trained(works: list[Work], **context: Any) -> dict[str, dict[str, str]]:
    """Hashes of the payloads by the works' names."""
    for work in works:
        work.context |= context
    return {work.name: content(work.out) for work in pretrain.execute(works)}


# reading


def test_images_are_read_by_their_numbers_through_all_parts(tmp_path: Path) -> None:
    parts = {"train": noise(7, 3, 5, 4), "unlabeled": noise(9, 3, 5, 4, seed=1), "test": noise(2, 3, 5, 4, seed=2)}
    arrays = write_parts(tmp_path, **parts)
    stored = PixelImages(arrays.path, ["train_images", "unlabeled_images"])
    assert stored.shape == (16, 3, 5, 4)
    rows = np.array([15, 0, 6, 7, 7, 3])
    into = np.zeros((6, 3, 5, 4), dtype=np.uint8)
    stored.read(rows, list(into))
    assert np.array_equal(into, arrays.images("train+unlabeled").numpy()[rows])
    for outside in (-1, 16):
        with pytest.raises(IndexError):
            stored.read(np.array([outside]), list(into[:1]))


@pytest.mark.parametrize("damage", ["gone", "no header", "no tensor", "other tensor"])
def test_a_file_without_images_is_one_line(damage: str, data: Path, tmp_path: Path) -> None:
    path, name = tmp_path / "arrays.safetensors", "train_images"
    if damage == "no header":
        path.write_bytes(b"\x08" + 7 * b"\x00" + b"nonsense")
    elif damage != "gone":
        path.write_bytes((data / "arrays.safetensors").read_bytes())
        name = "train_pictures" if damage == "no tensor" else "train_labels"
    with pytest.raises(UserError, match=r"no images can be read .*; remove .* and build again") as caught:
        PixelImages(path, [name])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_minibatches_are_those_of_images_in_memory(tmp_path: Path) -> None:
    arrays = write_parts(tmp_path, train=noise(53, 3, 4, 4))
    whole = arrays.images("train")
    images = streamed(arrays, ["train_images"], readers=3)
    for fraction in (1.0, 0.4):
        kept, stays = fraction_of(whole, fraction, 5), share_of(images, fraction, 5)
        assert len(stays) == len(kept) and stays.shape == tuple(kept.shape)
        ours, theirs = batches_of(stays, 8, seed=5), batches_of(kept, 8, seed=5)
        assert type(ours) is StreamedBatches and type(theirs) is Batches and ours.steps == theirs.steps
        steps = [divmod(step, ours.steps) for step in range(3 * ours.steps)]
        for epoch, step in [*steps, (0, 1), (2, 0), (0, 0), (0, 0)]:  # in order, back, and ahead
            assert torch.equal(ours.batch(epoch, step), theirs.batch(epoch, step)), (fraction, epoch, step)


@pytest.mark.gpu
def test_minibatches_come_to_a_gpu_through_pinned_memory(tmp_path: Path) -> None:
    arrays = write_parts(tmp_path, train=noise(64, 3, 4, 4))
    whole = arrays.images("train")
    images = StreamedImages(PixelImages(arrays.path, ["train_images"]), torch.device("cuda"))
    reading = images.begin(torch.arange(5))
    assert reading.buffer.is_pinned() and torch.equal(images.end(reading).cpu(), whole[:5])
    ours, theirs = batches_of(images, 8, seed=5), batches_of(whole.cuda(), 8, seed=5)
    for step in range(3 * ours.steps):
        found, expected = (batches.batch(*divmod(step, ours.steps)) for batches in (ours, theirs))
        assert found.is_cuda and torch.equal(found, expected)


class Counted:
    """Stored images that do not answer before they are told to, and count what they are asked for."""

    shape = (1000, 1, 2, 2)

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.go = threading.Event()

    def read(self, rows: np.ndarray, into: list[np.ndarray]) -> None:
        self.asked.append(rows.tolist())
        assert self.go.wait(30)
        for row, place in zip(rows, into, strict=True):
            place[:] = row % 251


def test_a_bounded_number_of_minibatches_is_read_ahead_and_each_disk_is_read_one_way() -> None:
    stored = Counted()
    images = StreamedImages(stored, CPU, ahead=3 * 40 * 4 + 100, readers=2)
    ahead = ReadAhead(images, lambda step: torch.arange(40).flip(0) + 40 * step, 40)
    assert ahead.depth == 3
    stored.go.set()
    for step in range(5):
        first = ahead.take(step)
        assert (first.flatten(1)[:, 0] == (torch.arange(40).flip(0) + 40 * step) % 251).all()
        assert len(ahead._readings) == 3
    for reading in ahead._readings.values():
        images.end(reading)
    rows = [row for asked in stored.asked for row in asked]
    assert sorted(rows) == list(range(8 * 40))  # five that were taken, three beyond, and none of them twice
    assert all(asked == sorted(asked) and len(asked) <= 16 for asked in stored.asked)
    # however large a minibatch is, the next one is on its way; however small, there is an end
    large = StreamedImages(stored, CPU, ahead=7)
    assert ReadAhead(large, torch.arange, 40).depth == 1
    assert ReadAhead(StreamedImages(stored, CPU), torch.arange, 2).depth == streaming.MOST_AHEAD


def test_what_was_read_for_other_steps_is_dropped() -> None:
    stored = Counted()
    ahead = ReadAhead(StreamedImages(stored, CPU, readers=1), lambda step: torch.arange(4) + 4 * step, 4)
    stored.go.set()
    ahead.take(100)
    ahead.take(3)
    assert min(ahead._readings) == 4 and max(ahead._readings) == 3 + ahead.depth


def test_where_images_lie_follows_from_their_size(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr(hardware, "memory", lambda: 1000)
    assert [where(size, CPU) for size in (1, 500, 501)] == ["memory", "memory", "disk"]
    arrays = Arrays.open(data)
    assert isinstance(streaming.training_images(arrays, "train", CPU, {}), StreamedImages)
    assert isinstance(streaming.training_images(arrays, "train", CPU, {"images": "memory"}), torch.Tensor)
    monkeypatch.setattr(hardware, "memory", lambda: None)
    assert where(10**15, CPU) == "memory"
    with pytest.raises(UserError, match="no split 'other'"):
        streaming.training_images(arrays, "other", CPU, {"images": "disk"})


def test_what_may_be_said_of_it() -> None:
    assert Options.parse({"images": "disk", "readers": 3}, {}) == Options(images="disk", readers=3)
    for wrong in ({"images": "tape"}, {"readers": 0}, {"readers": "many"}):
        with pytest.raises(UserError, match=f"--config {next(iter(wrong))}: expected"):
            Options.parse(wrong, {})


# training


def test_a_training_that_streams_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    for number, more in enumerate(({}, {"fraction": 0.5})):
        spec = run_spec() | more
        folder = tmp_path / str(number)
        inside = trained(make_works(spec, [1, 3], folder / "a", data))
        streams = trained(make_works(spec, [1, 3], folder / "b", data), images="disk", readers=2)
        assert [*streams.values()] == [*inside.values()]


def test_seeds_in_turns_that_stream_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    spec = run_spec() | {"fraction": 0.7}
    inside: dict[str, Any] = {}
    for seed in (0, 1, 2):
        inside |= trained(make_works(spec, [1, 2], tmp_path / f"alone{seed}", data, seed=seed))
    together = [w for seed in (0, 1, 2) for w in make_works(spec, [1, 2], tmp_path / f"in{seed}", data, seed=seed)]
    found = trained(together, images="disk")
    assert {name.replace("in", "alone", 1): hashes for name, hashes in found.items()} == inside


KILLED = """
import json, os, signal, sys
from pathlib import Path
from pipeline.training import pretrain, streaming
from pipeline.work import Work

given = json.loads(sys.stdin.read())
for key in ("inputs", "components"):
    given[key] = {name: Path(path) for name, path in given[key].items()}
batch = streaming.StreamedBatches.batch

def until(self, epoch, step):
    if (epoch, step) == (1, 4):
        os.kill(os.getpid(), signal.SIGKILL)
    return batch(self, epoch, step)

streaming.StreamedBatches.batch = until
list(pretrain.execute([Work(**{**given, "out": Path(given["out"]), "scratch": Path(given["scratch"])})]))
"""


def test_a_kill_within_an_epoch_leaves_the_same_bytes_wherever_images_lie_afterwards(
    data: Path, tmp_path: Path
) -> None:
    spec = run_spec() | {"fraction": 0.9}  # 88 images: six steps of 16
    undisturbed = [*trained(make_works(spec, [3], tmp_path / "undisturbed", data)).values()]
    scratch, out = tmp_path / "scratch", tmp_path / "killed"
    out.mkdir()
    given = {
        "name": "killed/seed3/epoch0003",
        "spec": spec,
        "out": str(out),
        "inputs": {"data": str(data)},
        "seed": 3,
        "epoch": 3,
        "scratch": str(scratch),
        "components": {name: str(path) for name, path in files_of(spec).items()},
        "context": {"device": "cpu", "images": "disk"},
    }
    environ = {**os.environ, "SSL_PROGRESS_SECONDS": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED], input=json.dumps(given), env=environ, text=True, check=False, timeout=300
    )
    assert done.returncode == -signal.SIGKILL
    saved = saved_tensors.read(scratch)
    assert saved is not None and int(saved["state.step"]) == 6 + 4  # within the second epoch
    kept = (scratch / saved_tensors.FILE).read_bytes()
    for images in ("disk", "memory"):
        (scratch / saved_tensors.FILE).write_bytes(kept)
        works = make_works(spec, [3], tmp_path / images, data, scratch=scratch)
        assert [*trained(works, images=images).values()] == undisturbed


def test_a_file_that_ends_too_early_ends_the_training_with_one_line(tmp_path: Path) -> None:
    arrays = write_parts(tmp_path, train=noise(64, 3, 8, 8))
    works = make_works(run_spec(), [1], tmp_path / "run", tmp_path)
    works[0].context["images"] = "disk"
    os.truncate(arrays.path, arrays.path.stat().st_size - 64 * 8 - 3 * 8 * 8 * 3)
    with pytest.raises(UserError, match="it ends within image") as caught:
        list(pretrain.execute(works))
    assert str(arrays.path) in str(caught.value) and "\n" not in str(caught.value)


MEMORY = """
import json, sys
from pathlib import Path
import torch
from pipeline.data.arrays import Arrays
from pipeline.training import streaming

torch.set_num_threads(1)

def peak():
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024

streaming.AHEAD = 16 * 2**20
before = peak()
images = streaming.training_images(Arrays.open(sys.argv[1]), "train", torch.device("cpu"), {"images": sys.argv[2]})
batches = streaming.batches_of(images, 64, seed=0)
total = 0
for step in range(batches.steps):
    total += sum(int(image.sum()) for image in batches.batch(0, step).numpy())  # with nothing large in between
print(json.dumps([peak() - before, total]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system tells no peak of memory")
def test_memory_is_bounded_however_large_the_set_is(tmp_path: Path) -> None:
    count, shape = 5120, (3, 128, 128)  # 252 MB, of which 16 MB are read ahead
    images = torch.empty(count, *shape, dtype=torch.uint8)
    images[:] = noise(count, 1, 1, 1)
    write_parts(tmp_path, train=images)
    found = {}
    for place in ("disk", "memory"):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(tmp_path), place],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, check=True, timeout=300,
        )  # fmt: skip
        found[place] = json.loads(done.stdout)
    size = count * 3 * 128 * 128
    assert found["disk"][1] == found["memory"][1] == int(images.sum(dtype=torch.int64))
    assert found["disk"][0] < 48 * 2**20  # a third of it for code that is used for the first time
    assert found["memory"][0] > size  # mapped pages count: what the bound is worth
