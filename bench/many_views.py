"""What the loss of many views costs in a training step, and how it grows with their number.

    python bench/many_views.py [--json FILE] [--rounds N] [--device cpu|cuda] [--views N]

A step is the forward and backward pass of ResNet-18 with a projector on as many views as there are (128 images of 32x32
each on a GPU, 8 on a CPU, where a convolution costs more beside a product of matrices); the loss alone starts from
embeddings of the same shape. Both take turns within one run, and what is told are ratios of medians: the share of the
loss and its backward pass in a step, and its time with twice as many views, which is twice as long where cost is linear
(the mean-view form of Ghosh 2024, Eq. 10) and four times where all pairs are compared.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.nets.encoders import resnet18
from pipeline.nets.mlp import Mlp
from pipeline.objectives import barlow, multiview_barlow, multiview_vicreg

DIM = 256
LOSSES: dict[str, Callable[..., Tensor]] = {
    "multiview_barlow": functools.partial(multiview_barlow.loss, weight=0.02),
    "multiview_vicreg": multiview_vicreg.loss,
    "barlow, all pairs": functools.partial(barlow.loss, weight=0.02),
}


def seconds(work: Callable[[], None], device: torch.device) -> float:
    """Wall time of one call, the device's work included."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def of_loss(loss: Callable[..., Tensor], views: int, batch: int, device: torch.device) -> Callable[[], None]:
    """The loss and its gradient with respect to embeddings."""
    z = [torch.randn(batch, DIM, device=device, requires_grad=True) for _ in range(views)]

    def work() -> None:
        for view in z:
            view.grad = None
        loss(z, z).backward()

    return work


def of_step(loss: Callable[..., Tensor], views: int, batch: int, device: torch.device) -> Callable[[], None]:
    """Forward and backward pass of network and loss."""
    encoder = resnet18.build((3, 32, 32), stem="cifar").to(device)
    projector = Mlp(encoder.features, DIM, DIM, bias=True, affine=True).to(device)
    images = [torch.randn(batch, 3, 32, 32, device=device) for _ in range(views)]
    parameters = [*encoder.parameters(), *projector.parameters()]

    def work() -> None:
        for parameter in parameters:
            parameter.grad = None
        z = [projector(encoder(view)) for view in images]
        loss(z, z).backward()

    return work


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device, views = torch.device(options.device), options.views
    batch = 128 if device.type == "cuda" else 8
    found: list[dict[str, Any]] = []
    for name, loss in LOSSES.items():
        ways = {
            "step": of_step(loss, views, batch, device),
            "loss": of_loss(loss, views, batch, device),
            "half": of_loss(loss, views // 2, batch, device),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(options.rounds + 1):
            for way, work in ways.items():
                repeats = 1 if way == "step" else 20
                took = statistics.fmean(seconds(work, device) for _ in range(repeats))
                if turn:  # the first warms up
                    times[way].append(took)
        step, whole, half = (statistics.median(times[way]) for way in ways)
        found.append({"loss": name, "views": views, "share": whole / step, "twice the views": whole / half})
        share, growth = 100 * whole / step, whole / half
        print(f"{name:20} {views} views: {share:5.2f} % of a step; {growth:.2f} times that of {views // 2}")
    if options.json:
        report = {"device": device.type, "batch": batch, "rounds": options.rounds, "cases": found}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
