"""What the executor decided, one line per node, in the order in which it happened."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DECISIONS = ("executed", "restored", "unchanged", "failed", "stopped", "entered")


class Journal:
    """``logs/journal.jsonl``: appended to, never rewritten; a line is written in one system call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, stage: str, node: str, decision: str, seconds: float, **more: Any) -> None:
        """Append one decision about one node."""
        entry = {"time": round(time.time(), 3), "stage": stage, "node": node, "decision": decision}
        entry |= {"seconds": round(seconds, 3)} | more
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def entries(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Decisions taken at or after ``since`` (seconds since the epoch)."""
        if not self.path.is_file():
            return []
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return [entry for entry in parsed(text.splitlines()) if entry["time"] >= since]


def parsed(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Entries of lines of a journal; one that a full disk cut short is passed over."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return [entry for entry in found if isinstance(entry, dict)]
