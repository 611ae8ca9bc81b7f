"""The stage ``pretrain``: train a network with one seed or several in turns, and hand out the milestones."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline import components
from pipeline.data.arrays import Arrays
from pipeline.errors import UserError
from pipeline.nets import checkpoint
from pipeline.nets.network import build_network
from pipeline.numerics import saved_tensors
from pipeline.numerics.arithmetic import forward_context
from pipeline.numerics.device import WORKSPACE, prepare_device
from pipeline.training import interleave
from pipeline.training.batches import steps_of
from pipeline.training.capture import StepRunner
from pipeline.training.collapse_metrics import collapse_indicators
from pipeline.training.fusion import fuser
from pipeline.training.groups import parameter_groups
from pipeline.training.history import History, StepLosses
from pipeline.training.step import TrainingStep
from pipeline.training.streaming import StreamedImages, batches_of, share_of, training_images
from pipeline.work import Work

if TYPE_CHECKING:
    from pipeline.monitor import Monitor, Report, Saver


class Run:
    """One training: the network, what trains it, and how far it is.

    Everything that happens in a step is a function of the run's spec and seed, the step's number and the
    tensors of :meth:`tensors`; so a run that is restored from them goes on as if it had never stopped.

    Attributes:
        position: Optimiser steps done.
        history: Epochs done.
        diverged: The epoch in which the loss stopped being finite, or None.
    """

    def __init__(self, work: Work, images: Tensor | StreamedImages | None = None, epochs: int | None = None) -> None:
        """Build everything at position 0.

        Args:
            work: The first of the run's works.
            images: The training images of the split, on the run's device or to be read ahead, where they were looked
                for already: runs that differ in their seed alone share them. None: look for them.
            epochs: How far the run will go; None is as far as ``work``.
        """
        spec, files = work.spec, work.components
        self.seed = work.seed
        self.device = prepare_device(spec, work.context)
        arrays = Arrays.open(work.inputs["data"])
        if images is None:
            images = training_images(arrays, spec["split"], self.device, work.context)
        images = share_of(images, spec.get("fraction", 1.0), work.seed)
        self.batches = batches_of(images, spec["batch_size"], work.seed)
        policy = components.make(files["views"], spec["views"], arrays.image_shape, spec["normalize"])
        self.network = build_network(spec, arrays.image_shape, files, work.seed)
        components.make(files["initialization"], spec["initialization"])(self.network)
        self.network.to(self.device).train()
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            for part in (self.network.encoder, self.network.target):
                if part is not None:
                    part.to(memory_format=torch.channels_last)  # what tensor cores read
        self.optimizer = components.make(
            files["optimizer"], spec["optimizer"], parameter_groups(self.network, spec["predictor"])
        )
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        if on_gpu:  # where a captured step reads them
            for group in self.optimizer.param_groups:
                group["lr"] = torch.zeros((), device=self.device)
        self.schedule = components.make(files["schedule"], spec["schedule"])
        params = {name: value for name, value in spec["objective"].items() if name != "kind"}
        objective = functools.partial(components.load(files["objective"]).loss, **params)
        forward = functools.partial(forward_context, spec["precision"], self.device)
        step = TrainingStep(
            self.network, objective, self.optimizer, forward, self.batches.steps, spec.get("accumulation", 1)
        )
        fuse = fuser(self.device, bool(spec.get("deterministic")), (epochs or work.epoch) * self.batches.steps)
        self.steps = StepRunner(step, policy, self.seed, self.device, self.batches.batch_size, fuse)
        if not self.batches.full:
            self.steps.eager_reason = "no minibatch is complete"
        self.position = 0
        self.history = History()
        self.losses = StepLosses(self.batches.steps, self.device)
        self.diverged: int | None = None
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        identity = json.dumps([spec, work.seed], sort_keys=True).encode()
        self.identity = torch.frombuffer(bytearray(hashlib.sha256(identity).digest()), dtype=torch.uint8)

    def _learning_rate(self) -> None:
        factor = self.schedule(self.position / self.batches.steps)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            now = rate * factor if group["scheduled"] else rate
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(now)
            else:
                group["lr"] = now

    def step(self, epoch: int, step: int) -> list[Tensor]:
        """Take one step; returns the online embeddings of its views, each (batch, dim).

        Args:
            epoch: Epochs done.
            step: Its number in the epoch; the first is 0.
        """
        self._learning_rate()
        batch = self.batches.batch(epoch, step)
        loss, embeddings = self.steps(batch, epoch, step, self.position + 1)
        self.loss_sum += loss * len(batch)
        self.losses.add(step, loss)
        self.position += 1
        return embeddings

    def train_epoch(self, saver: Saver, report: Report, last_step: int) -> Iterator[None]:
        """Finish the epoch that ``position`` is in, or stop in it if the network diverges.

        The host does not wait for the device between the first step and the epoch's end, but to save progress.

        Yields:
            None after every step, for whoever has something else to do before the next one.

        Raises:
            UserError: The run is to be deterministic, and an operation cannot be.
        """
        steps = self.batches.steps
        epoch, first = divmod(self.position, steps)
        embeddings: list[Tensor] = []
        if self.steps.to_do is not None:
            report.say(self.steps.to_do)
        try:
            for step in range(first, steps):
                current = self.step(epoch, step)
                # a small last minibatch says little about collapse; see also below
                if step < self.batches.full or not embeddings:
                    embeddings = current
                report.mode = self.steps.mode
                report.tick(self.position, last_step, self.history.rows)
                # after the last full minibatch the indicators need it, so the next moment to save is the
                # epoch's end
                if step + 1 < min(self.batches.full, steps):
                    saver.maybe_save()
                yield
        except torch.linalg.LinAlgError:
            self.loss_sum += math.nan
        except RuntimeError as error:
            refused, _, _ = str(error).partition(" does not have a deterministic implementation")
            if WORKSPACE in str(error):
                raise UserError(
                    f"deterministic: expected {WORKSPACE}=:4096:8 from the start of the process, found "
                    f"{os.environ.get(WORKSPACE)}; unset it, or set deterministic: false"
                ) from None
            if refused == str(error):
                raise
            raise UserError(
                f"deterministic: expected operations that can be repeated bitwise, found {refused}, which cannot on "
                "this device; set deterministic: false, or choose components without it"
            ) from None
        self.losses.end_epoch()
        seen = min(steps * self.batches.batch_size, len(self.batches.images))
        mean = self.loss_sum.item() / seen
        self.loss_sum.zero_()
        spread = rank = math.nan
        if math.isfinite(mean):
            spread, rank = collapse_indicators(embeddings)
        if not math.isfinite(spread):
            self.diverged = epoch + 1
            self.history.add(epoch + 1, math.nan, math.nan, math.nan)
            return
        self.history.add(epoch + 1, mean, spread, rank)
        saver.maybe_save()

    def tensors(self) -> dict[str, Tensor]:
        """All that has to survive a crash, with the prefixes ``model.``, ``state.`` and ``run.``."""
        return {
            **{f"model.{name}": tensor for name, tensor in self.network.state_dict().items()},
            **{f"state.{name}": tensor for name, tensor in self._state().items()},
            "run.loss_sum": self.loss_sum,
            "run.losses": self.losses.tensor(self.position),
            "run.identity": self.identity,
            "run.history": torch.frombuffer(bytearray(self.history.text().encode()), dtype=torch.uint8),
        }

    def _state(self) -> dict[str, Tensor]:
        return {"step": torch.tensor(self.position), **checkpoint.optimizer_tensors(self.optimizer)}

    def _restore(
        self, model: dict[str, Tensor], state: dict[str, Tensor], history: str, losses: Tensor, source: Path
    ) -> None:
        checkpoint.load_state(self.network, model, source)
        checkpoint.load_optimizer(self.optimizer, state)
        self.position = int(state["step"])
        self.history = History(history)
        self.losses.restore(losses)
        self.loss_sum.zero_()
        self.steps.forget()

    def restore_progress(self, saved: dict[str, Tensor], source: Path) -> None:
        """Go to where a crash stopped the run."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "state": {}, "run": {}}
        for name, tensor in saved.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        history = parts["run"]["history"].numpy().tobytes().decode()
        self._restore(parts["model"], parts["state"], history, parts["run"]["losses"], source)
        self.loss_sum.copy_(parts["run"]["loss_sum"])

    def restore_payload(self, folder: Path) -> None:
        """Go to an earlier milestone."""
        history = (folder / checkpoint.HISTORY).read_text(encoding="utf-8")
        summary = checkpoint.read_summary(folder)
        losses = checkpoint.read_tensors(folder / checkpoint.LOSSES)["loss"]
        if summary["outcome"] == "diverged":
            self.diverged, self.history = summary["diverged_in_epoch"], History(history)
            self.losses.restore(losses)
            return
        model = checkpoint.read_tensors(folder / checkpoint.MODEL)
        state = checkpoint.read_tensors(folder / checkpoint.STATE)
        self._restore(model, state, history, losses, folder)

    def write(self, folder: Path, epoch: int) -> None:
        """Write the payload of milestone ``epoch``: the run stands there, or diverged on the way."""
        whole = self.diverged is None
        spread = self.history.rows[-1][2] if self.history.rows and whole else None
        summary = {**self._summary(self.diverged), "epoch": epoch, "embedding_std": spread}
        model, state = (self.network.state_dict(), self._state()) if whole else (None, None)
        losses = self.losses.tensor(self.position)
        checkpoint.write_payload(folder, model, state, self.history.text(), losses, summary)

    def write_weights(self, folder: Path, step: int) -> None:
        """Write the payload of a milestone between two epochs, weights and losses: it stands there, or diverged."""
        diverged, losses = self.diverged, self.losses.tensor(self.position)
        if diverged is None and not math.isfinite(losses[-1].item()):
            diverged = (step - 1) // self.batches.steps + 1
        summary = {**self._summary(diverged), "step": step}
        model = self.network.state_dict() if diverged is None else None
        checkpoint.write_payload(folder, model, None, None, losses, summary)

    def _summary(self, diverged: int | None) -> dict[str, Any]:
        return {
            "outcome": "trained" if diverged is None else "diverged",
            "diverged_in_epoch": diverged,
            "images": len(self.batches.images),
            "parameters": self.network.parameter_counts(),
            "seed": self.seed,
            "steps_per_epoch": self.batches.steps,
        }


