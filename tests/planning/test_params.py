"""Parameters: every number has a range, what is out of it is one line before anything runs, and scales say what they set."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import copy_project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_plan import change, planned

from pipeline import annotations, components
from pipeline.errors import UserError
from pipeline.planning import composition, overridden, spec, yaml_files
from pipeline.planning.catalogue import PARAMS, Catalogue
from pipeline.planning.options import Options
from pipeline.planning.params import shaped
from pipeline.planning.plan import Plan

MODELS = [value for value in vars(spec).values() if isinstance(value, type) and issubclass(value, spec.Strict)] + [
    composition.RunSpec
]


def declared() -> Iterator[tuple[str, Any, str]]:
    """Every parameter that can be declared anywhere: where, its type, its kind of place."""
    for category in components.CATEGORIES:
        for kind in components.kinds(category):
            for name, (annotation, *_) in components.params(category, kind).items():
                yield f"{category}.{kind}.{name}", annotations.read(annotation), "component"
    for model in MODELS:
        for name in model.model_fields:
            yield f"{model.__name__}.{name}", annotations.field(model, name), "model"
    for field in dataclasses.fields(Options):
        yield f"Options.{field.name}", annotations.read(str(field.type)), "option"


AXES = {
    *(f"Artifact.{place}" for place in ("rows", "columns", "fixed", "over", "combinations")),
    "Setting.words",
    *(f"{scale}.{place}" for scale in ("Scale", "PaperScale", "ArtifactScale") for place in ("only", "values")),
}
"""Values of axes are words: those that become parameters are checked as these, `epochs` in a validator of its own."""


def test_every_number_has_a_range_where_it_is_declared() -> None:
    without = [
        where
        for where, of, _ in declared()
        if where not in AXES and not all(annotations.bounded(marks) for _, marks in annotations.numbers(of))
    ]
    assert without == []


def test_lists_and_mappings_say_what_they_hold() -> None:
    """``list`` alone would let words through where numbers are meant."""
    vague = [where for where, of, place in declared() if place == "component" and _vague(of)]
    assert vague == []


def _vague(of: Any) -> bool:
    of = annotations.unwrapped(of)
    alternatives = annotations.alternatives(of)
    return any(map(_vague, alternatives)) if alternatives else of in (list, dict, tuple, Any)


def test_defaults_are_in_their_ranges() -> None:
    for category in components.CATEGORIES:
        for kind in components.kinds(category):
            for name, (annotation, default, required) in components.params(category, kind).items():
                if not required:
                    assert annotations.checked(default, annotation) == default, f"{category}.{kind}.{name}"


NUMERIC = [
    (category, kind, name, annotation)
    for category in components.CATEGORIES
    for kind in components.kinds(category)
    for name, (annotation, *_) in components.params(category, kind).items()
    if any(True for _ in annotations.numbers(annotations.read(annotation)))
]


def bad_numbers(annotation: str) -> st.SearchStrategy[Any]:
    """Values that no number of this type may have: beyond its ends, not finite, of another type."""
    lows, highs, whole = [], [], []
    for of, marks in annotations.numbers(annotations.read(annotation)):
        low, high, *_ = annotations._ends(marks)
        lows.append(low), highs.append(high), whole.append(of is int)
    below = st.floats(max_value=min(lows), exclude_max=True, allow_infinity=True)
    above = st.floats(min_value=max(highs), exclude_min=True, allow_infinity=True)
    kinds = [below, above, st.just(math.nan), st.booleans(), st.just({"a": "b"}), st.lists(st.text(), min_size=1)]
    if all(whole):
        kinds.append(st.floats(min_value=min(lows), max_value=max(highs)).filter(lambda x: not isinstance(x, int)))
    bad = st.one_of(*kinds)
    return st.one_of(bad, bad.map(lambda value: [value]))


@given(data=st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_bad_numbers_are_refused_in_one_line(data: st.DataObject) -> None:
    category, kind, name, annotation = data.draw(st.sampled_from(NUMERIC))
    value = data.draw(bad_numbers(annotation))
    with pytest.raises(UserError) as error:
        components.check(category, kind, name, value, "here.yaml: entry")
    text = str(error.value)
    assert text.startswith(f"here.yaml: entry: {category}.{name}: expected ") and ", found " in text
    assert "\n" not in text and len(text) < 600


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_numbers_at_and_between_the_ends_are_taken(data: st.DataObject) -> None:
    category, kind, name, annotation = data.draw(st.sampled_from(NUMERIC))
    of = annotations.read(annotation)
    if annotations.inner(of) is not None or annotations.alternatives(annotations.unwrapped(of)):
        return
    (number, marks), *_ = annotations.numbers(of)
    low, high, above, below = annotations._ends(marks)
    between = (
        st.integers(int(low), int(high))
        if number is int
        else st.floats(low, high, exclude_min=above, exclude_max=below)
    )
    value = data.draw(between)
    assert components.check(category, kind, name, value, "here") == value


JUNK = [
    None, True, False, "", "x" * 300, -1, 0, 1.5, math.nan, math.inf, -math.inf, 10**9, 10**400, [], [[]], {}, {"kind": "x" * 300},
    {"kind": 3}, {"kind": None}, {1: 2}, ["a", 1], {"a": {"b": {}}}, "../../etc", "é", "a\nb", {"name": None}, [None], "kind",
]  # fmt: skip
SOURCES = {
    "papers/mine.yaml": ("papers/directpred.yaml", "papers/stepwise.yaml", "papers/isoloss.yaml"),
    "scales/small.yaml": ("scales/tiny.yaml", "scales/quick.yaml"),
    "datasets.yaml": ("datasets.yaml",),
}


def places(data: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths of everything in plain data."""
    yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from places(value, (*path, key))


