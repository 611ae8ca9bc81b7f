"""Embedding norms: GradScale, cut-initialisation, the forms of InfoNCE, accumulation, and what is measured of norms."""

from __future__ import annotations

import functools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.stats import entropy as scipy_entropy
from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsClassifier
from test_evaluation import NORMALIZE, site  # noqa: F401 - a fixture
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError

from pipeline import components
from pipeline.data.arrays import Arrays
from pipeline.evaluation.context import EvaluationContext
from pipeline.monitor.progress import Progress
from pipeline.nets.initializations import cut
from pipeline.nets.mlp import Mlp
from pipeline.nets.network import Network
from pipeline.nets.predictors import mlp as mlp_predictor
from pipeline.nets.predictors import none as no_predictor
from pipeline.nets.targets import same
from pipeline.numerics.randomness import generator
from pipeline.objectives import _gradscale, cosine, infonce
from pipeline.papers.embnorms.measures import _ranks, embedding_knn, norm_buckets, norm_extremes, norms, opposite_halves
from pipeline.training.groups import parameter_groups
from pipeline.training.optimizers import lars, sgd
from pipeline.training.step import TrainingStep

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other

TINY = 1e-30
"""In place of BatchNorm's epsilon, which hides powers of c."""


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# -- GradScale


def test_gradscale_is_the_identity_forward_and_a_power_of_the_norm_backward() -> None:
    z, upstream = draw(6, 5).requires_grad_(), draw(6, 5, seed=1)
    for power in (0.0, 0.5, 1.0, 2.0):
        out = _gradscale.gradscale(z, power)
        assert torch.equal(out, z)
        (gradient,) = torch.autograd.grad(out, z, upstream)
        expected = upstream * z.detach().norm(dim=1, keepdim=True) ** power
        torch.testing.assert_close(gradient, expected, rtol=1e-14, atol=0)
    assert _gradscale.gradscale(z, 0.0) is z
    with pytest.raises(GradcheckError):  # Prop. D.1: the derivative of no function
        torch.autograd.gradcheck(lambda x: _gradscale.gradscale(x, 1.0), z)


@settings(max_examples=30, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.sampled_from([0.0, 1.0, 2.0]), st.integers(0, 1000))
def test_the_gradient_of_a_cosine_is_as_long_as_the_text_says(a: float, b: float, power: float, seed: int) -> None:
    """Prop. 3.1: sin(phi) / |z|; GradScale multiplies by |z|^p. It is tangent, so a step never shrinks an embedding."""
    p = (draw(1, 4, seed=seed) * math.exp(a)).requires_grad_()
    t = draw(1, 4, seed=seed + 1) * math.exp(b)
    loss = cosine.loss([p], [t, t], scale=1.0, orders="one", gradscale=power)  # one pair
    (gradient,) = torch.autograd.grad(loss, p)
    c = torch.cosine_similarity(p, t).item()
    norm = p.norm().item()
    assert gradient.norm().item() == pytest.approx(math.sqrt(1 - c * c) / norm * norm**power, rel=1e-6, abs=1e-12)
    assert abs((gradient * p).sum().item()) < 1e-12 * max(norm**power, 1)
    assert (p - 0.1 * gradient).norm().item() >= norm * (1 - 1e-15)


VARIANTS = [
    {"orders": orders, "negatives": negatives, "positive": positive}
    for orders in ("both", "one") for negatives in ("both", "other") for positive in ("in", "out")
]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: " ".join(v.values()))
@pytest.mark.parametrize("count", [2, 3])
def test_infonce_in_all_its_forms_against_plain_loops(variant: dict[str, str], count: int) -> None:
    p, z = ([draw(4, 3, seed=10 * k + i) for i in range(count)] for k in (1, 2))

    def score(a: Tensor, b: Tensor) -> float:
        return (a @ b / a.norm() / b.norm()).item() / 0.5

    total, pairs = 0.0, 0
    for i in range(count):
        for j in range(count):
            if i == j or (variant["orders"] == "one" and i > j):
                continue
            pairs += 1
            for a in range(4):
                keys = [(j, b) for b in range(4) if b != a or variant["positive"] == "in"]
                if variant["negatives"] == "both":
                    keys += [(i, b) for b in range(4) if b != a]
                logs = math.log(sum(math.exp(score(p[i][a], z[v][b])) for v, b in keys))
                total += logs - score(p[i][a], z[j][a])
    found = infonce.loss(p, z, temperature=0.5, **variant)
    assert found.item() == pytest.approx(total / pairs / 4, rel=1e-13)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: " ".join(v.values()))
