"""The empirical tangent kernel: against explicit Jacobians, closed forms, budgets of memory, interruptions, bad input."""

from __future__ import annotations

import copy
import importlib.util
import itertools
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, jacrev
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from pipeline.errors import UserError
from pipeline.kernels import gram
from pipeline.kernels.tangent import KernelCall, diagonal_kernel, full_kernel, tangent_kernel
from pipeline.nets.encoders.tiny_conv import build as tiny_conv
from pipeline.nets.projectors.mlp import build as mlp
from pipeline.papers.stepwise import wide


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prepare(model, seed=0):
    """Random weights, affine parts and running statistics; float64, evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 1.0 if parameter.dim() < 2 else parameter[0].numel() ** -0.5
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator, dtype=torch.float64))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator, dtype=torch.float64))
    return model


def jacobian(model, x):
    """(N, d, P), every entry held."""
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    found = jacrev(lambda given: functional_call(model, given, (x,)))(parameters)
    return torch.cat([one.flatten(2) for one in found.values()], dim=2)


def images(count, *shape, seed=1):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(found, expected, tolerance=1e-12):
    assert found.shape == expected.shape
    assert found.dtype == torch.float64 and found.device.type == "cpu"
    assert float((found - expected).abs().max()) <= tolerance * float(expected.abs().max())


class Residual(nn.Module):
    """A block with strides, a shortcut and activations in place, as in a ResNet."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.shortcut(x)
        return self.relu(out)


class Means(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Shared(nn.Module):
    """One layer used twice, and one weight in two layers."""

    def __init__(self):
        super().__init__()
        self.twice = nn.Linear(6, 6)
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.b.weight = self.a.weight
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.tanh(self.twice(torch.tanh(self.twice(x))))
        return self.last(torch.tanh(self.b(torch.tanh(self.a(x)))))


class Peculiar(nn.Module):
    """Parameters of its own, a normalisation, a weight that is read without its layer, one that is not used at all."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(5))
        self.norm = nn.LayerNorm(5)
        self.first = nn.Linear(4, 5)
        self.read = nn.Linear(5, 5)
        self.idle = nn.Linear(7, 7)
        self.unread = nn.Parameter(torch.ones(2))
        self.last = nn.Linear(5, 2)

    def forward(self, x):
        x = torch.tanh(self.norm(self.first(x)) * self.scale)
        x = self.read(x) + nn.functional.linear(torch.tanh(x), self.read.weight)
        return self.last(x)


class Stubborn(nn.Module):
    """Looks at values, so that it cannot be vectorised."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        factor = 2.0 if len(x) == 1 and float(x.sum()) > 1e6 else 1.0
        return self.last(torch.sin(self.scale * x) * factor)


class Sequence(nn.Module):
    """Linear layers over positions; one of them sees positions and samples as one axis."""

    def __init__(self):
        super().__init__()
        self.first, self.flat, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = torch.tanh(self.first(input=x))
        x = torch.tanh(self.flat(x.flatten(0, 1))).view(x.shape)
        return self.last(x).sum(1)


class Stopped(nn.Module):
    """A branch without gradients and one whose hook never fires."""

    def __init__(self):
        super().__init__()
        self.quiet, self.loud, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        with torch.no_grad():
            quiet = self.quiet(x)
        return self.last(torch.tanh(self.loud(x) + quiet))


def make_tiny():
    encoder = tiny_conv((3, 8, 8), channels=[4, 6, 8], strides=[1, 2, 2])
    return nn.Sequential(encoder, mlp(encoder.features, hidden=7, out=4, affine=True))


CASES = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6, bias=False), nn.ReLU(True), nn.Linear(6, 3)), (5,)),
    "tiny_conv and projector": (make_tiny, (3, 8, 8)),
    "residual": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2), Residual(3, 4, 1), Residual(4, 5, 2), Means(), nn.Linear(5, 3)),
        (2, 8, 8),
    ),
    "convolutions of all kinds": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(2, 0), dilation=(1, 2)), nn.Tanh(), nn.Conv2d(4, 6, 3, padding=2, dilation=2, bias=False), nn.ReLU(True),
            nn.Conv2d(6, 6, 3, groups=3, padding=1), nn.Tanh(), nn.Conv2d(6, 4, 2, padding="same"), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
            nn.Flatten(), nn.LazyLinear(3),
        ),
        (2, 7, 6),
    ),
    "norms": (lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 6), nn.BatchNorm1d(6, affine=False), nn.Tanh(), nn.Linear(6, 2)), (4,)),
    "shared": (Shared, (6,)),
    "peculiar": (Peculiar, (4,)),
    "stubborn": (Stubborn, (4,)),
    "sequence": (Sequence, (5, 3)),
    "stopped": (Stopped, (4,)),
    "no parameters before the end": (lambda: nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Linear(12, 2)), (3, 2, 2)),
}  # fmt: skip


