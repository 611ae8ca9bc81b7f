"""How fast training images are read, per core, and what a GPU of 2,500 images a second would need.

    python bench/reading.py [--json FILE] [--images N] [--rounds N] [--folder FOLDER]
    python bench/reading.py --shapes 100000 [--folder FOLDER]

The first measures images a second of minibatches of 256, read ahead as a training reads them, with one and with two
threads: pixels of one file and of shards (224 and 256 pixels), and JPEGs of about the size of ImageNet's (500 x 375,
made of two photographs that scikit-learn ships) and of twice that side, decoded wholly and with Pillow's draft. Kinds
take turns; numbers are medians of rounds: of the CPU time of the process (what a core can do) and of the wall (what
there was, on a machine with other work). Files are in the page cache: the disk is not measured.

The second prepares ``shapes`` with 224 pixels, which stands in for ImageNet, trains some steps on it from disk and then
reads an epoch of it without training: 100,000 images are 15 GB, which are removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from PIL import Image

from pipeline import components, hardware
from pipeline.data import prepare
from pipeline.data.arrays import Arrays
from pipeline.training import pretrain, streaming
from pipeline.training.streaming import ReadAhead, StreamedImages, training_images
from pipeline.work import Work

BATCH = 256
GPU = 2500
"""Images a second that a GPU takes."""
QUALITY = 97
"""Of the JPEGs: with it those of 500 x 375 pixels are about as large as ImageNet's (110 kB)."""


def photographs(folder: Path, count: int, width: int, height: int) -> Path:
    """A folder with a folder per class, of JPEGs that differ in what they show of two photographs."""
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng(0)
    whole = [Image.fromarray(image) for image in load_sample_images().images]
    for split, number in (("train", count), ("test", 2)):
        for name in ("a", "b"):
            (folder / split / name).mkdir(parents=True)
        for place in range(number):
            image = whole[place % 2]
            left, top = random.uniform(0, 140), random.uniform(0, 100)
            piece = image.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, left + 500, top + 320))
            noisy = np.asarray(piece).astype(np.int16) + random.integers(-4, 5, (height, width, 3), dtype=np.int16)
            piece = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            piece.save(folder / split / "ab"[place % 2] / f"{place:06d}.jpg", quality=QUALITY)
    return folder


def prepared(out: Path, root: Path, **source: Any) -> Arrays:
    """A data set, as the stage prepares it."""
    out.mkdir(parents=True)
    given = {"kind": "imagefolder", "root": str(root)} | source
    resolved = components.resolve("source", given, "bench")
    resolved["root"] = str(root)
    list(prepare.execute([Work(name=f"data/{out.name}", spec={"name": out.name, "source": resolved}, out=out)]))
    return Arrays.open(out)


def sets(folder: Path, count: int) -> Iterator[tuple[str, Arrays]]:
    """What is read, by name."""
    small = photographs(folder / "small", count, 500, 375)
    large = photographs(folder / "large", count, 1000, 750)
    for size in (224, 256):
        yield f"pixels, {size}", prepared(folder / f"pixels{size}", small, size=size)
        yield f"shards, {size}", prepared(folder / f"shards{size}", small, size=size, keep="shards")
    for name, root, size in (("500 x 375", small, 224), ("500 x 375", small, 160), ("1000 x 750", large, 224)):
        for draft in (False, True):
            label = f"JPEG {name} to {size}{', draft' * draft}"
            out = folder / label.replace(" ", "").replace(",", "")
            yield label, prepared(out, root, size=size, keep="encoded", draft=draft)


def rate(arrays: Arrays, readers: int, batches: int) -> tuple[float, float]:
    """Images a second of CPU time, and of the wall."""
    device = torch.device("cpu")
    images = training_images(arrays, "train", device, {"images": "disk", "readers": readers})
    assert isinstance(images, StreamedImages)
    count = len(images)

    def rows(step: int) -> torch.Tensor:
        return torch.from_numpy(np.random.default_rng(step).integers(0, count, BATCH))

    ahead = ReadAhead(images, rows, BATCH)
    ahead.depth = 2
    cpu, wall = time.process_time(), time.perf_counter()
    for step in range(batches):
        ahead.take(step)
    for reading in ahead._readings.values():
        images.end(reading)
    done = (batches + ahead.depth) * BATCH
    return done / (time.process_time() - cpu), done / (time.perf_counter() - wall)


