"""One forward and one backward pass that hand over each layer's input and delta as they come by."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

Consume = Callable[[str, int, Tensor, Tensor], None]


@contextlib.contextmanager
def only(model: nn.Module, wanted: Iterable[nn.Parameter]) -> Iterator[None]:
    """Lets exactly these parameters ask for gradients, with gradients switched on and autocasting off.

    A layer before the first of them needs no graph, so autograd neither keeps its activations nor goes back to it.
    """
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    chosen = {id(parameter) for parameter in wanted}
    device = flags[0][0].device.type if flags else "cpu"
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(id(parameter) in chosen)
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextlib.contextmanager
def hooked(layers: Mapping[str, nn.Module], hook: Callable[..., None]) -> Iterator[None]:
    """Calls ``hook(name, module, args, kwargs, output)`` after each forward pass of each layer."""
    handles = []
    try:
        for name, module in layers.items():

            def bound(module: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name) -> None:
                hook(name, module, args, kwargs, output)

            handles.append(module.register_forward_hook(bound, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The one input of a layer, however it was passed."""
    return args[0] if args else kwargs["input"]


def deltas(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    batch: Float[Tensor, "samples ..."],
    directions: Float[Tensor, "count d"],
    consume: Consume,
) -> Bool[Tensor, ""]:
    """Input and delta of each layer, for all samples of a batch and all directions.

    One backward pass per direction. It stops at the layers that have none of the others before them; their deltas are
    what it returns, all others are handed over by hooks and not kept. Hooks and edges of the graph are taken before
    anything may change an output in place. Gradients of weights are not computed: nobody asks autograd for them.

    Args:
        model: Network in evaluation mode.
        layers: By name; each is used once per forward pass.
        batch: (samples, ...).
        directions: (count, d); g_k = directions[k] . f.
        consume: Called with the layer's name, k, its input and the delta of its output, in any order of layers.

    Returns:
        Whether all outputs are finite, as a tensor: nobody waits for the device here.
    """
    inputs: dict[str, Tensor] = {}
    roots: dict[str, GradientEdge] = {}
    at = 0

    def remember(name: str, module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        a = given(args, kwargs)
        if not output.requires_grad:
            return  # used where gradients are switched off: contributes nothing
        inputs[name] = a.detach()
        if not a.requires_grad:
            roots[name] = get_gradient_edge(output)
            return

        def arrived(delta: Tensor) -> None:
            hand_over(name, delta)

        output.register_hook(arrived)

    def hand_over(name: str, delta: Tensor) -> None:
        last = at == len(directions) - 1
        consume(name, at, inputs.pop(name) if last else inputs[name], delta.detach())

    wanted = [parameter for module in layers.values() for parameter in module.parameters(recurse=False)]
    with only(model, wanted), hooked(layers, remember):
        outputs = model(batch)
        good = torch.isfinite(outputs.detach()).all()
        if not outputs.requires_grad:
            return good
        for at in range(len(directions)):
            g = (outputs * directions[at].to(outputs.dtype)).sum()
            found = torch.autograd.grad(
                g, list(roots.values()), retain_graph=at < len(directions) - 1, allow_unused=True
            )
            for name, delta in zip(roots, found, strict=True):
                if delta is not None:
                    hand_over(name, delta)
            del found, g
    return good
