"""Everything that has to be known on a GPU, in the order of its value, within so many minutes.

    python bench/card.py --minutes N --out FOLDER [--only PART,PART] [--device cpu|cuda]

For whoever has a GPU for a quarter of an hour. Every part is a process of its own with a limit of time; a part that
fails or is cut off stops no other. What was found is written at once: FOLDER/card.jsonl has a line when a part begins
and one when it ends, with its numbers, also those of a part that was cut off in the middle; FOLDER/card.log has what
all parts printed. Parts that measure no time run side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
LEAST = 10.0
"""Seconds below which no part is begun."""
TAIL = 40
"""Last lines of a part's output that stand in its record."""
BENCH = [sys.executable, "-u"]
TESTERS = 6


@dataclass(frozen=True)
class Part:
    """Something to find out.

    Attributes:
        name: For ``--only``.
        command: What is called, in the checkout; ``{json}`` is the file for its numbers, ``{junit}`` that of pytest.
        limit: Seconds after which it is stopped.
        timed: Whether it measures time, and so has the machine for itself.
    """

    name: str
    command: tuple[str, ...]
    limit: float
    timed: bool = True


def bench(script: str, *arguments: str) -> tuple[str, ...]:
    """Command of a benchmark."""
    return (*BENCH, f"bench/{script}.py", "--json", "{json}", *arguments)


def testing_files() -> list[str]:
    """Files of tests that need a GPU; the others may need what is not installed where the GPU is."""
    marked = re.compile(r"^@pytest\.mark\.gpu|^pytestmark.*\bgpu\b", re.MULTILINE)
    found = sorted(path for path in ROOT.glob("tests/**/test_*.py") if marked.search(path.read_text(encoding="utf-8")))
    return [str(path.relative_to(ROOT)) for path in found]


def parts(device: str) -> list[Part]:
    """All parts, the most valuable first. A CPU has the same in small."""
    on = ("--device", device)
    tests = (
        *BENCH,
        "-m",
        "pytest",
        "-m",
        "gpu",
        "-n",
        str(TESTERS if device == "cuda" else 2),
        "--tb=long",
        "-p",
        "no:benchmark",
    )
    speed = [option for way in WAYS for option in ("--way", way)] if device == "cuda" else []
    cases = {
        "pretrain-128": "resnet18, batch 128, 2 views",
        "pretrain-512": "resnet18, batch 512, 2 views",
        "pretrain-views": "resnet18, batch 128, 4 views",
        "pretrain-large": "resnet50, batch 128, 2 views",
    }
    if device == "cpu":
        cases = {"pretrain-128": "tiny_conv 16x16, batch 128, 2 views"}
    quick = ("--seconds", "2") if device == "cuda" else ("--seconds", "0.1", "--rounds", "1")
    return [
        Part("rates", bench("rates", *on), 40),
        Part("tests", (*tests, "--junitxml={junit}", *testing_files()), 180, timed=False),
        Part("ways", bench("ways", *on, *(() if device == "cuda" else ("--steps", "50"))), 180, timed=False),
        *(Part(name, bench("pretrain", *on, "--only", case, *speed, *quick), 150) for name, case in cases.items()),
        Part("probe", bench("probe", *on, "--rounds", "1"), 90),
        *([Part("ntk", bench("ntk", "--only-large"), 90)] if device == "cuda" else []),
        Part("libraries", bench("libraries", *on), 120),
    ]


WAYS = ("ours bf16", "static bf16", "ours bf16, 4 seeds", "peers", "ours bf16, not fused", "ours bf16, deterministic")


