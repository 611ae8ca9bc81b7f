"""LARS: momentum with a step length for each layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pipeline.ranges import Momentum, NonNegative, Positive
from pipeline.training.optimizers.sgd import Sgd, Tensors

DEFAULT_BEFORE = {"clip": False}


class Lars(Sgd):
    """Layer-wise adaptive rate scaling, on top of SGD with momentum.

    Attributes:
        param_groups: As of :class:`Sgd`, each with ``trust``: None where the update is not rescaled; and ``clip``.
    """

    def _rescale(self, group: dict[str, Any], parameters: list[Tensor], update: Tensors) -> Tensors:
        """``u = q (g + wd w)``; then ``v <- m v + u``, ``w <- w - lr v`` as in SGD."""
        if group["trust"] is None:
            return update
        most = group["lr"] if group["clip"] else None
        return torch._foreach_mul(update, _trust_ratios(parameters, update, group["trust"], most))


def _trust_ratios(parameters: list[Tensor], update: Tensors, trust: float, most: float | Tensor | None) -> list[Tensor]:
    """``q = trust |w| / |u|`` of each parameter, 1 where one of the norms is 0; scalars, left on the device.

    Where ``most`` is given, it is the learning rate, and what comes back is ``q / most``, at most 1.
    """
    weights = torch.stack(torch._foreach_norm(parameters))
    updates = torch.stack(torch._foreach_norm(update))
    ratios = trust * weights / updates
    if most is not None:
        ratios = (ratios / most).clamp(max=1.0)
    return list(torch.where((weights > 0) & (updates > 0), ratios, 1.0).unbind())


def build(
    groups: list[dict[str, Any]],
    *,
    lr: NonNegative = 0.2,
    momentum: Momentum = 0.9,
    weight_decay: NonNegative = 1e-6,
    trust: Positive = 0.001,
    bias_lr: NonNegative | None = None,
    clip: bool = False,
) -> Lars:
    """LARS (You 2017) in the form of the released code of Barlow Twins and VICReg.

    The ratio rescales gradient and decay before the momentum, and the learning rate comes after it, so past
    updates are weighted with today's rate. Parameters with one dimension (biases, BatchNorm's scale and
    shift) get neither decay nor a ratio, whatever their group says: plain momentum.

    Args:
        groups: From :func:`pipeline.training.groups.parameter_groups`; a group's own ``weight_decay`` wins.
        lr: Learning rate, multiplied by the group's ``lr_multiplier``.
        momentum: Weight of the past update.
        weight_decay: Coefficient of the decay.
        trust: How long an update is in units of the weights' norm.
        bias_lr: Learning rate of parameters with one dimension; None is ``lr``. (Barlow Twins has 0.0048
            beside 0.2, VICReg one rate for all.)
        clip: Whether a layer's rate ``lr q`` is the smaller of ``q`` and ``lr`` (LARC; the released code of Halvagal
            2023), so that the learning rate is its upper end and no factor.
    """
    split: list[dict[str, Any]] = []
    for group in groups:
        common = {"momentum": momentum, "weight_decay": weight_decay, "clip": clip, **group}
        layers = [parameter for parameter in group["params"] if parameter.dim() > 1]
        vectors = [parameter for parameter in group["params"] if parameter.dim() <= 1]
        rates = {"layers": lr, "vectors": lr if bias_lr is None else bias_lr}
        rates = {name: rate * group["lr_multiplier"] for name, rate in rates.items()}
        split.append({**common, "params": layers, "lr": rates["layers"], "trust": trust})
        split.append({**common, "params": vectors, "lr": rates["vectors"], "trust": None, "weight_decay": 0.0})
    return Lars([group for group in split if group["params"]])
