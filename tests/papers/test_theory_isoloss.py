"""Theory of Halvagal 2023: losses, mode dynamics, spectra, Gaussian expectations and toy networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from pipeline.errors import UserError
from pipeline.papers.isoloss import gaussian, kernel, losses, modes, numeric, spectra, toy
from pipeline.papers.isoloss.simulations import fig4 as isoloss_fig4
from pipeline.papers.isoloss.simulations import toy as isoloss_toy

LAM = np.array([0.5, 1.0, 2.0])
ZH1 = np.array([[1.0], [2.0], [-1.0]])
ZH2 = np.array([[1.5], [1.0], [-0.5]])
FEW = settings(max_examples=20, deadline=None, derandomize=True)


@st.composite
def examples(draw, least: int = 2):
    """Predictor, its rotation and eigenvalues, and a batch of pairs of embeddings."""
    count, pairs = draw(st.integers(least, 6)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    rotation, _ = np.linalg.qr(rng.standard_normal((count, count)))
    lam = rng.uniform(0.1, 2.5, count)
    z1, z2 = rng.standard_normal((2, count, pairs)) + 0.1
    return (rotation * lam) @ rotation.T, rotation, lam, z1, z2


# --- losses and their gradients -------------------------------------------------------------------------------------


def test_fixed_values_of_the_losses_and_gradients():
    predictor = np.diag(LAM)
    assert losses.value("cosine", "plain", ZH1, ZH2, predictor)[0] == pytest.approx(-0.6978631578, abs=1e-10)
    g1, g2 = losses.gradients("cosine", "nosg", ZH1, ZH2, predictor)
    assert g1[:, 0] == pytest.approx([-0.1184252631, -0.0169178947, -0.1522610526], abs=1e-10)
    assert g2[:, 0] == pytest.approx([0.2060357894, -0.1728042105, 0.2724989473], abs=1e-10)
    assert losses.iso_value("cosine", ZH1, ZH2, predictor)[0] == pytest.approx(-0.4694715788, abs=1e-10)
    g, none = losses.gradients("cosine", "iso", ZH1, ZH2, predictor)
    assert g[:, 0] == pytest.approx([-0.2368505263, -0.0169178947, -0.0761305263], abs=1e-10) and none is None
    assert losses.gradients("euclidean", "plain", ZH1, ZH2, predictor)[0][:, 0] == pytest.approx([-0.5, 1.0, -3.0])
    assert losses.gradients("euclidean", "iso", ZH1, ZH2, predictor)[0][:, 0] == pytest.approx([-1.0, 1.0, -1.5])


@FEW
@given(examples(), st.sampled_from(losses.METRICS))
def test_hand_gradients_are_those_of_the_values(example, metric):
    predictor, _, _, z1, z2 = example
    for variant in ("plain", "nopred", "nosg"):
        g1, g2 = losses.gradients(metric, variant, z1, z2, predictor)
        wanted = numeric.gradient(lambda z, v=variant: losses.value(metric, v, z, z2, predictor), z1)
        np.testing.assert_allclose(g1, wanted, rtol=1e-10, atol=1e-12)
        if variant == "nosg":
            wanted = numeric.gradient(lambda z: losses.value(metric, "nosg", z1, z, predictor), z2)
            np.testing.assert_allclose(g2, wanted, rtol=1e-10, atol=1e-12)
    g, _ = losses.gradients(metric, "iso", z1, z2, predictor)
    wanted = numeric.gradient(lambda z: losses.iso_value(metric, z, z2, predictor, fixed=(z1, z2)), z1)
    np.testing.assert_allclose(g, wanted, rtol=1e-10, atol=1e-12)
    if metric == "euclidean":
        wanted = numeric.gradient(lambda z: losses.iso_second_value(z, z2, predictor, fixed=(z1, z2)), z1)
        np.testing.assert_allclose(g, wanted, rtol=1e-10, atol=1e-12)


def test_complex_steps_agree_with_finite_differences_and_autograd():
    torch = pytest.importorskip("torch")
    z1, z2 = torch.tensor(ZH1, requires_grad=True), torch.tensor(ZH2, requires_grad=True)
    p = torch.diag(torch.tensor(LAM)) @ z1
    loss = -(p * z2).sum() / (p.norm() * z2.norm())
    loss.backward()
    g1, g2 = losses.gradients("cosine", "nosg", ZH1, ZH2, np.diag(LAM))
    np.testing.assert_allclose(g1, z1.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(g2, z2.grad.numpy(), rtol=1e-12)
    small = 1e-6
    for mode in range(3):
        step = small * np.eye(3)[:, [mode]]
        sides = [losses.value("cosine", "plain", ZH1 + s * step, ZH2, np.diag(LAM))[0] for s in (1, -1)]
        assert g1[mode, 0] == pytest.approx((sides[0] - sides[1]) / (2 * small), abs=1e-9)


@FEW
@given(examples(), st.sampled_from(losses.METRICS))
def test_plain_gradient_is_the_predictor_times_that_of_isoloss(example, metric):
    predictor, _, _, z1, z2 = example
    plain, _ = losses.gradients(metric, "plain", z1, z2, predictor)
    iso, _ = losses.gradients(metric, "iso", z1, z2, predictor)
    np.testing.assert_allclose(plain, predictor @ iso, rtol=1e-12, atol=1e-14)


@FEW
@given(examples(), st.sampled_from(losses.METRICS))
def test_losses_do_not_depend_on_the_basis(example, metric):
    predictor, rotation, lam, z1, z2 = example
    inside = losses.value(metric, "plain", rotation.T @ z1, rotation.T @ z2, np.diag(lam))
    np.testing.assert_allclose(losses.value(metric, "plain", z1, z2, predictor), inside, rtol=1e-11, atol=1e-13)


@FEW
@given(examples(), st.floats(0.1, 10.0))
def test_an_identity_predictor_and_scales(example, factor):
    predictor, _, _, z1, z2 = example
    one = np.eye(len(z1))
    for metric in losses.METRICS:
        wanted, _ = losses.gradients(metric, "nopred", z1, z2, predictor)
        for variant in ("plain", "iso"):
            np.testing.assert_allclose(losses.gradients(metric, variant, z1, z2, one)[0], wanted, atol=1e-13)
    value = losses.value("cosine", "plain", z1, z2, predictor)
    scaled = losses.value("cosine", "plain", factor * z1, factor * z2, factor * predictor)
    np.testing.assert_allclose(scaled, value, rtol=1e-11)
    iso, _ = losses.gradients("cosine", "iso", z1, z2, predictor)
    for moved in ((factor * z1, z2, predictor), (z1, z2, factor * predictor)):
        np.testing.assert_allclose(losses.gradients("cosine", "iso", *moved)[0], iso / factor, rtol=1e-10, atol=1e-13)


@FEW
@given(examples())
def test_cosine_gradients_are_orthogonal_to_what_they_move(example):
    predictor, _, _, z1, z2 = example
    g1, g2 = losses.gradients("cosine", "nosg", z1, z2, predictor)
    assert np.abs((g1 * z1).sum(0)).max() < 1e-12
    assert np.abs((g2 * z2).sum(0)).max() < 1e-12
    iso, _ = losses.gradients("cosine", "iso", z1, z2, predictor)
    assert np.abs((iso * (predictor @ z1)).sum(0)).max() < 1e-12
    p = predictor @ z1
    n1, n2 = (np.linalg.norm(of, axis=0, keepdims=True) for of in (p, z2))
    extra = losses.published_extra(p, z2, n1, n2, (p * z2).sum(0, keepdims=True))
    if np.abs(n1 / n2 - 1).max() > 0.1:
        assert np.abs((extra * z2).sum(0)).max() > 1e-6, "the published one is not"


# --- modes ----------------------------------------------------------------------------------------------------------


@FEW
@given(examples())
def test_mode_dynamics_are_gradients(example):
    _, _, lam, zh1, zh2 = example
    column, predictor = lam[:, None], np.diag(lam)
    for formula, metric in ((modes.euclidean, "euclidean"), (modes.cosine, "cosine")):
        g, _ = losses.gradients(metric, "plain", zh1, zh2, predictor)
        np.testing.assert_allclose(formula(column, zh1, zh2), -g, rtol=1e-10, atol=1e-12)
    g, _ = losses.gradients("cosine", "iso", zh1, zh2, predictor)
    np.testing.assert_allclose(modes.cosine_iso(column, zh1, zh2), -g, rtol=1e-10, atol=1e-12)
    g1, g2 = losses.gradients("cosine", "nosg", zh1, zh2, predictor)
    np.testing.assert_allclose(modes.cosine_nosg(column, zh1, zh2), -(g1 + g2), rtol=1e-10, atol=1e-12)
    g1, g2 = losses.gradients("euclidean", "nosg", zh1, zh1, predictor)
    np.testing.assert_allclose(modes.euclidean_nosg(column, zh1), -(g1 + g2), rtol=1e-10, atol=1e-12)
    g, _ = losses.gradients("euclidean", "plain", zh1, zh1, predictor)
    np.testing.assert_allclose(modes.euclidean_mean(column, zh1), -g, rtol=1e-10, atol=1e-12)


def test_cosine_dynamics_of_equal_views_in_closed_form():
    zh = ZH1[:, 0]
    a, b, c = (LAM * zh**2).sum(), (LAM**2 * zh**2).sum(), (zh**2).sum()
    wanted = zh * (2 * LAM - LAM**2 * a / b - a / c) / np.sqrt(b * c)
    np.testing.assert_allclose(modes.cosine_nosg(LAM[:, None], ZH1, ZH1)[:, 0], wanted, rtol=1e-12)


def test_the_printed_gradient_without_stop_gradient_is_wrong():
    g1, g2 = losses.gradients("cosine", "nosg", ZH1, ZH2, np.diag(LAM))
    printed = modes.cosine_nosg_printed(LAM[:, None], ZH1, ZH2)
    assert np.linalg.norm(printed + g1 + g2) > 0.5 * np.linalg.norm(g1 + g2)
    # its part of z1 is right: with unit eigenvalues and z1 = z2 all is zero but for the cubes
    same = np.ones((3, 1))
    assert np.abs(modes.cosine_nosg(same, ZH1, ZH1)).max() < 1e-15


@FEW
@given(st.integers(3, 12), st.integers(0, 10**6))
def test_near_uniform_modes_move_to_the_average(count, seed):
    lam = np.random.default_rng(seed).uniform(0.8, 1.2, count)
    balance = modes.balance(lam)
    wanted = [sum(lam[k] * (lam[k] - lam[m]) for k in range(count) if k != m) for m in range(count)]
    np.testing.assert_allclose(balance, wanted, atol=1e-12)
    assert balance[lam.argmin()] >= 0 >= balance[lam.argmax()]
    assert np.abs(modes.balance(np.full(count, 1.7))).max() < 1e-10


@FEW
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))
def test_kernel_blocks_do_not_depend_on_the_basis(modes_count, pairs, seed):
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((modes_count, modes_count)))
    x = rng.standard_normal((pairs, 7))
    wanted = np.einsum("ij,ab->ijab", x @ x.T, np.eye(modes_count))
    np.testing.assert_allclose(kernel.blocks(x, rotation), wanted, atol=1e-12)


# --- spectra --------------------------------------------------------------------------------------------------------


@FEW
@given(st.lists(st.floats(0.01, 4.0), min_size=1, max_size=5), st.sampled_from(["plain", "iso", "nosg", "nopred"]))
def test_closed_forms_solve_the_euclidean_flow(start, variant):
    s0, time = np.array(start), np.linspace(0.0, 20.0, 9)
    flow = spectra.flow(s0, "euclidean", variant, time, sigma=0.0, rtol=1e-10)
    np.testing.assert_allclose(spectra.euclidean_exact(s0, variant, time), flow, atol=1e-6)


def test_closed_forms_survive_tiny_modes_and_long_times():
    found = spectra.euclidean_exact(np.array([1e-4, 1.0, 1e3]), "plain", np.array([0.0, 1.0, 1e6]))
    assert np.isfinite(found).all() and found[0] == pytest.approx([1e-4, 1.0, 1e3], rel=1e-8)
    assert found[1, 0] == pytest.approx(1e-4 / (1 - 2e-4), rel=1e-3) and found[-1] == pytest.approx([1, 1, 1])
    nosg = spectra.euclidean_exact(np.array([0.5, 1.0, 2.0]), "nosg", np.array([1e5]))
    assert nosg[0, 0] < 1e-200 and nosg[0, 1] == 1.0 and nosg[0, 2] == pytest.approx(1.0, abs=1e-4), "half-stable"


def test_time_to_half():
    for variant in ("plain", "iso"):
        for s0 in (0.02, 0.2):
            time = spectra.time_to_half(s0, variant)
            end = spectra.euclidean_exact(np.array([s0]), variant, np.array([time]))[0, 0]
            assert end == pytest.approx(0.5, abs=1e-9)
    assert spectra.time_to_half(0.02, "plain") / spectra.time_to_half(0.02, "iso") > 3


def test_fixed_points_of_the_euclidean_flow_with_noise():
    def drift(s, **more):
        return spectra.euclidean_drift(np.array([s]), "plain", **more)[0]

    assert brentq(lambda s: drift(s, sigma=0.3), 0.5, 2.0) == pytest.approx(1.0)
    both = brentq(lambda s: drift(s, sigma=0.3, both_views=True), 0.5, 2.0)
    assert both == pytest.approx(1 / 1.09), "noise on both views"
    s = np.array([0.3, 1.0, 3.0])
    assert (spectra.euclidean_drift(s, "nosg", sigma=0.1) < 0).all(), "noise takes every mode past 1"
    assert spectra.euclidean_drift(s, "nosg")[1] == 0.0
    assert spectra.euclidean_drift(s, "nopred", sigma=0.1, both_views=True) == pytest.approx(-0.02 * s)
    assert not spectra.euclidean_drift(s, "nopred", sigma=0.1).any()


@FEW
@given(st.lists(st.floats(0.02, 3.0), min_size=2, max_size=6), st.floats(0.25, 1.5), st.floats(0.0, 0.5))
def test_cosine_flows_conserve_sums(start, alpha, sigma):
    s = np.array(start)
    for variant in ("plain", "nosg", "nopred"):
        drift = gaussian.cosine_drift(s, variant, alpha=alpha, sigma=sigma)
        assert abs(drift.sum()) <= 1e-10 * np.abs(drift).max() + 1e-15
    drift = s**alpha * gaussian.cosine_drift(s, "iso", alpha=alpha, sigma=sigma)
    assert abs(drift.sum()) <= 1e-10 * np.abs(drift).max() + 1e-15


def test_conserved_sums_along_integrated_flows():
    s0, time = np.array([0.1, 0.5, 1.2, 2.0]), np.linspace(0.0, 30.0, 7)
    for variant, power in (("plain", 1), ("nopred", 1), ("iso", 2)):
        s = spectra.flow(s0, "cosine", variant, time, rtol=1e-11)
        np.testing.assert_allclose((s**power).sum(1), (s0**power).sum(), rtol=1e-8)
    s = spectra.flow(s0, "cosine", "nosg", time, rtol=1e-11)
    np.testing.assert_allclose(s.sum(1), s0.sum(), rtol=1e-8)
    assert (s[-1, :2] < 1e-20).all() and (s[-1, 2:] > 1.0).all(), "rank is lost"
    assert (np.diff(spectra.participation(spectra.flow(s0, "cosine", "plain", time))) > 0).all()


@pytest.mark.parametrize(("variant", "wanted"), [("plain", 0.95), ("iso", np.sqrt(1.425))])
def test_cosine_modes_end_at_the_mean_and_the_root_mean_square(variant, wanted):
    s0 = np.array([0.1, 0.5, 1.2, 2.0])
    assert spectra.limit(s0, "cosine", variant) == pytest.approx(wanted)
    end = spectra.flow(s0, "cosine", variant, np.array([0.0, 300.0]))[-1]
    np.testing.assert_allclose(end, wanted, rtol=1e-6)
    np.testing.assert_allclose(gaussian.cosine_drift(np.full(4, wanted), variant), 0.0, atol=1e-12)


@pytest.mark.parametrize("variant", ["plain", "iso", "nopred", "nosg", "published"])
def test_expectations_by_quadrature_agree_with_samples(variant):
    s, sigma, rng = np.array([0.2, 0.7, 1.5, 2.0]), 0.3, np.random.default_rng(3)
    z1 = np.sqrt(s)[:, None] * rng.standard_normal((4, 400_000))
    z2 = z1 + sigma * np.sqrt(s)[:, None] * rng.standard_normal(z1.shape)
    g1, g2 = losses.gradients("cosine", variant, z1, z2, np.diag(s))
    moved = -2.0 * (g1 * z1 + (0.0 if g2 is None else g2 * z2))
    found = gaussian.cosine_drift(s, variant, sigma=sigma)
    assert (np.abs(moved.mean(1) - found) < 4.5 * moved.std(1) / np.sqrt(z1.shape[1])).all()
    finer = gaussian.cosine_drift(s, variant, sigma=sigma, nodes=120)
    np.testing.assert_allclose(found, finer, rtol=0, atol=1e-6 * np.abs(finer).max())


# --- toy networks ---------------------------------------------------------------------------------------------------


def _distance(metric: str, lr: float) -> float:
    """Of a trained network's eigenvalues from the flow, at flow time 4."""
    rng = np.random.default_rng(5)
    weights = toy.initial([0.3, 0.6, 1.0, 1.5], 6, rng)
    x = rng.standard_normal((6, 2000))
    x = np.linalg.cholesky(np.linalg.inv(x @ x.T / 2000)).T @ x  # E x x^T = 1 exactly
    now = weights
    for _ in range(round(4 / lr)):
        now = toy.step(now, toy.ToySetting(metric, "plain", lr), x, x, relu=False)
    if metric == "euclidean":
        wanted = spectra.euclidean_exact(np.linalg.eigvalsh(weights @ weights.T), "plain", np.array([4.0]))[0]
        return float(np.abs(np.linalg.eigvalsh(now @ now.T) - np.sort(wanted)).max())
    return abs(float(np.trace(now @ now.T) - np.trace(weights @ weights.T)))


