"""What Snakemake's scheduler does between two jobs, kept from taking a processor for itself.

After each pass over the jobs that are ready, Snakemake 9 starts a timer that makes it look again, because a limit on
jobs per second may have let some wait. A pass looks at the files of all of them, every timer makes a pass, and every
pass starts a timer, beside those of all passes before: after some hundred jobs it does nothing else (nine tenths of a
processor in a build of all papers). Jobs on this machine are limited by its processors, so no such limit is needed;
where jobs are submitted one timer at a time will do.
"""

from __future__ import annotations

import threading
from typing import Any


def calm(scheduler: Any, here: bool) -> None:
    """Let a scheduler look at jobs when one has ended, and for a limit on submissions once per its span.

    Args:
        scheduler: Snakemake's; one that has no such timers is left as it is.
        here: Whether jobs run on this machine, and not where an executor sends them.
    """
    if not hasattr(scheduler, "job_rate_limiter") or not hasattr(scheduler, "_schedule_reevalutation"):
        return
    if here:
        scheduler.job_rate_limiter = None
        return
    waiting = threading.Lock()

    def once(delay: float) -> None:
        if not waiting.acquire(blocking=False):
            return

        def look() -> None:
            waiting.release()
            scheduler._open_jobs.release()

        threading.Timer(delay, look).start()

    scheduler._schedule_reevalutation = once
