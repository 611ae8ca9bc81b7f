"""What an objective reads: by the names of its arguments, and refused by the plan where it is not there."""

from __future__ import annotations

import functools
import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from trainings import LinearEncoder, Notes, content, execute, make_works, run_spec, write_noise

from pipeline import components
from pipeline.errors import UserError
from pipeline.nets.network import Network
from pipeline.nets.predictors import linear, none
from pipeline.nets.projectors.none import NoProjector
from pipeline.nets.targets.same import Same
from pipeline.numerics.arithmetic import upcast
from pipeline.objectives import isoloss_cosine
from pipeline.planning.composition import compose, prune
from pipeline.training import pretrain
from pipeline.training.capture import StepRunner
from pipeline.training.optimizers import sgd
from pipeline.training.step import TrainingStep

torch.set_num_threads(1)

RUN: dict[str, Any] = {
    "views": "simclr",
    "encoder": "tiny_conv",
    "projector": "mlp",
    "predictor": "directpred",
    "target": "ema",
    "objective": "cosine",
    "optimizer": "sgd",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("data"))


def composed(extend: Path | None = None, **changes: Any) -> dict[str, Any]:
    """A run as the plan composes and checks it."""
    parts = {name: {"kind": value} if isinstance(value, str) else value for name, value in (RUN | changes).items()}
    run = compose(parts, "papers/mine.yaml: here", extend)
    components.check_objective(run, "papers/mine.yaml: here", extend)
    return run


def own(folder: Path, text: str) -> Path:
    """A folder with the objective ``mine``."""
    (folder / "objectives").mkdir(exist_ok=True)
    (folder / "objectives/mine.py").write_text(f"import torch\n\n{text}\n")
    return folder


# by name


def test_the_plan_and_the_step_read_the_same_names() -> None:
    for kind in components.kinds("objective"):
        objective = components.load(components.find("objective", kind)).loss
        read = components.objective_reads(kind)
        network = Network(LinearEncoder(torch.eye(3)), NoProjector(3), linear.build(3), None, Same(True))
        step = TrainingStep(network, functools.partial(objective), sgd.build([]))
        assert step.reads == read and set(read) <= set(components.OBJECTIVE_READS)
    assert components.objective_reads("cosine") == ("predictions", "targets")
    assert components.objective_reads("isoloss_cosine") == ("embeddings", "targets", "matrix")


def test_each_name_is_what_it_says() -> None:
    seen: dict[str, Any] = {}

    def loss(step: Tensor, matrix: Tensor, embeddings: Any, targets: Any, predictions: Any, *, weight: float) -> Tensor:
        seen.update(locals())
        return weight * sum(view.square().sum() for view in embeddings)

    assert {*loss.__annotations__} - {"weight", "return"} == set(components.OBJECTIVE_READS)
    torch.manual_seed(0)
    network = Network(LinearEncoder(torch.randn(3, 6)), NoProjector(3), linear.build(3), None, Same(True))
    step = TrainingStep(network, functools.partial(loss, weight=2.0), sgd.build([]))
    views = [torch.randn(4, 6), torch.randn(4, 6)]
    for number in (1, 7):
        step.begin(number, torch.device("cpu"))
        value, _ = step(views, True)
        assert seen["step"].item() == number - 1 and seen["step"].dtype == torch.int64
    for view, embedding, prediction, target in zip(
        views, seen["embeddings"], seen["predictions"], seen["targets"], strict=True
    ):
        assert embedding.requires_grad and prediction.requires_grad and not target.requires_grad
        torch.testing.assert_close(embedding, view @ network.encoder.weight.T)
        torch.testing.assert_close(prediction, embedding @ seen["matrix"].T)
        assert torch.equal(target, embedding)
    assert not seen["matrix"].requires_grad and torch.equal(seen["matrix"], network.predictor.weight)
    assert network.encoder.weight.grad is not None and network.predictor.weight.grad is None
    assert value.item() == pytest.approx(2 * sum(view.square().sum().item() for view in seen["embeddings"]))


def test_a_matrix_that_is_not_there_is_one_line() -> None:
    for predictor in (none.build(3), linear.build(3, bias=True)):
        network = Network(LinearEncoder(torch.eye(3)), NoProjector(3), predictor, None, Same(True))
        with pytest.raises(UserError, match=r"predictor: expected one matrix .*use predictor: \{kind:") as caught:
            TrainingStep(network, isoloss_cosine.loss, sgd.build([]))
        assert "\n" not in str(caught.value)


