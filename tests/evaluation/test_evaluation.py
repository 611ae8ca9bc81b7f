"""Evaluation: probe, k-NN and spectra against independent implementations; the stage on small checkpoints."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline import components
from pipeline.errors import UserError
from pipeline.evaluation import context, softmax, spectra
from pipeline.evaluation import measure as stage
from pipeline.evaluation.calibration import calibrate
from pipeline.evaluation.extent import extent
from pipeline.evaluation.features import extract
from pipeline.evaluation.finite import NotFinite
from pipeline.evaluation.measures import knn, linear_probe, spectrum
from pipeline.evaluation.neighbours import votes
from pipeline.monitor.progress import Progress
from pipeline.nets import checkpoint
from pipeline.nets.network import build_network
from pipeline.numerics.randomness import generator
from pipeline.planning.composition import RunSpec
from pipeline.work import Work

NORMALIZE = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}
PROTOCOL = {
    "optimizer": "adam",
    "lr": 3e-3,
    "momentum": 0.9,
    "weight_decay": 1e-3,
    "batch_size": 32,
    "seed": 0,
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clusters(count: int, spread: float, seed: int = 0, classes: int = 4, width: int = 10) -> tuple[Tensor, Tensor]:
    """Points around one centre per class, float64; the centres are the same for all seeds."""
    centres = 3 * torch.randn(classes, width, generator=rng(99), dtype=torch.float64)
    labels = torch.arange(count) % classes
    noise = torch.randn(count, width, generator=rng(seed), dtype=torch.float64)
    return centres[labels] + spread * noise, labels


@dataclass
class Given:
    """What a measure asks of a subject, from tensors."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    n_classes: int
    seed: int = 0
    progress: Progress = field(default_factory=lambda: Progress("test"))

    def features(self, split: str) -> Tensor:
        return getattr(self, split)[0]

    def labels(self, split: str) -> Tensor:
        return getattr(self, split)[1]


# -- features


