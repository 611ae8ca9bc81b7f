"""Where the time of one training step goes on a GPU: kernels by name and kind, and the time in which none runs.

    python bench/step.py [--json FILE] [--case TEXT] [--steps N]

The step that ``bench/pretrain.py`` takes as ``ours bf16``, replayed under PyTorch's profiler: with all views in one
pass, with a pass for each, and on the same views in every step; then DirectPred's root alone in a graph of its own.
Kinds are told by the names of kernels. What is not busy is latency: kernels that wait for each other.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pretrain import Ours, cases, clock

from pipeline.nets.directpred_rule import directpred_matrix
from pipeline.nets.per_view import each, together
from pipeline.training import capture

KINDS = {
    "convolution": r"conv|xmma|implicit|cudnn|nhwc|wgrad|dgrad|fprop",
    "float64 product": r"f64|dgemm|d884|double.*gemm|gemm.*double|_dd_",
    "other product": r"gemm|nvjet|cutlass|splitk",
    "fused": r"triton",
    "for each parameter": r"multi_tensor|foreach",
    "reduction": r"reduce",
    "copy": r"copy|memcpy|memset|cat",
}
SHOWN = 40


def kind_of(name: str) -> str:
    """The first kind that the kernel's name fits."""
    for kind in ("float64 product", *KINDS):
        if re.search(KINDS[kind], name, re.IGNORECASE):
            return kind
    return "elementwise"


def busy(intervals: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    length, end = 0.0, float("-inf")
    for first, last in sorted(intervals):
        length += max(0.0, last - max(first, end))
        end = max(end, last)
    return length


def profiled(name: str, way: Any, steps: int) -> dict[str, Any]:
    """Microseconds per step of kernels and kinds."""
    way.ready()
    for _ in range(5):
        way.step()
    before = clock("cuda")
    for _ in range(10 * steps):
        way.step()
    wall = (clock("cuda") - before) / steps / 10 * 1e6
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(steps):
            way.step()
        torch.cuda.synchronize()
    kernels: dict[str, list[float]] = defaultdict(list)
    intervals = []
    for event in seen.events():
        if event.device_type == torch.autograd.DeviceType.CUDA and event.device_time_total > 0:
            kernels[event.name].append(event.device_time_total)
            intervals.append((event.time_range.start, event.time_range.end))
    kinds: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    for kernel, times in kernels.items():
        kinds[kind_of(kernel)][0] += len(times) / steps
        kinds[kind_of(kernel)][1] += sum(times) / steps
    top = sorted(kernels.items(), key=lambda item: -sum(item[1]))[:SHOWN]
    found = {
        "way": name,
        "mode": way.mode,
        "us_per_step": wall,
        "us_busy": busy(intervals) / steps,
        "us_of_kernels": sum(map(sum, kernels.values())) / steps,
        "kernels": sum(map(len, kernels.values())) / steps,
        "kinds": dict(kinds),
        "top": [[kernel[:160], len(times) / steps, sum(times) / steps] for kernel, times in top],
    }
    print(
        f"{name}: {wall:.0f} us per step, {found['us_busy']:.0f} us busy, {found['kernels']:.0f} kernels of "
        f"{found['us_of_kernels']:.0f} us; {way.mode}"
    )
    for kind, (count, spent) in sorted(kinds.items(), key=lambda item: -item[1][1]):
        print(f"  {kind:<20}{count:>8.0f} kernels {spent:>9.0f} us")
    for kernel, count, spent in found["top"]:
        print(f"    {spent:>8.1f} us {count:>6.1f}  {kernel[:130]}")
    sys.stdout.flush()
    return found


def in_a_graph(work: Callable[[], Any]) -> float:
    """Microseconds of ``work`` replayed."""
    with torch.no_grad():
        work()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
    for _ in range(3):
        graph.replay()
    before = clock("cuda")
    for _ in range(50):
        graph.replay()
    return (clock("cuda") - before) / 50 * 1e6


def root(dim: int) -> dict[str, float]:
    """Microseconds of DirectPred's rule, and of one product of its size in a chain of a hundred."""
    rows = torch.randn(256, dim, device="cuda")
    matrix = rows.T @ rows / 256
    found = {"rule": in_a_graph(lambda: directpred_matrix(matrix, epsilon=0.1, normalized=True))}
    for dtype in (torch.float64, torch.float32):
        unit = torch.eye(dim, dtype=dtype, device="cuda")

        def chain(stacked: bool, unit: torch.Tensor = unit) -> torch.Tensor:
            power = unit[None] if stacked else unit
            for _ in range(100):
                power = torch.baddbmm(power, power, power) if stacked else torch.addmm(power, power, power)
            return power

        for name, stacked in (("baddbmm", True), ("addmm", False)):
            found[f"{name}, {dtype}"] = in_a_graph(functools.partial(chain, stacked)) / 100
    return found


def main() -> None:
    """Measure, print, and write JSON as it grows if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--case", default="resnet18, batch 128, 2 views", help="as bench/pretrain.py names it")
    parser.add_argument("--steps", type=int, default=10)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench/step.py: expected a GPU, PyTorch finds none")
    (case,) = (case for case in cases("cuda") if case.name == given.case)
    found: dict[str, Any] = {"device": torch.cuda.get_device_name(), "case": case.name, "ways": []}
    found["root"] = root(case.out)
    for name, spent in found["root"].items():
        print(f"{name:<28}{spent:>9.1f} us")
    for name, passing, static in (
        ("one pass", together, False),
        ("a pass per view", each, False),
        ("one pass, static views", together, True),
    ):
        capture.together = passing
        torch._dynamo.reset()
        found["ways"].append(profiled(name, Ours(case, "cuda", "bf16", False, static), given.steps))
        if given.json:
            given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
