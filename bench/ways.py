"""One training taken in every way that there is, its losses side by side: fused, captured, eager; bf16 and float32.

    python bench/ways.py [--json FILE] [--device cpu|cuda] [--steps N]

DirectPred with ResNet-18 on a GPU, with a small network on a CPU, from the same weights, minibatches and views of
random images that repeat their like (each is one of ten pictures with noise), through the class that the stage
``pretrain`` trains with. The losses of the first epoch differ by rounding only; later ones drift apart as two roundings
do. Beside them stand the mode line of each way and how long it took; the first steps, in which kernels are chosen,
compiled and captured, are in that time.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pretrain import NORMALIZE

from pipeline import components
from pipeline.monitor.report import Report
from pipeline.monitor.saver import Saver
from pipeline.training import fusion, pretrain
from pipeline.work import Work

BATCH, STEPS_PER_EPOCH, PICTURES = 128, 50, 10


@dataclass(frozen=True)
class Way:
    """How steps are taken."""

    precision: str
    captured: bool = True
    fused: bool = False
    deterministic: bool = False


GPU = {
    "bf16, fused": Way("bf16", fused=True),
    "bf16, captured": Way("bf16"),
    "bf16, eager": Way("bf16", captured=False),
    "bf16, deterministic": Way("bf16", deterministic=True),
    "tf32, fused": Way("tf32", fused=True),
    "fp32, captured": Way("fp32"),
    "fp32, eager": Way("fp32", captured=False),
}
CPU = {"bf16, eager": Way("bf16"), "fp32, eager": Way("fp32")}


def write_images(folder: Path, side: int, batch: int) -> None:
    """A data set of an epoch's images: each one of ten pictures with noise."""
    source = torch.Generator().manual_seed(0)
    count = batch * STEPS_PER_EPOCH
    pictures = torch.randint(0, 256, (PICTURES, 3, side, side), generator=source)
    labels = torch.randint(0, PICTURES, (count,), generator=source)
    noise = torch.randint(-40, 41, (count, 3, side, side), generator=source)
    images = (pictures[labels] + noise).clamp(0, 255).to(torch.uint8)
    arrays = {"train_images": images, "train_labels": labels, "test_images": images[:1], "test_labels": labels[:1]}
    save_file({name: tensor.clone() for name, tensor in arrays.items()}, folder / "arrays.safetensors")
    meta = {
        "name": "pictures",
        "classes": [str(i) for i in range(PICTURES)],
        "counts": {"train": count, "test": 1},
        "image_shape": [3, side, side],
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def spec_of(way: Way, device: str, batch: int) -> dict[str, Any]:
    """Params of the run."""
    small = device == "cpu"
    encoder = {"kind": "tiny_conv", "strides": [1, 2, 1, 2]} if small else {"kind": "resnet18", "stem": "cifar"}
    parts: dict[str, dict[str, Any]] = {
        "views": {"kind": "simclr"},
        "encoder": encoder,
        "projector": {"kind": "mlp", "hidden": 128 if small else 512, "out": 64 if small else 128},
        "predictor": {"kind": "directpred"},
        "target": {"kind": "ema", "momentum": 0.99},
        "objective": {"kind": "cosine"},
        "optimizer": {"kind": "sgd", "lr": 0.03, "momentum": 0.9, "weight_decay": 4e-4},
        "schedule": {"kind": "constant"},
        "initialization": {"kind": "standard"},
    }
    plain = {"normalize": NORMALIZE, "split": "train", "batch_size": batch, "threads": torch.get_num_threads()}
    plain |= {"precision": way.precision, "deterministic": way.deterministic}
    return {name: components.resolve(name, params, "bench") for name, params in parts.items()} | plain


def train(name: str, way: Way, device: str, data: Path, batch: int, epochs: int) -> dict[str, Any]:
    """Losses of all epochs, the mode line, the time."""
    spec = spec_of(way, device, batch)
    files = {part: components.find(part, spec[part]["kind"]) for part in components.CATEGORIES if part in spec}
    fusion.MIN_STEPS_TO_COMPILE = 0 if way.fused else sys.maxsize
    began = time.perf_counter()
    work = Work(name, spec, data, {"data": data}, epoch=epochs, components=files, context={"device": device})
    run = pretrain.Run(work)
    if not way.captured:
        run.steps.eager_reason = "asked for"
    saver, last = Saver(None), epochs * STEPS_PER_EPOCH
    report = Report(name, len(run.batches.images), STEPS_PER_EPOCH, io.StringIO())
    laps = []
    for _ in range(epochs):
        before = time.perf_counter()
        for _ in run.train_epoch(saver, report, last):
            pass
        laps.append(time.perf_counter() - before)  # the loss was read, so the device is done
        if run.diverged is not None:
            break
    return {
        "way": name,
        "mode": run.steps.mode,
        "losses": [row[1] for row in run.history.rows],
        "ranks": [row[3] for row in run.history.rows],
        "seconds": time.perf_counter() - began,
        "ms_per_step": 1e3 * min(laps) / STEPS_PER_EPOCH,
    }


def main() -> None:
    """Train in all ways, print a table, and write JSON as it grows if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file, after every way")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=300, help="of each way (300), whole epochs of 50")
    given = parser.parse_args()
    small = given.device == "cpu"
    batch, side = (16, 16) if small else (BATCH, 32)
    epochs = max(1, given.steps // STEPS_PER_EPOCH)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_images(data, side, batch)
        for name, way in (CPU if small else GPU).items():
            try:
                found.append(train(name, way, given.device, data, batch, epochs))
            except Exception as error:
                found.append({"way": name, "error": f"{type(error).__name__}: {error}"[:2000]})
                print(f"{name:<22}{found[-1]['error']}", flush=True)
                continue
            finally:
                if given.json:
                    given.json.write_text(json.dumps({"ways": found}, indent=1) + "\n", encoding="utf-8")
            one = found[-1]
            losses = " ".join(f"{loss:8.4f}" for loss in one["losses"])
            took = f"{one['seconds']:6.1f} s {one['ms_per_step']:7.2f} ms/step"
            print(f"{name:<22}{took}  {losses}  {one['mode']}", flush=True)
    if any("error" in one for one in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
