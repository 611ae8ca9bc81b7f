"""What rank 0 tells another rank: works as plain data, and where to meet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.work import Work

_PATHS = ("out", "resume", "scratch")
_FOLDERS = ("inputs", "components")


@dataclass(frozen=True)
class Handover:
    """What one rank is to do.

    Attributes:
        rank: Its number, from 1.
        processes: How many there are.
        meeting: Folder in which the processes find each other.
        path: Where Python looks for modules, as rank 0 does.
        works: What rank 0 does.
    """

    rank: int
    processes: int
    meeting: str
    path: list[str]
    works: list[dict[str, Any]]

    def dumps(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def loads(cls, line: bytes) -> Handover:
        """Read what :meth:`dumps` wrote."""
        return cls(**json.loads(line))


def packed(works: Sequence[Work], device: str) -> list[dict[str, Any]]:
    """Works as JSON has them, without what watches them.

    Args:
        works: Of rank 0. Their paths become absolute.
        device: Where they are to be done.
    """
    found = []
    for work in works:
        plain = asdict(replace(work, monitor=None))  # type: ignore[arg-type]  # a copy that nobody runs
        del plain["monitor"]
        plain["context"]["device"] = device
        for name in _PATHS:
            plain[name] = None if plain[name] is None else str(Path(plain[name]).absolute())
        for name in _FOLDERS:
            plain[name] = {role: str(Path(path).absolute()) for role, path in plain[name].items()}
        found.append(plain)
    return found


def unpacked(found: Sequence[dict[str, Any]]) -> list[Work]:
    """Works of what :func:`packed` gave, whose monitor shows and saves nothing."""
    works = []
    for plain in found:
        paths: dict[str, Any] = {name: None if plain[name] is None else Path(plain[name]) for name in _PATHS}
        for name in _FOLDERS:
            paths[name] = {role: Path(path) for role, path in plain[name].items()}
        work = Work(**{**plain, **paths})
        work.monitor = work.monitor.unseen()
        works.append(work)
    return works
