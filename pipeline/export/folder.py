"""An encoder as a folder that needs nothing of this project: weights, code, configuration, card."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from pipeline import components, files
from pipeline.errors import UserError
from pipeline.export import card, code
from pipeline.export.encoder import Encoder
from pipeline.nets import given_weights
from pipeline.nets.by_name import of_library

WEIGHTS, CONFIG, HUB, CARD, RECEIPT = "model.safetensors", "config.json", "hubconf.py", "README.md", "receipt.json"
_RESIDUAL = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""Networks of torchvision's whose parameters have the same names in timm."""

_TEMPLATE = Path(__file__).with_name("hub.txt")


def check(folder: Path) -> None:
    """Refuse a folder in which something is.

    Raises:
        UserError: It is not empty, or no folder.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder}: there is something already, and it is not written over; choose another --to FOLDER")


def write(encoder: Encoder, folder: Path, declared: Mapping[str, str] | None = None) -> list[str]:
    """Write the folder, once what it holds has been loaded and gives the same features.

    Args:
        encoder: As :func:`pipeline.export.encoder.load` returns it.
        folder: Where to; not there yet, or empty.
        declared: Run -> its name as it is declared, for the card.

    Returns:
        Names of its files.

    Raises:
        UserError: The folder is not empty, or the encoder's code can't be carried.
    """
    check(folder)
    package = f"encoder_{encoder.key[:12]}"
    modules, module, needed = code.carried(encoder.source, package)
    state = state_of(encoder.network)
    config = configuration(encoder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        made = Path(scratch)
        for name, text in modules.items():
            files.write(made / package / name, text)
        (made / WEIGHTS).write_bytes(save(state, metadata={"format": "pt"}))
        files.write(made / CONFIG, json.dumps(config, indent=2) + "\n")
        files.write(made / HUB, _hub(encoder, module, needed))
        files.write(made / RECEIPT, files.dumps(encoder.receipt))
        licence = components.PACKAGE.parent / "LICENSE"
        if licence.is_file():
            shutil.copyfile(licence, made / licence.name)
        files.write(made / CARD, card.text(encoder, config, needed, declared))
        _try(encoder, made)
        if folder.is_dir():
            folder.rmdir()
        made.chmod(0o755)  # it is for others to read, which a scratch folder is not
        shutil.copytree(made, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return files.listing(folder)


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """Weights under the names that the network's library has for them."""
    inner = of_library(network)
    return {name: tensor.detach().contiguous() for name, tensor in given_weights.plain(inner.state_dict()).items()}


def configuration(encoder: Encoder) -> dict[str, Any]:
    """What ``config.json`` says, in timm's words; ``architecture`` is null where timm has no such network."""
    channels, height, width = encoder.image_shape
    spec = _complete(encoder)
    side = spec.get("resize") or height
    mean, std = _statistics(encoder.normalize, channels)
    name, arguments = _timm(spec, channels, side)
    return {
        "architecture": name,
        "num_classes": 0,
        "num_features": encoder.features,
        **({"model_args": arguments} if arguments else {}),
        "encoder": {key: value for key, value in encoder.spec.items() if key not in ("weights", "weights_prefix")},
        "key": encoder.key,
        "pretrained_cfg": {
            "custom_load": False,
            "input_size": [channels, side, side if spec.get("resize") else width],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": mean,
            "std": std,
            "num_classes": 0,
            "pool_size": None,
            "first_conv": None,
            "classifier": None,
        },
    }


def _statistics(normalize: Mapping[str, Any] | None, channels: int) -> tuple[list[float], list[float]]:
    if normalize is None:
        return [0.0] * channels, [1.0] * channels
    return list(normalize["mean"]), list(normalize["std"])


def _timm(spec: Mapping[str, Any], channels: int, side: int) -> tuple[str | None, dict[str, Any]]:
    """Name of the same network in timm, with the same names of parameters; None where there is none."""
    kind = spec["kind"]
    if kind == "timm":
        import timm

        name = str(spec["name"]).partition(".")[0]
        fixed = timm.get_pretrained_cfg_value(name, "fixed_input_size")
        return name, {**({"img_size": side} if fixed else {}), **({"in_chans": channels} if channels != 3 else {})}
    name = spec["name"] if kind == "torchvision" else kind
    return (name, {}) if name in _RESIDUAL and spec["stem"] == "stock" and channels == 3 else (None, {})


def _complete(encoder: Encoder) -> dict[str, Any]:
    """The encoder's params, those included that its receipt leaves out."""
    kind, extend = encoder.spec["kind"], _extend(encoder.source)
    defaults = {name: value for name, (_, value, _) in components.params("encoder", kind, extend).items()}
    return {**defaults, **components.default_before("encoder", kind, extend), **encoder.spec}


def _hub(encoder: Encoder, module: str, needed: list[str]) -> str:
    known = {name: value for name, value in encoder.spec.items() if name not in ("kind", "weights", "weights_prefix")}
    quiet = components.default_before("encoder", encoder.spec["kind"], _extend(encoder.source))
    filled = {
        "DEPENDENCIES": repr(sorted({"torch", "safetensors", *code.installed(needed)})),
        "MODULE": module,
        "SHAPE": repr(tuple(encoder.image_shape)),
        "PARAMS": repr({**quiet, **known}),
        "INNER": "network.network." if of_library(encoder.network) is not encoder.network else "network.",
        "CHANNELS": str(encoder.image_shape[0]),
        "FEATURES": str(encoder.features),
        "NORMALIZE": repr(encoder.normalize),
    }
    text = _TEMPLATE.read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    return text


def _extend(source: Path) -> Path | None:
    return None if source.is_relative_to(components.PACKAGE) else source.parent.parent


def _try(encoder: Encoder, folder: Path) -> None:
    """Load what was written as a stranger would, and compare its features.

    Raises:
        UserError: They are others.
    """
    specification = importlib.util.spec_from_file_location(f"hubconf_{encoder.key[:12]}", folder / HUB)
    assert specification is not None and specification.loader is not None
    hub = importlib.util.module_from_spec(specification)
    before, written = set(sys.modules), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        specification.loader.exec_module(hub)
        with torch.random.fork_rng(devices=[]):
            images = torch.randint(0, 256, (2, *encoder.image_shape), dtype=torch.uint8)
            found = hub.encoder()(images)
        same = torch.allclose(found, encoder(images), rtol=1e-5, atol=1e-6)
    finally:
        sys.dont_write_bytecode = written
        for name in set(sys.modules) - before:
            if name.startswith("encoder_"):
                del sys.modules[name]
    if not same:
        raise UserError(f"{encoder.node}: what was written gives other features; nothing is written")
