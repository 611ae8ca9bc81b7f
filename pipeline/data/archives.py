"""Unpacking tar and zip archives: plain files below the folder, and nothing else."""

from __future__ import annotations

import errno
import lzma
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from pipeline.errors import plain

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")


LARGEST, RATIO, MEMBERS = 1 << 40, 1100, 5_000_000
"""Bytes and files that an archive may hold, and how many times its own size: nothing that gzip or zip packs is smaller
than a thousandth."""


_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, ValueError, OverflowError, MemoryError),
)
"""What the libraries raise for bytes that are no archive."""


class ArchiveError(Exception):
    """An archive that is damaged or wants to write elsewhere; its text says how, in half a sentence."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack all files of an archive below ``folder``, which the caller throws away if this fails.

    Members keep their relative path and nothing else: no owner, no mode, no time.

    Raises:
        ArchiveError: A member outside the folder, a link, a device, a name twice; a damaged archive.
    """
    try:
        left = min(LARGEST, RATIO * archive.stat().st_size + (1 << 20))
        with _members(archive) as members:
            for count, (name, opened) in enumerate(
                tqdm(members, f"unpack {archive.name}", unit=" files", delay=3, leave=False, file=sys.stderr)
            ):
                if count >= MEMBERS:
                    raise ArchiveError(f"it holds more than {MEMBERS:,} files")
                target = folder.joinpath(*_inside(name).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened() as source, target.open("xb") as sink:
                    while piece := source.read(1 << 20):
                        left -= len(piece)
                        if left < 0:
                            raise ArchiveError("it unpacks to far more than it takes up (an archive bomb)")
                        sink.write(piece)
    except FileExistsError as error:
        raise ArchiveError(f"it holds {error.filename!r} twice") from None
    except (NotADirectoryError, IsADirectoryError) as error:
        raise ArchiveError(f"it holds {error.filename!r} both as a file and as a folder") from None
    except _DAMAGED as error:
        why = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        raise ArchiveError(f"it is damaged or incomplete ({plain(why)})") from None
    except OSError as error:
        # gzip gives no number for what is not one, or has a wrong checksum; zip looks before the first byte
        if error.errno in (None, errno.EINVAL):
            raise ArchiveError(f"it is damaged ({plain(error)})") from None
        raise


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in name:
        raise ArchiveError(f"its member {name!r} points outside the folder")
    return path


Member = tuple[str, Callable[[], IO[bytes]]]


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(opened)
    else:
        with tarfile.open(archive) as opened:
            yield _tar_members(opened)


def _zip_members(opened: zipfile.ZipFile) -> Iterator[Member]:
    seen: set[str] = set()
    for info in opened.infolist():
        if info.filename in seen:
            raise ArchiveError(f"it holds {info.filename!r} twice")
        seen.add(info.filename)
        if info.flag_bits & 1:
            raise ArchiveError(f"its member {info.filename!r} is encrypted")
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise ArchiveError(f"its member {info.filename!r} is a link")
        if not info.is_dir():
            yield info.filename, _opener(opened.open, info)


def _tar_members(opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened:
        if info.isreg():
            yield info.name, _opener(opened.extractfile, info)
        elif not info.isdir():
            raise ArchiveError(f"its member {info.name!r} is a link or a device")


def _opener(open_: Callable[[Any], IO[bytes] | None], info: object) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        stream = open_(info)
        assert stream is not None  # only regular files get here
        return stream

    return opened