def put(data: Any, path: tuple, value: Any, rename: bool) -> Any:
    """The data with one value replaced, or one key by the value."""
    if not path:
        return value
    data = copy.deepcopy(data)
    place = data
    for key in path[:-1]:
        place = place[key]
    if rename and isinstance(place, dict):
        place[value if isinstance(value, str | int | float) else str(value)] = place.pop(path[-1])
    else:
        place[path[-1]] = value
    return data


def junk(seed: int, times: int, root: Path) -> None:
    """Put something wrong somewhere, many times: a plan comes out, or one line that names the file."""
    rng = random.Random(seed)
    for part in ("papers", "scales"):
        (root / part).mkdir()
    for _ in range(times):
        written = {target: yaml_files.load(PARAMS / rng.choice(sources)) for target, sources in SOURCES.items()}
        written["papers/mine.yaml"] = {**written["papers/mine.yaml"], "paper": "mine"}
        target = rng.choice(["papers/mine.yaml", *SOURCES])
        path, value = rng.choice(list(places(written[target]))), rng.choice(JUNK)
        written[target] = put(written[target], path, value, rename=rng.random() < 0.2)
        for name, data in written.items():
            text = yaml.dump(data, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
            (root / name).write_text(text, encoding="utf-8")
        try:
            catalogue = Catalogue(Options(scale="small", extend=str(root)))
            assert catalogue.datasets
            Plan(catalogue, [one for one in catalogue.built() if one.paper == "mine"])
        except UserError as error:
            text = str(error)
            assert "\n" not in text and len(text) < 1500 and ".yaml" in text, (target, path, value, text)
        except Exception as error:
            raise AssertionError(f"{target}: {'.'.join(map(str, path))} = {value!r}") from error


def test_junk_anywhere_in_a_declaration_is_one_line_or_does_no_harm(tmp_path: Path) -> None:
    junk(0, 60, tmp_path)


@pytest.mark.slow
def test_more_junk(tmp_path: Path) -> None:
    junk(1, 1500, tmp_path)


def refused(folder: Path, scale: str = "small") -> str:
    """What planning the paper of the folder says."""
    with pytest.raises(UserError) as error:
        planned(f"results/{scale}/mine/t.csv", extend=str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


NUMBERS = [
    (("defaults", "optimizer", "lr"), -0.1, "defaults: optimizer.lr: expected a number from 0 to 1,000,000, found -0.1; type for instance lr: 0.03"),
    (("defaults", "optimizer", "lr"), math.nan, "optimizer.lr: expected a number from 0 to 1,000,000, found nan"),
    (("defaults", "optimizer", "lr"), math.inf, "optimizer.lr: expected a number from 0 to 1,000,000, found inf"),
    (("defaults", "optimizer", "momentum"), 9, "optimizer.momentum: expected a number from 0 to below 1, found 9"),
    (("defaults", "optimizer", "weight_decay"), -1, "optimizer.weight_decay: expected a number from 0"),
    (("methods", "sgd", "predictor"), {"kind": "linear", "weight_decay": -1}, "predictor.weight_decay: expected a number from 0"),
    (("defaults", "projector", "out"), 0, "projector.out: expected a whole number from 1 to 65,536, found 0"),
    (("defaults", "encoder"), {"kind": "tiny_conv", "strides": [1, 0]}, "encoder.strides: expected a list of 1 or more, each a whole number from 1"),
    (("defaults", "encoder"), {"kind": "tiny_conv", "channels": ["8", "16"]}, "encoder.channels: expected a list of 1 or more, each a whole number"),
    (("defaults", "encoder"), True, "defaults: encoder: expected the name of one, or its keys {kind: ..., ...}, found True"),
    (("defaults", "encoder"), "e" * 300, "there is no encoder called 'eee"),
    (("defaults", "batch_size"), True, "batch_size: expected a whole number from 1"),
    (("defaults", "threads"), 10**6, "threads: expected a whole number from 1 to 1024, found 1000000"),
    (("datasets", "cifar10", "views", "count"), 1, "views.count: expected a whole number from 2 to 64"),
    (("defaults", "normalize"), {"mean": [125.3, 123.0, 113.9], "std": [63.0, 62.1, 66.7]}, "normalize: mean: expected intensities from 0 to 1, found [125.3, 123.0, 113.9]; divide them by 255"),
    (("defaults", "normalize"), {"mean": [0.5], "std": [0.5, 0.5]}, "normalize: expected one std per channel"),
    (("defaults", "normalize"), {"mean": [0.5], "std": [0]}, "normalize.std.0: expected a number above 0, up to 1, found 0"),
    (("artifacts", "t", "seeds"), 100000000, "artifacts.t.seeds: expected a whole number from 1 to 1000, found 100000000"),
    (("artifacts", "t", "seeds"), "5", "artifacts.t.seeds: expected a whole number from 1 to 1000, found '5'"),
    (("artifacts", "t", "columns"), {"dataset": ["stl10"], "epochs": [100, "x"]}, "artifacts.t: epochs: expected a whole number from 0 to 100,000, found 'x'"),
    (("artifacts", "t", "claims"), [{"text": "x", "above": math.nan}], "artifacts.t.claims.0.above: expected a number from -1,000,000"),
    (("measures", "linear_top1", "measure", "lr"), 0, "measures.linear_top1: measure.lr: expected a number above 0, up to 1,000,000, found 0"),
    (("measures", "knn_top1", "measure", "temperature"), -0.1, "measures.knn_top1: measure.temperature: expected a number above 0"),
    (("flavours", "released", "kinds", "predictor", "directpred"), {"floor": -1}, "flavours.released.kinds.predictor: predictor.floor: expected a number from 0"),
    (("paper",), "../mine", "paper: expected a name of letters, digits, - and _, found '../mine'"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "words"), NUMBERS, ids=[m[2][:50] for m in NUMBERS])
def test_a_number_out_of_its_range_is_one_line(folder: Path, place: tuple, value: Any, words: str) -> None:
    change(folder / "papers/mine.yaml", *place, value=value)
    text = refused(folder, "paper")
    assert words in text and "mine.yaml" in text


def test_values_of_a_paper_are_told_when_something_of_it_is_planned(folder: Path) -> None:
    """Whether the run that is asked for uses them or not; who asks for another paper need not mend them first."""
    change(folder / "papers/mine.yaml", "methods", "idle", value={"like": "sgd", "optimizer": {"lr": -1}})
    assert planned("results/tiny/directpred/table8.csv", scale="tiny", extend=str(folder)).artifacts
    for targets in (["results/tiny/mine/t.csv"], []):
        with pytest.raises(UserError, match=r"mine\.yaml: methods\.idle: optimizer\.lr: expected a number from 0"):
            planned(*targets, scale="tiny", extend=str(folder))


SCALES = [
    (("seeds",), 100000000, "seeds: expected a whole number from 1 to 1000 or null, found 100000000"),
    (("epochs",), {100: "x"}, "epochs.100: expected a whole number from 0 to 100,000, found 'x'"),
    (("max_epochs",), -1, "max_epochs: expected a whole number from 0"),
    (("estimate", "speed"), -1, "estimate.speed: expected a number above 0"),
    (("every_run", "optimizer"), {"lr": -1}, "every_run: optimizer.lr: expected a number from 0"),
    (("every_run", "views"), True, "every_run: views: expected the name of one"),
    (("every_run", "batch_size"), 0, "every_run: batch_size: expected a whole number from 1"),
    (("papers",), {"stepwise": {"every_run": {"optimizer": {"lr": math.nan}}}}, "papers.stepwise.every_run: optimizer.lr: expected a number from 0"),
    (("papers",), {"directpred": {"artifacts": {"table6": {"seeds": 0}}}}, "papers.directpred.artifacts.table6.seeds: expected a whole number from 1 to 1000 or null, found 0"),
    (("papers",), {"directpred": {"artifacts": {"tabel6": {"seeds": 2}}}}, "papers.directpred.artifacts: directpred has no artifact of runs called 'tabel6'; did you mean table6?"),
    (("papers",), {"directpred": {"artifacts": {"fig3": {"seeds": 2}}}}, "papers.directpred.artifacts: directpred has no artifact of runs called 'fig3'"),
    (("datasets",), {"stl10": {"train": 10}}, "datasets.stl10: expected a data set with its name, such as {name: shapes, train: 192}"),
    (("datasets",), {"stl10": {"name": "shapse"}}, "datasets.stl10: there is no data set called 'shapse'; did you mean shapes?"),
    (("datasets",), {"stl10": {"name": "shapes", "size": 0}}, "datasets.stl10: source.size: expected a whole number from 1 to 4096, found 0"),
    (("measures",), {"knn": {"k": 0}}, "measures: measure.k: expected a whole number from 1"),
    (("replications",), 0, "replications: expected a whole number from 1"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "words"), SCALES, ids=[m[2][:50] for m in SCALES])
def test_so_it_is_in_a_scale(folder: Path, place: tuple, value: Any, words: str) -> None:
    change(folder / "scales/small.yaml", *place, value=value)
    text = refused(folder)
    assert words in text and "small.yaml" in text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"seeds": 100000000}, "--config seeds: expected a whole number from 1 to 1000, found 100000000"),
        ({"seeds": True}, "--config seeds: expected a whole number from 1 to 1000, found True"),
        ({"interleave": 0}, "--config interleave: expected a whole number from 1 to 64, found 0"),
    ],
)
def test_so_it_is_with_config(config: dict, words: str) -> None:
    with pytest.raises(UserError) as error:
        Options.parse(config, {})
    assert str(error.value) == words