def case(name, count=7):
    build, shape = CASES[name]
    model, x = build(), images(count, *shape)
    with torch.no_grad():
        model.double().eval()(x)  # lazy layers take their shape
    return prepare(model), x


# against the Jacobian


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "form", ["best", pytest.param("gradient", marks=pytest.mark.slow), pytest.param("factor", marks=pytest.mark.slow)]
)
def test_kernels_are_products_of_the_jacobian(name, form):
    model, x = case(name)
    j = jacobian(model, x)
    d = j.shape[1]
    direction = images(1, d, seed=5)[0]
    mean, other = j.sum(1) / d**0.5, torch.einsum("nkp,k->np", j, direction)
    expected = torch.einsum("nkp,mlp->nkml", j, j)

    def work(queries=None, inputs=x):
        return KernelCall(model, inputs, queries, 1 << 28, "fp64", None, None, form=form)

    eye = torch.eye(d, dtype=torch.float64)
    close(work().kernel(eye, "full").permute(1, 0, 3, 2), expected)
    close(work().kernel(eye, "diagonal"), torch.einsum("nkp,mkp->knm", j, j))
    close(work().kernel(direction[None], "scalar"), other @ other.T)
    close(work(x[5:], x[:5]).kernel(direction[None], "scalar"), other[5:] @ other[:5].T)
    if form != "best":
        taken = {
            piece.form for one in work().plan(eye, "full")[1].passes for piece in one if piece.unit.kind == "weight"
        }
        assert taken <= {form}
    else:
        close(tangent_kernel(model, x, precision="fp64"), mean @ mean.T)
        close(tangent_kernel(model, x, precision="fp64", direction=direction), other @ other.T)
        close(tangent_kernel(model, x[:5], queries=x[5:], precision="fp64"), mean[5:] @ mean[:5].T)
        close(full_kernel(model, x, precision="fp64"), expected)
        close(diagonal_kernel(model, x, precision="fp64"), torch.einsum("nkp,mkp->knm", j, j))


def test_known_layers_do_not_take_the_general_way():
    for name, general in (
        ("residual", set()),
        ("shared", {"twice.weight", "twice.bias", "a.weight"}),
        ("peculiar", {"scale", "norm.weight", "norm.bias", "read.weight"}),
    ):
        model, x = case(name)
        anatomy, _ = KernelCall(model, x, None, 1 << 28, "fp64", None, None).plan(
            torch.ones(1, len(model(x[:1])[0])).double(), "scalar"
        )
        assert {unit.name for unit in anatomy.units if unit.kind == "general"} == general
    assert not {unit.name for unit in anatomy.units} & {"idle.weight", "idle.bias", "unread"}


layers = st.one_of(
    st.tuples(st.just("conv"), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2), st.booleans()),
    st.tuples(st.sampled_from(["norm", "relu", "tanh"])),
)  # fmt: skip


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(layers, min_size=1, max_size=5),
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from(["best", "gradient", "factor"]),
    st.integers(0, 99),
)
def test_random_networks(drawn, d, count, form, seed):
    parts, width, size = [], 2, 6
    for kind, *rest in drawn:
        if kind == "conv":
            after, kernel, stride, padding, dilation, bias = rest
            reach = size + 2 * padding - dilation * (kernel - 1) - 1
            if reach < 0:
                continue
            parts.append(nn.Conv2d(width, after, kernel, stride, padding, dilation, bias=bias))
            width, size = after, reach // stride + 1
        else:
            # a result that its own derivative needs (of tanh, of another ReLU) must not be changed in place
            place = bool(parts) and isinstance(parts[-1], (nn.Conv2d, nn.BatchNorm2d))
            parts.append({"norm": nn.BatchNorm2d(width), "relu": nn.ReLU(place), "tanh": nn.Tanh()}[kind])
    model = prepare(nn.Sequential(nn.Tanh(), *parts, nn.Flatten(), nn.Linear(width * size * size, d)), seed)
    x = images(count, 2, 6, 6, seed=seed)
    j = jacobian(model, x)
    close(
        KernelCall(model, x, None, 1 << 28, "fp64", None, None, form=form).kernel(torch.eye(d).double(), "full"),
        torch.einsum("nkp,mlp->knlm", j, j),
    )


