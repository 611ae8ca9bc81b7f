"""How fast a training step is: as peers write it, as this project takes it, and at best; all in one run.

    python bench/pretrain.py [--json FILE] [--device cpu|cuda] [--only TEXT] [--way NAME ...] [--rounds N] [--seconds S]
                             [--workers N]

Every case trains DirectPred (predictor set in every step, moving-average target, SGD with momentum) on random images of
CIFAR's size, and takes turns between

* ``peers``: one image after the other through torchvision's transforms on PIL images in a DataLoader; eager float32 (on
  a GPU with TF32), ``torch.optim.SGD``, the eigendecomposition of ``torch.linalg``, ``loss.item()`` in every step;
* ``ours``: images as bytes on the device, views of the whole minibatch there; on a GPU one CUDA graph per step with
  fused kernels, in bf16 and float32; also bf16 without fused kernels, and bitwise repeatable;
* ``static``: ``ours`` on the same views in every step: what is left when views cost nothing;
* ``ours, 4 seeds``: ``ours`` for four seeds that take turns, on a GPU each with a stream and a graph of its own. Its
  times are those of a step of one seed: a quarter of what the four take together.

Times are medians of rounds. What happens once (import, warm-up, choice of kernels, capture) is in the first round,
which doesn't count; its length is given as ``start``. Workers of the DataLoader fill their queue before a round of
theirs begins. On the CPU times are CPU times of one thread, without workers, with a small network and small images; on
a GPU wall-clock times between synchronisations. An epoch is 50 000 images, extrapolated from the steps.
"""

from __future__ import annotations

import argparse
import copy
import functools
import gc
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline import components  # noqa: E402
from pipeline.nets.network import build_network  # noqa: E402
from pipeline.numerics.arithmetic import forward_context  # noqa: E402
from pipeline.numerics.device import prepare_device  # noqa: E402
from pipeline.training.batches import Batches  # noqa: E402
from pipeline.training.capture import StepRunner  # noqa: E402
from pipeline.training.fusion import compiled  # noqa: E402
from pipeline.training.groups import parameter_groups  # noqa: E402
from pipeline.training.interleave import streams  # noqa: E402
from pipeline.training.step import TrainingStep  # noqa: E402

EPOCH = 50_000
LR, MOMENTUM, DECAY, AVERAGE, RHO, EPSILON = 0.03, 0.9, 4e-4, 0.996, 0.3, 0.1
DIRECTPRED = {"kind": "directpred", "rho": RHO, "epsilon": EPSILON}
NORMALIZE = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
PREFETCH = 2
SEEDS = 4
PARTS = ("views", "encoder", "projector", "predictor", "target", "objective", "optimizer")


@dataclass(frozen=True)
class Case:
    """What is trained: params of the encoder, of the projector, side of the images, minibatch, number of views."""

    encoder: str
    params: tuple[tuple[str, Any], ...]
    hidden: int
    out: int
    side: int
    batch: int
    views: int

    @property
    def name(self) -> str:
        """For people."""
        side = f" {self.side}x{self.side}" if self.encoder == "tiny_conv" else ""
        return f"{self.encoder}{side}, batch {self.batch}, {self.views} views"


def cases(device: str) -> list[Case]:
    """Those of a GPU, or the small ones."""
    if device == "cpu":
        laptop = (("channels", [16, 32, 64, 128]), ("strides", [2, 2, 2, 1]))
        encoders: list[tuple[Any, ...]] = [
            ("tiny_conv", (("strides", [1, 2, 1, 2]),), 128, 64, 16),
            ("tiny_conv", laptop, 256, 64, 32),
        ]
    else:
        encoders = [(name, (("stem", "cifar"),), 512, 128, 32) for name in ("resnet18", "resnet50")]
    return [Case(*encoder, batch, views) for encoder in encoders for batch in (128, 512) for views in (2, 4)]


def pixels(case: Case) -> Tensor:
    """Images of an epoch, uint8; the same tensor for all cases of that side."""
    return _pixels(case.side)


