"""How fast the views of each paper are made, against torchvision's transforms image by image, in one run.

    python bench/views.py [--json FILE] [--batch N] [--rounds N] [--device cpu|cuda]

A case is one paper's policy on uint8 images of its size. Three ways of making the same views take turns: the policies
of this project on the whole batch; ``torchvision.transforms.v2`` on one image after the other, as in a data loader with
one worker; and ``kornia.augmentation`` on the whole batch, where kornia is installed (it is no dependency). Numbers are
images per second, each with all its views, and ratios of medians within this run.

On the CPU everything has one thread and times are CPU times, which a busy machine disturbs least. On a GPU they are
wall-clock times between synchronisations, and torchvision's loop stays on the CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torchvision.transforms import v2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.views.per_view import Mixed  # noqa: E402
from pipeline.views.policies import simclr  # noqa: E402

NORMALIZE = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
STRONG = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
BYOL = {"interpolation": "bicubic", "saturation": 0.2, "solarize_probability": [0.0, 0.2]}
FIXED = {"hue": 0.0, "jitter_order": "fixed"}
SMALL = {**FIXED, "scale_min": 0.2, "grayscale": 0.1}
CASES: dict[str, tuple[int, dict[str, Any] | None, dict[str, Any]]] = {
    "directpred cifar": (32, NORMALIZE, {}),
    "directpred stl10": (96, None, {**STRONG, "blur_probability": 1.0}),
    "isoloss cifar": (32, NORMALIZE, BYOL),
    "isoloss stl10, stepwise": (96, NORMALIZE, {**BYOL, "blur_probability": [1.0, 0.1], "blur_kernel": 0.14}),
    "embnorms cifar": (32, None, {"scale_min": 0.2, "jitter": "independent", "jitter_order": "fixed"}),
    "multiview cifar, 8 views": (32, NORMALIZE, {**FIXED, "count": 8}),
    "multiview stl10, 4 views": (96, NORMALIZE, {**SMALL, "size": 64, "count": 4}),
    "multiview stl10, 2 + 6 views": (96, NORMALIZE, {**SMALL, "count": [2, 6], "size": [64, 32]}),
}
"""Side of the images, their statistics, and the params of the policy."""

Make = Callable[[], Any]


def resolutions(policy: simclr.Policy | Mixed) -> tuple[simclr.Policy, ...]:
    """The parts of a policy that make views of one kind."""
    return policy.policies if isinstance(policy, Mixed) else (policy,)


def ours(policy: simclr.Policy | Mixed, images: torch.Tensor) -> Make:
    """The policy on the whole batch."""
    source = torch.Generator(images.device).manual_seed(0)
    return lambda: policy(images, source)


def _tones(policy: simclr.Policy) -> list[dict[str, float]]:
    tones = dict(zip(("brightness", "contrast", "saturation", "hue"), policy.strengths, strict=True))
    return [tones] if policy.jitter == "together" else [{name: strength} for name, strength in tones.items()]


def by_torchvision(policy: simclr.Policy | Mixed, images: torch.Tensor) -> Make:
    """torchvision's transforms, one image and view after the other; bytes up to the normalisation."""
    views = []
    for part in resolutions(policy):
        mode = v2.InterpolationMode(part.interpolation)
        for view in range(part.count):
            steps: list[Any] = [
                v2.RandomResizedCrop(part.size, part.scale, part.ratio, interpolation=mode, antialias=True),
                v2.RandomHorizontalFlip(part.flip[view]),
                *[v2.RandomApply([v2.ColorJitter(**tone)], part.jitter_probability[view]) for tone in _tones(part)],
                v2.RandomGrayscale(part.grayscale[view]),
            ]
            if part.blur_probability[view]:
                blur = v2.GaussianBlur(part.blur_kernel, part.blur_sigma)
                steps.append(v2.RandomApply([blur], part.blur_probability[view]))
            if part.solarize_probability[view]:
                steps.append(v2.RandomSolarize(128, part.solarize_probability[view]))
            steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(part.mean, part.std)]
            views.append(v2.Compose(steps))
    singles = list(images.unbind(0))
    return lambda: [torch.stack([view(image) for image in singles]) for view in views]


