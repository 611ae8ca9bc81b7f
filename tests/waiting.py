"""Refusing operations for which the host of a GPU would wait, where no GPU is there to refuse them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
WAITS = {
    aten._local_scalar_dense,  # item, bool, int, float
    aten._linalg_check_errors,  # solve, cholesky, inverse
    aten._linalg_eigh,  # and these, whose imagined form leaves out the check
    aten._linalg_svd,
    aten.equal,
    aten.is_nonzero,
    aten.nonzero,
    aten.masked_select,
    aten.unique_consecutive,
    aten._unique2,
}
"""Operations whose result the host looks at, or needs in order to know a shape."""


class Waits(Exception):
    """The host would wait for the device."""


class NoWaiting(TorchDispatchMode):
    """Within the block waiting for the imagined GPU raises :class:`Waits`."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function.overloadpacket in WAITS:
            raise Waits(str(function))
        result = function(*args, **kwargs)
        moved = function.overloadpacket in (aten._to_copy, aten.copy_)
        devices = {value.device.type for value in (*args, result) if isinstance(value, FakeTensor)}
        if moved and len(devices) > 1:
            raise Waits(f"{function} between {sorted(devices)}")
        return result


@contextmanager
def imagined_gpu() -> Iterator[None]:
    """Within the block tensors lie on a GPU that is not there, and have no content."""
    with FakeTensorMode(), torch.device("cuda"):
        yield
