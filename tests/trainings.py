"""What tests of trainings share: a data set of noise, a spec that runs in a blink, and its works."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline import components
from pipeline.training import pretrain
from pipeline.work import Work


@dataclass
class SlowDisk:
    """A clock that stands for the real one, and a saving that takes a tenth of a second of it.

    Attributes:
        now: Seconds.
        saves: When something was saved.
    """

    now: float = 0.0
    saves: list[float] = field(default_factory=list)

    @classmethod
    def instead(cls, monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
        """From here on time is what this one's ``now`` says."""
        disk = cls()
        monkeypatch.delenv("SSL_PROGRESS_SECONDS", raising=False)
        monkeypatch.setattr(time, "monotonic", lambda: disk.now)
        return disk

    def tensors(self) -> dict[str, torch.Tensor]:
        """What is saved."""
        self.saves.append(self.now)
        self.now += 0.1
        return {"x": torch.zeros(1)}


def write_noise(folder: Path) -> Path:
    """Random images as a data set: 98 of 8 x 8 pixels."""
    source = torch.Generator().manual_seed(0)
    train_images = torch.randint(0, 256, (98, 3, 8, 8), dtype=torch.uint8, generator=source)
    labels = torch.zeros(98, dtype=torch.int64)
    arrays = {
        "train_images": train_images,
        "train_labels": labels,
        "test_images": train_images.clone(),
        "test_labels": labels.clone(),
    }
    save_file(arrays, folder / "arrays.safetensors")
    meta = {
        "name": "noise",
        "classes": ["one"],
        "counts": {"train": 98, "test": 98},
        "image_shape": [3, 8, 8],
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def run_spec(**changes: Any) -> dict[str, Any]:
    """Params of a run; components and plain params can be replaced."""
    chosen = {
        "views": {"kind": "simclr"},
        "encoder": {"kind": "tiny_conv", "channels": [4, 6], "strides": [2, 1]},
        "projector": {"kind": "mlp", "hidden": 12, "out": 8},
        "predictor": {"kind": "directpred", "freq": 2},
        "target": {"kind": "ema", "momentum": 0.9},
        "objective": {"kind": "cosine"},
        "optimizer": {"kind": "sgd", "lr": 0.05},
        "schedule": {"kind": "constant"},
        "initialization": {"kind": "standard"},
    }
    plain = {"normalize": None, "split": "train", "batch_size": 16, "threads": 1, "precision": "fp32"}
    plain |= {name: changes.pop(name) for name in list(changes) if name in plain or name == "accumulation"}
    chosen |= changes
    return {name: components.resolve(name, params, "test") for name, params in chosen.items()} | plain


def files_of(spec: dict[str, Any]) -> dict[str, Path]:
    """Source file of each component."""
    return {name: components.find(name, spec[name]["kind"]) for name in components.CATEGORIES if name in spec}


def make_works(
    spec: dict[str, Any],
    epochs: list[int],
    root: Path,
    data: Path,
    scratch: Path | None = None,
    resume: Path | None = None,
    seed: int = 3,
    device: str = "cpu",
) -> list[Work]:
    """Works for milestones of one run, with their folders."""
    works = []
    for epoch in epochs:
        out = root / f"epoch{epoch:04d}"
        out.mkdir(parents=True)
        works.append(
            Work(
                name=f"{root.name}/seed{seed}/epoch{epoch:04d}",
                spec=spec,
                out=out,
                inputs={"data": data},
                seed=seed,
                epoch=epoch,
                resume=resume,
                scratch=scratch,
                components=files_of(spec),
                context={"device": device},
            )
        )
    return works


def content(folder: Path) -> dict[str, str]:
    """Hash of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def execute(*args: Any, **kwargs: Any) -> dict[int, dict[str, str]]:
    """Train, given the arguments of :func:`make_works`; hashes of the payloads by epoch."""
    return {work.epoch: content(work.out) for work in pretrain.execute(make_works(*args, **kwargs))}


class Notes:
    """A recorder for the CPU: a replay does the work again and puts its results where the recorded ones are."""

    log: list[str]

    def __init__(self, source: torch.Generator) -> None:
        self.source = source
        type(self).log.append("made")

    def warm_up(self, work: Callable[[], Any], times: int) -> None:
        for _ in range(times):
            work()

    def record(self, work: Callable[[], Any]) -> Any:
        self.work, self.outcome = work, work()  # (a capture executes nothing: restoring has more to do here)
        type(self).log.append("recorded")
        return self.outcome

    def replay(self) -> None:
        type(self).log.append("replayed")
        loss, embeddings = self.work()
        self.outcome[0].copy_(loss)
        for place, embedding in zip(self.outcome[1], embeddings, strict=True):
            place.copy_(embedding)


class LinearEncoder(nn.Module):
    """Rows of given weights times images."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.features = len(weight)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T