def test_consistent():
    model, x = case("residual")
    d = 3
    full, u = full_kernel(model, x, precision="fp64"), images(1, d, seed=9)[0]
    close(torch.einsum("nkml,k,l->nm", full, u, u), tangent_kernel(model, x, precision="fp64", direction=u))
    close(torch.stack([full[:, k, :, k] for k in range(d)]), diagonal_kernel(model, x, precision="fp64"), 1e-13)
    flat = full.reshape(len(x) * d, -1)
    assert torch.equal(flat, flat.T)
    kernel = tangent_kernel(model, x, precision="fp64")
    assert torch.equal(kernel, kernel.T)
    for one in (flat, kernel):
        values = torch.linalg.eigvalsh(one)
        assert values[0] >= -1e-12 * values[-1]


# closed forms


def test_linear_network_has_the_kernel_of_its_inputs():
    x = images(6, 4)
    for d in (1, 3, 10):
        model = prepare(nn.Linear(4, d, bias=False))
        # g = sqrt(d) mean(W x): with d for sqrt(d) the kernel would be d x . x'
        close(tangent_kernel(model, x, precision="fp64"), x @ x.T, 1e-14)
        close(
            full_kernel(model, x, precision="fp64"), torch.einsum("nm,kl->nkml", x @ x.T, torch.eye(d).double()), 1e-14
        )


def test_deep_linear_network():
    model, x = prepare(nn.Sequential(nn.Linear(4, 6, bias=False), nn.Linear(6, 3, bias=False))), images(5, 4)
    first, last = model[0].weight.detach(), model[1].weight.detach()
    h = x @ first.T
    expected = torch.einsum("kl,nm->nkml", last @ last.T, x @ x.T) + torch.einsum(
        "kl,nm->nkml", torch.eye(3).double(), h @ h.T
    )
    close(full_kernel(model, x, precision="fp64"), expected, 1e-13)


def test_wide_network_of_the_theory():
    rng = np.random.default_rng(3)
    x, w, b = rng.standard_normal((8, 5)), rng.standard_normal((20, 5)), rng.standard_normal(20)
    v, c = rng.standard_normal((4, 20)), rng.standard_normal(4)
    theory = wide.WideNetwork(x @ w.T + b, x @ x.T + 1, v, c)
    model = nn.Sequential(nn.Linear(5, 20), nn.ReLU(inplace=True), nn.Linear(20, 4)).double().eval()
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), (w, b, v, c), strict=True):
            parameter.copy_(torch.from_numpy(value))
    close(
        tangent_kernel(model, torch.from_numpy(x), precision="fp64"), torch.from_numpy(theory.tangent_kernel()), 1e-13
    )


def test_convolution_position_by_position():
    """One convolution and a sum over positions: the gradient is a sum of patches, here by plain loops."""
    model = prepare(nn.Sequential(nn.Conv2d(2, 3, 2, stride=2, padding=1), Means(), nn.Linear(3, 1, bias=False)))
    x = images(3, 2, 4, 4)
    padded = np.zeros((3, 2, 6, 6))
    padded[:, :, 1:-1, 1:-1] = x.numpy()
    features = []
    last = model[2].weight.detach().numpy()[0]
    for one in padded:
        patch = sum(one[:, i : i + 2, j : j + 2] for i in (0, 2, 4) for j in (0, 2, 4)).ravel() / 9
        means = model[0].weight.detach().numpy().reshape(3, -1) @ patch + model[0].bias.detach().numpy()
        features.append(np.concatenate([np.outer(last, patch).ravel(), last, means]))
    close(
        tangent_kernel(model, x, precision="fp64"), torch.from_numpy(np.array(features) @ np.array(features).T), 1e-13
    )