class Small(nn.Module):
    """A convolution with BatchNorm, whose running statistics differ from those of any batch."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten())
        self.body[1].running_mean.uniform_(-1, 1, generator=rng(1))
        self.body[1].running_var.uniform_(0.5, 2, generator=rng(2))

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images)


def test_features_do_not_depend_on_the_batch_size():
    torch.manual_seed(0)
    encoder = Small().train()
    images = torch.randint(0, 256, (23, 3, 8, 8), dtype=torch.uint8, generator=rng())
    buffers = {name: tensor.clone() for name, tensor in encoder.named_buffers()}
    ticks: list[tuple[int, int]] = []
    one = extract(encoder, images, NORMALIZE, batch_size=1)
    some = extract(encoder, images, NORMALIZE, batch_size=7, tick=lambda *done: ticks.append(done))
    every = extract(encoder, images, NORMALIZE)
    assert every.shape == (23, 180) and every.dtype == torch.float32 and not every.requires_grad
    torch.testing.assert_close(one, every, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(some, every, atol=1e-5, rtol=1e-5)
    assert ticks == [(7, 23), (14, 23), (21, 23), (23, 23)]
    assert encoder.training and all(torch.equal(buffers[name], now) for name, now in encoder.named_buffers())
    mean, std = (torch.tensor(NORMALIZE[name]).view(3, 1, 1) for name in ("mean", "std"))
    torch.testing.assert_close(every, encoder.eval()((images / 255 - mean) / std).detach())
    precise = extract(encoder.double(), images.double() / 255, NORMALIZE, batch_size=4)
    assert precise.dtype == torch.float64


# -- linear probe


def test_standardisation_equals_scikit_learn_and_spares_constants():
    from sklearn.preprocessing import StandardScaler

    features = torch.randn(9000, 6, generator=rng()) * torch.tensor([1, 10, 0.1, 1, 1, 1]) + 5
    features[:, 3] = 0.1
    features[:, 4] = 0.0
    mean, std = softmax.standardiser(features)
    ours = softmax.design(features, mean, std)
    theirs = StandardScaler().fit_transform(features.double().numpy())
    assert (ours[:, -1] == 1).all()
    varying = [0, 1, 2, 5]
    np.testing.assert_allclose(ours[:, varying], theirs[:, varying], atol=1e-5)
    assert ours[:, 3:5].abs().max() < 1e-6
    # Rounding noise stays noise.
    noisy = torch.full((100, 1), 0.3) * (1 + 1e-7 * torch.randn(100, 1, generator=rng()))
    assert softmax.design(noisy, *softmax.standardiser(noisy))[:, 0].abs().max() < 1e-6


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_probe_s_steps_are_those_of_autograd_and_torch_optim(optimizer):
    features, labels = clusters(101, 4.0)
    inputs = softmax.design(features, *softmax.standardiser(features))
    options = PROTOCOL | {"optimizer": optimizer, "epochs": 3, "weight_decay": 0.05, "seed": 7}
    ours = [(weight.clone(), loss) for weight, loss in softmax.train(inputs, labels, 4, **options)]

    start = torch.rand(4, 11, generator=generator(7, "linear_probe", "weights"), dtype=torch.float64)
    weight = ((2 * start - 1) / math.sqrt(10)).requires_grad_()
    if optimizer == "adam":
        update = torch.optim.Adam([weight], lr=3e-3, weight_decay=0.05)
    else:
        update = torch.optim.SGD([weight], lr=3e-3, weight_decay=0.05, momentum=0.9)
    for epoch in range(3):
        order = torch.randperm(101, generator=generator(7, "linear_probe", "order", epoch))
        losses = []
        for rows in order.split(32):
            loss = nn.functional.cross_entropy(inputs[rows] @ weight.T, labels[rows])
            update.zero_grad()
            loss.backward()
            update.step()
            losses.append(loss.item() * len(rows))
        torch.testing.assert_close(ours[epoch][0], weight.detach(), atol=1e-12, rtol=1e-10)
        assert ours[epoch][1] == pytest.approx(sum(losses) / 101, rel=1e-12)


@pytest.mark.parametrize("spread", [0.5, 6.0], ids=["easy", "hard"])
def test_a_converged_probe_is_scikit_learn_s_logistic_regression(spread):
    from sklearn.linear_model import LogisticRegression

    features, labels = clusters(300, spread)
    inputs = softmax.design(features, *softmax.standardiser(features))
    decay = 1e-2  # the bias, too, is penalised: a column of ones without intercept
    reference = LogisticRegression(C=1 / (300 * decay), fit_intercept=False, tol=1e-10, max_iter=5000)
    reference.fit(inputs.numpy(), labels.numpy())
    options = {"optimizer": "sgd", "lr": 0.5, "momentum": 0.9, "weight_decay": decay, "batch_size": 300}
    *_, (weight, _) = softmax.train(inputs, labels, 4, epochs=1500, seed=0, **options)
    np.testing.assert_allclose(weight.numpy(), reference.coef_, atol=1e-5)
    held_out, truth = clusters(400, spread, seed=5)
    held_out = softmax.design(held_out, *softmax.standardiser(features))
    accuracy = softmax.hits(held_out, truth, weight) / 400
    assert accuracy == pytest.approx(reference.score(held_out.numpy(), truth.numpy()))
    assert (accuracy == 1) if spread < 1 else (0.4 < accuracy < 0.95)

    # By minibatches of Adam, as the protocol has it: close, and downhill.
    history = list(softmax.train(inputs, labels, 4, epochs=60, **PROTOCOL | {"weight_decay": decay}))
    losses = [loss for _, loss in history]
    assert losses[0] > losses[10] > losses[-1]
    assert abs(softmax.hits(held_out, truth, history[-1][0]) / 400 - accuracy) < 0.03


def test_shuffled_labels_give_chance():
    features, labels = clusters(400, 1.0)
    test = clusters(400, 1.0, seed=5)
    options = {"lr": 3e-3, "epochs": 10, "batch_size": 32}
    shuffled = []
    for seed in range(16):
        given = Given((features, labels[torch.randperm(400, generator=rng(seed))]), test, 4)
        shuffled.append(linear_probe.measure(given, **options)["top1_last"])
    # The four clusters move together, so one shuffle says as much as four coins; 16 of them say enough.
    assert abs(np.mean(shuffled) - 25) < 4 * np.std(shuffled) / math.sqrt(16) < 20
    assert linear_probe.measure(Given((features, labels), test, 4), **options)["top1_last"] > 90


def test_test_labels_have_no_influence_on_the_weights(monkeypatch):
    train, (held_out, truth) = clusters(200, 6.0), clusters(200, 6.0, seed=5)
    seen: list[Tensor] = []
    counted = softmax.hits

    def recording(inputs, labels, weight, **more):
        seen.append(weight.clone())
        return counted(inputs, labels, weight, **more)

    monkeypatch.setattr(softmax, "hits", recording)
    first = linear_probe.measure(Given(train, (held_out, truth), 4), epochs=5)
    weights, seen[:] = list(seen), []
    other = linear_probe.measure(Given(train, (held_out, (truth + 1) % 4), 4), epochs=5)
    assert len(seen) == len(weights) == 5
    assert all(torch.equal(a, b) for a, b in zip(weights, seen, strict=True))
    assert first["train_loss"] == other["train_loss"] and first["top1_last"] != other["top1_last"]


def test_last_and_best_epoch_are_both_reported(monkeypatch):
    answers = iter([10, 40, 40, 25])
    monkeypatch.setattr(softmax, "hits", lambda *_, **__: next(answers))
    scores = linear_probe.measure(Given(clusters(50, 1.0), clusters(50, 1.0), 4), epochs=4)
    assert (scores["top1_last"], scores["top1_best"], scores["best_epoch"]) == (50.0, 80.0, 2)
    assert (scores["n_train"], scores["n_test"]) == (50, 50) and "top5" not in scores


def test_top5_counts_the_five_largest_scores():
    inputs, labels = torch.eye(8, dtype=torch.float64), torch.arange(8)
    weight = torch.arange(8.0, dtype=torch.float64)[:, None].expand(8, 8)  # class 7 scores highest everywhere
    assert [softmax.hits(inputs, labels, weight, top=top) for top in (1, 5, 8)] == [1, 5, 8]
    assert softmax.hits(inputs, labels, weight, top=5, rows=3) == 5
    points = clusters(160, 1.0, classes=8)
    assert linear_probe.measure(Given(points, points, 8), epochs=2, lr=0.01)["top5"] > 62.5


def test_the_probe_depends_on_its_seed_alone():
    train, test = clusters(100, 6.0), clusters(100, 6.0, seed=5)
    torch.manual_seed(1)
    first = linear_probe.measure(Given(train, test, 4, seed=3), epochs=3)
    torch.manual_seed(2)
    assert linear_probe.measure(Given(train, test, 4, seed=3), epochs=3) == first
    assert linear_probe.measure(Given(train, test, 4, seed=4), epochs=3)["train_loss"] != first["train_loss"]


def test_without_standardisation_the_scale_of_features_matters():
    (features, labels), test = clusters(200, 1.0), clusters(200, 1.0, seed=5)
    small = Given((features * 1e-3, labels), (test[0] * 1e-3, test[1]), 4)
    with_it = linear_probe.measure(small, epochs=5, lr=0.01)["top1_last"]
    assert with_it > 90 > linear_probe.measure(small, epochs=5, lr=0.01, standardize=False)["top1_last"]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(exponents=st.lists(st.integers(-126, 120), min_size=10, max_size=10))
def test_a_standardised_probe_does_not_see_the_size_of_features(exponents):
    (features, labels), (held_out, truth) = clusters(80, 1.0), clusters(80, 1.0, seed=5)
    sizes = torch.tensor(exponents, dtype=torch.float64).exp2()
    scores = [
        linear_probe.measure(Given(((features * by).float(), labels), ((held_out * by).float(), truth), 4), epochs=3)
        for by in (torch.ones_like(sizes), sizes)
    ]
    assert scores[1]["train_loss"] == pytest.approx(scores[0]["train_loss"], rel=1e-4)
    assert scores[1]["top1_last"] == pytest.approx(scores[0]["top1_last"], abs=2.6)


def test_a_probe_that_diverges_reports_no_share(monkeypatch):
    points = clusters(80, 1.0)
    huge = Given((points[0].float() * 1e35, points[1]), (points[0].float() * 1e35, points[1]), 4)
    with pytest.raises(NotFinite):
        linear_probe.measure(huge, epochs=3, standardize=False, optimizer="sgd", lr=1e4)
    with pytest.raises(NotFinite):  # the loss of the only epoch, before its one step, is finite
        linear_probe.measure(
            Given(points, points, 4), epochs=1, batch_size=80, standardize=False, optimizer="sgd", lr=math.inf
        )


@pytest.mark.parametrize("name", ["epochs", "batch_size", "optimizer"])
def test_bad_params_of_the_probe_are_named(name):
    points = clusters(20, 1.0)
    with pytest.raises(UserError, match=rf"^linear_probe\.{name}:"):
        linear_probe.measure(Given(points, points, 4), **{name: "lars" if name == "optimizer" else 0})


# -- k-NN


def test_votes_equal_scikit_learn_s_weighted_neighbours():
    from sklearn.neighbors import KNeighborsClassifier

    bank, labels = clusters(240, 6.0)
    queries, truth = clusters(150, 6.0, seed=5)
    for k, temperature in [(1, 0.1), (20, 0.1), (100, 0.5)]:
        reference = KNeighborsClassifier(
            k, metric="cosine", algorithm="brute", weights=lambda d, t=temperature: np.exp((1 - d) / t)
        )
        reference.fit(bank.numpy(), labels.numpy())
        cast = votes(bank, labels, queries, 4, k=k, temperature=temperature)
        shares = (cast / cast.sum(1, keepdim=True)).numpy()
        np.testing.assert_allclose(shares, reference.predict_proba(queries.numpy()), atol=1e-10)
        scores = knn.measure(Given((bank, labels), (queries, truth), 4), k=k, temperature=temperature)
        assert scores["top1"] == pytest.approx(100 * reference.score(queries.numpy(), truth.numpy()))
        assert scores["k"] == k


def test_votes_by_hand():
    angles = torch.tensor([10.0, 60, 60, 180], dtype=torch.float64).deg2rad()
    bank = torch.stack((angles.cos(), angles.sin()), 1) * torch.tensor([[5.0], [1], [0.2], [1]])
    labels = torch.tensor([0, 1, 1, 2])
    query = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    near, far = math.cos(math.radians(10)), 0.5
    for temperature, winner in [(0.1, 0), (10.0, 1)]:
        cast = votes(bank, labels, query, 3, k=3, temperature=temperature)[0]
        expected = [1.0, 2 * math.exp((far - near) / temperature), 0]
        torch.testing.assert_close(cast, torch.tensor(expected, dtype=torch.float64))
        assert cast.argmax() == winner
    assert votes(bank, labels, query, 3, k=99, temperature=1.0)[0, 2] == pytest.approx(math.exp(-1 - near))


def test_chunks_and_temperature_of_the_votes():
    bank, labels = clusters(90, 6.0)
    queries, _ = clusters(31, 6.0, seed=5)
    ticks: list[tuple[int, int]] = []
    whole = votes(bank, labels, queries, 4, k=10, temperature=0.1)
    parts = votes(bank, labels, queries, 4, k=10, temperature=0.1, entries=200, tick=lambda *done: ticks.append(done))
    torch.testing.assert_close(parts, whole, atol=1e-14, rtol=1e-12)
    assert len(ticks) == 16 and ticks[-1] == (31, 31)
    cold = votes(bank.float(), labels, bank.float(), 4, k=10, temperature=1e-3)
    assert torch.isfinite(cold).all() and torch.equal(cold.argmax(1), labels)


def test_a_cold_vote_is_that_of_the_nearest_neighbour():
    """The colder, the nearer to k = 1, to which it goes; no query is left without a vote, which would be class 0."""
    bank, labels = clusters(400, 6.0, width=128)
    queries, truth = clusters(300, 6.0, seed=5, width=128)
    cold = Given((bank.float(), labels), (queries.float(), truth), 4)
    nearest = knn.measure(cold, k=1)["top1"]
    assert nearest > 60
    assert knn.measure(cold, k=200, temperature=0.003)["top1"] == pytest.approx(nearest, abs=12)
    for temperature in (1e-5, 1e-30, 1e-300, 5e-324):
        assert knn.measure(cold, k=200, temperature=temperature)["top1"] == nearest
        cast = votes(bank.float(), labels, queries.float(), 4, k=200, temperature=temperature)
        assert torch.isfinite(cast).all() and (cast.sum(1) >= 1).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(exponents=st.lists(st.integers(-148, 120), min_size=60, max_size=60))
def test_votes_do_not_depend_on_the_size_of_features(exponents):
    """A cosine does not: each row may have any size that float32 has, from its subnormals to its largest numbers."""
    bank, labels = clusters(60, 6.0)
    whole = (8 * bank).round().clamp(-255, 255)  # so that a power of two changes no digit, among subnormals either
    whole = torch.where(whole.abs().amax(1, keepdim=True) > 0, whole, 1)
    sizes = torch.tensor(exponents, dtype=torch.float64)[:, None].exp2()
    scaled = (whole * sizes).clamp(-3.4e38, 3.4e38).float()
    expected = votes(whole.float(), labels, whole.float(), 4, k=9, temperature=0.1)
    torch.testing.assert_close(votes(scaled, labels, scaled, 4, k=9, temperature=0.1), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_votes_of_low_precision_are_cast_in_single(kind):
    bank, labels = clusters(60, 6.0)
    low = (1000 * bank).clamp(-60000, 60000).to(kind)  # in float16 the square of an entry is infinite
    cast = votes(low, labels, low, 4, k=9, temperature=0.1)
    torch.testing.assert_close(cast, votes(low.float(), labels, low.float(), 4, k=9, temperature=0.1))


@pytest.mark.parametrize("params", [{"k": 0}, {"temperature": 0.0}, {"temperature": math.nan}])
def test_bad_params_of_knn_are_named(params):
    points = clusters(20, 1.0)
    with pytest.raises(UserError, match=rf"^knn\.{next(iter(params))}:"):
        knn.measure(Given(points, points, 4), **params)


# -- spectra


def test_alignment_with_a_commuting_and_with_a_random_matrix():
    f = torch.randn(200, 8, generator=rng(), dtype=torch.float64) * torch.arange(8, 0, -1)
    values, vectors = spectra.eigenbasis(f.T @ f / 200)
    np.testing.assert_allclose(values, np.linalg.eigvalsh((f.T @ f / 200).numpy())[::-1], atol=1e-10)
    eigenvalues = torch.tensor([3.0, -1, 0.5, 2, -4, 1, 0, -0.2], dtype=torch.float64)
    commuting = vectors @ torch.diag(eigenvalues) @ vectors.T
    found = spectra.alignment(commuting, vectors)
    assert found[6] is None
    assert found[:6] + found[7:] == pytest.approx([1, -1, 1, 1, -1, 1, -1])
    random = torch.randn(8, 8, generator=rng(1), dtype=torch.float64)
    off = spectra.alignment(random, vectors)
    assert max(map(abs, off)) < 0.95
    j = 2
    u = vectors[:, j].numpy()
    image = random.numpy() @ u
    assert off[j] == pytest.approx(u @ image / np.linalg.norm(image))
    # Directions in the plane turned by a right angle: no alignment, however large the image.
    quarter = torch.tensor([[0.0, -5], [5, 0]], dtype=torch.float64)
    assert spectra.alignment(quarter, torch.eye(2, dtype=torch.float64)) == [0, 0]


def test_asymmetry_from_symmetric_to_skew():
    matrix = torch.randn(5, 5, generator=rng(), dtype=torch.float64)
    symmetric, skew = (matrix + matrix.T) / 2, (matrix - matrix.T) / 2
    assert spectra.asymmetry(symmetric) == 0 and spectra.asymmetry(torch.zeros(3, 3)) == 0
    assert spectra.asymmetry(skew) == math.inf
    assert spectra.asymmetry(symmetric + 2 * skew) == pytest.approx((2 * skew.norm() / symmetric.norm()).item())


def test_effective_rank_counts_equal_directions():
    assert spectra.effective_rank(torch.tensor([2.0, 2, 2, 0, -1e-9])) == pytest.approx(3)
    assert spectra.effective_rank(torch.tensor([7.0, 0])) == pytest.approx(1)
    assert spectra.effective_rank(torch.zeros(4)) == 0
    assert spectra.effective_rank(torch.tensor([0.5, 0.25, 0.25])) == pytest.approx(math.exp(1.5 * math.log(2)))


# -- the stage


@dataclass
class Site:
    """A data set and checkpoints in a temporary folder."""

    root: Path
    images: dict[str, Tensor]

    def spec(self, **changes) -> dict:
        """Params of a run, complete."""
        given = {
            "views": {"kind": "identity"},
            "encoder": {"kind": "tiny_conv", "channels": [4, 6], "strides": [1, 2]},
            "projector": {"kind": "mlp", "hidden": 8, "out": 5},
            "predictor": {"kind": "linear"},
            "target": {"kind": "same"},
            "optimizer": {"kind": "sgd"},
            "schedule": {"kind": "constant"},
        } | changes
        resolved = {name: components.resolve(name, params, "test") for name, params in given.items()}
        return resolved | {"normalize": NORMALIZE, "batch_size": 16, "accumulation": 1, "split": "train"}

    def files(self, spec: dict) -> dict[str, Path]:
        """Source files of a run's components."""
        named = {name: params["kind"] for name, params in spec.items() if isinstance(params, dict) and "kind" in params}
        return {name: components.find(name, kind) for name, kind in named.items()}

    def train(
        self, name: str, spec: dict, outcome: str = "trained", poison: bool = False, epoch: int = 0, rows: str = ""
    ) -> Path:
        """A checkpoint with initial weights, and what its record says of the epochs."""
        folder = self.root / name
        folder.mkdir()
        parts = {part: spec[part] for part in ("encoder", "projector", "predictor")}
        network = build_network(parts, (3, 8, 8), self.files(parts), seed=1)
        if poison:
            next(network.encoder.parameters()).data.fill_(math.nan)
        state = network.state_dict() if outcome == "trained" else None
        spread = float(rows.split("\n")[-2 if rows.endswith("\n") else -1].split(",")[2]) if rows else None
        summary = {"outcome": outcome, "epoch": epoch, "embedding_std": spread}
        checkpoint.write_payload(folder, state, None, f"epoch\n{rows}", torch.zeros(0), summary)
        return folder

    def subject(self, work: Work) -> context.EvaluationContext:
        """What a measure gets of it."""
        return context.EvaluationContext(
            spec=work.spec,
            seed=work.seed or 0,
            device=torch.device("cpu"),
            checkpoint=work.inputs["checkpoint"],
            data=work.inputs["data"],
            components=work.components,
            progress=Progress("test"),
        )

    def work(self, kind: str, folder: Path, spec: dict, seed: int = 1, **params) -> Work:
        """What the executor hands to the stage."""
        read = components.reads("measure", kind)
        protocol = components.resolve("measure", {"kind": kind, **params}, "test")
        out = self.root / f"out-{len(list(self.root.iterdir()))}"
        out.mkdir()
        files = {name: path for name, path in self.files(spec).items() if name in read}
        return Work(
            name=f"measurements/{kind}",
            spec={"measure": protocol, "threads": 1, **{name: spec[name] for name in read}},
            out=out,
            inputs={"checkpoint": folder, "data": self.root / "data"},
            seed=seed,
            components={"measure": components.find("measure", kind), **files},
            context={"device": "cpu"},
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """72 training and 40 test images of three classes, told apart by their colour."""
    data = tmp_path / "data"
    data.mkdir()
    tensors, counts = {}, {"train": 72, "test": 40}
    for number, (split, count) in enumerate(counts.items()):
        labels = torch.arange(count) % 3
        noise = torch.randint(0, 120, (count, 3, 8, 8), generator=rng(number))
        noise[torch.arange(count), labels] += 70
        tensors |= {f"{split}_images": noise.to(torch.uint8), f"{split}_labels": labels}
    save_file(tensors, data / "arrays.safetensors")
    meta = {
        "name": "colours",
        "classes": ["red", "green", "blue"],
        "counts": counts,
        "image_shape": [3, 8, 8],
    }
    (data / "meta.json").write_text(json.dumps(meta))
    return Site(tmp_path, {split: tensors[f"{split}_images"] for split in counts})


def scores(work: Work) -> dict:
    return json.loads((work.out / "scores.json").read_text())


def test_measures_of_a_checkpoint_share_its_features(site, monkeypatch):
    spec = site.spec()
    folders = [site.train(name, spec) for name in ("a", "b")]
    works = [
        site.work(kind, folder, spec, **params)
        for kind, params in [
            ("linear_probe", {"epochs": 30, "lr": 0.03}),
            ("knn", {"k": 5}),
            ("spectrum", {"samples": 48}),
        ]
        for folder in folders
    ]
    extracted = []
    real = context.extract

    def counting(encoder, images, normalize, **more):
        extracted.append(len(images))
        return real(encoder, images, normalize, **more)

    monkeypatch.setattr(context, "extract", counting)
    done = []
    for work in stage.execute(works):
        assert [path.name for path in work.out.iterdir()] == ["scores.json"]  # complete when it is handed over
        done.append(work)
    assert sorted(map(id, done)) == sorted(map(id, works))
    assert extracted == [72, 40] * 2
    probe, neighbours, spectral = scores(works[0]), scores(works[2]), scores(works[4])
    assert probe["top1_last"] > 80 and neighbours["top1"] > 60 and neighbours["k"] == 5
    assert (probe["n_train"], probe["n_test"]) == (72, 40)
    assert spectral["samples"] == 48 and len(spectral["spectrum"]["alignment"]) == 5
    assert spectral["spectrum"]["asymmetry"] == spectral["asymmetry"] > 0
    for found, kind in ((probe, "linear_probe"), (neighbours, "knn"), (spectral, "spectrum")):
        declared = set(components.values("measure", kind))  # top5 of three classes would be 100
        assert declared - set(found) == ({"top5"} if kind == "linear_probe" else set())
        assert set(found) - declared == {"batchnorm", "collapsed"}  # remarks on the checkpoint
    # The checkpoints are the same, so are the bytes; and they are JSON as written by us.
    for work, twin in zip(works[::2], works[1::2], strict=True):
        text = (work.out / "scores.json").read_text()
        assert text == (twin.out / "scores.json").read_text()
        assert text == json.dumps(json.loads(text), sort_keys=True, indent=1) + "\n"


def test_a_measure_reads_only_the_parts_that_it_names(site):
    spec = site.spec()
    folder = site.train("a", spec)
    work = site.work("knn", folder, spec)
    assert set(work.spec) == {"measure", "threads", "encoder", "normalize"}
    assert set(work.components) == {"measure", "encoder"}
    list(stage.execute([work]))
    assert scores(work)["k"] == 72  # fewer images than neighbours asked for


def statistics(network: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in network.state_dict().items() if "running" in name}


WITHOUT_WEIGHTS = {"losses", "timing"}
"""Measures of the record of a training, and of the training itself."""


def test_what_is_timed_is_trained_with_all_that_the_run_says():
    assert {*RunSpec.model_fields} - {"threads"} == {*components.reads("measure", "timing")}


def test_steps_of_several_processes_are_not_timed_as_those_of_one() -> None:
    module = components.load(components.find("measure", "timing"))
    with pytest.raises(UserError, match="timing: expected a run of one process, found processes: 2"):
        module.measure(SimpleNamespace(spec={"processes": 2}))


READING = [
    kind
    for kind in components.kinds("measure")
    if "encoder" in components.reads("measure", kind) and kind not in WITHOUT_WEIGHTS
]


@pytest.mark.parametrize("kind", READING)
def test_a_network_that_was_never_trained_gets_the_statistics_of_the_training_images(site, kind):
    """Whatever measures it. On all images at once they are exact, layer by layer."""
    assert {*READING} | WITHOUT_WEIGHTS == {*components.kinds("measure")} and len(READING) >= 6
    spec = site.spec()
    given = {"reference": "other"} if "reference" in components.params("measure", kind) else {}
    never = site.subject(site.work(kind, site.train("never", spec), spec, **given))
    once = site.subject(site.work(kind, site.train("once", spec, epoch=1), spec, **given))
    assert never.calibrated and not once.calibrated
    assert never.remarks()["batchnorm"] == "calibrated" and "batchnorm" not in once.remarks()
    assert all(value.unique().numel() == 1 for value in statistics(once.network).values())
    seen: dict[str, Tensor] = {}
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    norms = {name: part for name, part in never.network.named_modules() if isinstance(part, kinds)}
    assert ("projector.norm" in norms) == ("projector" in never.spec) and "encoder.norms.1" in norms
    for name, norm in norms.items():
        assert norm.momentum == 0.1 and not norm.training
        norm.register_forward_hook(lambda _, given, out, name=name: seen.update({name: out.clone()}))
    images = (site.images["train"] / 255 - torch.tensor(NORMALIZE["mean"]).view(3, 1, 1)) / torch.tensor(
        NORMALIZE["std"]
    ).view(3, 1, 1)
    parts = never.network
    features = parts.encoder(images)
    if parts.projector is not None:
        parts.projector(features)
    assert set(seen) == set(norms)
    for out in seen.values():
        values = out.double().transpose(0, 1).flatten(1)
        torch.testing.assert_close(values.mean(1), torch.zeros_like(values[:, 0]), atol=0.01, rtol=0)
        # eps, and running_var is that of a sample
        torch.testing.assert_close(values.var(1), torch.ones_like(values[:, 0]), atol=0.02, rtol=0)
    weights = build_network(spec | {}, (3, 8, 8), site.files(spec), seed=1).state_dict()
    for name, value in never.network.state_dict().items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(value, weights[name]), name


def test_statistics_of_an_untrained_network_do_not_hang_on_batches_or_the_order_of_files(site):
    images, spec = site.images["train"], site.spec()
    order = torch.argsort(torch.arange(72) % 3, stable=True)  # class by class
    found = []
    for drawn, size in ((images, 500), (images[order], 20), (images, 36)):
        encoder = build_network({"encoder": spec["encoder"]}, (3, 8, 8), site.files(spec), seed=1).encoder.eval()
        ticks: list[tuple[int, int]] = []
        calibrate(encoder, drawn, NORMALIZE, 5, batch_size=size, tick=lambda *done, into=ticks: into.append(done))
        assert ticks[-1] == (72, 72) and len(ticks) == -(-72 // size) and not encoder.training
        found.append(statistics(encoder))
    for name, value in found[0].items():
        for other in found[1:]:
            torch.testing.assert_close(other[name], value, atol=0.05, rtol=0.05)
    with pytest.raises(UserError, match="two training images"):
        calibrate(encoder, images[:1], NORMALIZE, 5)


def test_a_training_that_collapsed_is_marked_whatever_is_measured(site):
    spec = site.spec()
    folders = {
        "fine": site.train("fine", spec, epoch=2, rows="1,0.1,0.8,3.0\n2,0.1,0.7,3.0\n"),
        "fallen": site.train("fallen", spec, epoch=2, rows="1,0.1,0.8,3.0\n2,0.1,3e-5,1.0\n"),
    }
    for kind, params in (("spectrum", {"samples": 48}), ("knn", {"k": 5}), ("linear_probe", {"epochs": 1})):
        works = {name: site.work(kind, folder, spec, **params) for name, folder in folders.items()}
        list(stage.execute(list(works.values())))
        assert {name: scores(work)["collapsed"] for name, work in works.items()} == {"fine": False, "fallen": True}


def test_features_that_collapsed_are_marked_where_the_probe_does_not_tell(site):
    """All features next to one point, with what tells the classes apart a ten thousandth of their size."""
    spec = site.spec()
    folder = site.train("a", spec, epoch=1, rows="1,0.1,0.8,3.0\n")
    state = checkpoint.read_tensors(folder / checkpoint.MODEL)
    state["encoder.norms.1.weight"] *= 1e-4
    state["encoder.norms.1.bias"] += 1
    save_file(state, folder / checkpoint.MODEL)
    works = [site.work("linear_probe", folder, spec, epochs=30, lr=0.03), site.work("knn", folder, spec)]
    works.append(site.work("spectrum", folder, spec))
    list(stage.execute(works))
    assert scores(works[0])["top1_last"] > 80
    assert [scores(work)["collapsed"] for work in works] == [True, True, False]  # the last one looks at no features
    assert 0 < scores(works[0])["feature_std"] < 1e-3 and scores(works[0])["feature_rank"] > 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(3, 40), st.integers(1, 30), st.integers(-100, 100), st.sampled_from([0.0, 0.5, 30.0]))
def test_extent_of_gaussian_features(rows, width, exponent, centre):
    """Size is no matter but for what is next to nothing; the rank is that of the covariance, by NumPy."""
    points = torch.randn(rows, width, generator=rng(rows), dtype=torch.float64)
    features = ((points + centre) * 2.0**exponent).float()
    found = extent(features)
    values = features.double().numpy() / 2.0**exponent
    assert found.std == pytest.approx(2.0**exponent * np.sqrt(values.var(0).mean()), rel=1e-4)
    assert found.share == pytest.approx(np.sqrt(values.var(0).mean() / (values**2).mean()), rel=1e-4)
    shares = np.linalg.eigvalsh(np.cov(values.T, bias=True).reshape(width, width)).clip(1e-300)
    shares /= shares.sum()
    assert found.rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)
    assert extent(torch.full((rows, width), 2.0**exponent)).collapsed
    line = (points[:, :1] * torch.ones(1, 3)).float()
    assert extent(line).collapsed and not extent(torch.eye(9)).collapsed


