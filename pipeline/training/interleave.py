"""Trainings that take turns in one process: runs that differ in their seed alone, each on a CUDA stream of its own.

A small network leaves most of a GPU idle. Steps of several runs, queued on several streams, fill it; each run has
weights, a graph and a generator of its own, so it computes what it would compute alone. The host queues one step of
each run in turn and waits for one only where its epoch ends or its progress is saved.
"""

from __future__ import annotations

import contextlib
import functools
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import torch

from pipeline.errors import UserError
from pipeline.work import Work

if TYPE_CHECKING:
    from pipeline.monitor import Saver

Stream = Callable[[], AbstractContextManager[Any]]
"""Makes the context in which a training has its turns."""


class Interleaved(Protocol):
    """A training that does its work a turn at a time.

    Attributes:
        works: What it does.
        saver: What saves its progress; None before the first turn.
    """

    works: list[Work]
    saver: Saver | None

    def __iter__(self) -> Iterator[Work | None]:
        """A turn ends with None, or with a work that is complete."""


def streams(device: torch.device, count: int) -> list[Stream]:
    """Contexts for ``count`` trainings: a CUDA stream each, where there is a GPU and more than one of them.

    What is on the device already is complete for all streams.
    """
    if device.type != "cuda" or count == 1:
        return [contextlib.nullcontext] * count
    streams = [torch.cuda.Stream(device) for _ in range(count)]
    for stream in streams:
        stream.wait_stream(torch.cuda.current_stream(device))
    return [functools.partial(torch.cuda.stream, stream) for stream in streams]


def in_turns(trainings: Sequence[Interleaved], streams: Sequence[Stream]) -> Iterator[Work]:
    """Give every training one turn after the other until all have ended.

    Where one raises an error, its works are marked as failed, the others go on to where they can save their progress,
    and the error is raised. A training that was killed goes on alone or beside others: neither it nor its progress
    knows of them.

    Args:
        trainings: They begin in this order.
        streams: The context of each one's turns.

    Yields:
        Each work, once it is complete. Outside all streams.

    Raises:
        UserError: There is no memory for all of them at once.
    """
    going = [_Going(training, iter(training), stream) for training, stream in zip(trainings, streams, strict=True)]
    while going:
        for one in tuple(going):
            try:
                found = one.turn()
            except Exception as error:
                going.remove(one)
                if isinstance(error, torch.OutOfMemoryError):  # the others need what its frames still hold
                    traceback.clear_frames(error.__traceback__)
                for work in one.training.works:
                    work.failed = True
                for other in going:
                    yield from other.until_saved()
                if isinstance(error, torch.OutOfMemoryError) and len(trainings) > 1:
                    raise UserError(
                        f"interleave: expected memory for {len(trainings)} seeds at once, found too little on the GPU; "
                        f"type the same command with --config interleave={len(trainings) // 2}"
                    ) from None
                raise
            if one.ended:
                going.remove(one)
            elif found is not None:
                yield found


class _Going:
    """A training between its turns."""

    def __init__(self, training: Interleaved, turns: Iterator[Work | None], stream: Stream) -> None:
        self.training, self.turns, self.stream = training, turns, stream
        self.ended = False

    def turn(self) -> Work | None:
        """Take one."""
        with self.stream():
            try:
                return next(self.turns)
            except StopIteration:
                self.ended = True
                return None

    def until_saved(self) -> Iterator[Work]:
        """Go on to where progress can be saved, which is less than an epoch away, and save it.

        What goes wrong here is not told: it would hide why the training is ended.
        """
        if self.training.saver is None:
            return
        self.training.saver.request_save()
        with contextlib.suppress(Exception):
            while self.training.saver.urged and not self.ended:
                if (found := self.turn()) is not None:
                    yield found