THEIRS = """
import sys
import jax
import numpy as np
jax.config.update("jax_enable_x64", True)
import neural_tangents as nt

given = np.load(sys.argv[1])
p = [given[f"p{i}"] for i in range(6)]


def f(p, x):
    pad = ((1, 1), (1, 1))
    h = jax.lax.conv_general_dilated(x, p[0], (2, 2), pad, dimension_numbers=("NCHW", "OIHW", "NCHW"))
    h = jax.nn.relu(h + p[1][None, :, None, None]).reshape(len(x), -1)
    return jax.numpy.tanh(h @ p[2].T + p[3]) @ p[4].T + p[5]


way = nt.NtkImplementation.JACOBIAN_CONTRACTION
found = nt.empirical_ntk_fn(f, trace_axes=(), implementation=way)(given["x"], None, p)
np.save(sys.argv[2], np.asarray(found))
"""


def test_against_neural_tangents(tmp_path):
    """In a process of its own: JAX, TensorFlow and PyTorch do not get along in one."""
    if importlib.util.find_spec("neural_tangents") is None:
        pytest.skip("neural_tangents is not installed")
    layers = nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(80, 7), nn.Tanh()
    model, x = prepare(nn.Sequential(*layers, nn.Linear(7, 3))), images(6, 3, 8, 8)
    given = {f"p{i}": parameter.detach().numpy() for i, parameter in enumerate(model.parameters())}
    np.savez(tmp_path / "given.npz", x=x.numpy(), **given)
    command = [sys.executable, "-c", THEIRS, str(tmp_path / "given.npz"), str(tmp_path / "found.npy")]
    subprocess.run(command, check=True, timeout=300)
    found = torch.from_numpy(np.load(tmp_path / "found.npy")).permute(0, 2, 1, 3)
    close(full_kernel(model, x, precision="fp64"), found)
    close(tangent_kernel(model, x, precision="fp64"), found.sum((1, 3)) / 3)


# cost


@pytest.mark.parametrize("width", [4, 8])
def test_cost_is_linear_in_parameters_and_quadratic_in_inputs_only_in_the_product(width):
    """Counted, not timed: c + a N + b N^2 operations, b two for every parameter; factors need fewer."""
    model = prepare(nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36 * width, 5)))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    counted = {}
    for form in ("gradient", "best"):
        for count in (16, 32, 48, 64):
            with FlopCounterMode(display=False) as counter:
                work = KernelCall(model, images(count, 3, 8, 8), None, 1 << 30, "fp64", None, None, form)
                work.kernel(torch.ones(1, 5, dtype=torch.float64), "scalar")
            counted[form, count] = counter.get_total_flops()
    found = [counted["gradient", count] for count in (16, 32, 48, 64)]
    assert np.diff(found, 3) == 0
    assert np.diff(found, 2)[0] / (2 * 16**2) == 2 * parameters
    assert all(counted["best", count] <= counted["gradient", count] for count in (16, 32, 48, 64))


# budgets


class Alive(TorchDispatchMode):
    """Largest sum of bytes of storages that were made inside and not yet freed."""

    def __init__(self):
        super().__init__()
        self.sizes, self.peak = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        before = {one.untyped_storage()._cdata for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)}
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, torch.Tensor):
                storage = one.untyped_storage()
                key = storage._cdata
                if key not in before and key not in self.sizes:
                    self.sizes[key] = storage.nbytes()
                    weakref.finalize(storage, self.sizes.pop, key, None)
        self.peak = max(self.peak, sum(self.sizes.values()))
        return found


def least(model, x, **more):
    with pytest.raises(UserError, match="at least") as raised:
        tangent_kernel(model, x, memory=1, **more)
    return int(str(raised.value).split("at least ")[1].split()[0])


@pytest.mark.parametrize("name", [pytest.param("residual", marks=pytest.mark.slow), "peculiar", "mlp"])
def test_every_budget_gives_the_same(name):
    model, x = case(name, count=13)
    expected = tangent_kernel(model, x, precision="fp64")
    smallest = least(model, x, precision="fp64")
    passes = set()
    for memory in sorted({smallest, *(int(smallest * factor) for factor in (1.05, 1.3, 2, 5, 30))}):
        plan = KernelCall(model, x, None, memory, "fp64", None, None).plan(
            torch.ones(1, len(model(x[:1])[0])).double(), "scalar"
        )[1]
        passes.add(len(plan.passes))
        close(tangent_kernel(model, x, precision="fp64", memory=memory), expected, 1e-12)
    assert max(passes) > 1 and min(passes) == 1
    with pytest.raises(UserError, match="memory: expected a budget of at least"):
        tangent_kernel(model, x, precision="fp64", memory=smallest - 1)