RELATED = [
    ("views", {"kind": "simclr", "scale_min": 0.5, "scale_max": 0.2}, "views.scale_min: expected <= scale_max, found scale_min: 0.5 and scale_max: 0.2"),
    ("views", {"kind": "simclr", "ratio_min": [0.5, 3.0]}, "views.ratio_min: expected <= ratio_max"),
    ("encoder", {"kind": "tiny_conv", "strides": [1, 2]}, "encoder.strides: expected as many as channels"),
    ("source", {"kind": "shapes", "smallest": 0.9}, "source.smallest: expected <= largest"),
    ("simulation", {"kind": "stepwise/fig1ab", "crop": 40}, "simulation.crop: expected <= size"),
]  # fmt: skip


@pytest.mark.parametrize(("category", "given", "words"), RELATED, ids=[words[:40] for *_, words in RELATED])
def test_parameters_that_contradict_each_other_are_refused(category: str, given: dict, words: str) -> None:
    with pytest.raises(UserError) as error:
        components.resolve(category, given, "here.yaml: entry")
    assert str(error.value).startswith(f"here.yaml: entry: {words}")


def test_relations_are_between_parameters_that_exist() -> None:
    found = 0
    for category in components.CATEGORIES:
        for kind in components.kinds(category):
            for one, word, other in components.relations(category, kind):
                assert {one, other} <= components.params(category, kind).keys() and word in components.HOLDS
                found += 1
    assert found