@functools.cache
def _pixels(side: int) -> Tensor:
    shape = (EPOCH, 3, side, side)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def spec_of(case: Case, precision: str, deterministic: bool, predictor: dict[str, Any] = DIRECTPRED) -> dict[str, Any]:
    """Params of a run."""
    parts = {
        "views": {"kind": "simclr", "count": case.views},
        "encoder": {"kind": case.encoder, **dict(case.params)},
        "projector": {"kind": "mlp", "hidden": case.hidden, "out": case.out},
        "predictor": predictor,
        "target": {"kind": "ema", "momentum": AVERAGE},
        "objective": {"kind": "cosine"},
        "optimizer": {"kind": "sgd", "lr": LR, "momentum": MOMENTUM, "weight_decay": DECAY},
    }
    plain = {"precision": precision, "deterministic": deterministic, "threads": torch.get_num_threads()}
    return {name: components.resolve(name, params, "bench") for name, params in parts.items()} | plain


class Ours:
    """The steps of this project; with ``static``, on the same views in every step."""

    seeds = 1

    def __init__(
        self,
        case: Case,
        device: str,
        precision: str,
        deterministic: bool,
        static: bool,
        seed: int = 0,
        predictor: dict[str, Any] = DIRECTPRED,
        fused: bool = True,
    ) -> None:
        self.spec, self.context = spec_of(case, precision, deterministic, predictor), {"device": device}
        on = prepare_device(self.spec, self.context)
        files = {name: components.find(name, self.spec[name]["kind"]) for name in self.spec if name in PARTS}
        shape = (3, case.side, case.side)
        network = build_network(self.spec, shape, files, seed).to(on).train()
        if on.type == "cuda":
            for part in (network.encoder, network.target):
                part.to(memory_format=torch.channels_last)
        optimizer = components.make(files["optimizer"], self.spec["optimizer"], parameter_groups(network, {}))
        if on.type == "cuda":
            for group in optimizer.param_groups:
                group["lr"] = torch.full((), group["lr"], device=on)
        self.batches = Batches(pixels(case).to(on), case.batch, seed)
        policy = components.make(files["views"], self.spec["views"], shape, NORMALIZE)
        if static:
            fixed = policy(self.batches.batch(0, 0), torch.Generator(on).manual_seed(0))
            policy = lambda images, source: fixed  # noqa: E731
        step = TrainingStep(
            network,
            components.load(files["objective"]).loss,
            optimizer,
            functools.partial(forward_context, precision, on),
        )
        fuse = compiled if fused and not deterministic and on.type == "cuda" else None
        self.steps = StepRunner(step, policy, seed, on, case.batch, fuse)
        self.done = 0

    def ready(self) -> None:
        """Switch the process to what this way needs."""
        prepare_device(self.spec, self.context)

    def step(self) -> None:
        """One step."""
        epoch, step = divmod(self.done, self.batches.full)  # complete minibatches, as the peers take
        self.done += 1
        self.steps(self.batches.batch(epoch, step), epoch, step, self.done)

    @property
    def mode(self) -> str:
        """How steps are taken."""
        return self.steps.mode


class Turns:
    """The steps of several seeds in turn, as one job takes them."""

    def __init__(self, case: Case, device: str, precision: str, deterministic: bool, seeds: int) -> None:
        self.seeds = seeds
        self.streams = streams(torch.device(device), seeds)
        self.runs: list[Ours] = []
        for seed, stream in enumerate(self.streams):
            with stream():
                self.runs.append(Ours(case, device, precision, deterministic, False, seed))

    def ready(self) -> None:
        """Switch the process to what this way needs."""
        self.runs[0].ready()

    def step(self) -> None:
        """One step of each."""
        for run, stream in zip(self.runs, self.streams, strict=True):
            with stream():
                run.step()

    @property
    def mode(self) -> str:
        """How steps are taken."""
        return " / ".join(sorted({run.mode for run in self.runs}))


def photographs(images: Tensor) -> list[Image.Image]:
    """uint8, (N, C, H, W), as PIL images."""
    return [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]


