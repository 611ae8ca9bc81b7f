"""CSV files below params/: commas, UTF-8, every row as long as the header; anything else is refused, not half read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import UserError, brief, nearest

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def load(
    path: Path, where: str, needed: Iterable[str], also: Iterable[str] | None = None, numbers: Iterable[str] = ()
) -> list[dict[str, str]]:
    """Rows of a file, as text by column.

    Args:
        path: The file.
        where: How it is called in messages.
        needed: Columns that it must have.
        also: Columns that it may have; any, where nothing is said.
        numbers: Columns whose values are numbers, or nothing where the column is not needed.

    Raises:
        UserError: It is no such file; the message names the line and what to type.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from None
    for mark, name in _MARKS.items():
        if raw.startswith(mark):
            raise UserError(f"{where}: starts with a byte-order mark ({name}); save it as UTF-8 without one")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    try:
        lines = [(reader.line_num, row) for reader in [csv.reader(text.splitlines(), strict=True)] for row in reader]
    except csv.Error as error:
        raise UserError(
            f"{where}: not readable as CSV: {error}; a value with a comma stands in double quotes"
        ) from None
    lines = [(number, row) for number, row in lines if row]
    if not lines:
        raise UserError(f"{where}: is empty; its first line names the columns: {','.join(needed)}")
    header = lines[0][1]
    _check_header(header, where, list(needed), also)
    found = []
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise UserError(f"{where}:{number}: {len(row)} values in {len(header)} columns; separate them by commas")
        entry = dict(zip(header, row, strict=True))
        for name in numbers:
            value = entry.get(name, "")
            if not _NUMBER.fullmatch(value) and (value or name in needed):
                raise UserError(f"{where}:{number}: {name}: expected a number such as 12.5, found {brief(value)}")
        found.append(entry)
    return found


def _check_header(header: list[str], where: str, needed: list[str], also: Iterable[str] | None) -> None:
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise UserError(f"{where}: columns are separated by {name}; separate them by commas")
    for name in needed:
        if name not in header:
            raise UserError(f"{where}: there is no column {name!r}; {nearest(name, header, 'there are')}")
    for name in header:
        if header.count(name) > 1:
            raise UserError(f"{where}: the column {name!r} stands there twice; remove one")
        known = None if also is None else [*needed, *also]
        if known is not None and name not in known:
            raise UserError(f"{where}: the column {brief(name)} is no axis; {nearest(name, known, 'columns may be')}")
