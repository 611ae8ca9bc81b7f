"""Which parameters are trained, at which relative rate and with which decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.nets.network import Network


def parameter_groups(network: Network, predictor: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups for an optimiser: encoder with projector, and the predictor.

    The predictor's own learning rate is ``alpha_p`` of Tian 2021 and Fig. 6. Its weight decay is the
    optimiser's unless set. With one decay for both, decay per unit of time is ``alpha_p`` times as strong on
    the predictor, which breaks the balance of Theorem 1; ``weight_decay / alpha_p`` there keeps it.

    Args:
        network: The network; parameters that need no gradient are left out.
        predictor: Params of the predictor: ``lr_multiplier``, ``weight_decay`` and ``scheduled``, all optional.

    Returns:
        Dicts with ``params``, ``lr_multiplier`` and ``scheduled`` (whether the learning rate follows the schedule;
        that of SimSiam's predictor does not), and ``weight_decay`` where it is set. Groups without parameters are left
        out.
    """
    assert network.predictor is not None
    own: dict[str, Any] = {
        "lr_multiplier": float(predictor.get("lr_multiplier", 1.0)),
        "scheduled": bool(predictor.get("scheduled", True)),
    }
    if predictor.get("weight_decay") is not None:
        own["weight_decay"] = float(predictor["weight_decay"])
    groups = [
        {"params": network.online_parameters(), "lr_multiplier": 1.0, "scheduled": True},
        {"params": list(network.predictor.parameters()), **own},
    ]
    for group in groups:
        group["params"] = [parameter for parameter in group["params"] if parameter.requires_grad]
    return [group for group in groups if group["params"]]
