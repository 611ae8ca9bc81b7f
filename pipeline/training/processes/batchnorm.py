"""BatchNorm by the statistics of the whole minibatch, wherever its images are; or by those of each process's part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import UserError
from pipeline.nets.per_view import PerViewBatchNorm1d, PerViewBatchNorm2d
from pipeline.training.processes.group import Group

if TYPE_CHECKING:
    from jaxtyping import Float


class _Normalize(torch.autograd.Function):
    """``(x - mean) / sqrt(var + eps) weight + bias`` with mean and variance over all processes; both are returned too.

    Forward, every process tells its mean and its sum of squares about that mean, which are put together as Chan, Golub
    and LeVeque (1983) do; backward, the sums of the gradient and of its product with the normalised input. Gradients of
    weight and bias are those of this process's images.
    """

    @staticmethod
    def forward(
        context: Any, batch: Tensor, weight: Tensor | None, bias: Tensor | None, group: Group, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        places = (0, *range(2, batch.dim()))
        each = batch.shape[2:].numel()  # pixels of an image
        counts = [size * each for size in group.share.sizes]
        x = batch.float() if batch.dtype in (torch.float16, torch.bfloat16) else batch
        own_mean = x.mean(places)
        own_squares = (x - _along(own_mean, x)).square().sum(places)
        told = group.gather(torch.stack([own_mean, own_squares]))
        total = sum(counts)
        mean = torch.stack([count * one[0] for count, one in zip(counts, told, strict=True)]).sum(0) / total
        squares = [one[1] + count * (one[0] - mean).square() for count, one in zip(counts, told, strict=True)]
        variance = torch.stack(squares).sum(0) / total
        inverse = (variance + eps).rsqrt()
        output = (x - _along(mean, x)) * _along(inverse if weight is None else inverse * weight, x)
        if bias is not None:
            output = output + _along(bias, x)
        context.save_for_backward(batch, weight, mean, inverse)
        context.group, context.total, context.places, context.has_bias = group, total, places, bias is not None
        context.mark_non_differentiable(mean, variance)
        return output.to(batch.dtype), mean, variance

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        batch, weight, mean, inverse = context.saved_tensors
        places = context.places
        gradient = gradients[0].to(mean.dtype)
        normal = (batch.to(mean.dtype) - _along(mean, batch)) * _along(inverse, batch)
        own = torch.stack([gradient.sum(places), (gradient * normal).sum(places)])
        sums = own.clone()
        context.group.sum_(sums)
        mean_gradient, mean_product = (_along(one, batch) for one in sums / context.total)
        scale = _along(inverse if weight is None else inverse * weight, batch)
        of_batch = scale * (gradient - mean_gradient - normal * mean_product)
        of_weight = None if weight is None else own[1].to(weight.dtype)
        of_bias = own[0].to(mean.dtype) if context.has_bias else None
        return of_batch.to(batch.dtype), of_weight, of_bias, None, None


def _along(values: Tensor, batch: Tensor) -> Tensor:
    """One value per channel, beside a batch of (N, C, ...)."""
    return values.view(-1, *[1] * (batch.dim() - 2))


class _Grouped(_BatchNorm):
    """A BatchNorm that knows of other processes, where there is something to divide.

    Attributes:
        group: The processes.
    """

    group: Group

    def forward(self, batch: Tensor) -> Tensor:
        """Normalise as one process does, or, of a minibatch that is divided, as several do."""
        if not self.training or self.group.share.whole:
            return super().forward(batch)
        return self._divided(batch)

    def _divided(self, batch: Tensor) -> Tensor:
        raise NotImplementedError


class _Synchronized(_Grouped):
    """Of the whole minibatch. Its running statistics are those that one process would have."""

    def _divided(self, batch: Tensor) -> Tensor:
        """Normalise this process's images."""
        output, mean, variance = _Normalize.apply(batch, self.weight, self.bias, self.group, self.eps)
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            self._follow(mean, variance, sum(self.group.share.sizes) * batch.shape[2:].numel())
        return output

    @torch.no_grad()
    def _follow(self, mean: Float[Tensor, " channels"], variance: Float[Tensor, " channels"], count: int) -> None:
        """Average running statistics, that of the variance unbiased, as ``torch.nn.BatchNorm2d`` does."""
        assert self.running_mean is not None and self.running_var is not None
        pull: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                pull = 1.0 / self.num_batches_tracked.to(mean.dtype)
        self.running_mean.mul_(1 - pull).add_(mean * pull)
        self.running_var.mul_(1 - pull).add_(variance * (count / (count - 1)) * pull)


class SynchronizedBatchNorm1d(_Synchronized, PerViewBatchNorm1d):
    """Of (part, features)."""


class SynchronizedBatchNorm2d(_Synchronized, PerViewBatchNorm2d):
    """Of (part, channels, height, width)."""


class _Parted(_Grouped):
    """Of each process's part by itself, where a process has the whole minibatch."""

    def _divided(self, batch: Tensor) -> Tensor:
        """Normalise all images; running statistics see one part after the other."""
        return torch.cat([super(_Grouped, self).forward(part) for part in batch.split(self.group.share.sizes)])


class PartedBatchNorm1d(_Parted, PerViewBatchNorm1d):
    """Of (batch, features)."""


class PartedBatchNorm2d(_Parted, PerViewBatchNorm2d):
    """Of (batch, channels, height, width)."""


_SYNCHRONIZED: dict[type[nn.Module], type[_BatchNorm]] = {
    nn.BatchNorm1d: SynchronizedBatchNorm1d,
    PerViewBatchNorm1d: SynchronizedBatchNorm1d,
    nn.BatchNorm2d: SynchronizedBatchNorm2d,
    PerViewBatchNorm2d: SynchronizedBatchNorm2d,
}
_PARTED: dict[type[nn.Module], type[_BatchNorm]] = {
    nn.BatchNorm1d: PartedBatchNorm1d,
    PerViewBatchNorm1d: PartedBatchNorm1d,
    nn.BatchNorm2d: PartedBatchNorm2d,
    PerViewBatchNorm2d: PartedBatchNorm2d,
}


def synchronize(network: nn.Module, group: Group) -> None:
    """Have the BatchNorms of a network that passes a part of each minibatch take the statistics of the whole.

    Changes their class in place; parameters, buffers and their names stay.

    Raises:
        UserError: There is a BatchNorm of another kind.
    """
    _become(network, group, _SYNCHRONIZED)


def part(network: nn.Module, group: Group) -> None:
    """Have the BatchNorms of a network that passes the whole minibatch take the statistics of each process's part.

    Raises:
        UserError: There is a BatchNorm of another kind.
    """
    _become(network, group, _PARTED)


def _become(network: nn.Module, group: Group, kinds: dict[type[nn.Module], type[_BatchNorm]]) -> None:
    for module in network.modules():
        if not isinstance(module, _BatchNorm):
            continue
        kind = kinds.get(type(module))
        if kind is None:
            raise UserError(
                f"processes: expected BatchNorm1d or BatchNorm2d of torch.nn, found {type(module).__name__}, whose "
                "statistics nobody knows how to share; set processes: 1, or choose another encoder"
            )
        module.__class__ = kind
        module.group = group  # type: ignore[assignment]
