"""What holds of every verdict whatever the numbers: order, unit and ties."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.artifacts import claims
from pipeline.artifacts.claims import NOT_SHOWN
from pipeline.artifacts.rows import CELL, Row

MANY = settings(max_examples=60, deadline=None, derandomize=True)
METHODS = ("a", "b", "c")
PLACES = (1, 2, 3, 4)

number = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-6)
few = st.integers(-3, 3).map(float)  # ties are likely
checks = st.one_of(
    st.fixed_dictionaries({"greater": st.permutations(METHODS).map(lambda m: m[:2]), "by": number}),
    st.fixed_dictionaries({"at_least": st.permutations(METHODS).map(lambda m: m[:2]), "within": number.map(abs)}),
    st.fixed_dictionaries({"above": number, "for_each": st.just(["method"])}),
    st.fixed_dictionaries({"below": number, "for_each": st.just(["method"])}),
    st.fixed_dictionaries({"spread_above": number.map(abs), "for_each": st.just(["method"])}),
    st.fixed_dictionaries({"rising": st.just("place"), "for_each": st.just(["method"])}),
    st.fixed_dictionaries({"together": st.permutations(METHODS).map(lambda m: m[:2]), "along": st.just("place")}),
)
SCALED = ("by", "within", "above", "below", "spread_above")
"""Keys of a check that have the unit of the numbers."""


@st.composite
def tables(draw: Any) -> tuple[dict[str, Any], list[Row]]:
    """A claim and the cells of three methods, at four places where the claim is on those; theory's have one number."""
    claim = draw(checks)
    values = draw(st.sampled_from([number, few]))
    rows = []
    for method in METHODS:
        exact, seeds = draw(st.booleans()), draw(st.integers(1, 7))
        for place in PLACES if claim.keys() & {"rising", "along"} else PLACES[:1]:
            numbers: dict[int, Any] = {seed: draw(values) for seed in range(1 if exact else seeds)}
            rows.append(Row({"method": method, "place": place}, CELL, "", "", 0, numbers, exact=exact))
    return claim, rows


def verdict(claim: dict[str, Any], rows: list[Row]) -> str:
    """The verdict on one claim."""
    return str(claims.judge([{"text": "A text", **claim}], rows, "quick", "here")[0]["verdict"])


def changed(rows: list[Row], number_of: Any) -> list[Row]:
    """The same cells with other numbers."""
    return [
        Row(row.axes, CELL, "", "", 0, {seed: number_of(x) for seed, x in row.numbers.items()}, exact=row.exact)
        for row in rows
    ]


@MANY
@given(tables(), st.randoms(use_true_random=False))
def test_no_verdict_depends_on_the_order_of_rows_and_seeds(case: tuple[dict[str, Any], list[Row]], rng: Any) -> None:
    claim, rows = case
    other = []
    for row in rows:
        seeds = list(row.numbers.items())
        rng.shuffle(seeds)
        other.append(Row(row.axes, CELL, "", "", 0, dict(seeds), exact=row.exact))
    rng.shuffle(other)
    assert verdict(claim, other) == verdict(claim, rows)


@MANY
@given(tables(), st.integers(-30, 30))
def test_no_verdict_depends_on_the_unit(case: tuple[dict[str, Any], list[Row]], power: int) -> None:
    """A power of two scales without rounding: accuracies in percent and as shares are judged alike."""
    claim, rows = case
    scale = math.ldexp(1.0, power)
    other = {key: value * scale if key in SCALED else value for key, value in claim.items()}
    assert verdict(other, changed(rows, lambda x: x * scale)) == verdict(claim, rows)


@MANY
@given(number, st.integers(1, 8), st.booleans(), st.booleans(), st.sampled_from([0.0, 3e-13, -3e-13]))
def test_a_tie_is_not_shown(value: float, seeds: int, first: bool, second: bool, rounding: float) -> None:
    """Neither between theories, nor between runs, nor by how a number was rounded."""
    rows = []
    for method, exact, own in (("a", first, value), ("b", second, value * (1 + rounding))):
        numbers: dict[int, Any] = dict.fromkeys(range(1 if exact else seeds), own)
        rows.append(Row({"method": method}, CELL, "", "", 0, numbers, exact=exact))
    if seeds > 1 or (first and second):
        assert verdict({"greater": ["a", "b"]}, rows) == NOT_SHOWN
        assert verdict({"at_least": ["a", "b"], "within": 0.0}, rows) == NOT_SHOWN
    if seeds > 1 or first:
        assert verdict({"above": value, "where": {"method": "a"}}, rows) == NOT_SHOWN
        assert verdict({"below": value, "where": {"method": "a"}}, rows) == NOT_SHOWN
