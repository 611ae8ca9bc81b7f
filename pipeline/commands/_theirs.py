"""An error in a user's own component: the line of theirs that it came from, and the rest in a file."""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

from pipeline.components import EXTENSION
from pipeline.errors import plain


def told(error: Exception) -> str | None:
    """The last frame in a component of the user's own, in two lines; None where the error passed through none.

    The whole traceback is written below ``logs/``.
    """
    own = {str(getattr(module, "__file__", "")) for name, module in sys.modules.items() if name.startswith(EXTENSION)}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in own]
    if not frames:
        return None
    last = frames[-1]
    path = Path("logs", f"error-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.txt")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="replace")
        where = f"all of it: {path}"
    except OSError as reason:
        where = f"the rest could not be written ({reason.strerror})"
    head = (
        f"error: {last.filename}:{last.lineno}: in {last.name}: {type(error).__name__}: {' '.join(str(error).split())}"
    )
    return f"{plain(head, 600)}\n    {plain(last.line or '')}\n    {where}"