def test_raw_pixels_are_a_checkpoint_like_any_other(site):
    spec = site.spec(encoder={"kind": "pixels"}, projector={"kind": "none"}, predictor={"kind": "none"})
    work = site.work("linear_probe", site.train("pixels", spec), spec, epochs=30, lr=0.03)
    spectral = site.work("spectrum", work.inputs["checkpoint"], spec, samples=72)
    list(stage.execute([work, spectral]))
    assert scores(work)["top1_last"] > 90
    # Without augmentation and BatchNorm the predictor's input is the normalised pixels.
    mean, std = (np.array(NORMALIZE[name]).reshape(3, 1, 1) for name in ("mean", "std"))
    used = 64  # whole batches of 16
    chosen = torch.randperm(72, generator=generator(1, "spectrum", "images"))[:used]
    pixels = ((site.images["train"][chosen].double().numpy() / 255 - mean) / std).reshape(used, -1)
    expected = np.linalg.eigvalsh(pixels.T @ pixels / used)[::-1]
    found = scores(spectral)["spectrum"]
    np.testing.assert_allclose(found["f_eigenvalues"], expected, atol=1e-4)
    assert set(found) == {"f_eigenvalues", "f_effective_rank", "samples"}  # no predictor, no Wp


def test_spectrum_takes_batch_statistics_and_leaves_the_network_alone(site):
    views = {"kind": "simclr", "scale_min": 0.5, "count": 3}
    spec = site.spec(views=views)
    work = site.work("spectrum", site.train("a", spec), spec)
    looked_at = site.subject(work)
    before = {name: tensor.clone() for name, tensor in looked_at.network.state_dict().items()}
    correlation, used = spectrum.predictor_input(looked_at, 40)
    assert used == 32 and not looked_at.network.training
    assert all(torch.equal(before[name], now) for name, now in looked_at.network.state_dict().items())

    network = build_network(
        {part: spec[part] for part in ("encoder", "projector", "predictor")},
        (3, 8, 8),
        work.components,
        seed=1,
    ).train()
    policy = components.make(work.components["views"], spec["views"], (3, 8, 8), NORMALIZE)
    order = torch.randperm(72, generator=generator(1, "spectrum", "images"))
    pooled = []
    for number in range(2):
        batch = site.images["train"][order[16 * number : 16 * number + 16]]
        for view in policy(batch, generator(1, "spectrum", "views", number)):
            pooled.append(network.projector(network.encoder(view)).detach().double())
    stored = torch.cat(pooled).numpy()
    assert stored.shape == (96, 5)
    np.testing.assert_allclose(correlation, stored.T @ stored / 96, atol=1e-10)

    scored = spectrum.measure(looked_at, samples=40)["spectrum"]
    weight = network.predictor.weight.detach().double().numpy()
    np.testing.assert_allclose(scored["f_eigenvalues"], np.linalg.eigvalsh(stored.T @ stored / 96)[::-1], atol=1e-10)
    symmetric = np.linalg.eigvalsh((weight + weight.T) / 2)[::-1]
    np.testing.assert_allclose(scored["wp_symmetric_eigenvalues"], symmetric, atol=1e-10)
    assert scored["smallest_eigenvalue"] == pytest.approx(symmetric[-1])
    real = np.sort(np.linalg.eigvals(weight).real)[::-1]
    np.testing.assert_allclose(scored["wp_real_eigenvalues"], real, atol=1e-10)
    assert scored["asymmetry"] == pytest.approx(np.linalg.norm(weight - weight.T) / np.linalg.norm(weight + weight.T))
    told = spectrum.measure(looked_at, samples=40)
    assert told["spectrum_log_largest_s"] == pytest.approx(np.log(np.linalg.norm(stored / np.sqrt(96), 2) ** 2))
    assert told["spectrum_log_smallest_s"] == pytest.approx(np.log(np.linalg.norm(stored / np.sqrt(96), -2) ** 2))
    assert [told["spectrum_largest_p"], told["spectrum_smallest_p"]] == pytest.approx([symmetric[0], symmetric[-1]])
    vectors = np.linalg.eigh(stored.T @ stored)[1]
    cosines = [u @ weight @ u / np.linalg.norm(weight @ u) for u in vectors.T]
    assert told["spectrum_leading_alignment"] == pytest.approx(np.mean(cosines))
    assert told["spectrum_asymmetry"] == told["asymmetry"]
    with pytest.raises(UserError, match=r"^spectrum\.samples:"):
        spectrum.measure(looked_at, samples=1)


