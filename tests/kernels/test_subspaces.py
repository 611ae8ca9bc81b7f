"""Alignment of subspaces, similarity of kernels, and predictions that must be near-exact."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.kernels import similarity, subspaces
from pipeline.papers.stepwise import kernel, wide
from pipeline.papers.stepwise.simulations import exact as stepwise_exact


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def orthogonal(size: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(draw(size, size, seed=seed))[0]


# -- alignment


def principal_cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """By way of projectors: eigenvalues of A P_B A^T for an orthonormal basis A are squared cosines."""
    a = np.linalg.qr(first.T)[0]
    b = second.T @ np.linalg.solve(second @ second.T, second)
    return np.sqrt(np.clip(np.linalg.eigvalsh(a.T @ b @ a), 0, 1))


@settings(max_examples=30, deadline=None)
@given(d=st.integers(1, 5), more=st.integers(0, 10), seed=st.integers(0, 10**6))
def test_alignment_is_the_mean_squared_cosine_of_the_principal_angles(d, more, seed):
    f, g = draw(d, d + more, seed=seed), draw(d, d + more, seed=seed + 1)
    found = subspaces.alignment(subspaces.row_space(f), subspaces.row_space(g), d)
    assert found == pytest.approx((principal_cosines(f, g) ** 2).mean(), abs=1e-10)
    assert -1e-12 <= found <= 1 + 1e-12


def test_alignment_is_blind_to_the_basis_and_symmetric():
    f, g = draw(3, 20), draw(3, 20, seed=1)
    p, q = subspaces.row_space(f), subspaces.row_space(g)
    mixed = subspaces.row_space(draw(3, 3, seed=2) @ f)
    assert subspaces.alignment(p, mixed, 3) == pytest.approx(1, abs=1e-12)
    assert subspaces.alignment(mixed, q, 3) == pytest.approx(subspaces.alignment(p, q, 3), abs=1e-12)
    assert subspaces.alignment(q, p, 3) == pytest.approx(subspaces.alignment(p, q, 3), abs=1e-14)
    assert subspaces.alignment(orthogonal(3) @ p, q, 3) == pytest.approx(subspaces.alignment(p, q, 3), abs=1e-12)


def test_alignment_in_closed_form():
    angle = 0.3
    p = np.eye(2, 6)
    q = np.array([[math.cos(angle), 0, math.sin(angle), 0, 0, 0], [0, 0, 0, 0, 1, 0]])
    assert subspaces.alignment(p, q, 2) == pytest.approx(math.cos(angle) ** 2 / 2)
    assert subspaces.alignment(p, np.eye(6)[4:], 2) == 0


def test_random_subspaces_have_the_chance_level_within_its_error():
    """d / N and not d^2 / N, which is what the text says (Simon 2023, Appendix E)."""
    p = subspaces.row_space(draw(50, 2000))
    found = subspaces.monte_carlo(p, 50, 1, draws=40)
    assert subspaces.chance_level(50, 2000) == 0.025
    assert abs(found.mean - 0.025) < 4 * found.std / math.sqrt(found.draws)
    # the variance of a (Beta-distributed for d = 1: 2 (N - 1) / (N^2 (N + 2)))
    single = subspaces.monte_carlo(np.eye(1, 10), 1, 2, draws=4000)
    assert single.mean == pytest.approx(0.1, abs=4 * single.std / math.sqrt(4000))
    assert single.std == pytest.approx(math.sqrt(2 * 9 / (100 * 12)), rel=0.1)


def test_the_same_seed_draws_the_same_subspaces():
    p = subspaces.row_space(draw(4, 30))
    assert subspaces.monte_carlo(p, 4, 7) == subspaces.monte_carlo(p, 4, 7) != subspaces.monte_carlo(p, 4, 8)


def test_centred_embeddings_have_no_constant_part():
    f = draw(3, 12) + 5
    p = subspaces.row_space(subspaces.centred(f))
    assert np.abs(p.sum(axis=1)).max() < 1e-12
    assert subspaces.alignment(subspaces.row_space(f), p, 3) < 1


def test_leading_eigenvectors_come_first():
    u = orthogonal(6)
    k = (u * [1.0, 5.0, 3.0, 0.5, 4.0, 2.0]) @ u.T
    assert subspaces.alignment(subspaces.top_eigenvectors(k, 2), u[:, [1, 4]].T, 2) == pytest.approx(1, abs=1e-12)
    first = subspaces.top_eigenvectors(k, 1)
    assert k @ first[0] == pytest.approx(5 * first[0])


@pytest.mark.parametrize("bad", [draw(5, 3), draw(3), np.full((2, 4), np.nan)])
def test_bad_embeddings_are_refused(bad):
    with pytest.raises(UserError, match="embeddings: expected"):
        subspaces.row_space(bad)


def test_subspaces_of_other_sizes_are_refused():
    with pytest.raises(UserError, match="up to 2 dimensions on the same inputs"):
        subspaces.alignment(np.eye(2, 6), np.eye(3, 6), 2)
    with pytest.raises(UserError, match="up to 2 dimensions on the same inputs"):
        subspaces.alignment(np.eye(2, 6), np.eye(2, 5), 2)


def test_what_has_collapsed_aligns_with_nothing():
    """Rows beyond the rank would be arbitrary, and two collapsed networks would agree perfectly."""
    flat = np.outer([1.0, -2.0, 0.5], draw(12))  # three dimensions of rank one
    assert subspaces.row_space(flat + 1e-9 * draw(3, 12)).shape == (1, 12)
    assert subspaces.row_space(np.zeros((3, 12))).shape == (0, 12)
    full = subspaces.row_space(draw(3, 12, seed=1))
    one = subspaces.row_space(flat)
    assert subspaces.alignment(one, one, 3) == pytest.approx(1 / 3)
    assert subspaces.alignment(one, full, 3) == pytest.approx(((one @ full.T) ** 2).sum() / 3)
    assert subspaces.alignment(subspaces.row_space(np.zeros((3, 12))), full, 3) == 0
    found = subspaces.monte_carlo(one, 3, 5, draws=2000)  # k / N, not d / N
    assert found.mean == pytest.approx(1 / 12, abs=4 * found.std / math.sqrt(2000))
    with pytest.raises(UserError, match="draws: expected at least 2"):
        subspaces.monte_carlo(one, 3, 5, draws=1)


# -- similarity of kernels


def test_similarity_of_kernels_by_their_features():
    """<K, K'> = |F^T G|_F^2, so CKA is that of Kornblith et al. 2019 for linear features."""
    f, g = draw(9, 4), draw(9, 6, seed=1)
    k, other = f @ f.T, g @ g.T
    by_features = np.linalg.norm(f.T @ g) ** 2 / (np.linalg.norm(f.T @ f) * np.linalg.norm(g.T @ g))
    assert similarity.cosine(k, other) == pytest.approx(by_features, abs=1e-13)
    a, b = f - f.mean(0), g - g.mean(0)
    by_features = np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert similarity.centred_alignment(k, other) == pytest.approx(by_features, abs=1e-13)
    u = orthogonal(9)
    assert similarity.cosine(u @ k @ u.T, u @ other @ u.T) == pytest.approx(similarity.cosine(k, other))


