"""Stage ``simulate``: a theory's flow, closed form or toy network, from its parameters to numbers and curves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from pipeline import components
from pipeline.errors import UserError
from pipeline.simulation.curves import write_curves
from pipeline.work import Work

RECORDS = "records.json"


def execute(works: list[Work]) -> Iterator[Work]:
    """Run simulations, one per work.

    The component in ``work.components["simulation"]`` computes: ``simulate(*, ...)`` returns a
    :class:`~pipeline.simulation.records.Simulation`. The payload is ``records.json`` and, where there are curves,
    ``curves.safetensors``.

    Raises:
        UserError: A number is not finite: a simulation that diverges says so in its records instead.
    """
    for work in works:
        params = {name: value for name, value in work.spec["simulation"].items() if name != "kind"}
        made = components.load(work.components["simulation"]).simulate(**params)
        for record in made.records:
            values = record["value"] if isinstance(record["value"], list) else [record["value"]]
            if not all(math.isfinite(value) for value in values):
                axes = ", ".join(f"{name} {value}" for name, value in record.items() if name != "value")
                raise UserError(f"{work.name}: {axes}: {record['value']} is no finite number; correct the simulation")
        text = json.dumps(made.records, indent=1, ensure_ascii=False, allow_nan=False)
        (work.out / RECORDS).write_text(text + "\n", encoding="utf-8")
        write_curves(work.out, made.curves)
        yield work
