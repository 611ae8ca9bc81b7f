"""What a network must be to have a tangent kernel of its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from pipeline.errors import UserError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

TOGETHER = 3  # samples that are compared alone and in a batch


def network(model: nn.Module) -> None:
    """Look at modules and weights.

    Raises:
        UserError: A part of the network is in training mode, a normalisation uses the statistics of the batch, or a
            weight or buffer is not finite.
    """
    for name, module in model.named_modules():
        if module.training:
            raise UserError(f"{_called(name)}: expected evaluation mode, found training mode; call model.eval() first")
        if isinstance(module, _NormBase) and module.running_mean is None and not _alone(module):
            raise UserError(
                f"{_called(name)}: expected running statistics, found a {type(module).__name__} that takes those of "
                f"the batch, so no output belongs to one sample; build it with track_running_stats=True"
            )
    for kind, tensors in (("parameter", model.named_parameters()), ("buffer", model.named_buffers())):
        for name, tensor in tensors:
            if (tensor.is_floating_point() or tensor.is_complex()) and not bool(torch.isfinite(tensor).all()):
                raise UserError(f"{kind} {name}: expected finite numbers, found NaN or infinity; load other weights")


def _alone(module: nn.Module) -> bool:
    return "InstanceNorm" in type(module).__name__


def _called(name: str) -> str:
    return f"module {name}" if name else "model"


def outputs(found: Float[Tensor, "..."], samples: int) -> None:
    """Look at the shape of what the network gives.

    Raises:
        UserError: It is not (samples, d).
    """
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != samples:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise UserError(f"model: expected outputs ({samples}, d), found {shape}; return one row per sample")


def finite(good: Bool[Tensor, ""]) -> None:
    """Raise where outputs were not finite.

    Raises:
        UserError: They were not.
    """
    if not bool(good):
        raise UserError("model: expected finite outputs, found NaN or infinity; look at the inputs and their scale")


def independent(model: nn.Module, batch: Float[Tensor, "samples ..."]) -> None:
    """Compare outputs of samples in a batch with those of each alone.

    Raises:
        UserError: They differ, or are not finite, or not one row per sample.
    """
    with torch.no_grad(), torch.autocast(batch.device.type, enabled=False):
        together = model(batch)
        outputs(together, len(batch))
        finite(torch.isfinite(together).all())
        largest = together.abs().max()
        for index in range(len(batch) if len(batch) > 1 else 0):
            alone = model(batch[index : index + 1])[0]
            difference = (alone - together[index]).abs().max()
            if bool(difference > torch.finfo(together.dtype).eps ** 0.5 * largest):
                raise UserError(
                    f"model: expected outputs that depend on one sample each, found a sample whose output changes by "
                    f"{float(difference / largest):.1e} of the largest in a batch of {len(batch)}; leave out the layer "
                    f"that mixes samples"
                )
