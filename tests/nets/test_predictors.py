"""Predictors against numpy and closed forms, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.nets import moments
from pipeline.nets.directpred_rule import directpred_matrix
from pipeline.nets.partitioned import PartitionedPredictor
from pipeline.nets.predictors import directpred, linear, mlp, none, optimal

torch.set_num_threads(1)  # tensors are tiny: more threads would only wait for each other


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def psd(dim: int, rank: int | None = None, seed: int = 0) -> Tensor:
    root = draw(rank or 3 * dim, dim, seed=seed)
    return root.T @ root / len(root)


def by_hand(
    f: Tensor,
    epsilon: float,
    normalized: bool,
    offset: float = 0.0,
    floor: float = 0.0,
    alpha: float = 0.5,
    cap: float | None = None,
) -> np.ndarray:
    """Eq. 18 in numpy, eigenvalue by eigenvalue, with the power and the cap of Halvagal 2023."""
    values, vectors = np.linalg.eigh(f.numpy())
    values = np.clip(values, 0, cap)
    unit = values.max() if normalized else 1.0
    lift = epsilon * (1.0 if normalized else values.max())
    result = np.zeros_like(f.numpy())
    for s, u in zip(values / unit, vectors.T, strict=True):
        result += max(max(s - offset, 0.0) ** alpha + lift, floor) * np.outer(u, u)
    return result


RULES = [
    {"epsilon": 0.0},
    {"epsilon": 0.1},
    {"epsilon": 0.5},
    {"epsilon": 0.0, "offset": 0.1},
    {"epsilon": 0.0, "offset": -0.05},
    {"epsilon": -0.1, "floor": 1e-4},
    {"epsilon": 0.25, "alpha": 1.0},
    {"epsilon": 0.1, "alpha": 0.7, "offset": 0.1},
    {"epsilon": 0.0, "alpha": 0.0},
    {"epsilon": 0.1, "alpha": 2.0, "cap": 1.1},
    {"epsilon": 0.1, "cap": 0.4},
    {"epsilon": 0.1, "cap": 1e6},
]


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rank", [None, 3])
def test_directpred_equals_equation_18(rule: dict[str, float], normalized: bool, rank: int | None) -> None:
    f = psd(7, rank)
    w = directpred_matrix(f, normalized=normalized, **rule)
    # the root of a vanishing eigenvalue magnifies its rounding error: 1e-16 becomes 1e-8
    np.testing.assert_allclose(
        w.numpy(), by_hand(f, normalized=normalized, **rule), atol=1e-12 if rank is None else 5e-8
    )
    torch.testing.assert_close(w, w.T, rtol=0, atol=1e-14)
    torch.testing.assert_close(w @ f, f @ w, rtol=0, atol=1e-12)
    assert torch.linalg.eigvalsh(w).min() > -1e-12
    leading = torch.linalg.eigh(f).eigenvectors[:, -1]
    image = w @ leading
    assert image @ leading / image.norm() == pytest.approx(1.0, abs=1e-12)


def test_directpred_fixed_numbers() -> None:
    f = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    root_of_top = torch.linalg.eigvalsh(f)[-1].sqrt()
    plain = torch.tensor([[1.3763819205, 0.3249196962], [0.3249196962, 1.7013016167]], dtype=torch.float64)
    for normalized, unit in ((False, 1.0), (True, root_of_top)):
        found = directpred_matrix(f, epsilon=0.0, normalized=normalized) * unit
        torch.testing.assert_close(found, plain, rtol=0, atol=1e-10)
    literal = directpred_matrix(f, epsilon=0.1, normalized=False)
    assert literal.diagonal().tolist() == pytest.approx([1.7381853193, 2.0631050156], abs=1e-10)
    scale_free = directpred_matrix(f, epsilon=0.1, normalized=True) * root_of_top
    assert scale_free.diagonal().tolist() == pytest.approx([1.5665932237, 1.8915129200], abs=1e-10)
    assert literal[0, 1].item() == pytest.approx(0.3249196962, abs=1e-10)
    assert scale_free[0, 1].item() == pytest.approx(0.3249196962, abs=1e-10)


def test_readings_of_epsilon_agree_where_the_top_eigenvalue_is_one_and_nowhere_else() -> None:
    f = psd(5)
    f = f / torch.linalg.eigvalsh(f)[-1]
    literal, normalized = (directpred_matrix(f, epsilon=0.1, normalized=choice) for choice in (False, True))
    torch.testing.assert_close(literal, normalized, rtol=0, atol=1e-13)
    literal, normalized = (directpred_matrix(4 * f, epsilon=0.1, normalized=choice) for choice in (False, True))
    assert (literal - 2 * normalized).abs().max() > 0.1  # 2: the root of the top eigenvalue


def test_normalized_directpred_ignores_the_scale_of_the_embedding() -> None:
    f = psd(5)
    a, b = (directpred_matrix(c * f, epsilon=0.1, normalized=True, offset=0.05) for c in (1.0, 49.0))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-13)
    a, b = (directpred_matrix(c * f, epsilon=0.1, normalized=False) for c in (1.0, 49.0))
    assert (7 * a - b).abs().max() > 0.1


def test_released_form_of_table_7_puts_the_offset_outside_the_root() -> None:
    f = torch.diag(torch.tensor([4.0, 1.0, 0.01], dtype=torch.float64))
    released = directpred_matrix(f, epsilon=-0.1, normalized=True, floor=1e-4)
    assert released.diagonal().tolist() == pytest.approx([0.9, 0.4, 1e-4])
    text = directpred_matrix(f, epsilon=0.0, normalized=False, offset=0.1)
    assert text.diagonal().tolist() == pytest.approx([3.9**0.5, 0.9**0.5, 0.0])


def test_directcopy_copies_the_correlation_and_is_the_limit_of_directpred() -> None:
    f, one = psd(6), torch.eye(6, dtype=torch.float64)
    top = torch.linalg.eigvalsh(f)[-1]
    copy = directpred_matrix(f, epsilon=0.25, normalized=True, alpha=1.0)
    torch.testing.assert_close(copy, f / top + 0.25 * one, rtol=0, atol=1e-13)
    torch.testing.assert_close(directpred_matrix(f, epsilon=0.0, normalized=False, alpha=1.0), f, rtol=0, atol=1e-13)
    # the distance to it is of first order in the power
    far, near = (
        (directpred_matrix(f, epsilon=0.25, normalized=True, alpha=1 - by) - copy).norm() for by in (1e-3, 1e-4)
    )
    assert far / near == pytest.approx(10, rel=1e-2) and near > 1e-6
    # where all eigenvalues are alike no power tells them apart
    alike = [directpred_matrix(3 * one, epsilon=0.25, normalized=True, alpha=alpha) for alpha in (0.0, 0.5, 1.0)]
    for matrix in alike:
        torch.testing.assert_close(matrix, 1.25 * one, rtol=0, atol=1e-13)
    # and a large epsilon leaves the identity, with which DirectPred is no predictor
    torch.testing.assert_close(directpred_matrix(f, epsilon=1e6, normalized=True) / 1e6, one, rtol=0, atol=2e-6)


def test_the_cap_is_of_eigenvalues_of_f_and_comes_first() -> None:
    f = torch.diag(torch.tensor([4e6, 1e6, 100.0], dtype=torch.float64))
    capped = directpred_matrix(f, epsilon=0.0, normalized=False, cap=1e6)
    assert capped.diagonal().tolist() == pytest.approx([1e3, 1e3, 10.0])
    normalized = directpred_matrix(f, epsilon=0.0, normalized=True, cap=1e6, alpha=1.0)
    assert normalized.diagonal().tolist() == pytest.approx([1.0, 1.0, 1e-4])


def test_directpred_of_a_zero_correlation_is_finite_and_of_a_broken_one_is_an_error() -> None:
    zero = directpred_matrix(torch.zeros(3, 3), epsilon=0.1, normalized=True)
    torch.testing.assert_close(zero, 0.1 * torch.eye(3))
    with pytest.raises(torch.linalg.LinAlgError):
        directpred_matrix(torch.full((3, 3), float("nan")), epsilon=0.1, normalized=True)


def stream(length: int) -> list[list[Tensor]]:
    return [[draw(20, 4, seed=2 * t), draw(20, 4, seed=2 * t + 1)] for t in range(length)]


def pooled_correlation(views: list[Tensor]) -> Tensor:
    return sum((view.T @ view / len(view) for view in views), torch.zeros(())) / len(views)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_moving_average_of_f_in_closed_form(rho: float) -> None:
    predictor = directpred.build(4, rho=rho).double()
    views = stream(6)
    for batch in views:
        predictor.observe(batch, batch)
    c = [pooled_correlation(batch) for batch in views]
    expected = rho**5 * c[0] + sum((1 - rho) * rho ** (5 - t) * c[t] for t in range(1, 6))
    torch.testing.assert_close(predictor.correlation, expected, rtol=0, atol=1e-13)
    assert predictor.batches.item() == 6
    assert torch.linalg.eigvalsh(predictor.correlation).min() > 0
    if rho == 0.0:
        torch.testing.assert_close(predictor.correlation, c[-1], rtol=0, atol=1e-14)


def test_first_minibatch_starts_the_average_so_a_constant_stream_is_constant() -> None:
    predictor = directpred.build(4, rho=0.7).double()
    batch = stream(1)[0]
    for _ in range(3):
        predictor.observe(batch, batch)
        torch.testing.assert_close(predictor.correlation, pooled_correlation(batch), rtol=0, atol=1e-14)
        trace = torch.cat(batch).square().sum(1).mean()
        assert predictor.correlation.trace().item() == pytest.approx(trace.item())


@pytest.mark.parametrize("partitions", [1, 2])
def test_averages_of_the_released_code_in_closed_form(partitions: int) -> None:
    """From zero, and one view after the other, as Halvagal 2023 has it; a partition's halves are seen likewise."""
    rho, views = 0.8, stream(5)
    predictor = directpred.build(4, rho=rho, start="zero", average="in_turn", partitions=partitions).double()
    for batch in views:
        predictor.observe(batch, batch)
    assert predictor.batches.item() == 10

    def moment(view: Tensor) -> Tensor:
        if partitions == 1:
            return view.T @ view / len(view)
        inside = view[predictor.sides(view)[:, 1]]
        return inside.T @ inside / len(inside)

    seen = [moment(view) for batch in views for view in batch]
    expected = sum((1 - rho) * rho ** (9 - t) * c for t, c in enumerate(seen))
    found = predictor.correlation if partitions == 1 else predictor.correlation[1, 1]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_a_long_memory_that_starts_at_zero_is_not_ruled_by_its_first_minibatch() -> None:
    batches = [[draw(200, 4, seed=t)] for t in range(30)]
    batches[0] = [10 * batches[0][0]]  # weights 100 times as much
    traces = {}
    for start in ("first", "zero"):
        predictor = directpred.build(4, rho=0.998, start=start, epsilon=0.0).double()
        for batch in batches:
            predictor.observe(batch, batch)
        weight = 1 - 0.998**30 if start == "zero" else 1.0
        traces[start] = predictor.correlation.trace().item() / weight / 4
    assert traces["first"] > 80 and traces["zero"] == pytest.approx((100 + 29) / 30, rel=0.15)


