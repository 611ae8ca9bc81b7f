"""Cut-initialisation: every parameter starts smaller, and with them the norm of the embeddings."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pipeline.nets.network import Network
from pipeline.ranges import Positive


def build(*, c: Positive) -> Callable[[Network], None]:
    """Divide every initial parameter by ``c`` (Draganov 2025, Sec. 5 and Listing 1).

    All of them: encoder, projector and predictor, biases and BatchNorm's scales and shifts too, since the listing loops
    over the parameters of the whole model; the target's branch alike, so that a copy stays a copy. BatchNorm undoes the
    factor of the layer before it, and its own scale carries it on: features shrink as ``1 / c``, and embeddings by a
    further ``1 / c`` with every layer behind the last BatchNorm.

    Args:
        c: The constant; 3 for SimCLR and 9 for SimSiam in the paper. Below 1 weights grow.
    """

    @torch.no_grad()
    def divide(network: Network) -> None:
        for parameter in network.parameters():
            parameter.div_(c)

    return divide