@pytest.mark.parametrize(
    "precision", ["fp32", pytest.param("fp64", marks=pytest.mark.slow), pytest.param("bf16", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("count, factors", [(8, (1, 2, 10)), pytest.param(100, (5, 15), marks=pytest.mark.slow)])
def test_memory_stays_within_the_budget(precision, count, factors):
    model = prepare(
        nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1),
            nn.ReLU(True),
            Residual(12, 16, 2),
            Residual(16, 16, 2),
            Means(),
            nn.Linear(16, 5),
        )
    )
    model = model if precision == "fp64" else model.float()
    x = images(count, 3, 12, 12).to(next(model.parameters()).dtype)
    smallest = least(model, x, precision=precision)
    peaks = []
    for factor in factors:
        with Alive() as alive:
            found = tangent_kernel(model, x, precision=precision, memory=int(factor * smallest))
        assert found.shape == (count, count)
        peaks.append(alive.peak / (factor * smallest))
    assert max(peaks) <= 1.0, peaks
    # and the budget is used: the whole Jacobian would not fit, so a larger one must be taken up
    assert precision == "bf16" or peaks[1] > 0.25, peaks


@pytest.mark.parametrize("kernel", [full_kernel, pytest.param(diagonal_kernel, marks=pytest.mark.slow)])
def test_memory_of_kernels_of_all_outputs(kernel):
    model, x = case("residual", count=6)
    with pytest.raises(UserError, match="at least") as raised:
        kernel(model, x, memory=1)
    smallest = int(str(raised.value).split("at least ")[1].split()[0])
    expected = kernel(model, x, precision="fp64")
    for factor in (1, 4):
        with Alive() as alive:
            found = kernel(model, x, memory=factor * smallest)
        assert alive.peak <= factor * smallest
        close(found, expected, 1e-4)


def test_queries_within_the_budget():
    model, x = case("residual", count=20)
    expected = tangent_kernel(model, x, precision="fp64")[13:, :13]
    smallest = least(model, x[:13], queries=x[13:], precision="fp64")
    for memory in (int(1.5 * smallest), 20 * smallest):
        with Alive() as alive:
            found = tangent_kernel(model, x[:13], queries=x[13:], precision="fp64", memory=memory)
        assert alive.peak <= memory
        close(found, expected)


# precision


def test_errors_of_lower_precision():
    model, x = case("residual", count=20)
    expected = tangent_kernel(model, x, precision="fp64")
    single, given = copy.deepcopy(model).float(), x.float()
    errors = {}
    for precision in ("fp64", "fp32", "tf32", "bf16"):
        found = tangent_kernel(single, given, precision=precision)
        errors[precision] = float((found - expected).norm() / expected.norm())
    # measured: 2e-7, 2e-7, 2e-7 (a CPU has no TF32) and 3e-4
    assert errors["fp64"] < 2e-6 and errors["fp32"] < 2e-6 and errors["tf32"] < 2e-6
    assert 1e-6 < errors["bf16"] < 3e-3


def test_products_of_bf16_are_summed_in_float32():
    x, y = images(3, 100_001).bfloat16(), images(4, 100_001, seed=2).bfloat16()
    expected = x.double() @ y.double().T
    assert float((gram.product(x, y).double() - expected).abs().max()) < 1e-5 * float(expected.abs().max() + 100)


# interruptions


class Stop(Exception):
    pass


def stop_at(number):
    seen = []

    def tick(done, total):
        seen.append((done, total))
        if len(seen) == number:
            raise Stop

    return tick, seen


@pytest.mark.parametrize("kernel", [tangent_kernel, pytest.param(full_kernel, marks=pytest.mark.slow)])
def test_interrupted_and_resumed(tmp_path, kernel):
    model, x = case("residual", count=7)
    with pytest.raises(UserError) as raised:
        kernel(model, x, memory=1, precision="fp64", scratch=tmp_path)
    memory = int(1.5 * int(str(raised.value).split("at least ")[1].split()[0]))
    _, seen = stop_at(0)
    expected = kernel(
        model, x, precision="fp64", memory=memory, scratch=tmp_path, tick=lambda *state: seen.append(state)
    )
    assert not list(tmp_path.iterdir())
    total = seen[-1][1]
    assert [done for done, _ in seen] == list(range(1, total + 1))
    passes = len(
        KernelCall(model, x, None, memory, "fp64", None, tmp_path)
        .plan(
            torch.eye(3).double() if kernel is full_kernel else torch.ones(1, 3).double(),
            "full" if kernel is full_kernel else "scalar",
        )[1]
        .passes
    )
    assert passes >= 3
    chunks = total // passes
    resumed = 0
    for number in (1, chunks + 1, total):
        tick, _ = stop_at(number)
        with pytest.raises(Stop):
            kernel(model, x, precision="fp64", memory=memory, scratch=tmp_path, tick=tick)
        tick, seen = stop_at(0)
        found = kernel(model, x, precision="fp64", memory=memory, scratch=tmp_path, tick=tick)
        assert torch.equal(found, expected)
        assert len(seen) == total - number // chunks * chunks, "passes that were done are not done again"
        resumed += len(seen) < total
        assert not list(tmp_path.iterdir())
    assert resumed == 2


@pytest.mark.slow
def test_foreign_progress_is_ignored(tmp_path):
    model, x = case("residual", count=8)
    memory = int(1.5 * least(model, x, precision="fp64", scratch=tmp_path))

    def interrupt(model, x, **more):
        tick, _ = stop_at(24)
        with pytest.raises(Stop):
            tangent_kernel(
                model, x, **{"precision": "fp64", "memory": memory, "scratch": tmp_path, "tick": tick} | more
            )
        assert list(tmp_path.rglob("*.bin"))

    expected = tangent_kernel(model, x, precision="fp64", memory=memory, scratch=tmp_path)
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed[-1].bias += 1e-9
    statistics = copy.deepcopy(model)
    statistics[3].bn1.running_mean += 1e-9
    for other, others, more in (
        (changed, x, {}), (statistics, x, {}), (model, x + 1e-9, {}), (model, x, {"direction": torch.ones(3).double()}), (model, x, {"queries": x[:8], "memory": 2 * memory}), (model, x, {"memory": memory + 4000}),
    ):  # fmt: skip
        interrupt(other, others, **more)
        tick, seen = stop_at(0)
        found = tangent_kernel(model, x, precision="fp64", memory=memory, scratch=tmp_path, tick=tick)
        assert torch.equal(found, expected)
        assert seen[0][0] == 1, "from the start"
    interrupt(model, x)
    file = next(tmp_path.rglob("*.bin"))
    file.write_bytes(file.read_bytes()[:-1])
    assert torch.equal(tangent_kernel(model, x, precision="fp64", memory=memory, scratch=tmp_path), expected)


# the network is left as it was


def test_the_network_is_untouched():
    model, x = case("residual")
    model[0].weight.requires_grad_(False)
    for index, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, float(index)) if index % 2 else None
    flags = [parameter.requires_grad for parameter in model.parameters()]
    state = {name: (tensor.clone(), tensor._version) for name, tensor in model.state_dict().items()}
    grads = [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()]
    given = x.clone().requires_grad_()

    def stop(done, total):
        raise Stop

    expected = tangent_kernel(model, given, precision="fp64")
    for call in (
        lambda: tangent_kernel(model, given, tick=stop),
        lambda: full_kernel(model, given, tick=stop),
        lambda: tangent_kernel(model, given, memory=1),
    ):
        with pytest.raises((Stop, UserError)):
            call()
    with torch.no_grad():
        close(tangent_kernel(model, given, precision="fp64"), expected, 1e-15)
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    assert all(
        torch.equal(tensor, state[name][0]) and tensor._version == state[name][1]
        for name, tensor in model.state_dict().items()
    )
    assert all(
        (a.grad is None) == (b is None) and (b is None or torch.equal(a.grad, b))
        for a, b in zip(model.parameters(), grads, strict=True)
    )
    assert torch.is_grad_enabled() and given.grad is None and torch.equal(given, x)
    assert not any(module.training for module in model.modules())
    # what does not ask for gradients counts: a network that is loaded to be measured asks for none
    model.requires_grad_(False)
    close(tangent_kernel(model, x, precision="fp64"), expected, 1e-15)


