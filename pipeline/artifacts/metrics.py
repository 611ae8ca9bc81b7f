"""Every number of an edition as nested plain data, for ``dvc metrics show`` and ``dvc metrics diff``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def collect(reports: Iterable[Path]) -> dict[str, Any]:
    """Means of all cells, ``{paper: {artifact: {"sgd, cifar10, 100": 84.49}}}``.

    Args:
        reports: The ``ARTIFACT.json`` files of one edition.
    """
    found: dict[str, Any] = {}
    for path in sorted(Path(report) for report in reports):
        entry = json.loads(path.read_text(encoding="utf-8"))
        cells = {_name(row): row["mean"] for row in entry.get("cells", []) if isinstance(row.get("mean"), int | float)}
        if cells:
            found.setdefault(path.parent.name, {})[path.stem] = cells
    return found


def _name(row: dict[str, Any]) -> str:
    axes = [str(value) for value in (row.get("axes") or {}).values()]
    return ", ".join(axes if row.get("role") == "cell" else [str(row.get("role")), *axes])
