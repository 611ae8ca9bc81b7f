"""The zip of a bundle, read with suspicion.

``zipfile`` reads the list of members; where each lies, and that it unpacks to what the list says, is checked here:
members follow each other without gap or overlap from the file's first byte to the list, every local header says what
the list says, and no byte more is unpacked than was declared. So there is one way to read a bundle and not two.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import UserError
from pipeline.sharing import names

MEMBERS = 200_000
LARGEST = {".safetensors": 32 << 30, ".json": 16 << 20, ".py": 2 << 20, ".sshsig": 64 << 10}
LARGE = 128 << 20
"""Bytes that a member of another kind may have."""
TOTAL = 256 << 30
RATIO, SMALL = 200, 1 << 20
"""How much smaller than its content a member may be, from this size on. Tables of numbers reach 30."""

_LOCAL = struct.Struct("<4s5H3I2H")
_END64, _LOCATOR = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
_CHUNK = 1 << 20
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    ValueError,
    EOFError,
    RuntimeError,
    OverflowError,
    MemoryError,
    IndexError,
)


def _opened(path: Path) -> BinaryIO:
    """A plain file, opened without waiting for whoever might write into it.

    Raises:
        UserError: There is none.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    except (OSError, ValueError) as error:  # a NUL is in no file's name
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: {why}; type the name of a bundle") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UserError(f"{path}: a pipe or a device, not a file; type the name of a bundle")
    return file


class Refused(UserError):
    """The bundle is not one, or would do harm; nothing in it was looked at any further."""


