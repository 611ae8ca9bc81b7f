"""Features of a frozen encoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pipeline.views.normalize import Statistics, normalised

BATCH = 500


@torch.no_grad()
def extract(
    encoder: nn.Module,
    images: Tensor,
    normalize: Statistics | None,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = BATCH,
    tick: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Run images through an encoder in evaluation mode, without augmentation.

    Args:
        encoder: (n, C, H, W) floats to (n, d); used in evaluation mode and given back in the mode it had.
        images: (N, C, H, W) uint8, or floats in [0, 1]; on any device.
        normalize: Channel statistics of the run, or ``None``.
        device: Where the encoder is.
        batch_size: Images at a time; the features depend on it by rounding only.
        tick: Called with the number of images done and that of all, after each batch.

    Returns:
        (N, d) float32 (float64 if encoder and images are), on ``device``.
    """
    training = encoder.training
    encoder.eval()
    found: Tensor | None = None
    try:
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size].to(device)
            features = encoder(normalised(batch, normalize))
            if found is None:
                found = features.new_empty(len(images), features.shape[1])
            found[start : start + len(batch)] = features
            if tick is not None:
                tick(start + len(batch), len(images))
    finally:
        encoder.train(training)
    if found is None:
        raise ValueError("no images to extract features of")
    return found
