"""Processes that train one network together: who has which images of a minibatch, and what they tell each other.

Every process holds all weights, the optimiser's state and the predictor's averages, and takes every step, so nothing
is ever sent but embeddings, statistics and gradients.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Shaped

MEETING = datetime.timedelta(minutes=5)
"""How long processes that have said that they are ready wait for each other."""
PATIENCE = datetime.timedelta(minutes=30)
"""How long one waits for another within a training; rank 0 may be writing its progress to a slow disk."""


@dataclass(frozen=True)
class Share:
    """Whose images of a minibatch are whose: contiguous parts in the order of ranks.

    Attributes:
        sizes: Images of each process. One number alone: every process takes all of them.
        rank: Of this process.
    """

    sizes: tuple[int, ...]
    rank: int

    @property
    def whole(self) -> bool:
        """Whether this process takes the whole minibatch, as every other does."""
        return len(self.sizes) == 1

    @property
    def own(self) -> slice:
        """Places of this process's images in the minibatch."""
        if self.whole:
            return slice(0, self.sizes[0])
        start = sum(self.sizes[: self.rank])
        return slice(start, start + self.sizes[self.rank])


def share_of(images: int, rank: int, processes: int) -> Share:
    """Divide a minibatch as evenly as it goes, larger parts first.

    One of fewer than two images for each process is taken whole by all: BatchNorm has no variance of one image, and a
    network need not take a batch of none.

    Args:
        images: Of the minibatch.
        rank: Of this process, from 0.
        processes: How many there are.
    """
    if images < 2 * processes:
        return Share((images,), rank)
    least, more = divmod(images, processes)
    return Share(tuple(least + (one < more) for one in range(processes)), rank)


class Group:
    """This process among those of a training. Every call is one that all of them make.

    Attributes:
        rank: Of this process, from 0; what people see and what is written comes from rank 0.
        processes: How many there are.
        share: Of the minibatch that is at work; set by :meth:`divide`.
    """

    def __init__(self, rank: int, processes: int) -> None:
        self.rank, self.processes = rank, processes
        self.share = Share((0,), rank)

    def divide(self, images: int) -> Share:
        """Begin with a minibatch of so many images."""
        self.share = share_of(images, self.rank, self.processes)
        return self.share

    def gather(self, tensor: Shaped[Tensor, "*shape"]) -> list[Shaped[Tensor, "*shape"]]:
        """Tensors of one shape from all processes, bit by bit and in the order of ranks; without gradient."""
        sent = tensor.detach().contiguous().view(torch.uint8)  # gloo knows no bfloat16
        received = [torch.empty_like(sent) for _ in range(self.processes)]
        dist.all_gather(received, sent)
        return [one.view(tensor.dtype) for one in received]

    def sum_(self, tensor: Shaped[Tensor, "*shape"]) -> None:
        """Replace a tensor by the sum of those of all processes, which is the same number in all of them."""
        dist.all_reduce(tensor)

    def sum_gradients(self, partial: Iterable[Tensor], replicated: Iterable[Tensor]) -> None:
        """Make gradients of parts those of the minibatch, the same in all processes, with one message.

        Args:
            partial: Parameters whose gradient is that by way of this process's own images.
            replicated: Parameters whose gradient every process has computed of the whole minibatch. Rank 0's counts, so
                that no rounding of another processor parts the copies.
        """
        own = [grad for parameter in partial if (grad := parameter.grad) is not None]
        every = [grad for parameter in replicated if (grad := parameter.grad) is not None]
        if not own and not every:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in (*own, *every)])
        if self.rank > 0:
            replicates_from = 0 if self.share.whole else sum(gradient.numel() for gradient in own)
            flat[replicates_from:].zero_()
        self.sum_(flat)
        parts = flat.split([gradient.numel() for gradient in (*own, *every)])
        for gradient, part in zip((*own, *every), parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def check_equal(self, tensors: Iterable[Tensor]) -> None:
        """Compare the bits of tensors that all processes are to have alike.

        Raises:
            UserError: They differ. Then processors differ that were to be of one kind.
        """
        sums = [_bits(tensor).sum() for tensor in tensors]
        if not sums:
            return
        first, *others = self.gather(torch.stack(sums))
        differing = [rank for rank, other in enumerate(others, 1) if not torch.equal(first, other)]
        if differing:
            raise UserError(
                f"processes: expected the same weights in all {self.processes}, found others in rank {differing[0]} "
                "than in rank 0; use processors of one kind, deterministic: true, or processes: 1"
            )


def _bits(tensor: Tensor) -> Tensor:
    """Numbers as integers of the same bits; what is none as 0, whichever it is."""
    integer = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().nan_to_num(nan=0.0).contiguous().view(integer)


def join(folder: Path, rank: int, processes: int, device: torch.device) -> Group:
    """Meet the other processes of a training on this machine.

    Args:
        folder: One that is empty, of this group alone, where they find each other.
        rank: Of this process.
        processes: How many there are to be.
        device: Where this one computes: gloo speaks for CPUs, NCCL for GPUs.

    Raises:
        torch.distributed.DistError: They do not come.
    """
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)  # else it asks for the machine's name, which none may know
    store = dist.FileStore(str(folder / "store"), processes)
    store.set_timeout(MEETING)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes, timeout=PATIENCE)
    return Group(rank, processes)


def abort() -> None:
    """Have what waits in a GPU for another process fail. On a CPU it does by itself, as a connection breaks."""
    if dist.is_initialized() and dist.get_backend() == "nccl":
        with contextlib.suppress(Exception):  # then it fails by itself after so many minutes
            dist.distributed_c10d._abort_process_group()


def leave() -> None:
    """Part from the others, whether they still live or not."""
    if dist.is_initialized():
        dist.destroy_process_group()
