"""Stage ``simulate``: a theory's flow, closed form or toy network, from its parameters to numbers and curves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import components
from pipeline.errors import UserError
from pipeline.simulation import draws
from pipeline.simulation.curves import write_curves
from pipeline.work import Work

RECORDS = "records.json"


def execute(works: list[Work]) -> Iterator[Work]:
    """Run simulations, one per work.

    The component in ``work.components["simulation"]`` computes: ``simulate(*, ...)`` returns a
    :class:`~pipeline.simulation.records.Simulation`. The payload is ``records.json`` and, where there are curves,
    ``curves.safetensors``.

    Raises:
        UserError: A number is not finite (a simulation that diverges says so in its records instead), or one counts as
            exact that was computed after random numbers had been drawn.
    """
    for work in works:
        params = {name: value for name, value in work.spec["simulation"].items() if name != "kind"}
        simulate = components.load(work.components["simulation"]).simulate
        with draws.watched():
            made = simulate(**params)
            random = draws.asked() > 0
        if random and "seed" not in params:
            raise UserError(f"{work.name}: it draws random numbers without a parameter; add to it: seed: int = 0")
        if made.doubtful:
            raise UserError(
                f"{work.name}: {_shown(made.doubtful[0])}: a single number counts as exact, and this one was added "
                "after random numbers had been drawn; add replications (Simulation.replicate), or add it before"
            )
        for record in made.records:
            values = record["value"] if isinstance(record["value"], list) else [record["value"]]
            if not all(value is None or math.isfinite(value) for value in values):
                raise UserError(
                    f"{work.name}: {_shown(record)}: {record['value']} is no finite number; correct the simulation"
                )
        text = json.dumps(made.records, indent=1, ensure_ascii=False, allow_nan=False)
        (work.out / RECORDS).write_text(text + "\n", encoding="utf-8")
        write_curves(work.out, made.curves)
        yield work


def _shown(axes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in axes.items() if name != "value")
