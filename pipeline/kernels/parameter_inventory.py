"""Which parameters a network has, how each one's gradients are taken, and what one sample costs.

A layer that is known may still be used in a way that its input and delta do not tell: twice, on something else than
one row per sample, with its weight read by others. So what they give is compared with plain differentiation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.kernels import layers
from pipeline.kernels.capture import deltas, given, hooked, only
from pipeline.kernels.general import PerSample, one_by_one, vectorised
from pipeline.kernels.memory import Peak
from pipeline.kernels.passes import Unit
from pipeline.kernels.precision import Precision

if TYPE_CHECKING:
    from jaxtyping import Float

TRIED = 2  # samples on which gradients are compared


@dataclass
class Anatomy:
    """The parts of a network.

    Attributes:
        units: Parameters that the outputs depend on, in the order in which they are used.
        modules: Known layers by name.
        per_sample: How gradients of the others are taken.
        sample: Bytes that one sample's passes take beside what is kept.
    """

    units: list[Unit]
    modules: dict[str, nn.Module]
    per_sample: PerSample = vectorised
    sample: int = 1


@dataclass
class _Use:
    """How a layer was used in one forward pass."""

    calls: int = 0
    order: int = 0
    regular: bool = True
    entries: int = 0
    positions: int = 1


@dataclass
class _Found:
    """What was learnt of a parameter from the samples that were tried."""

    used: bool = False
    right: bool = True


def gradients(
    unit: Unit,
    module: nn.Module,
    a: Float[Tensor, "samples ..."],
    delta: Float[Tensor, "samples o T"],
    out: Float[Tensor, "samples entries"],
    rows: slice,
) -> None:
    """Write per-sample gradients of some rows of a known parameter.

    Args:
        unit: The parameter.
        module: Its layer.
        a: Input; for weights its patches.
        delta: (samples, o, T).
        out: (samples, entries of these rows).
        rows: Which.
    """
    if unit.kind == "weight":
        layers.weight_gradient(a, delta[:, rows], out)
    elif unit.kind == "scale":
        out.copy_(layers.scale_gradient(module, a, delta))
    else:
        out.copy_(delta.sum(2))


def examine(
    model: nn.Module, batch: Float[Tensor, "samples ..."], directions: Float[Tensor, "count d"], precision: Precision
) -> Anatomy:
    """Take a network apart on a few samples.

    Args:
        model: In evaluation mode; checked.
        batch: A few different samples.
        directions: (count, d).
        precision: Number formats.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    owners = Counter(
        id(parameter)
        for module in model.modules()
        for parameter in module._parameters.values()
        if parameter is not None
    )
    modules = {name: module for name, module in model.named_modules() if layers.knows(module)}
    uses = _uses(model, modules, batch)
    modules = {
        name: modules[name]
        for name in sorted(modules, key=lambda name: uses[name].order)
        if uses[name].calls == 1 and uses[name].regular
    }
    units = [
        _unit(names[id(parameter)], name, kind, module, parameter, uses[name])
        for name, module in modules.items()
        for kind, parameter in module._parameters.items()
        if kind in ("weight", "bias") and parameter is not None and owners[id(parameter)] == 1
    ]
    known = {unit.name: unit for unit in units}
    found = {name: _Found() for name in names.values()}
    samples = [batch[index : index + 1] for index in range(min(TRIED, len(batch)))]
    for group in _groups(model):
        for sample in samples:
            _compare(model, modules, known, group, sample, directions[:1], precision, found)
    kept = [unit for unit in units if found[unit.name].used and found[unit.name].right]
    chosen = {unit.name for unit in kept}
    others = [
        Unit(name, None, "general", parameter.numel(), 1)
        for name, parameter in model.named_parameters()
        if found[name].used and name not in chosen
    ]
    anatomy = Anatomy(kept + others, {unit.layer: modules[unit.layer] for unit in kept if unit.layer is not None})
    if others:
        anatomy.per_sample = _general_way(model, [unit.name for unit in others], samples[0], directions[0])
    anatomy.sample = _cost(model, anatomy, samples[0], directions, precision)
    return anatomy


def _unit(name: str, layer: str, kind: str, module: nn.Module, parameter: Tensor, use: _Use) -> Unit:
    if kind == "bias":
        return Unit(name, layer, "bias", 1, parameter.numel())
    if not isinstance(module, (nn.Linear, nn.Conv2d)):
        return Unit(name, layer, "scale", 1, parameter.numel())
    p = layers.fan_in(module)
    return Unit(name, layer, "weight", len(parameter), p, p, len(parameter), use.positions, use.entries)


