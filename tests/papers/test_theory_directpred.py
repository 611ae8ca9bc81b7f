"""The theory of Tian 2021: every law against integration, finite differences or root finding, in float64."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, root

from pipeline.errors import UserError
from pipeline.papers.directpred import (
    alignment,
    anisotropic,
    balance,
    collapse,
    equilibria,
    flow,
    modes,
    ratio,
    scalars,
    set_predictor,
    two_decays,
)
from pipeline.papers.directpred.modes import Rates

few = settings(max_examples=8, deadline=None, derandomize=True)
seeds = st.integers(0, 10_000)
rate = st.floats(0.2, 4.0)
decay = st.floats(0.0, 0.3)


def covariance(rng: np.random.Generator, size: int, scale: float = 1.0) -> np.ndarray:
    root = rng.normal(size=(size, size + 2))
    return scale * root @ root.T / (size + 2)


def model(seed: int, n1: int = 5, n2: int = 3):
    rng = np.random.default_rng(seed)
    inputs = flow.Inputs(covariance(rng, n1), covariance(rng, n1, 0.2))
    return inputs, rng.normal(0, 0.4, (n2, n1)), rng.normal(0, 0.4, (n2, n2)), rng.normal(0, 0.4, (n2, n1))


def difference(function, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Gradient by central differences."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        unit = np.zeros_like(at)
        unit[place] = step
        found[place] = (function(at + unit) - function(at - unit)) / (2 * step)
    return found


# -- Eqs. 1-4


@few
@given(seeds, st.integers(1, 5), st.integers(1, 4))
def test_flow_descends_the_loss_with_the_target_held(seed, n1, n2):
    inputs, w, wp, wa = model(seed, n1, n2)
    down_w, down_wp = flow.descent(w, wp, wa, inputs)
    assert down_w == pytest.approx(-difference(lambda x: flow.loss(x, wp, wa, inputs), w), abs=1e-8)
    assert down_wp == pytest.approx(-difference(lambda x: flow.loss(w, x, wa, inputs), wp), abs=1e-8)
    assert flow.loss(w, wp, wa, inputs) >= 0


def test_loss_is_that_of_sampled_pairs_of_views():
    inputs, w, wp, wa = model(1)
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(400_000, 5)) @ np.linalg.cholesky(inputs.mean).T
    spread = np.linalg.cholesky(inputs.spread).T
    first, second = (mean + rng.normal(size=mean.shape) @ spread for _ in range(2))
    sampled = 0.5 * np.mean(np.sum((first @ (wp @ w).T - second @ wa.T) ** 2, axis=1))
    assert flow.loss(w, wp, wa, inputs) == pytest.approx(sampled, rel=0.01)


def test_nothing_moves_for_identical_views_and_an_identity_predictor():
    inputs, w, _, _ = model(2)
    still = flow.Inputs(inputs.mean, np.zeros((5, 5)))
    for part in flow.velocity(w, np.eye(3), None, still, 2.0, 0.0, 1.0):
        assert abs(part).max() < 1e-14


# -- Theorem 1


@few
@given(seeds, rate, decay, st.sampled_from(["average", "online"]))
def test_balance_decays_at_twice_the_weight_decay(seed, alpha_p, eta, target):
    inputs, w, wp, wa = model(seed)
    times = np.linspace(0, 3, 5)
    path = flow.integrate(w, wp, wa if target == "average" else None, times, inputs, alpha_p=alpha_p, eta=eta, beta=0.7)
    start = balance.imbalance(w, wp, alpha_p)
    expected = np.exp(-2 * eta * times)[:, None, None] * start
    assert balance.imbalance(path[0], path[1], alpha_p) == pytest.approx(expected, abs=1e-8 * abs(start).max())


def test_balance_needs_alpha_p_and_one_decay():
    inputs, w, wp, wa = model(3)
    w_end, wp_end, _ = flow.integrate(w, wp, wa, [0, 3], inputs, alpha_p=3.0, eta=0.0, beta=0.7)
    printed = balance.imbalance(w_end[-1], wp_end[-1], 1.0) - balance.imbalance(w, wp, 1.0)
    assert abs(printed).max() > 0.01, "Eq. 43 without 1 / alpha_p is no law"

    def faster(w, wp, wa):  # the predictor's decay multiplied by alpha_p
        dw, dwp, dwa = flow.velocity(w, wp, wa, inputs, 3.0, 0.2, 0.7)
        return dw, dwp - 2.0 * 0.2 * wp, dwa

    def own(state):
        return np.split(state, [w.size, w.size + wp.size])

    from scipy.integrate import solve_ivp

    def rhs(_, state):
        a, b, c = own(state)
        return np.concatenate([x.ravel() for x in faster(a.reshape(w.shape), b.reshape(wp.shape), c.reshape(w.shape))])

    start = np.concatenate([w.ravel(), wp.ravel(), wa.ravel()])
    end = own(solve_ivp(rhs, (0, 3), start, rtol=1e-10, atol=1e-12).y[:, -1])
    left = balance.imbalance(end[0].reshape(w.shape), end[1].reshape(wp.shape), 3.0)
    assert abs(left - np.exp(-2 * 0.2 * 3) * balance.imbalance(w, wp, 3.0)).max() > 0.01


@few
@given(seeds, rate, decay)
def test_the_symmetrised_flow_keeps_the_balance_in_trace_only(seed, alpha_p, eta):
    rng = np.random.default_rng(seed)
    wp, f, rates = symmetric(rng, 4), covariance(rng, 4), Rates(alpha_p, eta, 0.3)
    dwp, df = alignment.symmetrised_velocity(wp, f, 0.8, rates)
    rate_of_change = (wp @ dwp + dwp @ wp) / alpha_p - df
    expected = balance.symmetrised_imbalance_velocity(f, wp, alpha_p, eta, 0.3)
    assert rate_of_change == pytest.approx(expected, abs=1e-12)
    law = -2 * eta * (wp @ wp / alpha_p - f)
    assert np.trace(rate_of_change) == pytest.approx(np.trace(law), abs=1e-12)
    assert abs(rate_of_change - law).max() > 1e-4


# -- Theorem 2


@few
@given(seeds, decay)
def test_without_stop_gradient_the_weights_decay(seed, eta):
    inputs, w, wp, _ = model(seed, 4, 3)
    h = collapse.hessian(wp, inputs, eta)
    stacked = h @ w.ravel(order="F")
    own = difference(lambda x: flow.loss(x, wp, x, inputs) + eta / 2 * np.sum(x**2), w)
    assert own.ravel(order="F") == pytest.approx(stacked, abs=1e-7)
    values, vectors = np.linalg.eigh(h)
    assert values[0] > 0
    for time in (0.5, 2.0, 8.0):
        left = vectors @ (np.exp(-values * time) * (vectors.T @ w.ravel(order="F")))
        assert np.linalg.norm(left) <= np.exp(-values[0] * time) * np.linalg.norm(w) * (1 + 1e-12)


def test_without_augmentation_and_decay_the_weights_need_not_vanish():
    inputs = flow.Inputs(np.eye(3), np.diag([1.0, 0.0, 0.0]))
    assert np.linalg.eigvalsh(collapse.hessian(np.eye(2), inputs, 0.0))[0] == pytest.approx(0, abs=1e-14)
    assert np.linalg.eigvalsh(collapse.hessian(np.eye(2), inputs, 0.1))[0] == pytest.approx(0.1)


def test_without_predictor_the_closed_form_is_the_flow():
    inputs, w, _, _ = model(5)
    times = np.linspace(0, 4, 6)

    def rhs(w):
        return (flow.descent(w, np.eye(3), w, inputs)[0] - 0.1 * w,)

    (path,) = alignment.integrate(rhs, (w,), times)
    closed = collapse.without_predictor(w, inputs.spread, 0.1, times)
    assert closed == pytest.approx(path, abs=1e-8)
    assert np.all(np.diff(np.linalg.norm(closed, axis=(1, 2))) < 0)


def test_predictor_and_stop_gradient_together_keep_the_weights():
    inputs = flow.isotropic(4, 0.1)
    rng = np.random.default_rng(0)
    w = rng.normal(0, 0.5, (4, 4))
    kept = flow.integrate(w, w @ w.T, None, [0, 60], inputs, eta=0.02)[0][-1]
    bare = collapse.without_predictor(w, inputs.spread, 0.02, [60.0])[-1]
    assert np.linalg.norm(kept) > 0.5 and np.linalg.norm(bare) < 0.02


# -- Theorem 3


def symmetric(rng: np.random.Generator, size: int) -> np.ndarray:
    raw = rng.normal(0, 0.5, (size, size))
    return (raw + raw.T) / 2


@few
@given(seeds, st.integers(2, 6), rate, decay, st.floats(0.0, 1.2), st.floats(0.0, 1.0))
def test_commutator_moves_by_k(seed, size, alpha_p, eta, tau, variance):
    rng = np.random.default_rng(seed)
    wp, f, rates = symmetric(rng, size), covariance(rng, size), Rates(alpha_p, eta, variance)
    dwp, df = alignment.symmetrised_velocity(wp, f, tau, rates)
    change = alignment.commutator(df, wp) + alignment.commutator(f, dwp)
    own, k = alignment.commutator(f, wp), alignment.alignment_matrix(f, wp, tau, rates)
    assert change == pytest.approx(-own @ k - k @ own, abs=1e-11)


def test_commutator_stays_below_its_bound_and_zero_stays_zero():
    rng = np.random.default_rng(4)
    wp, f, rates = symmetric(rng, 5), covariance(rng, 5), Rates(2.0, 0.15, 0.1)

    def rhs(wp, f):
        return alignment.symmetrised_velocity(wp, f, 0.9, rates)

    times = np.linspace(0, 10, 1001)
    wps, fs = alignment.integrate(rhs, (wp, f), times)
    norm = np.linalg.norm(alignment.commutator(fs, wps), axis=(1, 2))
    least = np.linalg.eigvalsh(alignment.alignment_matrix(fs, wps, 0.9, rates))[:, 0]
    past = np.concatenate([[0.0], np.cumsum((least[1:] + least[:-1]) / 2 * np.diff(times))])
    assert np.all(norm <= norm[0] * np.exp(-2 * past) * (1 + 1e-4))
    assert np.linalg.eigvalsh(fs).min() > -1e-10
    vectors = np.linalg.eigh(f)[1]
    wps, fs = alignment.integrate(rhs, ((vectors * [0.1, 0.2, 0.5, 0.7, 0.9]) @ vectors.T, f), [0, 10])
    assert np.linalg.norm(alignment.commutator(fs[-1], wps[-1])) < 1e-9


@few
@given(seeds, rate, st.floats(0.01, 0.3))
def test_resting_predictor_is_where_eq_62_stands_still(seed, alpha_p, eta):
    rng = np.random.default_rng(seed)
    f, rates = covariance(rng, 3), Rates(alpha_p, eta, 0.2)
    found = alignment.resting_predictor(f, 0.8, rates)
    assert found == pytest.approx(found.T, abs=1e-14)
    sought = root(
        lambda x: alignment.predictor_velocity(x.reshape(3, 3), f, 0.8, rates).ravel(), np.zeros(9), tol=1e-13
    )
    assert found.ravel() == pytest.approx(sought.x, abs=1e-8)


def test_resting_predictor_of_a_singular_f_is_that_of_least_norm():
    rng = np.random.default_rng(0)
    thin = rng.normal(size=(4, 2))
    f, rates = thin @ thin.T, Rates(1.0, 0.0, 0.25)
    expected = 0.8 / 1.25 * thin @ np.linalg.pinv(thin)
    assert alignment.resting_predictor(f, 0.8, rates) == pytest.approx(expected, abs=1e-10)


def test_near_alignment_the_commutator_follows_its_closed_form():
    rates, tau = Rates(1.5, 0.02, 0.1), 1.0
    p, s = np.array([0.05, 0.1, 0.2]), np.array([0.01, 0.03, 0.02])
    rng = np.random.default_rng(0)
    wp = np.diag(p) + 1e-7 * symmetric(rng, 3)

    def rhs(wp, f):
        return alignment.symmetrised_velocity(wp, f, tau, rates)

    times = np.linspace(0, 20, 401)
    wps, fs = alignment.integrate(rhs, (wp, np.diag(s)), times, rtol=1e-12)
    own = alignment.commutator(fs, wps)
    pairs = ([0, 0, 1], [1, 2, 2])
    measured = np.abs(own[:, *pairs] / own[0][pairs])
    closed = alignment.near_alignment(times, modes.integrate(p, s, tau, times, rates)[1], rates)[:, *pairs]
    assert measured == pytest.approx(closed, rel=1e-4)
    assert closed.max() > 3, "growing modes make it shoot up"


def test_reduced_flow_of_f_is_that_of_the_weights():
    rng = np.random.default_rng(6)
    w, wp, rates = rng.normal(0, 0.5, (3, 4)), rng.normal(0, 0.5, (3, 3)), Rates(2.0, 0.1, 0.3)
    dw, dwp, _ = flow.velocity(w, wp, 0.7 * w, flow.isotropic(4, 0.3), 2.0, 0.1, 0.0)
    f = w @ w.T
    assert dwp == pytest.approx(alignment.predictor_velocity(wp, f, 0.7, rates), abs=1e-12)
    assert dw @ w.T + w @ dw.T == pytest.approx(alignment.correlation_velocity(wp, f, 0.7, rates), abs=1e-12)


# -- Eqs. 11-17


@few
@given(rate, decay, st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1.5))
def test_modes_are_the_diagonal_of_the_matrices(alpha_p, eta, variance, p, s, tau):
    rates = Rates(alpha_p, eta, variance)
    values = np.array([p, 0.3]), np.array([s, 0.2])
    dwp, df = alignment.symmetrised_velocity(np.diag(values[0]), np.diag(values[1]), tau, rates)
    dp, ds = modes.velocity(*values, tau, rates)
    assert np.diag(dwp) == pytest.approx(dp, abs=1e-13) and np.diag(df) == pytest.approx(ds, abs=1e-13)
    k = alignment.alignment_matrix(np.diag(values[1]), np.diag(values[0]), tau, rates)
    assert np.diag(k) == pytest.approx(modes.alignment_rate(*values, tau, rates), abs=1e-13)


def test_modes_with_a_moving_average_are_the_scalar_weights():
    weights = scalars.Weights(1.3, 1.0, 2.0, 0.6)
    w, wp, wa = scalars.integrate(
        [0.3, 0.2, 0.1], times := np.linspace(0, 12, 7), lambda *x: scalars.velocity(*x, weights)
    )
    p, s, tau = modes.integrate(0.2, 0.09, 0.1 / 0.3, times, Rates(2.0, 0.0, 0.3), beta=0.6)
    assert wp == pytest.approx(p, abs=1e-8) and w**2 == pytest.approx(s, abs=1e-8)
    assert wa / w == pytest.approx(tau, abs=1e-8)


@few
@given(rate, decay, st.floats(-0.5, 1.0), st.floats(0.01, 1.0))
def test_offset_decays_whatever_tau_does(alpha_p, eta, p, s):
    rates, times = Rates(alpha_p, eta, 0.1), np.linspace(0, 20, 5)
    # with p < 0 the ratio tau of a decaying mode grows without bound, in finite time: no path to compare with
    for beta in (None, 0.4) if p >= 0 else (None,):
        path = modes.integrate(p, s, 0.5, times, rates, beta, rtol=1e-12)
        c = modes.offset(p, s, rates)
        assert modes.offset(path[0], path[1], rates) == pytest.approx(
            c * np.exp(-2 * eta * times), abs=1e-8 * max(abs(c), s)
        )


def test_the_printed_sign_of_the_offset_is_no_law():
    rates = Rates(1.0, 0.1, 0.1)
    p, s, _ = modes.integrate(0.2, 0.3, 1.0, [0, 2.0], rates)
    c = 0.2**2 - 0.3
    assert abs(s[-1] - p[-1] ** 2 - c * np.exp(-0.4)) > 0.1


def test_ratio_is_that_of_its_past():
    rates, times = Rates(1.0, 0.05, 0.1), np.linspace(0, 30, 6001)
    p, s, tau = modes.integrate(0.2, 0.3, 0.25, times, rates, beta=0.4)
    assert ratio.ratio_from_path(times, s, 0.4, 0.25) == pytest.approx(tau, abs=1e-6)
    assert abs(ratio.ratio_from_path(times, p**2, 0.4, 0.25) - tau).max() > 0.01, (
        "p stands for sqrt(s) on the parabola only"
    )
    p, s, tau = modes.integrate(0.5, 0.25, 0.0, times, rates, beta=0.4)
    assert ratio.ratio_from_path(times, p**2, 0.4) == pytest.approx(tau, abs=1e-6)


def test_ratio_passes_one_while_a_mode_collapses():
    rates = Rates(1.0, 0.2, 0.1)
    _, s, tau = modes.integrate(0.1, 0.01, 0.0, [0, 100.0], rates, beta=0.4)
    assert s[-1] < 1e-15 and tau[-1] == pytest.approx(ratio.collapsing_ratio(0.2, 0.4), rel=1e-6) and tau[-1] > 1.9
    assert ratio.collapsing_ratio(0.4, 0.4) == float("inf")


def test_limits_of_the_moving_average():
    rates, times = Rates(1.0, 0.0, 0.1), np.linspace(0, 1000, 11)
    slow = modes.integrate(0.2 / 1.1, (0.2 / 1.1) ** 2, 0.2, times, rates, beta=1e-3)[2]
    assert slow == pytest.approx(ratio.slow_ratio(times, 1e-3, 0.2), abs=5e-3)
    soon = np.linspace(0, 20, 11)
    fast = modes.integrate(0.3, 0.09, 1.0, soon, Rates(1.0, 0.04, 0.1), beta=200.0, rtol=1e-8)[0]
    none = modes.integrate(0.3, 0.09, 1.0, soon, Rates(1.0, 0.04, 0.1))[0]
    assert fast == pytest.approx(none, abs=5e-3)


def test_the_living_point_is_stable_for_every_moving_average():
    for beta in (0.01, 0.4, 10.0):
        rates = Rates(1.0, 0.05, 0.1)
        _, high = equilibria.roots(1.0, rates)

        def rhs(x, rates=rates, beta=beta):
            return np.array([*modes.velocity(x[0], x[1], x[2], rates), modes.target_velocity(x[0], x[2], beta, rates)])

        at = np.array([high, high**2, 1.0])
        assert rhs(at) == pytest.approx(0, abs=1e-14)
        jacobian = np.array([(rhs(at + h) - rhs(at - h)) / 2e-6 for h in 1e-6 * np.eye(3)]).T
        assert np.linalg.eigvals(jacobian).real.max() < 0


# -- equilibria and basins


@few
@given(st.floats(0.2, 1.2), st.floats(0.0, 1.0), st.floats(0.02, 0.98), rate)
def test_equilibria_by_root_finding(tau, variance, share, alpha_p):
    rates = Rates(alpha_p, share * equilibria.threshold(tau, variance), variance)
    points = equilibria.on_parabola(tau, rates)
    assert [q.stability for q in points] == ["stable", "unstable", "stable"]
    middle = tau / (2 * (1 + variance))

    def speed(p):
        return equilibria.parabola_velocity(p, tau, rates)

    assert points[1].p == pytest.approx(brentq(speed, 1e-9, middle, xtol=1e-14), abs=1e-9)
    assert points[2].p == pytest.approx(brentq(speed, middle, 2.0, xtol=1e-14), abs=1e-9)
    for q in points:
        slope = (speed(q.p + 1e-7) - speed(q.p - 1e-7)) / 2e-7
        assert (slope < 0) == (q.stability == "stable")
        assert modes.velocity(q.p, q.s, tau, rates) == pytest.approx((0, 0), abs=1e-12)
        assert equilibria.caption_velocity(q.p, tau, rates) == pytest.approx(0, abs=1e-12)
    grid = np.linspace(-0.5, 1.5, 41)
    assert equilibria.caption_velocity(grid, tau, rates) * (1 + variance) == pytest.approx(speed(grid), abs=1e-12)


def test_equilibria_merge_at_the_threshold():
    edge = equilibria.threshold(0.8, 0.25)
    assert [q.stability for q in equilibria.on_parabola(0.8, Rates(1.0, edge, 0.25))] == ["stable", "half-stable"]
    assert [q.stability for q in equilibria.on_parabola(0.8, Rates(1.0, 1.01 * edge, 0.25))] == ["stable"]
    assert [q.stability for q in equilibria.on_parabola(0.8, Rates(1.0, 0.0, 0.25))] == ["half-stable", "stable"]
    low, high = equilibria.roots(1.0, Rates(1.0, 1e-9, 0.25))
    assert low == pytest.approx(1e-9, rel=1e-6) and high == pytest.approx(0.8, rel=1e-6)


def test_starts_past_the_threshold_collapse_and_before_it_p_minus_decides():
    edge = equilibria.threshold(1.0, 0.1)
    start = np.array([0.3, 0.6, 0.9])
    end = modes.integrate(start, start**2, 1.0, [0, 3000.0], Rates(1.0, 1.01 * edge, 0.1), rtol=1e-8)[0][-1]
    assert abs(end).max() < 1e-6
    rates = Rates(1.0, 0.6 * edge, 0.1)
    low, high = equilibria.roots(1.0, rates)
    start = low * np.array([0.98, 1.02])
    end = modes.integrate(start, start**2, 1.0, [0, 1000.0], rates)[0][-1]
    assert end == pytest.approx([0.0, high], abs=1e-8)


def test_basin_and_end_without_decay():
    rng = np.random.default_rng(0)
    p, s, alpha_p = rng.uniform(-1, 1.5, 400), rng.uniform(0.01, 1, 400), rng.uniform(0.3, 3, 400)
    rates = Rates(alpha_p, 0.0, 0.1)
    end_p, end_s = equilibria.end_without_decay(p, s, 0.9, rates)
    c = modes.offset(p, s, rates)
    # an orbit lingers where it ends between two kinds of ends
    clear = (abs(c) > 1e-3) & (abs(np.sqrt(np.maximum(-alpha_p * c, 0)) - 0.9 / 1.1) > 0.01)
    path = modes.integrate(p, s, 0.9, [0, 1000.0], rates, rtol=1e-9)
    dead = equilibria.collapses_without_decay(p, s, 0.9, rates)
    assert np.array_equal(dead, end_s == 0) and clear.sum() > 380
    assert path[0][-1][clear] == pytest.approx(end_p[clear], abs=1e-6)
    assert path[1][-1][clear] == pytest.approx(end_s[clear], abs=1e-6)
    above = modes.offset(p, s, rates) > 0
    assert not dead[above].any() and (~dead[~above]).any(), "the text's condition is sufficient, not necessary"


def test_origin_in_two_dimensions():
    rates = Rates(1.5, 0.07, 0.2)
    columns = [
        np.subtract(modes.velocity(*h, 1.0, rates), modes.velocity(*-h, 1.0, rates)) / 2e-6 for h in 1e-6 * np.eye(2)
    ]
    assert sorted(np.linalg.eigvals(np.array(columns).T)) == pytest.approx([-0.14, -0.07], abs=1e-8)


def test_k_on_the_parabola_knows_no_alpha_p():
    p, variance, eta = np.linspace(0, 1, 1001), 0.1, 0.05
    k = [modes.alignment_rate(p, p**2 / a, 1.0, Rates(a, eta, variance)) for a in (0.5, 4.0)]
    assert k[0] == pytest.approx(k[1], abs=1e-14)
    assert k[0].min() == pytest.approx(1.5 * eta - 1 / (6 * (1 + variance)), abs=1e-6)
    fixed = [modes.alignment_rate(0.3, 0.3, 1.0, Rates(a, eta, variance)) for a in (0.5, 4.0)]
    assert fixed[1] - fixed[0] == pytest.approx((1 + variance) * 0.3 * 3.5 / 2)


def test_gradient_descent_tends_to_the_flow():
    rates = Rates(1.0, 0.04, 9e-4)
    p, s, tau = (path[-1] for path in modes.integrate(0.3, 0.09, 0.0, [0, 8.0], rates, beta=0.4))
    errors = []
    for alpha in (0.02, 0.01, 0.005):
        path = modes.euler(0.3, 0.09, 0.0, round(8 / alpha), alpha, rates, 0.4)
        errors.append(max(abs(path[0][-1] - p), abs(path[1][-1] - s), abs(path[2][-1] - tau)))
    assert errors[0] < 0.02 and np.array(errors[:2]) / errors[1:] == pytest.approx([2, 2], rel=0.05)
    online = modes.euler(0.3, 0.09, 0.0, 10, 0.01, rates, np.array([np.inf, 0.4]))
    assert np.all(online[2][:, 0] == 1) and online[2][0, 1] == 0


# -- predictors that are set, and two decays


def test_epsilon_rescues_small_modes_from_its_threshold_on():
    rates = Rates(1.0, 0.05, 0.1)
    edge = set_predictor.rescue(1.0, rates)
    high = equilibria.roots(1.0, rates)[1]
    assert edge == pytest.approx(0.066, abs=5e-4)
    for epsilon, rescued in ((0.85 * edge, False), (1.15 * edge, True)):

        def rhs(s, epsilon=epsilon):
            return (set_predictor.velocity(s, epsilon, 1.0, rates),)

        end = scalars.integrate([[0.5, 1e-6]], [0, 2500.0], rhs, rtol=1e-8)[0, -1]
        assert end[0] == pytest.approx((high / (1 + epsilon)) ** 2, rel=1e-5)
        assert (end[1] > 0.1) == rescued and (end[1] < 1e-6) == (not rescued)


def test_without_epsilon_a_set_predictor_is_eq_16():
    rates, s = Rates(1.0, 0.05, 0.1), np.linspace(0.01, 1, 20)
    expected = 2 * np.sqrt(s) * equilibria.parabola_velocity(np.sqrt(s), 0.8, rates)
    assert set_predictor.velocity(s, 0.0, 0.8, rates) == pytest.approx(expected, abs=1e-14)
    assert set_predictor.eigenvalues(9 * s, 0.2) == pytest.approx(3 * set_predictor.eigenvalues(s, 0.2))


def test_the_optimal_predictor_leaves_decay_alone():
    rates, f = Rates(1.0, 0.0, 0.25), covariance(np.random.default_rng(0), 4)
    wp = alignment.resting_predictor(f, 0.8, rates)
    assert wp == pytest.approx(0.8 / 1.25 * np.eye(4), abs=1e-10)
    decayed = Rates(1.0, 0.1, 0.25)
    ds = modes.velocity(0.8 / 1.25, np.array([0.2, 0.5]), 0.8, decayed)[1]
    assert ds == pytest.approx(set_predictor.optimal_velocity([0.2, 0.5], decayed), abs=1e-14)


def test_decay_of_the_predictor_alone_lets_s_grow():
    rates = Rates(2.0, 0.1, 0.1)
    times = np.linspace(0, 200, 5)

    def rhs(p, s):
        return two_decays.velocity(p, s, 1.0, rates, 0.0)

    p, s = scalars.integrate([0.3, 0.045], times, rhs, rtol=1e-9)
    assert (s[-1] - s[-2]) / 50 == pytest.approx(two_decays.drift(1.0, rates), rel=1e-2)
    assert p[-1] < 1 / 1.1 and p[-1] == pytest.approx(1 / 1.1, rel=5e-3)
    same = two_decays.velocity(0.3, 0.2, 1.0, rates, 0.1)
    assert same == pytest.approx(modes.velocity(0.3, 0.2, 1.0, rates))


# -- Appendix D


def test_scrambling_keeps_the_conserved_subspace_alone():
    rng = np.random.default_rng(0)
    data, basis = covariance(rng, 6), np.linalg.qr(rng.normal(size=(6, 2)))[0]
    inputs = anisotropic.multiplicative(data, basis)
    kept = np.eye(6) - basis @ basis.T
    root = np.linalg.cholesky(data)
    sample = np.zeros((6, 6))
    count = 40_000
    for block in rng.normal(size=(count, 2, 2)):
        a = kept + basis @ block @ basis.T
        sample += (a @ root) @ (a @ root).T / count
    assert sample == pytest.approx(inputs.view, abs=0.05)
    assert abs(sample - data).max() > 0.2, "the text has Sigma_s = Sigma_x"
    assert inputs.mean @ np.linalg.inv(inputs.view) == pytest.approx(kept, abs=1e-9)
    assert anisotropic.survivors(inputs)[0] == pytest.approx([1, 1, 1, 1, 0, 0], abs=1e-9)


@few
@given(seeds, st.integers(2, 6))
def test_left_eigenvectors_stand_still(seed, size):
    rng = np.random.default_rng(seed)
    inputs = anisotropic.additive(covariance(rng, size), covariance(rng, size, 0.5))
    values, w = anisotropic.survivors(inputs)
    assert values.min() >= -1e-12 and values.max() < 1
    turn = rng.normal(size=(size, size)) + 2 * np.eye(size)
    for w_now, wp in ((w, np.diag(values)), (turn @ w, turn @ np.diag(values) @ np.linalg.inv(turn))):
        parts = flow.velocity(w_now, wp, w_now, inputs, 1.0, 0.0, 1.0)
        assert max(abs(part).max() for part in parts) < 1e-8 * max(1, abs(w_now).max() * abs(wp).max()) ** 2


def test_isotropic_noise_shrinks_all_directions_alike():
    assert anisotropic.survivors(flow.isotropic(4, 0.25))[0] == pytest.approx(np.full(4, 0.8))


@few
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_scalar_weights_descend_their_energy(w, wp, wa):
    weights = scalars.Weights(1.2, 0.6, 1.0, 0.5)
    dw, dwp, _ = scalars.velocity(w, wp, wa, weights)
    down = -difference(lambda x: scalars.energy(x[0], x[1], wa, weights), np.array([w, wp]))
    assert (dw, dwp) == pytest.approx(tuple(down), abs=1e-8)


def test_tied_weights_stay_tied_at_alpha_p_one_only():
    for alpha_p, tied in ((1.0, True), (2.0, False)):
        weights = scalars.Weights(1.0, 0.5, alpha_p, 1.0)
        path = scalars.integrate([0.2, 0.2, 0.1], [0, 20.0], lambda *x, m=weights: scalars.velocity(*x, m))
        assert (abs(path[0, -1] - path[1, -1]) < 1e-9) == tied
        law = path[0] ** 2 - path[1] ** 2 / alpha_p
        assert law[1] == pytest.approx(law[0], abs=1e-9)
    jacobian = scalars.tied_jacobian(0.5, 0.5, scalars.Weights())
    assert np.trace(jacobian) == pytest.approx(-1.5) and np.linalg.det(jacobian) == pytest.approx(0.25)
    assert sorted(np.linalg.eigvals(scalars.tied_jacobian(0, 0, scalars.Weights()))) == pytest.approx([-1, 0])


def test_origin_of_tied_weights_is_half_stable():
    def rhs(w, wa):
        return scalars.tied_velocity(w, wa, scalars.Weights())

    path = scalars.integrate([[0.05, -0.05], [0.05, -0.05]], [0, 400.0], rhs)
    assert path[0, -1, 0] == pytest.approx(0.5, abs=1e-8) and abs(path[0, -1, 1]) < 0.02


# -- bad input


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: Rates(alpha_p=0.0), "alpha_p: expected finite numbers > 0, found 0"),
        (lambda: Rates(eta=np.array([0.1, -0.1])), "eta: expected finite numbers >= 0, found -0.1"),
        (lambda: Rates(variance=float("nan")), "variance: expected finite numbers >= 0, found a number that is not finite"),
        (lambda: modes.integrate(0.1, -0.1, 1.0, [0, 1], Rates()), "s: expected finite numbers >= 0"),
        (lambda: flow.Inputs(np.triu(np.ones((2, 2))), np.eye(2)), "X: expected a symmetric matrix"),
        (lambda: flow.Inputs(np.eye(2), -np.eye(2)), "X': expected a positive semi-definite matrix, found an eigenvalue of -1"),
        (lambda: flow.Inputs(np.eye(2), np.eye(3)), "X': expected the shape of X"),
        (lambda: flow.integrate(np.ones((2, 3)), np.eye(3), None, [0, 1], flow.isotropic(3, 0.1)), "Wp: expected 2 x 2"),
        (lambda: alignment.resting_predictor(np.ones((2, 3)), 1.0, Rates()), "F: expected a square matrix"),
        (lambda: anisotropic.multiplicative(np.eye(3), np.ones((3, 1))), "scrambled: expected orthonormal columns"),
        (lambda: anisotropic.survivors(flow.Inputs(np.diag([1.0, 0.0]), np.zeros((2, 2)))), "Sigma_s: expected full rank"),
        (lambda: scalars.Weights(different=2.0), "lambda_d: expected at most lambda_s"),
        (lambda: collapse.without_predictor(np.eye(2), np.eye(2), -1.0, [0.0]), "eta: expected finite numbers >= 0"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_one_line(call, line):
    with pytest.raises(UserError) as caught:
        call()
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


# -- simulations


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("fig3", {"starts": 4, "marks": 10, "until": 250.0}),
        ("fig4", {}),
        ("fig5", {"steps": 300}),
        ("table4", {"starts": 5, "until": 50.0}),
        ("fig7", {"steps": 50, "replications": 2}),
        ("fig8", {"until": 20.0, "replications": 2}),
        ("fig9", {"until": 20.0, "replications": 2}),
        pytest.param("fig10", {"nodes": 5}, marks=pytest.mark.slow),
        ("theorems", {"replications": 1}),
        ("appd", {"replications": 1}),
    ],
)
def test_simulations_are_the_same_each_time(name, small):
    simulate = importlib.import_module(f"pipeline.papers.directpred.simulations.{name}").simulate
    first, again = simulate(**small), simulate(**small)
    assert first.records == again.records
    assert {k: v.tobytes() for k, v in first.curves.items()} == {k: v.tobytes() for k, v in again.curves.items()}


def test_more_replications_keep_the_first_ones():
    from pipeline.papers.directpred.simulations.fig7 import simulate

    one, two = (simulate(steps=40, replications=count) for count in (1, 2))
    for first, second in zip(one.records, two.records, strict=True):
        assert second["value"][:1] == pytest.approx(first["value"], rel=1e-12)


@few
@given(st.floats(0.2, 1.2), st.floats(0.0, 1.0), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.2]))
def test_equilibria_from_the_signs_of_the_flow_are_those_of_the_closed_form(tau, variance, share):
    rates = Rates(1.0, share * equilibria.threshold(tau, variance), variance)
    found = equilibria.on_line(lambda p: equilibria.parabola_velocity(p, tau, rates), (-0.4, 1.6))
    wanted = equilibria.on_parabola(tau, rates)
    assert [kind for _, kind in found] == [q.stability for q in wanted]
    assert [p for p, _ in found] == pytest.approx([q.p for q in wanted], abs=1e-7)


@pytest.mark.parametrize(
    ("flow", "wanted"),
    [
        (lambda p: p, [(0.0, "unstable")]),
        (lambda p: -p, [(0.0, "stable")]),
        (lambda p: -(p**2), [(0.0, "half-stable")]),
        (lambda p: -(p**3), [(0.0, "stable")]),
        (lambda p: p**2 + 1e-3, []),
        (lambda p: (p - 0.5) * (p + 0.25), [(-0.25, "stable"), (0.5, "unstable")]),
    ],
)
def test_equilibria_of_any_flow(flow, wanted):
    found = equilibria.on_line(flow, (-1.0, 1.0))
    assert [kind for _, kind in found] == [kind for _, kind in wanted]
    assert [p for p, _ in found] == pytest.approx([p for p, _ in wanted], abs=1e-5)
