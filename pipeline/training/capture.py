"""The steps of a training as one CUDA graph, replayed once per minibatch; eager where that cannot be, with the reason.

A step of a small network is some thousand kernels, each shorter than the host needs to launch it. Captured once, they
are one launch. What is captured is everything from the minibatch's bytes to the target's moving average: views,
forward pass, loss, gradient, update and hooks; views and forward pass with fused kernels where that is worthwhile.
Where the predictor adjusts itself in some steps only, there are two graphs. What changes from step to step, a graph
reads from tensors: the minibatch, the seed of the views, and scalars on the device for the learning rates and whatever
else goes by the time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.nets.per_view import each, together
from pipeline.nets.target import embed, embed_each
from pipeline.numerics.randomness import derived_seed
from pipeline.training.fusion import Fuse
from pipeline.training.step import TrainingStep

CAPTURED = "one CUDA graph per step"
FUSED = f"{CAPTURED}, kernels fused"
PER_VIEW = f"{FUSED}, a pass for each view"
FUSING = "kernels are fused before the first step: half a minute or more, seconds where it was done before"
WARM_UPS = 3
Outcome = tuple[Tensor, list[Tensor]]
Policy = Callable[[Tensor, torch.Generator], list[Tensor]]


class BrokenCapture(Exception):
    """A capture began and failed. PyTorch does not promise that the next one will be in order."""


class Recorder(Protocol):
    """What records a function of no arguments and repeats what it did on the device."""

    def warm_up(self, work: Callable[[], Outcome], times: int) -> None:
        """Do ``work`` for good, so that nothing is done for the first time while it is recorded."""

    def record(self, work: Callable[[], Outcome]) -> Outcome:
        """Record ``work``; the results are where every replay will leave its own."""

    def replay(self) -> None:
        """Repeat what was recorded, with what now stands in the tensors that it reads."""


class CudaGraphs:
    """Makes the recorders of one run: their graphs are never replayed at once, so they share a stream and memory."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, source: torch.Generator) -> CudaGraph:
        """A recorder of what draws from ``source``."""
        return CudaGraph(source, self.stream, self.pool)