def test_a_step_under_infonce_never_shrinks_an_embedding(variant: dict[str, str]) -> None:
    """Prop. 3.2 and Corollary 3.3: tangent and of degree -1, whichever terms an embedding appears in."""

    def gradients(scale: float, power: float = 0.0) -> tuple[Tensor, Tensor]:
        z = [(scale * draw(5, 4, seed=i)).requires_grad_() for i in (3, 4)]
        loss = infonce.loss(z, z, temperature=0.7, gradscale=power, **variant)
        return torch.stack(torch.autograd.grad(loss, z)), torch.stack([view.detach() for view in z])

    gradient, z = gradients(1.0)
    assert ((gradient * z).sum(-1).abs() < 1e-14).all()
    assert ((z - 0.3 * gradient).norm(dim=-1) >= z.norm(dim=-1)).all()
    torch.testing.assert_close(gradients(2.0)[0], gradient / 2, rtol=1e-10, atol=1e-15)
    torch.testing.assert_close(gradients(2.0, 1.0)[0], gradients(1.0, 1.0)[0], rtol=1e-10, atol=1e-15)
    scaled = gradient * z.norm(dim=-1, keepdim=True)  # where predictions are the targets, once and not twice
    torch.testing.assert_close(gradients(1.0, 1.0)[0], scaled, rtol=1e-10, atol=1e-15)


# -- networks


def test_every_parameter_is_divided_and_nothing_else() -> None:
    network = _network(Mlp(6, 5, 4, bias=True, affine=True), mlp_predictor.build(4, hidden=3, affine=True))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    cut.build(c=4.0)(network)
    parameters = {name for name, _ in network.named_parameters()}
    assert any(name.startswith("predictor.") for name in parameters)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name] / 4 if name in parameters else before[name]), name


class Features(nn.Module):
    """A stand-in for a residual network of the paper: linear layers with BatchNorm behind each."""

    features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 6, bias=False), nn.BatchNorm1d(6, eps=TINY), nn.ReLU(), nn.Linear(6, 6, bias=False),
            nn.BatchNorm1d(6, eps=TINY), nn.ReLU(),
        ).double()  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def _network(projector: nn.Module, predictor: Any) -> Network:
    return Network(Features(), projector.double(), predictor.double(), None, same.build(stop_gradient=False))


