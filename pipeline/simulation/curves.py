"""Curves of a simulation on disk: one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

FILE = "curves.safetensors"


def write_curves(folder: Path, curves: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name; no file where there are none."""
    if curves:
        # entries are sorted by name: the same arrays give the same bytes
        arrays = {name: np.ascontiguousarray(curves[name]) for name in sorted(curves)}
        (folder / FILE).write_bytes(save(arrays))


def read_curves(folder: Path) -> Mapping[str, NDArray[Any]]:
    """Arrays of a simulation's payload by name; empty where it has none."""
    path = folder / FILE
    return load_file(path) if path.is_file() else {}
