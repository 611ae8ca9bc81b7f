"""What is claimed about the empirical tangent kernel, measured in one run on this machine.

    python bench/ntk.py [--json FILE] [--samples N] [--budgets GIB ...] [--large | --only-large]

ResNet-18 with the stem for 32x32 images and the two-layer projector, 50 outputs, on the CPU: the kernel as
pipeline/kernels computes it, and as one would write it plainly, `vmap(grad)` over all samples for a few parameters at a
time. Each in a process of its own, so that the peak of its memory is its own; both must give the same kernel, to 1e-4
of its largest entry. Times are CPU times of all threads, which a busy machine disturbs least, and the least of two.
Then which form some layers take and how long both forms take, and errors of lower precision. With --large and a GPU
also ResNet-50 on 2000 images of 96x96.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.kernels.memory import readable  # noqa: E402
from pipeline.kernels.tangent import KernelCall, tangent_kernel  # noqa: E402
from pipeline.nets.encoders.resnet18 import build as resnet18  # noqa: E402
from pipeline.nets.projectors.mlp import build as mlp  # noqa: E402

AGREE = 1e-4
OUTPUTS = 50
REPEATS = 2  # the least counts: memory that is touched first costs more
CHUNK = 16  # samples at once of the plain way; more take more memory and are no faster
LAYERS = ("layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv2", "layer4.0.conv1", "layer4.1.conv2", "1.first")


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Encoder and projector with the same weights in every process."""
    torch.manual_seed(0)
    encoder = resnet18((3, 32, 32))
    return nn.Sequential(encoder, mlp(encoder.features, out=OUTPUTS)).to(dtype).eval()


def images(count: int, size: int = 32) -> Tensor:
    """Random images."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def plain(model: nn.Module, x: Tensor, memory: int) -> Tensor:
    """Per-sample gradients of as many parameters as fit the budget, for all samples, and their Gram matrix."""
    kernel = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    rest = {name: parameter.detach() for name, parameter in model.named_parameters()}
    groups, size = [{}], 0
    for name, parameter in rest.items():
        needed = 4 * len(x) * parameter.numel()
        if groups[-1] and size + needed > memory:
            groups.append({})
            size = 0
        groups[-1][name] = parameter
        size += needed
    for group in groups:
        fixed = {name: parameter for name, parameter in rest.items() if name not in group}

        def g(some: dict[str, Tensor], sample: Tensor, fixed: dict[str, Tensor] = fixed) -> Tensor:
            return functional_call(model, some | fixed, (sample[None],)).sum() / OUTPUTS**0.5

        with torch.no_grad():
            parts = [vmap(grad(g), in_dims=(None, 0))(group, chunk) for chunk in x.split(CHUNK)]
            for name in group:
                one = torch.cat([part.pop(name).flatten(1) for part in parts])
                kernel += one @ one.T
                del one
    return kernel.cpu()


def child(way: str, count: int, memory: int, target: Path) -> None:
    """One kernel in this process; what was resident before is taken off its peak."""
    model, x = network(), images(count)
    with torch.no_grad():
        model(x[:2])
    before = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(REPEATS):
        started, wall = time.process_time(), time.perf_counter()
        if way == "plain":
            kernel = plain(model, x, memory // 2)
        else:
            kernel = tangent_kernel(model, x, memory=memory, precision=way)
        times.append((time.process_time() - started, time.perf_counter() - wall))
    spent, wall = min(times)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.save({"kernel": kernel, "seconds": spent, "wall": wall, "peak": peak - before}, target)


def measured(way: str, count: int, memory: int) -> dict:
    """The same in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "found.pt"
        arguments = ["--child", way, "--samples", str(count), "--memory", str(memory), "--target", str(target)]
        subprocess.run([sys.executable, __file__, *arguments], check=True)
        return torch.load(target)


def compare(count: int, memories: list[int]) -> list[dict]:
    """Ours and the plain way at several budgets."""
    found = []
    for memory in memories:
        ours, theirs = measured("fp32", count, memory), measured("plain", count, memory)
        difference = float((ours["kernel"] - theirs["kernel"]).abs().max() / theirs["kernel"].abs().max())
        if not difference <= AGREE:
            sys.exit(f"the kernels differ by {difference:.1e} of the largest entry, more than {AGREE:g}")
        found.append({
            "samples": count, "budget": memory, "ours_s": ours["seconds"], "plain_s": theirs["seconds"],
            "ours_peak": ours["peak"], "plain_peak": theirs["peak"], "difference": difference,
            "ours_wall_s": ours["wall"], "plain_wall_s": theirs["wall"],
            "factor": theirs["seconds"] / ours["seconds"],
        })  # fmt: skip
        print(
            f"{count} samples, budget {memory / 2**30:.2g} GiB: ours {ours['seconds']:.1f} s, "
            f"{ours['peak'] / 2**30:.2f} GiB; vmap(grad) {theirs['seconds']:.1f} s, "
            f"{theirs['peak'] / 2**30:.2f} GiB; {found[-1]['factor']:.2g} times faster "
            f"(on the wall clock {theirs['wall'] / ours['wall']:.2g}); differ by {difference:.0e}",
            flush=True,
        )
    return found


