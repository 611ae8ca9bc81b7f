"""Stepwise learning: closed forms against integration, kernel against features, small starts against aligned ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import root

from pipeline.errors import UserError
from pipeline.papers.stepwise import aligned, coefficients, correlation, crops, descent, kernel, modes, start, wide
from pipeline.papers.stepwise.simulations import fig1ab as stepwise_fig1ab
from pipeline.papers.stepwise.simulations import fig2ab as stepwise_fig2ab
from pipeline.papers.stepwise.simulations import fig6 as stepwise_fig6
from pipeline.papers.stepwise.simulations import fig8 as stepwise_fig8
from pipeline.papers.stepwise.simulations import fig9 as stepwise_fig9

few = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def draw_pairs(seed: int, n: int, m: int, noise: float = 0.7):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, m))
    return x, x + noise * rng.standard_normal((n, m))


def flow(velocity, begin, times):
    begin = np.asarray(begin, dtype=np.float64)
    found = solve_ivp(
        lambda _, flat: velocity(flat.reshape(begin.shape)).ravel(),
        (0, times[-1]), begin.ravel(), t_eval=times, method="DOP853", rtol=1e-12, atol=1e-16,
    )  # fmt: skip
    return found.y.T.reshape(len(times), *begin.shape)


# Gamma, C, loss


def test_gamma_of_a_small_example():
    gamma = correlation.gamma_matrix([[1, 0], [0, 2], [1, 1]], [[1, 0.5], [0, 1], [1, 0]])
    assert gamma == pytest.approx(np.array([[2 / 3, 0.25], [0.25, 2 / 3]]), rel=1e-14)
    assert correlation.descending(gamma)[0] == pytest.approx([11 / 12, 5 / 12], rel=1e-14)


@few
@given(seeds, st.integers(2, 8), st.integers(2, 8), st.integers(1, 4))
def test_c_is_the_cross_correlation_of_the_outputs(seed, n, m, d):
    x, y = draw_pairs(seed, n, m)
    w = np.random.default_rng(seed + 1).standard_normal((d, m))
    f, g = x @ w.T, y @ w.T
    direct = (f.T @ g + g.T @ f) / (2 * n)
    assert correlation.correlation(w, correlation.gamma_matrix(x, y)) == pytest.approx(direct, rel=1e-12, abs=1e-12)
    assert kernel.pair_correlation(np.vstack([f, g]).T) == pytest.approx(direct, rel=1e-12, abs=1e-12)


@few
@given(seeds, st.integers(1, 4), st.integers(1, 6))
def test_the_velocity_is_minus_the_gradient(seed, d, m):
    gamma = correlation.gamma_matrix(*draw_pairs(seed, 5, m))
    w = 0.5 * np.random.default_rng(seed).standard_normal((d, m))
    found, step = correlation.velocity(w, gamma), 1e-6
    for place in np.ndindex(d, m):
        shift = np.zeros((d, m))
        shift[place] = step
        slope = (correlation.loss(w + shift, gamma) - correlation.loss(w - shift, gamma)) / (2 * step)
        assert -slope == pytest.approx(found[place], rel=1e-6, abs=1e-7)


def test_gamma_has_at_most_n_positive_and_n_negative_eigenvalues():
    values, _ = correlation.descending(correlation.gamma_matrix(*draw_pairs(0, 4, 12)))
    assert ((values > 1e-10).sum(), (values < -1e-10).sum()) == (4, 4)


def test_eigenvectors_have_settled_signs():
    gamma = correlation.gamma_matrix(*draw_pairs(1, 9, 6))
    values, rows = correlation.descending(gamma)
    assert (np.diff(values) <= 0).all() and (rows.T * values) @ rows == pytest.approx(gamma, abs=1e-13)
    assert (rows[np.arange(6), np.abs(rows).argmax(axis=1)] > 0).all()


# Aligned start


@few
@given(
    st.lists(st.one_of(st.just(0.0), st.floats(-2, -0.05), st.floats(0.05, 2)), min_size=1, max_size=4),
    st.floats(0.01, 2),
)
def test_singular_values_follow_their_equation(gammas, begin):
    gamma, times = np.array(gammas), np.linspace(0, 3, 7)
    starts = begin * np.linspace(1, 1.5, len(gamma))
    found = flow(lambda s: 4 * (1 - gamma * s**2) * gamma * s, starts, times)
    assert aligned.singular_values(times, gamma, starts) == pytest.approx(found, rel=1e-8, abs=1e-10)


def test_fixed_numbers_of_eqs_10_and_16():
    assert aligned.singular_values(2.0, 1.3, 1e-4) == pytest.approx(0.847392632514, rel=1e-11)
    assert aligned.step_times(1.3, 1e-4) == pytest.approx(1.745991969181, rel=1e-11)


@few
@given(st.floats(0.01, 10), st.floats(1e-6, 0.3))
def test_an_eigenvalue_is_half_grown_at_its_step(gamma, begin):
    assume(gamma * begin**2 < 0.9)
    tau = aligned.step_times([gamma], [begin])
    before = gamma * begin**2
    assert aligned.eigenvalues(tau, [gamma], [begin])[0, 0] == pytest.approx(1 / (2 - before), rel=1e-9)


def test_eigenvalues_are_logistic_with_the_one_that_is_lost_in_print():
    time, gamma, begin = np.linspace(0, 2, 9), np.array([0.8]), np.array([0.7])
    ratio, decay = 1 / (gamma * begin**2), np.exp(-8 * gamma * time[:, None])
    found = aligned.eigenvalues(time, gamma, begin)
    assert found == pytest.approx(1 / (1 + (ratio - 1) * decay), rel=1e-13)
    assert np.abs(found - 1 / (1 + ratio * decay)).max() > 0.1


def test_nothing_overflows_and_the_ends_are_those_of_eq_13():
    gamma, begin = np.array([3.0, 0.0, -2.0]), np.array([1e-9, 0.3, 0.5])
    with np.errstate(all="raise", under="ignore"):
        found = aligned.singular_values([0.0, 1e4], gamma, begin)
    assert found[0] == pytest.approx(begin, rel=1e-12)
    assert found[1] == pytest.approx(aligned.final_values(gamma, begin), abs=1e-12)


def test_an_aligned_start_stays_aligned_and_solves_the_matrix_flow():
    gamma = correlation.gamma_matrix(*draw_pairs(3, 12, 6))
    values, rows = correlation.descending(gamma)
    rng, d = np.random.default_rng(3), 3
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    begin, times = np.array([0.1, 0.05, 0.2]), np.linspace(0, 2, 9)
    found = flow(lambda w: correlation.velocity(w, gamma), turn @ (begin[:, None] * rows[:d]), times)
    inside = turn.T @ found @ rows.T
    expected = np.zeros_like(inside)
    expected[:, range(d), range(d)] = aligned.singular_values(times, values[:d], begin)
    assert inside == pytest.approx(expected, abs=1e-8)
    losses = [correlation.loss(w, gamma) for w in found]
    assert aligned.losses(times, values[:d], begin) == pytest.approx(losses, abs=1e-8)


def test_what_lies_in_the_null_space_never_changes():
    x, y = draw_pairs(4, 3, 10)
    gamma = correlation.gamma_matrix(x, y)
    null = np.linalg.svd(np.vstack([x, y]))[2][6:]
    begin = 0.3 * np.random.default_rng(4).standard_normal((2, 10))
    found = flow(lambda w: correlation.velocity(w, gamma), begin, np.array([0.0, 1.0, 3.0]))
    assert (found @ null.T)[-1] == pytest.approx(begin @ null.T, rel=1e-9, abs=1e-12)


def test_the_top_spectral_solution_has_zero_loss_and_the_least_norm():
    gamma = correlation.gamma_matrix(*draw_pairs(5, 10, 7))
    values, rows = correlation.descending(gamma)
    best = aligned.top_spectral(values, rows, 3)
    assert correlation.correlation(best, gamma) == pytest.approx(np.eye(3), abs=1e-12)
    assert (best**2).sum() == pytest.approx((1 / values[:3]).sum(), rel=1e-12)
    other = rows[[0, 1, 3]] * values[[0, 1, 3], None] ** -0.5
    assert correlation.loss(other, gamma) < 1e-20 and (other**2).sum() > (best**2).sum()
    large = flow(lambda w: correlation.velocity(w, gamma), np.random.default_rng(1).standard_normal((3, 7)), [0, 200.0])
    assert correlation.loss(large[-1], gamma) < 1e-12 and (large[-1] ** 2).sum() > (best**2).sum()


def test_modes_that_are_not_positive_keep_their_loss():
    gamma = np.array([1.0, 0.4, 0.0, -0.3])
    assert aligned.losses([1e3], gamma, 1e-3) == pytest.approx([2.0], rel=1e-9)
    found = flow(lambda w: correlation.velocity(w, np.diag(gamma)), 1e-3 * np.eye(4), np.array([0.0, 60.0]))
    assert correlation.loss(found[-1], np.diag(gamma)) == pytest.approx(2.0, rel=1e-9)


def test_the_ridge_solution_is_a_fixed_point_found_by_root_finding():
    gamma, penalty = 0.6, 0.01
    found = root(lambda s: -4 * (1 - gamma * s**2) * gamma * s + 2 * penalty * s, 1.2).x
    assert aligned.ridge_values([gamma, 0.004, -1.0], penalty) == pytest.approx([found[0] ** 2, 0, 0], rel=1e-9)
    assert aligned.ridge_values(gamma, 0.0) == pytest.approx(1 / gamma)


# Small generic start


def test_fixed_numbers_of_eq_19():
    columns = np.array([[1.0, 2, 0], [2, 1, 1], [0, 1, 3]])
    assert start.effective_starts(columns, np.eye(3)) == pytest.approx(
        [2.2360679775, 1.6733200531, 2.6726124191], rel=1e-10
    )


def test_raw_vectors_in_eq_19_go_wrong_from_the_third_mode_on():
    u = np.random.default_rng(0).standard_normal((5, 5))
    raw = []
    for j in range(5):
        projector = np.eye(5) - sum(
            (np.outer(u[:, k], u[:, k]) / (u[:, k] @ u[:, k]) for k in range(j)), np.zeros((5, 5))
        )
        raw.append(np.linalg.norm(projector @ u[:, j]))
    found = start.effective_starts(u, np.eye(5))
    assert raw[:2] == pytest.approx(found[:2], rel=1e-12)
    assert abs(raw[2] / found[2] - 1) > 0.01


@few
@given(seeds, st.integers(1, 5), st.integers(1, 7))
def test_qr_has_no_negative_diagonal(seed, d, k):
    m = np.random.default_rng(seed).standard_normal((d, k))
    q, r = start.signed_qr(m)
    assert (np.diagonal(r) >= 0).all() and q @ r == pytest.approx(m, abs=1e-12)
    assert q.T @ q == pytest.approx(np.eye(q.shape[1]), abs=1e-12)
    gram = start.align(m).T @ start.align(m)
    assert gram == pytest.approx(np.diag(np.diagonal(gram)), abs=1e-12)


def test_gaussian_starts_are_chi():
    d, rng = 10, np.random.default_rng(0)
    drawn = np.mean([start.effective_starts(rng.standard_normal((d, 20)), np.eye(d, 20)) for _ in range(2000)], axis=0)
    assert drawn == pytest.approx(start.mean_gaussian_starts(d, 1.0), rel=0.05)
    assert start.mean_gaussian_starts(d, 1.0)[[0, -1]] == pytest.approx([3.084, 0.798], abs=1e-3)
    assert start.gaussian_starts(d, 2.0)[[0, -1]] == pytest.approx([2 * 10**0.5, 2.0])


def test_a_smaller_start_follows_the_aligned_solution_more_closely():
    """The largest error of W falls as alpha^(1 - max gamma_{j+1} / gamma_j), here the power .5."""
    gamma = np.diag([1.0, 0.5, 0.25, 0.1, -0.2])
    draw, times = np.random.default_rng(2).standard_normal((3, 5)), np.linspace(0, 30, 121)
    errors, shifts = [], []
    for alpha in (1e-3, 1e-5, 1e-7):
        found = flow(lambda w: correlation.velocity(w, gamma), alpha * draw, times)
        begin = start.effective_starts(alpha * draw, np.eye(3, 5))
        turn = start.signed_qr(draw[:, :3])[0]
        expected = turn @ (aligned.singular_values(times, np.diag(gamma)[:3], begin)[:, :, None] * np.eye(3, 5))
        errors.append(np.linalg.norm(found - expected, axis=(1, 2)).max())
        spectra = np.linalg.eigvalsh([correlation.correlation(w, gamma) for w in found])
        shifts.append(np.abs(spectra[:, ::-1] - aligned.eigenvalues(times, np.diag(gamma)[:3], begin)).max())
    assert errors[0] > 3 * errors[1] > 9 * errors[2] and errors[2] < 0.01
    assert errors[2] / errors[1] == pytest.approx(0.1, rel=0.5)
    assert shifts[2] < 1e-4 and shifts[2] / shifts[1] == pytest.approx(0.01, rel=0.5)


# Appendix C


def test_coefficients_are_the_flow_in_other_coordinates_at_a_quarter_of_the_time():
    gamma = correlation.gamma_matrix(*draw_pairs(6, 9, 5))
    values, rows = correlation.descending(gamma)
    begin, times = 0.1 * np.random.default_rng(6).standard_normal((2, 5)), np.linspace(0, 6, 13)
    direct = flow(lambda w: correlation.velocity(w, gamma), begin @ rows, times / 4)
    assert coefficients.integrate(begin, values, times) @ rows == pytest.approx(direct, abs=1e-9)


def test_figure_6_and_the_pairs_that_the_text_calls_zero():
    made = stepwise_fig6.simulate(replications=1)
    numbers = {(r["alpha"], r["quantity"]): r["value"][0] for r in made.records}
    assert numbers[1e-9, "error of s"] < 1e-8 and numbers[1e-9, "factor above"] < 2.5
    last, gamma = made.curves["true"][-1], made.curves["gamma"]
    assert np.diagonal(last) == pytest.approx([2**0.5, 2, 8**0.5], rel=1e-5)
    for j, k in ((0, 1), (0, 2), (1, 2)):
        assert last[k, j] == pytest.approx(-last[j, k] * (gamma[k] / gamma[j]) ** 0.5, rel=1e-2)
    beyond = made.curves["true"][:, :, 3:] / made.curves["predicted"][:, :, 3:]
    assert beyond == pytest.approx(np.ones_like(beyond), abs=1e-3)


# Kernel form


@few
@given(seeds, st.integers(1, 7), st.integers(1, 18), st.floats(0.1, 3))
def test_k_gamma_has_the_nonzero_spectrum_of_gamma(seed, n, m, noise):
    x, y = draw_pairs(seed, n, m, noise)
    f = np.vstack([x, y])
    count = min(m, 2 * n)
    gamma, other = np.linalg.eigvalsh(correlation.gamma_matrix(x, y)), np.linalg.eigvalsh(kernel.k_gamma(f @ f.T))
    scale = np.abs(gamma).max()
    first, second = (np.sort(v[np.argsort(-np.abs(v))[:count]]) for v in (gamma, other))
    assert second / scale == pytest.approx(first / scale, abs=1e-10)


@pytest.mark.parametrize(("n", "m"), [(6, 20), (9, 12), (12, 7)])
def test_z_is_the_blocks_of_eq_23(n, m):
    x, y = draw_pairs(n, n, m)
    f = np.vstack([x, y])
    k = f @ f.T
    xx, xy, yy = k[:n, :n], k[:n, n:], k[n:, n:]
    half = np.block([[xy @ xx, xy @ xy], [yy @ xx, yy @ xy]])
    assert kernel.z_matrix(k) == pytest.approx((half + half.T) / (2 * n), rel=1e-11, abs=1e-9)
    assert kernel.z_matrix(k) == pytest.approx(f @ correlation.gamma_matrix(x, y) @ f.T, rel=1e-11, abs=1e-9)
    root_ = kernel.power(k, -0.5)
    assert root_ @ kernel.z_matrix(k) @ root_ == pytest.approx(kernel.k_gamma(k), abs=1e-9)


@few
@given(seeds, st.integers(4, 8), st.integers(4, 20))
def test_the_kernel_solution_is_the_linear_one_on_and_off_the_data(seed, n, m):
    x, y = draw_pairs(seed, n, m, 0.3)
    f, d = np.vstack([x, y]), 2
    values, rows = correlation.descending(correlation.gamma_matrix(x, y))
    assume((-np.diff(values[: d + 1]) > 1e-2 * values[0]).all() and values[d - 1] > 1e-2 * values[0])
    found = kernel.solve(f @ f.T, d)
    new = np.random.default_rng(seed + 1).standard_normal((3, m))
    linear, by_kernel = aligned.top_spectral(values, rows, d) @ new.T, found.outputs(new @ f.T)
    signs = np.sign((linear * by_kernel).sum(axis=1))
    assert by_kernel * signs[:, None] == pytest.approx(linear, rel=1e-6, abs=1e-7)
    inside = found.outputs(f @ f.T)
    assert kernel.pair_correlation(inside) == pytest.approx(np.eye(d), abs=1e-9)
    assert inside == pytest.approx(found.gamma[:, None] ** -0.5 * found.vectors @ kernel.power(f @ f.T, 0.5), abs=1e-8)


def test_the_dynamics_by_kernel_are_those_of_the_weights():
    n, m, d = 6, 9, 2
    x, y = draw_pairs(8, n, m, 0.4)
    f = np.vstack([x, y])
    values, rows = correlation.descending(correlation.gamma_matrix(x, y))
    found = kernel.solve(f @ f.T, d)
    w = 1e-6 * np.random.default_rng(8).standard_normal((d, m))
    signs = np.sign((found.modes @ f * rows[:d]).sum(axis=1))
    assert found.modes @ f * signs[:, None] == pytest.approx(rows[:d], abs=1e-9)
    both = kernel.rotation(w @ f.T, f @ f.T, found.vectors)
    assert both == pytest.approx(start.align(w @ (rows[:d] * signs[:, None]).T), rel=1e-7, abs=1e-15)
    starts = np.linalg.norm(both, axis=0)
    times = np.linspace(0, 1.4, 8) * aligned.step_times(values[:d], starts)[-1]
    begin = both @ (rows[:d] * signs[:, None])  # aligned: for this start Eq. 40 is exact
    exact = flow(lambda v: correlation.velocity(v, correlation.gamma_matrix(x, y)), begin, times) @ f.T
    for time, outputs in zip(times, exact, strict=True):
        s = aligned.singular_values(time, found.gamma, starts)
        assert found.outputs(f @ f.T, s, both / starts) == pytest.approx(outputs, abs=1e-7)


def test_identical_views_and_views_without_kernel_between_them():
    x, y = draw_pairs(9, 5, 8)
    same = np.vstack([x, x])
    assert kernel.k_gamma(same @ same.T) == pytest.approx(same @ same.T / 10, abs=1e-12)
    two = np.block([[x @ x.T, np.zeros((5, 5))], [np.zeros((5, 5)), y @ y.T]])
    pairs = np.linalg.svd(x.T @ y)[1][:5] / 10
    assert np.linalg.eigvalsh(kernel.k_gamma(two)) == pytest.approx(np.sort([*pairs, *-pairs]), abs=1e-12)


@few
@given(seeds, st.floats(0.1, 10))
def test_swapped_views_and_a_scaled_kernel(seed, factor):
    x, y = draw_pairs(seed, 4, 6)
    f, g = np.vstack([x, y]), np.vstack([y, x])
    assert np.linalg.eigvalsh(kernel.k_gamma(g @ g.T)) == pytest.approx(
        np.linalg.eigvalsh(kernel.k_gamma(f @ f.T)), abs=1e-11
    )
    assert kernel.k_gamma(factor * f @ f.T) == pytest.approx(factor * kernel.k_gamma(f @ f.T), rel=1e-8, abs=1e-10)


# Modes


@few
@given(st.floats(0.1, 3), st.floats(-1.3, 1.3))
def test_paths_of_modes_follow_their_gradients(gamma, begin):
    times = np.linspace(0, 2, 6)
    found = flow(lambda s: -gamma * modes.barlow_gradient(s), [begin], times)[:, 0]
    assert modes.barlow_path(times, gamma, begin) == pytest.approx(found, abs=1e-8)
    if abs(begin) > 1e-3:
        found = flow(lambda s: -gamma * modes.sharp_gradient(s), [begin], times)[:, 0]
        assert modes.sharp_path(times, gamma, begin) == pytest.approx(found, abs=1e-8)
    found = flow(lambda c: 2 * gamma * (1 - c), [begin], times)[:, 0]
    assert modes.supervised_path(times, gamma, begin) == pytest.approx(found, abs=1e-8)
    assert modes.barlow_path(times, gamma, -begin) == pytest.approx(-modes.barlow_path(times, gamma, begin))


@pytest.mark.parametrize("name", ["barlow", "sharp", "flat", "softened"])
def test_gradients_of_losses(name):
    loss, gradient = getattr(modes, name), getattr(modes, f"{name}_gradient")
    place = np.array([-1.4, -0.6, -0.1, 0.2, 0.8, 1.1, 1.5])
    assert gradient(place) == pytest.approx((loss(place + 1e-6) - loss(place - 1e-6)) / 2e-6, abs=1e-8)
    assert (loss(0.0), loss(1.0)) == pytest.approx((1, 0))


def test_times_of_escape_and_approach():
    gamma, begin = 0.4, 1e-6
    assert modes.escape_time(gamma, begin) == pytest.approx(aligned.step_times(gamma, begin / gamma**0.5), rel=1e-12)
    assert modes.barlow_path(modes.escape_time(gamma, begin), gamma, begin) ** 2 == pytest.approx(0.5, abs=1e-9)
    assert modes.barlow_path(modes.barlow_half_time(gamma, begin), gamma, begin) == pytest.approx(0.5, rel=1e-9)
    assert modes.supervised_path(modes.supervised_half_time(gamma, begin), gamma, begin) == pytest.approx(0.5, rel=1e-9)
    near = 1 - modes.barlow_path([0.0, modes.approach_time(gamma)], gamma, 1 - 1e-6)
    assert near[1] / near[0] == pytest.approx(np.exp(-1), rel=1e-4), "1 / (8 gamma) and not 1 / (4 gamma)"


def test_descent_on_one_mode_is_stable_below_a_quarter():
    settled, restless = (modes.descend(modes.barlow_gradient, 0.9, rate, 400)[-50:] for rate in (0.24, 0.26))
    assert np.abs(settled - 1).max() < 1e-3 < np.abs(restless - 1).max()


# Descent and data


def test_descent_in_the_eigenbasis_is_descent_on_the_pairs():
    x, y = draw_pairs(10, 8, 20)
    values, rows = correlation.descending(correlation.gamma_matrix(x, y))
    rate, steps, w = 2e-3, 300, 1e-2 * np.random.default_rng(0).standard_normal((3, 20))
    found, last = descent.descend(w, values, rows, rate=rate, times=[0.0, 100 * rate, steps * rate])
    literal = w.copy()
    for _ in range(steps):
        f, g = x @ literal.T, y @ literal.T
        c = (f.T @ g + g.T @ f) / 16
        literal -= rate * 4 * (c - np.eye(3)) @ (f.T @ y + g.T @ x) / 16
    assert last == pytest.approx(literal, rel=1e-9, abs=1e-11)
    assert found[2] == pytest.approx(correlation.correlation(literal, correlation.gamma_matrix(x, y)), abs=1e-9)
    assert found[0] == pytest.approx(correlation.correlation(w, correlation.gamma_matrix(x, y)), abs=1e-12)


def test_descent_approaches_the_flow_as_the_rate_falls():
    gamma, rows, times = np.array([1.0, 0.5]), np.eye(2), np.linspace(0, 4, 9)
    errors = []
    for rate in (0.02, 0.01, 0.005):
        found, _ = descent.descend(np.diag([0.01, 0.02]), gamma, rows, rate=rate, times=times)
        exact = aligned.eigenvalues(times, gamma, [0.01, 0.02])
        errors.append(np.abs(np.diagonal(found, axis1=1, axis2=2) - exact).max())
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.2) and errors[1] / errors[2] == pytest.approx(2, rel=0.1)


def test_crossings():
    found = descent.crossings([0.0, 1.0, 2.0], np.array([[0.0, 0.0], [0.4, 0.1], [0.8, 0.2]]))
    assert found[0] == pytest.approx(1.25) and np.isnan(found[1])


@pytest.mark.parametrize("images", ["photographs", "shapes"])
def test_crops_are_standardised_and_repeatable(images):
    first, second = crops.pairs(images, 12, 32, 20, 0)
    assert first.shape == second.shape == (12, 1200)
    both = np.stack([first, second]).reshape(-1, 3)
    assert both.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12) and both.std(axis=0) == pytest.approx(np.ones(3))
    assert (crops.pairs(images, 12, 32, 20, 0)[1] == second).all()
    assert not (crops.pairs(images, 12, 32, 20, 1)[1] == second).all()


def test_crops_of_one_image_overlap():
    first, second = crops.pairs("photographs", 6, 32, 32, 0)
    assert (first == second).all(), "a crop as large as the image leaves no choice"


# The wide network


def weights_of(x, width, d, alpha, seed):
    """The same draws as those of the network, as weights."""
    rng = np.random.default_rng(seed)
    first, second = x.shape[1] ** -0.5, width**-0.5
    w, b = rng.uniform(-first, first, (width, x.shape[1])), rng.uniform(-first, first, width)
    return w, b, alpha * rng.uniform(-second, second, (d, width)), alpha * rng.uniform(-second, second, d)


def outputs_of(x, w, b, v, c):
    return np.maximum(x @ w.T + b, 0) @ v.T + c


def slopes(function, parameters, step=1e-6):
    """Finite differences of a function by each of its arrays."""
    found = []
    for place, array in enumerate(parameters):
        slope = np.zeros((*np.shape(function(*parameters)), *array.shape))
        for at in np.ndindex(array.shape):
            shift = np.zeros_like(array)
            shift[at] = step
            up, down = ([*parameters[:place], array + s * shift, *parameters[place + 1 :]] for s in (1, -1))
            slope[(..., *at)] = (function(*up) - function(*down)) / (2 * step)
        found.append(slope)
    return found


def test_a_step_of_the_network_is_a_step_of_its_weights():
    x, d, rate = np.vstack(draw_pairs(0, 3, 4, 0.3)), 2, 1e-2
    network = wide.draw(x, 5, d, 0.8, 1)
    parameters = list(weights_of(x, 5, d, 0.8, 1))

    def loss(*parameters):
        return ((kernel.pair_correlation(outputs_of(x, *parameters).T) - np.eye(d)) ** 2).sum()

    assert network.outputs() == pytest.approx(outputs_of(x, *parameters), rel=1e-12)
    for _ in range(5):
        parameters = [p - rate * slope for p, slope in zip(parameters, slopes(loss, parameters), strict=True)]
        network.step(rate)
    assert network.outputs() == pytest.approx(outputs_of(x, *parameters), rel=1e-7)


def test_the_tangent_kernel_is_that_of_the_mean_output_times_sqrt_d():
    x, d = np.vstack(draw_pairs(1, 3, 4)), 3
    network = wide.draw(x, 5, d, 0.8, 1)
    parameters = list(weights_of(x, 5, d, 0.8, 1))
    jacobian = slopes(lambda *p: np.sqrt(d) * outputs_of(x, *p).mean(axis=1), parameters)
    flat = np.hstack([slope.reshape(len(x), -1) for slope in jacobian])
    assert network.tangent_kernel() == pytest.approx(flat @ flat.T, rel=1e-6, abs=1e-7)


def test_a_wider_network_follows_its_tangent_kernel_more_closely():
    """By the second mode: the first is so fast that the size of the steps delays it."""
    x, errors = np.vstack(draw_pairs(2, 4, 6, 0.2)), []
    for width in (200, 3200):
        network = wide.draw(x, width, 2, 1e-3, 3)
        tangent = network.tangent_kernel()
        solution = kernel.solve(tangent, 2)
        starts = np.linalg.norm(kernel.rotation(network.outputs().T, tangent, solution.vectors), axis=0)
        tau = aligned.step_times(solution.gamma, starts)
        rate = tau[1] / 1000
        spectra = np.linalg.eigvalsh(wide.train(network, rate, 1300, 10))[:, ::-1]
        crossed = descent.crossings(rate * 10 * np.arange(len(spectra)), spectra)
        errors.append(abs(crossed[1] / tau[1] - 1))
    assert errors[1] < 0.3 * errors[0] and errors[1] < 0.01


# Simulations


def test_the_linear_model_learns_step_by_step():
    made = stepwise_fig1ab.simulate(images="shapes", pairs=60, size=16, crop=8, outputs=4, rate=2e-4, replications=1)
    numbers = {(r["mode"], r["quantity"]): r["value"][0] for r in made.records}
    for mode in range(1, 5):
        assert numbers[mode, "measured over predicted time"] == pytest.approx(1, abs=0.06)
    assert made.curves["loss"][0] == pytest.approx(4, abs=1e-6)
    assert numbers[1, "eigenvalue at the end"] == pytest.approx(1, abs=1e-6)


def test_a_wide_network_learns_step_by_step():
    small = {"pairs": 8, "size": 16, "crop": 8, "hidden": 256, "outputs": 3, "alpha": 1e-3, "rate": 1e-3, "steps": 2000}
    made = stepwise_fig2ab.simulate(**small, replications=1)
    numbers = {(r["mode"], r["quantity"]): r["value"][0] for r in made.records}
    assert numbers[1, "measured over predicted time"] == pytest.approx(1, abs=0.1)
    assert numbers[1, "squared cosine of a principal angle"] > 0.9
    assert made.curves["loss"][0] == pytest.approx(3, abs=1e-3)


def test_a_supervised_mode_forgets_its_start_and_a_self_supervised_one_does_not():
    made = stepwise_fig8.simulate(gammas=[2.0], starts=[1e-2, 1e-3])
    numbers = {(r["model"], r["quantity"]): r["value"] for r in made.records}
    assert numbers["self-supervised", "delay"] == pytest.approx(np.log(10) / 4, rel=1e-3)
    assert numbers["supervised", "delay"] < 0.01
    assert numbers["self-supervised", "end from below"] == pytest.approx(-1)


def test_only_the_sharp_loss_has_a_slope_and_only_two_are_flat_beyond_their_minimum():
    numbers = {(r["panel"], r["quantity"]): r["value"] for r in stepwise_fig9.simulate().records}
    assert [numbers[p, "slope beside 0"] for p in "ABCD"] == pytest.approx([0, 2, 0, 0], abs=1e-5)
    largest = [numbers[p, "largest learning rate at which the fast mode settles"] for p in "ABCD"]
    assert largest[0] == pytest.approx(0.25, rel=0.03), "A: 2 over its curvature of 8"
    assert min(largest[1:]) > 0.75


def test_the_same_numbers_every_time():
    first, second = (stepwise_fig6.simulate(until=20.0, settled=30.0, replications=2) for _ in range(2))
    assert first.records == second.records
    assert all((first.curves[name] == second.curves[name]).all() for name in first.curves)


# Bad input


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: correlation.gamma_matrix(np.ones((3, 2)), np.ones((2, 2))), "pair them by row"),
        (lambda: correlation.descending([[1.0, 2.0], [0.0, 1.0]]), "expected a symmetric matrix"),
        (lambda: correlation.descending([[1.0, 2.0]]), "expected a square matrix"),
        (lambda: correlation.descending([[np.nan]]), "expected finite numbers"),
        (lambda: aligned.singular_values(1.0, [1.0], [0.0]), "expected numbers above 0"),
        (lambda: aligned.singular_values(-1.0, [1.0], [1.0]), "expected numbers from 0 on"),
        (lambda: aligned.step_times([0.5, -0.5], 1e-3), "such a mode is never learnt"),
        (lambda: aligned.top_spectral([1.0, 0.5, 0.0], np.eye(3), 3), "2 eigenvalues of Gamma are positive"),
        (lambda: aligned.ridge_values([1.0], -1.0), "penalty"),
        (lambda: start.effective_starts(np.ones((2, 3)), np.eye(2, 3)), "mode 2 has no weight of its own"),
        (lambda: start.effective_starts(np.ones((2, 3)), np.eye(3)), "at most d rows"),
        (lambda: start.gaussian_starts(3, -1.0), "alpha"),
        (lambda: coefficients.integrate(np.ones((2, 3)), [1.0], [0.0, 1.0]), "expected shapes (d, m) and (m,)"),
        (lambda: coefficients.predict(np.eye(2), [1.0, -1.0], [0.0]), "expected the first 2 above 0"),
        (lambda: kernel.k_gamma(np.eye(3)), "expected 2n rows"),
        (lambda: kernel.k_gamma([[1.0, 2.0], [2.0, 1.0]]), "no negative eigenvalue"),
        (lambda: kernel.k_gamma([[1.0, 2.0], [0.0, 1.0]]), "expected a symmetric matrix"),
        (lambda: kernel.solve(np.eye(6), 4), "3 eigenvalues of Gamma are positive"),
        (lambda: modes.escape_time(-1.0, 0.1), "expected rates above 0"),
        (lambda: modes.descend(modes.barlow_gradient, 0.1, -1.0, 3), "learning rate above 0"),
        (lambda: descent.descend(np.eye(2), [2.0, 1.0], np.eye(2), rate=0.2, times=[1.0]), "below 1 / (4 gamma_1)"),
        (lambda: wide.draw(np.ones((3, 2)), 4, 2, 1.0, 0), "expected 2n inputs"),
        (lambda: wide.train(wide.draw(np.eye(4), 4, 2, 1.0, 0), -1.0, 3, 1), "learning rate above 0"),
        (lambda: crops.pairs("cifar10", 3, 32, 20, 0), "photographs, shapes"),
        (lambda: crops.pairs("shapes", 3, 16, 20, 0), "a crop of 1 to 16"),
        (lambda: stepwise_fig6.simulate(rows=6), "rows: expected 1 to 5"),
        (lambda: stepwise_fig8.simulate(starts=[0.1, 0.2]), "two falling numbers"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_one_line(call, line):
    with pytest.raises(UserError) as caught:
        call()
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_a_singular_kernel_has_the_powers_of_its_range():
    f = np.random.default_rng(0).standard_normal((8, 3))
    root_ = kernel.power(f @ f.T, -0.5)
    assert root_ @ root_ == pytest.approx(np.linalg.pinv(f @ f.T), abs=1e-10)
