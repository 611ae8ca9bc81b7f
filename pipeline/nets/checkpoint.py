"""Reading and writing of checkpoints: safetensors and text, the same bytes for the same content."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.nets.network import Network, build_network
from pipeline.numerics.saved_tensors import plain

MODEL, STATE, HISTORY, SUMMARY = "model.safetensors", "state.safetensors", "history.csv", "summary.json"
LOSSES = "losses.safetensors"
"""Loss of every step, one float32 tensor ``loss`` of shape (steps,)."""


def write_payload(
    folder: Path,
    model: Mapping[str, Tensor] | None,
    state: Mapping[str, Tensor] | None,
    history: str | None,
    losses: Tensor,
    summary: Mapping[str, Any],
) -> None:
    """Write a checkpoint.

    Args:
        folder: Where to; must exist.
        model: State dict of the network; None for a training that diverged.
        state: What resuming needs beside it; None likewise.
        history: Text of ``history.csv``; None for a milestone between two epochs, from which no training goes on.
        losses: Loss of every step so far, shape (steps,).
        summary: Content of ``summary.json``, plain data.
    """
    # no metadata: safetensors writes its entries in random order
    if model is not None:
        (folder / MODEL).write_bytes(save(plain(model)))
    if state is not None:
        (folder / STATE).write_bytes(save(plain(state)))
    (folder / LOSSES).write_bytes(save(plain({"loss": losses})))
    if history is not None:
        (folder / HISTORY).write_text(history, encoding="utf-8", newline="\n")
    text = json.dumps(summary, indent=1, sort_keys=True, allow_nan=False)
    (folder / SUMMARY).write_text(text + "\n", encoding="utf-8", newline="\n")


def read_summary(folder: Path) -> dict[str, Any]:
    """Content of ``summary.json``."""
    return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))


def read_tensors(path: Path, prefixes: tuple[str, ...] = ("",)) -> dict[str, Tensor]:
    """Tensors of a safetensors file whose name begins with one of ``prefixes``; the others are not read.

    Raises:
        UserError: There is no such file, or it is not a whole safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            # a tensor of safetensors is a view of the mapped file, with the alignment it happens to have
            # there
            return {name: file.get_tensor(name).clone() for name in file.keys() if name.startswith(prefixes)}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: expected a safetensors file ({error}); delete the folder and build it again"
        ) from None


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Copy tensors into the parameters and buffers of a module.

    Raises:
        UserError: Names or shapes do not agree with the module.
    """
    try:
        module.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{source}: does not fit the network of this spec: {reason}") from None


def _parts(spec: Mapping[str, Any]) -> Iterator[str]:
    for part in ("encoder", "projector", "predictor", "target"):
        if part in spec:
            yield f"{part}."


def load_network(
    spec: Mapping[str, Any], image_shape: tuple[int, int, int], components: Mapping[str, Path], folder: Path
) -> Network:
    """The network of a checkpoint, as far as ``spec`` names its parts.

    A measurement that reads ``encoder`` alone gets an encoder alone: nothing else is built or read. The
    target needs encoder and projector, the predictor needs the projector.

    Args:
        spec: Params of the run: ``encoder`` and any of ``projector``, ``predictor``, ``target``.
        image_shape: (channels, height, width).
        components: Source file of each component, by category.
        folder: Payload of the checkpoint.

    Returns:
        The network on the CPU, in evaluation mode, without gradients.

    Raises:
        UserError: The training diverged, so there are no weights; or the file is damaged or of another
            network.
    """
    if not (folder / MODEL).is_file() and (folder / SUMMARY).is_file():
        outcome = read_summary(folder)["outcome"]
        if outcome == "diverged":
            raise UserError(f"{folder}: the training diverged, so there are no weights to measure; lower optimizer.lr")
    network = build_network(spec, image_shape, components)
    load_state(network, read_tensors(folder / MODEL, tuple(_parts(spec))), folder / MODEL)
    return network.eval().requires_grad_(False)


def optimizer_tensors(optimizer: Any) -> dict[str, Tensor]:
    """State of an optimiser as named tensors, ``optimizer.<number of the parameter>.<buffer>``."""
    return {
        f"optimizer.{number}.{name}": torch.as_tensor(value)
        for number, buffers in optimizer.state_dict()["state"].items()
        for name, value in buffers.items()
        if value is not None
    }


def load_optimizer(optimizer: Any, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` took; other names are ignored."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, buffer = name.split(".", 2)
            state.setdefault(int(number), {})[buffer] = tensor.clone()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