def test_flags_of_the_backend_are_restored():
    model, x = case("mlp")
    for before in itertools.product((False, True), repeat=2):
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
        seen = set()
        tangent_kernel(
            model, x, precision="fp32", tick=lambda *_, seen=seen: seen.add(torch.backends.cuda.matmul.allow_tf32)
        )
        assert seen == {False}
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True


def test_one_sample_and_no_parameters():
    model, x = case("residual")
    close(tangent_kernel(model, x[:1], precision="fp64"), tangent_kernel(model, x, precision="fp64")[:1, :1])
    assert torch.equal(tangent_kernel(nn.Flatten().eval(), images(4, 2, 2)), torch.zeros(4, 4, dtype=torch.float64))


# errors


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(x - x.mean(0))


def test_training_mode():
    model, x = case("residual")
    model[3].bn1.train()
    with pytest.raises(UserError, match=r"module 3\.bn1: expected evaluation mode, found training mode"):
        tangent_kernel(model, x)
    with pytest.raises(UserError, match="model: expected evaluation mode"):
        tangent_kernel(model.train(), x)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value):
    model, x = case("residual")
    with torch.no_grad():
        model[4].conv2.weight[0, 0, 0, 0] = value
    with pytest.raises(UserError, match=r"parameter 4\.conv2\.weight: expected finite"):
        tangent_kernel(model, x)
    model, x = case("residual")
    model[4].bn2.running_var[1] = value
    with pytest.raises(UserError, match=r"buffer 4\.bn2\.running_var: expected finite"):
        tangent_kernel(model, x)


