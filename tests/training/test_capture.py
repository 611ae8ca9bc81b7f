"""Steps at the speed of a GPU: no host in them, captured or eager the same numbers, and why not where not."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from trainings import Notes, content, execute, files_of, make_works, run_spec, write_noise
from waiting import NoWaiting, Waits, imagined_gpu

from pipeline import components
from pipeline.errors import UserError
from pipeline.monitor.report import Report
from pipeline.monitor.saver import Saver
from pipeline.nets import checkpoint
from pipeline.nets.directpred_rule import directpred_matrix
from pipeline.nets.network import Network
from pipeline.nets.predictors import directpred
from pipeline.nets.predictors.optimal import OptimalPredictor, optimal_matrix
from pipeline.nets.target import embed
from pipeline.numerics import device, saved_tensors
from pipeline.numerics.arithmetic import forward_context, upcast
from pipeline.numerics.device import prepare_device
from pipeline.training import capture, fusion, pretrain
from pipeline.training.capture import CAPTURED, FUSED, FUSING, PER_VIEW, StepRunner
from pipeline.training.fusion import MIN_STEPS_TO_COMPILE, Fuse, compiled, fuser
from pipeline.training.groups import parameter_groups
from pipeline.training.optimizers import adam, lars, sgd
from pipeline.training.step import TrainingStep

pytestmark = pytest.mark.usefixtures("unchecked")  # what is compiled is not to be wrapped

torch.set_num_threads(1)

NO_PREDICTOR = {"predictor": {"kind": "none"}, "target": {"kind": "same", "stop_gradient": False}}
ALWAYS = {"predictor": {"kind": "directpred"}}
METHODS: dict[str, dict[str, Any]] = {
    "directpred": ALWAYS,
    "directpred, floor": {"predictor": {"kind": "directpred", "epsilon": -0.1, "floor": 1e-4}},
    "directpred, partitions": {"predictor": {"kind": "directpred", "partitions": 2}},
    "directpred, now and then": {"predictor": {"kind": "directpred", "freq": 5}},
    "optimal": {"predictor": {"kind": "optimal", "every": 2}},
    "byol": {"predictor": {"kind": "mlp", "hidden": 12}},
    "simclr": {**NO_PREDICTOR, "objective": {"kind": "infonce"}},
    "barlow": {**NO_PREDICTOR, "objective": {"kind": "barlow"}},
    "vicreg": {**NO_PREDICTOR, "objective": {"kind": "vicreg"}},
    "isoloss": {
        "predictor": {"kind": "directpred", "epsilon_mode": "literal", "epsilon": 0.0, "cap": 1e6, "start": "zero"},
        "objective": {"kind": "isoloss_cosine"},
        "target": {"kind": "ema", "schedule": "cosine", "epochs": 2},
    },
    "isoloss, copy": {
        "predictor": {"kind": "directpred", "alpha": 1.0, "epsilon": 0.25, "average": "in_turn"},
        "objective": {"kind": "isoloss_euclidean"},
        "target": {"kind": "same"},
    },
    "simsiam in parts": {
        "predictor": {"kind": "mlp", "hidden": 12, "scheduled": False},
        "target": {"kind": "same"},
        "objective": {"kind": "cosine"},
        "accumulation": 2,
    },
}
OPTIMIZERS = {"sgd": sgd, "adam": adam, "lars": lars}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_step(spec: dict[str, Any]) -> TrainingStep:
    files = files_of(spec)
    network = pretrain.build_network(spec, (3, 8, 8), files, 0).train()
    groups = parameter_groups(network, spec["predictor"])
    params = {name: value for name, value in spec["objective"].items() if name != "kind"}
    objective = functools.partial(components.load(files["objective"]).loss, **params)
    optimizer = components.make(files["optimizer"], spec["optimizer"], groups)
    device = next(network.parameters()).device
    return TrainingStep(network, objective, optimizer, functools.partial(forward_context, spec["precision"], device))


# nothing in a step asks the host


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", METHODS)
def test_no_step_reads_a_number_back(method: str, optimizer: str, precision: str) -> None:
    # on the CPU, where reading costs nothing; with the predictor's root as on a GPU
    step = make_step(run_spec(**METHODS[method], optimizer={"kind": optimizer}, precision=precision))
    predictor = step.network.predictor
    if isinstance(predictor, OptimalPredictor):
        predictor.solve = functools.partial(optimal_matrix, method="products")
    elif hasattr(predictor, "rule"):
        predictor.rule["method"] = "products"
    views = [draw(4, 3, 8, 8), draw(4, 3, 8, 8, seed=1)]
    with NoWaiting() if optimizer != "adam" else contextlib.nullcontext():  # Adam counts its steps on the host here
        for due in (True, False):
            loss, embeddings = step(views, due)
    assert loss.isfinite() and loss.dtype == embeddings[0].dtype == torch.float32
    assert {p.dtype for p in step.network.parameters()} == {torch.float32}


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])  # PyTorch's fused Adam needs a real GPU
@pytest.mark.parametrize("method", METHODS)
def test_no_part_of_a_step_waits_for_a_gpu(method: str, optimizer: str) -> None:
    # all but autograd, which looks for the GPU
    spec = run_spec(**METHODS[method], encoder={"kind": "pixels"}, optimizer={"kind": optimizer})
    with imagined_gpu():
        step = make_step(spec)
        network = step.network
        for group in step.optimizer.param_groups:
            group["lr"] = torch.zeros(())
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        views = [torch.zeros(4, 3, 8, 8), torch.zeros(4, 3, 8, 8)]
        with NoWaiting(), torch.no_grad():
            for number in (1, 2):
                step.begin(number, torch.device("cuda"))
                embeddings, predictions, targets = network(views)
                assert step.loss(embeddings, predictions, targets).device.type == "cuda"
                step.optimizer.step()
                network.predictor.observe(embeddings, targets)
                network.predictor.after_step()
                network.strategy.after_step(step._target, step._online)


def test_the_imagined_gpu_notices_waiting() -> None:
    with imagined_gpu():
        x = torch.eye(3)
        for waits in (
            x.sum().item,
            lambda: bool(x.any()),
            x.cpu,
            x.nonzero,
            lambda: torch.linalg.eigh(x),
            lambda: torch.linalg.solve(x, x),
            lambda: directpred_matrix(x, epsilon=0.1, normalized=True, method="eigh"),
        ):
            with pytest.raises(Waits), NoWaiting():
                waits()


def test_views_do_not_wait_either() -> None:
    # constants are made at the first call, and on an imagined GPU they must not be remembered
    from pipeline.views import constants

    policy = components.make(
        components.find("views", "simclr"), {"blur_probability": 0.5, "blur_kernel": 0.3}, (3, 8, 8), None
    )
    drawn = policy.sample(4, torch.Generator().manual_seed(0))
    known, constants._made = constants._made, lambda *a: torch.zeros(len(a[0]))
    try:
        with imagined_gpu():
            imagined = type(drawn)(*(torch.empty(v.shape, dtype=v.dtype) for v in vars(drawn).values()))
            images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
            with NoWaiting():
                views = policy.apply(images, imagined)
            assert [view.device.type for view in views] == ["cuda", "cuda"]
    finally:
        constants._made = known


# rates on the device


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_in_a_tensor_is_the_same_rate(name: str) -> None:
    start = [draw(4, 3, seed=1), draw(5, seed=2)]

    def train(as_tensor: bool) -> list[Tensor]:
        parameters = [nn.Parameter(value.clone()) for value in start]
        optimizer = OPTIMIZERS[name].build([{"params": parameters, "lr_multiplier": 1.0}], lr=0.1, weight_decay=0.01)
        for step in range(5):
            for group in optimizer.param_groups:
                rate = 0.1 / (step + 1)
                group["lr"] = torch.tensor(rate, dtype=torch.float64) if as_tensor else rate
            optimizer.zero_grad()
            sum(p.square().square().sum() for p in parameters).backward()
            optimizer.step()
        return [p.detach() for p in parameters]

    for a, b in zip(train(True), train(False), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, start[0]) if a.shape == start[0].shape else True


def test_the_descent_of_a_gpu_rounds_twice() -> None:
    w, update = nn.Parameter(draw(1000)), draw(1000, seed=1)
    expected = w.detach() - torch.tensor(0.03) * update
    once = w.detach().double() - 0.03 * update.double()
    with torch.no_grad():
        # the operations of a rate on the device, which no CPU tensor reaches
        torch._foreach_sub_([w], torch._foreach_mul([update], torch.tensor(0.03)))
    assert torch.equal(w.detach(), expected)
    torch.testing.assert_close(w.detach().double(), once, rtol=3e-7, atol=1e-8)


# capture, with a recorder that records by taking notes


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> type[Notes]:
    """Runs on the CPU capture with :class:`Notes`."""
    recorder = type("Fresh", (Notes,), {"log": []})
    monkeypatch.setattr(pretrain, "StepRunner", functools.partial(StepRunner, recorder=recorder))
    return recorder


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_captured_run_has_the_bytes_of_an_eager_one(
    method: str, optimizer: str, data: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    spec = run_spec(
        **METHODS[method], optimizer={"kind": optimizer}, schedule={"kind": "cosine", "epochs": 2, "warmup": 1}
    )
    eager = execute(spec, [2], tmp_path / "a", data)
    log = request.getfixturevalue("notes").log
    captured = execute(spec, [1, 2], tmp_path / "b", data)
    assert captured[2] == eager[2]
    # 98 images: six minibatches of 16 and a smaller one, which is no replay
    kinds = 2 if set(METHODS[method]["predictor"]) & {"freq", "every"} else 1
    assert log.count("made") == log.count("recorded") == kinds and log.count("replayed") == 12
    assert log[:3] == ["made", "recorded", "replayed"]


def test_a_captured_run_goes_on_after_a_crash_and_from_a_milestone(
    data: Path, tmp_path: Path, notes: type[Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = run_spec(**ALWAYS)
    undisturbed = execute(spec, [1, 3], tmp_path / "a", data)
    resumed = execute(spec, [3], tmp_path / "b", data, resume=tmp_path / "a" / "epoch0001")
    assert resumed[3] == undisturbed[3]
    monkeypatch.setenv("SSL_PROGRESS_SECONDS", "0")
    real, taken = Notes.replay, [0]

    def failing(self: Notes) -> None:
        if taken[0] == 9:
            raise KeyboardInterrupt
        taken[0] += 1
        real(self)

    monkeypatch.setattr(Notes, "replay", failing)
    with pytest.raises(KeyboardInterrupt):
        execute(spec, [3], tmp_path / "c", data, scratch=tmp_path / "scratch")
    assert saved_tensors.read(tmp_path / "scratch") is not None
    monkeypatch.setattr(Notes, "replay", real)
    assert execute(spec, [3], tmp_path / "d", data, scratch=tmp_path / "scratch")[3] == undisturbed[3]


def test_state_that_is_put_back_is_captured_anew(data: Path, tmp_path: Path, notes: type[Notes]) -> None:
    spec = run_spec(**ALWAYS)
    milestone = tmp_path / "a" / "epoch0001"
    undisturbed = execute(spec, [1, 2], tmp_path / "a", data)
    run = pretrain.Run(make_works(spec, [2], tmp_path / "b", data)[0])
    saver, report = Saver(None), Report("x", 98, 7, io.StringIO())
    list(run.train_epoch(saver, report, 14))
    list(run.train_epoch(saver, report, 14))
    run.restore_payload(milestone)  # its tensors are others than those that were captured
    notes.log.clear()
    list(run.train_epoch(saver, report, 14))
    assert notes.log[:2] == ["made", "recorded"]
    run.write(tmp_path / "b" / "epoch0002", 2)
    assert content(tmp_path / "b" / "epoch0002") == undisturbed[2]


def linear_steps(
    after_step: Callable[[], None], recorder: Any, every: int = 1, fuse: Fuse | None = None
) -> tuple[StepRunner, Network]:
    step = make_step(run_spec(predictor={"kind": "linear"}))
    step.network.predictor.after_step, step.network.predictor.every = after_step, every
    identity = components.make(components.find("views", "identity"), {}, (3, 8, 8), None)
    return StepRunner(step, identity, 0, torch.device("cpu"), 4, fuse, recorder), step.network


FOUR = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)


def test_two_kinds_of_step_are_two_graphs_each_at_its_first_complete_minibatch() -> None:
    recorder = type("Fresh", (Notes,), {"log": []})
    calls: list[int] = []
    steps, network = linear_steps(lambda: calls.append(1), recorder, every=3)
    batches = network.state_dict()["encoder.norms.0.num_batches_tracked"]
    before = batches.clone()
    for number in (1, 2, 4):
        steps(FOUR, 0, number, number)
    assert not calls and recorder.log == ["made", "recorded", *["replayed"] * 3]
    steps(FOUR[:3], 0, 6, 6)  # due, but smaller
    assert len(calls) == 1 and len(recorder.log) == 5
    recorder.log.clear()
    steps(FOUR, 0, 9, 9)
    assert recorder.log == ["made", "recorded", "replayed"] and steps.mode == CAPTURED
    steps(FOUR, 0, 10, 10)
    steps(FOUR, 0, 12, 12)
    assert recorder.log[3:] == ["replayed"] * 2
    assert batches - before == 2 * 7  # two views in seven steps: the captures have left nothing behind


@pytest.mark.parametrize("due", [True, False])
def test_one_kind_of_step_may_be_eager_and_the_other_captured(due: bool) -> None:
    acting: list[bool] = []

    def warm_up(self: Notes, work: Callable[[], Any], times: int) -> None:
        acting.clear()
        work()
        if bool(acting) == due:
            raise RuntimeError("waits for the device")

    recorder = type("Fresh", (Notes,), {"log": [], "warm_up": warm_up})
    steps, _ = linear_steps(lambda: acting.append(True), recorder, every=2)
    assert steps.mode == CAPTURED
    for number in range(1, 7):
        steps(FOUR, 0, number, number)
    where = "adjusts itself" if due else "is left as it is"
    assert steps.mode == f"{CAPTURED}; eager where the predictor {where}: waits for the device"
    assert recorder.log.count("made") == 2 and recorder.log.count("replayed") == 3


def test_a_hook_for_which_the_device_must_be_read_makes_all_steps_eager_where_it_is_always_due() -> None:
    def warm_up(self: Notes, work: Callable[[], Any], times: int) -> None:
        work()
        raise RuntimeError("waits for the device")

    recorder = type("Fresh", (Notes,), {"log": [], "warm_up": warm_up})
    steps, network = linear_steps(lambda: None, recorder)
    before = network.state_dict()["encoder.norms.0.num_batches_tracked"].clone()
    steps(FOUR, 0, 0, 1)
    steps(FOUR, 0, 1, 2)
    assert steps.mode == "eager: waits for the device" and recorder.log == ["made"]
    assert network.state_dict()["encoder.norms.0.num_batches_tracked"] == before + 4


def test_out_of_memory_is_no_reason_to_go_on_slowly() -> None:
    def warm_up(self: Notes, work: Callable[[], Any], times: int) -> None:
        work()
        raise torch.OutOfMemoryError("CUDA out of memory")

    for fuse in (None, lambda function: function):
        recorder = type("Fresh", (Notes,), {"log": [], "warm_up": warm_up})
        steps, network = linear_steps(lambda: None, recorder, fuse=fuse)
        before = network.state_dict()["encoder.norms.0.num_batches_tracked"].clone()
        with pytest.raises(torch.OutOfMemoryError):
            steps(FOUR, 0, 0, 1)
        assert network.state_dict()["encoder.norms.0.num_batches_tracked"] == before and recorder.log == ["made"]


@pytest.mark.parametrize(
    "end", [RuntimeError("the capture was invalidated"), torch.AcceleratorError("CUDA error: out of memory")]
)
def test_out_of_memory_behind_the_end_of_a_capture_is_found(end: Exception) -> None:
    def record(self: Notes, work: Callable[[], Any]) -> Any:
        if isinstance(end, torch.AcceleratorError):
            raise end
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        except torch.OutOfMemoryError:
            raise end  # noqa: B904, what leaving a broken capture does

    steps, _ = linear_steps(lambda: None, type("Ending", (Notes,), {"log": [], "record": record}))
    with pytest.raises(torch.OutOfMemoryError):
        steps(FOUR, 0, 0, 1)


def test_no_gradient_of_the_warm_up_is_left_when_recording_begins() -> None:
    seen = []

    def record(self: Notes, work: Callable[[], Any]) -> Any:
        seen.extend(parameter.grad for parameter in network.parameters())
        return Notes.record(self, work)

    steps, network = linear_steps(lambda: None, type("Looking", (Notes,), {"log": [], "record": record}))
    steps(FOUR, 0, 0, 1)
    assert seen and not any(gradient is not None for gradient in seen)


def test_a_capture_that_broke_is_the_last_one() -> None:
    def record(self: Notes, work: Callable[[], Any]) -> Any:
        if len(type(self).log) > 3:
            raise RuntimeError("operation not permitted when stream is capturing")
        return Notes.record(self, work)

    recorder = type("Breaking", (Notes,), {"log": [], "record": record})
    steps, _ = linear_steps(lambda: None, recorder, every=3, fuse=lambda function: function)
    for number in (1, 2, 3, 4, 6):
        steps(FOUR, 0, number, number)
    # the second kind of step broke; the first is taken eagerly from then on too
    assert recorder.log == ["made", "recorded", "replayed", "replayed", "made"]
    assert steps.mode == "eager: operation not permitted when stream is capturing"


class Streams:
    """Stands for torch.cuda: notes who waits for whom, and what is current."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.current = self.lane = Streams.Stream(self, "lane")
        self.side = Streams.Stream(self, "side")

    class Stream:
        def __init__(self, of: Streams, name: str) -> None:
            self.of, self.name = of, name

        def wait_stream(self, other: Streams.Stream) -> None:
            self.of.log.append(f"{self.name} waits for {other.name}")

    def current_stream(self, device: Any) -> Streams.Stream:
        return self.current

    def set_stream(self, stream: Streams.Stream) -> None:
        self.current = stream

    @contextlib.contextmanager
    def stream(self, stream: Streams.Stream) -> Any:
        self.current = stream
        yield  # like a capture that fails, it leaves the stream current after an error
        self.current = self.lane


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    cuda = Streams()
    for name in ("current_stream", "set_stream", "stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(capture, "refuse_waiting", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(register_generator_state=lambda source: None))

    def graph(graph: Any, *, pool: Any, stream: Streams.Stream, capture_error_mode: str) -> Any:
        cuda.log.append(f"captures in {pool}")
        return cuda.stream(stream)

    monkeypatch.setattr(torch.cuda, "graph", graph)
    return cuda


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_whatever_becomes_of_warm_up_and_capture_their_stream_is_waited_for(
    fails: bool, records: bool, streams: Streams
) -> None:
    def work() -> Any:
        assert streams.current is streams.side
        streams.log.append("work")
        if fails:
            raise RuntimeError("waits")

    graph = capture.CudaGraph(torch.Generator(), streams.side, "pool")
    with pytest.raises(RuntimeError) if fails else contextlib.nullcontext():
        if records:
            graph.record(work)
        else:
            graph.warm_up(work, 2)
    made = ["captures in pool"] if records else []
    works = ["work"] if fails or records else ["work", "work"]
    assert streams.log == [*made, "side waits for lane", *works, "lane waits for side"]
    assert streams.current is streams.lane


def test_graphs_of_a_run_share_a_stream_and_memory(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: made.append(device) or streams.side)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "shared")
    graphs = capture.CudaGraphs(torch.device("cuda"))
    for _ in range(2):
        graphs(torch.Generator()).record(lambda: None)
    assert made == [torch.device("cuda")] and streams.log.count("captures in shared") == 2


