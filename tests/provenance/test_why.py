"""Why a stage would execute: the param, the function or the input, and what is at the bottom of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import DUEL, Project

from pipeline.ledger import fingerprint
from pipeline.ledger.outlines import Outlines, compare
from pipeline.ledger.store import Store
from pipeline.provenance import differences

CONFIG = ("--config", "scale=mini")
STEP = "pipeline/training/step.py"


def why(project: Project) -> str:
    return project.pipeline("why", "mini/duel", *CONFIG).stdout


def entries(project: Project) -> dict[str, list[dict]]:
    """Stage -> what is said about its nodes."""
    found: dict[str, list[dict]] = {}
    for entry in json.loads(project.pipeline("why", "mini/duel", "--json", *CONFIG).stdout):
        found.setdefault(entry["stage"], []).append(entry)
    return found


def edit_step(project: Project) -> None:
    project.edit(STEP, "loss = self", "loss = 2 * self")
    path = project.root / STEP
    path.write_text(path.read_text() + "\n\nLIMIT = 3\n\n\ndef unused():\n    return LIMIT\n")


WORDS = "function TrainingStep._descend_part changed; function unused is new; module level changed"


def test_the_functions_that_changed_are_named_from_the_store(built):
    kept = list((built.root / ".dvc/cache/outlines").glob("*/*.json"))
    assert len(kept) > 30
    edit_step(built)
    text = why(built)
    assert text.splitlines()[0] == f"because: module {STEP}: {WORDS} in 2 runs"
    assert f"    module: {STEP}: {WORDS}\n" in text
    for entry in entries(built)["pretrain"]:
        (reason,) = entry["reasons"]
        assert (reason["type"], reason["name"], reason["change"]) == ("module", STEP, "changed")
        assert reason["functions"] == [
            {"name": "function TrainingStep._descend_part", "change": "changed"},
            {"name": "function unused", "change": "is new"},
            {"name": "module level", "change": "changed"},
        ]
        assert reason["old"] != reason["new"] == fingerprint.digest((built.root / STEP).read_bytes())


def test_the_functions_are_found_in_git_where_the_store_has_none(built):
    shutil.rmtree(built.root / ".dvc/cache/outlines")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    built.call("git", "init", "-q", "-b", "main")
    for number in range(3):  # the version of the receipt is not the newest, and comments hide nothing
        built.call("git", "add", "-A")
        built.call("git", *identity, "commit", "-q", "-m", str(number))
        path = built.root / STEP
        path.write_text(path.read_text() + f"\n# {number}\n" + ("\nLATER = 1\n" if number == 1 else ""))
    built.edit(STEP, "\nLATER = 1\n", "")
    edit_step(built)
    assert f"module: {STEP}: {WORDS}" in why(built)
    shutil.rmtree(built.root / ".git")
    assert f"    module: {STEP} changed\n" in why(built)


@pytest.mark.slow
def test_a_changed_param_is_at_the_bottom_of_a_stale_table(built):
    built.edit("params/papers/mini.yaml", "rho: 0.3}", "rho: 0.5}")
    text = why(built)
    assert text.splitlines()[0] == "because: param predictor.rho 0.3 -> 0.5 in 1 run"
    assert text.count("because:") == 1
    assert "    param: predictor.rho: 0.3 -> 0.5  (against mini/direct, shapes for cifar10 as it was)" in text
    (table,) = entries(built)["table"]
    (cause,) = table["because"]
    assert (cause["name"], cause["old"], cause["new"], len(cause["nodes"])) == ("predictor.rho", 0.3, 0.5, 2)
    built.build(DUEL)
    assert why(built) == "up to date: no stage would execute\n"
    # everything is at hand, and only the table reads other runs
    built.edit("params/papers/mini.yaml", "rho: 0.5}", "rho: 0.3}")
    text = why(built)
    assert text.splitlines()[0] == "because: param predictor.rho 0.5 -> 0.3 in 1 run"
    assert "pretrain:" not in text
    assert "2 of 4 measurements are others than before" in text


@pytest.mark.slow
def test_a_table_is_compared_with_its_own_runs_and_not_with_those_that_look_alike(built):
    built.edit(
        "params/papers/mini.yaml",
        "  direct: {predictor",
        "  other: {like: plain, optimizer: {lr: 0.7}}\n  direct: {predictor",
    )
    built.edit("params/papers/mini.yaml", "[plain, direct]}\n    columns", "[plain, direct, other]}\n    columns")
    built.build(DUEL)
    built.edit("params/papers/mini.yaml", "lr: 0.1,", "lr: 0.69,")
    lines = [line for line in why(built).splitlines() if line.startswith("because:")]
    assert lines == ["because: param optimizer.lr 0.1 -> 0.69 in 2 runs"]


def test_a_changed_protocol_and_a_changed_data_set(built):
    built.edit("params/scales/mini.yaml", "{linear_probe: {epochs: 2}}", "{linear_probe: {epochs: 3}}")
    assert why(built).splitlines()[0] == "because: param measure.epochs 2 -> 3 in 4 measurements"
    built.edit("params/scales/mini.yaml", "train: 96", "train: 128")
    lines = [line for line in why(built).splitlines() if line.startswith("because:")]
    assert lines == [
        "because: param measure.epochs 2 -> 3 in 4 measurements",
        "because: param source.train 96 -> 128 in 1 data set",
    ]


def test_what_is_equal_as_json_is_no_difference_and_lists_are_told_by_element(built):
    claim = "{text: Direct beats plain, greater: [direct, plain], for_each: [epochs]}"
    built.edit(
        "params/papers/mini.yaml",
        "    baselines: false\n  early:",
        f"    baselines: false\n    claims: [{claim}]\n  early:",
    )
    assert "    param: claims[0] is new ({" in why(built)
    assert built.build(DUEL) == {"table": 1}
    assert why(built) == "up to date: no stage would execute\n"
    built.edit("params/papers/mini.yaml", "Direct beats plain", "Direct beats the plain one")
    (table,) = entries(built)["table"]
    assert [(r["name"], r["old"], r["new"]) for r in table["reasons"]] == [
        ("claims[0].text", "Direct beats plain", "Direct beats the plain one")
    ]
    assert (
        why(built).splitlines()[-1] == '    param: claims[0].text: "Direct beats plain" -> "Direct beats the plain one"'
    )
    built.edit("params/papers/mini.yaml", "Direct beats the plain one", "Direct beats plain")
    path = built.root / "pipeline/artifacts/table.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 1\n")
    (table,) = entries(built)["table"]
    assert [r["text"] for r in table["reasons"]] == ["module: pipeline/artifacts/table.py: module level changed"]


def test_nothing_there_yet_is_a_reason_too(project):
    from conftest import add_mini

    add_mini(project)
    lines = why(project).splitlines()
    assert lines[0] == "because: never built at this scale: no receipt yet of 1 data set and 2 runs"
    assert "table: results/mini/mini/duel: to execute" in lines


def test_what_was_never_built_is_compared_with_no_other_scale(built):
    scales = built.root / "params/scales"
    (scales / "other.yaml").write_text((scales / "mini.yaml").read_text().replace("train: 96", "train: 128"))
    asked = ("why", "mini/duel", "--config", "scale=other")
    lines = built.pipeline(*asked).stdout.splitlines()
    assert [line for line in lines if line.startswith("because:")] == [
        "because: never built at this scale: no receipt yet of 1 data set and 2 runs"
    ]
    assert not any("against" in line for line in lines) and lines[2] == "    receipt: there is none yet"
    (because,) = json.loads(built.pipeline(*asked, "--json").stdout)[-1]["because"]
    assert because["name"] == "never built at this scale" and len(because["nodes"]) == 5
    # with a data set in place it is compared: what is new is a run of it
    built.edit("params/scales/other.yaml", "train: 128", "train: 96")
    built.edit("params/scales/other.yaml", "batch_size: 32", "batch_size: 16")
    assert built.pipeline(*asked).stdout.startswith("because: param batch_size 32 -> 16 in 2 runs\n")


# -- parts


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": (1, 2)}, {"a": [1, 2]}, []),
        ({"a": {"b": 1}}, {"a": {"b": 1.0}}, ["param: a.b: 1 -> 1.0"]),
        ({"a": True}, {"a": 1}, ["param: a: true -> 1"]),
        ({"a": None}, {}, ["param: a is gone (null)"]),
        ({}, {"a": {"b": "x", "c": []}}, ['param: a.b is new ("x")', "param: a.c is new ([])"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["param: a: [1, 2] -> [1, 3]"]),
        ({"a": "none"}, {"a": {"kind": "x"}}, ['param: a: "none" -> {"kind": "x"}']),
        ({"a": [{"t": 1}, {"t": 2}]}, {"a": [{"t": 0}, {"t": 1}, {"t": 2}]}, ['param: a[0] is new ({"t": 0})']),
        ({"a": [{"t": 1}, {"t": 2}]}, {"a": [{"t": 2}]}, ['param: a[0] is gone ({"t": 1})']),
        ({"a": [{"t": 1, "u": [1]}]}, {"a": [{"t": 1, "u": [2]}]}, ["param: a[0].u: [1] -> [2]"]),
        ({"cells": [{"nodes": ["x"], "role": "r"}]}, {"cells": [{"nodes": ["y"], "role": "r"}]}, []),
    ],
)
def test_differences_of_params(old, new, lines):
    found = differences.declared({"params": old, "code": {}}, {"params": new, "code": {}})
    assert [reason.line() for reason in found] == lines


SOURCE = '''
"""A module."""
import os

LIMIT = 1


def free(x):
    """Say x."""
    return x


class Thing(Base):
    size = 3

    @property
    def name(self):
        return "a"

    @name.setter
    def name(self, value):
        pass

    class Inner:
        def deep(self):
            return 1
'''


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"""Say x."""', '"""Say something."""  # else', None),
        ("LIMIT = 1", "LIMIT = 2", [("module level", "changed")]),
        ("import os\n", "import sys\n", [("module level", "changed")]),
        ("return x", "return -x", [("function free", "changed")]),
        ("def free(x)", "def free(x=1)", [("function free", "changed")]),
        ("def free(", "def bound(", [("function bound", "is new"), ("function free", "is gone")]),
        ("size = 3", "size = 4", [("body of class Thing", "changed")]),
        ("Thing(Base)", "Thing(Other)", [("body of class Thing", "changed")]),
        ('return "a"', 'return "b"', [("function Thing.name", "changed")]),
        ("        pass", "        self.x = value", [("function Thing.name", "changed")]),
        ("return 1", "return 2", [("function Thing.Inner.deep", "changed")]),
        ("class Inner", "class Outer", [("class Thing.Inner", "is gone"), ("class Thing.Outer", "is new")]),
        ("class Thing(", "class Matter(", [("class Matter", "is new"), ("class Thing", "is gone")]),
    ],
)
def test_outlines(old, new, told):
    assert SOURCE.count(old) == 1
    changed = SOURCE.replace(old, new)
    assert (fingerprint.digest(changed) == fingerprint.digest(SOURCE)) == (told is None)
    before, after = fingerprint.outline(SOURCE), fingerprint.outline(changed)
    if told is None:
        assert before == after
    else:
        assert sorted(compare(before, after)) == sorted(told)


def test_the_order_of_functions_is_told_too():
    one, two = "def a():\n    return 1\n", "def b():\n    return 2\n"
    assert fingerprint.digest(one + two) != fingerprint.digest(two + one)
    assert compare(fingerprint.outline(one + two), fingerprint.outline(two + one)) == [
        ("order of definitions", "changed")
    ]


def test_a_version_that_is_nowhere_is_not_made_up(tmp_path: Path):
    (tmp_path / "m.py").write_text("x = 1\n")
    history = Outlines(Store(tmp_path), tmp_path)
    digest = fingerprint.digest("x = 1")
    assert history.outline("m.py", digest) == fingerprint.outline("x = 1")
    assert history.functions("m.py", "0" * 16, digest) == []
    assert history.functions("m.py", None, digest) == []
    assert history.outline("../etc/passwd", "0" * 16) is None
