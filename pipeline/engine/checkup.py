"""What this machine has for this project, what is missing, and what each scale would take on it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import hardware
from pipeline.durations import rough
from pipeline.errors import plain
from pipeline.install import OF_CUDA
from pipeline.install import installed as installed_version
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.overview import Total, total

_SECONDS = 5
"""That a tool may take to say what it knows."""


@dataclass(frozen=True)
class Fault:
    """Something that is missing, and what to do about it."""

    what: str
    remedy: str


def machine(root: Path) -> dict[str, str]:
    """What there is, in words.

    Args:
        root: The project's folder.
    """
    memory = hardware.memory()
    found = {
        "Python": f"{sys.version.split()[0]}, {sys.executable}",
        "processor": f"{hardware.processor()}, {hardware.cores()} cores",
        "memory": _size(memory) if memory else "unknown",
        "disk": f"{_size(shutil.disk_usage(root).free)} free here",
        "GPU": ", ".join(cards()) or ("one that nvidia-smi does not name" if hardware.accelerator() else "none shown"),
    }
    version = installed_version("torch")
    if version is not None:
        found["torch"] = f"{version}, for {'the CPU' if '+cpu' in version else 'CUDA' if _cuda() else 'this system'}"
    return found


def cards() -> list[str]:
    """GPUs with their memory, as NVIDIA's own tool has them; none where it is not there."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [plain(line.strip()) for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def faults(root: Path, lock: str) -> list[Fault]:
    """What is missing or other than locked.

    Args:
        root: The project's folder.
        lock: Content of ``requirements.txt``.
    """
    found = []
    wanted = dict(re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", lock, re.MULTILINE))
    cpu = "+cpu" in (installed_version("torch") or "")
    absent, other = [], []
    for name, version in wanted.items():
        if cpu and name.startswith(OF_CUDA):
            continue
        installed = installed_version(name)
        if installed is None:
            absent.append(name)
        elif installed.partition("+")[0] != version.partition("+")[0]:
            other.append(f"{name} {installed} ({version} is locked)")
    if absent:
        found.append(Fault(f"not installed: {_few(absent)}", "make setup"))
    if other:
        found.append(Fault(f"other than locked: {_few(other)}", "make setup"))
    if shutil.which("git") is None:
        found.append(Fault("git is not there: receipts then name no commit", "install git"))
    if not (root / ".venv/bin/activate").is_file():
        found.append(Fault("there is no environment in .venv", "make setup"))
    elif sys.prefix == sys.base_prefix:
        found.append(Fault("this Python is of no environment", "source .venv/bin/activate"))
    if hardware.accelerator() and cpu:
        found.append(Fault("there is a GPU, and torch is built for the CPU", "make setup TORCH=cuda"))
    return found


def scales(known: Catalogue, folders: Iterable[Path]) -> dict[str, tuple[Total, list[str]]]:
    """What each scale takes, and what keeps it from being built here.

    Args:
        known: All declarations.
        folders: Where raw files may lie.
    """
    places = list(folders)
    found = {}
    for name in known.scales:
        needs = total(known, name)
        lacking = [] if hardware.accelerator() or not needs.gpu else ["a GPU (or --config device=cpu)"]
        absent = {file: size for file, size in needs.files.items() if not any((at / file).exists() for at in places)}
        if absent:
            size = sum(size for size in absent.values() if size)
            more = " or more" * (None in absent.values())
            lacking.append(f"{len(absent)} raw files, {_size(size)}{more}")
        found[name] = needs, lacking
    return found


def report(about: Mapping[str, str], wrong: Iterable[Fault], sizes: Mapping[str, tuple[Total, list[str]]]) -> str:
    """Everything, for a terminal of 80 columns."""
    lines = ["This machine", *(f"  {name:<11}{text}" for name, text in about.items()), "", "Missing"]
    lines += [f"  {fault.what}\n    type: {fault.remedy}" for fault in wrong] or ["  nothing"]
    lines += ["", "Scales, every table and figure from nothing, one worker"]
    for name, (needs, lacking) in sorted(sizes.items(), key=lambda item: (item[1][0].gpu, item[1][0].seconds)):
        hours = f"{needs.seconds / 3600:,.0f} GPU-hours" if needs.gpu else rough(needs.seconds)
        lines.append(f"  {name:<11}{needs.runs:>6} trainings, about {hours}")
        lines += [f"  {'':<11}lacks {what}" for what in lacking]
    return "\n".join(lines)


def _cuda() -> bool:
    """Whether libraries of CUDA are installed beside torch."""
    return any((one.metadata["Name"] or "").startswith("nvidia-") for one in importlib.metadata.distributions())


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _size(count: int) -> str:
    if count < 1e8:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.{0 if count >= 1e10 else 1}f} GB"
