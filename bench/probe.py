"""How long a checkpoint takes to be measured: features, linear probe and k-NN, as this project and as written plainly.

    python bench/probe.py [--json FILE] [--device cpu|cuda] [--rounds N] [--workers N]

A GPU has the size of CIFAR-10 (50,000 and 10,000 images of 32x32 pixels), ResNet-18 and 50 epochs of the probe; a CPU a
tenth of the images, half their side, a small network and 5 epochs, with one thread. ``plain`` is PIL images in a
DataLoader, ``torch.nn.Linear`` with ``torch.optim.Adam`` and autograd on features that are computed once, and k-NN of
minibatches of 256 queries. Images are random; that takes no less time. They take turns; times are medians of turns, the
first of which does not count, on the CPU of its process's CPU, on a GPU of the wall between synchronisations.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pretrain import NORMALIZE, clock, memory, parser_of, photographs, settled

from pipeline import components
from pipeline.evaluation import softmax
from pipeline.evaluation.features import extract
from pipeline.evaluation.neighbours import votes
from pipeline.numerics.device import prepare_device

CLASSES, NEIGHBOURS, TEMPERATURE = 10, 200, 0.1
LEARNING = {"lr": 3e-4, "weight_decay": 1e-3}
PROBE_BATCH = 128
Laps = dict[str, float]


class Photographs(Dataset):
    """PIL images, normalised when they are asked for."""

    def __init__(self, images: Tensor) -> None:
        self.images = photographs(images)
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(NORMALIZE["mean"], NORMALIZE["std"])]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(self.images[index])


class Bench:
    """Images, labels and an encoder, and the two ways to measure it."""

    def __init__(self, device: str, workers: int) -> None:
        small = device == "cpu"
        side, sizes = (16, (5_000, 1_000)) if small else (32, (50_000, 10_000))
        self.device, self.workers, self.epochs = device, workers, 5 if small else 50
        source = torch.Generator().manual_seed(0)
        self.images = [torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=source) for n in sizes]
        self.labels = [torch.randint(0, CLASSES, (n,), generator=source).to(device) for n in sizes]
        kind, given = ("tiny_conv", {"strides": [1, 2, 1, 2]}) if small else ("resnet18", {"stem": "cifar"})
        params = components.resolve("encoder", {"kind": kind, **given}, "bench")
        torch.manual_seed(0)
        self.encoder = components.make(components.find("encoder", kind), params, (3, side, side)).to(device).eval()
        self.photographs = [Photographs(images) for images in self.images]

    def ours(self, lap: Callable[[str], None]) -> Tensor:
        """As the measures of the pipeline do; the accuracy of both."""
        prepare_device({"precision": "fp32", "threads": torch.get_num_threads()}, {"device": self.device})
        train, test = (extract(self.encoder, images, NORMALIZE, device=self.device) for images in self.images)
        lap("features")
        labels, truth = self.labels
        mean, std = softmax.standardiser(train)
        inputs, held_out = softmax.design(train, mean, std), softmax.design(test, mean, std)
        settings = {"optimizer": "adam", "momentum": 0.0, "batch_size": PROBE_BATCH, "epochs": self.epochs, **LEARNING}
        right = 0
        for weight, _ in softmax.train(inputs, labels, CLASSES, seed=0, **settings):
            right = softmax.hits(held_out, truth, weight)
        lap("linear probe")
        cast = votes(train, labels, test, CLASSES, k=NEIGHBOURS, temperature=TEMPERATURE)
        found = int((cast.argmax(1) == truth).sum())
        lap("k-NN")
        return torch.tensor([right, found]) / len(truth)

    @torch.no_grad()
    def _features(self, photographs: Photographs) -> Tensor:
        loader = DataLoader(photographs, batch_size=256, num_workers=self.workers, pin_memory=self.device == "cuda")
        return torch.cat([self.encoder(batch.to(self.device)) for batch in loader])

    def plain(self, lap: Callable[[str], None]) -> Tensor:
        """Written without thought of speed; the accuracy of both."""
        prepare_device({"precision": "tf32", "threads": torch.get_num_threads()}, {"device": self.device})
        train, test = (self._features(photographs) for photographs in self.photographs)
        lap("features")
        labels, truth = self.labels
        mean, std = train.mean(0), train.std(0)
        scaled, held_out = (train - mean) / std, (test - mean) / std
        torch.manual_seed(0)
        probe = nn.Linear(train.shape[1], CLASSES).to(self.device)
        optimizer = torch.optim.Adam(probe.parameters(), **LEARNING)
        right = 0
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(labels)).to(self.device).split(PROBE_BATCH):
                loss = functional.cross_entropy(probe(scaled[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                right = int((probe(held_out).argmax(1) == truth).sum())
        lap("linear probe")
        bank, found = functional.normalize(train), 0
        for queries, answers in zip(functional.normalize(test).split(256), truth.split(256), strict=True):
            similarity, index = (queries @ bank.T).topk(NEIGHBOURS)
            one_hot = functional.one_hot(labels[index], CLASSES)
            guess = ((similarity / TEMPERATURE).exp()[..., None] * one_hot).sum(1).argmax(1)
            found += int((guess == answers).sum())
        lap("k-NN")
        return torch.tensor([right, found]) / len(truth)


def timed(way: Callable[[Callable[[str], None]], Tensor], device: str) -> tuple[Laps, Tensor]:
    """Seconds of each part of one turn, and what it found."""
    laps: Laps = {}
    last = clock(device)

    def lap(name: str) -> None:
        nonlocal last
        now = clock(device)
        laps[name], last = now - last, now

    return laps, way(lap)


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    given, workers = settled(parser_of(__doc__))
    on_cpu = given.device == "cpu"
    name = platform.processor() or platform.machine() if on_cpu else torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}, {workers} workers")
    began = time.perf_counter()
    bench = Bench(given.device, workers)
    turns: dict[str, list[Laps]] = {"ours": [], "plain": []}
    peaks: dict[str, float] = {}
    for turn in range(given.rounds + 1):
        for way, laps in turns.items():
            occupied = memory(given.device)
            took, accuracy = timed(getattr(bench, way), given.device)
            if turn:
                laps.append(took)
            if not on_cpu:
                peaks[way] = (torch.cuda.max_memory_reserved() - occupied) / 2**30
            if (accuracy - 1 / CLASSES).abs().max() > 0.05:
                sys.exit(f"{way}: random labels were told at {accuracy.tolist()}, which cannot be")
    medians = {
        way: {part: statistics.median(lap[part] for lap in laps) for part in laps[0]} for way, laps in turns.items()
    }
    parts = list(medians["ours"])
    print(f"{'part':<16}{'ours, s':>10}{'plain, s':>10}{'times faster':>14}")
    for part, ours, plain in [
        *((part, medians["ours"][part], medians["plain"][part]) for part in parts),
        ("together", sum(medians["ours"].values()), sum(medians["plain"].values())),
    ]:
        print(f"{part:<16}{ours:>10.2f}{plain:>10.2f}{plain / ours:>13.1f}x")
    for way, peak in peaks.items():
        print(f"peak memory of the GPU, {way}: {peak:.2f} GiB")
    print(f"{time.perf_counter() - began:.0f} s in all")
    if given.json:
        about = {"device": name, "torch": torch.__version__, "workers": workers, "rounds": given.rounds}
        text = json.dumps({**about, "seconds": medians, "peak_gib": peaks}, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
