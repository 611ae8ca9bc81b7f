"""What is meant for the user: one line that says what is wrong and what to type next."""

from __future__ import annotations

import errno


class UserError(Exception):
    """Bad input. Its text is one line: the file, the key, what was expected, what to type next."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


_HINTS = {
    errno.ENOSPC: "the disk is full; free some space and type the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and type the same command again",
    errno.EACCES: "no permission to write there; make the folder writable, or work in a copy",
    errno.EPERM: "no permission to write there; make the folder writable, or work in a copy",
    errno.EROFS: "the file system is read-only; work in a copy",
}


def explain(error: Exception) -> str | None:
    """One line for what the machine refuses (space, permission) and for text that does not parse; None for the rest."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}; correct the file and type the same command again"
    if isinstance(error, UnicodeDecodeError):
        return f"a file under params/ or of yours is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
    if not isinstance(error, OSError):
        return None
    hint = _HINTS.get(error.errno or 0)
    return None if hint is None else f"{error.filename or error.strerror}: {hint}; nothing was half-written"
