"""Statistics behind verdicts: against scipy, and under chance alone."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.artifacts import claims, evidence
from pipeline.artifacts.evidence import LEVEL, NOT_SHOWN, SHOWN, UNDECIDED
from pipeline.artifacts.lost import DIVERGED
from pipeline.artifacts.rows import CELL, Row

TRIALS = 2000
NUMBERS = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
SAMPLES = st.lists(NUMBERS, min_size=2, max_size=8)


def row(values: list, first_seed: int = 0, exact: bool = False, **axes: Any) -> Row:
    """A cell with these values of its seeds."""
    return Row(axes, CELL, "digits", "stl10", 8, dict(enumerate(values, first_seed)), exact=exact)


def normals(source: random.Random, n: int, mean: float = 0.0, std: float = 1.0) -> list[float]:
    return [source.gauss(mean, std) for _ in range(n)]


def near(count: int, rate: float, trials: int = TRIALS) -> bool:
    """Whether a count is within four standard deviations of its expectation."""
    return abs(count - trials * rate) < 4 * math.sqrt(trials * rate * (1 - rate))


# -- against scipy


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 20, 199])
@pytest.mark.parametrize("t", [-3.0, 0.0, 0.7, 2.0, 12.7])
def test_students_tail(t: float, freedom: int) -> None:
    assert evidence.tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=1e-9, abs=1e-14)


def test_the_normal_tail() -> None:
    assert evidence.tail(1.5, None) == pytest.approx(stats.norm.sf(1.5), rel=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 40])
@pytest.mark.parametrize("x", [0.0, 0.3, 2.0, 9.0, 60.0])
def test_the_chi_squared_tail(x: float, freedom: int) -> None:
    assert evidence.chi_squared_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-10)


@given(SAMPLES, SAMPLES)
@settings(deadline=None, max_examples=100)
def test_independent_runs_are_compared_by_welch(first: list[float], second: list[float]) -> None:
    found = evidence.difference(row(first), row(second, first_seed=100))
    assert not found.paired
    if found.error and found.error > 1e-6:
        expected = stats.ttest_ind(first, second, equal_var=False)
        assert found.value / found.error == pytest.approx(expected.statistic, rel=1e-6, abs=1e-9)
        whole = {
            math.floor(expected.df - 1e-6),
            math.floor(expected.df + 1e-6),
        }  # one, but within rounding of a whole number
        assert found.freedom in whole


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=8))
@settings(deadline=None, max_examples=100)
def test_runs_of_one_seed_are_compared_in_pairs(pairs: list[tuple[float, float]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    shuffled = Row({}, CELL, "", "", 0, dict(reversed(list(enumerate(second)))))
    found = evidence.difference(row(first), shuffled)
    assert found.paired and found.freedom == len(pairs) - 1
    if found.error and found.error > 1e-6:
        expected = stats.ttest_rel(first, second)
        assert found.value / found.error == pytest.approx(expected.statistic, rel=1e-6, abs=1e-9)
        decided = evidence.decide(found, 0.0)
        assert (decided == SHOWN) == (stats.ttest_rel(first, second, alternative="greater").pvalue < LEVEL)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=2, max_size=12))
@settings(deadline=None, max_examples=100)
def test_rank_correlation_is_spearmans(points: list[tuple[int, int]]) -> None:
    first, second = zip(*points, strict=True)
    constant = len(set(first)) < 2 or len(set(second)) < 2
    expected = 0.0 if constant else stats.spearmanr(first, second).statistic
    assert evidence.correlation(first, second) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_trend_over_seeds_is_pages() -> None:
    source = random.Random(4)
    lines = [normals(source, 5) for _ in range(6)]
    found = evidence.trend([row([line[k] for line in lines], x=k) for k in range(5)], "x")
    expected = stats.page_trend_test(lines, method="asymptotic").pvalue
    assert evidence.tail(found.value / found.error, None) == pytest.approx(expected, rel=1e-9)


def test_spread_has_the_standard_error_of_normal_draws() -> None:
    source = random.Random(0)
    spreads = [evidence.spread(row(normals(source, 8, std=3))).value or 0.0 for _ in range(4000)]
    middle = sum(spreads) / len(spreads)
    seen = math.sqrt(sum((value - middle) ** 2 for value in spreads) / len(spreads))
    assert seen == pytest.approx(3 / math.sqrt(2 * 7), rel=0.05)


# -- under chance alone: what is not there is shown as often as the level says, whatever the number of runs


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
@pytest.mark.parametrize("shared", [True, False])
def test_equal_means(seeds: int, shared: bool) -> None:
    """Two standard errors, whatever the number of runs, came out as shown in 9 % for two seeds against two."""
    source, found = random.Random(seeds), Counter[str]()
    for _ in range(TRIALS):
        first, second = row(normals(source, seeds)), row(normals(source, seeds), first_seed=0 if shared else 50)
        found[evidence.decide(evidence.difference(first, second), 0.0)] += 1
    if shared or seeds > 5:
        assert near(found[SHOWN], LEVEL) and near(found[NOT_SHOWN], LEVEL)
    else:  # Welch's degrees of freedom are rounded down
        assert max(found[SHOWN], found[NOT_SHOWN]) < LEVEL * TRIALS + 4 * math.sqrt(LEVEL * TRIALS)


@pytest.mark.parametrize("seeds", [2, 5])
def test_means_on_their_bound(seeds: int) -> None:
    source = random.Random(seeds)
    found = Counter(evidence.decide(evidence.level(row(normals(source, seeds, 3.0))), 3.0) for _ in range(TRIALS))
    assert near(found[SHOWN], LEVEL) and near(found[NOT_SHOWN], LEVEL)


@pytest.mark.parametrize("seeds", [2, 5])
def test_spreads_on_their_bound(seeds: int) -> None:
    source, found = random.Random(seeds), Counter[str]()
    for _ in range(TRIALS):
        found[evidence.decide_spread(evidence.spread(row(normals(source, seeds, std=5.0))), 5.0)] += 1
    assert near(found[SHOWN], LEVEL) and near(found[NOT_SHOWN], LEVEL)


def test_what_is_worse_by_just_the_margin() -> None:
    """Non-inferiority: at the margin it is chance, with equal means it is seen; ``greater`` could not see it."""
    source, at_margin, equal, better = random.Random(2), 0, 0, 0
    for _ in range(TRIALS):
        base = normals(source, 5, 70.0, 2.0)
        noise = normals(source, 5, 0.0, 0.3)
        for shift, seen in ((-1.0, "at margin"), (0.0, "equal")):
            other = [b + e + shift for b, e in zip(base, noise, strict=True)]
            cells = [row(other, method="a"), row(base, method="b")]
            claim = {"text": "x", "at_least": ["a", "b"], "within": 1.0}
            shown = claims.judge([claim], cells, "quick", "here")[0]["verdict"] == SHOWN
            at_margin += shown and seen == "at margin"
            equal += shown and seen == "equal"
            if seen == "equal":
                better += evidence.decide(evidence.difference(*cells), 0.0) == SHOWN
    assert near(at_margin, LEVEL) and near(better, LEVEL)
    assert equal > 0.95 * TRIALS


@pytest.mark.parametrize(("seeds", "places"), [(2, 5), (3, 3), (3, 5), (10, 4)])
def test_no_trend(seeds: int, places: int) -> None:
    """Of few runs the law is coarse: it stays within a factor of the level."""
    source, found = random.Random(seeds), Counter[str]()
    for _ in range(TRIALS):
        levels = normals(source, seeds, std=5.0)
        cells = [row([level + source.gauss(0, 1) for level in levels], x=k) for k in range(places)]
        found[evidence.decide(evidence.trend(cells, "x"), 0.0)] += 1
    assert 0.005 * TRIALS < found[SHOWN] < 0.04 * TRIALS
    assert 0.005 * TRIALS < found[NOT_SHOWN] < 0.04 * TRIALS


def test_no_order_of_numbers_without_error_is_a_trend_by_chance() -> None:
    """Four numbers in random order rise at every step in one of 24 cases; a positive correlation has every second."""
    source, shown = random.Random(7), 0
    for _ in range(TRIALS):
        cells = [row([source.random()], exact=True, x=k) for k in range(4)]
        claim = {"text": "x", "rising": "x"}
        shown += claims.judge([claim], cells, "quick", "here")[0]["verdict"] == SHOWN
    assert near(shown, 1 / 24)


def test_pairs_see_what_seeds_hide() -> None:
    """Runs of one seed share most of their noise: a difference of 1 shows in pairs, where Welch's error hides it."""
    source, pairs, welch = random.Random(5), 0, 0
    for _ in range(200):
        base = normals(source, 5, std=5.0)
        first, second = row([b + 1 + source.gauss(0, 0.2) for b in base]), row(base)
        pairs += evidence.decide(evidence.difference(first, second), 0.0) == SHOWN
        welch += evidence.decide(evidence.welch(first, second), 0.0) == SHOWN
    assert pairs > 190 and welch < 20


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_coarse_numbers_without_spread_do_not_pass_for_sure(seeds: int) -> None:
    """Accuracies on few images are multiples of a step: equal differences in all seeds are no proof."""
    source, shown = random.Random(seeds), 0
    for _ in range(TRIALS):
        first, second = ([round(x) for x in normals(source, seeds, 50.0, 0.7)] for _ in range(2))
        shown += evidence.decide(evidence.difference(row(first), row(second)), 0.0) == SHOWN
    assert shown < LEVEL * TRIALS + 4 * math.sqrt(LEVEL * TRIALS)


