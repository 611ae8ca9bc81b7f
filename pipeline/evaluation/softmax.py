"""Softmax regression by minibatch gradient descent: the classifier of a linear probe.

The gradient of the cross-entropy is known in closed form and there is one weight matrix, so a step is a dozen
operations on small tensors, without autograd.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.evaluation.finite import NotFinite
from pipeline.numerics.randomness import generator

ADAM_BETAS, ADAM_EPS = (0.9, 0.999), 1e-8  # defaults of torch.optim.Adam
_ROWS = 4096
"""Rows that are held in float64 at a time."""


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature (population, not sample), summed in float64.

    A feature that varies by no more than the rounding of its type is taken as constant. Each is summed as a share of
    its largest entry, so that features of any finite size have a finite deviation.

    Args:
        features: (N, d).

    Returns:
        ``(mean, std)``, (d,) each, float64; ``std`` is 0 for a constant.
    """
    largest = features.abs().amax(0).double()
    scale = largest.where(largest > 0, 1)
    mean = sum((part.double() / scale).sum(0) for part in features.split(_ROWS)) / len(features)
    squares = sum((part.double() / scale - mean).square_().sum(0) for part in features.split(_ROWS))
    std = (squares / len(features)).sqrt_()
    noise = 4 * torch.finfo(features.dtype).eps * mean.abs()
    return mean * scale, torch.where(std > noise, std * scale, 0.0)


def standardiser(features: Tensor) -> tuple[Tensor, Tensor]:
    """What brings features to mean zero and deviation one, see :func:`moments`.

    A constant is given the deviation one, or its size where that is more: dividing by its own would blow rounding
    noise up to a signal.

    Args:
        features: (N, d).

    Returns:
        ``(mean, std)``, (d,) each, float64.
    """
    mean, std = moments(features)
    return mean, torch.where(std > 0, std, mean.abs().clamp_(min=1))


def design(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Standardised features with a last column of ones, which carries the bias: (N, d) to (N, d + 1).

    Differences are taken in float64, where those of float32 neither overflow nor vanish.
    """
    kind = features.dtype if features.dtype == torch.float64 else torch.float32
    out = features.new_ones(len(features), features.shape[1] + 1, dtype=kind)
    for part, rows in zip(features.split(_ROWS), out.split(_ROWS), strict=True):
        rows[:, :-1] = (part.double() - mean).div_(std)
    return out


class _Update:
    """In-place update of one matrix."""

    def __init__(self, weight: Tensor, optimizer: str, lr: float, momentum: float) -> None:
        self.weight, self.adam, self.lr, self.momentum = weight, optimizer == "adam", lr, momentum
        self.first, self.second = torch.zeros_like(weight), torch.zeros_like(weight)
        self.steps = 0

    def __call__(self, gradient: Tensor) -> None:
        self.steps += 1
        if not self.adam:
            self.first.mul_(self.momentum).add_(gradient)
            self.weight.sub_(self.first, alpha=self.lr)
            return
        beta1, beta2 = ADAM_BETAS
        self.first.lerp_(gradient, 1 - beta1)
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale = self.second.sqrt().div_(math.sqrt(1 - beta2**self.steps)).add_(ADAM_EPS)
        self.weight.addcdiv_(self.first, scale, value=-self.lr / (1 - beta1**self.steps))


@torch.no_grad()
def train(
    inputs: Tensor,
    labels: Tensor,
    n_classes: int,
    *,
    optimizer: str,
    lr: float,
    momentum: float,
    weight_decay: float,
    batch_size: int,
    epochs: int,
    seed: int,
    label_smoothing: float = 0.0,
) -> Iterator[tuple[Tensor, float]]:
    """Train ``softmax(inputs @ weight.T)`` with cross-entropy; knows no test set.

    The weights start as those of ``torch.nn.Linear``, bias included; each epoch has its own order; the last,
    smaller minibatch is kept. Weight decay adds ``weight_decay * weight`` to the gradient, that of the bias
    too, as ``torch.optim`` does.

    Args:
        inputs: (N, d + 1), the last column ones.
        labels: (N,) int64.
        n_classes: K.
        optimizer: ``adam`` or ``sgd``.
        lr: Learning rate.
        momentum: Of ``sgd``.
        weight_decay: See above.
        batch_size: Rows per step.
        epochs: Passes over the rows.
        seed: Of the initial weights and the orders.
        label_smoothing: Share of the target that is spread over all classes alike.

    Yields:
        After each epoch ``(weight, loss)``: the weights (K, d + 1), which the next epoch changes in place,
        and the mean cross-entropy with these targets in nats of the epoch's minibatches, each before its step.
    """
    count, width = inputs.shape
    bound = 1 / math.sqrt(max(width - 1, 1))
    source = generator(seed, "linear_probe", "weights")
    start = torch.rand(n_classes, width, generator=source, dtype=torch.float64)
    weight = ((2 * start - 1) * bound).to(inputs)
    update = _Update(weight, optimizer, lr, momentum)
    batch = inputs.new_empty(min(batch_size, count), width)
    minus_one = inputs.new_full((len(batch), 1), label_smoothing - 1.0)
    total = inputs.new_zeros((), dtype=torch.float64)
    for epoch in range(epochs):
        order = torch.randperm(count, generator=generator(seed, "linear_probe", "order", epoch)).to(inputs.device)
        targets = labels[order][:, None]
        total.zero_()
        for begin in range(0, count, batch_size):
            chosen = order[begin : begin + batch_size]
            rows = torch.index_select(inputs, 0, chosen, out=batch[: len(chosen)])
            target = targets[begin : begin + batch_size]
            logs = (rows @ weight.T).log_softmax(1)
            if label_smoothing:
                total -= (1 - label_smoothing) * logs.gather(1, target).sum() + label_smoothing * logs.mean(1).sum()
                residual = logs.exp_().sub_(label_smoothing / n_classes).scatter_add_(1, target, minus_one[: len(rows)])
            else:
                total -= logs.gather(1, target).sum()
                residual = logs.exp_().scatter_add_(1, target, minus_one[: len(rows)])
            gradient = torch.addmm(weight, residual.T, rows, beta=weight_decay, alpha=1 / len(rows))
            update(gradient)
        yield weight, total.item() / count


def hits(inputs: Tensor, labels: Tensor, weight: Tensor, top: int = 1, rows: int = 8192) -> int:
    """How many rows have their label among the ``top`` classes of largest score.

    Args:
        inputs: (N, d + 1), the last column ones.
        labels: (N,) int64.
        weight: (K, d + 1).
        top: Number of guesses.
        rows: Rows at a time.

    Raises:
        NotFinite: A score is infinite or NaN, so that it is above or below nothing.
    """
    found = 0
    for part, label in zip(inputs.split(rows), labels.split(rows), strict=True):
        scores = part @ weight.T
        if not torch.isfinite(scores).all():
            raise NotFinite("scores of the linear probe")
        guesses = scores.argmax(1, keepdim=True) if top == 1 else scores.topk(top, 1).indices
        found += int((guesses == label[:, None]).sum())
    return found
