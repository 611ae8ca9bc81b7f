"""How many bytes of tensors a piece of work has at its worst moment."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class Peak(TorchDispatchMode):
    """Counts the bytes of tensors that are made inside the context and still alive, and their maximum.

    What a library takes inside one operation (packed weights, workspaces) is not seen.

    Attributes:
        bytes: Largest sum so far.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        """Args are the tensors that were there before; views of them cost nothing."""
        super().__init__()
        self.known = [tensor.untyped_storage() for tensor in known]
        self.alive = {storage._cdata for storage in self.known}
        self.now = self.bytes = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, then count what it made."""
        found = func(*args, **(kwargs or {}))
        for one in tree_iter(found):
            if isinstance(one, Tensor) and one.layout == torch.strided:
                self._count(one.untyped_storage())
        return found

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.alive:
            return
        self.alive.add(key)
        self.now += size
        self.bytes = max(self.bytes, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size


def readable(size: int) -> str:
    """Bytes for people: exact, and in a unit."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size} bytes ({size / scale:.3g} {unit})"
    return f"{size} bytes"
