"""Weights from a file of somebody's: of any encoder, by the names that its parameters have in a state dict.

What such a network uses in evaluation mode was collected where it was trained, and is kept: the statistics of its
BatchNorms stand in a checkpoint under names of their own, since those of a network that nobody trained are collected
anew before it is measured (:mod:`pipeline.evaluation.calibration`).
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import UserError, brief
from pipeline.nets.by_name import of_library

_COUNTS = "num_batches_tracked"
_NAMES = {".running_mean": ".given_mean", ".running_var": ".given_var"}
"""Statistics of BatchNorm, and what they are called in a checkpoint of ours where they were given."""


def finish(network: nn.Module, *, weights: Path | str, weights_prefix: str = "") -> nn.Module:
    """Put the weights of a file into an encoder.

    The file is a ``.safetensors``, or what ``torch.save`` has written of tensors in dictionaries, read without running
    code. Names of nested dictionaries are joined by dots, and what stands before the names of the encoder's parameters
    is found out, unless it is said. Every parameter and every statistic must be there with its shape; what is left may
    be parts that the encoder does not have or has taken out (its classifier), and no more layers of one that it has.

    Args:
        network: The encoder, changed in place.
        weights: The file.
        weights_prefix: What stands before the names, or the end of it where a file nests them (``module.encoder_q``
            for ``state_dict.module.encoder_q.``); empty where it is to be found out.

    Returns:
        ``network``, whose state dict has names of its own for the statistics of BatchNorm.

    Raises:
        UserError: The file can't be read, or it is not one of this network's.
    """
    path = Path(weights)
    own = of_library(network)
    wanted = dict(own.state_dict())
    if not wanted:
        raise UserError(f"{path}: encoder.weights: expected an encoder with parameters, and this one has none")
    found = tensors(path)
    prefix = _prefix(found, list(wanted), path, weights_prefix)
    inside = {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}
    state = dict(_fitting(inside, wanted, path))
    _refuse_more(inside, own, path)
    own.load_state_dict(state, strict=True)
    keep(network)
    return network


def keep(network: nn.Module) -> None:
    """Have the statistics of an encoder's BatchNorms called in its state dict what says that they are kept."""
    network.register_state_dict_post_hook(_called_given)
    network.register_load_state_dict_pre_hook(_called_running)


def plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with PyTorch's own names for these statistics."""
    found = dict(state)
    _renamed(found, "", {new: old for old, new in _NAMES.items()})
    return found


def tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by their names, those of nested dictionaries joined by dots; runs no code of the file's.

    Raises:
        UserError: It is no such file, or holds other objects than tensors in dictionaries.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        told = str(error).replace("\n", " ")
        what = "holds objects that only running its code would make" if "weights_only" in told else "is damaged"
        raise UserError(
            f"{path}: encoder.weights: expected tensors in dictionaries, and it {what}; save the state dict alone "
            "where it was made: torch.save(network.state_dict(), FILE)"
        ) from None
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = brief(" ".join(str(error).split()), str, 120) if not isinstance(error, KeyError) else "it is none"
        raise UserError(
            f"{path}: encoder.weights: expected a .safetensors file, or one of torch.save ({reason}); get it again"
        ) from None
    found = dict(_flat(loaded))
    if not found:
        what = "no tensor in it" if isinstance(loaded, Mapping) else type(loaded).__name__
        raise UserError(f"{path}: encoder.weights: expected tensors in dictionaries, found {what}")
    return found


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))


def _prefix(found: Mapping[str, Tensor], wanted: list[str], path: Path, said: str = "") -> str:
    """What stands before the encoder's names in a file.

    Raises:
        UserError: Nothing or several things do, or not what was said.
    """
    needed = [name for name in wanted if not name.endswith(_COUNTS)]
    first = needed[0]
    starts = [name.removesuffix(first) for name in found if name == first or name.endswith(f".{first}")]
    if said:
        end = said.rstrip(".") + "."
        there, starts = starts, [start for start in starts if f".{start}".endswith(f".{end}")]
        starts = [end] if end in starts else starts
        if not starts:
            some = " or ".join(map(repr, there[:6])) or "none with its first parameter"
            raise UserError(
                f"{path}: encoder.weights_prefix: {first} of this encoder does not stand behind {said!r}; there is "
                f"{some}"
            )
    whole = sorted(start for start in starts if all(start + name in found for name in needed))
    if len(whole) == 1:
        return whole[0]
    if whole:
        raise UserError(
            f"{path}: holds {len(whole)} such networks; say which with encoder.weights_prefix (evaluate: --prefix): "
            f"{' or '.join(map(repr, whole[:6]))}"
        )
    if not starts:
        some = ", ".join(brief(name, str) for name in list(found)[:3])
        raise UserError(
            f"{path}: encoder.weights: expected weights of this encoder, whose first is {first}; there are {some}, "
            "...: choose the encoder that they are of"
        )
    start = max(starts, key=lambda start: sum(start + name in found for name in needed))
    lacking = next(name for name in needed if start + name not in found)
    raise UserError(
        f"{path}: encoder.weights: expected {start + lacking}, which this encoder has, and it is not there; choose the "
        "encoder that the weights are of"
    )


def _fitting(inside: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> Iterator[tuple[str, Tensor]]:
    """The tensors that the encoder takes, in its types.

    Raises:
        UserError: One is missing, has another shape or is not finite.
    """
    for name, own in wanted.items():
        tensor = inside.get(name)
        if tensor is None and name.endswith(_COUNTS):
            yield name, own
            continue
        if tensor is None:
            raise UserError(f"{path}: encoder.weights: expected {name}, which this encoder has, and it is not there")
        if tensor.shape != own.shape:
            raise UserError(
                f"{path}: encoder.weights: {name} has the shape {tuple(tensor.shape)} there and {tuple(own.shape)} in "
                "this encoder; choose its stem, size, resize or name to match"
            )
        tensor = tensor.to(own.dtype)
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise UserError(f"{path}: encoder.weights: {name} holds numbers that are not finite; get a good copy")
        yield name, tensor


def _refuse_more(inside: Mapping[str, Tensor], network: nn.Module, path: Path) -> None:
    """Refuse a file with more layers of the parts that the encoder has: it is that of a larger one.

    Raises:
        UserError: It has.
    """
    wanted = network.state_dict()
    parts = {name.split(".")[0] for name in wanted}
    out = {name for name, module in network.named_modules() if isinstance(module, nn.Identity)}
    for name in inside:
        above = name.rpartition(".")[0]
        if name not in wanted and name.split(".")[0] in parts and above not in out and not name.endswith(_COUNTS):
            raise UserError(
                f"{path}: encoder.weights: it has {name}, and this encoder has not; choose the encoder that the "
                "weights are of"
            )


def _renamed(state: dict[str, Any], prefix: str, names: Mapping[str, str]) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        for old, new in names.items():
            if name.endswith(old):
                state[name.removesuffix(old) + new] = state.pop(name)


def _called_given(network: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Statistics leave the encoder under the names that say that they are kept."""
    _renamed(state, prefix, _NAMES)


def _called_running(network: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """They come back under those that PyTorch has for them."""
    _renamed(state, prefix, {new: old for old, new in _NAMES.items()})