def test_networks_follow_the_flow_the_closer_the_smaller_their_steps():
    errors = [_distance("euclidean", lr) for lr in (0.04, 0.02, 0.01)]
    assert errors[-1] < 0.01
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2) and errors[1] / errors[2] == pytest.approx(2, abs=0.2)


def test_the_cosine_loss_conserves_the_sum_but_for_the_step_size():
    errors = [_distance("cosine", lr) for lr in (0.04, 0.02)]
    assert errors[0] < 0.02 and errors[0] / errors[1] == pytest.approx(2, abs=0.2)


def test_a_step_is_that_of_autograd_with_relu_too():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    weights, x1 = rng.standard_normal((3, 5)), rng.standard_normal((5, 40))
    x2 = x1 + 0.1 * rng.standard_normal(x1.shape)
    for relu in (False, True):
        w = torch.tensor(weights, requires_grad=True)
        act = torch.relu if relu else torch.nn.Identity()
        z1, z2, predictor = act(w @ torch.tensor(x1)), act(w @ torch.tensor(x2)), (w @ w.T).detach()
        for metric, variant in (("euclidean", "plain"), ("euclidean", "nosg"), ("cosine", "nosg"), ("cosine", "plain")):
            target = z2 if variant == "nosg" else z2.detach()
            p = predictor @ z1
            if metric == "euclidean":
                loss = 0.5 * ((p - target) ** 2).sum(0).mean()
            else:
                loss = -((p * target).sum(0) / ((p.norm(dim=0) + 1e-8) * (target.norm(dim=0) + 1e-8))).mean()
            (gradient,) = torch.autograd.grad(loss, w, retain_graph=True)
            found = weights - toy.step(weights, toy.ToySetting(metric, variant, 1.0), x1, x2, relu)
            np.testing.assert_allclose(found, gradient.numpy(), atol=1e-7)


