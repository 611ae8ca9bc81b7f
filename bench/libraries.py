"""How fast libraries take a training step of the same method: lightly and stable-pretraining beside this project.

    uv venv /tmp/libraries && uv pip install --python /tmp/libraries lightly stable-pretraining .
    /tmp/libraries/bin/python bench/libraries.py [--json FILE] [--device cpu|cuda] [--rounds N] [--steps N]

They are no dependencies of this project, so they want an environment of their own, and what is not installed is left
out. The method is one that all of them have, BYOL: the same encoder (this project's), projector and predictor with one
hidden layer, two SimCLR views without blur, moving-average target, symmetric cosine loss, SGD with momentum. Each is
used as its documentation does:

* ``lightly``: its transform on PIL images in a DataLoader, its heads, loss and momentum update, a plain loop in
  float32 (on a GPU with TF32, which is PyTorch's default);
* ``stable-pretraining``: tensors from a DataLoader, its batch transforms on the device, its forward function for BYOL
  and its callback for the target in Lightning's trainer; on a GPU with ``make_it_fast()``, hence in bf16;
* ``ours``: a step as ``bench/pretrain.py`` takes it; on a GPU in bf16.

They take turns; numbers are medians of turns, and the first turn of each does not count. On the CPU times are CPU times
of one thread, with a small network and small images; on a GPU wall-clock times between synchronisations. Only steps are
timed: a trainer is started anew in every turn and has taken a few before the clock runs.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import io
import json
import logging
import statistics
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pretrain import (
    AVERAGE,
    DECAY,
    EPOCH,
    LR,
    MOMENTUM,
    NORMALIZE,
    Case,
    Ours,
    cases,
    clock,
    encoder_of,
    head_of,
    loader_of,
    minibatches,
    parser_of,
    photographs,
    pixels,
    settled,
)

from pipeline.numerics.device import prepare_device

WARM_UP = 3
INSTALLED = {name: bool(importlib.util.find_spec(name)) for name in ("lightly", "stable_pretraining")}


def mlp(case: Case) -> dict[str, Any]:
    """Params of the predictor."""
    return {"kind": "mlp", "hidden": case.hidden}


def timed(step: Callable[[], None], steps: int, device: str) -> float:
    """Seconds of so many steps, after a few that do not count."""
    for _ in range(WARM_UP):
        step()
    before = clock(device)
    for _ in range(steps):
        step()
    return clock(device) - before


class Plain:
    """This project: a step at a time."""

    def __init__(self, case: Case, device: str, workers: int) -> None:
        precision = "fp32" if device == "cpu" else "bf16"
        self.device, self.ours = device, Ours(case, device, precision, False, False, predictor=mlp(case))

    def seconds(self, steps: int) -> float:
        """Of so many steps."""
        self.ours.ready()
        return timed(self.ours.step, steps, self.device)


class Photographs(Dataset):
    """PIL images, transformed, and labels, as data sets of torchvision give them."""

    def __init__(self, case: Case, transform: Callable[[Any], Any]) -> None:
        self.transform = transform
        self.images = photographs(pixels(case))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.images[index]), 0


class Bytes(Dataset):
    """The same as tensors in [0, 1]."""

    def __init__(self, case: Case) -> None:
        self.images = pixels(case)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index] / 255, 0


class Lightly:
    """lightly's parts in a plain loop."""

    def __init__(self, case: Case, device: str, workers: int) -> None:
        from lightly.loss import NegativeCosineSimilarity
        from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
        from lightly.models.utils import update_momentum
        from lightly.transforms import SimCLRTransform

        # strength 0.5 of its 0.8, 0.8, 0.8, 0.2 is 0.4, 0.4, 0.4, 0.1
        transform = SimCLRTransform(input_size=case.side, cj_strength=0.5, gaussian_blur=0.0, normalize=NORMALIZE)
        self.device, self.update = device, update_momentum
        self.queue = minibatches(Photographs(case, transform), case, device, workers)

        def network() -> nn.Sequential:
            encoder = encoder_of(case)
            return nn.Sequential(encoder, BYOLProjectionHead(encoder.features, case.hidden, case.out)).to(device)

        self.online, self.target = network(), network()
        self.target.load_state_dict(self.online.state_dict())
        self.target.requires_grad_(False)
        self.predictor = BYOLPredictionHead(case.out, case.hidden, case.out).to(device)
        self.criterion = NegativeCosineSimilarity()
        parameters = [*self.online.parameters(), *self.predictor.parameters()]
        self.optimizer = torch.optim.SGD(parameters, LR, MOMENTUM, weight_decay=DECAY)

    def _step(self) -> None:
        self.update(self.online, self.target, m=AVERAGE)
        views = [view.to(self.device) for view in next(self.queue)[0]]
        predictions = [self.predictor(self.online(view)) for view in views]
        targets = [self.target(view).detach() for view in views]
        loss = 0.5 * (self.criterion(predictions[0], targets[1]) + self.criterion(predictions[1], targets[0]))
        self.loss = loss.detach()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def seconds(self, steps: int) -> float:
        """Of so many steps."""
        prepare_device({"precision": "tf32", "threads": torch.get_num_threads()}, {"device": self.device})
        return timed(self._step, steps, self.device)


