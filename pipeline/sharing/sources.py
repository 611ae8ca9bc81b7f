"""Fingerprints of source that lies in a bundle: read as text, parsed, never imported."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pipeline.ledger.fingerprint import canonical

_DEPTH = 20_000

PROJECT = ("pipeline/", "rules/", "params/", "profiles/", "extend/", "Snakefile", "Makefile")
"""Where in a bundle the project's own files are: code and declarations."""


def known(modules: Iterable[str], read: Callable[[str], bytes | None], root: Path) -> dict[str, str]:
    """Fingerprints of what a bundle has byte for byte as this checkout does: that needs no child, and is parsed once.

    Args:
        modules: Names of modules.
        read: Content of a member of the bundle.
        root: The checkout.
    """
    found = {}
    for module in modules:
        theirs = read(module)
        try:
            ours = (root / module).read_bytes()
        except (OSError, ValueError):  # ValueError: a name that is none
            continue
        if theirs == ours and (digest := _own(ours)) is not None:
            found[module] = digest
    return found


def differing(
    codes: Iterable[Mapping[str, str]], read: Callable[[str], bytes | None], here: Mapping[str, str]
) -> dict[str, str]:
    """Modules whose source in a bundle is not what receipts say has run.

    Args:
        codes: Module -> fingerprint, of each receipt.
        read: Content of a member of the bundle by its name; None where there is none.
        here: Fingerprints that :func:`known` has found.

    Returns:
        Member -> what is wrong with it.
    """
    sys.setrecursionlimit(_DEPTH)
    wanted: dict[str, set[str]] = {}
    for code in codes:
        for module, digest in code.items():
            wanted.setdefault(module, set()).add(digest)
    found = {}
    for module, digests in sorted(wanted.items()):
        if digests == {here.get(module)}:
            continue
        place = module if read(module) is not None else f"extend/{module}"
        source = read(place)
        if source is None:
            found[module] = "missing"
            continue
        theirs = fingerprint(source)
        if theirs is None:
            found[place] = "it does not parse"
        elif digests != {theirs}:
            found[place] = "not the code that has run"
    return found


def elsewhere(members: Iterable[str], read: Callable[[str], bytes | None], root: Path) -> list[str]:
    """Files of a bundle that are part of the project and not what this checkout has; comments in code do not count.

    Args:
        members: Names of all members.
        read: Content of a member.
        root: The checkout.
    """
    sys.setrecursionlimit(_DEPTH)
    found = []
    for name in sorted(members):
        if not name.startswith(PROJECT):
            continue
        theirs = read(name)
        try:
            ours = (root / name).read_bytes()
        except OSError:
            found.append(f"{name} (not in this checkout)")
            continue
        if theirs != ours and not (
            name.endswith(".py") and theirs is not None and fingerprint(theirs) == fingerprint(ours) is not None
        ):
            found.append(name)
    return found


def fingerprint(source: bytes) -> str | None:
    """Fingerprint of a module's source, None if it does not parse."""
    try:
        return hashlib.sha256(canonical(source).encode()).hexdigest()[:16]  # type: ignore[arg-type]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@functools.cache
def _own(source: bytes) -> str | None:
    return fingerprint(source)