def test_params_that_came_later_change_nothing_where_they_are_not_set() -> None:
    plain = directpred.build(4).double()
    said = directpred.build(4, alpha=0.5, cap=None, start="first", average="pooled").double()
    for batch in stream(3):
        for predictor in (plain, said):
            predictor.observe(batch, batch)
            predictor.after_step()
    assert torch.equal(plain.correlation, said.correlation) and torch.equal(plain.weight, said.weight)
    expected = directpred_matrix(plain.correlation, epsilon=0.1, normalized=True)
    torch.testing.assert_close(plain.weight.detach(), expected, rtol=0, atol=0)


def test_f_is_not_centred() -> None:
    f = draw(50, 4)
    f = f - f.mean(0)
    mean = torch.tensor([3.0, -1.0, 0.0, 2.0], dtype=torch.float64)
    shifted = moments.correlation([f + mean])
    torch.testing.assert_close(shifted, f.T @ f / 50 + torch.outer(mean, mean), rtol=0, atol=1e-13)


def test_freq_overwrites_at_its_multiples_only() -> None:
    for freq in (1, 3):
        predictor = directpred.build(4, freq=freq).double()
        assert predictor.weight.requires_grad == (freq > 1)
        before = predictor.weight.clone()
        for step, batch in enumerate(stream(6), start=1):
            predictor.observe(batch, batch)
            if predictor.due(step):
                predictor.after_step()
            changed = not torch.equal(predictor.weight, before)
            assert changed == (step % freq == 0)
            before = predictor.weight.clone()
        expected = directpred_matrix(predictor.correlation, epsilon=0.1, normalized=True)
        torch.testing.assert_close(predictor.weight.detach(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "predictor",
    [
        none.build(6),
        linear.build(6),
        mlp.build(6),
        directpred.build(6),
        directpred.build(6, partitions=3),
        optimal.build(6),
    ],
)
def test_forward_changes_no_state_but_running_statistics(predictor) -> None:
    before = {name: tensor.clone() for name, tensor in predictor.state_dict().items()}
    predictor(draw(10, 6).float())
    for name, tensor in predictor.state_dict().items():
        assert torch.equal(tensor, before[name]) or ".norm." in name


def test_no_predictor_has_no_parameters_and_passes_through() -> None:
    predictor = none.build(6)
    f = draw(3, 6)
    assert not predictor.state_dict()
    assert torch.equal(predictor(f), f)


def test_linear_predictor_acts_as_a_matrix_on_columns() -> None:
    plain, biased = linear.build(6), linear.build(6, bias=True)
    f = draw(3, 6).float()
    assert [name for name, _ in plain.named_parameters()] == ["weight"]
    torch.testing.assert_close(plain(f), torch.stack([plain.weight @ row for row in f]))
    torch.testing.assert_close(biased(f), torch.stack([biased.weight @ row + biased.bias for row in f]))
    assert plain.weight.abs().max() <= 6**-0.5 < 3 * plain.weight.std()  # uniform, as torch.nn.Linear


def train(predictor: torch.nn.Module, steps: int = 5) -> None:
    optimizer = torch.optim.SGD(predictor.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for step in range(steps):
        f, z = draw(16, 6, seed=2 * step), draw(16, 6, seed=2 * step + 1)
        optimizer.zero_grad()
        (predictor(f) - z).square().mean().backward()
        optimizer.step()
        predictor.after_step()


def test_symmetric_linear_predictor_stays_symmetric() -> None:
    free, symmetric = linear.build(6).double(), linear.build(6, symmetric=True, bias=True).double()
    assert torch.equal(symmetric.weight, symmetric.weight.T)
    start = symmetric.weight.clone()
    train(free)
    train(symmetric)
    assert torch.equal(symmetric.weight, symmetric.weight.T)
    assert not torch.equal(symmetric.weight, start)
    assert not torch.allclose(free.weight, free.weight.T, atol=1e-2)


def test_symmetrising_takes_the_mean_with_the_transpose() -> None:
    predictor = linear.build(4, symmetric=True).double()
    w = draw(4, 4)
    with torch.no_grad():
        predictor.weight.copy_(w)
    predictor.after_step()
    torch.testing.assert_close(predictor.weight.detach(), (w + w.T) / 2, rtol=0, atol=1e-15)


def test_tied_predictor_keeps_its_layers_transposed() -> None:
    predictor = mlp.build(6, hidden=9, symmetric=True).double()
    first, last = predictor.layers.first.weight, predictor.layers.last.weight
    assert torch.equal(last, first.T)
    a, b = draw(9, 6, seed=1), draw(6, 9, seed=2)
    with torch.no_grad():
        first.copy_(a)
        last.copy_(b)
    predictor.after_step()
    torch.testing.assert_close(first.detach(), (a + b.T) / 2, rtol=0, atol=1e-15)
    train(predictor)
    assert torch.equal(last, first.T)


def test_two_layer_predictor_has_the_released_layers() -> None:
    count = sum(parameter.numel() for parameter in mlp.build(128).parameters())
    assert count == 128 * 512 + 512 + 512 * 128 + 128  # BatchNorm has none
    count = sum(parameter.numel() for parameter in mlp.build(128, bias=False, affine=True).parameters())
    assert count == 128 * 512 + 2 * 512 + 512 * 128


def test_batchnorm_is_in_the_hidden_layer_of_byol_s_predictor_and_nowhere_else() -> None:
    """Halvagal 2023, App. D, at its sizes: 256, 4096, 256; what goes in and what comes out is not normalised."""
    predictor = mlp.build(256, hidden=4096, affine=True)
    norms = [name for name, module in predictor.named_modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert norms == ["layers.norm"] and predictor.layers.norm.num_features == 4096
    assert sum(p.numel() for p in predictor.parameters()) == 2 * 256 * 4096 + 4096 + 256 + 2 * 4096
    f = 5 + draw(16, 256).float()
    hidden = torch.nn.functional.linear(f, predictor.layers.first.weight, predictor.layers.first.bias)
    expected = torch.relu((hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + 1e-5).sqrt())
    expected = torch.nn.functional.linear(expected, predictor.layers.last.weight, predictor.layers.last.bias)
    torch.testing.assert_close(predictor(f), expected, rtol=1e-4, atol=1e-4)


def test_cross_correlation_has_rows_for_the_target_of_the_other_view() -> None:
    f, z = [draw(20, 3, seed=1), draw(20, 3, seed=2)], [draw(20, 3, seed=3), draw(20, 3, seed=4)]
    expected = np.zeros((3, 3))
    for i, j in ((0, 1), (1, 0)):
        for n in range(20):
            expected += np.outer(z[i][n].numpy(), f[j][n].numpy()) / 40
    np.testing.assert_allclose(moments.cross_correlation(z, f).numpy(), expected, atol=1e-14)
    assert not np.allclose(expected, expected.T, atol=1e-2)


@pytest.mark.parametrize("regularizer", [1e-4, 0.1])
def test_optimal_predictor_solves_its_equation(regularizer: float) -> None:
    predictor = optimal.build(4, regularizer=regularizer, every=2, rho=0.5).double()
    start = predictor.weight.clone()
    f, c = torch.zeros(4, 4), torch.zeros(4, 4)
    for step, batch in enumerate(stream(4), start=1):
        target = [view @ draw(4, 4, seed=99) for view in batch]
        predictor.observe(batch, target)
        if predictor.due(step):
            predictor.after_step()
        assert torch.equal(predictor.weight, start) == (step == 1)
        keep = 0.0 if step == 1 else 0.5
        f = keep * f + (1 - keep) * pooled_correlation(batch)
        c = keep * c + (1 - keep) * (target[0].T @ batch[1] + target[1].T @ batch[0]) / 40
    ridge = regularizer * f.trace() / 4 * torch.eye(4, dtype=torch.float64)
    residual = predictor.weight.detach() @ (f + ridge) - (c + c.T) / 2
    assert residual.abs().max() < 1e-12


def test_optimal_predictor_of_isotropic_data_is_a_multiple_of_the_identity() -> None:
    # views x + sigma n, target tau times the other view: the optimum is tau / (1 + sigma^2)
    sigma, tau, n = 0.5, 0.7, 200_000
    x = draw(n, 4)
    f = [x + sigma * draw(n, 4, seed=i) for i in (1, 2)]
    predictor = optimal.build(4, regularizer=1e-6).double()
    predictor.observe(f, [tau * view for view in f])
    predictor.after_step()
    expected = tau / (1 + sigma**2) * torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(predictor.weight.detach(), expected, rtol=0, atol=5e-3)


def test_rank_one_predictor_is_what_a_missing_diagonal_gives() -> None:
    f, c = psd(5), draw(5, 5, seed=3)
    w = optimal.rank_one_matrix(f, c, 0.1)
    values, vectors = (part.numpy() for part in torch.linalg.eigh(f))  # signs of eigenvectors matter here
    # numpy reads this line as the released code does: no diagonal, so the "inverse" is a vector
    inverse = vectors @ (1 / (values + 0.1 * values.mean())) @ vectors.T
    np.testing.assert_allclose(w.numpy(), np.broadcast_to(inverse @ c.numpy(), (5, 5)), atol=1e-12)
    assert torch.linalg.matrix_rank(w) == 1
    built = optimal.build(5, inverse="rank_one").double()
    built.observe([draw(9, 5), draw(9, 5, seed=1)], [draw(9, 5, seed=2), draw(9, 5, seed=3)])
    built.after_step()
    assert torch.linalg.matrix_rank(built.weight) == 1


def test_partitioned_predictor_maps_each_input_by_the_matrix_of_its_half() -> None:
    predictor = directpred.build(4, partitions=3).double()
    assert isinstance(predictor, PartitionedPredictor)
    with torch.no_grad():
        predictor.weights.copy_(draw(3, 2, 4, 4, seed=5))
    f = draw(11, 4)
    projections = f @ predictor.directions
    expected = torch.zeros(11, 4, dtype=torch.float64)
    for n in range(11):
        for k in range(3):
            side = int(projections[n, k] >= projections[:, k].mean())
            expected[n] += predictor.weights[k, side].detach() @ f[n] / 3
    torch.testing.assert_close(predictor(f).detach(), expected, rtol=0, atol=1e-13)
    assert 0 < predictor.sides(f).double().mean() < 1


def test_partitioned_correlations_add_up_to_the_plain_one() -> None:
    predictor = directpred.build(4, partitions=2, rho=0.3).double()
    f = [draw(20, 4, seed=1), draw(20, 4, seed=2)]
    predictor.observe(f, f)
    upper = torch.cat([predictor.sides(view) for view in f]).double().mean(0)
    for k in range(2):
        total = upper[k] * predictor.correlation[k, 1] + (1 - upper[k]) * predictor.correlation[k, 0]
        torch.testing.assert_close(total, pooled_correlation(f), rtol=0, atol=1e-13)
    member = torch.cat([view[predictor.sides(view)[:, 0]] for view in f])
    torch.testing.assert_close(predictor.correlation[0, 1], member.T @ member / len(member), rtol=0, atol=1e-13)
    predictor.after_step()
    expected = directpred_matrix(predictor.correlation[1, 0], epsilon=0.1, normalized=True)
    torch.testing.assert_close(predictor.weights[1, 0].detach(), expected, rtol=0, atol=1e-13)


def test_partitioned_predictor_starts_as_one_linear_map() -> None:
    torch.manual_seed(0)
    predictor = directpred.build(4, partitions=6)
    torch.manual_seed(0)
    plain = linear.build(4)
    f = draw(9, 4).float()
    torch.testing.assert_close(predictor(f), plain(f))


@pytest.mark.parametrize(
    ("build", "params", "key"),
    [
        (directpred.build, {"freq": 0}, "freq"),
        (directpred.build, {"partitions": 0}, "partitions"),
        (directpred.build, {"rho": 1.0}, "rho"),
        (optimal.build, {"every": 0}, "every"),
        (optimal.build, {"rho": -0.1}, "rho"),
        (optimal.build, {"regularizer": 0.0}, "regularizer"),
    ],
)
def test_params_out_of_range_are_named(build, params: dict[str, float], key: str) -> None:
    with pytest.raises(UserError, match=key) as caught:
        build(4, **params)
    assert "\n" not in str(caught.value)
