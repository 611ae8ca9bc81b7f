"""Charts of trainings: means and bands by numbers, what is a gap, where ticks stand, and what a reader can read off."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest

from pipeline.provenance.curves import Curves
from pipeline.site import overlay
from pipeline.site.axis import Axis
from pipeline.site.charts import COLOURS, MOST, Chart, Line, look, ranks, spreads
from pipeline.site.overlay import Shown

NAN = math.nan
SEEDS = {0: [(1.0, 2.0), (2.0, 1.0), (4.0, 0.5)], 1: [(1.0, 4.0), (2.0, 1.0), (4.0, 1.5)]}


def read(svg: str, what: str) -> list[list[tuple[float, float]]]:
    """Values on the axes of the paths of a class: what a reader reads off them."""
    found = re.search(r'data-x="(\S+) (\S+) (\S+) (\S+)" data-y="(\S+) (\S+) (\S+) (\S+)"( data-log)?', svg)
    x, y, log = list(map(float, found.groups()[:4])), list(map(float, found.groups()[4:8])), found[9]

    def value(axis: Sequence[float], at: float, log: bool) -> float:
        share = (at - axis[2]) / (axis[3] - axis[2])
        return axis[0] * (axis[1] / axis[0]) ** share if log else axis[0] + share * (axis[1] - axis[0])

    return [
        [
            (value(x, px, False), value(y, py, bool(log)))
            for px, py in (map(float, pair.split()) for pair in re.split("[MLZ]", path) if pair)
        ]
        for path in re.findall(rf'<path class="{what}" d="([^"]*)"', svg)
    ]


def test_means_and_deviations_over_seeds() -> None:
    found = [(p.epoch, p.mean, p.std, p.seeds) for p in spreads(SEEDS)]
    assert found == [(1, 3, pytest.approx(2**0.5), 2), (2, 1, 0, 2), (4, 1, pytest.approx(0.5**0.5), 2)]
    (alone,) = spreads({3: [(1.0, 7.0)]})
    assert (alone.mean, alone.std) == (7.0, None), "one seed has no band"


def test_means_of_eigenvalues_are_those_of_logarithms() -> None:
    (found,) = spreads({0: [(1.0, 0.01)], 1: [(1.0, 1.0)], 2: [(1.0, -1e-17)]}, geometric=True)
    assert (found.mean, found.std, found.seeds) == (
        pytest.approx(0.1),
        pytest.approx(math.exp(math.log(100) / 2**0.5)),
        2,
    )
    svg = Chart(
        "eigenvalues",
        "",
        [Line("a", {}, ranks={1: {0: [(1.0, 0.01), (2.0, 1.0)], 1: [(1.0, 1.0), (2.0, 1.0)]}})],
        log=True,
    ).svg()
    (mean,), (band,) = read(svg, "mean"), read(svg, "band")
    assert [y for _, y in mean] == pytest.approx([0.1, 1.0], rel=0.05)
    assert [y for _, y in band] == pytest.approx([0.1 * found.std, 1.0, 1.0, 0.1 / found.std], rel=0.05)
    (nothing,) = spreads({0: [(1.0, -1.0)]}, geometric=True)
    assert math.isnan(nothing.mean) and nothing.std is None


def test_a_seed_that_diverged_is_left_out_of_the_mean() -> None:
    found = spreads({0: [(1.0, 2.0), (2.0, NAN)], 1: [(1.0, 4.0), (2.0, 6.0)], 2: [(1.0, NAN)]})
    assert [(p.mean, p.std, p.seeds) for p in found] == [(3, pytest.approx(2**0.5), 2), (6, None, 1)]


@pytest.mark.parametrize("log", [False, True])
def test_line_and_band_stand_where_the_axes_say(log: bool) -> None:
    svg = Chart("loss", "", [Line("a", SEEDS)], log).svg()
    (mean,) = read(svg, "mean")
    assert [x for x, _ in mean] == pytest.approx([1, 2, 4], abs=0.01)
    assert [y for _, y in mean] == pytest.approx([3, 1, 1], rel=0.01)
    (band,) = read(svg, "band")
    deviations = [2**0.5, 0.0, 0.5**0.5]
    high = [m + d for m, d in zip([3, 1, 1], deviations, strict=True)]
    low = [m - d for m, d in zip([3, 1, 1], deviations, strict=True)]
    assert [y for _, y in band] == pytest.approx([*high, *reversed(low)], rel=0.02)
    assert [x for x, _ in band] == pytest.approx([1, 2, 4, 4, 2, 1], abs=0.01)


def test_what_is_no_number_is_a_gap() -> None:
    svg = Chart("loss", "", [Line("a", {0: [(1.0, 1.0), (2.0, 2.0), (3.0, NAN), (4.0, 3.0), (5.0, 3.5)]})]).svg()
    assert [len(path) for path in read(svg, "mean")] == [2, 2]
    assert "nan" not in svg and "inf" not in svg
    below = Chart("loss", "", [Line("a", {0: [(1.0, 1.0), (2.0, 2.0), (3.0, -1.0)]})], log=True).svg()
    assert [len(path) for path in read(below, "mean")] == [2], "what is not above 0 has no place"
    for empty in ({0: [(1.0, NAN)]}, {}):
        svg = Chart("loss", "", [Line("a", empty)]).svg()
        assert '<path class="mean"' not in svg and svg.endswith("</svg>") and "nan" not in svg


def test_a_band_that_reaches_0_ends_with_a_logarithmic_axis() -> None:
    svg = Chart("loss", "", [Line("a", {0: [(1.0, 0.2), (2.0, 0.1)], 1: [(1.0, 0.2), (2.0, 3.0)]})], log=True).svg()
    (band,) = read(svg, "band")
    mean, std = (3.1 / 2, 2.9 / 2**0.5)
    assert mean - std < 0 and band[1] == pytest.approx((2, mean + std), rel=0.02)
    lowest = float(re.search(r'data-y="(\S+)', svg)[1])
    assert band[2] == pytest.approx((2, lowest), rel=0.02)


def test_one_epoch_is_a_dot_and_a_live_run_has_one_at_its_end() -> None:
    svg = Chart("loss", "", [Line("a", {0: [(3.0, 1.0)]}, live=True)]).svg()
    assert svg.count('<circle class="alone"') == svg.count('<circle class="live"') == 1
    assert "live" not in Chart("loss", "", [Line("a", SEEDS)]).svg()


def test_names_are_text_and_ends_are_told() -> None:
    svg = Chart("loss", "<i>", [Line('a"><script>', SEEDS)]).svg()
    assert "<script>" not in svg and "<i>" not in svg
    assert "&lt;script&gt;: 1 ± 0.707 at epoch 4, 2 seeds" in svg


def test_axes_say_what_and_in_what() -> None:
    svg = Chart("effective rank", "dimensions", [Line("a", SEEDS)]).svg()
    text = re.sub(r"<[^>]+>", " ", svg)
    assert "effective rank" in text and "dimensions" in text and "epoch" in text
    assert 'aria-label="effective rank by epoch, 1 run"' in svg


@pytest.mark.parametrize(
    ("ends", "log", "whole", "texts"),
    [
        ((0.0, 1.0), False, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ((-3.9, -3.4), False, False, ["−3.9", "−3.8", "−3.7", "−3.6", "−3.5", "−3.4"]),
        ((1, 3), False, True, ["1", "2", "3"]),
        ((1, 400), False, True, ["100", "200", "300", "400"]),
        ((1e-4, 100.0), True, False, ["0.0001", "0.001", "0.01", "0.1", "1", "10", "100"][::2]),
        ((2.0, 9.0), True, False, ["2", "5"]),
        ((1.3, 1.95), True, False, ["1.4", "1.6", "1.8"]),
        ((0.021, 0.049), True, False, ["0.025", "0.030", "0.035", "0.040", "0.045"]),
        ((2.1, 5.5), True, False, ["3", "4", "5"]),
        ((7.0, 7.0), False, False, ["6.5", "7.0", "7.5"]),
        ((5, 5), False, True, ["4", "5", "6"]),
        ((1e-12, 3e-12), False, False, ["1e-12", "1.5e-12", "2e-12", "2.5e-12", "3e-12"]),
    ],
)  # fmt: skip
def test_ticks_are_round_numbers_within_the_axis(ends, log: bool, whole: bool, texts: list[str]) -> None:
    axis = Axis.over([ends], log, whole)
    found = axis.ticks()
    assert [text for _, text in found] == [text.replace("-", "−") for text in texts]
    assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value, _ in found)
    assert axis.share(ends[0]) >= 0 and axis.share(ends[1]) <= 1


@pytest.mark.parametrize("ratio", [1.0, 1.05, 1.21, 1.5, 1.99, 2.4, 5.0, 9.9, 11.0, 99.0, 1e3, 1e7])
def test_a_logarithmic_axis_has_at_least_two_ticks(ratio: float) -> None:
    for low in [10 ** (k / 7) for k in range(-30, 30)]:
        axis = Axis.over([(low, low * ratio)], log=True)
        found = axis.ticks()
        assert 2 <= len(found) <= 8 and all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value, _ in found)
        assert len({text for _, text in found}) == len(found)


def test_ranks_of_eigenvalues_are_powers_of_two() -> None:
    lists = {0: [(1.0, [5.0, 4.0, 3.0, 2.0, 1.0]), (2.0, [6.0, 4.5])], 1: [(1.0, [7.0])]}
    found = ranks(lists)
    assert found == {
        1: {0: [(1.0, 5.0), (2.0, 6.0)], 1: [(1.0, 7.0)]},
        2: {0: [(1.0, 4.0), (2.0, 4.5)], 1: []},
        4: {0: [(1.0, 2.0)], 1: []},
    }
    drawn = overlay.chart("spectrum.f_eigenvalues", [Shown("a", {k: Curves(lists={"spectrum.f_eigenvalues": v}) for k, v in lists.items()})])  # fmt: skip
    assert drawn.log and [len(path) for path in read(drawn.svg(), "mean")] == [2, 2]
    assert drawn.svg().count('<circle class="alone"') == 1, "rank 4 was measured once"


def test_as_many_runs_as_can_be_told_apart() -> None:
    looks = [look(place) for place in range(MOST)]
    assert len(set(looks)) == MOST and look(0) == "k0 d0" and look(COLOURS) == "k0 d1"


def test_what_has_curves_and_what_it_is_called() -> None:
    one = Curves(
        {"loss": [(1.0, 1.0)], "probe-0123abcd.top1": [(1.0, 5.0), (2.0, 6.0)], "knn-0123abcd.top1": [(1.0, 5.0)]}
    )
    assert overlay.available([Shown("a", {0: one})]) == ["loss", "probe-0123abcd.top1"], "one milestone is no curve"
    assert overlay.titles(["probe-0123abcd.top1_last"]) == {"probe-0123abcd.top1_last": "probe, top1 last"}
    both = overlay.titles(["probe-0123abcd.top1", "probe-89abcdef.top1"])
    assert both["probe-0123abcd.top1"] == "probe-0123abcd, top1", "two of a kind are told apart"
    assert overlay.chart("probe-0123abcd.top1", [Shown("a", {0: one})]).remark == "%"


def seeds_of(*ends: int, diverged: int | None = None) -> dict[int, Curves]:
    """Histories up to these epochs, whose loss is the seed and the epoch; of None there is nothing yet."""
    found = {}
    for seed, end in enumerate(ends):
        points = [(float(epoch), 100.0 * seed + epoch) for epoch in range(1, end + 1)]
        found[seed] = Curves({"loss": points} if points else {})
    if diverged is not None:
        found[len(ends)] = Curves({"loss": [(1.0, 1.0), (float(diverged), NAN)]})
    return found


@pytest.mark.parametrize(
    ("ends", "diverged", "epoch", "seeds", "of", "loss"),
    [
        ((16, 16, 16), None, 16, 3, 3, 116),
        ((16, 12, 14), None, 12, 3, 3, 112),
        ((16, 12, 0), None, 12, 2, 3, 62),
        ((16, 12), 3, 12, 2, 3, 62),
    ],
)
def test_last_values_of_a_run_are_of_one_epoch(ends, diverged, epoch, seeds, of, loss) -> None:
    last = Shown("a", seeds_of(*ends, diverged=diverged)).last()
    assert (last.epoch, last.seeds, last.of, last.means) == (epoch, seeds, of, {"loss": loss})


def test_a_run_of_which_nothing_is_known_has_no_last_values_and_one_that_diverged_has_nan() -> None:
    assert Shown("a", {0: Curves()}).last() is None
    last = Shown("a", seeds_of(diverged=2)).last()
    assert (last.epoch, last.seeds, last.of) == (2, 1, 1) and math.isnan(last.means["loss"])


def test_a_mean_of_fewer_seeds_says_of_how_many() -> None:
    svg = overlay.chart("loss", [Shown("a", seeds_of(3, 2, 0))]).svg()
    assert 'data-of="3"' in svg and re.findall(r'data-seeds="([^"]*)"', svg) == ["2 2 1"]
    assert "at epoch 3, 1 of 3 seeds" in svg
    assert "data-seeds" not in overlay.chart("loss", [Shown("a", seeds_of(3, 3))]).svg()
    assert 'r="3.5" data-seeds="1"' in overlay.chart("loss", [Shown("a", seeds_of(1, 0))]).svg()
