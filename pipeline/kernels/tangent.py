"""The empirical neural tangent kernel of a network, exact, within a budget of memory (Simon 2023, App. D.5).

K(x, x') = <grad_theta g(x), grad_theta g(x')> over all parameters, with g = u . f of the d outputs f. Samples go
through the network a few at a time, once per pass; a pass holds the gradients (or their factors) of as many parameters
as the budget allows, for all samples, and adds their Gram matrix to the kernel. So neither the Jacobian nor all
activations are ever held. Networks are in evaluation mode: running statistics of a BatchNorm are constants.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.kernels import demands, gram, kept_sums, layers
from pipeline.kernels.capture import deltas
from pipeline.kernels.memory import Peak
from pipeline.kernels.parameter_inventory import Anatomy, examine, gradients
from pipeline.kernels.passes import PassPlan, Piece, Size, make
from pipeline.kernels.precision import PRECISIONS, Precision, named, switches

if TYPE_CHECKING:
    from jaxtyping import Float, Float64

Tick = Callable[[int, int], None]
VERSION = 1  # of the order of sums; progress of another order is not taken up


def tangent_kernel(
    model: nn.Module,
    inputs: Float[Tensor, "N ..."],
    *,
    queries: Float[Tensor, "M ..."] | None = None,
    direction: Float[Tensor, " d"] | None = None,
    memory: int = 2 << 30,
    precision: str = "fp32",
    tick: Tick | None = None,
    scratch: Path | str | None = None,
) -> Float64[Tensor, "rows N"]:
    """Kernel of one scalar output g = u . f.

    Args:
        model: (N, ...) to (N, d), in evaluation mode, on the device of the inputs. All its parameters count, also
            those that do not ask for gradients.
        inputs: (N, channels, height, width) or (N, m).
        queries: Other inputs, (M, ...), or None.
        direction: u, (d,). Without it ones / sqrt(d): the mean of the outputs times sqrt(d), which has the kernel of
            one output where outputs are alike and independent (the paper's footnote prints d for sqrt(d)).
        memory: Budget in bytes for all tensors beyond the model and its inputs, the kernel among them; of the device
            where the work is done. What libraries take inside an operation is not counted.
        precision: ``fp64``, ``fp32``, ``tf32`` (float32, rounded to TF32 by GPUs inside products) or ``bf16`` (operands
            of the Gram product in bfloat16, sums in float32). Of per-sample gradients and their products; the network
            runs in its own type, so ``fp64`` is exact for a network of float64. Sums over parameters are of float64.
        tick: Called as ``tick(done, total)`` after every few samples.
        scratch: Folder in which progress is kept after every pass. A call that was interrupted goes on from there and
            gives the same bytes.

    Returns:
        (N, N), or of queries with inputs (M, N); float64 on the CPU.

    Raises:
        UserError: A network in training mode, with weights or outputs that are not finite or that mixes samples; inputs
            or a direction that do not fit; a budget that does not suffice.
    """
    work = KernelCall(model, inputs, queries, memory, precision, tick, scratch)
    if direction is None:
        direction = torch.full((work.outputs,), work.outputs**-0.5, dtype=torch.float64)
    if direction.shape != (work.outputs,):
        raise UserError(
            f"direction: expected one number for each of the {work.outputs} outputs, "
            f"found {tuple(direction.shape)}; give (d,)"
        )
    return work.kernel(direction[None], "scalar")


def full_kernel(model: nn.Module, inputs: Float[Tensor, "N ..."], **limits: Any) -> Float64[Tensor, "N d N d"]:
    """Kernel of all outputs, K[i, k, j, l] = <grad f_k(x_i), grad f_l(x_j)>.

    Arguments and errors are those of :func:`tangent_kernel`; ``limits`` are its memory, precision, tick and scratch.

    Returns:
        (N, d, N, d), float64 on the CPU.
    """
    work = KernelCall(model, inputs, None, **limits)
    return work.kernel(torch.eye(work.outputs, dtype=torch.float64), "full").permute(1, 0, 3, 2)


def diagonal_kernel(model: nn.Module, inputs: Float[Tensor, "N ..."], **limits: Any) -> Float64[Tensor, "d N N"]:
    """Kernel of each output with itself, K^kk; arguments and errors as of :func:`full_kernel`.

    Returns:
        (d, N, N), float64 on the CPU.
    """
    work = KernelCall(model, inputs, None, **limits)
    return work.kernel(torch.eye(work.outputs, dtype=torch.float64), "diagonal")


class KernelCall:
    """One call: the network, the samples and the limits."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Tensor,
        queries: Tensor | None = None,
        memory: int = 2 << 30,
        precision: str = "fp32",
        tick: Tick | None = None,
        scratch: Path | str | None = None,
        form: str = "best",
    ) -> None:
        self.model, self.inputs, self.queries = model, inputs.detach(), None if queries is None else queries.detach()
        self.memory, self.tick, self.scratch, self.form = int(memory), tick, scratch, form
        self.precision: Precision = named(precision)
        if inputs.dim() < 2 or not len(inputs):
            raise UserError(f"inputs: expected one sample or more, (N, ...), found {tuple(inputs.shape)}")
        if queries is not None and (
            queries.shape[1:] != inputs.shape[1:] or not len(queries) or queries.dtype != inputs.dtype
        ):
            raise UserError(
                f"queries: expected samples of the inputs' shape and type, {tuple(inputs.shape[1:])} {inputs.dtype}, "
                f"found {tuple(queries.shape)} {queries.dtype}"
            )
        for name, tensor in model.named_parameters():
            if tensor.device != inputs.device:
                raise UserError(
                    f"inputs: expected the device of {name}, {tensor.device}, found {inputs.device}; move one of them"
                )
            if tensor.dtype != inputs.dtype:
                raise UserError(
                    f"inputs: expected the type of {name}, {tensor.dtype}, found {inputs.dtype}; convert one of them"
                )
        demands.network(model)
        self.count = len(inputs) + (0 if queries is None else len(queries))
        picked = torch.linspace(0, self.count - 1, min(demands.TOGETHER, self.count)).long().tolist()
        self.few = torch.cat([self.samples(index, index + 1) for index in picked])
        self.few_known = [*model.parameters(), *model.buffers(), self.inputs, *([] if queries is None else [queries])]
        with switches(PRECISIONS["fp32"]), Peak(self.few_known) as peak:  # what TF32 rounds is no mixing of samples
            demands.independent(model, self.few)
            with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
                self.outputs = model(self.few[:1]).shape[1]
        self.peak = peak.bytes

    def samples(self, first: int, last: int) -> Float[Tensor, "samples ..."]:
        """Some of the inputs with the queries behind them."""
        known = len(self.inputs)
        if self.queries is None or last <= known:
            return self.inputs[first:last]
        if first >= known:
            return self.queries[first - known : last - known]
        return torch.cat([self.inputs[first:], self.queries[: last - known]])

    def kernel(self, directions: Float[Tensor, "count d"], shape: str) -> Float64[Tensor, "..."]:
        """Compute it.

        Args:
            directions: (count, d).
            shape: ``scalar``, ``full`` or ``diagonal``.
        """
        with switches(self.precision):
            return self._kernel(directions, shape)

    def plan(self, directions: Tensor, shape: str) -> tuple[Anatomy, PassPlan]:
        """Take the network apart and decide what is held when."""
        with switches(PRECISIONS["fp32"]), Peak(self.few_known) as peak:
            anatomy = examine(self.model, self.few, directions, self.precision)
        rows, columns, count = self._shape()
        number = len(directions)
        blocks = {"scalar": 1, "diagonal": number, "full": number * (number + 1) // 2}[shape]
        entries = rows * columns * (number**2 if shape == "full" else blocks)
        copies = 1 + (kept_sums.COPIES if self.scratch is not None else 0)
        size = Size(
            count, rows, columns, number, blocks, 8 * entries * copies,
            max(self.peak, peak.bytes) + self.few.numel() * self.few.element_size(), self._sample(anatomy),
            "cuda" if self.inputs.device.type == "cuda" else "cpu",
        )  # fmt: skip
        return anatomy, make(anatomy.units, size, self.memory, self.precision, self.form)

    def _sample(self, anatomy: Anatomy) -> int:
        # a chunk that lies in inputs and queries is a copy
        return anatomy.sample + (0 if self.queries is None else self.few[0].numel() * self.few.element_size())

    def _shape(self) -> tuple[int, int, int]:
        columns = len(self.inputs)
        return self.count - columns or columns, columns, self.count

    def _kernel(self, directions: Tensor, shape: str) -> Tensor:
        floating = next((one.dtype for one in self.model.parameters()), self.inputs.dtype)
        directions = directions.to(self.inputs.device, floating)
        anatomy, plan = self.plan(directions, shape)
        self.few = self.few[:0].clone()
        rows, columns, _ = self._shape()
        number = len(directions)
        total = {"scalar": (), "diagonal": (number,), "full": (number,)}[shape]
        kernel = torch.zeros(
            *total, rows, *((number,) if shape == "full" else ()), columns,
            dtype=torch.float64, device=self.inputs.device,
        )  # fmt: skip
        blocks = _blocks(kernel, number, shape)
        known = len(self.inputs)
        sides = gram.Sides((0, known) if self.queries is None else (known, self.count), (0, known))
        name = "none" if self.scratch is None else self._identity(directions, shape, plan)
        progress = kept_sums.Saved(self.scratch, name)
        done = progress.read(kernel)
        for index in range(done, len(plan.passes)):
            _Pass(self, anatomy, plan, directions, index).run(blocks, sides)
            progress.write(kernel, index + 1)
            if self.tick is not None:
                chunks = -(-self.count // plan.samples)
                self.tick((index + 1) * chunks, len(plan.passes) * chunks)
        demands.finite(torch.isfinite(kernel.sum()))
        gram.mirror(blocks, sides, plan.tile)
        if shape == "full":
            for first in range(number):
                for second in range(first):
                    kernel[first, :, second].copy_(kernel[second, :, first].T)
        found = kernel.cpu()
        progress.clear()
        return found

    def _identity(self, directions: Tensor, shape: str, plan: PassPlan) -> str:
        tensors = [*self.model.named_parameters(), *self.model.named_buffers()]
        tensors += [("inputs", self.inputs), ("directions", directions)]
        if self.queries is not None:
            tensors.append(("queries", self.queries))
        return kept_sums.identity(tensors, f"{VERSION} {shape} {self.precision} {self.inputs.device.type} {plan}")


def _blocks(kernel: Tensor, number: int, shape: str) -> list[gram.Block]:
    if shape == "scalar":
        return [gram.Block(0, 0, kernel)]
    if shape == "diagonal":
        return [gram.Block(index, index, kernel[index]) for index in range(number)]
    return [gram.Block(k, l, kernel[k, :, l]) for k in range(number) for l in range(k, number)]


class _Pass:
    """One pass over the samples: gradients of some parameters for all of them, then their Gram matrix."""

    def __init__(self, work: KernelCall, anatomy: Anatomy, plan: PassPlan, directions: Tensor, index: int) -> None:
        self.work, self.anatomy, self.plan, self.directions, self.index = work, anatomy, plan, directions, index
        self.pieces = plan.passes[index]
        self.by_layer: dict[str, list[int]] = {}
        self.general: list[int] = []
        for at, piece in enumerate(self.pieces):
            layer = piece.unit.layer
            (self.general if layer is None else self.by_layer.setdefault(layer, [])).append(at)
        self.first = 0
        self.held = {at: self._allocate(piece) for at, piece in enumerate(self.pieces)}
        self.fed: dict[int, Tensor] = {}  # inputs of layers in factor form

    def _allocate(self, piece: Piece) -> Tensor:
        unit, number, samples = piece.unit, len(self.directions), self.work.count
        shape = (unit.count, unit.o) if piece.form == "factor" else ((piece.last - piece.first) * unit.width,)
        stored, device = self.work.precision.stored, self.work.inputs.device
        return torch.empty(number, samples, *shape, dtype=stored, device=device)

    def run(self, blocks: list[gram.Block], sides: gram.Sides) -> None:
        """Fill what is held, chunk by chunk, and add its Gram matrices to the kernel."""
        work, step = self.work, self.plan.samples
        modules = {name: self.anatomy.modules[name] for name in self.by_layer}
        chunks = range(0, work.count, step)
        good = torch.ones((), dtype=torch.bool, device=work.inputs.device)
        for number, first in enumerate(chunks):
            self.first = first
            batch = work.samples(first, min(first + step, work.count))
            if modules:
                outputs_good = deltas(work.model, modules, batch, self.directions, self._take)
                good.logical_and_(outputs_good)
            if self.general:
                self._take_general(batch)
            del batch
            if work.tick is not None and number + 1 < len(chunks):
                work.tick(self.index * len(chunks) + number + 1, len(self.plan.passes) * len(chunks))
        demands.finite(good)
        for at, piece in enumerate(self.pieces):
            held, layer = self.held.pop(at), piece.unit.layer
            if piece.form == "gradient" or layer is None:
                gram.add_gradients(blocks, sides, held, piece.tile)
            else:
                see = functools.partial(layers.patches, self.anatomy.modules[layer])
                gram.add_factors(blocks, sides, self.fed.pop(at), held, see, piece.tile)
            del held

    def _take(self, layer: str, k: int, a: Tensor, delta: Tensor) -> None:
        module, gradient = self.anatomy.modules[layer], self.work.precision.gradient
        delta = layers.positions(module, delta).to(gradient)
        here = slice(self.first, self.first + len(delta))
        seen: Tensor | None = None
        for at in self.by_layer[layer]:
            piece = self.pieces[at]
            if piece.form == "factor":
                self._take_factors(at, k, a, delta, here)
                continue
            if piece.unit.kind == "weight" and seen is None:
                seen = layers.patches(module, a.to(gradient))
            fed = a if seen is None or piece.unit.kind != "weight" else seen
            gradients(piece.unit, module, fed, delta, self.held[at][k, here], slice(piece.first, piece.last))

    def _take_factors(self, at: int, k: int, a: Tensor, delta: Tensor, here: slice) -> None:
        self.held[at][k, here] = delta.transpose(1, 2)
        if at not in self.fed:
            shape = (self.work.count, *a.shape[1:])
            self.fed[at] = torch.empty(shape, dtype=self.work.precision.stored, device=a.device)
        if k == 0:
            self.fed[at][here] = a

    def _take_general(self, batch: Tensor) -> None:
        mine = [(at, self.pieces[at]) for at in self.general]
        names = list(dict.fromkeys(piece.unit.name for _, piece in mine))
        here = slice(self.first, self.first + len(batch))
        for k, direction in enumerate(self.directions):
            found = dict(zip(names, self.anatomy.per_sample(self.work.model, names, batch, direction), strict=True))
            for at, piece in mine:
                self.held[at][k, here] = found[piece.unit.name].flatten(1)[:, piece.first : piece.last]
            del found