def test_a_gpu_is_chosen_and_cublas_prepared_before_any_run(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv(device.WORKSPACE, "")
    monkeypatch.delenv(device.WORKSPACE)
    for name in ("cuda", "cuda:1"):
        prepare_device({"precision": "bf16"}, {"device": name})
    assert chosen == [torch.device("cuda:1")] and os.environ[device.WORKSPACE] == ":4096:8"
    prepare_device({"precision": "fp32"}, {"device": "cpu"})


def test_why_kernels_are_not_fused_is_what_the_compiler_says_and_not_what_it_was_doing() -> None:
    def broken(function: Callable[..., Any]) -> Callable[..., Any]:
        def raising(*args: Any) -> Any:
            try:
                {}["k"]
            except KeyError:
                raise RuntimeError("no C compiler")  # noqa: B904

        return raising

    steps, _ = linear_steps(lambda: None, type("Fresh", (Notes,), {"log": []}), fuse=broken)
    steps(FOUR, 0, 0, 1)
    assert steps.mode == f"{CAPTURED}, kernels not fused: no C compiler"


def test_the_reason_is_that_of_the_first_error() -> None:
    def record(self: Notes, work: Callable[[], Any]) -> Any:
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        except RuntimeError:
            raise RuntimeError("the capture was invalidated")  # noqa: B904, what leaving a broken capture does

    steps, _ = linear_steps(lambda: None, type("Ending", (Notes,), {"log": [], "record": record}))
    steps(FOUR, 0, 0, 1)
    assert steps.mode == "eager: operation not permitted when stream is capturing"


def test_what_is_wrong_with_a_step_and_not_with_its_capture_is_raised() -> None:
    def broken() -> None:
        raise ZeroDivisionError("wrong")

    steps, _ = linear_steps(broken, type("Fresh", (Notes,), {"log": []}))
    with pytest.raises(ZeroDivisionError, match="wrong"):
        steps(FOUR, 0, 0, 1)


def test_a_cpu_is_a_reason_and_the_report_says_it_first(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pretrain.Run(make_works(run_spec(), [1], tmp_path, data)[0])
    assert run.steps.mode == "eager: the device is a CPU"
    stream, clock = io.StringIO(), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock.__setitem__(0, clock[0] + 6.0) or clock[0])
    list(run.train_epoch(Saver(None), Report("name", 98, 7, stream), 7))
    first, second, *_ = stream.getvalue().splitlines()
    assert first == "name  eager: the device is a CPU" and "epoch 1/1" in second
    assert stream.getvalue().count("eager") == 1


# fused kernels; aot_eager goes through all of torch.compile but its last part, which wants a compiler

FUSED_HERE = ("directpred", "simsiam in parts", "vicreg")
"""A matrix that adjusts itself, a step in parts, a loss of both views: compiling takes seconds for each method."""

TRACED = functools.partial(compiled, backend="aot_eager")


@pytest.fixture
def fused(notes: type[Notes], monkeypatch: pytest.MonkeyPatch) -> type[Notes]:
    """Runs on the CPU capture functions that were compiled as far as that goes without a compiler."""
    monkeypatch.setattr(pretrain, "fuser", lambda device, deterministic, steps: TRACED)
    torch._dynamo.reset()
    return notes


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=() if name in FUSED_HERE else pytest.mark.slow) for name in METHODS]
)
def test_a_fused_run_is_the_plain_run_up_to_rounding(
    method: str, precision: str, data: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    spec = run_spec(**METHODS[method], precision=precision, optimizer={"kind": "sgd", "lr": 1e-5})
    execute(spec, [1], tmp_path / "a", data)
    log = request.getfixturevalue("fused").log
    run = pretrain.Run(make_works(spec, [1], tmp_path / "b", data)[0])
    assert run.steps.to_do == FUSING
    train(run, 1)
    assert run.steps.mode == FUSED and run.steps.to_do is None
    assert log.count("replayed") == 6
    run.write(tmp_path / "b" / "epoch0001", 1)
    plain, other = (history(tmp_path / name / "epoch0001") for name in "ab")
    assert other[0] == pytest.approx(plain[0], rel=1e-5 if precision == "fp32" else 1e-2)


def test_graphs_of_fused_kernels_are_shared_by_all_seeds_and_kinds_of_step(
    data: Path, tmp_path: Path, fused: type[Notes]
) -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    spec = run_spec(predictor={"kind": "directpred", "freq": 2})
    made = []
    for seed in range(3):
        run = pretrain.Run(make_works(spec, [1], tmp_path / f"{seed}", data, seed=seed)[0])
        train(run, 1)
        assert run.steps.mode == FUSED
        made.append(counters["stats"]["unique_graphs"])
    assert made == [4, 4, 4]  # parameters of views, views, branches with and without gradient


def test_the_wait_for_fused_kernels_is_said_beforehand_and_once(data: Path, tmp_path: Path, fused: type[Notes]) -> None:
    run = pretrain.Run(make_works(run_spec(**ALWAYS), [2], tmp_path, data)[0])
    stream = io.StringIO()
    saver, report = Saver(None), Report("name", 98, 7, stream)
    steps = run.train_epoch(saver, report, 14)
    next(steps)
    assert stream.getvalue() == f"name  {FUSING}\n"
    list(steps)
    list(run.train_epoch(saver, report, 14))
    assert stream.getvalue().count(FUSING) == 1


def test_nothing_that_is_fused_makes_a_tensor_of_numbers_on_the_host() -> None:
    # in a graph that would be a copy from the host in every replay
    made = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        made.extend(node for node in graph.graph.nodes if node.target is torch.tensor)
        return graph.forward

    torch._dynamo.reset()
    params = {
        "blur_probability": 0.5,
        "blur_kernel": 0.3,
        "solarize_probability": [0.0, 0.2],
        "interpolation": "bicubic",
    }
    normalize = {"mean": [0.5] * 3, "std": [0.2] * 3}
    policy = components.make(components.find("views", "simclr"), params, (3, 8, 8), normalize)
    images, source = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.Generator()
    found = compiled(policy, backend)(images, source.manual_seed(0))
    expected = policy(images, source.manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert not made


def test_what_cannot_be_fused_is_captured_as_it_is_and_says_why() -> None:
    def broken(function: Callable[..., Any]) -> Callable[..., Any]:
        def raising(*args: Any) -> Any:
            raise RuntimeError("no C compiler\nmore")

        return raising

    recorder = type("Fresh", (Notes,), {"log": []})
    steps, network = linear_steps(lambda: None, recorder, every=2, fuse=broken)
    before = network.state_dict()["encoder.norms.0.num_batches_tracked"].clone()
    for number in (1, 2, 3):
        steps(FOUR, 0, number, number)
    assert steps.mode == f"{CAPTURED}, kernels not fused: no C compiler"
    first = ["made", "made", "made", "recorded", "replayed"]  # in one pass, in two, not fused
    assert recorder.log == [*first, "made", "recorded", "replayed", "replayed"]
    assert network.state_dict()["encoder.norms.0.num_batches_tracked"] == before + 6


def test_where_one_pass_cannot_be_fused_two_are_and_it_says_so() -> None:
    sizes: list[int] = []

    def no_more_than_four(function: Callable[..., Any]) -> Callable[..., Any]:
        def limited(*args: Any) -> Any:
            sizes.append(len(args[-1]))
            if sizes[-1] > 4:
                raise RuntimeError("512 v.s. 1024")
            return function(*args)

        return limited if function is embed else function

    recorder = type("Fresh", (Notes,), {"log": []})
    steps, network = linear_steps(lambda: None, recorder, every=2, fuse=no_more_than_four)
    network.strategy = components.make(components.find("target", "same"), {"stop_gradient": True})
    for number in (1, 2, 3):
        steps(FOUR, 0, number, number)
    assert steps.mode == f"{PER_VIEW}: 512 v.s. 1024"
    assert recorder.log == ["made", "made", "recorded", "replayed", "made", "recorded", "replayed", "replayed"]
    assert sizes.count(8) == 1 and set(sizes) == {4, 8}


def test_more_shapes_than_pytorch_compiles_are_an_error_and_not_silence() -> None:
    torch._dynamo.reset()
    double = compiled(lambda x: 2 * x, "eager")
    with pytest.raises(Exception, match="recompile_limit"):
        for size in range(2, 40):
            double(torch.zeros(size))
    torch._dynamo.reset()


@pytest.mark.parametrize("first", [1, 2])
def test_a_kind_of_step_that_waits_takes_no_fused_kernels_from_the_other(first: int) -> None:
    acting: list[bool] = []

    def warm_up(self: Notes, work: Callable[[], Any], times: int) -> None:
        acting.clear()
        work()
        if acting:
            raise RuntimeError("waits for the device")

    recorder = type("Fresh", (Notes,), {"log": [], "warm_up": warm_up})
    steps, _ = linear_steps(lambda: acting.append(True), recorder, every=2, fuse=lambda function: function)
    for number in range(first, first + 4):
        steps(FOUR, 0, number, number)
    assert steps.mode == f"{FUSED}; eager where the predictor adjusts itself: waits for the device"
    assert recorder.log.count("replayed") == 2


def test_where_kernels_are_fused() -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert fuser(gpu, False, MIN_STEPS_TO_COMPILE) is not None
    for where, deterministic, steps in (
        (cpu, False, 10**6),
        (gpu, True, 10**6),
        (gpu, False, MIN_STEPS_TO_COMPILE - 1),
    ):
        assert fuser(where, deterministic, steps) is None


# arithmetic


def test_half_precision_is_widened_once_and_stays_the_same_tensor() -> None:
    half, double = draw(2, 3).bfloat16(), draw(2, 3).double()
    (a, b), (c,) = upcast([half, double], [half])
    assert a.dtype == torch.float32 and torch.equal(a, half.float())
    assert a is c and b is double


def history(folder: Path) -> list[tuple[float, ...]]:
    lines = (folder / checkpoint.HISTORY).read_text().splitlines()[1:]
    return [tuple(float(number) for number in line.split(",")[1:]) for line in lines]


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that differ by more than their noise, which is all that BatchNorm would leave of the others."""
    folder = write_noise(tmp_path_factory.mktemp("coloured"))
    arrays = checkpoint.read_tensors(folder / "arrays.safetensors")
    corners = torch.rand(98, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    images = nn.functional.interpolate(corners, size=8, mode="bilinear").mul(255).byte()
    save_file({**arrays, "train_images": images}, folder / "arrays.safetensors")
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_loss_curves_of_bf16_and_fp32_agree(method: str, coloured: Path, tmp_path: Path) -> None:
    curves = {}
    for precision in ("fp32", "bf16"):
        rate = {"barlow": 1e-4, "vicreg": 1e-4, "simclr": 2e-3, "optimal": 5e-4, "simsiam in parts": 1e-3}.get(
            method, 5e-3
        )
        rate = 1e-3 if method.startswith("isoloss") else rate  # its steps grow as the predictor's matrix shrinks
        spec = run_spec(**METHODS[method], precision=precision, optimizer={"kind": "sgd", "lr": rate})
        execute(spec, [4], tmp_path / precision, coloured)
        folder = tmp_path / precision / "epoch0004"
        curves[precision] = history(folder)
        state = checkpoint.read_tensors(folder / checkpoint.MODEL)
        assert {value.dtype for value in state.values()} <= {torch.float32, torch.int64}
        assert all(
            v.dtype == torch.float32
            for v in checkpoint.read_tensors(folder / checkpoint.STATE, ("optimizer",)).values()
        )
    # a few dozen images: after an epoch the two have drifted apart as two orders of the images would
    full, half = curves["fp32"], curves["bf16"]
    assert half != full
    assert half[0] == pytest.approx(full[0], rel=0.01)  # loss, spread and rank of the embeddings
    means = [sum(row[0] for row in curve) / len(curve) for curve in (full, half)]
    assert means[1] == pytest.approx(means[0], rel=0.08)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patterns of colour below noise: neighbours are telling, and not always right."""
    folder = write_noise(tmp_path_factory.mktemp("classes"))
    source = torch.Generator().manual_seed(0)
    labels = torch.arange(256) % 4
    patterns = torch.rand(4, 3, 2, 2, generator=source)[labels]
    mixed = 0.6 * patterns + 0.4 * torch.rand(256, 3, 2, 2, generator=source)
    images = nn.functional.interpolate(mixed, size=8, mode="bilinear").mul(255).byte()
    arrays = {"train_images": images, "train_labels": labels, "test_images": images[:8], "test_labels": labels[:8]}
    save_file({name: value.clone() for name, value in arrays.items()}, folder / "arrays.safetensors")
    meta = json.loads((folder / "meta.json").read_text()) | {"counts": {"train": 256, "test": 8}}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def loss_and_neighbours(data: Path, root: Path, precision: str, device: str) -> tuple[list[float], float]:
    """Losses of all epochs, and how often the label is that of most of the five nearest other images (cosine)."""
    spec = run_spec(**ALWAYS, views={"kind": "identity"}, precision=precision, optimizer={"kind": "sgd", "lr": 5e-3})
    run = train(pretrain.Run(make_works(spec, [6], root, data, device=device)[0]), 6)
    encoder, images = run.network.encoder.eval(), run.batches.images
    with torch.no_grad():
        features = nn.functional.normalize(encoder(images.float() / 255)).cpu()
    similar = (features @ features.T).fill_diagonal_(-1.0)
    votes = (similar.topk(5).indices % 4).mode(dim=1).values
    return [row[1] for row in run.history.rows], (votes == torch.arange(256) % 4).double().mean().item()


def test_bf16_has_the_neighbours_of_fp32(classes: Path, tmp_path: Path) -> None:
    losses, share = loss_and_neighbours(classes, tmp_path / "fp32", "fp32", "cpu")
    others, other = loss_and_neighbours(classes, tmp_path / "bf16", "bf16", "cpu")
    assert 0.5 < share < 1
    assert other == pytest.approx(share, abs=0.05)
    assert others == pytest.approx(losses, rel=0.02) and others != losses


def test_partitions_see_an_input_on_the_same_side_in_both_precisions() -> None:
    torch.manual_seed(0)
    predictor = directpred.build(8, partitions=4)
    embeddings = (3 + 0.1 * draw(500, 8)).bfloat16()  # as autocast leaves them
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = predictor.sides(embeddings)
    assert torch.equal(inside, predictor.sides(embeddings.float()))


def test_statistics_of_batchnorm_are_taken_in_float32() -> None:
    step = make_step(run_spec(**ALWAYS, precision="bf16"))
    seen = []
    step.objective = lambda predictions, targets: (
        seen.extend([*predictions, *targets]),
        predictions[0].square().mean(),
    )[1]
    step([1000 + draw(16, 3, 8, 8), 1000 + draw(16, 3, 8, 8, seed=1)], 1)
    assert {value.dtype for value in seen} == {torch.float32}
    buffers = dict(step.network.named_buffers())
    assert {b.dtype for name, b in buffers.items() if "running" in name or "correlation" in name} == {torch.float32}


def test_tf32_on_a_cpu_is_fp32(data: Path, tmp_path: Path) -> None:
    found = {}
    for precision in ("fp32", "tf32"):
        execute(run_spec(precision=precision), [1], tmp_path / precision, data)
        found[precision] = content(tmp_path / precision / "epoch0001")
    assert found["tf32"] == found["fp32"]


def test_what_cannot_be_repeated_is_one_line(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pretrain.Run(make_works(run_spec(), [1], tmp_path, data)[0])

    def refused(*args: Any) -> Any:
        raise RuntimeError("f_cuda does not have a deterministic implementation, but you set ...")

    monkeypatch.setattr(StepRunner, "__call__", refused)
    with pytest.raises(UserError, match="found f_cuda, which cannot on this device; set deterministic: false"):
        list(run.train_epoch(Saver(None), Report("x", 98, 7, io.StringIO()), 7))


# on a GPU


def gpu_run(spec: dict[str, Any], root: Path, data: Path, captured: bool = True) -> pretrain.Run:
    run = pretrain.Run(make_works(spec, [3], root, data, device="cuda")[0])
    if not captured:
        run.steps.eager_reason = "asked for"
    return run


def train(run: pretrain.Run, epochs: int) -> pretrain.Run:
    saver, report = Saver(None), Report("x", 98, 7, io.StringIO())
    for _ in range(epochs):
        list(run.train_epoch(saver, report, 7 * epochs))
    return run


def weights(run: pretrain.Run) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in run.tensors().items() if name != "run.identity"}


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", METHODS)
def test_captured_and_eager_on_a_gpu_have_the_same_bytes(
    method: str, optimizer: str, data: Path, tmp_path: Path
) -> None:
    spec = run_spec(**METHODS[method], optimizer={"kind": optimizer, "lr": 1e-3}) | {"deterministic": True}
    captured = train(gpu_run(spec, tmp_path / "a", data), 3)
    eager = train(gpu_run(spec, tmp_path / "b", data, captured=False), 3)
    assert captured.steps.mode == CAPTURED
    for name, value in weights(captured).items():
        assert torch.equal(value, weights(eager)[name]), name


@pytest.mark.gpu
def test_a_fused_run_on_a_gpu_is_the_plain_run_up_to_rounding(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = run_spec(**ALWAYS, optimizer={"kind": "sgd", "lr": 1e-4})
    plain = train(gpu_run(spec, tmp_path / "a", data), 2)
    monkeypatch.setattr(fusion, "MIN_STEPS_TO_COMPILE", 0)
    fused = train(gpu_run(spec, tmp_path / "b", data), 2)
    assert (plain.steps.mode, fused.steps.mode) == (CAPTURED, FUSED)
    assert fused.history.rows[-1][1:] == pytest.approx(plain.history.rows[-1][1:], rel=1e-2)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_deterministic_runs_repeat_and_resume_bitwise(precision: str, data: Path, tmp_path: Path) -> None:
    spec = run_spec(**ALWAYS, precision=precision) | {"deterministic": True}
    runs = [train(gpu_run(spec, tmp_path / name, data), 3) for name in "ab"]
    first, second = (weights(run) for run in runs)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    half = train(gpu_run(spec, tmp_path / "c", data), 1)
    milestone = tmp_path / "milestone"
    milestone.mkdir()
    half.write(milestone, 1)
    resumed = gpu_run(spec, tmp_path / "d", data)
    resumed.restore_payload(milestone)
    assert all(torch.equal(value, first[name]) for name, value in weights(train(resumed, 2)).items())


@pytest.mark.gpu
@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_no_epoch_on_a_gpu_waits_before_its_end(
    method: str, captured: bool, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(gpu_run(run_spec(**METHODS[method]), tmp_path, data, captured), 1)

    def at_the_end(embeddings: Any) -> tuple[float, float]:
        torch.cuda.set_sync_debug_mode("default")
        return 1.0, 1.0

    monkeypatch.setattr(pretrain, "collapse_indicators", at_the_end)
    sums = []
    real = Tensor.item
    monkeypatch.setattr(
        Tensor, "item", lambda self: (torch.cuda.set_sync_debug_mode("default"), sums.append(1), real(self))[2]
    )
    torch.cuda.set_sync_debug_mode("error")
    try:
        train(run, 1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sums == [1]  # the mean loss of the epoch


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("tf32", 1e-2), ("bf16", 2e-2)])
def test_precisions_and_devices_agree(precision: str, tolerance: float, classes: Path, tmp_path: Path) -> None:
    # without augmentation: a GPU draws other numbers than a CPU
    losses, share = loss_and_neighbours(classes, tmp_path / "cpu", "fp32", "cpu")
    others, other = loss_and_neighbours(classes, tmp_path / precision, precision, "cuda")
    assert others == pytest.approx(losses, rel=tolerance)
    assert other == pytest.approx(share, abs=0.05)


@pytest.mark.gpu
@pytest.mark.parametrize(("every", "mode"), [(1, "eager: "), (2, f"{CAPTURED}; eager where the predictor adjusts")])
def test_on_a_gpu_what_waits_is_eager_and_leaves_nothing_behind(
    every: int, mode: str, data: Path, tmp_path: Path
) -> None:
    predictor = {"kind": "optimal", "inverse": "rank_one", "every": every}  # an eigendecomposition
    spec = run_spec(predictor=predictor) | {"deterministic": True}
    run = train(gpu_run(spec, tmp_path / "a", data), 2)
    eager = train(gpu_run(spec, tmp_path / "b", data, captured=False), 2)
    assert run.steps.mode.startswith(mode)
    for name, value in weights(run).items():
        assert torch.equal(value, weights(eager)[name]), name


@pytest.mark.gpu
def test_switches_of_the_gpu_are_set_both_ways() -> None:
    for precision, deterministic in (("tf32", True), ("fp32", False)):
        prepare_device({"precision": precision, "deterministic": deterministic}, {"device": "cuda"})
        assert torch.backends.cudnn.allow_tf32 is (precision == "tf32")
        assert torch.are_deterministic_algorithms_enabled() is deterministic
        assert torch.backends.cudnn.benchmark is not deterministic
    assert capture.WARM_UPS > 1  # the first fills caches of constants, the others must not wait