def test_the_summary_of_spectra_takes_ends_and_leading_modes_and_no_undefined_number():
    lists = {"f_eigenvalues": [2.0, 1.0, -1e-20], "alignment": [1.0, None] + [0.5] * 8 + [-1.0] * 5}
    told = spectrum.summary(lists)
    assert told["spectrum_log_largest_s"] == np.log(2.0)
    assert told["spectrum_log_smallest_s"] == pytest.approx(np.log(2.0 * np.finfo(float).eps))
    assert told["spectrum_leading_alignment"] == pytest.approx((1.0 + 0.5 * 8) / 9)
    assert told["spectrum_largest_p"] is told["spectrum_asymmetry"] is None
    assert spectrum.summary({"f_eigenvalues": [0.0, 0.0]})["spectrum_log_smallest_s"] is None


def test_a_diverged_checkpoint_has_no_scores_and_is_no_error(site):
    spec = site.spec()
    works = [
        site.work("linear_probe", site.train("stopped", spec, outcome="diverged"), spec),
        site.work("spectrum", site.train("poisoned", spec, poison=True), spec),
    ]
    works.append(site.work("knn", works[1].inputs["checkpoint"], spec))
    assert len(list(stage.execute(works))) == 3
    assert [scores(work) for work in works] == [{"outcome": "diverged"}] * 3


