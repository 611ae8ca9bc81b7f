"""The weights start near zero, so that eigenmodes are learned one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import nn

from pipeline.errors import UserError
from pipeline.nets.network import Network
from pipeline.ranges import Positive

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _weights(parts: Iterable[nn.Module]) -> list[nn.Parameter]:
    return [
        module.get_parameter("weight") for part in parts for module in part.modules() if isinstance(module, _LAYERS)
    ]


def _last_linear(parts: Iterable[nn.Module]) -> list[nn.Parameter]:
    """Weight and bias of the linear layer that comes last, in the order of definition."""
    layers = [module for part in parts for module in part.modules() if isinstance(module, nn.Linear)]
    return list(layers[-1].parameters()) if layers else []


def _scaled(encoder: nn.Module, projector: nn.Module | None, parts: str) -> list[nn.Parameter]:
    branch = [encoder] if projector is None else [encoder, projector]
    if parts == "all":
        return [parameter for part in branch for parameter in part.parameters()]
    if parts == "weights":
        return _weights(branch)
    own = [] if projector is None else list(projector.parameters())
    if parts == "projector":
        return own
    return _last_linear(branch[1:] if own else [encoder])


def build(
    *, alpha: Positive, parts: Literal["all", "weights", "projector", "readout"] = "all"
) -> Callable[[Network], None]:
    """Multiply initial parameters by ``alpha`` (Simon 2023, App. D: "all initial weights").

    The text does not say whether BatchNorm's scale is a weight, and it matters: BatchNorm undoes any factor on
    the layer before it, so with ``weights`` the embedding shrinks only by the layers after the last BatchNorm,
    and the layers before it merely see larger relative steps. Where L layers have neither bias nor BatchNorm
    between them, the embedding is multiplied by ``alpha^L``.

    Encoder and projector are scaled, and the target's branch in the same way, so a copy stays a copy. The
    predictor is not: it is no part of the embedding. Running statistics of BatchNorm are not weights and stay.

    Args:
        alpha: The factor. (Division of everything by ``c``, as cut-initialisation does, is ``1/c``.)
        parts: ``all``: every parameter, BatchNorm's scale and shift and all biases included. ``weights``: the
            weights of convolutions and linear layers, not their biases. ``projector``: every parameter of the
            projector. ``readout``: weight and bias of the projector's last linear layer; of the encoder's where
            the projector has no parameters.

    Returns:
        What scales a network, in place.

    Raises:
        UserError: ``alpha`` is not a positive finite number; or, when applied to a network that is whole,
            there is nothing to scale.
    """
    if not (math.isfinite(alpha) and alpha > 0):
        raise UserError(
            f"initialization.alpha: expected a positive number, found {alpha}; 1 leaves the weights as drawn"
        )

    @torch.no_grad()
    def scale(network: Network) -> None:
        found = _scaled(network.encoder, network.projector, parts)
        # a network without its projector was built to be measured, and its weights are read from a file
        if not found and network.projector is not None:
            raise UserError(
                f"initialization.parts: {parts} finds nothing to scale in this encoder and projector; choose all,"
                " or a projector with parameters"
            )
        if network.target is not None:
            found += _scaled(network.target.encoder, network.target.projector, parts)
        for parameter in found:
            parameter.mul_(alpha)

    return scale