class Photographs(Dataset):
    """PIL images, each with its views drawn when it is asked for."""

    def __init__(self, case: Case) -> None:
        self.images = photographs(pixels(case))
        self.views = case.views
        self.augment = transforms.Compose(
            [
                transforms.RandomResizedCrop(case.side),
                transforms.RandomHorizontalFlip(),
                transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
                transforms.RandomGrayscale(p=0.2),
                transforms.ToTensor(),
                transforms.Normalize(NORMALIZE["mean"], NORMALIZE["std"]),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> list[Tensor]:
        return [self.augment(self.images[index]) for _ in range(self.views)]


def minibatches(dataset: Any, case: Case, device: str, workers: int) -> Iterator[Any]:
    """Of a DataLoader, epoch after epoch."""
    loader = loader_of(dataset, case, device, workers)
    while True:
        yield from loader


def loader_of(dataset: Any, case: Case, device: str, workers: int) -> DataLoader:
    """Shuffled minibatches."""
    return DataLoader(
        dataset,
        batch_size=case.batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=PREFETCH if workers else None,
        pin_memory=device == "cuda",
    )


def encoder_of(case: Case) -> Any:
    """The encoder that all ways have."""
    params = spec_of(case, "fp32", False)["encoder"]
    return components.make(components.find("encoder", case.encoder), params, (3, case.side, case.side))


def head_of(case: Case, features: int) -> nn.Sequential:
    """A head with one hidden layer, as peers write it."""
    return nn.Sequential(
        nn.Linear(features, case.hidden),
        nn.BatchNorm1d(case.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(case.hidden, case.out),
    )


class Peers:
    """The same training, written plainly."""

    mode, seeds = "eager", 1

    def __init__(self, case: Case, device: str, workers: int) -> None:
        self.device, self.workers = torch.device(device), workers
        self.queue = minibatches(Photographs(case), case, device, workers)
        encoder = encoder_of(case)
        self.online = nn.Sequential(encoder, *head_of(case, encoder.features)).to(device)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = torch.optim.SGD(self.online.parameters(), LR, MOMENTUM, weight_decay=DECAY)
        self.predictor = torch.eye(case.out, device=device)
        self.correlation: Tensor | None = None
        self.loss = 0.0

    def ready(self) -> None:
        """Switch the process to what this way needs, and let the workers fill their queue."""
        prepare_device({"precision": "tf32", "threads": torch.get_num_threads()}, {"device": self.device.type})
        for _ in range(PREFETCH * self.workers):
            next(self.queue)

    def step(self) -> None:
        """One step."""
        views = [view.to(self.device, non_blocking=True) for view in next(self.queue)]
        embeddings = [self.online(view) for view in views]
        with torch.no_grad():
            targets = [self.target(view) for view in views]
        loss = torch.zeros((), device=self.device)
        for i, embedding in enumerate(embeddings):
            for j, target in enumerate(targets):
                if i != j:
                    loss = loss - 2 * functional.cosine_similarity(embedding @ self.predictor, target).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            f = torch.cat(embeddings)
            moment = f.T @ f / len(f)
            old = moment if self.correlation is None else self.correlation
            self.correlation = RHO * old + (1 - RHO) * moment
            s, u = torch.linalg.eigh(self.correlation)
            s = s.clamp_min(0)
            self.predictor = u @ torch.diag((s / s.max()).sqrt() + EPSILON) @ u.T
            for ours, theirs in zip(self.online.parameters(), self.target.parameters(), strict=True):
                theirs.mul_(AVERAGE).add_(ours, alpha=1 - AVERAGE)
        self.loss = loss.item()


@dataclass(frozen=True)
class Timing:
    """One way in one case."""

    case: str
    way: str
    mode: str
    start_s: float
    ms_per_step: float
    s_per_epoch: float
    peak_gib: float | None


def clock(device: str) -> float:
    """Seconds: of this process's CPU, or on a GPU of the wall once it is idle."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def memory(device: str) -> int:
    """Bytes of a GPU that this process has reserved, the private memory of graphs included; their peak is counted from
    here on."""
    if device == "cpu":
        return 0
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_reserved()


def measure(
    case: Case, device: str, rounds: int, seconds: float, workers: int, wanted: list[str] | None = None
) -> Iterator[list[Timing]]:
    """All ways of a case, or those that are wanted, as soon as they are measured.

    On a CPU round after round, all ways in each; on a GPU way after way, each alone in its memory. A round has as many
    steps as fit into ``seconds`` by the first one, two at least. A way for which there is no memory is left out.
    """
    if device != "cpu":
        torch._dynamo.reset()  # PyTorch compiles a function for so many shapes only
    ways: dict[str, Callable[[], Any]] = {"peers": functools.partial(Peers, case, device, workers)}
    for precision in ("fp32",) if device == "cpu" else ("bf16", "fp32"):
        ways[f"ours {precision}"] = functools.partial(Ours, case, device, precision, False, False)
        ways[f"static {precision}"] = functools.partial(Ours, case, device, precision, False, True)
        ways[f"ours {precision}, {SEEDS} seeds"] = functools.partial(Turns, case, device, precision, False, SEEDS)
    if device != "cpu":
        ways["ours bf16, deterministic"] = functools.partial(Ours, case, device, "bf16", True, False)
        ways["ours bf16, not fused"] = functools.partial(Ours, case, device, "bf16", False, False, fused=False)
    names = [name for name in wanted or ways if name in ways]
    for some in [names] if device == "cpu" else [[name] for name in names]:
        yield _turns(case, device, rounds, seconds, ways, some)


def _turns(
    case: Case, device: str, rounds: int, seconds: float, ways: dict[str, Callable[[], Any]], names: list[str]
) -> list[Timing]:
    """Some ways of a case, in turns."""
    started, built, counts, peaks, times = {}, {}, {}, {}, {name: [] for name in names}
    for name in names:
        occupied = memory(device)
        before = clock(device)
        try:
            built[name] = ways[name]()
            built[name].step()
            built[name].step()
        except torch.OutOfMemoryError:
            built.pop(name, None)
            print(f"{case.name}: {name}: too little memory, left out")
            continue
        started[name] = clock(device) - before
        before = clock(device)
        built[name].step()
        counts[name] = max(2, min(200, round(seconds / max(clock(device) - before, 1e-4))))
        peaks[name] = None if device == "cpu" else (torch.cuda.max_memory_reserved() - occupied) / 2**30
    for _ in range(rounds):
        for name, way in built.items():
            way.ready()
            before = clock(device)
            for _ in range(counts[name]):
                way.step()
            times[name].append((clock(device) - before) / counts[name] / way.seeds)
    found = []
    for name, way in built.items():
        step = statistics.median(times[name])
        epoch = step * EPOCH / case.batch
        found.append(Timing(case.name, name, way.mode, started[name], 1e3 * step, epoch, peaks[name]))
    return found


def table(timings: list[Timing]) -> None:
    """One line per way, with ratios within the case."""
    print(
        f"{'case':<34}{'way':<26}{'ms/step':>10}{'s/epoch':>10}{'start, s':>10}{'GiB':>7}"
        f"{'vs peers':>10}{'of static':>11}  mode"
    )
    for one in timings:
        same = {other.way: other.ms_per_step for other in timings if other.case == one.case}
        static = same.get("static " + one.way.split()[1].rstrip(",") if one.way != "peers" else "static fp32", math.nan)
        print(
            f"{one.case:<34}{one.way:<26}{one.ms_per_step:>10.2f}{one.s_per_epoch:>10.1f}{one.start_s:>10.1f}"
            f"{'-' if one.peak_gib is None else format(one.peak_gib, '.2f'):>7}"
            f"{same.get('peers', math.nan) / one.ms_per_step:>9.1f}x{static / one.ms_per_step:>11.2f}  {one.mode}"
        )
    print("start: building, warm-up, choice of kernels and capture; in no other column. Epochs of 50 000 images.")


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """What all benchmarks of trainings can be asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=3, help="turns that count")
    parser.add_argument("--workers", type=int, help="of DataLoaders (CPU: 0, GPU: all cores)")
    return parser


def settled(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, int]:
    """What was asked for, and the number of workers. On a CPU the process has one thread from here on."""
    given = parser.parse_args()
    on_cpu = given.device == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    return given, given.workers if given.workers is not None else 0 if on_cpu else os.cpu_count() or 1


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = parser_of(__doc__)
    parser.add_argument("--only", default="", help="cases whose name has this in it, such as 'resnet18, batch 128'")
    parser.add_argument("--seconds", type=float, help="length of a turn (CPU: 0.5, GPU: 3)")
    parser.add_argument("--way", action="append", metavar="NAME", help="this way, such as 'ours bf16', and no others")
    arguments, workers = settled(parser)
    on_cpu = arguments.device == "cpu"
    seconds = arguments.seconds or (0.5 if on_cpu else 3.0)
    name = platform.processor() or platform.machine() if on_cpu else torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}, torchvision {torchvision.__version__}, {workers} workers")
    began = time.perf_counter()
    timings: list[Timing] = []
    for case in cases(arguments.device):
        if arguments.only not in case.name:
            continue
        for some in measure(case, arguments.device, arguments.rounds, seconds, workers, arguments.way):
            timings += some
            if arguments.json:  # as it grows: what is measured stays when time runs out
                about = {"device": name, "torch": torch.__version__, "workers": workers, "rounds": arguments.rounds}
                content = {**about, "timings": [asdict(one) for one in timings]}
                arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            for one in some if not on_cpu else ():
                print(f"{one.case}: {one.way}: {one.ms_per_step:.2f} ms/step, {one.mode}", flush=True)
    table(timings)
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