# what was there before has the bytes that it had


class Before(TrainingStep):
    """A step as it was when an objective was called with predictions and targets."""

    def begin(self, number: int, device: torch.device) -> None:
        """There was nothing to begin."""

    def __call__(self, views: list[Tensor], due: bool, embed_views: Any) -> tuple[Tensor, list[Tensor]]:
        with self.forward_context():
            outputs = self.network(views, embed_views)
        embeddings, predictions, targets = upcast(*outputs)
        loss = self.objective(predictions, targets)
        self.optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        self.optimizer.step()
        embeddings = [embedding.detach() for embedding in embeddings]
        with torch.no_grad():
            self.predictor.observe(embeddings, [target.detach() for target in targets])
            if due:
                self.predictor.after_step()
            if self._target:
                torch._foreach_lerp_(self._target, self._online, 1.0 - self.network.strategy.pull_before)
        return loss.detach(), embeddings


@pytest.mark.parametrize(("kind", "precision"), [("cosine", "fp32"), ("euclidean", "fp32"), ("vicreg", "bf16")])
def test_objectives_of_predictions_and_targets_have_the_bytes_they_had(
    kind: str, precision: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = run_spec(objective={"kind": kind}, optimizer={"kind": "sgd", "lr": 0.01}, precision=precision)
    now = execute(spec, [1, 2], tmp_path / "now", data)
    monkeypatch.setattr(pretrain, "TrainingStep", Before)
    monkeypatch.setattr("pipeline.nets.targets.ema.Ema.pull_before", spec["target"]["momentum"], raising=False)
    assert execute(spec, [1, 2], tmp_path / "before", data) == now
    assert "model.safetensors" in now[2] and now[1] != now[2]


@pytest.mark.parametrize("kind", ["cosine", "euclidean", "barlow", "infonce", "vicreg"])
def test_objectives_and_their_companions_keep_their_names(kind: str) -> None:
    kept, quiet = prune(composed(objective=kind))
    later = {"alpha": 0.5, "cap": None, "start": "first", "average": "pooled", "scheduled": True}
    assert quiet["predictor"] == later
    assert quiet["target"] == {"schedule": "constant", "final": 1.0, "epochs": None}
    assert set(kept["predictor"]) == {
        "kind", "epsilon", "rho", "freq", "epsilon_mode", "offset", "floor", "partitions", "lr_multiplier",
        "weight_decay",
    }  # fmt: skip
    assert set(kept["target"]) == {"kind", "momentum", "init"}


# an objective of the user's that reads all


READS_ALL = """
def loss(embeddings, matrix, step, targets, *, slow: float = 3.0):
    pull = torch.exp(-step / slow)
    apart = sum((z @ matrix.T - t).square().mean() for z, t in zip(embeddings, reversed(targets)))
    return apart + pull * sum(z.square().mean() for z in embeddings)
"""


def runs(spec: dict[str, Any], objective: Path, *args: Any, **more: Any) -> dict[int, dict[str, str]]:
    works = make_works(spec, *args, **more)
    for work in works:
        work.spec = spec | {"objective": {"kind": "mine", "slow": 3.0}}
        work.components["objective"] = objective
    return {work.epoch: content(work.out) for work in pretrain.execute(works)}


def test_what_goes_by_the_step_is_the_same_eager_captured_and_resumed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pipeline_extension.objectives.mine", raising=False)  # another test's
    mine = own(tmp_path, READS_ALL) / "objectives/mine.py"
    spec = run_spec(predictor={"kind": "directpred"}, target={"kind": "ema", "schedule": "cosine", "epochs": 3})
    eager = runs(spec, mine, [1, 3], tmp_path / "a", data)
    resumed = runs(spec, mine, [3], tmp_path / "b", data, resume=tmp_path / "a/epoch0001")
    assert resumed[3] == eager[3]
    recorder = type("Fresh", (Notes,), {"log": []})
    monkeypatch.setattr(pretrain, "StepRunner", functools.partial(StepRunner, recorder=recorder))
    assert runs(spec, mine, [1, 3], tmp_path / "c", data) == eager and "replayed" in recorder.log
    # the step and the target's momentum have a say in it
    monkeypatch.setattr(TrainingStep, "begin", lambda self, number, device: None)
    assert runs(spec, mine, [3], tmp_path / "d", data)[3] != eager[3]


# the plan


def test_isoloss_is_planned_with_every_predictor_that_is_set_and_one_matrix() -> None:
    for kind, metric in itertools.product(("directpred", "optimal"), ("cosine", "euclidean")):
        run = composed(predictor=kind, objective=f"isoloss_{metric}")
        assert run["objective"]["kind"] == f"isoloss_{metric}"


REFUSED = [
    ({"predictor": "none"}, "predictor.kind: expected a predictor that is one matrix, which the objective isoloss_cosine reads, found none; choose one of: directpred, linear, optimal"),
    ({"predictor": "mlp"}, "predictor.kind: expected a predictor that is one matrix, which the objective isoloss_cosine reads, found mlp"),
    ({"predictor": {"kind": "directpred", "partitions": 6}}, "predictor.partitions: expected 1, with which directpred is the one matrix that the objective isoloss_cosine reads, found 6"),
    ({"predictor": {"kind": "linear", "bias": True}}, "predictor.bias: expected false, with which linear is the one matrix that the objective isoloss_cosine reads, found true"),
    ({"predictor": "linear"}, "predictor.kind: expected a predictor that is set by a rule of its own, since the objective isoloss_cosine does not read predictions and gives it no gradient, found linear; choose directpred"),
    ({"target": {"kind": "same", "stop_gradient": False}}, "target.stop_gradient: expected true, since the objective isoloss_cosine has a stop-gradient of its own, found false; remove stop_gradient"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[words[:50] for _, words in REFUSED])
def test_what_does_not_go_with_an_objective_is_refused_in_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        composed(objective="isoloss_cosine", **changes)
    assert str(caught.value).startswith(f"papers/mine.yaml: here: {words}") and "\n" not in str(caught.value)
    composed(objective="cosine", **changes)  # with which it goes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def loss(p, targets): ...", "loss: expected arguments called predictions, targets, embeddings, matrix, step, found p; rename it"),
        ("def loss(predictions, targets, scale=1.0): ...", "found scale; rename it, or put it behind the * if it is a param"),
        ("def loss(*views): ...", "found *, ** or /"),
        ("def loss(predictions, targets, **more): ...", "found *, ** or /"),
        ("def loss(predictions, /, targets): ...", "found *, ** or /"),
    ],
)  # fmt: skip
def test_names_that_mean_nothing_are_refused_by_the_plan(text: str, words: str, tmp_path: Path) -> None:
    extend = own(tmp_path, text)
    with pytest.raises(UserError) as caught:
        composed(extend, objective="mine")
    assert words in str(caught.value) and "mine.py" in str(caught.value) and "\n" not in str(caught.value)