def test_a_probe_that_diverges_is_recorded_as_diverged(site):
    spec = site.spec()
    folder = site.train("a", spec)
    wild = {"optimizer": "sgd", "standardize": False, "epochs": 9}
    works = [site.work("linear_probe", folder, spec, **wild), site.work("linear_probe", folder, spec, epochs=2)]
    works[0].spec["measure"]["lr"] = 1e30  # no plan takes such a rate
    list(stage.execute(works))
    assert scores(works[0]) == {"outcome": "diverged"} and scores(works[1])["top1_last"] >= 0


@pytest.mark.parametrize("found", [math.inf, [1.0, math.nan], {"a": (-math.inf,)}])
def test_a_number_that_is_not_finite_is_recorded_as_diverged(site, monkeypatch, found):
    spec = site.spec()
    work = site.work("knn", site.train("a", spec), spec)
    monkeypatch.setattr(knn, "measure", lambda *_, **__: {"top1": 50.0, "other": found})
    list(stage.execute([work]))
    assert scores(work) == {"outcome": "diverged"}


def test_scores_refuse_what_json_has_no_word_for(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        stage.write_scores(tmp_path, {"top1": math.nan})
    stage.write_scores(tmp_path, {"b": 0.1 + 0.2, "a": [1]})
    assert (tmp_path / "scores.json").read_text() == '{\n "a": [\n  1\n ],\n "b": 0.30000000000000004\n}\n'


def test_progress_speaks_only_after_a_while():
    stream = io.StringIO()
    patient, eager = Progress("node", every=60, stream=stream), Progress("node", every=0, stream=stream)
    patient.tick("features of train", 1, 2)
    assert stream.getvalue() == ""
    eager.tick("features of train", 500, 2000)
    assert stream.getvalue() == "node: features of train 500/2000\n"


def test_measures_declare_what_they_read():
    assert components.reads("measure", "linear_probe") == components.reads("measure", "knn") == ("encoder", "normalize")
    assert set(components.reads("measure", "spectrum")) == {
        "encoder", "projector", "predictor", "views", "normalize", "batch_size", "split",
    }  # fmt: skip
    found = components.resolve("measure", {"kind": "linear_probe"}, "test")
    assert (
        found["lr"] == 3e-4 and found["weight_decay"] == 1e-3 and found["epochs"] == 50 and found["batch_size"] == 128
    )
    assert found["standardize"] is True and found["optimizer"] == "adam"
    assert components.resolve("measure", {"kind": "knn"}, "test") == {
        "kind": "knn",
        "k": 200,
        "temperature": 0.1,
    }
