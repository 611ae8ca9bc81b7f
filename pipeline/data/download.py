"""Bringing one file over HTTP, in one piece, whatever happens on the way."""

from __future__ import annotations

import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

CHUNK = 1 << 18
LARGEST = 1 << 40
"""Bytes beyond which nothing is written, where no size is known: an answer may have no end."""

SLOWEST = 1000.0
"""Bytes per second; at this pace a data set takes weeks."""

_AGAIN = {408, 425, 429, 500, 502, 503, 504}  # statuses after which another attempt makes sense


class TransferError(Exception):
    """The file did not arrive. Its text says why, in half a sentence."""


class _Passing(Exception):
    """A reason that may have gone by the next attempt."""


def transfer(
    url: str,
    part: Path,
    *,
    size: int | None = None,
    resume: bool = True,
    timeout: float = 30.0,
    tries: int = 4,
    pause: float = 1.0,
    slowest: float = SLOWEST,
) -> bool:
    """Fetch ``url`` into ``part``, going on from what is there already if the server can (HTTP ranges).

    An attempt that brings nothing new counts as failed; ``tries`` of these in a row end it, and ``part``
    stays for the next call. The caller compares the checksum and gives the file its name.

    Args:
        url: http or https.
        part: File that grows; it never carries the final name.
        size: Bytes expected, if known; a server that offers another number is not asked again.
        resume: Whether a ``part`` left by an earlier call may be continued. It should not be when there is no
            checksum to catch a file that has changed on the server in between.
        timeout: Seconds without a byte after which an attempt is over.
        tries: Fruitless attempts in a row after which to give up.
        pause: Seconds before the second attempt; doubled each time.
        slowest: Bytes per second below which an attempt is over, once it has had ``timeout`` seconds.

    Returns:
        Whether bytes from an earlier call are part of the file.

    Raises:
        TransferError: Nothing under this address, another size, no connection, too many broken ones.
        OSError: ``part`` cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise TransferError(f"{url} is not an http address")
    _plain_file(part)
    if not resume or (size is not None and _size(part) > size):
        part.unlink(missing_ok=True)
    continued = _size(part) > 0
    best, failures, validator = _size(part), 0, None
    with _progress(part, size) as bar:
        while True:
            have = _size(part)
            if size is not None and have == size:
                return continued
            try:
                answer = _ask(url, have, validator if have else None, timeout)
                with answer:
                    begin, total = _range(answer, have)
                    if size is not None and total is not None and total != size:
                        raise TransferError(f"the server has {total:,} bytes under this name, expected {size:,}")
                    continued = continued and begin > 0
                    # Without a checksum, only the server can say that the rest belongs to the same file.
                    validator = _validator(answer)
                    bar.total, bar.n = total or size, begin
                    most = size if size is not None else min(total or LARGEST, LARGEST)
                    with _opened(part, begin) as sink:
                        whole = _copy(answer, sink, bar, most - begin, _Pace(timeout, slowest))
                expected = size if total is None else total
                if (expected is None and whole) or _size(part) == expected:
                    return continued
                if expected is None:
                    raise _Passing(f"the connection broke after {_size(part):,} bytes")
                raise _Passing(f"the connection closed after {_size(part):,} of {expected:,} bytes")
            except _Passing as reason:
                now = _size(part)
                failures = 0 if now > best else failures + 1
                best = max(best, now)
                if failures >= tries:
                    raise TransferError(str(reason)) from None
                if not resume and validator is None:
                    part.unlink(missing_ok=True)
            time.sleep(pause * 2 ** max(failures - 1, 0))


def _ask(url: str, have: int, validator: str | None, timeout: float) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "ssl-reproduction", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if validator:
            request.add_header("If-Range", validator)
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # what is there is longer than the file, so it is not the beginning of it
            return _ask(url, 0, None, timeout)
        text = f"the server answered {error.code} {error.reason}"
        raise (_Passing if error.code in _AGAIN else TransferError)(text) from None
    except urllib.error.URLError as error:
        raise _Passing(_plain(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(_plain(error)) from None


def _validator(answer: http.client.HTTPResponse) -> str | None:
    """What identifies this version of the file in a later ``If-Range``; a weak tag does not."""
    tag = answer.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _range(answer: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where the body begins in the file, and the size of the whole file."""
    if answer.status == 206:
        found = re.fullmatch(
            r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", answer.headers.get("Content-Range", "")
        )
        if found is None or int(found[1]) != have:
            raise TransferError("the server answered with another range than the one it was asked for")
        return have, None if found[2] == "*" else int(found[2])
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length and re.fullmatch(r"[0-9]{1,18}", length) else None


def _copy(answer: http.client.HTTPResponse, sink: BinaryIO, bar: tqdm, most: int, pace: _Pace) -> bool:
    """Write what comes, ``most`` bytes at most; whether the server has said that this was all."""
    left = most
    while True:
        try:
            block = answer.read1(CHUNK)
        except http.client.IncompleteRead as error:
            sink.write(error.partial[:left])
            return False
        except (OSError, http.client.HTTPException) as error:
            sink.flush()
            raise _Passing(_plain(error)) from None
        if not block:
            # An answer of no declared length ends when the connection does, for whatever reason.
            return bool(answer.chunked) or answer.length == 0
        if len(block) > left:
            raise TransferError(f"the server sends more than the {most:,} bytes that were expected")
        sink.write(block)
        left -= len(block)
        bar.update(len(block))
        if pace.lagging(len(block)):
            sink.flush()
            raise _Passing("the server sends too slowly")


class _Pace:
    """Whether bytes come fast enough, over windows of ``timeout`` seconds.

    Args:
        timeout: Length of a window.
        slowest: Bytes per second that must come in each.
    """

    def __init__(self, timeout: float, slowest: float) -> None:
        self._window, self._slowest = timeout, slowest
        self._since, self._count = time.monotonic(), 0

    def lagging(self, count: int) -> bool:
        """Note so many bytes; True where a window ends with fewer than it should have."""
        self._count += count
        passed = time.monotonic() - self._since
        if passed < self._window:
            return False
        slow = self._count < self._slowest * passed
        self._since, self._count = time.monotonic(), 0
        return slow


def _plain_file(part: Path) -> None:
    """Refuse to write through a link that somebody has put there, or into a device."""
    if part.is_symlink() or (part.exists() and not part.is_file()):
        raise TransferError(f"{part} is a link or no plain file; remove it")


def _opened(part: Path, begin: int) -> BinaryIO:
    """The file that grows, at its end or from its beginning; never through a link."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (0 if begin else os.O_TRUNC)
    sink = os.fdopen(os.open(part, flags, 0o666), "r+b")
    sink.seek(begin)
    return sink


def _progress(part: Path, size: int | None) -> tqdm:
    return tqdm(
        total=size,
        desc=part.name.removesuffix(".part"),
        unit="B",
        unit_scale=True,
        delay=2,
        mininterval=0.5 if sys.stderr.isatty() else 30,
        leave=False,
        file=sys.stderr,
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _plain(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "the server stopped answering"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
