"""Embedding norms under cosine losses: gradients, steps, bounds, simulated embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pipeline.errors import UserError
from pipeline.papers.embnorms import classes, gradients, network, opposite, pairs, plane, steps
from pipeline.papers.embnorms.simulations import fig2a as embnorms_fig2a
from pipeline.papers.embnorms.simulations import fig2b as embnorms_fig2b
from pipeline.papers.embnorms.simulations import fig2c as embnorms_fig2c
from pipeline.papers.embnorms.simulations import figS2 as embnorms_figS2

few = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(3, 9), st.integers(2, 12))
angles = st.floats(0.01, np.pi - 0.01)
ratios = st.floats(1e-3, 20.0)


def numeric(function, z, h=1e-6):
    """Gradient of a function of an array by central differences."""
    found = np.zeros_like(z)
    for place in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[place] += h
        down[place] -= h
        found[place] = (function(up) - function(down)) / (2 * h)
    return found


def pair(phi, norm_i, norm_j, dimension, seed):
    """Two vectors of given norms at a given angle."""
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((dimension, 2)))[0]
    return norm_i * q[:, 0], norm_j * (np.cos(phi) * q[:, 0] + np.sin(phi) * q[:, 1])


def cosine(x, y):
    return np.sum(gradients.unit(x) * gradients.unit(y), axis=-1)


@few
@given(seed=seeds, shape=shapes, factor=st.floats(0.1, 10.0), temperature=st.floats(0.2, 3.0))
def test_gradients_are_those_of_the_losses_tangent_and_of_degree_minus_one(seed, shape, factor, temperature):
    z = np.random.default_rng(seed).standard_normal(shape)
    target = z[1]
    own = gradients.cosine_gradient(z[0], target)
    assert_allclose(own, numeric(lambda x: -cosine(x, target), z[0]), atol=2e-6 / np.linalg.norm(z[0]) ** 3)
    phi = np.arccos(np.clip(cosine(z[0], target), -1, 1))
    assert_allclose(np.linalg.norm(own), np.sin(phi) / np.linalg.norm(z[0]), atol=1e-6)
    _, full = gradients.infonce(z, 0, 1, temperature)

    def loss(x):
        return gradients.infonce(np.vstack([x, z[1:]]), 0, 1, temperature)[0]

    assert_allclose(full, numeric(loss, z[0]), atol=1e-5 / min(1.0, np.linalg.norm(z[0])) ** 3)
    for gradient in (own, full):
        assert abs(gradient @ z[0]) < 1e-12 * max(1.0, np.linalg.norm(gradient) * np.linalg.norm(z[0]))
    scaled = z.copy()
    scaled[0] *= factor
    assert_allclose(gradients.infonce(scaled, 0, 1, temperature)[1] * factor, full, rtol=1e-9, atol=1e-12)
    scaled = z.copy()
    scaled[1:] *= factor
    assert_allclose(gradients.infonce(scaled, 0, 1, temperature)[1], full, rtol=1e-9, atol=1e-12)


def test_infonce_of_four_rows():
    z = np.array([[1, 0, 2], [0, 1, 1], [2, 1, 0], [1, 1, -1]], dtype=float)
    loss, gradient = gradients.infonce(z, 0, 1)
    assert loss == pytest.approx(0.7898073995, abs=1e-10)
    assert_allclose(gradient, [0.2419214762, -0.0526264884, -0.1209607381], atol=1e-10)


def test_infonce_does_not_move_where_there_is_nothing_to_tell_apart():
    z = np.array([[1.0, 2.0], [3.0, -1.0]])
    assert_allclose(gradients.infonce(z, 0, 1)[1], 0.0, atol=1e-16)
    same = np.vstack([z, 2 * z[1:], 5 * z[1:]])
    assert_allclose(gradients.infonce(same, 0, 1)[1], 0.0, atol=1e-16)


def test_the_repulsion_is_added_and_can_be_the_larger_part():
    """Both against the supplement: a minus sign in A.2, and that attraction always wins."""
    z = np.random.default_rng(1).standard_normal((8, 5))
    z[1] = z[0] + 0.01 * z[1]
    attraction = gradients.cosine_gradient(z[0], z[1])
    repulsion = gradients.infonce(z, 0, 1)[1] - attraction
    wrong = attraction - repulsion
    truth = numeric(lambda x: gradients.infonce(np.vstack([x, z[1:]]), 0, 1)[0], z[0])
    assert np.abs(attraction + repulsion - truth).max() < 1e-8 < 0.01 < np.abs(wrong - truth).max()
    assert np.linalg.norm(repulsion) > np.linalg.norm(attraction)


@few
@given(seed=seeds, power=st.floats(0.0, 3.0))
def test_gradscale_multiplies_each_row(seed, power):
    z, g = np.random.default_rng(seed).standard_normal((2, 5, 4))
    assert np.array_equal(gradients.gradscale(g, z, 0.0), g)
    assert_allclose(
        gradients.gradscale(g, z, power), [np.linalg.norm(r) ** power * h for r, h in zip(z, g, strict=True)]
    )
    lengths = np.linalg.norm(gradients.gradscale(gradients.cosine_gradient(z, g), z, 1.0), axis=1)
    assert_allclose(lengths**2, 1.0 - cosine(z, g) ** 2, atol=1e-12)


@few
@given(phi=angles, rate=st.floats(1e-3, 5.0), norm=st.floats(0.3, 5.0), power=st.floats(0, 2), d=st.integers(2, 30))
def test_a_step_turns_and_grows_by_the_closed_forms(phi, rate, norm, power, d):
    x, y = pair(phi, norm, norm, d, 7)
    a = steps.ratio(rate, norm, power)
    x1, y1 = steps.step(x, y, rate, power), steps.step(y, x, rate, power)
    assert cosine(x1, y1) - np.cos(phi) == pytest.approx(float(steps.gain(phi, a)), abs=1e-12)
    assert np.linalg.norm(x1) / norm == pytest.approx(float(steps.growth(phi, a)), rel=1e-12)
    assert np.linalg.norm(x1) >= norm * (1 - 1e-14)
    assert cosine(x1, y1) == pytest.approx(np.cos(phi - 2 * steps.turn(phi, a)), abs=1e-12)
    assert cosine(x1, y) == pytest.approx(np.cos(phi - steps.turn(phi, a)), abs=1e-12)


def test_the_gain_at_two_points():
    assert steps.gain(1.0, steps.ratio(0.5, 2.0)) == pytest.approx(0.1632567118, abs=1e-10)
    assert 2.0 * steps.growth(1.0, steps.ratio(0.5, 2.0)) == pytest.approx(2.0110332142, abs=1e-10)
    assert steps.gain(2.5, 0.1) == pytest.approx(0.0770965403, abs=1e-10)


@few
@given(phi=st.floats(0.01, np.pi / 2), a=ratios)
def test_theorem_3_4_up_to_a_right_angle(phi, a):
    assert steps.gain(phi, a) <= steps.printed_bound(phi, a) * (1 + 1e-12)
    if a <= 1.0:
        # `refined` lies between the gain and the printed bound
        assert steps.gain(phi, a) <= steps.refined_bound(phi, a) * (1 + 1e-12)
    assert steps.refined_bound(phi, a) <= steps.printed_bound(phi, a) * (1 + 1e-12)


def test_theorem_3_4_fails_for_an_obtuse_angle():
    """Stated for all angles; with real vectors too."""
    phi, a = np.arccos(-0.5), 0.1
    x, y = pair(phi, 1.0, 1.0, 6, 0)
    gained = cosine(steps.step(x, y, a), steps.step(y, x, a)) + 0.5
    assert gained == pytest.approx(0.15633, abs=1e-5)
    assert gained > steps.refined_bound(phi, a) > steps.printed_bound(phi, a) == pytest.approx(0.15)
    assert gained < steps.sound_bound(phi, a)


def test_where_the_bounds_hold_is_known_exactly():
    rng = np.random.default_rng(0)
    phi, a = rng.uniform(0.001, np.pi - 0.001, 100_000), np.exp(rng.uniform(-5, 3, 100_000))
    gain = steps.gain(phi, a)
    for bound, holds in ((steps.printed_bound, steps.printed_holds), (steps.refined_bound, steps.refined_holds)):
        excess = gain - bound(phi, a)
        clear = np.abs(excess) > 1e-12
        assert np.array_equal(excess[clear] < 0, holds(phi, a)[clear]) and clear.mean() > 0.99
        assert 0.1 < holds(phi, a).mean() < 0.95
    assert np.all(gain <= steps.sound_bound(phi, a) * (1 + 1e-12))
    c, s = np.cos(2.0), np.sin(2.0)
    tight = (1 - s) / (-c * s)
    assert steps.gain(2.0, tight) == pytest.approx(float(steps.sound_bound(2.0, tight)), rel=1e-12)


@few
@given(phi=angles)
def test_small_steps_gain_twice_a_squared_sine(phi):
    """Limit a -> 0: doubling the norm quarters the gain."""
    assert steps.gain(phi, 1e-7) == pytest.approx(float(steps.printed_bound(phi, 1e-7)), rel=1e-6)
    near, far = (steps.gain(phi, steps.ratio(1e-6, norm)) for norm in (1.0, 2.0))
    assert near / far == pytest.approx(4.0, rel=1e-5)


def test_norms_grow_as_the_fourth_root_of_time():
    """With a constant angle: rho^4 = rho_0^4 + 2 gamma^2 s^2 t."""
    square, s, rate = 1.0, np.sin(1.0), 0.1
    for _ in range(100_000):
        square *= float(steps.growth(1.0, rate / square)) ** 2
    assert np.sqrt(square) == pytest.approx((1.0 + 2 * rate**2 * s**2 * 100_000) ** 0.25, rel=1e-4)


@pytest.mark.parametrize("moving", [1, 2])
@pytest.mark.parametrize(("power", "unequal"), [(0.0, False), (0.0, True), (1.0, True)])
def test_angles_and_norms_follow_the_vectors(moving, power, unequal):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 40, 6))
    x = gradients.unit(x) * (rng.uniform(0.5, 2.0, (40, 1)) if unequal else 1.3)
    y = gradients.unit(y) * (rng.uniform(0.5, 2.0, (40, 1)) if unequal else 1.3)
    norms = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    found, grown = pairs.steps_to_converge(cosine(x, y), *norms, 0.05, moving=moving, power=power)
    count, x0, y0 = 0, x, y
    while cosine(x, y).mean() <= pairs.CONVERGED:
        new = steps.step(y, x, 0.05, power)
        x, y, count = (steps.step(x, y, 0.05, power) if moving == 2 else x), new, count + 1
    assert found[0] == count
    ratio = [np.mean(np.linalg.norm(b, axis=1) / np.linalg.norm(a, axis=1)) for a, b in ((x0, x), (y0, y))]
    assert grown[0] == pytest.approx(np.mean(ratio[-moving:]), rel=1e-9)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("moving", [1, 2])
def test_steps_approach_the_closed_form(power, moving):
    """The error falls with the step size; the slope in the norm is 2 - power."""
    phi, errors = np.array([0.3, 1.5, 2.8]), []
    for rate in (0.02, 0.002):
        taken = pairs.steps_to_converge(np.cos(phi)[:, None], 1.5, 1.5, rate, moving=moving, power=power)[0]
        errors.append(np.abs(taken / pairs.time_to_converge(phi, 1.5, rate, moving=moving, power=power) - 1).max())
    assert errors[0] < 0.06 and errors[1] < 0.01
    times = pairs.time_to_converge(1.0, [1.0, 2.0], 0.1, power=power)
    assert times[1] / times[0] == pytest.approx(2.0 ** (2.0 - power))


def test_pairs_of_the_figure():
    x, y = np.random.default_rng(0).standard_normal((2, 500, 20))
    c, norms = pairs.interpolated(x, y, [-1.0, 0.0, 0.5, 1.0])
    assert_allclose(c[[0, 3]], [[-1.0] * 500, [1.0] * 500], atol=1e-12)
    assert np.all(norms == 1.0)
    assert_allclose(c[1], cosine(x, y))
    mixed = 0.5 * gradients.unit(y) + 0.5 * gradients.unit(x)
    assert_allclose(c[2], cosine(mixed, x))
    assert_allclose(pairs.interpolated(x, y, [0.5], renormalize=False)[1][0], np.linalg.norm(mixed, axis=1))
    taken = [pairs.steps_to_converge(c[1], norm, norm, 10 / 500)[0][0] for norm in (0.25, 0.5, 1.0, 2.0)]
    assert_allclose(taken, [6, 24, 96, 386], atol=2)
    assert pairs.steps_to_converge(c[3], 1.0, 1.0, 0.02)[0][0] == 0
    opposite_pairs, grown = pairs.steps_to_converge(np.full((1, 5), -1.0), 1.0, 1.0, 0.02, limit=50)
    assert opposite_pairs[0] == np.inf and grown[0] == 1.0


def test_random_directions_are_as_near_as_the_beta_function_says():
    t = np.linspace(0.01, 1.0, 60)
    for d in (2, 3, 20, 128, 256, 2048):
        assert np.all(opposite.probability(d, t) <= opposite.chebyshev(d, t))
    assert opposite.probability(3, 0.5) == pytest.approx(0.25, rel=1e-12)
    assert opposite.probability(20, 0.5) == pytest.approx(0.0104958, rel=1e-5)
    assert opposite.chebyshev(20, 0.5) == pytest.approx(0.1)
    for d in (2, 5, 20):
        drawn = opposite.sampled_cosines(d, 60_000, np.random.default_rng(d))
        assert drawn.var() * d == pytest.approx(1.0, abs=0.03)
        truth = float(opposite.probability(d, 0.4))
        assert np.mean(drawn >= 0.4) == pytest.approx(truth, abs=4 * np.sqrt(truth / 60_000))


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0, 2.0])
def test_only_the_plain_gradient_has_a_potential(power):
    assert plane.circulation(power) == pytest.approx(2.0 * (2.0**power - 1.0), abs=1e-5)
    z, h = plane.polar(1.3, 0.7), 1e-5
    x, y = h * np.eye(2)
    across = plane.field(z + x, power)[1] - plane.field(z - x, power)[1]
    along = plane.field(z + y, power)[0] - plane.field(z - y, power)[0]
    curl = (across - along) / (2 * h)
    assert abs(curl) == pytest.approx(abs(power) * 1.3 ** (power - 2.0) * np.sin(0.7), abs=1e-7)


def test_descents_go_outward_and_end_north():
    path = plane.trajectory(plane.polar(0.5, np.array([0.3, 1.5, 3.0])), 0.05, 400)
    assert np.all(np.diff(np.linalg.norm(path, axis=-1), axis=0) >= -1e-14)
    assert_allclose(plane.similarity(path[-1]), 1.0, atol=1e-6)
    assert np.array_equal(plane.similarity(path[1]), plane.similarity(4.0 * path[1]))


@few
@given(seed=seeds, n=st.integers(2, 7), d=st.integers(2, 6), temperature=st.floats(0.3, 2.0), masked=st.booleans())
def test_the_gradient_of_the_batch_loss(seed, n, d, temperature, masked):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((2, 2, n, d)) + 0.3
    excluded = (rng.random((2, n, n)) < 0.4) & ~np.eye(n, dtype=bool) if masked else None
    losses, *found = network.contrast(*z, temperature=temperature, excluded=excluded)

    def total(both):
        return network.contrast(*both, temperature=temperature, excluded=excluded)[0].sum()

    size = np.linalg.norm(z, axis=-1).min()
    assert_allclose(np.stack(found), numeric(total, z), atol=1e-6 / min(1.0, size) ** 3)
    for gradient, own in zip(found, z, strict=True):
        assert_allclose(np.sum(gradient * own, axis=-1), 0.0, atol=1e-12)
    assert_allclose(network.contrast(3 * z[0], 0.5 * z[1], temperature=temperature, excluded=excluded)[0], losses)


def test_the_batch_loss_is_eq_1_with_the_other_side_as_the_set():
    z = np.random.default_rng(2).standard_normal((2, 1, 6, 4))
    losses, first, _ = network.contrast(*z)
    singly = [gradients.infonce(np.vstack([z[0, 0, k], z[1, 0]]), 0, 1 + k) for k in range(6)]
    assert losses[0] == pytest.approx(np.mean([loss for loss, _ in singly]), rel=1e-12)
    assert_allclose(6 * first[0], [gradient for _, gradient in singly], atol=1e-14)


def test_a_step_of_the_network_goes_down_its_gradient():
    rng = np.random.default_rng(3)
    weights = network.initial(rng, 2, 5, 7, 3)
    x, pull = rng.standard_normal((2, 9, 5)), rng.standard_normal((2, 9, 3))
    for name in weights:

        def value(array, name=name):
            return np.sum(pull * network.outputs(weights | {name: array}, x))

        moved = {key: array.copy() for key, array in weights.items()}
        network.descend(moved, x, network.first_layer(weights, x), pull, 0.5)
        assert_allclose((weights[name] - moved[name]) / 0.5, numeric(value, weights[name]), atol=1e-7)


def small(**more):
    rngs = [np.random.default_rng(k) for k in range(2)]
    data = [classes.draw_classes(rng, classes=3, members=80, latent=4, observed=12, **more) for rng in rngs]
    return data, *network.prepared(data, rngs, 16, 4)


def test_training_draws_classes_together_and_is_the_same_again():
    ends = []
    for _ in range(2):
        data, x, weights = small(gain=3.0)
        before = network.outputs(weights, x).astype(float)
        for _ in network.train(np.random.default_rng(0), weights, x, data[0].labels, epochs=20, rate=0.1, batch=40):
            pass
        ends.append(network.outputs(weights, x).astype(float))
    assert np.array_equal(*ends)
    same = data[0].labels[:, None] == data[0].labels
    for k, z in enumerate(ends[0]):
        gaps = [
            c[same].mean() - c[~same].mean() for c in (gradients.unit(y) @ gradients.unit(y).T for y in (before[k], z))
        ]
        assert gaps[1] > 1.5 * gaps[0] > 0


def test_a_network_is_the_same_with_and_without_others_beside_it():
    data, x, weights = small()
    alone = {name: array[:1].copy() for name, array in weights.items()}
    for own, inputs in ((weights, x), (alone, x[:1])):
        list(network.train(np.random.default_rng(0), own, inputs, data[0].labels, epochs=2, rate=0.1, batch=40))
    assert_allclose(alone["w1"], weights["w1"][:1], atol=1e-5)


def test_latent_classes():
    drawn = classes.draw_classes(np.random.default_rng(0))
    assert drawn.latents.shape == (4000, 11) and drawn.observed.shape == (4000, 64)
    assert_allclose(np.linalg.norm(drawn.latents, axis=1), 1.0)
    nearness = np.sum(drawn.latents * drawn.centres[drawn.labels], axis=1)
    assert nearness.mean() == pytest.approx(0.695, abs=0.01)
    assert np.linalg.matrix_rank(drawn.observed) == 11
    point = classes.draw_classes(np.random.default_rng(0), variance=0.0)
    assert_allclose(point.latents, point.centres[point.labels], atol=1e-15)


def test_distance_to_a_neighbour():
    angles = np.radians([0.0, 10.0, 30.0, 70.0])
    z = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1.0], [3.0], [0.2], [1.0]]
    assert_allclose(classes.neighbour_distance(z, 1), 1 - np.cos(np.radians([10, 10, 20, 40])))
    assert_allclose(classes.neighbour_distance(z, 3), 1 - np.cos(np.radians([70, 60, 40, 70])))


@pytest.mark.parametrize(
    ("simulation", "params"),
    [
        (embnorms_fig2a, {"pairs": 40, "norms": [0.5, 1.0, 2.0, 10.0], "alphas": [-0.5, 0.0, 0.5], "samples": 500}),
        (embnorms_fig2b, {"members": 60, "epochs": 1}),
        (embnorms_fig2c, {"members": 60, "epochs": 1}),
        (embnorms_figS2, {"members": 60, "epochs": 1, "kept": 5}),
    ],
)
def test_simulations_say_the_same_twice(simulation, params):
    first, second = (simulation.simulate(**params, replications=2) for _ in range(2))
    assert first.records == second.records and first.records
    assert all(np.array_equal(first.curves[name], second.curves[name]) for name in first.curves)
    other = simulation.simulate(**params, replications=2, seed=1)
    assert other.records != first.records


def train(labels=None, rate=0.1, **more):
    labels = np.array([0, 0, 1, 1]) if labels is None else labels
    x = np.ones((1, len(labels), 2))
    weights = network.initial(np.random.default_rng(0), 1, 2, 3, 2)
    return list(network.train(np.random.default_rng(0), weights, x, labels, epochs=1, rate=rate, **more))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: gradients.unit([[0.0, 0.0]]), "no direction"),
        (lambda: gradients.unit([[np.nan, 1.0]]), "no direction"),
        (lambda: gradients.infonce(np.eye(3), 1, 1), "two different rows"),
        (lambda: gradients.infonce(np.eye(3), 0, 3), "two different rows"),
        (lambda: gradients.infonce(np.eye(3), 0, 1, 0.0), "temperature"),
        (lambda: gradients.gradscale(np.ones((1, 2)), np.zeros((1, 2)), -1.0), "negative power"),
        (lambda: steps.ratio(-0.1, 1.0), "learning rate -0.1"),
        (lambda: steps.ratio(0.1, [1.0, 0.0]), "norm 0.0"),
        (lambda: pairs.interpolated(np.eye(2), np.eye(2), [1.5]), "from -1 to 1"),
        (lambda: pairs.interpolated(np.eye(2), np.eye(3), [0.5]), "shapes"),
        (lambda: pairs.steps_to_converge([[0.1]], 1.0, 1.0, -1.0), "learning rate"),
        (lambda: pairs.steps_to_converge([[0.1]], 0.0, 1.0, 1.0), "not positive"),
        (lambda: pairs.steps_to_converge([[0.1]], 1.0, 1.0, 1.0, moving=3), "moving 3"),
        (lambda: pairs.time_to_converge(1.0, 1.0, 0.0), "learning rate"),
        (lambda: opposite.chebyshev(20, 0.0), "cosines"),
        (lambda: opposite.chebyshev(0, 0.5), "1 dimension or more"),
        (lambda: opposite.probability(1, 0.5), "2 dimensions or more"),
        (lambda: plane.trajectory([0.0, 1.0], -1.0, 3), "learning rate"),
        (lambda: classes.draw_classes(np.random.default_rng(0), classes=0), "classes: 0"),
        (lambda: classes.draw_classes(np.random.default_rng(0), latent=1), "2 latent dimensions"),
        (lambda: classes.draw_classes(np.random.default_rng(0), variance=-1.0), "variance"),
        (lambda: classes.neighbour_distance(np.eye(3), 3), "rank 3 among 3"),
        (lambda: train(rate=-1.0), "learning rate"),
        (lambda: train(temperature=0.0), "temperature"),
        (lambda: train(labels=np.array([0, 0, 1])), "as many of each"),
        (lambda: train(labels=np.array([0, 1, 0, 1])), "in order"),
        (lambda: train(probabilities=np.array([0.9, 0.2])), "add up to 1"),
        (lambda: embnorms_fig2c.simulate(every=7), "divisor"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_one_line(call, line):
    with pytest.raises(UserError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)
