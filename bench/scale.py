"""What docs/scale.md claims about plans of many nodes, measured on this machine.

    python bench/scale.py [--nodes 1000 10000] [--dry-run 1000 10000]
    python bench/scale.py --schedule [--gpus 1 8 64] [--scale paper]

A paper in a folder of its own sweeps a learning rate over as many values as it takes: of every value five seeds are
trained and probed, ten nodes and two jobs. Nothing is trained. Seconds are of CPU time, which another's work on the
machine changes little; memory is the most that a process held.

With --schedule: GPU-hours of every paper at a scale, and how long they take on so many GPUs, each job on one of them as
soon as one is free and what it reads is there, those first that most depends on. Durations are those of the forecast.
"""

from __future__ import annotations

import argparse
import heapq
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

PARTS = ("Snakefile", "pipeline", "rules", "params", "profiles", ".dvc/config")
SEEDS = 5
PAPER = """
paper: many
title: As many runs as it takes
authors: nobody
year: 2026
defaults:
  encoder: {{kind: tiny_conv}}
  projector: {{kind: mlp, hidden: 16, out: 8}}
  target: {{kind: ema, momentum: 0.9}}
  objective: {{kind: cosine}}
  optimizer: {{kind: sgd, lr: 0.1, momentum: 0.9, weight_decay: 4.0e-4}}
methods:
  plain: {{predictor: {{kind: linear}}}}
measures:
  probe: {{measure: {{kind: linear_probe}}, value: top1_last, unit: "%"}}
axes:
  lr: optimizer.lr
artifacts:
  sweep:
    title: All of them
    rows: {{method: [plain]}}
    columns: {{lr: [{rates}]}}
    fixed: {{dataset: cifar10, epochs: 100}}
    measure: probe
    seeds: {seeds}
    baselines: false
"""
SCALE = """
title: many
datasets: {cifar10: {name: shapes, train: 96, test: 64, size: 8}}
epochs: {100: 1}
every_run:
  views: {kind: simclr, scale_min: 0.5}
  encoder: {kind: tiny_conv, channels: [4, 8], strides: [1, 2]}
  batch_size: 32
estimate: {measurement: 0.1}
"""