@pytest.mark.parametrize("c", [0.5, 2.0, 3.0, 9.0])
def test_a_cut_shrinks_features_by_c_and_embeddings_by_its_powers(c: float) -> None:
    """BatchNorm undoes the layer before it and brings 1 / c of its own; layers behind the last one bring theirs."""
    torch.manual_seed(0)
    simclr = _network(Mlp(6, 7, 4, bias=False, affine=True, norm="none"), no_predictor.build(4))
    projector = Mlp(6, 8, 4, bias=False, affine=True, layers=3, norm="every")
    simsiam = _network(projector, mlp_predictor.build(4, hidden=3, affine=True, bias=False))
    for module in (*simclr.modules(), *simsiam.modules()):
        if isinstance(module, nn.BatchNorm1d):
            module.eps = TINY
    images = draw(16, 5, seed=9)
    for network, power in ((simclr, 3), (simsiam, 2)):
        with torch.no_grad():
            before = network([images])
            features = network.encoder(images)
            cut.build(c=c)(network)
            torch.testing.assert_close(network.encoder(images), features / c, rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(network([images])[1][0], before[1][0] / c**power, rtol=1e-9, atol=1e-12)


def test_perceptrons_are_built_as_they_are_called() -> None:
    three = Mlp(6, 8, 4, bias=False, affine=True, layers=3, norm="every")
    kinds = [type(module) for module in three.modules() if isinstance(module, nn.Linear | nn.BatchNorm1d)]
    assert sum(issubclass(kind, nn.BatchNorm1d) for kind in kinds) == 3 == sum(kind is nn.Linear for kind in kinds)
    x = draw(10, 6).float()
    by_hand = x
    for linear, norm in ((three.first, three.norm), (three.between[0], three.norms[0]), (three.last, three.end)):
        out = by_hand @ linear.weight.T
        out = (out - out.mean(0)) / (out.var(0, correction=0) + norm.eps).sqrt()
        by_hand = out.relu() if linear is not three.last else out
    torch.testing.assert_close(three(x), by_hand, rtol=1e-5, atol=1e-6)
    plain = Mlp(6, 8, 4, bias=True, affine=True, norm="none")
    assert not any(isinstance(module, nn.BatchNorm1d) for module in plain.modules())
    expected = (x @ plain.first.weight.T + plain.first.bias).relu() @ plain.last.weight.T + plain.last.bias
    torch.testing.assert_close(plain(x), expected)


# -- steps


@pytest.mark.parametrize(("images", "accumulation"), [(12, 3), (11, 4), (5, 4), (12, 1)])
def test_parts_of_a_minibatch_have_statistics_and_losses_of_their_own(images: int, accumulation: int) -> None:
    torch.manual_seed(1)
    network = _network(Mlp(6, 5, 4, bias=True, affine=True), no_predictor.build(4))
    objective = functools.partial(infonce.loss, temperature=0.5)
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    views = [draw(images, 5, seed=i) for i in (5, 6)]
    optimizer = sgd.build(parameter_groups(network, {}), lr=0.1, momentum=0.0, weight_decay=0.0)
    step = TrainingStep(network, objective, optimizer, accumulation=accumulation)
    loss, embeddings = step(views, due=False)
    after = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    network.load_state_dict(start)
    parts = min(accumulation, images // 2)
    sizes = [len(piece) for piece in torch.arange(images).tensor_split(parts)]
    total, first, expected = torch.zeros((), dtype=torch.float64), 0, [[], []]
    for size in sizes:
        _, predictions, targets = network([view[first : first + size] for view in views])
        for k in (0, 1):
            expected[k].append(predictions[k].detach())
        total = total + objective(predictions, targets) * size / images
        first += size
    assert loss.item() == pytest.approx(total.item(), rel=1e-13)
    for k in (0, 1):
        torch.testing.assert_close(embeddings[k], torch.cat(expected[k]), rtol=1e-12, atol=0)
    gradients = torch.autograd.grad(total, list(network.parameters()))
    for (name, parameter), gradient in zip(network.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(after[name], parameter.detach() - 0.1 * gradient, rtol=1e-10, atol=1e-14)


def test_the_rate_of_a_predictor_that_is_not_scheduled_stays() -> None:
    network = _network(Mlp(6, 5, 4, bias=True, affine=True), mlp_predictor.build(4, hidden=3))
    groups = parameter_groups(network, {"scheduled": False})
    assert [group["scheduled"] for group in groups] == [True, False]
    assert components.default_before("predictor", "mlp")["scheduled"] is True  # it renames no run
    assert "scheduled" not in components.params("predictor", "none")


def test_clipped_lars_takes_the_smaller_of_two_rates() -> None:
    """LARC: the layer's rate is min(trust |w| / |g|, lr)."""
    for lr in (1e-4, 10.0):
        w, g = nn.Parameter(draw(3, 4)), draw(3, 4, seed=1)
        before = w.detach().clone()
        w.grad = g
        lars.build([{"params": [w], "lr_multiplier": 1.0}], lr=lr, momentum=0.0, weight_decay=0.0, clip=True).step()
        rate = min(0.001 * (before.norm() / g.norm()).item(), lr)
        torch.testing.assert_close(w.detach(), before - rate * g, rtol=1e-12, atol=0)


# -- measures


class Given(EvaluationContext):
    """What a measure asks of a subject, from tensors: its embeddings are its features."""

    def __init__(self, train: Tensor, labels: Tensor, test: Tensor | None = None, votes: Tensor | None = None) -> None:
        self.splits, self._labels, self._votes = {"train": train, "test": test}, labels, votes
        self.looked_at, self.known, self.seed = set(), {}, 0
        self.progress = Progress("test")
        self.network = SimpleNamespace(projector=None, predictor=None)

    def features(self, split: str, own: bool = False) -> Tensor:
        return self.splits[split]

    def labels(self, split: str) -> Tensor:
        return self._labels

    def votes(self, split: str) -> Tensor:
        return self._votes


def _given(n: int = 400, seed: int = 0, classes: int = 4) -> Given:
    labels = torch.arange(n) % classes
    centres = 2 * torch.eye(8, dtype=torch.float64)[:classes]
    noise = draw(n, 8, seed=seed)
    embeddings = (centres[labels] + noise) * draw(n, 1, seed=seed + 1).abs().clamp(min=0.05)
    votes = torch.randint(0, 30, (n, classes), generator=torch.Generator().manual_seed(seed))
    votes[torch.arange(n), labels] += 12
    return Given(embeddings, labels, votes=votes)


@pytest.mark.parametrize("of", ["accuracy", "agreement", "entropy"])
def test_buckets_against_plain_loops(of: str) -> None:
    given = _given()
    found = norm_buckets.measure(given, of=of, buckets=10, more_than=15, k=10)
    z, labels = given.splits["train"].numpy(), given._labels.numpy()
    lengths = np.linalg.norm(z, axis=1)
    if of == "accuracy":
        values = []
        unit = z / lengths[:, None]
        for i in range(len(z)):
            others = np.delete(np.arange(len(z)), i)
            near = KNeighborsClassifier(10, algorithm="brute").fit(unit[others], labels[others])
            values.append(100.0 * (near.predict(unit[i : i + 1])[0] == labels[i]))
    elif of == "agreement":
        values = [100.0 * (row.argmax() == label) for row, label in zip(given._votes.numpy(), labels, strict=True)]
    else:
        values = [scipy_entropy(row / row.sum(), base=2) for row in given._votes.numpy()]
    values = np.array(values)
    counts, means = [], []
    for b in range(10):
        low, high = lengths.max() * b / 10, lengths.max() * (b + 1) / 10
        inside = (lengths >= low) & ((lengths < high) | (b == 9))
        counts.append(int(inside.sum()))
        means.append(values[inside].mean() if inside.sum() > 15 else None)
    assert found["buckets"]["count"] == counts and found["n"] == 400 and 3 < found["kept"] < 10
    assert found["buckets"]["value"] == [m if m is None else pytest.approx(m, rel=1e-9) for m in means]
    assert found["buckets"]["norm"] == pytest.approx([(b + 0.5) / 10 for b in range(10)])
    told = [(b, m) for b, m in enumerate(means) if m is not None]
    assert found["trend"] == pytest.approx(spearmanr([b for b, _ in told], [m for _, m in told]).statistic, abs=1e-12)
    assert found["correlation"] == pytest.approx(spearmanr(lengths, values).statistic, abs=1e-12)


def test_accuracy_rises_with_the_norm_where_it_does_and_not_where_it_does_not() -> None:
    n = 600
    labels = torch.arange(n) % 3
    directions = torch.eye(6, dtype=torch.float64)[labels]
    noise = draw(n, 6)
    clear = torch.linspace(0, 1, n, dtype=torch.float64)[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
    embeddings = nn.functional.normalize(directions * clear[:, None] + 0.5 * noise * (1.1 - clear[:, None]))
    rising = norm_buckets.measure(Given(embeddings * (0.2 + clear[:, None]), labels), more_than=20)
    falling = norm_buckets.measure(Given(embeddings * (1.4 - clear[:, None]), labels), more_than=20)
    assert rising["trend"] > 0.8 and rising["correlation"] > 0.2
    assert falling["trend"] < -0.8 and falling["correlation"] < -0.2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=20))
def test_ranks_against_scipy(pairs: list[tuple[int, int]]) -> None:
    x, y = [a for a, _ in pairs], [b for _, b in pairs]
    found = _ranks.correlation(torch.tensor(x), torch.tensor(y))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_norms_are_those_of_the_split_beside_those_of_training_images() -> None:
    train, test = 3 * draw(50, 4), draw(30, 4, seed=1)
    subject = Given(train, torch.zeros(50), test=test)
    subject.spec = {"optimizer": {"lr": 0.5}, "schedule": {"kind": "cosine", "epochs": 8, "warmup": 0.0, "final": 0.0}}
    subject.components = {"schedule": components.find("schedule", "cosine")}
    subject.checkpoint = None
    lengths = {name: np.linalg.norm(z.numpy(), axis=1) for name, z in (("train", train), ("test", test))}
    own = lengths["train"].mean()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(norms, "read_summary", lambda folder: {"epoch": 4})
        for split in ("train", "test"):
            found = norms.measure(subject, split=split)
            assert found["mean"] == pytest.approx(lengths[split].mean()) and found["n"] == len(lengths[split])
            assert found["std"] == pytest.approx(lengths[split].std())
            assert found["relative_mean"] == pytest.approx(lengths[split].mean() / own)
            assert found["quantiles"] == pytest.approx(
                (np.quantile(lengths[split], np.linspace(0, 1, 101)) / own).tolist()
            )
            assert found["effective_rate"] == pytest.approx(0.25 / own)  # half way down a cosine from 0.5
            assert found["effective_rate_squared"] == pytest.approx(0.25 / own**2)


def test_extremes_are_the_most_extreme_of_each_class_in_order() -> None:
    given = _given(120)
    found = norm_extremes.measure(given, images=5, k=3)
    unit = nn.functional.normalize(given.splits["train"]).numpy()
    right = []
    for i, label in enumerate(given._labels.numpy()):
        others = np.delete(np.arange(120), i)
        near = KNeighborsClassifier(3, algorithm="brute").fit(unit[others], given._labels.numpy()[others])
        right.append(near.predict(unit[i : i + 1])[0] == label)
    for side in ("largest", "smallest"):
        expected = 100 * np.mean([right[index] for group in found[side] for index in group])
        assert found[f"accuracy_{side}"] == pytest.approx(expected), side
    lengths = np.linalg.norm(given.splits["train"].numpy(), axis=1)
    for label in range(4):
        members = np.flatnonzero(given._labels.numpy() == label)
        order = members[np.argsort(lengths[members])]
        assert found["smallest"][label] == order[:5].tolist() and found["largest"][label] == order[::-1][:5].tolist()
    assert found["n"] == 20 and 0 < found["accuracy_smallest"] < 100


VIEWS = {"kind": "simclr", "size": 8, "scale_min": 0.5, "blur_probability": 0.0}


@pytest.fixture
def looked_at(site, tmp_path) -> tuple[EvaluationContext, Callable[[Tensor], tuple[Tensor, Tensor]], Path]:  # noqa: F811
    """A checkpoint with projector and predictor, its features and embeddings by hand, and the folder of other data."""
    heads = {"predictor": {"kind": "mlp", "hidden": 6}, "projector": {"kind": "mlp", "hidden": 8, "out": 5}}
    spec = site.spec(views=VIEWS, **heads)
    subject = site.subject(site.work("norms", site.train("norms", spec, epoch=1), spec))
    network = subject.network
    assert network.projector is not None and network.predictor is not None
    for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.2, 0.2, generator=torch.Generator().manual_seed(0))
        norm.running_var.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(1))

    def by_hand(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            features = network.encoder(images)
            return features, network.predictor(network.projector(features))

    other = tmp_path / "other"
    shutil.copytree(site.root / "data", other)
    tensors = load_file(other / "arrays.safetensors")
    tensors["train_images"] = 255 - tensors["train_images"]
    save_file(tensors, other / "arrays.safetensors")
    return subject, by_hand, other


def _seen(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(NORMALIZE[name]).view(3, 1, 1) for name in ("mean", "std"))
    return (images / 255 - mean) / std


def test_norms_are_of_predictions_of_the_split_that_is_named_beside_the_runs_own(looked_at) -> None:
    subject, by_hand, other = looked_at
    own = by_hand(_seen(subject.arrays.images("train")))[1].double().norm(dim=1)
    test = by_hand(_seen(subject.arrays.images("test")))[1].double().norm(dim=1)
    assert norms.measure(subject, split="test")["mean"] == pytest.approx(test.mean().item(), rel=1e-5)
    subject.roles, subject.__dict__["_evaluated"] = {"fit": other}, {"fit": Arrays.open(other)}
    foreign = by_hand(_seen(Arrays.open(other).images("train")))[1].double().norm(dim=1)
    found = norms.measure(subject, split="train")
    assert found["mean"] == pytest.approx(foreign.mean().item(), rel=1e-5)
    assert found["relative_mean"] == pytest.approx((foreign.mean() / own.mean()).item(), rel=1e-5)
    assert abs(found["relative_mean"] - 1) > 1e-3
    policy = components.make(subject.components["views"], subject.spec["views"], (3, 8, 8), NORMALIZE)
    augmented = []
    for arrays in (Arrays.open(other), subject.arrays):
        view = policy(arrays.images("train"), generator(subject.seed, "norms", "train", 0))[0]
        augmented.append(by_hand(view)[1].double().norm(dim=1).mean().item())
    found = norms.measure(subject, split="train", augment=True)
    assert found["mean"] == pytest.approx(augmented[0], rel=1e-5)
    assert found["relative_mean"] == pytest.approx(augmented[0] / augmented[1], rel=1e-5)
    assert abs(augmented[0] / foreign.mean().item() - 1) > 1e-4


def test_neighbours_are_looked_for_in_both_spaces(looked_at) -> None:
    subject, by_hand, _ = looked_at
    found = embedding_knn.measure(subject, k=5, temperature=0.1)
    spaces = [by_hand(_seen(subject.arrays.images(split))) for split in ("train", "test")]
    for number, name in enumerate(("encoder", "embedding")):
        train, test = (nn.functional.normalize(space[number].double()) for space in spaces)
        right = 0
        for query, label in zip(test, subject.arrays.labels("test").tolist(), strict=True):
            cosines = (train @ query).numpy()
            votes = np.zeros(3)
            for index in np.argsort(-cosines)[:5]:
                votes[subject.arrays.labels("train")[index]] += math.exp(cosines[index] / 0.1)
            right += int(votes.argmax() == label)
        assert found[name] == pytest.approx(100 * right / 40), name
    assert found["embedding"] != found["encoder"]


def test_halves_are_counted_where_the_loss_acts(monkeypatch) -> None:
    p, z = ([draw(40, 3, seed=10 * k + i) for i in (1, 2)] for k in (1, 2))

    def network(views: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        return [], [view[:, :3] for view in p], z

    subject = Given(draw(1, 1), torch.zeros(1))
    subject.spec = {"accumulation": 1}
    monkeypatch.setattr(opposite_halves.as_trained, "batches", lambda *_: (40, iter([(network, p)])))
    found = opposite_halves.measure(subject)
    angles = []
    for i, j in ((0, 1), (1, 0)):
        for a, b in zip(p[i], z[j], strict=True):
            angles.append(math.acos((a @ b / a.norm() / b.norm()).item()))
    assert found["pairs"] == 80
    assert found["rate"] == pytest.approx(100 * sum(angle > math.pi / 2 for angle in angles) / 80)
    assert found["mean_cosine"] == pytest.approx(np.cos(angles).mean())
    aligned = [draw(40, 3)] * 2
    monkeypatch.setattr(opposite_halves.as_trained, "batches", lambda *_: (40, iter([(lambda v: ([], v, v), aligned)])))
    assert opposite_halves.measure(subject)["rate"] == 0
    subject.spec = {"accumulation": 3}  # each part passes by itself
    passed: list[int] = []

    def counted(views: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        passed.append(len(views[0]))
        return [], views, views

    monkeypatch.setattr(opposite_halves.as_trained, "batches", lambda *_: (40, iter([(counted, p)])))
    assert opposite_halves.measure(subject)["pairs"] == 80 and passed == [14, 13, 13]
