"""What a process computes on, by name."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

_DEVICES = ("nvidia[0-9]*", "dxg", "kfd")
"""Files below /dev of a GPU that can compute: of NVIDIA's driver, of Windows' (WSL), of AMD's."""
_HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Variables with which a user hides GPUs."""


@functools.cache
def processor() -> str:
    """Name of the CPU, as its maker has it where the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def most_memory() -> int:
    """Megabytes of memory that this process has held at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def card() -> str | None:
    """Name of the GPU that the process could use; None without torch or without a GPU."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None


def accelerator(devices: Path = Path("/dev"), environ: Mapping[str, str] | None = None) -> bool:
    """Whether this machine shows a GPU, told without torch, whose import takes seconds.

    Args:
        devices: Where the system lists them.
        environ: Variables of the environment; those of this process where nothing is said.
    """
    hidden = [value for name in _HIDING if (value := (environ or os.environ).get(name)) is not None]
    if any(value.strip() in ("", "-1") for value in hidden):
        return False
    return any(next(devices.glob(pattern), None) is not None for pattern in _DEVICES)


def gpus(devices: Path = Path("/dev"), environ: Mapping[str, str] | None = None) -> list[str]:
    """Name NVIDIA's GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; told without torch.

    Args:
        devices: Where the system lists them.
        environ: Variables of the environment; those of this process where nothing is said.
    """
    chosen = (os.environ if environ is None else environ).get(_HIDING[0])
    if chosen is None:
        return [str(number) for number, _ in enumerate(devices.glob(_DEVICES[0]))]
    names = [name.strip() for name in chosen.split(",")]
    return names[: next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))]


def memory() -> int | None:
    """Bytes of memory that this process may use, as far as the system tells."""
    found = []
    with contextlib.suppress(ValueError, OSError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            found.append(int(limit.read_text()))
    return min(found, default=None)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
