"""Roots by products against the eigendecomposition in float64, and that they ask nothing of the host."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor
from waiting import NoWaiting, Waits, imagined_gpu

from pipeline.nets import matrix_sqrt, moments
from pipeline.nets.directpred_rule import directpred_matrix
from pipeline.nets.predictors import directpred
from pipeline.nets.predictors.optimal import optimal_matrix

torch.set_num_threads(1)
DIM = 24
NULL = 0.501 * matrix_sqrt.RESOLUTION**0.5
"""Error of the root of an eigenvalue that vanishes."""


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def with_spectrum(s: Tensor, seed: int = 0) -> Tensor:
    u = torch.linalg.qr(draw(len(s), len(s), seed=seed))[0]
    matrix = (u * s) @ u.T
    return (matrix + matrix.T) / 2


def by_numpy(matrix: Tensor, function) -> Tensor:
    s, u = np.linalg.eigh(matrix.double().numpy())
    return torch.from_numpy((u * function(s)) @ u.T)


MATRICES = {
    "random": draw(60, DIM).T @ draw(60, DIM) / 60,
    "condition 1e8": with_spectrum(torch.logspace(0, -8, DIM, dtype=torch.float64)),
    "condition 1e16": with_spectrum(torch.logspace(0, -16, DIM, dtype=torch.float64)),
    "rank 5": draw(5, DIM).T @ draw(5, DIM),
    "rank 1": draw(1, DIM).T @ draw(1, DIM),
    "identity": torch.eye(DIM, dtype=torch.float64),
    "zero": torch.zeros(DIM, DIM, dtype=torch.float64),
    "1e-30": 1e-30 * with_spectrum(torch.linspace(0, 1, DIM, dtype=torch.float64)),
    "1e150": 1e150 * with_spectrum(torch.linspace(0, 1, DIM, dtype=torch.float64)),
    "nearly equal": with_spectrum(torch.tensor([1.0, 1.0, 1 - 1e-9, 1 - 1e-9] + [0.0] * (DIM - 4)).double()),
    # as in training: single precision params negative eigenvalues of 1e-8
    "rank 5 of float32": (draw(5, DIM).float().T @ draw(5, DIM).float()).double(),
}


@pytest.mark.parametrize("name", MATRICES)
def test_roots_are_those_of_the_eigendecomposition(name: str) -> None:
    matrix = MATRICES[name]
    top = np.abs(np.linalg.eigvalsh(matrix.numpy())).max()
    found = matrix_sqrt.largest_eigenvalue(matrix)
    assert found.shape == (1, 1) and found.item() == pytest.approx(top, rel=DIM / (np.e * 2**matrix_sqrt.SQUARINGS))
    unit = max(top, np.finfo(float).tiny)
    part = matrix_sqrt.positive_part(matrix, found)
    expected = by_numpy(matrix, lambda s: s.clip(0)) / unit
    torch.testing.assert_close(part / unit, expected, rtol=0, atol=matrix_sqrt.RESOLUTION / 8)
    assert torch.equal(part, part.T)
    expected = by_numpy(matrix, lambda s: np.sqrt(s.clip(0)))
    for start in (matrix, part):
        root = matrix_sqrt.square_root(start, found)
        torch.testing.assert_close(root / unit**0.5, expected / unit**0.5, rtol=0, atol=NULL)
        assert torch.equal(root, root.T)


@pytest.mark.parametrize("condition", [1e1, 1e2, 1e3, 1e4, 1e6, 1e9])
def test_the_root_of_each_eigenvalue_is_as_close_as_stated(condition: float) -> None:
    s = torch.logspace(0, -np.log10(condition), DIM, dtype=torch.float64)
    root = matrix_sqrt.square_root(torch.diag(s), torch.ones(1, 1)).diagonal()
    error = (root - s.sqrt()).abs()
    assert (error <= (matrix_sqrt.RESOLUTION**2 / (8 * s**1.5) * 1.01 + 1e-13).clamp(max=NULL)).all()
    matrix = with_spectrum(s)
    both = matrix_sqrt.square_root(matrix, torch.ones(1, 1)) - by_numpy(matrix, np.sqrt)
    assert np.linalg.norm(both.numpy(), 2) <= error.max() + 1e-12


def test_twice_the_rounding_of_float32_below_zero_is_still_harmless() -> None:
    s = torch.tensor([1.0, 0.1, 0.0, -1e-8, -1.2e-7, -matrix_sqrt.RESOLUTION / 2], dtype=torch.float64)
    root = matrix_sqrt.square_root(with_spectrum(s), torch.ones(1, 1))
    assert np.linalg.norm((root - by_numpy(with_spectrum(s), lambda s: np.sqrt(s.clip(0)))).numpy(), 2) < NULL


@pytest.mark.parametrize(
    ("dim", "rank", "noise"),
    [
        pytest.param(dim, rank, noise, marks=pytest.mark.slow if dim == 512 and (rank, noise) != (3, 1e-6) else ())
        for dim in (64, 512)
        for rank in (0, 1, 3, 64, 256)
        for noise in (0.0, 1e-6, 1e-4)
    ],
)
def test_what_float32_leaves_below_zero_harms_no_root(dim: int, rank: int, noise: float) -> None:
    # rank 0: all embeddings are equal, or nearly so, which is what collapse looks like
    x = (draw(256, rank) @ draw(rank, dim, seed=1) if rank else draw(1, dim).expand(256, dim)).float()
    average, batches = torch.zeros(dim, dim), torch.tensor(0)
    for seed in range(4):
        noisy = x + noise * draw(256, dim, seed=2 + seed).float()
        moments.average_(average, moments.correlation([noisy, x]), batches, 0.3)
        batches += 1
    f = (average.tril() + average.tril(-1).T).double()
    s = torch.linalg.eigvalsh(f)
    assert s[0] > -matrix_sqrt.RESOLUTION / 3 * s[-1]
    root = matrix_sqrt.square_root(f, matrix_sqrt.largest_eigenvalue(f))
    difference = (root - by_numpy(f, lambda s: np.sqrt(s.clip(0)))) / s[-1].sqrt()
    assert np.linalg.norm(difference.numpy(), 2) < NULL


def test_the_part_of_an_indefinite_matrix_and_its_largest_eigenvalue() -> None:
    matrix = with_spectrum(torch.linspace(-3, 1, DIM, dtype=torch.float64))
    found = matrix_sqrt.largest_eigenvalue(matrix)
    assert found.item() == pytest.approx(3, rel=1e-12)
    expected = by_numpy(matrix, lambda s: s.clip(0))
    torch.testing.assert_close(matrix_sqrt.positive_part(matrix, found), expected, rtol=0, atol=1e-12)
    both = with_spectrum(torch.tensor([2.0, -2.0, 1.0, 0.0]).double())  # powers of one sign alone would cancel
    assert matrix_sqrt.largest_eigenvalue(both).item() == pytest.approx(2, rel=1e-12)


def test_the_largest_eigenvalue_of_close_ones() -> None:
    for gap in (1e-3, 1e-6, 1e-9, 1e-12):
        s = 1 - gap * torch.arange(DIM, dtype=torch.float64)
        bound = DIM / (np.e * 2**matrix_sqrt.SQUARINGS)
        assert matrix_sqrt.largest_eigenvalue(with_spectrum(s)).item() == pytest.approx(1, rel=bound + 1e-14)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6, 1e9])
def test_the_inverse_is_as_close_as_that_of_a_solver(condition: float) -> None:
    s = torch.logspace(0, -np.log10(condition), DIM, dtype=torch.float64)
    one = torch.eye(DIM, dtype=torch.float64)
    for scale in (1.0, 1e-30, 1e30):
        matrix = scale * with_spectrum(s)
        exact = (s.sum() / s.min()).item()
        for bound in (exact, 1000 * exact):  # more steps than needed harm nothing
            found, expected = matrix_sqrt.inverse(matrix, bound), torch.linalg.inv(matrix)
            assert (found - expected).norm() < 1e-15 * DIM * condition * expected.norm()
            assert (found @ matrix - one).abs().max() < 1e-15 * DIM * condition
        assert condition < 10 or (matrix_sqrt.inverse(matrix, exact / 100) @ matrix - one).abs().max() > 1e-3
    assert not matrix_sqrt.inverse(torch.zeros(3, 3), 10.0).isfinite().any()


@pytest.mark.parametrize("regularizer", [1e-4, 0.01, 1.0])
def test_the_optimal_predictor_by_products_is_that_of_a_solver(regularizer: float) -> None:
    cross = draw(DIM, DIM, seed=3)
    for name in ("random", "rank 5", "rank 1", "identity", "rank 5 of float32", "condition 1e16"):
        f = MATRICES[name]
        solved, products = (optimal_matrix(f, cross, regularizer, method) for method in ("solve", "products"))
        unit = 1 / (regularizer * f.diagonal().mean().item())
        torch.testing.assert_close(products / unit, solved / unit, rtol=0, atol=1e-11 / regularizer, msg=name)
        assert torch.equal(optimal_matrix(f, cross, regularizer), solved)
    assert optimal_matrix(torch.zeros(3, 3), torch.eye(3), 0.1, "products").isnan().any()


def test_stacks_are_stacks_of_single_matrices() -> None:
    stack = torch.stack([MATRICES["random"], MATRICES["rank 1"]] * 3).reshape(3, 2, DIM, DIM)
    bound = matrix_sqrt.largest_eigenvalue(stack)
    assert bound.shape == (3, 2, 1, 1)
    for function in (matrix_sqrt.positive_part, matrix_sqrt.square_root):
        found = function(stack, bound)
        for i, j in itertools.product(range(3), range(2)):
            torch.testing.assert_close(found[i, j], function(stack[i, j], bound[i, j]), rtol=0, atol=1e-12)


def test_what_is_not_finite_gives_nan() -> None:
    for value in (float("nan"), float("inf")):
        matrix = torch.eye(3, dtype=torch.float64)
        matrix[0, 0] = value
        assert matrix_sqrt.largest_eigenvalue(matrix).isnan().all()
        assert directpred_matrix(matrix, epsilon=0.1, normalized=True, method="products").isnan().any()


RULES = [
    {"epsilon": 0.1},
    {"epsilon": 0.0},
    {"epsilon": 0.1, "offset": 0.05},
    {"epsilon": -0.1, "floor": 1e-4},
    {"epsilon": 0.01, "floor": 0.3},
    {"epsilon": 0.0, "floor": 0.2, "offset": -0.1},
    {"epsilon": 0.25, "alpha": 1.0},
    {"epsilon": 0.0, "alpha": 1.0, "offset": 0.05, "floor": 1e-3},
    {"epsilon": 0.1, "alpha": 0.0},
    {"epsilon": 0.0, "cap": 1e6},
    {"epsilon": 0.1, "cap": 0.5},
]


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_directpred_by_products_is_that_by_eigenvalues(rule: dict[str, float], normalized: bool) -> None:
    for name, matrix in MATRICES.items():
        if not normalized and name in ("1e150", "1e-30"):
            continue  # eps max s and sqrt(max s) are too far apart to be added
        if rule.get("cap") and name == "1e150":
            continue  # and these are too far apart for a difference
        eigh, products = (
            directpred_matrix(matrix, normalized=normalized, method=method, **rule) for method in ("eigh", "products")
        )
        top = 1.0 if normalized else np.linalg.eigvalsh(matrix.numpy()).max()
        reach = (top + abs(rule.get("offset", 0.0))) ** rule.get("alpha", 0.5)
        torch.testing.assert_close(products, eigh, rtol=0, atol=NULL * max(reach, 1e-3), msg=name)


def test_products_know_about_as_much_as_float32_does() -> None:
    x = draw(16, 64).float()  # rank 16 of 64
    f, exact = x.T @ x / 16, x.double().T @ x.double() / 16
    rule = {"epsilon": 0.1, "normalized": True}
    true = directpred_matrix(exact, **rule, method="eigh")
    eigh, products = (directpred_matrix(f, **rule, method=method) for method in ("eigh", "products"))
    assert products.dtype == torch.float32
    errors = [(found.double() - true).abs().max().item() for found in (eigh, products)]
    assert 5e-5 < errors[0] < NULL and errors[1] < NULL


def test_asymmetry_of_rounding_is_read_as_eigh_reads_it() -> None:
    f = MATRICES["rank 5 of float32"].tril()
    symmetric, other = f + f.tril(-1).T, f + 1e-3 * torch.triu(draw(DIM, DIM), diagonal=1)
    for method in ("eigh", "products"):
        found = [directpred_matrix(m, epsilon=0.0, normalized=True, method=method) for m in (symmetric, other)]
        assert torch.equal(*found)


def test_a_cap_that_nothing_reaches_changes_no_digit() -> None:
    f = MATRICES["random"]
    for alpha in (0.5, 1.0):
        rule = {"epsilon": 0.1, "normalized": False, "alpha": alpha, "method": "products"}
        assert torch.equal(directpred_matrix(f, cap=1e6, **rule), directpred_matrix(f, **rule))


def test_powers_without_products_are_taken_of_eigenvalues() -> None:
    f = MATRICES["random"]
    with pytest.raises(ValueError, match=r"alpha: expected one of .* found 0\.3"):
        directpred_matrix(f, epsilon=0.0, normalized=True, alpha=0.3, method="products")
    with imagined_gpu(), pytest.raises(Waits), NoWaiting():
        directpred_matrix(torch.eye(3), epsilon=0.0, normalized=True, alpha=0.3)


def test_on_the_cpu_the_default_is_eigh() -> None:
    f = MATRICES["rank 5"]
    assert torch.equal(
        directpred_matrix(f, epsilon=0.1, normalized=True),
        directpred_matrix(f, epsilon=0.1, normalized=True, method="eigh"),
    )


@pytest.mark.parametrize("partitions", [1, 3])
def test_on_a_gpu_the_predictor_is_set_without_a_word_to_the_host(partitions: int) -> None:
    with imagined_gpu():
        predictor = directpred.build(8, floor=1e-4, offset=0.1, partitions=partitions)
        embeddings = [torch.zeros(4, 8), torch.zeros(4, 8)]
        with NoWaiting():
            predictor.observe(embeddings, embeddings)
            predictor.after_step()
            assert predictor(embeddings[0]).device.type == "cuda"


@pytest.mark.gpu
@pytest.mark.parametrize("name", MATRICES)
def test_roots_on_a_gpu(name: str) -> None:
    matrix = MATRICES[name]
    expected = directpred_matrix(matrix, epsilon=0.1, normalized=True, method="eigh")
    before = torch.cuda.get_sync_debug_mode()
    on_gpu = matrix.cuda()
    directpred_matrix(on_gpu, epsilon=0.1, normalized=True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = directpred_matrix(on_gpu, epsilon=0.1, normalized=True)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=NULL)