def test_samples_that_are_mixed():
    with pytest.raises(UserError, match="expected outputs that depend on one sample each"):
        tangent_kernel(prepare(Mixing()), images(5, 4))
    model = prepare(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)))
    with pytest.raises(UserError, match=r"module 1: expected running statistics, found a BatchNorm1d"):
        tangent_kernel(model, images(5, 4))


def test_outputs_that_are_not_finite():
    model, x = case("mlp", count=40)
    x[17] = float("inf")  # not among the samples that are looked at first
    with pytest.raises(UserError, match="expected finite outputs"):
        tangent_kernel(model, x)
    x[0] = float("nan")
    with pytest.raises(UserError, match="expected finite outputs"):
        tangent_kernel(model, x)


def test_arguments():
    model, x = case("mlp")
    for more, words in (
        ({"precision": "fp16"}, "precision: expected one of fp64, fp32, tf32, bf16, found fp16"),
        ({"direction": torch.ones(4)}, "direction: expected one number for each of the 3 outputs"),
        ({"queries": images(3, 6)}, "queries: expected samples of the inputs' shape and type"),
    ):
        with pytest.raises(UserError, match=words):
            tangent_kernel(model, x, **more)
    with pytest.raises(
        UserError, match=r"inputs: expected the type of 0\.weight, torch\.float64, found torch\.float32"
    ):
        tangent_kernel(model, x.float())
    with pytest.raises(UserError, match="inputs: expected one sample or more"):
        tangent_kernel(model, x[:0])
    with pytest.raises(UserError, match=r"model: expected outputs \(3, d\), found \(3, 2, 2\)"):
        tangent_kernel(nn.Sequential(nn.Linear(2, 2)).double().eval(), images(4, 2, 2))


@pytest.mark.gpu
@pytest.mark.parametrize("precision, tolerance", [("fp64", 1e-11), ("fp32", 1e-4), ("tf32", 1e-2), ("bf16", 1e-2)])
def test_on_a_gpu(precision, tolerance):
    model, x = case("residual", count=40)
    expected = tangent_kernel(model, x, precision="fp64")
    dtype = torch.float64 if precision == "fp64" else torch.float32
    model, x = model.to("cuda", dtype), x.to("cuda", dtype)
    close(tangent_kernel(model, x, precision=precision), expected, tolerance)
    close(tangent_kernel(model, x[:30], queries=x[30:], precision=precision), expected[30:, :30], tolerance)