def by_kornia(policy: simclr.Policy | Mixed, images: torch.Tensor) -> Make:
    """kornia's augmentations on the whole batch, each image with its own parameters."""
    from kornia import augmentation as K

    views = []
    for part in resolutions(policy):
        for view in range(part.count):
            steps = [
                K.RandomResizedCrop(part.size, part.scale, part.ratio, resample=part.interpolation),
                K.RandomHorizontalFlip(p=part.flip[view]),
                *[K.ColorJitter(**tone, p=part.jitter_probability[view]) for tone in _tones(part)],
                K.RandomGrayscale(p=part.grayscale[view]),
            ]
            if part.blur_probability[view]:
                steps.append(K.RandomGaussianBlur(part.blur_kernel, part.blur_sigma, p=part.blur_probability[view]))
            if part.solarize_probability[view]:
                steps.append(K.RandomSolarize(0.0, 0.0, p=part.solarize_probability[view]))
            steps.append(K.Normalize(torch.tensor(part.mean), torch.tensor(part.std)))
            views.append(torch.nn.Sequential(*steps).to(images.device))

    def make() -> Any:
        with torch.no_grad():
            unit = images.to(torch.float32) / 255
            return [view(unit) for view in views]

    return make


def clock(device: str) -> float:
    """Seconds: of this process's CPU, or on a GPU of the wall once it is idle."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def seconds(makers: dict[str, tuple[Make, str]], rounds: int) -> dict[str, float]:
    """Median seconds of each maker; they take turns, and the first turn does not count."""
    times: dict[str, list[float]] = {name: [] for name in makers}
    for turn in range(rounds + 1):
        for name, (make, device) in makers.items():
            before = clock(device)
            make()
            if turn:
                times[name].append(clock(device) - before)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(name: str, batch: int, rounds: int, device: str) -> dict[str, Any]:
    """One case: images per second of each way, and by which factor this project is faster."""
    side, normalize, params = CASES[name]
    policy = simclr.build((3, side, side), normalize, **params)
    images = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8)
    there = images.to(device)
    makers = {"ours": (ours(policy, there), device), "torchvision": (by_torchvision(policy, images), "cpu")}
    if importlib.util.find_spec("kornia"):
        makers["kornia"] = (by_kornia(policy, there), device)
    took = seconds(makers, rounds)
    views = sum(part.count for part in resolutions(policy))
    return {
        "policy": name,
        "side": side,
        "views": views,
        "images_per_second": {way: batch / spent for way, spent in took.items()},
        "faster_than": {way: spent / took["ours"] for way, spent in took.items() if way != "ours"},
    }


def main() -> None:
    """Measure all cases, print a table, write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cases = []
    print(f"{'policy':<30}{'views':>6}{'images/s':>10}{'torchvision':>13}{'kornia':>9}   times faster")
    for name in CASES:
        case = measure(name, given.batch, given.rounds, given.device)
        cases.append(case)
        rate, factor = case["images_per_second"], case["faster_than"]
        kornia = f"{rate['kornia']:>9.0f}" if "kornia" in rate else f"{'-':>9}"
        factors = ", ".join(f"{way} {value:.1f}" for way, value in factor.items())
        print(f"{name:<30}{case['views']:>6}{rate['ours']:>10.0f}{rate['torchvision']:>13.0f}{kornia}   {factors}")
    if given.json:
        machine = torch.cuda.get_device_name() if given.device == "cuda" else platform.processor() or platform.machine()
        kornia = importlib.import_module("kornia").__version__ if importlib.util.find_spec("kornia") else None
        about = {
            "device": given.device,
            "machine": machine,
            "threads": 1,
            "batch": given.batch,
            "rounds": given.rounds,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "kornia": kornia,
        }
        given.json.write_text(json.dumps({**about, "cases": cases}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
