"""Snakemake's scheduler looks at jobs when one has ended, and not all the time."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

from conftest import Project
from snakemake.scheduling.job_scheduler import JobScheduler

from pipeline.engine import scheduling

COUNTED = """
from snakemake.scheduling.job_scheduler import JobScheduler

_selector = JobScheduler.job_selector
def counted(self, jobs):
    with open("passes.txt", "a") as file:
        file.write("x")
    return _selector(self, jobs)
JobScheduler.job_selector = counted
"""


def test_snakemake_has_what_is_calmed() -> None:
    """A release that does it otherwise is left as it is; then it is to be measured again, and this test says so."""
    assert callable(JobScheduler._schedule_reevalutation)
    assert "job_rate_limiter" in JobScheduler.__init__.__code__.co_names


def test_a_build_passes_over_its_jobs_once_per_job(project: Project, tmp_path: Path) -> None:
    """Two jobs that sleep, one at a time and others that wait: a pass per second and job would be thirty."""
    for place in ("Snakefile", "rules"):
        (project.root / place).rename(tmp_path / place)
    common = (tmp_path / "rules/common.smk").read_text()
    calm = next(line for line in common.splitlines() if "scheduling.calm" in line).strip()
    (project.root / "Snakefile").write_text(
        f"import sys\nsys.path.insert(0, {str(project.root)!r})\n{COUNTED}\n"
        "from types import SimpleNamespace\nfrom pipeline.engine import scheduling\nBUILD = SimpleNamespace(here=True)\n"
        'rule all:\n    input: expand("{n}.txt", n=range(4))\n\n'
        'rule one:\n    output: "{n}.txt"\n    shell: "sleep 1.5; touch {output}"\n\n'
        f"onstart:\n    {calm}\n"
    )
    project.call(sys.executable, "-m", "snakemake", "--cores", "1", "--workflow-profile", "none")
    assert len((project.root / "passes.txt").read_text()) <= 6


def test_where_jobs_are_submitted_one_timer_waits_at_a_time() -> None:
    passes = threading.Semaphore(0)
    scheduler = SimpleNamespace(job_rate_limiter=object(), _open_jobs=passes, _schedule_reevalutation=None)
    scheduling.calm(scheduler, here=False)
    assert scheduler.job_rate_limiter is not None
    for _ in range(50):
        scheduler._schedule_reevalutation(0.1)
    assert passes.acquire(timeout=5)
    time.sleep(0.3)
    assert not passes.acquire(blocking=False)
    scheduler._schedule_reevalutation(0.01)
    assert passes.acquire(timeout=5)


def test_another_scheduler_is_left_alone() -> None:
    other = SimpleNamespace()
    scheduling.calm(other, here=True)
    assert vars(other) == {}
