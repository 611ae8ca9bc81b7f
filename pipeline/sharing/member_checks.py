"""What a member may hold: JSON, text, pictures and arrays, each looked at as little as possible and as much as needed.

Everything here reads bytes that a stranger may have written. What is not plainly what its name says is refused.
"""

from __future__ import annotations

import json
import math
import pickletools
import re
from typing import Any

from pipeline.sharing import names

DEPTH, DIGITS, TEXT = 40, 40, 16 << 20
HEADER = 16 << 20
"""Bytes that the list of tensors of a safetensors file may have."""

_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip

_MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".gif": b"GIF89a"}
"""First bytes of pictures."""

_CALLS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD", "EXT1", "EXT2", "EXT4"}
"""Codes with which a pickle calls what it names."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Unfit(ValueError):
    """A member that is not what its name says; its text says why."""


def check(name: str, content: bytes, size: int) -> Any:
    """Look at a member; returns the value of a JSON file.

    Args:
        name: Of the member.
        content: All of it, or for a safetensors file at least its header.
        size: Bytes of the whole member.

    Raises:
        Unfit: It is not what its name says.
    """
    kind = names.suffix(name)
    if _is_pickle(content):
        raise Unfit("a pickle, and opening one runs what is in it")
    if kind == ".safetensors":
        return safetensors(content, size)
    if kind in _MAGIC:
        if not content.startswith(_MAGIC[kind]):
            raise Unfit(f"not a {kind[1:].upper()} file")
        return None
    decoded = text(content)
    return strict(decoded) if kind == ".json" else None


def text(content: bytes) -> str:
    """Text as every file of the project has it: UTF-8, no byte order mark, no NUL."""
    if content.startswith(b"\xef\xbb\xbf"):
        raise Unfit("it starts with a byte order mark; files of a bundle are plain UTF-8")
    try:
        decoded = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unfit(f"not UTF-8 ({error.reason} at byte {error.start})") from None
    if "\0" in decoded:
        raise Unfit("not text: it has NULs")
    return decoded


def strict(source: str) -> Any:
    """The value of a JSON text without anything that parsers disagree about.

    Raises:
        Unfit: It does not parse, a key stands twice, a number is not finite or absurdly long, it is nested too deep,
            or a string is no Unicode.
    """
    try:
        value = json.loads(
            source, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
        )
    except Unfit:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unfit(f"not JSON ({names.plain(error, 80)})") from None
    if source.count("[") + source.count("{") > DEPTH:
        _shallow(value)
    if _SURROGATE.search(source):
        _unicode(value)
    return value


def safetensors(head: bytes, size: int) -> dict[str, Any]:
    """The list of tensors of a safetensors file.

    Args:
        head: The file's first bytes, the list at least.
        size: Bytes of the whole file.

    Raises:
        Unfit: The list is absurd: too long, of unknown types, or of tensors that do not fill the file one by one.
    """
    length = int.from_bytes(head[:8], "little")
    if len(head) < 8 or not 2 <= length <= min(HEADER, size - 8) or len(head) < 8 + length:
        raise Unfit("not a safetensors file: its list of tensors has no sensible length")
    found = strict(text(head[8 : 8 + length]))
    if not isinstance(found, dict):
        raise Unfit("not a safetensors file: its list of tensors is none")
    places = []
    for name, entry in found.items():
        if name == "__metadata__":
            continue
        try:
            kind, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            whole = all(type(number) is int and number >= 0 for number in (*shape, start, end)) and len(shape) <= 16
            if not whole or end - start != _SIZES[kind] * math.prod(shape):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise Unfit(f"not a safetensors file: tensor {names.plain(name, 60)!r} has no sensible entry") from None
        places.append((start, end))
    at = 0
    for start, end in sorted(places):
        if start != at:
            raise Unfit("not a safetensors file: its tensors overlap, or leave gaps")
        at = end
    if at != size - 8 - length:
        raise Unfit("not a safetensors file: its tensors do not fill it")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unfit("not JSON that all read alike: a key stands twice")
    return found


def _constant(found: str) -> Any:
    raise Unfit(f"not JSON: {found} is no number of it")


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise Unfit(f"a number of {len(digits):,} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits) if len(digits) <= 400 else math.inf
    if not math.isfinite(value):
        raise Unfit(f"the number {names.plain(digits, 40)} is not finite")
    return value


def _shallow(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [below for found in level for below in _children(found)]
        if not level:
            return
    raise Unfit(f"nested more than {DEPTH} deep")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return []
    return [below for below in value if isinstance(below, (dict, list))]


def _unicode(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Unfit("a string has half a character (a lone surrogate)") from None


def _is_pickle(content: bytes) -> bool:
    """By its first bytes (protocols 2 to 5, archives of torch, of joblib and numpy), or all of it (0 and 1)."""
    if content[:1] == b"\x80" and content[1:2] <= b"\x0f":
        return True
    if content.startswith((b"PK\3\4", b"\x93NUMPY", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return True
    stripped = content[:TEXT].rstrip()
    return stripped.endswith(b".") and _runs_code(stripped)


def _runs_code(stripped: bytes) -> bool:
    """Whether all of a text is one pickle that calls something; reads its codes and runs none of them."""
    calls, end = False, -1
    try:
        for code, _, position in pickletools.genops(stripped):
            calls, end = calls or code.name in _CALLS, position or 0
    except Exception:  # what a stranger wrote can fail in any way, and is then no pickle
        return False
    return calls and end == len(stripped) - 1
