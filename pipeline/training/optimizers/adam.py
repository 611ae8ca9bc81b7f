"""Adam."""

from __future__ import annotations

from typing import Any

import torch

from pipeline.ranges import Momentum, NonNegative


def build(
    groups: list[dict[str, Any]],
    *,
    lr: NonNegative = 1e-3,
    beta1: Momentum = 0.9,
    beta2: Momentum = 0.999,
    weight_decay: NonNegative = 0.0,
) -> torch.optim.Optimizer:
    """Adam with the decay added to the gradient (Kingma and Ba 2015).

    Args:
        groups: From :func:`pipeline.training.groups.parameter_groups`; a group's own ``weight_decay`` wins.
        lr: Learning rate, multiplied by the group's ``lr_multiplier``.
        beta1: Decay of the mean of the gradient.
        beta2: Decay of the mean of its square.
        weight_decay: Coefficient of the decay.
    """
    # on a GPU one kernel for all parameters, which counts its steps on the device, so that it can be captured
    on_gpu = all(parameter.is_cuda for group in groups for parameter in group["params"])
    fused = {"fused": True, "capturable": True} if on_gpu else {}
    scaled = [{"weight_decay": weight_decay, **group, "lr": lr * group["lr_multiplier"]} for group in groups]
    return torch.optim.Adam(scaled, betas=(beta1, beta2), **fused)