class CudaGraph:
    """A :class:`Recorder` on a CUDA device.

    Args:
        source: Generator that the work draws from. Seeded between replays, it gives a replay the draws that it
            gives an eager call: the graph reads seed and position from the device, where ``replay`` puts them.
        stream: Where work is done and recorded.
        pool: Memory of the graph.
    """

    def __init__(self, source: torch.Generator, stream: torch.cuda.Stream, pool: Any) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._source, self._stream, self._pool = source, stream, pool

    def warm_up(self, work: Callable[[], Outcome], times: int) -> None:
        """On a stream of its own, where what autograd remembers about streams is that of the capture.

        From the second time on whatever waits for the device is an error: it would be one in the capture too, but
        there it leaves the process in a worse state. (The first time fills caches of constants.)
        """
        with self._beside():
            for turn in range(times):
                with refuse_waiting() if turn else contextlib.nullcontext():
                    work()

    def record(self, work: Callable[[], Outcome]) -> Outcome:
        """Capture on the stream of the warm-up."""
        self._graph.register_generator_state(self._source)
        graph = torch.cuda.graph(self._graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local")
        with self._beside(), graph:
            return work()

    def replay(self) -> None:
        """On the current stream."""
        self._graph.replay()

    @contextlib.contextmanager
    def _beside(self) -> Iterator[None]:
        """Make the other stream the current one within the block.

        However it ends, the two go on one after the other: what a refused operation has left behind in the queue is
        done before anything is put back.
        """
        current = torch.cuda.current_stream(self._source.device)
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            torch.cuda.set_stream(current)  # a capture that fails may not do so
            current.wait_stream(self._stream)


@contextlib.contextmanager
def refuse_waiting() -> Iterator[None]:
    """Within the block, an operation for which the host would wait for the GPU raises RuntimeError."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


class _StateSnapshot:
    """All that a step changes, as it is now; for what a warm-up does not mean to change."""

    def __init__(self, step: TrainingStep) -> None:
        self.step = step
        self.copies = [(tensor, tensor.detach().clone()) for tensor in self._tensors()]

    def _tensors(self) -> list[Tensor]:
        network, state = self.step.network, self.step.optimizer.state_dict()["state"]
        buffers = [value for of_parameter in state.values() for value in of_parameter.values()]
        return [*network.parameters(), *network.buffers(), *(value for value in buffers if isinstance(value, Tensor))]

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back. Buffers of the optimiser that are new become 0: the state before a first step."""
        known = {id(tensor) for tensor, _ in self.copies}
        for tensor, copy in self.copies:
            tensor.copy_(copy)
        for tensor in self._tensors():
            if id(tensor) not in known:
                tensor.zero_()
        self.step.optimizer.zero_grad()


@dataclass(frozen=True)
class _Recording:
    """A step that was recorded: what replays it, what it draws from, and where it leaves its results."""

    recorder: Recorder
    source: torch.Generator
    outcome: Outcome
    way: int


@dataclass(frozen=True)
class _Way:
    """How views are made and embedded in what is captured, and what that is called."""

    policy: Policy
    embed_views: Callable[..., Any]
    mode: str


class StepRunner:
    """Takes the steps of a run; every one is a function of the run's state, the minibatch and the counters.

    There are two kinds of step, those after which the predictor adjusts itself and the others. The first complete
    minibatch of either kind on a GPU is where the kind is captured, or found to be impossible to capture. A smaller
    minibatch at the end of an epoch is always taken eagerly and without fused kernels, on the same tensors.

    Components keep their state in parameters, buffers and the optimiser's state. What one of them counts on the host
    from step to step would stand still in a graph, and nothing here would notice.

    Attributes:
        eager_reason: Why nothing is captured, or None.
        why_plain: Why what is captured could not be captured in the fastest way, or None.
    """

    def __init__(
        self,
        step: TrainingStep,
        policy: Policy,
        seed: int,
        device: torch.device,
        batch_size: int,
        fuse: Fuse | None = None,
        recorder: Callable[[torch.Generator], Recorder] | None = None,
    ) -> None:
        """Nothing is captured yet.

        Args:
            step: Takes one step, given the views.
            policy: Images and a generator to views.
            seed: Seed of the run.
            device: Where everything is.
            batch_size: Images in a complete minibatch.
            fuse: Makes a function with fused kernels of one without, for what is captured; None for none.
            recorder: Makes what captures, from the generator that is drawn from; None is :class:`CudaGraphs` on a
                GPU, and nothing elsewhere.
        """
        self.step, self.seed, self.device, self.batch_size = step, seed, device, batch_size
        self.on_gpu = device.type == "cuda"
        self._recorder = recorder or (CudaGraphs(device) if self.on_gpu else None)
        self.eager_reason = None if self._recorder else "the device is a CPU"
        self.why_plain: str | None = None
        self._plain = _Way(policy, embed_each, CAPTURED)
        self._ways = [self._plain]  # the first is the fastest
        if fuse:
            views, embedded = fuse(policy), fuse(embed)
            self._ways = [_Way(views, together(embedded), FUSED), _Way(views, each(embedded), PER_VIEW), self._plain]
        self._first = 0  # the first way that has not been found to be impossible
        self._source = torch.Generator(device)
        self._recordings: dict[bool, _Recording] = {}
        self._refused: dict[bool, str] = {}
        self._images: Tensor | None = None

    @property
    def mode(self) -> str:
        """How steps are taken, for people."""
        if self.eager_reason is not None:
            return f"eager: {self.eager_reason}"
        if self._refused and not self._recordings:
            return f"eager: {next(iter(self._refused.values()))}"
        mode = self._ways[max((one.way for one in self._recordings.values()), default=self._first)].mode
        if self.why_plain is not None:
            mode += f"{'' if mode == PER_VIEW else ', kernels not fused'}: {self.why_plain}"
        for due, why in self._refused.items():
            mode += f"; eager where the predictor {'adjusts itself' if due else 'is left as it is'}: {why}"
        return mode

    @property
    def to_do(self) -> str | None:
        """Tell what will take a while before the first step, for people, or None."""
        if self._ways[self._first] is self._plain or self._recordings or self.eager_reason is not None:
            return None
        return FUSING

    def __call__(self, images: Tensor, epoch: int, step: int, number: int) -> Outcome:
        """Take one step.

        Args:
            images: The minibatch, uint8, shape (batch, channels, height, width).
            epoch: Number of the epoch, from 0.
            step: Number of the step in it, from 0.
            number: Number of the step since the start of the run, from 1.

        Returns:
            As :class:`pipeline.training.step.TrainingStep`. Captured, they are overwritten by the next replay.
        """
        due = self.step.predictor.due(number)
        self.step.begin(number, self.device)
        recording = self._recording(due, images) if len(images) == self.batch_size else None
        source = self._source if recording is None else recording.source
        source.manual_seed(derived_seed(self.seed, "views", epoch, step))
        if recording is None:
            return self._take(images, due, source, self._plain)
        assert self._images is not None
        self._images.copy_(images)
        recording.recorder.replay()
        return recording.outcome

    def forget(self) -> None:
        """Capture anew at the next step: tensors of the optimiser may have been replaced."""
        self._recordings, self._images = {}, None

    def _take(self, images: Tensor, due: bool, source: torch.Generator, way: _Way) -> Outcome:
        views = way.policy(images, source)
        if self.on_gpu:
            views = [view.contiguous(memory_format=torch.channels_last) for view in views]
        return self.step(views, due, way.embed_views)

    def _recording(self, due: bool, images: Tensor) -> _Recording | None:
        """Of this kind of step, made now if it is the first; None where such steps are eager."""
        if due not in self._recordings and due not in self._refused and self.eager_reason is None:
            self._capture(due, images)
        return self._recordings.get(due)

    def _capture(self, due: bool, images: Tensor) -> None:
        static = images.clone() if self._images is None else self._images.copy_(images)
        kept = _StateSnapshot(self.step)
        try:
            why_not: list[str] = []
            for way in range(self._first, len(self._ways)):
                why = self._record(due, static, way)
                if why is None:
                    if why_not:
                        self.why_plain, self._first = why_not[0], way
                    return
                why_not.append(why)
            # what is wrong with the step and not with its capture will be raised by the eager step
            self._refused[due] = why_not[-1]
        except BrokenCapture as error:
            self.eager_reason = str(error)
            self.forget()
        finally:
            kept.restore()

    def _record(self, due: bool, static: Tensor, way: int) -> str | None:
        """Record a kind of step; why that is impossible, or None."""
        assert self._recorder is not None
        source = torch.Generator(self.device)  # of this recording alone, as graphs want it

        def work() -> Outcome:
            return self._take(static, due, source, self._ways[way])

        recorder = self._recorder(source)
        try:
            recorder.warm_up(work, WARM_UPS)
        except Exception as error:
            _raise_if_memory(error)
            return _line(error)
        self.step.optimizer.zero_grad()  # or gradients of the warm-up take memory during the capture
        try:
            outcome = recorder.record(work)
        except Exception as error:
            _raise_if_memory(error)
            raise BrokenCapture(_line(_first(error))) from error
        self._recordings[due], self._images = _Recording(recorder, source, outcome, way), static
        return None


def _first(error: BaseException) -> BaseException:
    """Find what went wrong first: an error that ended a capture is behind the one about its end."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _raise_if_memory(error: BaseException) -> None:
    """Raise the want of memory that is or is behind ``error``: slow steps would want as much."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, torch.OutOfMemoryError):
            raise behind
        if isinstance(behind, torch.AcceleratorError) and "out of memory" in str(behind):
            raise torch.OutOfMemoryError(_line(behind)) from behind
        behind = behind.__context__
