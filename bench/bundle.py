"""How large a bundle is, and how long packing and verifying it takes, in one run on this machine.

    python bench/bundle.py [TARGET] [--repeat N] [--json FILE]

The target (default: table8 at scale quick) must be built. Times are wall times of whole processes, the median of N.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def timed(repeat: int, *arguments: str) -> float:
    """Median seconds of a command, which must succeed."""
    found = []
    for _ in range(repeat):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(done.stderr or done.stdout)
        found.append(time.perf_counter() - started)
    return round(statistics.median(found), 3)


def main() -> None:
    """Pack and verify, with and without weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", default="results/quick/directpred/table8.csv")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in (("without weights", []), ("with weights", ["--weights"])):
            path = Path(folder, "bundle.zip")
            packed = timed(arguments.repeat, "bundle", arguments.target, "-o", str(path), *options)
            verified = timed(
                arguments.repeat, "verify", str(path), "--expect", hashlib.sha256(path.read_bytes()).hexdigest()
            )
            found[name] = {"bundle_s": packed, "verify_s": verified, "megabytes": round(path.stat().st_size / 1e6, 2)}
            print(f"{name}: {found[name]['megabytes']} MB, bundle {packed} s, verify {verified} s", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
