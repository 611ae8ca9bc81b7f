"""What is meant for the user: one line that says what is wrong and what to type next."""

from __future__ import annotations

import difflib
import errno
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class UserError(Exception):
    """Bad input. Its text is one line: the file, the key, what was expected, what to type next."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(" ".join(str(message).split()), 10**6))


def plain(text: object, longest: int = 200) -> str:
    """Text from elsewhere (a record, a server, a file's name) for a terminal.

    One line, nothing that moves the cursor, not endless.
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in str(text))
    return shown if len(shown) <= longest else f"{shown[:longest]}..."


def brief(value: Any, said: Callable[[Any], str] = repr, most: int = 60) -> str:
    """A value as it was typed, of long ones the beginning: a message is one line."""
    try:
        text = said(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]}..."


def nearest(name: str, known: Iterable[str], otherwise: str = "there are") -> str:
    """Guess what somebody meant who typed ``name``: the name most like it, or what there is to choose from.

    Args:
        name: As typed.
        known: All names that would do; of dotted ones the last part is also looked at. Letters in another order are
            as near as can be.
        otherwise: How the list begins where no name is like it.
    """
    names = list(map(str, known))
    inner = [known for known in names if known.rpartition(".")[2] == str(name)]
    if len(inner) > 1:
        return f"did you mean {' or '.join(inner)}?"
    typed = str(name)[:100]
    close = inner or [known for known in names if sorted(known) == sorted(typed)]  # of short names difflib finds none
    close = close or difflib.get_close_matches(typed, names, n=1) or _ending_alike(typed, names)
    if close:
        return f"did you mean {close[0]}?"
    return f"{otherwise}: {', '.join(names[:24]) or 'none'}{', ...' if len(names) > 24 else ''}"


def _ending_alike(name: str, names: list[str]) -> list[str]:
    """The dotted name whose last part is most like what was typed; none where several end so, or none does."""
    ends = [known.rpartition(".")[2] for known in names]
    close = difflib.get_close_matches(name, [end for end in ends if ends.count(end) == 1], n=1)
    return [known for known, end in zip(names, ends, strict=True) if close == [end]]


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


def lacking(error: ModuleNotFoundError) -> UserError | None:
    """What to type where a library is missing; None for a module of ours, whose absence is a fault of the code."""
    name = (error.name or "").partition(".")[0]
    if name in ("", "pipeline", "generator"):
        return None
    activate = "source .venv/bin/activate"
    made = Path(__file__).parent.parent / ".venv/bin/activate"
    hint = activate if made.is_file() else f"make setup, and then: {activate}"
    return UserError(f"{name} is not installed in this environment ({sys.executable}); type: {hint}")
