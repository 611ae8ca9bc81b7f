"""Times of files, made to say what the keys say, whoever has set them: a clock that ran ahead, NFS, tar, ``touch``.

Snakemake compares times and nothing else. A file of the future is newer than any edit, and it takes one of 1970 for
a file without a time: with either an edit would not be seen. So all times that it compares lie between the first second
and now, and are in order.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipeline import files

SECOND = 10**9
MARGIN = 4 * SECOND
"""Between a file and what has to be newer: more than the coarsest file system (FAT: two seconds) rounds away."""


def clock(folder: Path) -> int:
    """What time it is, in ns: on this machine or where the files lie, whichever is earlier."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".clock"
    probe.touch()
    return max(min(time.time_ns(), probe.stat().st_mtime_ns), SECOND)


def of(path: Path, *, follow: bool = True) -> int:
    """Time of a file in ns; 0 where there is none.

    Args:
        path: The file.
        follow: Whether to ask the file that a link names, and not the link.
    """
    try:
        return path.stat(follow_symlinks=follow).st_mtime_ns
    except OSError:
        return 0


def within(path: Path, low: int, high: int, otherwise: int | None = None) -> bool:
    """Make the time of a file lie between ``low`` and ``high`` (ns); False where it cannot be made to.

    Args:
        path: The file; of a link both times are set.
        low: The earliest time.
        high: The latest.
        otherwise: The time of a file that lies outside; the nearer of the two where None.
    """
    for follow in (True, False) if path.is_symlink() else (True,):
        found = of(path, follow=follow)
        outside = not low <= found <= high if found else path.exists()
        if outside:
            wanted = otherwise if otherwise is not None else (low if found < low else high)
            if not _set(path, wanted, follow=follow):
                return False
            # what the file system has made of it: some round, some keep their own time
            if not low - MARGIN // 2 <= of(path, follow=follow) <= high:
                return False
    return True


def _set(path: Path, wanted: int, *, follow: bool) -> bool:
    try:
        os.utime(path, ns=(wanted, wanted), follow_symlinks=follow)
    except PermissionError:  # somebody else's file: only its owner may set its time, so it becomes ours
        try:
            files.clone(path, path)
            os.utime(path, ns=(wanted, wanted))
        except OSError:
            return False
    except (OSError, NotImplementedError):
        return False
    return True
