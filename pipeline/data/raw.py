"""Raw files: found in the user's folder or fetched, and never used before their checksum has been compared.

A data set declares its files (``params/datasets.yaml``, key ``files``), each with::

    name       file name, as its authors publish it
    url        where to download it; null if it has to be asked for
    md5, sha256, or ``checksum: unpublished``
    bytes      size, if known
    folder     subfolder of the raw folder in which it is kept (a list: also looked for in the others)
    contents   what it unpacks to, path: md5; a path that ends with / is a folder whose files have no
               published checksum. Accepted in place of the archive.
    unpack     false for an archive that is read as it is (default: true if there are contents)
    optional   true for a file that only some layouts need
    instead    name: md5 or sha256 of copies in another format, accepted in its place and never downloaded
    page       where a person gets it or reads its terms
    layout     how the contents must look, in words
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.data.archives import SUFFIXES, ArchiveError, unpack
from pipeline.data.download import TransferError, transfer
from pipeline.errors import UserError
from pipeline.locks import Lock

_KEYS = {
    "name",
    "url",
    "md5",
    "sha256",
    "checksum",
    "bytes",
    "folder",
    "contents",
    "unpack",
    "optional",
    "instead",
    "page",
    "layout",
}
_LENGTH = {"md5": 32, "sha256": 64}
_HOW = "type --config raw_dir=FOLDER (or set SSL_RAW_DIR=FOLDER, or make ... RAW_DIR=FOLDER)"


@dataclass(frozen=True)
class RawFile:
    """One declared file; the fields are described in the module's docstring."""

    dataset: str
    name: str
    url: str | None
    algorithm: str | None
    checksum: str | None
    bytes: int | None
    folders: tuple[str, ...]
    contents: Mapping[str, str | None]
    unpack: bool
    optional: bool
    copies: tuple[RawFile, ...]
    page: str | None
    layout: str | None

    @classmethod
    def parse(cls, dataset: str, declared: Mapping[str, Any]) -> RawFile:
        """Check one entry of ``files``.

        Raises:
            UserError: An unknown key, no checksum and no word about it, a path that leaves the folder.
        """
        where = f"params/datasets.yaml: {dataset}: files"
        name = declared.get("name")
        if not isinstance(name, str) or PurePosixPath(name).name != name:
            raise UserError(f"{where}: name: expected a file name, found {name!r}")
        where = f"{where}: {name}"
        for key in declared:
            if key not in _KEYS:
                raise UserError(f"{where}: {key}: there is no such key; expected {', '.join(sorted(_KEYS))}")
        sums = {key: str(declared[key]).lower() for key in _LENGTH if declared.get(key)}
        for key, value in sums.items():
            if len(value) != _LENGTH[key] or set(value) - set("0123456789abcdef"):
                raise UserError(f"{where}: {key}: expected {_LENGTH[key]} hexadecimal digits, found {value!r}")
        if not sums and declared.get("checksum") != "unpublished":
            raise UserError(f"{where}: expected md5, sha256 or, if none is known, checksum: unpublished")
        algorithm = "sha256" if "sha256" in sums else "md5" if sums else None
        folder = declared.get("folder") or ""
        folders = tuple([folder] if isinstance(folder, str) else folder)
        contents = dict(declared.get("contents") or {})
        for path in (*folders, *contents):
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise UserError(f"{where}: {path!r}: expected a path below the raw folder")
        copies = []
        for other, value in dict(declared.get("instead") or {}).items():
            kind = next((kind for kind, length in _LENGTH.items() if len(str(value)) == length), None)
            if kind is None:
                raise UserError(f"{where}: instead: {other}: expected an md5 or a sha256, found {value!r}")
            copies.append(cls.parse(dataset, {"name": other, kind: value, "folder": declared.get("folder")}))
        return cls(
            dataset=dataset,
            name=name,
            url=declared.get("url"),
            algorithm=algorithm,
            checksum=sums[algorithm] if algorithm else None,
            bytes=declared.get("bytes"),
            folders=folders,
            contents=contents,
            unpack=bool(declared.get("unpack", bool(contents))),
            optional=bool(declared.get("optional", False)),
            copies=tuple(copies),
            page=declared.get("page"),
            layout=declared.get("layout"),
        )

    def __str__(self) -> str:
        facts = [f"{self.bytes:,} bytes"] if self.bytes is not None else []
        facts.append(f"{self.algorithm} {self.checksum}" if self.algorithm else "no published checksum")
        return f"{self.name} ({', '.join(facts)})"

    @property
    def place(self) -> str:
        """What to put where, for messages: ``it at FOLDER/sub/name (or, unpacked, FOLDER/sub/contents/)``."""
        below = f"FOLDER/{self.folders[0]}/" if self.folders[0] else "FOLDER/"
        text = " or ".join([f"it at {below}{self.name}", *(below + copy.name for copy in self.copies)])
        if not self.contents:
            return text
        tops = sorted({path.split("/")[0] + "/" if "/" in path else path for path in self.contents})
        layout = f": {self.layout}" if self.layout else ""
        return f"{text} (or, unpacked, {' and '.join(below + top for top in tops)}{layout})"


