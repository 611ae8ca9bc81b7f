"""Which is better on a machine with several GPUs: a run on each, or all of them on one run after the other."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from pipeline.durations import rough
from pipeline.engine.estimate import Forecast
from pipeline.ledger.families import PRETRAIN
from pipeline.ledger.workspace import Node
from pipeline.planning import costs


def makespan(seconds: Iterable[float], gpus: int) -> float:
    """How long runs take in all where each holds one GPU, the longest first and each on the GPU that is free next."""
    free = [0.0] * gpus
    for one in sorted(seconds, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + one)
    return max(free)


def advice(seconds: Iterable[float], gpus: int) -> str | None:
    """One line that says how to use the GPUs of a machine, and the numbers that were compared.

    A run on each needs no messages, and gives the bytes of a machine with one; so it is preferred where it is not the
    longer way. With as many runs as GPUs, or more, it seldom is; where one run decides, it is.

    Args:
        seconds: How long each run is trained by one GPU.
        gpus: GPUs of the machine.

    Returns:
        None where there is nothing to choose: fewer than two GPUs, or nothing to train.
    """
    runs = sorted((one for one in seconds if one > 0), reverse=True)
    if gpus < 2 or not runs:
        return None
    apart, together = makespan(runs, gpus), sum(runs) / costs.speedup(gpus)
    counted = f"{len(runs)} run{'s' * (len(runs) > 1)} to train on {gpus} GPUs"
    one_each = f"a run on each GPU takes about {rough(apart)}, the longest {rough(runs[0])}"
    over_all = f"each over all GPUs in turn (processes: {gpus}) {rough(together)}, if {1 - costs.SCALING:.0%} is lost"
    if apart <= together:
        return f"{counted}: {one_each}; {over_all}. Better a run on each: --resources gpu={gpus}"
    return f"{counted}: {one_each}; {over_all}. Better over all: processes: {gpus} and --resources gpu={gpus}"


def trainings(forecast: Forecast) -> list[float]:
    """Seconds of each run that is to be trained, all seeds and milestones of it together, by one GPU."""
    found: dict[str, float] = {}
    runs = forecast.states.plan.runs
    for name, seconds in forecast.parts().items():
        if name.split("/", 1)[0] == PRETRAIN.folder:
            config = Node(name).config
            one = seconds * costs.speedup(runs[config].run["processes"])
            found[config] = found.get(config, 0.0) + one
    return list(found.values())
