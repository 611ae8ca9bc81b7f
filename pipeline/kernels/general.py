"""Per-sample gradients of any parameter of any network, by differentiating it once per sample (vectorised)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from pipeline.kernels.capture import only

if TYPE_CHECKING:
    from jaxtyping import Float

PerSample = Callable[[nn.Module, Sequence[str], Tensor, Tensor], list[Tensor]]


def vectorised(
    model: nn.Module, names: Sequence[str], batch: Float[Tensor, "samples ..."], direction: Float[Tensor, " d"]
) -> list[Float[Tensor, "samples ..."]]:
    """Gradients of direction . f, for each parameter (samples, *shape of the parameter)."""
    known = dict(model.named_parameters())
    chosen = {name: known[name].detach() for name in names}

    def output(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        return (functional_call(model, parameters, (sample.unsqueeze(0),)).squeeze(0) * direction).sum()

    with only(model, ()):
        found = vmap(grad(output), in_dims=(None, 0))(chosen, batch)
    return [found[name].detach() for name in names]


def one_by_one(
    model: nn.Module, names: Sequence[str], batch: Float[Tensor, "samples ..."], direction: Float[Tensor, " d"]
) -> list[Float[Tensor, "samples ..."]]:
    """The same, for networks that ``vmap`` refuses."""
    known = dict(model.named_parameters())
    chosen = [known[name] for name in names]
    found = [torch.zeros(len(batch), *one.shape, dtype=one.dtype, device=one.device) for one in chosen]
    with only(model, chosen):
        for index in range(len(batch)):
            g = (model(batch[index : index + 1]).squeeze(0) * direction).sum()
            if not g.requires_grad:
                continue
            for target, value in zip(found, torch.autograd.grad(g, chosen, allow_unused=True), strict=True):
                if value is not None:
                    target[index] = value
    return found