def test_an_objective_of_embeddings_alone_wants_no_predictor(tmp_path: Path) -> None:
    extend = own(tmp_path, "def loss(embeddings): ...")
    composed(extend, objective="mine", predictor="none")
    for kind in ("mlp", "linear"):
        with pytest.raises(UserError, match=r"predictor\.kind: .*gives it no gradient"):
            composed(extend, objective="mine", predictor=kind)


VARIANTS: dict[str, list[dict[str, Any]]] = {
    "none": [{}],
    "mlp": [{}, {"symmetric": True}],
    "linear": [{}, {"bias": True}, {"symmetric": True}, {"symmetric": True, "bias": True}],
    "directpred": [{}, {"partitions": 3}, {"alpha": 1.0}, {"freq": 4}],
    "optimal": [{}, {"inverse": "rank_one"}],
}


def test_a_predictor_is_a_matrix_where_its_source_says_so_and_only_there(tmp_path: Path) -> None:
    extend = own(tmp_path, "def loss(predictions, matrix): ...")
    assert set(VARIANTS) == set(components.kinds("predictor"))
    x = torch.randn(4, 6)
    for kind, changes in ((kind, change) for kind, variants in VARIANTS.items() for change in variants):
        params = components.resolve("predictor", {"kind": kind, **changes}, "test")
        predictor = components.make(components.find("predictor", kind), params, 6)
        try:
            composed(extend, objective="mine", predictor=params)
            planned = True
        except UserError:
            planned = False
        assert planned == (predictor.matrix is not None), (kind, changes)
        if planned:
            torch.testing.assert_close(predictor(x), x @ predictor.matrix.T)