# -- properties of all checks


CLAIMS: list[dict[str, Any]] = [
    {"greater": ["a", "b"]}, {"greater": ["a", "b"], "by": 2.0}, {"at_least": ["a", "b"], "within": 3.0},
    {"above": 1.0, "where": {"method": "a"}}, {"below": 1.0, "where": {"method": "a"}},
    {"spread_above": 1.0, "where": {"method": "a"}}, {"rising": "x", "where": {"method": "a"}},
]  # fmt: skip


def cells(lines: list[list[float]], lost: int | None = None) -> list[Row]:
    """Methods a and b at one place, a at two more: five rows of as many seeds; one seed may be lost."""
    places = [("a", 0), ("b", 0), ("a", 1), ("a", 2)]
    made = [row(list(line), method=method, x=x) for (method, x), line in zip(places, lines, strict=True)]
    if lost is not None:
        for one in made:
            one.seeds[lost] = DIVERGED
    return made


def verdict(claim: dict[str, Any], rows: list[Row]) -> str:
    at = {} if "rising" in claim else {"x": 0}
    full = {"text": "t", **claim, "where": {**claim.get("where", {}), **at}}
    return claims.judge([full], rows, "quick", "here")[0]["verdict"]


LINES = st.integers(2, 6).flatmap(lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=4, max_size=4))