class Archive:
    """A bundle's members by name, each readable once its place in the file has been checked.

    Args:
        path: The zip.

    Raises:
        Refused: It is no whole zip, or one that ``bundle`` does not write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _opened(path)
        try:
            self.members = self._members()
        except Refused:
            raise
        except _ERRORS as error:
            raise self._refused(f"not a whole zip file ({names.plain(error)})") from None
        self._starts = self._layout()
        self.members = {name: member for name, member in self.members.items() if not _is_folder(member)}

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @functools.cached_property
    def digest(self) -> str:
        """sha256 of the file."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()  # type: ignore[arg-type]  # reads as it must

    def size(self, name: str) -> int:
        """Bytes of a member."""
        return self.members[name].file_size

    def read(self, name: str) -> bytes:
        """Content of a member.

        Raises:
            Refused: It does not unpack to what the list of members says.
        """
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Content of a member, piece by piece; see :meth:`read`."""
        member = self.members[name]
        self.file.seek(self._starts[name])
        left, total, crc = member.compress_size, 0, 0
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == zipfile.ZIP_DEFLATED else None
        try:
            while left:
                raw = self.file.read(min(_CHUNK, left))
                if not raw:
                    raise self._refused(f"{names.plain(name)}: the file ends in it")
                left -= len(raw)
                while raw:
                    piece = raw if inflate is None else inflate.decompress(raw, _CHUNK)
                    raw = b"" if inflate is None else inflate.unconsumed_tail
                    total, crc = total + len(piece), zlib.crc32(piece, crc)
                    if total > member.file_size or (inflate is not None and inflate.unused_data):
                        raise self._refused(f"{names.plain(name)}: unpacks to more than it says")
                    yield piece
        except zlib.error as error:
            raise self._refused(f"{names.plain(name)}: damaged ({error})") from None
        if total != member.file_size or crc != member.CRC or (inflate is not None and not inflate.eof):
            raise self._refused(f"{names.plain(name)}: damaged (it does not unpack to what the list of members says)")

    def _refused(self, why: str) -> Refused:
        return Refused(f"{self.path}: refused: {why}; ask for the bundle again")

    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """The list of members, each fit to be looked at."""
        size = self.file.seek(0, 2)
        if size < _END.size:
            raise self._refused("not a zip file")
        self.file.seek(size - _END.size)
        end = _END.unpack(self.file.read(_END.size))
        if end[0] != b"PK\5\6" or end[7] != 0:
            raise self._refused("not a zip file, or something follows it")
        if end[1] or end[2] or end[3] != end[4]:
            raise self._refused("a part of a zip file")
        self._end64(size, end)
        opened = zipfile.ZipFile(self.file)
        self._list = opened.start_dir
        found = opened.infolist()
        if len(found) > MEMBERS:
            raise self._refused(f"{len(found):,} members, more than {MEMBERS:,}")
        if not found or end[4] not in (len(found), 0xFFFF):
            raise self._refused("its list of members is not whole")
        members: dict[str, zipfile.ZipInfo] = {}
        places: dict[str, str] = {}
        for member in found:
            why = self._fault(member)
            name = member.orig_filename
            place = names.same_place(name)
            if why is None and place in places:
                why = f"its name is that of {names.plain(places[place])}"
            if why is not None:
                raise self._refused(f"{names.plain(name) or '?'}: {why}")
            places[place] = name
            members[name] = member
        for name in members:  # a file that is also a folder
            parts = names.same_place(name).split("/")
            for depth in range(1, len(parts)):
                if "/".join(parts[:depth]) in places and parts[depth]:
                    raise self._refused(f"{names.plain(name)}: a file and a folder have the same name")
        if sum(member.file_size for member in found) > TOTAL:
            raise self._refused(f"its members have more than {TOTAL >> 30} GiB")
        return members

    def _end64(self, size: int, end: tuple) -> None:
        """The list's end is told twice in a large zip: both must say the same, and a small one has but one."""
        large = 0xFFFF in end[3:5] or 0xFFFFFFFF in end[5:7]
        at = size - _END.size - _LOCATOR.size
        found = b""
        if at >= _END64.size:
            self.file.seek(at)
            found = self.file.read(_LOCATOR.size)
        if not found.startswith(b"PK\6\7"):
            if large:
                raise self._refused("its list of members is not whole")
            return
        _, disk, place, disks = _LOCATOR.unpack(found)
        if disk or disks != 1 or place != at - _END64.size:
            raise self._refused("a part of a zip file, or something lies in its end")
        self.file.seek(place)
        whole = _END64.unpack(self.file.read(_END64.size))
        if whole[0] != b"PK\6\6" or whole[1] != _END64.size - 12 or whole[4] or whole[5] or whole[6] != whole[7]:
            raise self._refused("a part of a zip file, or something lies in its end")
        for short, full, most in zip(end[4:7], whole[7:10], (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True):
            if short not in (full, most) or (short == most and full < most):
                raise self._refused("the size of its list is told twice, in two ways")
        if whole[8] + whole[9] != place:
            raise self._refused("something lies between its list of members and its end")

    def _fault(self, member: zipfile.ZipInfo) -> str | None:
        name = member.orig_filename
        if member.filename != name:
            return "its name has a NUL or a backslash"
        if not name.isascii() and not member.flag_bits & 0x800:
            return "its name is not in UTF-8"
        mode = member.external_attr >> 16
        if _is_folder(member) and stat.S_IFMT(mode) in (0, stat.S_IFDIR):
            return None
        why = names.fault(name)
        if why is not None:
            return why
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            return "it is a link, a folder or a device, not a file"
        if mode & (stat.S_ISUID | stat.S_ISGID) or member.external_attr & 0x10:
            return "its mode is not that of a plain file"
        if member.flag_bits & ~0x806:
            return "it is encrypted, or packed in a way that bundles are not"
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return "it is packed with a method that bundles do not use"
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
            return "its sizes contradict each other"
        if member.comment or not _only_zip64(member.extra):
            return "it carries something beside its content"
        if member.file_size > LARGEST.get(names.suffix(name), LARGE):
            return f"{member.file_size:,} bytes, too many for such a file"
        if member.file_size > SMALL and member.file_size > RATIO * max(member.compress_size, 1):
            return "it unpacks to far more than it takes up (a zip bomb)"
        return None

    def _layout(self) -> dict[str, int]:
        """Where the content of each member starts."""
        starts, at = {}, 0
        for member in sorted(self.members.values(), key=_offset):
            name = member.orig_filename
            where = names.plain(name)
            if member.header_offset != at:
                raise self._refused(f"{where}: members overlap, or something lies between them")
            self.file.seek(at)
            head = self.file.read(_LOCAL.size)
            if len(head) != _LOCAL.size:
                raise self._refused(f"{where}: the file ends before it")
            magic, _, flags, method, _, _, crc, packed, size, length, extra = _LOCAL.unpack(head)
            written = self.file.read(length + extra)
            told = (magic, flags, method, crc, written[:length])
            encoded = name.encode("utf-8" if member.flag_bits & 0x800 else "ascii")
            if told != (b"PK\3\4", member.flag_bits, member.compress_type, member.CRC, encoded):
                raise self._refused(f"{where}: it is told twice, in two ways")
            if 0xFFFFFFFF in (packed, size):
                packed, size = _sizes64(written[length:], packed, size)
            if (packed, size) != (member.compress_size, member.file_size):
                raise self._refused(f"{where}: it is told twice, with two sizes")
            if not _only_zip64(written[length:]):
                raise self._refused(f"{where}: it carries something beside its content")
            starts[name] = at + _LOCAL.size + length + extra
            at = starts[name] + member.compress_size
        if at != self._list:
            raise self._refused("something lies between its members and their list")
        return starts


def _sizes64(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    """Sizes of a large member as its own header has them: that of the content comes first, where it is not told."""
    numbers = list(struct.unpack(f"<{(len(extra) - 4) // 8}Q", extra[4 : 4 + (len(extra) - 4) // 8 * 8]))
    size = numbers.pop(0) if size == 0xFFFFFFFF and numbers else size
    packed = numbers.pop(0) if packed == 0xFFFFFFFF and numbers else packed
    return packed, size


def _only_zip64(extra: bytes) -> bool:
    """Whether an extra field holds nothing but the sizes of a large member."""
    return not extra or (
        len(extra) <= 32 and extra[:2] == b"\1\0" and len(extra) == 4 + int.from_bytes(extra[2:4], "little")
    )


def _is_folder(member: zipfile.ZipInfo) -> bool:
    """Whether a member stands for one of the folders at the top; other folders need none."""
    name, empty = member.orig_filename, member.file_size == member.compress_size == member.flag_bits == 0
    return name.endswith("/") and name[:-1] in names.SUFFIXES and empty and not member.extra and not member.comment


def _offset(member: zipfile.ZipInfo) -> int:
    return member.header_offset