def test_distance_is_blind_to_the_scale_and_alignment_to_the_mean():
    f = draw(9, 4)
    k = f @ f.T
    assert similarity.distance(k, 3.7 * k) == pytest.approx(0, abs=1e-15)
    moved = (f + draw(4)) @ (f + draw(4)).T
    assert similarity.centred_alignment(k, moved) == pytest.approx(1, abs=1e-12)
    assert similarity.distance(k, moved) > 0.01
    assert similarity.distance(np.diag([1.0, 0.0]), np.diag([0.0, 1.0])) == 1


def test_the_kernel_of_labels():
    labels = [2, 0, 2, 1]
    one_hot = np.eye(3)[labels]
    assert (similarity.label_kernel(labels) == one_hot @ one_hot.T).all()
    with pytest.raises(UserError, match="found 1 without"):
        similarity.label_kernel([0, -1, 1])


def test_kernels_that_cannot_be_compared_are_refused():
    with pytest.raises(UserError, match="same inputs"):
        similarity.cosine(np.eye(2), np.eye(3))
    with pytest.raises(UserError, match="not zero"):
        similarity.distance(np.eye(2), np.zeros((2, 2)))


# -- the prediction from a kernel


def test_blocks_make_the_joint_kernel():
    first, second = draw(4, 7), draw(4, 7, seed=1)
    whole = kernel.joint(first @ first.T, first @ second.T, second @ second.T)
    both = np.vstack([first, second])
    assert whole == pytest.approx(both @ both.T)
    with pytest.raises(UserError, match="three"):
        kernel.joint(np.eye(2), np.eye(3), np.eye(2))


def test_two_networks_without_shared_parameters():
    """Section 5.2: two towers; modes in pairs of opposite sign, by the singular values of K_x^1/2 K_y^1/2."""
    n, d = 6, 2
    x, y = draw(n, 8), draw(n, 9, seed=1)
    whole = kernel.joint(x @ x.T, np.zeros((n, n)), y @ y.T)
    sigma = np.linalg.svd(kernel.power(x @ x.T, 0.5) @ kernel.power(y @ y.T, 0.5), compute_uv=False)
    values = np.linalg.eigvalsh(kernel.k_gamma(whole))[::-1]
    assert values[:n] == pytest.approx(sigma / (2 * n))
    assert values[::-1][:n] == pytest.approx(-sigma / (2 * n))
    # as a linear model of [x; 0] and [0; y]: what is learnt maximises the correlation of the towers
    solution = kernel.solve(whole, d)
    f = solution.outputs(whole)
    assert kernel.pair_correlation(f) == pytest.approx(np.eye(d), abs=1e-9)
    u, _, vt = np.linalg.svd(x.T @ y)
    expected = np.hstack([u[:, :d].T @ x.T, vt[:d] @ y.T])
    assert subspaces.alignment(subspaces.row_space(f), subspaces.row_space(expected), d) == pytest.approx(1, abs=1e-9)