@given(st.sampled_from(CLAIMS), LINES, st.data())
@settings(deadline=None, max_examples=200)
def test_a_lost_seed_decides_nothing(claim: dict, lines: list[list[float]], data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(lines[0]) - 1))
    assert verdict(claim, cells(lines, lost)) == claims.LOST[DIVERGED]


@given(st.sampled_from(CLAIMS), LINES, st.permutations(range(6)))
@settings(deadline=None, max_examples=200)
def test_the_order_of_seeds_is_no_matter(claim: dict, lines: list[list[float]], order: list[int]) -> None:
    chosen = [place for place in order if place < len(lines[0])]
    assert verdict(claim, cells([[line[k] for k in chosen] for line in lines])) == verdict(claim, cells(lines))


@given(LINES)
@settings(deadline=None, max_examples=200)
def test_a_claim_and_its_opposite_are_never_both_shown(lines: list[list[float]]) -> None:
    rows = cells(lines)
    for one, other in (
        ({"greater": ["a", "b"]}, {"greater": ["b", "a"]}),
        ({"above": 1.0, "where": {"method": "a"}}, {"below": 1.0, "where": {"method": "a"}}),
    ):
        found = verdict(one, rows), verdict(other, rows)
        assert found in ((SHOWN, NOT_SHOWN), (NOT_SHOWN, SHOWN), (UNDECIDED, UNDECIDED), (NOT_SHOWN, NOT_SHOWN))


@given(st.sampled_from(CLAIMS), LINES)
@settings(deadline=None, max_examples=100)
def test_one_seed_decides_nothing(claim: dict, lines: list[list[float]]) -> None:
    assert verdict(claim, cells([line[:1] for line in lines])) == UNDECIDED
