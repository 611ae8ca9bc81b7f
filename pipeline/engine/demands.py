"""What a job states to the scheduler of a cluster: minutes and memory, with a margin.

From receipts of like runs where there are any, else from the scale's guess. A limit that is too short ends a training,
which then goes on in another turn; one that is too long only makes it wait longer for its turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.engine.estimate import Forecast
from pipeline.engine.jobs import Job
from pipeline.engine.state import States
from pipeline.ledger.families import MEASURE, PRETRAIN
from pipeline.ledger.workspace import Node
from pipeline.planning.spec import Scale

TIMES = {True: 2.0, False: 4.0}
"""How many times the expected duration, where receipts tell it and where it is guessed."""

MEMORY = {True: 1.5, False: 1.0}
"""How many times the expected memory; the guess has its margin in it."""

LEAST = 10
"""Minutes of a short job: starting takes as long as it takes on a busy file system."""

UNTOLD = 60
"""Minutes of a job of which neither receipts nor the scale say how long it takes: a simulation, a data set."""

STEP = 100
"""Memory is stated in whole hundreds of megabytes."""


class Demands:
    """What jobs state, worked out when it is asked for.

    Args:
        states: Of all planned nodes.
        scales: The scales that they are planned for; where these expect different things, the most counts.
    """

    def __init__(self, states: States, scales: Sequence[Scale]) -> None:
        self._forecasts = [Forecast(states, scale) for scale in scales]

    def minutes(self, job: Job) -> int:
        """Whole minutes after which a job may be ended."""
        guessable = Node(job.nodes[0]).family in (PRETRAIN, MEASURE)
        return max(_minutes(forecast, job, guessable) for forecast in self._forecasts)

    def memory(self, job: Job) -> int:
        """Megabytes of a job, those of a GPU not included."""
        node = Node(job.nodes[0])
        found = (forecast.memory(node.config, node.family) for forecast in self._forecasts)
        return max(STEP * math.ceil(megabytes * MEMORY[measured] / STEP) for megabytes, measured in found)


def _minutes(forecast: Forecast, job: Job, guessable: bool) -> int:
    seconds, measured = forecast.of_job(job.nodes)
    if not measured and not guessable:
        return UNTOLD
    return max(LEAST, math.ceil((forecast.scale.estimate.start + seconds) * TIMES[measured] / 60))
