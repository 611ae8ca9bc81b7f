"""One optimiser step, in one place."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.nets.network import Network
from pipeline.nets.per_view import EmbedViews
from pipeline.nets.target import embed_each
from pipeline.numerics.arithmetic import upcast
from pipeline.training.batches import parts_of

Objective = Callable[..., Tensor]
"""What it reads, by name, to a scalar; see :meth:`TrainingStep.loss`."""


def _names(objective: Objective) -> tuple[str, ...]:
    """Names of the arguments that are no params, which are behind the ``*``."""
    found = inspect.signature(objective).parameters.values()
    return tuple(argument.name for argument in found if argument.kind is argument.POSITIONAL_OR_KEYWORD)


class TrainingStep:
    """Forward pass, loss, gradient, update, and the hooks of predictor and target, in this order.

    Nothing in it waits for the device, and nothing in it depends on a value that is computed there, so that
    it can be captured as a whole.

    Attributes:
        network: The network that is trained, with its predictor and target strategy.
        predictor: The network's.
        strategy: The network's.
        objective: What it reads, at least in float32, to the loss.
        reads: Names of what it reads.
        optimizer: Its optimiser.
        forward_context: Makes the context of the forward pass (see
            :func:`pipeline.numerics.arithmetic.forward_context`).
        steps_per_epoch: In which unit targets are told the time.
        steps_done: int64 scalar for objectives that read it.
        accumulation: In how many parts a minibatch passes, each with statistics and a loss of its own.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        optimizer: Any,
        forward_context: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
        steps_per_epoch: int = 1,
        accumulation: int = 1,
    ) -> None:
        """Look at what the objective reads.

        Raises:
            UserError: It reads the predictor's matrix, and this predictor is none.
        """
        self.network = network
        self.objective = objective
        self.reads = _names(objective)
        self.steps_per_epoch, self.accumulation = steps_per_epoch, accumulation
        self.steps_done = torch.zeros((), dtype=torch.int64)
        self.optimizer = optimizer
        self.forward_context = forward_context
        assert network.predictor is not None and network.strategy is not None, "a network that was built to be measured"
        self.predictor, self.strategy = network.predictor, network.strategy
        if "matrix" in self.reads and self.predictor.matrix is None:
            raise UserError(
                "predictor: expected one matrix without bias, which the objective reads, found "
                f"{type(self.predictor).__name__}; use predictor: {{kind: directpred}}"
            )
        self._online: list[Tensor] = [*network.online_parameters()]
        self._target: list[Tensor] = list(network.target.parameters()) if network.target is not None else []

    def begin(self, number: int, device: torch.device) -> None:
        """Tell the time to what goes by it, on the host and before the step: a graph reads it from tensors.

        Args:
            number: Of the step that comes, from 1.
            device: Where the step is taken.
        """
        self.strategy.begin((number - 1) / self.steps_per_epoch, device)
        if "step" in self.reads:
            if self.steps_done.device.type != device.type:
                self.steps_done = self.steps_done.to(device)
            self.steps_done.fill_(number - 1)

    def loss(self, embeddings: list[Tensor], predictions: list[Tensor], targets: list[Tensor]) -> Tensor:
        """The objective's value of what it reads, by the names of its arguments.

        ``predictions`` and ``targets`` are lists with a tensor of shape (batch, dim) per view; ``embeddings``, with
        gradient, the predictor's inputs, likewise; ``matrix`` is the predictor's, without gradient, shape (dim, dim);
        ``step`` the number of steps done before this one, an int64 scalar on the device.
        """
        known = {
            "predictions": predictions,
            "targets": targets,
            "embeddings": embeddings,
            "matrix": self.predictor.matrix,
            "step": self.steps_done,
        }
        return self.objective(**{name: known[name] for name in self.reads})

    def __call__(
        self, views: list[Tensor], due: bool, embed_views: EmbedViews = embed_each
    ) -> tuple[Tensor, list[Tensor]]:
        """Take a step.

        Args:
            views: One tensor of shape (batch, channels, height, width) per view.
            due: Whether the predictor adjusts itself in this step (see
                :meth:`pipeline.nets.predictor.Predictor.due`).
            embed_views: How a branch passes views; see :mod:`pipeline.nets.per_view`.

        Returns:
            The loss before the step, a scalar without gradient, and the online embeddings of the views.
        """
        self.optimizer.zero_grad()
        loss, embeddings, targets = self._descend(views, embed_views)
        self.optimizer.step()
        with torch.no_grad():
            self.predictor.observe(embeddings, targets)
            if due:
                self.predictor.after_step()
            self.strategy.after_step(self._target, self._online)
        return loss, embeddings

    def _descend(self, views: list[Tensor], embed_views: EmbedViews) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Leave the gradient of a minibatch's loss in the parameters; returns loss, embeddings and targets.

        In several parts the loss is the mean of theirs, each weighed by its images: BatchNorm and a contrastive loss
        see one part at a time.
        """
        parts = parts_of(views, self.accumulation)
        if len(parts) == 1:
            return self._descend_part(views, embed_views, 1.0)
        done = [self._descend_part(part, embed_views, len(part[0]) / len(views[0])) for part in parts]
        losses, embeddings, targets = zip(*done, strict=True)
        joined = [[torch.cat(of_view) for of_view in zip(*found, strict=True)] for found in (embeddings, targets)]
        return torch.stack(losses).sum(), joined[0], joined[1]

    def _descend_part(
        self, views: list[Tensor], embed_views: EmbedViews, share: float
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        with self.forward_context():
            outputs = self.network(views, embed_views)
        embeddings, predictions, targets = upcast(*outputs)
        loss = self.loss(embeddings, predictions, targets)
        if share != 1:
            loss = loss * share
        if loss.requires_grad:
            loss.backward()
        return loss.detach(), [each.detach() for each in embeddings], [each.detach() for each in targets]
