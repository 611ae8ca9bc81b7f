"""What docs/speed.md claims about many ``.dvc`` files: DVC's status, and what they cost when the Snakefile is read.

    python bench/tracking.py [--files N]

A repository is made by hand: receipts and payload of runs with two milestones, tracked as the executor tracks them.
Seconds are CPU time of this process and of those that it starts, so a busy machine gives the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline import files  # noqa: E402
from pipeline.ledger import receipt  # noqa: E402
from pipeline.ledger.store import Store  # noqa: E402
from pipeline.ledger.tracking import Tracking  # noqa: E402
from pipeline.ledger.workspace import Workspace, checkpoint  # noqa: E402

DVC = str(Path(sys.executable).parent / "dvc")
NAMES = ("model.safetensors", "state.safetensors", "history.csv", "summary.json")
BOUNDS = {"dvc status, payload absent": 15.0, "dvc status, payload in place": 15.0, "dvc status, again": 15.0}


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def made(root: Path, count: int) -> list[str]:
    """Receipts and payload of ``count`` runs; returns their folders."""
    store, folders = Store(root), []
    for number in range(count):
        for epoch in (100, 300):
            node = checkpoint(f"run-{number:05d}", 0, epoch)
            outputs = {}
            for name in NAMES:
                path = root / node.name / name
                files.write(path, f"{node.name} {name}")
                outputs[name] = files.hashes(path)
                store.put(path, outputs[name])
            parts = {"stage": "pretrain", "node": node.name, "code": {}, "params": {}, "inputs": {}}
            parts |= {"seed": 0, "epoch": epoch}
            key = receipt.key_of("pretrain", {}, {}, {}, 0, epoch)
            files.write(root / node.receipt, files.dumps(receipt.make(key, parts, outputs)))
            files.write(root / node.execution, files.dumps({"seconds": 1.0}))
        folders.append(f"checkpoints/run-{number:05d}/seed0")
    return folders


def main() -> int:
    """Measure, print as JSON, and fail where a bound is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help=".dvc files")
    arguments = parser.parse_args()
    found: dict[str, float] = {}

    def timed(what: str, *command: str) -> None:
        wall, used = time.perf_counter(), cpu()
        if command:
            environ = os.environ | {"DVC_NO_ANALYTICS": "1"}
            subprocess.run(command, cwd=root, check=True, capture_output=True, env=environ)
        else:
            assert tracking.repair(folders) == [] or what.startswith("written")
        found[what] = round(cpu() - used, 2)
        found[f"{what} (wall)"] = round(time.perf_counter() - wall, 2)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".dvc").mkdir()
        for name in (".dvc/config", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, root / name)
        folders = made(root, arguments.files)
        tracking = Tracking(Workspace(root), Store(root))
        timed("written for the first time")
        timed("looked at, nothing changed")
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        timed("dvc status, payload in place", DVC, "status", "-q")
        timed("dvc status, again", DVC, "status", "-q")
        for path in (root / "checkpoints").glob("*/seed0"):
            shutil.rmtree(path)
        used, wall = cpu(), time.perf_counter()
        subprocess.run([DVC, "status", "-q"], cwd=root, check=False, capture_output=True)  # all deleted: status 1
        found["dvc status, payload absent"] = round(cpu() - used, 2)
        found["dvc status, payload absent (wall)"] = round(time.perf_counter() - wall, 2)
    print(json.dumps(found, indent=1))
    exceeded = [what for what, bound in BOUNDS.items() if found[what] > bound]
    for what in exceeded:
        print(f"{what}: {found[what]} s, bound {BOUNDS[what]} s", file=sys.stderr)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