class StablePretraining:
    """stable-pretraining's module in Lightning's trainer."""

    def __init__(self, case: Case, device: str, workers: int) -> None:
        import stable_pretraining as spt
        from loguru import logger
        from stable_pretraining.data import gpu_transforms as on_device
        from stable_pretraining.forward import byol

        logger.remove()
        logger.add(sys.stderr, level="ERROR")  # it is told of exceptions too
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning|torchmetrics")
        if device == "cuda":
            spt.make_it_fast(verbose=False)
        chain = on_device.GPUCompose(
            [
                on_device.GPURandomResizedCrop(case.side),
                on_device.GPURandomHorizontalFlip(),
                on_device.GPUColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
                on_device.GPURandomGrayscale(p=0.2),
                on_device.GPUNormalize(NORMALIZE["mean"], NORMALIZE["std"]),
            ]
        )
        views = on_device.StackedMultiView(chain, n_views=2)
        dataset = spt.data.FromTorchDataset(Bytes(case), names=["image", "label"], gpu_transform=views)
        self.data = spt.data.DataModule(train=loader_of(dataset, case, device, workers))
        encoder = encoder_of(case)
        averaged = functools.partial(
            spt.TeacherStudentWrapper, base_ema_coefficient=AVERAGE, final_ema_coefficient=AVERAGE
        )
        sgd = {"type": "SGD", "lr": LR, "momentum": MOMENTUM, "weight_decay": DECAY}
        self.module = spt.Module(
            forward=byol,
            backbone=averaged(encoder),
            projector=averaged(head_of(case, encoder.features)),
            predictor=head_of(case, case.out),
            byol_loss=spt.losses.BYOLLoss(),
            optim={"optimizer": sgd, "scheduler": {"type": "ConstantLR", "factor": 1.0}},
        )
        self.device, self.callback = device, spt.callbacks.TeacherStudentCallback

    def seconds(self, steps: int) -> float:
        """Of so many steps."""
        import lightning

        class Watch(lightning.Callback):
            def on_train_batch_end(watch, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
                if trainer.global_step in (WARM_UP, WARM_UP + steps):
                    times.append(clock(self.device))

        times: list[float] = []
        trainer = lightning.Trainer(
            max_steps=WARM_UP + steps,
            accelerator="gpu" if self.device == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if self.device == "cuda" else "32-true",
            callbacks=[self.callback(), Watch()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.fit(self.module, datamodule=self.data)
        return times[1] - times[0]


def measure(case: Case, device: str, rounds: int, steps: int, workers: int) -> dict[str, float]:
    """Milliseconds per step of each way."""
    makers: dict[str, Callable[..., Any]] = {"ours": Plain}
    if INSTALLED["lightly"]:
        makers["lightly"] = Lightly
    if INSTALLED["stable_pretraining"]:
        makers["stable-pretraining"] = StablePretraining
    if device != "cpu":
        torch._dynamo.reset()  # PyTorch compiles a function for so many shapes only
    ways = {name: make(case, device, workers) for name, make in makers.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            took = way.seconds(steps)
            if turn:
                times[name].append(1e3 * took / steps)
    print(f"{case.name}: {ways['ours'].ours.mode}")
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = parser_of(__doc__)
    parser.add_argument("--steps", type=int, help="in a turn (CPU: 10, GPU: 200)")
    given, workers = settled(parser)
    steps = given.steps or (10 if given.device == "cpu" else 200)
    names = ["torch", "lightly", "stable-pretraining"]
    versions = {name: importlib.metadata.version(name) for name in names if INSTALLED.get(name.replace("-", "_"), True)}
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    if not all(INSTALLED.values()):
        print("not installed, left out: " + ", ".join(name for name, there in INSTALLED.items() if not there))
    found = []
    print(f"X{'ms/step':>10}{'s/epoch':>10}{'times as long':>16}")
    for case in cases(given.device):
        if case.views != 2:
            continue
        times = measure(case, given.device, given.rounds, steps, workers)
        for way, took in times.items():
            epoch, ratio = took / 1e3 * EPOCH / case.batch, took / times["ours"]
            print(f"{case.name:<37}{way:<22}{took:>10.2f}{epoch:>10.1f}{ratio:>15.2f}x", flush=True)
        found.append({"case": case.name, "ms_per_step": times})
    if given.json:
        about = {
            "device": given.device,
            "versions": versions,
            "rounds": given.rounds,
            "steps": steps,
            "workers": workers,
        }
        given.json.write_text(json.dumps({**about, "cases": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
