"""What docs/speed.md claims about the speed of audit, verify and restore, measured in one run on this machine.

    python bench/provenance.py [--json FILE]

Table 8 at scale quick is built first in this checkout if it is not there. The tree that is restored is synthetic:
1,250 milestones of four files, 5,000 files in all; ``snakemake --touch`` is timed on fewer files, and told per file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline import files  # noqa: E402
from pipeline.ledger import naming, receipt  # noqa: E402
from pipeline.ledger.store import Store  # noqa: E402
from pipeline.ledger.workspace import Node, Workspace, checkpoint  # noqa: E402
from pipeline.provenance.restore import restore  # noqa: E402

TABLE = "results/quick/directpred/table8.csv"
NAMES = ("model.safetensors", "state.safetensors", "history.csv", "summary.json")
TOUCHED = 120

SNAKEFILE = """
rule all:
    input: expand("out/{{k}}.txt", k=range({count}))

rule one:
    output: "out/{{k}}.txt"
    shell: "echo {{wildcards.k}} > {{output}}"
"""


def timed(*command: str, cwd: Path = ROOT, repeat: int = 3) -> float:
    """Median seconds of a command that must succeed."""
    found = []
    for _ in range(repeat):
        started = time.perf_counter()
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def tree(root: Path, nodes: int) -> dict[str, dict]:
    """Milestones with their payload in place and receipts that vouch for it."""
    found = {}
    params = {"encoder": {"kind": "e"}, "predictor": {"kind": "p"}, "target": {"kind": "t"}}
    data = {"node": "data/d-00000000", "content": "0" * 64, "files": []}
    config = naming.run(params, "d-00000000", "d", True)
    for number in range(nodes):
        node = checkpoint(config, number // 10, number % 10)
        outputs = {}
        for name in NAMES:
            path = root / node.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(20_000))
            outputs[name] = files.hashes(path)
        key = receipt.key_of("pretrain", {}, params, {"data": data["content"]}, node.seed, node.epoch)
        parts = {"stage": "pretrain", "node": node.name, "code": {}, "params": params, "inputs": {"data": data}}
        found[node.name] = receipt.make(key, {**parts, "seed": node.seed, "epoch": node.epoch}, outputs)
        files.write(root / node.receipt, files.dumps(found[node.name]))
    return found


def restoring() -> dict[str, float]:
    """Seconds to verify and to restore 5,000 files, to hash them, and to touch them with snakemake."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        receipts = tree(root, 1250)
        workspace, store = Workspace(root), Store(root)
        for name, found in receipts.items():
            for file, entry in found["outputs"].items():
                store.put(root / name / file, entry)
        paths = [root / name / file for name, found in receipts.items() for file in found["outputs"]]
        started = time.perf_counter()
        for path in paths:
            files.sha256(path)
        hashing = time.perf_counter() - started
        started = time.perf_counter()
        assert restore(workspace, receipts).intact == len(receipts)
        verifying = time.perf_counter() - started
        shutil.rmtree(root / "checkpoints")
        started = time.perf_counter()
        assert len(restore(workspace, receipts).restored) == len(receipts)
        copying = time.perf_counter() - started
        assert all((root / Node(name).receipt).is_file() for name in receipts)
        lonely = root / "touch"
        lonely.mkdir()
        (lonely / "Snakefile").write_text(SNAKEFILE.format(count=TOUCHED))
        snakemake = (sys.executable, "-m", "snakemake", "--cores", "2", "-q")
        subprocess.run(snakemake, cwd=lonely, check=True, capture_output=True)
        idle = timed(*snakemake, "-n", cwd=lonely)
        touching = timed(*snakemake, "--touch", "--forceall", cwd=lonely, repeat=1) - idle
    touch = touching / TOUCHED
    return {
        "files": len(paths),
        "hash_seconds": hashing,
        "verify_seconds": verifying,
        "restore_seconds": copying,
        "verify_to_hash": verifying / hashing,
        "touch_seconds_per_file": touch,
        "times_faster_than_touch": touch * len(paths) / copying,
    }


def main() -> None:
    """Measure everything, print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    python = sys.executable
    subprocess.run((python, "-m", "snakemake", TABLE, "-q"), cwd=ROOT, check=True, capture_output=True)
    found: dict[str, float] = {"audit_seconds": timed(python, "-m", "pipeline", "audit", TABLE)}
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "table8.zip"
        found["bundle_seconds"] = timed(python, "-m", "pipeline", "bundle", TABLE, "-o", str(bundle), repeat=1)
        found["bundle_megabytes"] = bundle.stat().st_size / 1e6
        found["verify_bundle_seconds"] = timed(
            python, "-m", "pipeline", "verify", str(bundle), "--expect", files.sha256(bundle)
        )
    found |= restoring()
    rows = [
        ("audit of table8 at quick", f"{found['audit_seconds']:.2f} s", "2 s", found["audit_seconds"] < 2),
        ("bundle of it, without weights", f"{found['bundle_megabytes']:.2f} MB", "5 MB", found["bundle_megabytes"] < 5),
        ("verify of that", f"{found['verify_bundle_seconds']:.2f} s", "5 s", found["verify_bundle_seconds"] < 5),
        ("5,000 files in place: verified", f"{found['verify_seconds']:.2f} s", "", True),
        ("... against hashing them one by one", f"{found['verify_to_hash']:.1f} times", "3 times",
         found["verify_to_hash"] < 3),
        ("5,000 files absent: restored", f"{found['restore_seconds']:.2f} s", "", True),
        ("... against snakemake --touch", f"{found['times_faster_than_touch']:.0f} times faster", "20 times",
         found["times_faster_than_touch"] > 20),
    ]  # fmt: skip
    print(f"{'what':<40}{'measured':>20}{'bound':>12}")
    for what, measured, bound, holds in rows:
        print(f"{what:<40}{measured:>20}{bound:>12}{'' if holds else '  NOT HELD'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