def fetch(
    dataset: str,
    declared: Sequence[Mapping[str, Any]],
    raw_dir: Path | None,
    download_dir: Path,
    *,
    timeout: float = 30.0,
    tries: int = 4,
    pause: float = 1.0,
) -> dict[str, Path]:
    """Have all declared files of a data set, verified.

    Each is looked for in ``raw_dir`` and in ``download_dir``, as contents and as archive, and downloaded into
    ``download_dir`` if it has an address. ``raw_dir`` is only read. A file of the right name and the wrong
    checksum is an error, never a reason to look elsewhere.

    Args:
        dataset: Name, for messages.
        declared: The data set's ``files``.
        raw_dir: The folder that the user named, if any.
        download_dir: Where downloads and unpacked archives are kept; made when needed.
        timeout: See :func:`pipeline.data.download.transfer`.
        tries: See there.
        pause: See there.

    Returns:
        By declared name, the file or the copy that stands in its place; for one with contents that is unpacked, or
        found unpacked, the folder that the paths of its contents start from. Optional files that are nowhere are left
        out.

    Raises:
        UserError: A file is missing, damaged or cannot be downloaded; says which, and where to put it.
    """
    if raw_dir is not None and not raw_dir.is_dir():
        raise UserError(
            f"{dataset}: the raw folder {raw_dir} does not exist; {_HOW} with one that does, or leave it out"
        )
    found: dict[str, Path] = {}
    for file in [RawFile.parse(dataset, entry) for entry in declared]:
        try:
            path = _have(file, raw_dir, download_dir, timeout=timeout, tries=tries, pause=pause)
        except OSError as error:
            problem = f"{error.filename or file.name}: {error.strerror or error}"
            raise UserError(f"{dataset}: {problem}; make it readable, or put {file.place}, and {_HOW}") from None
        if path is not None:
            found[file.name] = path
    return found


def checksum(path: Path, algorithm: str) -> str:
    """Hexadecimal digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _have(file: RawFile, raw_dir: Path | None, download_dir: Path, **network: float) -> Path | None:
    folders = [folder for folder in (raw_dir, download_dir) if folder is not None]
    for folder in folders:
        for base in _bases(file, folder):
            if _holds(file, base):
                return base
    for folder in folders:
        for base in _bases(file, folder):
            for one in (file, *file.copies):
                if (base / one.name).is_file():
                    _verify(one, base / one.name, file.place)
                    return _opened(one, base / one.name, download_dir)
    if file.optional:
        return None
    if raw_dir is not None:
        _refuse_incomplete(file, raw_dir)
    looked = " or ".join(str(folder) for folder in folders)
    if file.url is None:
        page = f"; it is not openly downloadable: see {file.page}" if file.page else ""
        raise UserError(f"{file.dataset}: {file} is not in {looked}{page}; put {file.place}, and {_HOW}")
    with _locked(download_dir, file):
        path = _download(file, download_dir / file.folders[0], looked, **network)
    return _opened(file, path, download_dir)


def _bases(file: RawFile, folder: Path) -> list[Path]:
    """Folders below (or, if the user named the unpacked folder itself, above) which the file may be."""
    bases = [folder / sub for sub in file.folders] + [folder]
    tops = {path.split("/")[0] for path in file.contents}
    if tops == {folder.name}:
        bases.append(folder.parent)
    return list(dict.fromkeys(bases))


def _holds(file: RawFile, base: Path) -> bool:
    """Whether all contents are there; those with a checksum are compared."""
    if not file.contents:
        return False
    for path in file.contents:
        place = base / path
        there = place.is_dir() and any(place.iterdir()) if path.endswith("/") else place.is_file()
        if not there:
            return False
    if wrong := _wrong(file, base):
        raise UserError(
            f"{file.dataset}: {base}/{wrong}: it is damaged or another version; remove it, then put "
            f"{file.place}, and {_HOW}, or download again"
        )
    return True


def _wrong(file: RawFile, base: Path) -> str | None:
    """The first of the contents whose checksum is not the declared one, and both checksums."""
    for path, expected in file.contents.items():
        if expected is not None and (actual := checksum(base / path, "md5")) != expected:
            return f"{path} has md5 {actual}, expected {expected}"
    return None


def _refuse_incomplete(file: RawFile, raw_dir: Path) -> None:
    """Say so if the user's folder holds only some of the contents: nobody then expects a download."""
    for base in _bases(file, raw_dir):
        lacking = [path for path in file.contents if not (base / path).exists()]
        if 0 < len(lacking) < len(file.contents):
            raise UserError(
                f"{file.dataset}: {base / lacking[0]} is missing beside the other files of {file.name}; "
                f"complete the folder, or put {file.place}, and {_HOW}"
            )