def test_a_warm_up_longer_than_the_training_is_refused_when_its_length_is_known(folder: Path) -> None:
    change(folder / "papers/mine.yaml", "defaults", "schedule", value={"kind": "cosine", "warmup": 400})
    text = refused(folder, "paper")
    assert "t: schedule.warmup: expected < epochs, found warmup: 400.0 and epochs: 100" in text


def test_a_type_that_the_plan_does_not_know_is_told_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "objectives").mkdir()
    path = tmp_path / "objectives/mine.py"
    path.write_text("def loss(p, t, *, weight: np.ndarray = 1.0): ...\n")
    with pytest.raises(UserError, match=r"mine\.py: weight: 'np.ndarray' is no type that the plan can check; use int"):
        components.resolve("objective", {"kind": "mine", "weight": 2.0}, "here", tmp_path)
    path.write_text("def loss(p, t, *, weight: Annotated[float, Interval(ge=0, le=2)] | None = 1.0): ...\n")
    assert components.resolve("objective", {"kind": "mine", "weight": 2}, "here", tmp_path)["weight"] == 2.0
    with pytest.raises(UserError, match=r"here: objective.weight: expected a number from 0 to 2 or null, found 3"):
        components.resolve("objective", {"kind": "mine", "weight": 3}, "here", tmp_path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_without_a_range_is_finite_all_the_same(value: float, tmp_path: Path) -> None:
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives/mine.py").write_text("def loss(p, t, *, weight: float = 1.0): ...\n")
    with pytest.raises(UserError, match=r"objective.weight: expected a number, found -?(nan|inf)"):
        components.resolve("objective", {"kind": "mine", "weight": value}, "here", tmp_path)


def test_reading_a_type_runs_nothing() -> None:
    for text in ("__import__('os').getcwd()", "().__class__", "(lambda: 1)()", "Positive.__metadata__", "print(1)"):
        with pytest.raises(UserError, match="is no type that the plan can check"):
            annotations.read(text)


# -- counted in epochs


@pytest.fixture
def cosine(folder: Path) -> Path:
    """The paper with a cosine of 300 epochs and 10 of warm-up, at a scale that shortens 300 epochs to 6."""
    change(folder / "papers/mine.yaml", "defaults", "schedule", value={"kind": "cosine", "epochs": 300})
    change(folder / "scales/small.yaml", "epochs", value={100: 2, 300: 6})
    return folder


def schedules(extend: Path, scale: str = "small") -> list[dict[str, Any]]:
    return [run.run["schedule"] for run in planned(f"results/{scale}/mine/t.csv", extend=str(extend)).runs.values()]


def test_a_scale_maps_what_counts_epochs_as_it_maps_epochs(cosine: Path) -> None:
    assert {s["epochs"] for s in schedules(cosine, "paper")} == {300}
    for schedule in schedules(cosine):
        assert schedule["epochs"] == 6 and schedule["warmup"] == pytest.approx(10 * 2 / 100)


def test_what_the_scale_says_itself_is_in_its_own_epochs(cosine: Path) -> None:
    change(cosine / "scales/small.yaml", "every_run", "schedule", value={"epochs": 4})
    assert {s["epochs"] for s in schedules(cosine)} == {4}


def test_a_swept_warm_up_is_in_the_papers_epochs(cosine: Path) -> None:
    change(cosine / "papers/mine.yaml", "artifacts", "t", "published", value=None)
    change(cosine / "papers/mine.yaml", "axes", "warmup", value="schedule.warmup")
    change(cosine / "papers/mine.yaml", "artifacts", "t", "rows", value={"method": ["sgd"], "warmup": [0, 50]})
    change(cosine / "scales/small.yaml", "every_run", "schedule", value={"warmup": 3.0})
    change(cosine / "scales/small.yaml", "baselines", value=False)
    assert {s["warmup"] for s in schedules(cosine)} == {0.0, 1.0}


# -- what a scale overrides


def params(extend: Path, scale: str, *path: str) -> set[Any]:
    found = set()
    for run in planned(f"results/{scale}/mine/t.csv", extend=str(extend)).runs.values():
        value: Any = run.run
        for part in path:
            value = value.get(part)
        found.add(value)
    return found


def test_a_sweep_wins_over_a_scale_that_ships_and_for_its_artifact_alone(folder: Path) -> None:
    before = planned("results/tiny/directpred/table8.csv").runs
    change(folder / "papers/mine.yaml", "artifacts", "t", "published", value=None)
    change(folder / "papers/mine.yaml", "axes", "lr", value="optimizer.lr")
    change(folder / "papers/mine.yaml", "artifacts", "t", "rows", value={"method": ["sgd"], "lr": [0.05, 0.2]})
    assert params(folder, "tiny", "optimizer", "lr") == {0.05, 0.2, 0.1}  # baselines have the scale's
    assert params(folder, "tiny", "encoder", "kind") >= {"tiny_conv"}
    assert planned("results/tiny/directpred/table8.csv", extend=str(folder)).runs == before


def test_a_swept_parameter_stays_where_the_scale_sets_another_kind(folder: Path) -> None:
    change(folder / "scales/small.yaml", "baselines", value=False)
    change(folder / "papers/mine.yaml", "artifacts", "t", "published", value=None)
    change(folder / "scales/small.yaml", "every_run", "optimizer", value={"kind": "adam", "lr": 0.001})
    change(folder / "papers/mine.yaml", "axes", "lr", value="optimizer.lr")
    change(folder / "papers/mine.yaml", "artifacts", "t", "rows", value={"method": ["sgd"], "lr": [0.05, 0.2]})
    assert params(folder, "small", "optimizer", "kind") == {"adam"}
    assert params(folder, "small", "optimizer", "lr") == {0.05, 0.2}


def test_a_swept_kind_leaves_out_what_the_scale_sets_for_another(folder: Path) -> None:
    change(folder / "scales/small.yaml", "baselines", value=False)
    change(folder / "papers/mine.yaml", "artifacts", "t", "published", value=None)
    change(folder / "scales/small.yaml", "every_run", "optimizer", value={"kind": "adam", "lr": 0.001})
    change(folder / "papers/mine.yaml", "artifacts", "t", "rows", value={"method": ["sgd"], "optimizer": ["s", "l"]})
    change(
        folder / "papers/mine.yaml", "axes", "optimizer",
        value={"s": {"optimizer": {"kind": "sgd", "lr": 0.3}}, "l": {"optimizer": {"kind": "lars"}}},
    )  # fmt: skip
    assert params(folder, "small", "optimizer", "kind") == {"sgd", "lars"}
    assert params(folder, "small", "optimizer", "lr") == {0.3, 0.2}
    change(folder / "papers/mine.yaml", "axes", "optimizer", value="optimizer.momentum")
    change(folder / "papers/mine.yaml", "artifacts", "t", "rows", value={"method": ["sgd"], "optimizer": [0.0, 0.5]})
    assert params(folder, "small", "optimizer", "kind") == {"sgd"}, "adam has no momentum to sweep"
    assert params(folder, "small", "optimizer", "momentum") == {0.0, 0.5}


def said(extend: Path, scale: str = "small") -> list[str]:
    return overridden.lines(planned(f"results/{scale}/mine/t.csv", extend=str(extend)))


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def test_an_edit_without_effect_is_said(folder: Path) -> None:
    shown = folder / "papers/mine.yaml"
    lr = f"optimizer.lr: 0.3 in {shown} has no effect at small, which sets 0.1"
    assert f"optimizer.lr: 0.03 in {shown} has no effect at small, which sets 0.1" in said(folder), "Git knows nothing"
    git(folder, "init", "-q"), git(folder, "add", "-A"), git(folder, "commit", "-qm", "as it was")
    assert said(folder) == []
    change(shown, "defaults", "optimizer", "lr", value=0.3)
    assert said(folder) == [lr]
    change(shown, "artifacts", "t", "seeds", value=7)
    change(shown, "measures", "linear_top1", "measure", "epochs", value=60)
    change(shown, "datasets", "cifar10", "encoder", value={"stem": "stock"})
    assert said(folder) == [
        f"linear_probe.epochs: 60 in {shown} has no effect at small, which sets 5",
        lr,
        f"seeds: 7 in {shown} has no effect at small, which sets 2",
    ]
    assert said(folder, "paper") == []


def test_an_edit_with_an_effect_is_not(folder: Path) -> None:
    git(folder, "init", "-q"), git(folder, "add", "-A"), git(folder, "commit", "-qm", "as it was")
    change(folder / "papers/mine.yaml", "methods", "directpred", "predictor", "rho", value=0.5)
    assert said(folder) == []


def test_what_a_file_inherits_is_not_said_of_it(folder: Path) -> None:
    shown = folder / "papers/other.yaml"
    mine = yaml.safe_load((folder / "papers/mine.yaml").read_text())
    artifacts, measures = mine["artifacts"], mine["measures"]
    shown.write_text(
        yaml.safe_dump(
            {"paper": "other", "like": "mine", "title": "t", "authors": "a", "year": 2026, "artifacts": artifacts}
        )
    )

    def said_of_it() -> list[str]:
        plan = planned("results/small/other/t.csv", extend=str(folder))
        assert overridden.summaries(plan)[0].startswith(
            f"small sets in place of {shown}, like {folder}/papers/mine.yaml: "
        )
        return overridden.lines(plan)

    assert all(line.startswith("seeds: ") for line in said_of_it()), "artifacts are its own"
    change(shown, "defaults", value={"optimizer": {"lr": 0.3}})
    measures["linear_top1"]["measure"] = {"kind": "linear_probe", "epochs": 60}
    change(shown, "measures", value={"linear_top1": measures["linear_top1"]})
    assert [line for line in said_of_it() if not line.startswith("seeds: ")] == [
        f"linear_probe.epochs: 60 in {shown} has no effect at small, which sets 5",
        f"optimizer.lr: 0.3 in {shown} has no effect at small, which sets 0.1",
    ]


def test_plan_and_why_say_it(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    git(project.root, "init", "-q"), git(project.root, "add", "-A"), git(project.root, "commit", "-qm", "as it was")
    sentence = "optimizer.lr: 0.3 in params/papers/directpred.yaml has no effect at quick, which sets 0.1"
    assert sentence not in project.pipeline("plan", "results/table8.csv").stdout
    project.edit("params/papers/directpred.yaml", "lr: 0.03, momentum", "lr: 0.3, momentum")
    told = project.pipeline("plan", "results/table8.csv").stdout.splitlines()
    assert sentence in told
    assert any(line.startswith("quick sets in place of params/papers/directpred.yaml: batch_size, ") for line in told)
    assert project.pipeline("why", "results/table8.csv").stdout.splitlines()[0] == sentence
    listed = json.loads(project.pipeline("plan", "results/table8.csv", "--json").stdout)["overridden"]
    assert {"path": "optimizer.lr", "declared": "0.3", "value": "0.1"}.items() <= next(
        one for one in listed if one["path"] == "optimizer.lr"
    ).items()


# -- files

TWOFOLD = ["010", "1:30", "12:30:15", "0x1F", "0o17", "0b11", "1_000", "1_000.5", "08", "00", "01.5", "2026-01-01",
           "2026-01-01 10:00:00", "True", "FALSE", "Null", "1__0", "-012", "+0x1f"]  # fmt: skip


@pytest.mark.parametrize("word", TWOFOLD)
def test_yaml_with_two_readings_is_refused(word: str) -> None:
    with pytest.raises(UserError, match=r"^f\.yaml:2: not readable as YAML: .* has two readings; write ") as error:
        yaml_files.parse(f"a: 1\nb: {word}\n", "f.yaml")
    assert f'or "{word}" if it is text' in str(error.value)
    assert yaml_files.parse(f'b: "{word}"', "f.yaml") == {"b": word}


@given(st.integers(-(10**18), 10**18))
def test_whole_numbers_are_decimal(number: int) -> None:
    assert yaml_files.parse(f"a: {number}", "f") == {"a": number}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back(number: float) -> None:
    found = yaml_files.parse(f"a: {number!r}", "f")["a"]
    assert found == number and isinstance(found, float)


def test_merge_keys_merge_and_what_stands_beside_them_wins() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\n"
    assert yaml_files.parse(text + "z: {<<: *x, b: 3}", "f")["z"] == {"a": 1, "b": 3}
    assert yaml_files.parse(text + "z: {b: 3, <<: *x}", "f")["z"] == {"a": 1, "b": 3}
    assert yaml_files.parse(text + "z: {<<: [*x, *y]}", "f")["z"] == {"a": 1, "b": 1, "c": 2}
    for wrong in ("z: {<<: 3}", "z: {<<: *x, <<: *y}", "z: {b: 1, b: 2}", "z: {[1]: 2}", "z: {~: 2}", "z: {{a: 1}: 2}"):
        with pytest.raises(UserError, match=r"^f:3: not readable as YAML: "):
            yaml_files.parse(text + wrong, "f")


def test_what_editors_leave_is_no_declaration(folder: Path) -> None:
    (folder / "objectives").mkdir()
    for name in (
        "papers/.#mine.yaml",
        "papers/._mine.yaml",
        "papers/.mine.yaml.swp",
        "scales/.#small.yaml",
        "papers/mine.yaml~",
    ):
        (folder / name).write_text("{ this is: [no YAML")
    (folder / "objectives/.#mine.py").write_text("neither Python")
    planned("results/small/mine/t.csv", extend=str(folder))
    catalogue = Catalogue(Options(extend=str(folder)))
    assert {"mine"} == catalogue.papers.keys() - Catalogue(Options()).papers.keys()
    assert {"small"} == set(catalogue.scales) - set(Catalogue(Options()).scales)
    assert components.kinds("objective", folder) == components.kinds("objective")


CSV = "dataset,epochs,method,value,std,unit,source,note\nstl10,100,sgd,75.1,0.2,%,text,\n"
TABLES = [
    (b"\xef\xbb\xbf" + CSV.encode(), "theirs.csv: starts with a byte-order mark (UTF-8); save it as UTF-8 without one"),
    (CSV.encode("utf-16"), "theirs.csv: starts with a byte-order mark (UTF-16); save it as UTF-8 without one"),
    (CSV.replace(",", ";").encode(), "theirs.csv: columns are separated by semicolons; separate them by commas"),
    (CSV.replace(",", "\t").encode(), "theirs.csv: columns are separated by tabs; separate them by commas"),
    (CSV.replace("value", "vlaue").encode(), "theirs.csv: there is no column 'value'; did you mean vlaue?"),
    (CSV.replace("epochs", "epoch").encode(), "theirs.csv: there is no column 'epochs'; did you mean epoch?"),
    (CSV.replace("std", "sdt").encode(), "theirs.csv: the column 'sdt' is no axis; did you mean std?"),
    (CSV.replace("std", "value").encode(), "theirs.csv: the column 'value' stands there twice"),
    (CSV.replace("75.1", "75,1").encode(), "theirs.csv:2: 9 values in 8 columns; separate them by commas"),
    (CSV.replace("75.1", '"75,1"').encode(), "theirs.csv:2: value: expected a number such as 12.5, found '75,1'"),
    (CSV.replace("0.2", "±0.2").encode(), "theirs.csv:2: std: expected a number such as 12.5, found '±0.2'"),
    (CSV.replace("text,", "tëxt,").encode("latin-1"), "theirs.csv: not UTF-8"),
    (b"", "theirs.csv: is empty; its first line names the columns: value,"),
    (CSV.replace("text", '"text').encode(), "theirs.csv: not readable as CSV: "),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "words"), TABLES, ids=[words[:45] for _, words in TABLES])
def test_published_numbers_that_would_be_half_read_are_refused(folder: Path, raw: bytes, words: str) -> None:
    (folder / "published").mkdir()
    (folder / "published/theirs.csv").write_bytes(raw)
    change(folder / "papers/mine.yaml", "artifacts", "t", "published", value={"file": "theirs.csv"})
    assert words in refused(folder)


def test_published_numbers_are_read(folder: Path) -> None:
    (folder / "published").mkdir()
    (folder / "published/theirs.csv").write_bytes(CSV.replace("\n", "\r\n").encode())
    change(folder / "papers/mine.yaml", "artifacts", "t", "published", value={"file": "theirs.csv"})
    (artifact,) = planned("results/small/mine/t.csv", extend=str(folder)).artifacts.values()
    assert [(row["method"], row["value"], row["std"]) for row in artifact.params["published"]] == [
        ("sgd", "75.1", "0.2")
    ]


def test_planning_reads_every_paper_without_torch_and_types_once() -> None:
    """Types are built once each and not once per run: so ranges cost no noticeable time, whatever the scale."""
    catalogue = Catalogue(Options())
    Plan(catalogue, catalogue.built("paper"))
    built = annotations._known.cache_info().misses
    Plan(catalogue, catalogue.built("paper"))
    assert annotations._known.cache_info().misses == built < 130


@pytest.mark.parametrize(
    "layer", [{"optimizer": {"lr": 0.1, 10**30: 0.9}}, {"target": {None: 1}}, {"views": {"scale": [{1.5: "a"}]}}]
)
def test_a_key_that_is_no_name_is_told_before_params_are_compared(layer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(layer))}: expected a name in place of the key "):
        shaped(layer)