def test_with_relu_and_without_predictor_weights_grow():
    """At the rate sigma^3 / 6 pi: noise lifts the mean of a rectified embedding near its kink."""
    sigma, rng = 0.2, np.random.default_rng(0)
    xi = np.abs(rng.standard_normal(2_000_000))
    lifted = np.maximum(xi + sigma * rng.standard_normal(xi.size), 0.0)
    lifted = 0.5 * ((lifted - xi) * xi)  # half of all inputs have z1 > 0
    # the linear part of the noise averages out; what is left is the kink's
    assert lifted.mean() == pytest.approx(sigma**3 / (6 * np.pi), abs=4 * lifted.std() / np.sqrt(xi.size))


def test_networks_that_run_away_are_held():
    weights = toy.initial([0.5, 2.0], 3, np.random.default_rng(0))
    ((track,),) = toy.train(
        weights[None], [toy.ToySetting("euclidean", "plain", 50.0)], steps=40, every=10, samples=20, sigma=0.1, relu=False,
        rngs=[np.random.default_rng(1)],
    )  # fmt: skip
    assert 0 < track.stopped < 40 and np.isfinite(track.weights).all() and track.eigenvalues.shape == (5, 2)
    at = track.recorded(10)
    assert at[-1] == track.stopped and (np.diff(at) > 0).all(), "what ran away is not followed as a flat line"
    assert toy.Track(track.weights).recorded(10).tolist() == [0, 10, 20, 30, 40]


