"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pipeline.ranges import Momentum, NonNegative

Tensors = list[Tensor] | tuple[Tensor, ...]

DEFAULT_BEFORE = {"nesterov": False}


def descend(parameters: list[Tensor], update: Tensors, rate: float | Tensor) -> None:
    """``w <- w - rate update``, in place.

    Args:
        parameters: The weights.
        update: One tensor per weight, not changed.
        rate: A number, or a scalar tensor: on a GPU a captured step reads the rate from there. One on the CPU is
            read by the host, which costs nothing there and rounds once instead of twice.
    """
    if isinstance(rate, Tensor) and rate.device.type != "cpu":
        torch._foreach_sub_(parameters, torch._foreach_mul(update, rate))
    else:
        torch._foreach_add_(parameters, update, alpha=-float(rate))


class Sgd:
    """The rule and the interface of ``torch.optim.SGD``, without its import.

    Constructing any optimiser of ``torch.optim`` imports ``torch._dynamo``: 1.5 s of CPU time per process, a
    fifth of a small training.

    Attributes:
        param_groups: As in ``torch.optim``: dicts with ``params``, ``lr`` (a number or a scalar tensor), ``momentum``,
            ``weight_decay``, and ``nesterov`` where it is on.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.param_groups = groups
        self._velocity: dict[Tensor, Tensor] = {}

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """``v <- m v + u``, ``w <- w - lr v`` with ``u = g + wd w``, the first ``v``; Nesterov: ``lr (u + m v)``."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            update: Tensors = [parameter.grad for parameter in parameters]
            if group["weight_decay"]:
                update = torch._foreach_add(update, parameters, alpha=group["weight_decay"])
            update = self._rescale(group, parameters, update)
            if group["momentum"]:
                velocity = self._accelerate(parameters, update, group["momentum"])
                ahead = group.get("nesterov", False)
                update = torch._foreach_add(update, velocity, alpha=group["momentum"]) if ahead else velocity
            descend(parameters, update, group["lr"])

    def _rescale(self, group: dict[str, Any], parameters: list[Tensor], update: Tensors) -> Tensors:
        """Change ``g + wd w`` before momentum; here not at all."""
        return update

    def _accelerate(self, parameters: list[Tensor], update: Tensors, momentum: float) -> list[Tensor]:
        found = (self._velocity.get(parameter) for parameter in parameters)
        known = [velocity for velocity in found if velocity is not None]
        if len(known) == len(parameters):
            torch._foreach_mul_(known, momentum)
            torch._foreach_add_(known, update)
            return known
        for parameter, new in zip(parameters, update, strict=True):
            velocity = self._velocity.get(parameter)
            self._velocity[parameter] = new.clone() if velocity is None else velocity.mul_(momentum).add_(new)
        return [self._velocity[parameter] for parameter in parameters]

    def state_dict(self) -> dict[str, Any]:
        """``state``: number of the parameter to its buffers, as in ``torch.optim``."""
        numbered = enumerate(self._parameters())
        known = ((i, self._velocity.get(parameter)) for i, parameter in numbered)
        return {"state": {i: {"momentum_buffer": velocity} for i, velocity in known if velocity is not None}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take copies of the buffers in ``state``, laid out in memory as the parameters are."""
        parameters = self._parameters()
        self._velocity = {
            parameters[i]: torch.empty_like(parameters[i], requires_grad=False).copy_(buffers["momentum_buffer"])
            for i, buffers in state["state"].items()
        }


def build(
    groups: list[dict[str, Any]],
    *,
    lr: NonNegative = 0.03,
    momentum: Momentum = 0.9,
    weight_decay: NonNegative = 4e-4,
    nesterov: bool = False,
) -> Sgd:
    """SGD (Tian 2021, Sec. 5: learning rate 0.03, momentum 0.9, weight decay 4e-4).

    Weight decay is added to the gradient and falls on all parameters, those of BatchNorm and the biases
    included (released code).

    Args:
        groups: From :func:`pipeline.training.groups.parameter_groups`; a group's own ``weight_decay`` wins.
        lr: Learning rate, multiplied by the group's ``lr_multiplier``.
        momentum: Weight of the past update.
        weight_decay: Coefficient of the decay.
        nesterov: Step by ``u + m v`` in place of ``v`` (Sutskever 2013, as in ``torch.optim``).
    """
    common = {"momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
    return Sgd([{**common, **group, "lr": lr * group["lr_multiplier"]} for group in groups])
