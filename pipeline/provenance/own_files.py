"""Files and folders of the user's that a node has read, from the params of its receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_FIELDS = {"content", "files"}
"""What a receipt says of such a param; see :mod:`pipeline.user_files`."""


@dataclass(frozen=True)
class OwnFiles:
    """What one param names.

    Attributes:
        param: Its dotted name: ``source.root``.
        number: How many files there are.
        content: sha256 of the file, or of the listing of the folder with the hashes of its files.
    """

    param: str
    number: int
    content: str

    @property
    def words(self) -> str:
        """``60 files of source.root``."""
        return f"{self.number} file{'s' * (self.number != 1)} of {self.param}"


def own_files(params: Any) -> list[OwnFiles]:
    """List what params name, in their order; empty where all comes from elsewhere."""
    return list(_named(params, ""))


def _named(tree: Any, name: str) -> Iterator[OwnFiles]:
    if isinstance(tree, Mapping) and tree.keys() == _FIELDS:
        yield OwnFiles(name, tree["files"], tree["content"])
        return
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from _named(value, f"{name}.{key}" if name else str(key))