def test_curves_end_where_a_network_ran_away():
    small = {"steps": 60, "samples": 50, "steps_without_predictor": 400, "samples_without_predictor": 20}
    made = isoloss_toy.simulate(relu=True, path_lr=30.0, drawn_from=30, replications=2, **small)
    numbers = {(r["setting"], r["quantity"]): r["value"] for r in made.records}
    for name in ("euclidean", "cosine nosg, published"):
        _, path = made.curves[f"{name}/stopped"]
        assert path and len(made.curves[f"{name}/path"]) == 1 + -(-path // 10)
        assert numbers[name, "path: length over way"][0] is None
        assert len(made.curves[f"{name}/trained"]) == len(made.curves[f"{name}/trained_step"])
    assert made.curves["euclidean/trained_step"].tolist() == made.curves["euclidean/step"].tolist()


def test_simulations_repeat_and_have_a_number_for_every_cell():
    small = {
        "steps": 40,
        "samples": 50,
        "steps_without_predictor": 400,
        "samples_without_predictor": 20,
        "drawn_from": 30,
        "replications": 2,
    }
    for relu in (False, True):
        first, second = (isoloss_toy.simulate(relu=relu, **small) for _ in range(2))
        assert first.records == second.records and len(first.records) == 90
        values = [value for record in first.records for value in record["value"]]
        assert len(values) == 180 and np.isfinite([value for value in values if value is not None]).all()
        assert {r["quantity"] for r in first.records if None in r["value"]} <= {"path: length over way"}
        assert all((first.curves[name] == second.curves[name]).all() for name in first.curves)
    made = isoloss_fig4.simulate(steps=100, samples=500)
    distances = [record["value"] for record in made.records if record["quantity"] == "largest distance from theory"]
    assert np.max(distances) < 0.02


# --- input that makes no sense --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: gaussian.cosine_drift(np.array([0.5, -0.1]), "plain"), "eigenvalues of at least 0"),
        (lambda: spectra.flow(np.array([0.0, 1.0]), "cosine", "plain", np.array([0.0, 1.0])), "above 0"),
        (lambda: spectra.flow(np.array([np.nan, 1.0]), "cosine", "plain", np.array([0.0, 1.0])), "eigenvalues"),
        (lambda: spectra.euclidean_exact(np.array([0.5]), "plain", np.array([-1.0])), "times of at least 0"),
        (lambda: spectra.limit(np.array([0.5]), "cosine", "nosg"), "choose one of: plain, iso, nopred"),
        (lambda: losses.gradients("cosinus", "plain", ZH1, ZH2, np.eye(3)), "euclidean, cosine"),
        (lambda: losses.gradients("euclidean", "published", ZH1, ZH2, np.eye(3)), "there is no 'published'"),
        (lambda: toy.initial([1.0, 1.0, 1.0], 2, np.random.default_rng(0)), "at least 3 input dimensions"),
        (lambda: isoloss_fig4.simulate(lr=-0.1, steps=10), "above 0"),
        (lambda: isoloss_fig4.simulate(samples=3, steps=10), "even number"),
        (lambda: isoloss_fig4.simulate(sigma=-1.0, steps=10), "sigma"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_one_line(call, line):
    with pytest.raises(UserError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_predictor_must_be_symmetric():
    with pytest.raises(UserError, match="symmetric"):
        losses.value("cosine", "plain", ZH1, ZH2, np.triu(np.ones((3, 3))))
