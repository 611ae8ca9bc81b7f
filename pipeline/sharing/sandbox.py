"""Work on what a stranger wrote, in a child process of few means: it may fail in any way, and harms nobody."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from pipeline.errors import UserError

SECONDS, MEMORY, WRITTEN = 120, 4 << 30, 1 << 30
_LONGEST = 64 << 20


class Failed(Exception):
    """The child did not end well; the text says how, in a line."""


def call(work: Callable[[], Any], seconds: int = SECONDS) -> Any:
    """What ``work`` returns (plain data), computed in a child that may use so much time and memory and no more.

    Raises:
        Failed: It raised, was killed, or took too long.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(work, writer, seconds)
    os.close(writer)
    try:
        text = _read(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        found = json.loads(text)
    except ValueError:
        raise Failed("it took more time or memory than it may") from None
    if "error" in found:
        raise Failed(found["error"])
    return found["value"]


def _mapped() -> int:
    """Return the bytes of address space that the process has already: a library with a GPU's maps more than is used."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a child of few means
            return int(file.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _child(work: Callable[[], Any], writer: int, seconds: int) -> None:
    """Never returns: what the parent had in hand is not touched again."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        faulthandler.disable()  # source that nests too deep ends the parser hard: expected, and told by the parent
        for kind, most in (
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_AS, _mapped() + MEMORY),
            (resource.RLIMIT_FSIZE, WRITTEN),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(kind)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        try:
            text = json.dumps({"value": work()})
        except MemoryError:
            text = json.dumps({"error": "it takes more memory than it may"})
        except BaseException as error:  # whatever a stranger's data led to
            what = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            text = json.dumps({"error": " ".join(f"{what}{error}".split())[:300]})
        with os.fdopen(writer, "w", encoding="utf-8") as file:
            file.write(text)
    finally:
        os._exit(0)


def _read(reader: int, until: float) -> str:
    parts, size = [], 0
    while size < _LONGEST:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            break
        part = os.read(reader, 1 << 16)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts).decode("utf-8", "replace")
