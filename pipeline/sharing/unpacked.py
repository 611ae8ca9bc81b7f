"""A bundle that somebody has unpacked: a folder with the same members, read with the same suspicion as the zip."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pipeline.sharing import names
from pipeline.sharing.archive import LARGE, LARGEST, MEMBERS, TOTAL, Refused

_CHUNK = 1 << 20


class Unpacked:
    """Members of a folder by name; see :class:`pipeline.sharing.archive.Archive`.

    Args:
        path: The folder.

    Raises:
        Refused: It holds a link, a device, or a name that no bundle has.
    """

    digest: str | None = None
    """There is no file whose hash could be compared."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, int] = {}
        places: dict[str, str] = {}
        for folder, folders, found in os.walk(path):
            for name in sorted([*folders, *found]):
                place = Path(folder, name)
                member = place.relative_to(path).as_posix()
                kind = place.lstat()
                if stat.S_ISDIR(kind.st_mode):
                    continue
                why = names.fault(member)
                if not stat.S_ISREG(kind.st_mode):
                    why = "it is a link or a device, not a file"
                elif why is None and kind.st_size > LARGEST.get(names.suffix(member), LARGE):
                    why = f"{kind.st_size:,} bytes, too many for such a file"
                other = places.setdefault(names.same_place(member), member)
                if why is None and other != member:
                    why = f"its name is that of {names.plain(other)}"
                if why is not None:
                    raise self._refused(f"{names.plain(member)}: {why}")
                self.members[member] = kind.st_size
        if len(self.members) > MEMBERS or sum(self.members.values()) > TOTAL:
            raise self._refused("more than a bundle holds")

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.members))

    def close(self) -> None:
        """Nothing is open."""

    def size(self, name: str) -> int:
        """Bytes of a member."""
        return self.members[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        """Content of a member, piece by piece.

        Raises:
            Refused: It is not what it was when the folder was listed.
        """
        left = self.members[name]
        try:
            number = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise self._refused(f"{names.plain(name)}: {error.strerror}") from None
        with os.fdopen(number, "rb") as file:
            while piece := file.read(_CHUNK):
                left -= len(piece)
                yield piece
        if left:
            raise self._refused(f"{names.plain(name)}: changed while it was read")

    def _refused(self, why: str) -> Refused:
        return Refused(f"{self.path}: refused: {why}; unpack the bundle again, or name its zip file")