def test_a_tolerance_leaves_out_what_is_rounding():
    f = draw(12, 12)
    exact = f @ f.T
    noisy = exact.astype(np.float32).astype(np.float64) - 1e-6 * np.linalg.norm(exact, 2) * np.eye(12) * 0.9
    small = np.linalg.eigvalsh(noisy)[0]
    k = noisy + (-0.5e-6 * np.linalg.norm(exact, 2) - small) * np.eye(12)  # smallest eigenvalue below zero
    with pytest.raises(UserError, match="no kernel of inner products"):
        kernel.solve(k, 2)
    found, wanted = kernel.solve(k, 2, tolerance=1e-5), kernel.solve(exact, 2)
    assert found.gamma == pytest.approx(wanted.gamma, rel=1e-3)
    p, q = (subspaces.row_space(s.outputs(m)) for s, m in ((found, k), (wanted, exact)))
    assert subspaces.alignment(p, q, 2) > 0.9999


def test_modes_that_are_not_positive_are_left_out():
    """Two views that differ more than they agree in all but two directions."""
    first = draw(8, 6)
    second = first * [1.0, 1.0, -1.0, -1.0, -1.0, -1.0]
    both = np.vstack([first, second])
    found = kernel.leading(both @ both.T, 5)
    assert len(found.gamma) == 2 and (found.gamma > 0).all()
    assert kernel.pair_correlation(found.outputs(both @ both.T)) == pytest.approx(np.eye(2), abs=1e-9)
    with pytest.raises(UserError, match="2 eigenvalues of Gamma are positive, so expected 1 to 2 outputs, found 5"):
        kernel.solve(both @ both.T, 5)


# -- where it must be near-exact


@pytest.fixture(scope="module")
def exact() -> dict[tuple[str, str], float]:
    """At full width; fewer than the declared steps suffice for all but the last mode's tail."""
    records = stepwise_exact.simulate(replications=1).records
    return {(record["model"], record["quantity"]): float(np.ravel(record["value"])[0]) for record in records}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "least"),
    [("linear", 0.99), ("wide network, initial kernel", 0.9), ("wide network, final kernel", 0.98)],
)
def test_embeddings_are_those_that_theory_predicts(exact, model, least):
    assert exact[model, "a(P_exp,P_th)"] > least
    assert exact[model, "a(P_exp,P_NTK)"] < exact[model, "a(P_exp,P_th)"] - 0.02
    assert abs(exact[model, "random subspaces"] - 0.1) < 0.01


def test_a_wide_network_on_real_crops():
    """CIFAR-10: 50 images, two 20 x 20 crops each, standardised pixels; 0.92 and 0.998 are expected."""
    inputs = _real_crops(50, 20)
    network = wide.draw(inputs, 2048, 10, 1e-4, 0)
    initial = network.tangent_kernel()
    gamma = kernel.solve(initial, 10).gamma
    rate = 0.1 / gamma[0]
    wide.train(network, rate, 2 * math.ceil(3 / (gamma[-1] * rate)), 10**9)
    learnt = subspaces.row_space(network.outputs().T)

    def alignments(k: np.ndarray) -> tuple[float, float]:
        expected = subspaces.row_space(kernel.solve(k, 10).outputs(k))
        return subspaces.alignment(learnt, expected, 10), subspaces.alignment(
            learnt, subspaces.top_eigenvectors(k, 10), 10
        )

    before, after = alignments(initial), alignments(network.tangent_kernel())
    assert before[0] > 0.9 and after[0] > 0.98
    assert before[1] < before[0] and after[1] < after[0]


def _real_crops(count: int, side: int) -> np.ndarray:
    for name in ("SSL_RAW_DIR", "SSL_TEST_DATA"):
        folder = Path(os.environ.get(name, "")) / "cifar-10-batches-py"
        if os.environ.get(name) and (folder / "data_batch_1").is_file():
            break
    else:
        pytest.skip("set SSL_RAW_DIR to a folder that holds cifar-10-batches-py/ to run this on the real data")
    import pickle

    with (folder / "data_batch_1").open("rb") as file:
        images = pickle.load(file, encoding="bytes")[b"data"][:count]  # the data set's own format
    images = images.reshape(-1, 3, 32, 32).astype(np.float64)
    corners = np.random.default_rng(0).integers(0, 32 - side, (2, count, 2), endpoint=True)
    views = np.array([[i[:, y : y + side, x : x + side] for i, (y, x) in zip(images, c, strict=True)] for c in corners])
    views = (views - views.mean(axis=(0, 1, 3, 4), keepdims=True)) / views.std(axis=(0, 1, 3, 4), keepdims=True)
    return views.reshape(2 * count, -1)
