"""One optimiser step, in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from pipeline.nets.network import Network
from pipeline.nets.per_view import EmbedViews
from pipeline.nets.target import embed_each
from pipeline.numerics.arithmetic import upcast

Objective = Callable[[list[Tensor], list[Tensor]], Tensor]


class TrainingStep:
    """Forward pass, loss, gradient, update, and the hooks of predictor and target, in this order.

    Nothing in it waits for the device, and nothing in it depends on a value that is computed there, so that
    it can be captured as a whole.

    Attributes:
        network: The network that is trained, with its predictor and target strategy.
        predictor: The network's.
        strategy: The network's.
        objective: Predictions and targets, at least in float32, to the loss.
        optimizer: Its optimiser.
        forward_context: Makes the context of the forward pass (see
            :func:`pipeline.numerics.arithmetic.forward_context`).
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        optimizer: Any,
        forward_context: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self.network = network
        self.objective = objective
        self.optimizer = optimizer
        self.forward_context = forward_context
        assert network.predictor is not None and network.strategy is not None, "a network that was built to be measured"
        self.predictor, self.strategy = network.predictor, network.strategy
        self._online: list[Tensor] = [*network.online_parameters()]
        self._target: list[Tensor] = list(network.target.parameters()) if network.target is not None else []

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
        network = self.network
        with self.forward_context():
            outputs = network(views, embed_views)
        embeddings, predictions, targets = upcast(*outputs)
        loss = self.objective(predictions, targets)
        self.optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        self.optimizer.step()
        embeddings = [embedding.detach() for embedding in embeddings]
        with torch.no_grad():
            self.predictor.observe(embeddings, [target.detach() for target in targets])
            if due:
                self.predictor.after_step()
            self.strategy.after_step(self._target, self._online)
        return loss.detach(), embeddings