# -- values of an axis that differ by data set

AXIS = {"slow": {"optimizer": {"lr": 0.02}, "datasets": {"stl10": {"optimizer": {"lr": 0.005}, "batch_size": 64}}}}


@pytest.fixture
def apart(folder: Path) -> Path:
    """The paper with an axis whose value sets another rate on STL-10."""
    path = folder / "papers/mine.yaml"
    change(path, "axes", "pace", value=AXIS)
    rows = {"method": ["sgd"], "pace": ["slow"], "dataset": ["cifar10", "stl10"]}
    change(path, "artifacts", "t", value={"title": "T", "rows": rows, "fixed": {"epochs": 100}, "measure": "probe"})
    change(path, "flavours", value={})
    change(path, "measures", value={"probe": {"measure": {"kind": "linear_probe"}, "value": "top1_last"}})
    return folder


def test_an_axis_may_set_something_else_on_one_data_set(apart: Path) -> None:
    (artifact,) = (plan := planned("results/paper/mine/t.csv", extend=str(apart))).artifacts.values()
    runs = {cell["dataset"]: plan.runs[cell["nodes"][0].split("/")[1]].run for cell in artifact.params["cells"]}
    assert {name: run["optimizer"]["lr"] for name, run in runs.items()} == {"cifar10": 0.02, "stl10": 0.005}
    assert runs["stl10"]["batch_size"] == 64 != runs["cifar10"]["batch_size"]
    assert runs["stl10"]["optimizer"]["momentum"] == runs["cifar10"]["optimizer"]["momentum"]


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        ({"stl": {"batch_size": 64}}, "axes.pace.slow.datasets: did you mean stl10?"),
        ({"stl10": {"batch_size": -1}}, "axes.pace.slow.datasets.stl10: batch_size: expected"),
        ({"stl10": {"optimizer": {"lr": -1.0}}}, "axes.pace.slow.datasets.stl10: optimizer.lr: expected"),
        ({"stl10": 64}, "datasets: expected what is set on each, as {NAME: {...}}, found "),
        ({"stl10": {"optimizer": 3}}, "datasets.stl10: optimizer: expected the name of one"),
        ({"stl10": {"like": "sgd"}}, "datasets.stl10: like: expected params of a run"),
        ({"stl10": {"datasets": {}}}, "datasets.stl10: datasets: expected params of a run"),
    ],
)
def test_what_an_axis_sets_on_a_data_set_is_checked(apart: Path, datasets: dict[str, Any], words: str) -> None:
    change(apart / "papers/mine.yaml", "axes", "pace", "slow", "datasets", value=datasets)
    assert words in refused(apart)
