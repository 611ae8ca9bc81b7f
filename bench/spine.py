"""What docs/speed.md claims about speed and memory of the spine, measured in one run on this machine.

    python bench/spine.py [--scale SCALE] [--json FILE]

Everything happens in a temporary copy of the project. Ratios are of medians within this run; imports are the sum of
Python's own import times over all processes of the build, and what the server from which jobs fork takes itself.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second call finds what the first has compiled

PARTS = ("Snakefile", "pipeline", "rules", "params", "profiles", ".dvc/config")
SNAKEMAKE = [sys.executable, "-m", "snakemake"]

_PR_SET_CHILD_SUBREAPER = 36


def copy(folder: Path) -> Path:
    """The project's own files in a fresh folder."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return folder


def adopt() -> None:
    """Become the parent of what outlives its parent: the server from which jobs fork counts like any other child."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def server() -> tuple[float, float]:
    """End the server from which jobs fork; CPU seconds that it and its forks have taken."""
    own = forks = 0.0
    for child in psutil.Process().children():
        if any(part.endswith("forkserver/server.py") for part in child.cmdline()):
            times = child.cpu_times()
            own += times.user + times.system
            forks += times.children_user + times.children_system
            child.terminate()
            child.wait(10)
    return own, forks


class Memory(threading.Thread):
    """Peak of the memory of all child processes together, sampled; pages that they share count once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.done = threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self.done.wait(0.2):
            total = 0
            for child in me.children(recursive=True):
                try:
                    total += child.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)


def run(command: list[str], folder: Path, **environ: str) -> tuple[float, float, str]:
    """Wall-clock seconds, CPU seconds, and the standard error of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


def median(command: list[str], folder: Path, times: int = 3) -> float:
    """Median wall-clock seconds of a command."""
    return statistics.median(run(command, folder)[0] for _ in range(times))


def imports(text: str) -> float:
    """Seconds of imports in the output of ``PYTHONPROFILEIMPORTTIME``."""
    return sum(int(number) for number in re.findall(r"^import time:\s+(\d+) \|", text, re.MULTILINE)) / 1e6


def build(folder: Path, target: str, scale: str) -> dict[str, float]:
    """Build an artifact from nothing."""
    memory = Memory()
    memory.start()
    command = [*SNAKEMAKE, target, "--cores", "2", "--config", f"scale={scale}"]
    runtime = folder.with_name("runtime")
    runtime.mkdir()
    wall, cpu, text = run(command, folder, PYTHONPROFILEIMPORTTIME="1", XDG_RUNTIME_DIR=str(runtime))
    memory.done.set()
    own, forks = server()
    cpu += own + forks
    return {
        "build_s": wall,
        "build_cpu_s": cpu,
        "build_peak_gb": memory.peak / 1e9,
        "import_share_of_cpu": (imports(text) + own) / cpu,  # of a server's own time all is imports
    }


def restored(folder: Path) -> dict[str, float]:
    """Restore one training from the store, as a stage of its own."""
    receipts = sorted(folder.glob("receipts/checkpoints/*/seed0/epoch*.json"))
    receipt = next(path for path in receipts if not path.name.endswith(".execution.json"))
    name = receipt.relative_to(folder)
    payload = folder / str(name).removeprefix("receipts/").removesuffix(".json")
    seconds = []
    for _ in range(5):
        shutil.rmtree(payload)
        command = [sys.executable, "-X", "importtime", "-m", "pipeline", "pretrain", str(name)]
        wall, _, text = run(command, folder)
        if re.search(r"\|\s+torch$", text, re.MULTILINE):
            sys.exit("a restored stage imported torch")
        seconds.append(wall)
    return {"restored_stage_s": statistics.median(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="quick", help="scale of the build (default: quick)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    arguments = parser.parse_args()
    adopt()
    with tempfile.TemporaryDirectory() as temporary:
        folder = copy(Path(temporary) / "project")
        empty = Path(temporary) / "empty"
        empty.mkdir()
        (empty / "Snakefile").write_text("")
        found = build(folder, "results/table8.csv", arguments.scale)
        base = median([*SNAKEMAKE, "--cores", "2"], empty)
        noop = median(
            [*SNAKEMAKE, "results/table8.csv", "--cores", "2", "--config", f"scale={arguments.scale}"], folder
        )
        names = [f"results/paper/directpred/{name}.csv" for name in _artifacts()]
        dry = median([*SNAKEMAKE, *names, "-n", "-q", "--cores", "2", "--config", "scale=paper"], folder)
        found |= {
            "empty_snakefile_s": base,
            "noop_s": noop,
            "noop_ratio": noop / base,
            "dry_run_paper_s": dry,
            "dry_run_paper_ratio": dry / base,
        }
        found |= restored(folder)
        found["plan_everything_paper_s"] = statistics.median(planned() for _ in range(3))
    limits = {
        "build_s": 360,
        "build_peak_gb": 4,
        "import_share_of_cpu": 1 / 3,
        "noop_ratio": 1.4,
        "dry_run_paper_ratio": 4,
        "restored_stage_s": 0.5,
        "plan_everything_paper_s": 3,
    }
    for name, value in found.items():
        limit = limits.get(name)
        verdict = "" if limit is None else f"   at most {limit:.3g}: {'holds' if value <= limit else 'DOES NOT HOLD'}"
        print(f"{name:<24}{value:>10.3f}{verdict}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def planned() -> float:
    """Seconds to plan every artifact of all papers at scale paper, once Python has started."""
    text = (
        "import time; from pipeline.planning.catalogue import Catalogue; "
        "from pipeline.planning.options import Options; "
        "from pipeline.planning.plan import Plan; started = time.perf_counter(); known = Catalogue(Options()); "
        "Plan(known, known.built('paper')); print(time.perf_counter() - started)"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _artifacts() -> list[str]:
    from pipeline.planning.catalogue import Catalogue
    from pipeline.planning.options import Options

    return sorted(Catalogue(Options()).papers["directpred"].artifacts)


if __name__ == "__main__":
    main()