def _usable_progress(run: Run, scratch: Path | None) -> dict[str, Tensor] | None:
    """Progress of this very run, or None."""
    saved = saved_tensors.read(scratch) if scratch is not None else None
    if saved is None or not torch.equal(saved.get("run.identity", torch.empty(0)), run.identity):
        return None
    return saved


class Training:
    """One run and seed on the way through its milestones, a step per turn.

    Attributes:
        works: The run's milestones.
        saver: What saves its progress; None before the first turn.
    """

    def __init__(
        self,
        works: list[Work],
        images: Tensor | StreamedImages,
        monitor: Monitor,
        among: int,
        run: Callable[[Work, Tensor | StreamedImages, int], Run] = Run,
    ) -> None:
        """Nothing is built yet.

        Args:
            works: Milestones of one run and seed; not empty.
            images: The training images, on the device or to be read ahead.
            monitor: Shows how far it is, and decides when it saves its progress.
            among: How many trainings take turns in this process.
            run: Makes what is trained, of its first work, the images, and how many epochs it will go.
        """
        self.works, self.images, self.monitor, self.among, self.run = works, images, monitor, among, run
        self.saver: Saver | None = None

    def __iter__(self) -> Iterator[Work | None]:
        """Train.

        Starts from an earlier milestone or from the progress that a crash left behind, whichever is further on the
        way; neither changes a byte of the result.

        Yields:
            None after every step; each work, once its payload is complete.

        Raises:
            UserError: A param, the data or a checkpoint to resume from is bad.
        """
        works = self.works
        spec = works[0].spec
        steps = steps_of(len(share_of(self.images, spec.get("fraction", 1.0), works[0].seed)), spec["batch_size"])
        goals = {work.name: work.epoch * steps if work.step is None else work.step for work in works}
        # of those at the same place the one between two epochs first: it does not wait for the epoch's record
        works = sorted(works, key=lambda work: (goals[work.name], work.step is None))
        last_step = goals[works[-1].name]
        run = self.run(works[0], self.images, math.ceil(last_step / steps))
        scratch = works[0].scratch
        name = works[0].name.rsplit("/", 1)[0]
        report = self.monitor.training(name, len(run.batches.images), steps, scratch)
        save = None if scratch is None else lambda: saved_tensors.write(scratch, run.tensors())
        self.saver = saver = self.monitor.saver(save, self.among)
        saved = _usable_progress(run, scratch)
        epoch: Iterator[None] | None = None  # the one that goes on beyond a milestone within it
        for work in works:
            goal = goals[work.name]
            if work.resume is not None and run.position < checkpoint.read_summary(work.resume)["epoch"] * steps <= goal:
                run.restore_payload(work.resume)
            if saved is not None and run.diverged is None and run.position < int(saved["state.step"]) <= goal:
                assert scratch is not None
                run.restore_progress(saved, scratch / saved_tensors.FILE)
            while run.diverged is None and (run.position < goal or (epoch is not None and work.step is None)):
                epoch = epoch or run.train_epoch(saver, report, last_step)
                try:
                    yield next(epoch)
                except StopIteration:
                    epoch = None
            if work.step is None:
                run.write(work.out, work.epoch)
            else:
                run.write_weights(work.out, work.step)
            work.trained_epochs = run.position / steps
            yield work
        report.close()
        if scratch is not None:
            saved_tensors.clear(scratch)


def execute(works: list[Work]) -> Iterator[Work]:
    """Train the milestones of one run, with one seed or with several in turns.

    The bytes of a milestone do not depend on what else is trained beside it.

    Args:
        works: Milestones of runs that differ in their seed alone, those of a seed in the order of their epochs; epoch 0
            stands for the initial weights.

    Yields:
        Each work, once its payload is complete.

    Raises:
        UserError: A param, the data or a checkpoint to resume from is bad; or there is no memory for all of the seeds.
    """
    seeds: dict[int, list[Work]] = {}
    for work in works:
        seeds.setdefault(work.seed, []).append(work)
    spec = works[0].spec
    device = prepare_device(spec, works[0].context)
    arrays = Arrays.open(works[0].inputs["data"])
    images = training_images(arrays, spec["split"], device, works[0].context, len(seeds))
    trainings = [Training(of_seed, images, works[0].monitor, len(seeds)) for of_seed in seeds.values()]
    yield from interleave.in_turns(trainings, interleave.streams(device, len(trainings)))