class Only(nn.Module):
    """A network of which one parameter is left to be differentiated; the others are buffers."""

    def __init__(self, model: nn.Module, kept: str) -> None:
        super().__init__()
        self.model = model
        for path, module in model.named_modules():
            for name, parameter in list(module._parameters.items()):
                if parameter is not None and f"{path}.{name}" != f"{kept}.weight":
                    del module._parameters[name]
                    module.register_buffer(name, parameter.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to (batch, d)."""
        return self.model(x)


def forms(count: int) -> list[dict]:
    """Seconds of both forms, beyond those of the passes without any, for some layers."""
    found = []
    for name in (f"0.{layer}" if layer[0] == "l" else layer for layer in LAYERS):
        model, x = Only(network(), name).eval(), images(count)
        direction = torch.full((1, OUTPUTS), OUTPUTS**-0.5)
        spent, kernels = {}, {}
        for form in ("gradient", "factor", "best"):
            work = KernelCall(model, x, None, 4 << 30, "fp32", None, None, form=form)
            _, plan = work.plan(direction, "scalar")
            started = time.process_time()
            kernels[form] = work.kernel(direction, "scalar")
            spent[form] = time.process_time() - started
            taken = plan.passes[0][0].form
        unit = plan.passes[0][0].unit
        largest = kernels["gradient"].abs().max()
        found.append({
            "layer": name, "p": unit.p, "o": unit.o, "positions": unit.count, "taken": taken,
            "gradient_s": spent["gradient"], "factor_s": spent["factor"],
            "difference": float((kernels["factor"] - kernels["gradient"]).abs().max() / largest),
        })  # fmt: skip
        one = found[-1]
        print(
            f"{name:<20} p {unit.p:>5}, o {unit.o:>4}, T {unit.count:>5}   gradient {one['gradient_s']:>6.2f} s   "
            f"factor {one['factor_s']:>6.2f} s   takes {taken:<9} differ by {one['difference']:.0e}",
            flush=True,
        )
    return found


def errors(count: int) -> dict:
    """Relative error of each precision against float64, network included."""
    x = images(count)
    expected = tangent_kernel(network(torch.float64), x.double(), precision="fp64")
    model, found = network(), {}
    for precision in ("fp64", "fp32", "bf16"):
        kernel = tangent_kernel(model, x, precision=precision)
        found[precision] = float((kernel - expected).norm() / expected.norm())
    print("errors of a float32 network with products in " + ", ".join(f"{k}: {v:.1e}" for k, v in found.items()))
    return found


def large(count: int) -> Iterator[dict]:
    """ResNet-50 on a GPU, one budget after the other."""
    from torchvision.models import resnet50

    torch.manual_seed(0)
    model = resnet50(num_classes=OUTPUTS).eval().cuda()
    x, reference = images(count, 96).cuda(), None
    tangent_kernel(model, x[:64], memory=8 << 30, precision="fp32")  # libraries start
    for precision in ("fp32", "tf32", "bf16"):
        for memory in (16 << 30, 48 << 30):
            if memory > torch.cuda.mem_get_info()[0]:
                continue
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            started = time.perf_counter()
            kernel = tangent_kernel(model, x, memory=memory, precision=precision)
            spent = time.perf_counter() - started
            reference = kernel if reference is None else reference
            one = {
                "samples": count, "precision": precision, "budget": memory, "seconds": spent,
                "peak": torch.cuda.max_memory_allocated() - before,
                "difference": float((kernel - reference).norm() / reference.norm()),
            }  # fmt: skip
            print(
                f"ResNet-50, {count} images of 96x96, {precision}, budget {readable(memory)}: {spent:.1f} s, "
                f"peak {readable(one['peak'])}, differs from fp32 by {one['difference']:.0e}",
                flush=True,
            )
            yield one


def main() -> None:
    """Measure everything, print tables, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--samples", type=int, default=128, help="images (128)")
    parser.add_argument("--large", action="store_true", help="ResNet-50 on a GPU too")
    parser.add_argument("--only-large", action="store_true", help="ResNet-50 on a GPU alone")
    parser.add_argument("--budgets", type=float, nargs="+", default=[1.0, 4.0], help="in GiB (1 4)")
    for hidden in ("--child", "--target"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, default=2 << 30, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.samples, arguments.memory, Path(arguments.target))
        return
    found: dict = {"threads": torch.get_num_threads()}
    if not arguments.only_large:
        found["comparison"] = compare(arguments.samples, [int(2**30 * budget) for budget in arguments.budgets])
        found["forms"] = forms(min(32, arguments.samples))
        found["errors"] = errors(min(32, arguments.samples))
    if arguments.large or arguments.only_large:
        if not torch.cuda.is_available():
            sys.exit("--large: expected a GPU, PyTorch finds none")
        found["large"] = []
        for one in large(2000):
            found["large"].append(one)
            write(arguments.json, found)
    write(arguments.json, found)


def write(path: Path | None, found: dict) -> None:
    """Write what there is so far to a file, if one was asked for."""
    if path:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