def declare(folder: Path, nodes: int) -> Path:
    """A copy of the project, and a user's folder with a paper of so many nodes."""
    for part in PARTS:
        source, target = ROOT / part, folder / "project" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    mine = folder / "mine"
    (mine / "scales").mkdir(parents=True)
    rates = ", ".join(f"{0.01 + 1e-6 * number:.6f}" for number in range(nodes // (2 * SEEDS)))
    (mine / "paper.yaml").write_text(PAPER.format(rates=rates, seeds=SEEDS))
    (mine / "scales/many.yaml").write_text(SCALE)
    return mine


def steps(mine: Path) -> None:
    """Do in this process what is done when the Snakefile is read, and print what each step took."""
    from pipeline.engine.grouping import jobs_of
    from pipeline.engine.state import States
    from pipeline.engine.sync_key_files import sync_key_files
    from pipeline.ledger.workspace import Workspace
    from pipeline.planning.catalogue import Catalogue
    from pipeline.planning.options import Options
    from pipeline.planning.plan import Plan

    found: dict[str, float] = {}
    before = time.process_time()

    def note(name: str) -> None:
        nonlocal before
        now = time.process_time()
        found[name] = now - before
        before = now

    catalogue = Catalogue(Options(scale="many", extend=str(mine)))
    request = catalogue.request("results/many/many/sweep.csv")
    assert request is not None
    plan = Plan(catalogue, [request])
    note("plan")
    states = States(plan, Workspace())
    note("states")
    jobs = jobs_of(states)
    note("jobs")
    sync_key_files(states, jobs.values())
    note("key files")
    found |= {"nodes": len(list(states)), "count": len(jobs)}
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps(found))


def schedule(scale: str, gpus: list[int]) -> None:
    """Print GPU-hours per paper, and when the last job of all papers ends on so many GPUs."""
    from pipeline.engine.estimate import Forecast
    from pipeline.engine.grouping import jobs_of
    from pipeline.engine.state import States
    from pipeline.ledger.workspace import Workspace
    from pipeline.planning.catalogue import Catalogue
    from pipeline.planning.options import Options
    from pipeline.planning.plan import Plan

    catalogue = Catalogue(Options(scale=scale))
    wanted = catalogue.built(scale)
    with tempfile.TemporaryDirectory() as name:  # nothing is there yet
        for paper in [*sorted({request.paper for request in wanted}), "all"]:
            plan = Plan(catalogue, [request for request in wanted if paper in (request.paper, "all")])
            states = States(plan, Workspace(Path(name)))
            forecast = Forecast(states, catalogue.scale(scale))
            jobs = {job.done: job for job in jobs_of(states).values()}
            seconds = {
                done: forecast.of_job(job.nodes)[0] + forecast.scale.estimate.start if job.gpus else 0.0
                for done, job in jobs.items()
            }
            total, longest = sum(seconds.values()) / 3600, max(seconds.values(), default=0.0) / 3600
            print(f"{paper}: {len(jobs)} jobs, {total:.0f} GPU-hours, the longest job {longest:.1f} h", flush=True)
        reads = {done: [name for name in job.inputs if name in jobs] for done, job in jobs.items()}
        for number in gpus:
            end = makespan(seconds, reads, number) / 3600
            print(f"all on {number} GPUs: {end:.1f} h, {100 * total / (number * end):.0f} % of them busy", flush=True)


def makespan(seconds: dict[str, float], reads: dict[str, list[str]], gpus: int) -> float:
    """When the last job ends.

    Args:
        seconds: Of each job, in an order in which each comes behind what it reads; 0 for one that takes no GPU.
        reads: What each job waits for.
        gpus: How many there are.
    """
    after = dict.fromkeys(seconds, 0.0)  # the longest way from the start of a job to the end
    for done in reversed(list(seconds)):
        after[done] += seconds[done]
        for below in reads[done]:
            after[below] = max(after[below], after[done])
    waits = {done: len(reads[done]) for done in seconds}
    readers: dict[str, list[str]] = {done: [] for done in seconds}
    for done, below in reads.items():
        for name in below:
            readers[name].append(done)
    ready = [(-after[done], done) for done, count in waits.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now, free = 0.0, gpus
    while ready or running:
        held: list[tuple[float, str]] = []
        while ready:
            first = heapq.heappop(ready)
            if seconds[first[1]] and not free:
                held.append(first)
                continue
            free -= seconds[first[1]] > 0
            heapq.heappush(running, (now + seconds[first[1]], first[1]))
        for one in held:
            heapq.heappush(ready, one)
        now, ended = heapq.heappop(running)
        free += seconds[ended] > 0
        for reader in readers[ended]:
            waits[reader] -= 1
            if not waits[reader]:
                heapq.heappush(ready, (-after[reader], reader))
    return now


def called(command: list[str], folder: Path) -> tuple[float, int, str]:
    """CPU seconds, megabytes held at most and the standard output of a command."""
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=err)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            sys.exit(f"{' '.join(command)}: {err.read()[-2000:]}")
        return used.ru_utime + used.ru_stime, used.ru_maxrss >> 10, out.read()


def main() -> None:
    """Measure plans of several sizes, and dry runs of some of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--dry-run", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--schedule", action="store_true")
    parser.add_argument("--scale", default="paper")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--steps", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.steps:
        steps(arguments.steps)
        return
    if arguments.schedule:
        schedule(arguments.scale, arguments.gpus)
        return
    for nodes in arguments.nodes:
        with tempfile.TemporaryDirectory() as name:
            mine = declare(Path(name), nodes)
            project = Path(name) / "project"
            for turn in ("first", "again"):
                command = [sys.executable, str(ROOT / "bench/scale.py"), "--steps", str(mine)]
                _, _, said = called(command, project)
                found = json.loads(said)
                parts = ", ".join(f"{part} {found[part]:.2f} s" for part in ("plan", "states", "jobs", "key files"))
                print(
                    f"{found['nodes']} nodes, {found['count']} jobs, {turn}: {parts}; {found['memory']} MB", flush=True
                )
            if nodes in arguments.dry_run:
                config = ["--config", "scale=many", f"extend={mine}"]
                target = "results/many/many/sweep.csv"
                command = [sys.executable, "-m", "snakemake", target, "-n", "--quiet", "all", *config]
                seconds, megabytes, _ = called(command, project)
                print(f"{nodes} nodes, snakemake -n: {seconds:.1f} s; {megabytes} MB", flush=True)


if __name__ == "__main__":
    main()
