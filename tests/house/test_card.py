"""bench/card.py: parts that pass, fail, are cut off or not begun, and what stands of them in the record."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def card() -> ModuleType:
    where = importlib.util.spec_from_file_location("bench_card", ROOT / "bench/card.py")
    assert where is not None and where.loader is not None
    module = importlib.util.module_from_spec(where)
    sys.modules["bench_card"] = module
    where.loader.exec_module(module)
    return module


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code)


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "card.jsonl").read_text().splitlines()]


def test_a_part_that_fails_or_is_cut_off_stops_no_other(card: ModuleType, tmp_path: Path) -> None:
    half = "import json, time; json.dump({'so far': 3}, open('{json}', 'w')); print('half'); time.sleep(60)"
    child = "import subprocess, sys, time; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    chosen = [
        card.Part("fails", python("print('about'); raise SystemExit(3)"), 20),
        card.Part("hangs", python(half.replace("{'so far': 3}", "dict(so_far=3)")), 2),
        card.Part("nests", python(child), 1),
        card.Part("works", python("import json; json.dump([1], open('{json}', 'w'))"), 20),
    ]
    began = time.monotonic()
    ended = card.run(chosen, 60, tmp_path)
    assert time.monotonic() - began < 30
    assert [one["status"] for one in ended] == ["failed (3)", "cut off", "cut off", "passed"]
    assert ended[0]["tail"] == ["about"] and ended[0]["result"] is None
    assert ended[1]["tail"] == ["half"] and ended[1]["result"] == {"so_far": 3}
    assert ended[3]["result"] == [1]
    lines = records(tmp_path)
    assert [(one["part"], one["status"]) for one in lines][:3] == [
        ("fails", "begun"),
        ("fails", "failed (3)"),
        ("hangs", "begun"),
    ]
    assert "half" in (tmp_path / "card.log").read_text()


def test_without_time_a_part_is_not_begun(card: ModuleType, tmp_path: Path) -> None:
    chosen = [card.Part("long", python("import time; time.sleep(1)"), 20), card.Part("late", python(""), 20)]
    ended = card.run(chosen, card.LEAST + 0.5, tmp_path)
    assert [one["status"] for one in ended] == ["passed", "not begun: no time was left"]


def test_parts_that_measure_no_time_run_side_by_side(card: ModuleType, tmp_path: Path) -> None:
    wait = (
        "import pathlib, time\n"
        "pathlib.Path('FOLDER/{}').touch()\n"
        "while not pathlib.Path('FOLDER/{}').exists(): time.sleep(0.05)"
    ).replace("FOLDER", str(tmp_path))
    both = [card.Part(a, python(wait.format(a, b)), 20, timed=False) for a, b in (("x", "y"), ("y", "x"))]
    alone = [card.Part(name, python(""), 20) for name in ("p", "q")]
    assert [len(group) for group in card.groups([alone[0], *both, alone[1]])] == [1, 2, 1]
    assert [one["status"] for one in card.run(both, 60, tmp_path)] == ["passed", "passed"]


@pytest.mark.slow
def test_a_failed_test_is_told_with_its_traceback(card: ModuleType, tmp_path: Path) -> None:
    test = tmp_path / "test_wrong.py"
    test.write_text("def test_wrong():\n    here = 41\n    assert here == 42\ndef test_right(): pass\n")
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path))
    ended = card.run([card.Part("tests", (*command, "--junitxml={junit}", str(test)), 60)], 60, tmp_path)
    result = ended[0]["result"]
    assert ended[0]["status"] == "failed (1)"
    assert (result["tests"], result["failures"], result["errors"], result["skipped"]) == (2, 1, 0, 0)
    assert "assert 41 == 42" in result["failed"]["test_wrong::test_wrong"]


def test_the_files_with_tests_of_a_gpu_are_found(card: ModuleType) -> None:
    found = card.testing_files()
    assert "tests/training/test_capture.py" in found and "tests/engine/test_dvc.py" not in found
    assert "tests/house/test_card.py" not in found


@pytest.mark.slow
def test_on_the_cpu_in_small(tmp_path: Path) -> None:
    command = [sys.executable, "bench/card.py", "--minutes", "2", "--out", str(tmp_path), "--device", "cpu"]
    unknown = subprocess.run([*command, "--only", "rates,wasy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert unknown.returncode == 2 and "expected some of rates, tests, ways" in unknown.stderr
    subprocess.run([*command, "--only", "rates,ways"], cwd=ROOT, check=True, timeout=200)
    rates, ways = (one for one in records(tmp_path) if one["status"] == "passed")
    assert rates["result"]["rates"]["copy, GB/s"] > 0.1
    losses = {one["way"]: one["losses"] for one in ways["result"]["ways"]}
    assert losses["bf16, eager"] == pytest.approx(losses["fp32, eager"], rel=0.02)
    assert {one["mode"] for one in ways["result"]["ways"]} == {"eager: the device is a CPU"}