def reading(arguments: argparse.Namespace, folder: Path) -> None:
    """Measure and print a table."""
    known = dict(sets(folder, arguments.images))
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(arguments.rounds + 1):
        for name, arrays in known.items():
            for readers in (1, 2):
                batches = 1 if name.startswith("JPEG") else 8
                got = rate(arrays, readers, batches)
                if number:
                    found.setdefault((name, readers), []).append(got)
    records = []
    print(f"{hardware.processor()}, {hardware.cores()} cores; images a second, medians of {arguments.rounds} rounds")
    print(f"{'':32} {'kB':>6} {'per core':>9} {'2 threads':>10} {'wall, 1':>9} {'wall, 2':>9} {'cores':>6} {'MB/s':>6}")
    for name, arrays in known.items():
        sizes = [path.stat().st_size for path in arrays.path.parent.glob("train-*.bin")]
        size = sum(sizes) / arrays.count("train") if sizes else float(np.prod(arrays.image_shape))
        one, two = ([statistics.median(x) for x in zip(*found[name, n], strict=True)] for n in (1, 2))
        record = {
            "name": name, "bytes": size, "per_core": one[0], "per_core_2": two[0], "wall": one[1], "wall_2": two[1],
            "cores": GPU / one[0], "mb_per_second": GPU * size / 1e6,
        }  # fmt: skip
        records.append(record)
        print(
            f"{name:32} {size / 1e3:6.0f} {one[0]:9.0f} {two[0]:10.0f} {one[1]:9.0f} {two[1]:9.0f} "
            f"{record['cores']:6.2f} {record['mb_per_second']:6.0f}"
        )
    if arguments.json:
        about = {"processor": hardware.processor(), "cores": hardware.cores(), "python": platform.python_version()}
        Path(arguments.json).write_text(json.dumps({**about, "records": records}, indent=1) + "\n")


def stands_in(arguments: argparse.Namespace, folder: Path) -> None:
    """Prepare ``shapes`` at 224 pixels and train on it from disk."""
    out = folder / "shapes"
    out.mkdir(parents=True)
    given = {"kind": "shapes", "size": 224, "train": arguments.shapes, "test": 8, "seed": 0}
    source = components.resolve("source", given, "bench")
    begun = time.perf_counter()
    list(prepare.execute([Work(name="data/shapes", spec={"name": "shapes", "source": source}, out=out)]))
    print(f"prepare: {time.perf_counter() - begun:.0f} s, {hardware.most_memory()} MB held at most", flush=True)
    names = {
        "views": {"kind": "simclr", "size": 32}, "encoder": {"kind": "tiny_conv", "channels": [4], "strides": [2]},
        "projector": {"kind": "mlp", "hidden": 16, "out": 8}, "predictor": {"kind": "none"}, "target": {"kind": "same"},
        "objective": {"kind": "infonce"}, "optimizer": {"kind": "sgd", "lr": 0.05}, "schedule": {"kind": "constant"},
        "initialization": {"kind": "standard"},
    }  # fmt: skip
    spec = {part: components.resolve(part, params, "bench") for part, params in names.items()}
    spec |= {"normalize": None, "split": "train", "batch_size": BATCH, "threads": 1, "precision": "fp32"}
    work = Work(
        name="bench/seed0/epoch0001", spec=spec, out=folder / "run", inputs={"data": out}, epoch=1,
        components={part: components.find(part, params["kind"]) for part, params in names.items()},
        context={"device": "cpu", "images": arguments.where},
    )  # fmt: skip
    run = pretrain.Run(work)
    begun, steps = time.perf_counter(), min(arguments.steps, run.batches.steps)
    for step in range(steps):
        run.step(*divmod(step, run.batches.steps))
    taken = time.perf_counter() - begun
    print(f"{steps} steps of {BATCH}: {taken:.0f} s, {steps * BATCH / taken:.0f} images/s, {_peak()} MB held at most")
    images = training_images(Arrays.open(out), "train", torch.device("cpu"), {"images": "disk"})
    batches = streaming.batches_of(images, BATCH, 0)
    begun = time.perf_counter()
    for step in range(batches.steps):
        batches.batch(1, step)
    taken = time.perf_counter() - begun
    print(
        f"an epoch read alone: {taken:.0f} s, {batches.steps * BATCH / taken:.0f} images/s, {_peak()} MB held at most"
    )


def _peak() -> int:
    return hardware.most_memory()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--images", type=int, default=512, help="JPEGs of each size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="for the images; else the system's for temporary files")
    parser.add_argument("--shapes", type=int, metavar="N", help="train on so many images of 224 pixels")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--where", choices=("disk", "memory"), default="disk")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="reading-", dir=arguments.folder))
    try:
        (stands_in if arguments.shapes else reading)(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
