"""What a device does at best: bytes copied, products of matrices, launches; with its name and all versions.

    python bench/rates.py [--json FILE] [--device cpu|cuda]

What other benchmarks measure is read against these. Bandwidth is that of a copy within the device, bytes read and
written; a product is of two square matrices of normal numbers (zeros are multiplied faster). Medians of ten, three more
do not count; on a GPU timed by events on the device, on a CPU by the wall clock, with small sizes.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WARM_UP, REPEATS = 3, 10
LAUNCHES = 200


def seconds_of(work: Callable[[], Any], device: str) -> float:
    """Median seconds of ``work`` on the device."""
    times = []
    for turn in range(WARM_UP + REPEATS):
        if device == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            end.synchronize()
            took = start.elapsed_time(end) / 1e3
        else:
            before = time.perf_counter()
            work()
            took = time.perf_counter() - before
        if turn >= WARM_UP:
            times.append(took)
    return statistics.median(times)


def bandwidth(device: str) -> float:
    """GB/s of a copy, bytes read and written; of far more than a cache holds."""
    count = 2**31 if device == "cuda" else 2**25
    source = torch.zeros(count, dtype=torch.uint8, device=device).random_(0, 256)
    target = torch.empty_like(source)
    return 2 * count / seconds_of(lambda: target.copy_(source), device) / 1e9


def products(device: str, precision: str) -> float:
    """TFLOP/s of a product of square matrices."""
    size = 8192 if device == "cuda" else 512
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / seconds_of(lambda: a @ b, device) / 1e12


def launch(device: str) -> float:
    """Microseconds per operation on one number, one after the other from Python."""
    one = torch.zeros((), device=device)

    def work() -> None:
        for _ in range(LAUNCHES):
            one.add_(1)

    return seconds_of(work, device) / LAUNCHES * 1e6


def about(device: str) -> dict[str, Any]:
    """Name, memory and versions."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "device": platform.processor() or platform.machine(),
    }
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "device": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "memory_gib": properties.total_memory / 2**30,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    found = about(given.device)
    for name, value in found.items():
        print(f"{name:<20}{value}")
    rates = {"copy, GB/s": bandwidth(given.device)}
    for precision in ("bf16", "tf32", "fp32") if given.device == "cuda" else ("fp32",):
        rates[f"{precision} products, TFLOP/s"] = products(given.device, precision)
    rates["launch, us"] = launch(given.device)
    for name, rate in rates.items():
        print(f"{name:<28}{rate:>10.2f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps({**found, "rates": rates}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
