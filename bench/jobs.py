"""What a build of many small stages costs where jobs fork from a process with torch loaded, and where they do not.

    python bench/jobs.py [--target results/tiny/directpred/table8.csv] [--rounds 3] [--json FILE]

Each round builds the target from nothing both ways, in turn, in temporary copies of the project.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

from spine import SNAKEMAKE, copy, run

WAYS = {"forked": "1", "started": "0"}


def measure(target: str, switch: str) -> float:
    """Wall-clock seconds of a build from nothing; the server's start is part of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = copy(Path(temporary) / "project")
        runtime = Path(temporary) / "run"
        runtime.mkdir(mode=0o700)
        scale = Path(target).parts[1]
        command = [*SNAKEMAKE, target, "--cores", "2", "--config", f"scale={scale}"]
        return run(command, folder, SSL_FORKSERVER=switch, XDG_RUNTIME_DIR=str(runtime), OMP_NUM_THREADS="1")[0]


def main() -> None:
    """Measure, print, and write the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="results/tiny/directpred/table8.csv", help="what is built")
    parser.add_argument("--rounds", type=int, default=3, help="builds per way")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(options.rounds):
        for way, switch in WAYS.items() if turn % 2 else reversed(WAYS.items()):
            seconds[way].append(measure(options.target, switch))
            print(f"{way}: {seconds[way][-1]:.1f} s", flush=True)
    found = {way: statistics.median(taken) for way, taken in seconds.items()}
    ratio = found["started"] / found["forked"]
    print(f"{options.target}: {found['started']:.1f} s, forked {found['forked']:.1f} s: {ratio:.2f} times as fast")
    if options.json:
        report = {"target": options.target, "cores": os.cpu_count(), "seconds": seconds, "ratio": ratio}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