class Record:
    """The two files of results; every line is there as soon as it is written."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lines = (folder / "card.jsonl").open("a", encoding="utf-8")
        self.log = (folder / "card.log").open("a", encoding="utf-8")

    def note(self, **line: Any) -> None:
        """Add a line of JSON."""
        self.lines.write(json.dumps(line) + "\n")
        self.lines.flush()
        os.fsync(self.lines.fileno())

    def tell(self, text: str) -> None:
        """Add to the log, and say it."""
        self.log.write(text + "\n")
        self.log.flush()
        print(text, flush=True)


class Going:
    """A part that was begun."""

    def __init__(self, part: Part, limit: float, folder: Path) -> None:
        self.part, self.limit, self.began = part, limit, time.monotonic()
        self.json, self.junit, self.output = (folder / f"{part.name}.{end}" for end in ("json", "junit.xml", "log"))
        for path in (self.json, self.junit):
            path.unlink(missing_ok=True)
        command = [word.format(json=self.json, junit=self.junit) for word in part.command]
        with self.output.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def end(self) -> dict[str, Any]:
        """Wait until it has ended or its time is up; its record."""
        status = "cut off"
        try:
            code = self.process.wait(max(0.0, self.limit - (time.monotonic() - self.began)))
            status = "passed" if code == 0 else f"failed ({code})"
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()
        text = self.output.read_text(encoding="utf-8", errors="replace")
        found: dict[str, Any] = {
            "part": self.part.name,
            "status": status,
            "seconds": round(time.monotonic() - self.began, 1),
            "limit": round(self.limit, 1),
            "result": read_json(self.json),
            "tail": text.splitlines()[-TAIL:],
        }
        if self.junit.is_file():
            found["result"] = read_junit(self.junit)
        return found

    def kill(self) -> None:
        """Stop it and all that it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                continue


def read_json(path: Path) -> Any:
    """What a part has written so far, or None."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_junit(path: Path) -> dict[str, Any]:
    """Counts of a run of pytest, and what failed with its traceback."""
    suites = list(ElementTree.parse(path).getroot().iter("testsuite"))  # our own file, just written
    kinds = ("tests", "failures", "errors", "skipped")
    counts = {kind: sum(int(suite.get(kind, 0)) for suite in suites) for kind in kinds}
    failed = {}
    for case in (case for suite in suites for case in suite.iter("testcase")):
        for wrong in (*case.iter("failure"), *case.iter("error")):
            failed[f"{case.get('classname')}::{case.get('name')}"] = (wrong.text or wrong.get("message") or "")[-6000:]
    return {**counts, "failed": failed}


def groups(chosen: Sequence[Part]) -> list[list[Part]]:
    """Parts that run side by side: neighbours that measure no time."""
    found: list[list[Part]] = []
    for part in chosen:
        if found and not part.timed and not found[-1][-1].timed:
            found[-1].append(part)
        else:
            found.append([part])
    return found


def run(chosen: Sequence[Part], seconds: float, folder: Path) -> list[dict[str, Any]]:
    """Take all parts; what of them ended how."""
    record, deadline = Record(folder), time.monotonic() + seconds
    ended = []
    for group in groups(chosen):
        left = deadline - time.monotonic()
        if left < LEAST:
            for part in group:
                ended.append({"part": part.name, "status": "not begun: no time was left"})
                record.note(**ended[-1])
            continue
        going = []
        for part in group:
            record.note(part=part.name, status="begun", limit=round(min(part.limit, left), 1))
            going.append(Going(part, min(part.limit, left), folder))
        try:
            for one in going:
                ended.append(one.end())
                record.note(**ended[-1])
                output = one.output.read_text(encoding="utf-8", errors="replace")
                record.tell(f"== {one.part.name}: {ended[-1]['status']}, {ended[-1]['seconds']} s\n{output}")
        finally:
            for one in going:
                one.kill()
    record.tell("\n".join(f"{one['part']:<16}{one['status']:<30}{one.get('seconds', '')}" for one in ended))
    return ended


def main() -> None:
    """Run what was asked for; exit with 1 where a part failed."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True, help="in all")
    parser.add_argument("--out", type=Path, required=True, help="where results go")
    parser.add_argument("--only", help="parts, with commas between them")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    known = parts(given.device)
    wanted = given.only.split(",") if given.only else [part.name for part in known]
    names = [part.name for part in known]
    for name in wanted:
        if name not in names:
            parser.error(f"--only: expected some of {', '.join(names)}, found {name!r}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [part for part in known if part.name in wanted]
    ended = run(chosen, 60 * given.minutes, given.out.resolve())
    sys.exit(any(one["status"] != "passed" for one in ended))


if __name__ == "__main__":
    main()