def _uses(model: nn.Module, modules: dict[str, nn.Module], batch: Tensor) -> dict[str, _Use]:
    uses = {name: _Use() for name in modules}

    def note(name: str, module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        use, a = uses[name], given(args, kwargs)
        use.calls += 1
        use.order = sum(one.calls for one in uses.values())
        least = 4 if isinstance(module, nn.Conv2d) else 2  # an image without its batch has one dimension less
        use.regular &= len(a) == len(batch) == len(output) and a.dim() >= least
        use.entries = a[0].numel()
        channels = output.shape[-1] if isinstance(module, nn.Linear) else output.shape[1]
        use.positions = output[0].numel() // channels

    with torch.no_grad(), torch.autocast(batch.device.type, enabled=False), hooked(modules, note):
        model(batch)
    return uses


def _groups(model: nn.Module) -> Iterator[list[str]]:
    """Names of parameters, in groups that are no larger than the largest of them."""
    most = max((one.numel() * one.element_size() for one in model.parameters()), default=0)
    group: list[str] = []
    size = 0
    for name, parameter in model.named_parameters():
        needed = parameter.numel() * parameter.element_size()
        if group and size + needed > most:
            yield group
            group, size = [], 0
        group.append(name)
        size += needed
    if group:
        yield group


def _compare(
    model: nn.Module, modules: dict[str, nn.Module], known: dict[str, Unit], group: Sequence[str], sample: Tensor,
    directions: Tensor, precision: Precision, found: dict[str, _Found],
) -> None:  # fmt: skip
    """Compare the gradients of one sample with plain differentiation, for a group of parameters."""
    parameters = dict(model.named_parameters())
    with only(model, [parameters[name] for name in group]):
        g = (model(sample)[0] * directions[0]).sum()
        if not g.requires_grad:
            return
        values = torch.autograd.grad(g, [parameters[name] for name in group], allow_unused=True)
    reference = {name: value for name, value in zip(group, values, strict=True) if value is not None}
    del values, g
    arrived = set()
    units: dict[str, list[Unit]] = {}
    for name in reference:
        found[name].used = True
        if name in known and (layer := known[name].layer) is not None:
            units.setdefault(layer, []).append(known[name])

    def check(layer: str, _: int, a: Tensor, delta: Tensor) -> None:
        module = modules[layer]
        delta = layers.positions(module, delta)
        for unit in units[layer]:
            value = reference[unit.name]
            mine = delta.new_empty(1, value.numel())
            fed = layers.patches(module, a) if unit.kind == "weight" else a
            gradients(unit, module, fed, delta, mine, slice(None))
            mine = mine.view(unit.p, unit.o).T.reshape(value.shape) if unit.kind == "weight" else mine.view_as(value)
            close = (mine - value).abs().max() <= torch.finfo(value.dtype).eps ** 0.5 * value.abs().max()
            found[unit.name].right &= bool(close)
            arrived.add(unit.name)

    deltas(model, {layer: modules[layer] for layer in units}, sample, directions, check)
    for name in reference:
        found[name].right &= name in arrived


def _general_way(model: nn.Module, names: Sequence[str], sample: Tensor, direction: Tensor) -> PerSample:
    try:
        vectorised(model, names, sample, direction.to(sample.device))
    except Exception:  # torch has no one class for what it cannot vectorise
        return one_by_one
    return vectorised


def _cost(model: nn.Module, anatomy: Anatomy, sample: Tensor, directions: Tensor, precision: Precision) -> int:
    """Bytes of one sample's forward and backward passes with all that is computed on the way."""
    by_layer: dict[str | None, list[Unit]] = {}
    for unit in anatomy.units:
        by_layer.setdefault(unit.layer, []).append(unit)
    general = [unit.name for unit in by_layer.pop(None, [])]

    def take(layer: str, _: int, a: Tensor, delta: Tensor) -> None:
        module = anatomy.modules[layer]
        delta = layers.positions(module, delta).to(precision.gradient)
        a = a.to(precision.gradient)
        for unit in by_layer[layer]:
            rows = slice(0, layers.rows_at_once(unit.count) if unit.kind == "weight" else None)
            count = delta[:, rows].shape[1] * (unit.p or 1)
            fed = layers.patches(module, a) if unit.kind == "weight" else a
            gradients(unit, module, fed, delta, delta.new_empty(1, count, dtype=precision.stored), rows)

    known = [*model.parameters(), *model.buffers(), sample, directions]
    with Peak(known) as peak:
        deltas(model, anatomy.modules, sample, directions, take)
        if general:
            found = anatomy.per_sample(model, general, sample, directions[0])
            found = [one.to(precision.gradient) for one in found]
            del found
    return max(1, peak.bytes)
