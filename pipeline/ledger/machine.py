"""When, where and with which versions a stage ran: the record beside a receipt, part of no hash."""

from __future__ import annotations

import functools
import importlib.metadata
import math
import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from pipeline import files, hardware
from pipeline.errors import plain

LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "pandas", "matplotlib", "pillow", "safetensors")


@functools.cache
def _commit() -> str | None:
    """Git commit of the code, with ``-dirty`` where the working tree differs; None outside a repository."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


@functools.cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def record(seconds: float) -> dict[str, Any]:
    """The record of one execution that ended now, after so many seconds."""
    return {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 3),
        "commit": _commit(),
        "processor": hardware.processor(),
        "cores": os.cpu_count(),
        "gpu": hardware.card(),
        "memory_mb": hardware.most_memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": _versions(),
    }


_TEXTS = ("finished", "commit", "processor", "gpu", "system")
_NUMBERS = ("seconds", "cores", "memory_mb", "epochs")
_VERSION = re.compile(r"[\w.+!-]{1,60}", re.ASCII)


def known(found: Any) -> dict[str, Any]:
    """What of a record is as :func:`record` writes it: it is in no hash, so anybody may have written anything."""
    if not isinstance(found, dict):
        return {}
    texts = {name: found[name] for name in _TEXTS if name in found}
    kept: dict[str, Any] = {n: plain(t) if isinstance(t, str) else None for n, t in texts.items()}
    for name in _NUMBERS:
        value = found.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
            kept[name] = value if math.isfinite(value) else 0.0
    versions = found.get("versions")
    if isinstance(versions, dict):
        both = ((str(name), str(version)) for name, version in versions.items())
        kept["versions"] = {n: v for n, v in both if _VERSION.fullmatch(n) and _VERSION.fullmatch(v)}
    for name in ("left", "opened"):
        if isinstance(found.get(name), list):
            kept[name] = [path for path in found[name] if isinstance(path, str)]
    return kept


def read(path: Path) -> dict[str, Any]:
    """The record in a file, as far as it is one; empty where there is none."""
    return known(files.read_json(path))
