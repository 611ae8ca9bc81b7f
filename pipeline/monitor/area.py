"""Lines that stay at the bottom of a terminal, below all that is printed.

Libraries that draw such lines hide the cursor, and count on a width that stays: whoever is killed leaves a terminal
without a cursor, and a window that is made narrower keeps pieces of old lines. Here the cursor stands below the last
line, whenever the process may end, and nothing of the terminal is set that would have to be set back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

COLUMNS, ROWS = 80, 24
"""Of a terminal that does not say."""

HOLD, SHOW = "\x1b[?2026h", "\x1b[?2026l"
"""What is between these is shown at once, where a terminal knows them (DEC mode 2026); others pass them over."""


class Area:
    """Writes to a terminal.

    Args:
        handle: Its descriptor.
    """

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._shown: list[str] = []
        self._columns = 0

    def size(self) -> tuple[int, int]:
        """Columns and rows of the terminal, as it is now."""
        try:
            columns, rows = os.get_terminal_size(self.handle)
        except OSError:
            columns, rows = 0, 0
        return columns or COLUMNS, rows or ROWS

    def forget(self) -> None:
        """Take what is shown for somebody else's: the process was stopped, and a shell has written below it."""
        self._shown = []

    def write(self, lines: Sequence[str], bars: Sequence[str]) -> None:
        """Print lines above the area, and show other bars in it.

        Args:
            lines: Whole lines of any length.
            bars: Each shorter than the terminal is wide.

        Raises:
            OSError: The terminal is gone.
        """
        columns, rows = self.size()
        bars = [] if self._in_background() else _fitting(bars, rows - 2)
        if not lines and bars == self._shown and columns == self._columns:
            return
        # a terminal that was made narrower has broken lines in two
        up = sum(max(1, -(-len(bar) // columns)) for bar in self._shown)
        text = "\r" + (f"\x1b[{up}A" if up else "")
        if lines or len(bars) != len(self._shown) or columns != self._columns:
            text += "\x1b[J" + "".join(f"{line}\n" for line in lines)
            text += "\x1b[0m" if "\x1b" in text.partition("\x1b[J")[2] and bars else ""
            text += "".join(f"{bar}\n" for bar in bars)
        else:
            text += "".join(f"\x1b[K{bar}\n" for bar in bars)
        self._shown, self._columns = list(bars), columns
        if up or bars:
            text = f"{HOLD}{text}{SHOW}"
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self.handle, data) :]

    def _in_background(self) -> bool:
        """Whether the terminal is another job's just now, of the shell that has started this one."""
        try:
            return os.tcgetpgrp(self.handle) != os.getpgrp()
        except OSError:
            return False  # it is nobody's terminal of control


def _fitting(bars: Sequence[str], rows: int) -> list[str]:
    """The last bar and as many of the others as there are rows for."""
    if len(bars) <= max(rows, 1):
        return list(bars)
    if rows < 3:
        return list(bars[-1:])
    return [*bars[: rows - 2], f"and {len(bars) - rows + 1} more", bars[-1]]
