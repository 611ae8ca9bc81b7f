"""What a process computes on, by name."""

from __future__ import annotations

import functools
import platform
import resource
import sys
from pathlib import Path


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