def _verify(file: RawFile, path: Path, place: str) -> None:
    size = path.stat().st_size
    if file.bytes is not None and size != file.bytes:
        what = "incomplete" if size < file.bytes else "another version"
        problem = f"has {size:,} bytes, expected {file.bytes:,}: it is {what}"
    elif file.algorithm is not None and (actual := checksum(path, file.algorithm)) != file.checksum:
        problem = f"has {file.algorithm} {actual}, expected {file.checksum}: it is damaged or another version"
    else:
        return
    raise UserError(f"{file.dataset}: {path} {problem}; remove it, then put {place}, and {_HOW}, or download again")


def _download(file: RawFile, folder: Path, looked: str, **network: Any) -> Path:
    path, part = folder / file.name, folder / f"{file.name}.part"
    if path.is_file():  # another process was faster
        _verify(file, path, file.place)
        return path
    assert file.url is not None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for fresh in (False, True):
            continued = transfer(
                file.url, part, size=file.bytes, resume=file.algorithm is not None and not fresh, **network
            )
            actual = checksum(part, file.algorithm) if file.algorithm else None
            if actual == file.checksum:
                part.replace(path)
                return path
            part.unlink()
            if not continued:  # a fresh file is what they serve; a continued one may have a wrong beginning
                break
        problem = f"arrived with {file.algorithm} {actual}, expected {file.checksum}"
    except TransferError as error:
        problem = str(error)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            problem = "the disk is full"
        else:
            problem = f"{error.filename or folder}: {error.strerror or error}"
    raise UserError(
        f"{file.dataset}: {file} is not in {looked} and could not be downloaded into {folder} from "
        f"{file.url} ({problem}); put {file.place}, and {_HOW}"
    ) from None


def _opened(file: RawFile, archive: Path, download_dir: Path) -> Path:
    """The archive itself, or the folder that it was unpacked into."""
    if not file.unpack:
        return archive
    if not archive.name.endswith(SUFFIXES):
        raise UserError(f"params/datasets.yaml: {file.dataset}: {file.name} is not an archive ({', '.join(SUFFIXES)})")
    base = download_dir / file.folders[0]
    with _locked(download_dir, file):
        if _holds(file, base):
            return base
        scratch = base / f".{file.name}.unpacking"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            scratch.mkdir(parents=True)
            unpack(archive, scratch)
            missing = [path for path in file.contents if not (scratch / path).exists()]
            if missing:
                raise ArchiveError(f"it does not hold {missing[0]}")
            if wrong := _wrong(file, scratch):
                raise ArchiveError(f"its {wrong}")
            for entry in sorted(scratch.iterdir()):
                if (base / entry.name).is_dir():
                    shutil.rmtree(base / entry.name)
                entry.replace(base / entry.name)
        except ArchiveError as error:
            raise UserError(
                f"{file.dataset}: {archive}: {error}; remove it, and put {file.place}, and {_HOW}"
            ) from None
        except OSError as error:
            raise UserError(
                f"{file.dataset}: {archive} could not be unpacked into {base}: {error.strerror or error}; "
                f"unpack it yourself and {_HOW}"
            ) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return base


@contextlib.contextmanager
def _locked(download_dir: Path, file: RawFile) -> Iterator[None]:
    """One process at a time for one file: two data sets may be made from the same archive."""
    lock = Lock(download_dir / f".{file.name}.lock")
    try:
        lock.take(wait=True)
    except OSError as error:
        raise UserError(
            f"{file.dataset}: {download_dir} cannot be written ({error.strerror}), so {file} can be neither "
            f"downloaded nor unpacked there; put {file.place}, and {_HOW}"
        ) from None
    try:
        yield
    finally:
        lock.free()
