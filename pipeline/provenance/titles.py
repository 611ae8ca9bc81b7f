"""What a person calls the runs, data sets and simulations of a chain, where no plan at hand names all of them.

A run has the name that today's declarations give it, else the one that a plan before wrote down for whoever ran it,
else what it is made of. Those that would have one name are told apart by what differs in them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.engine import jobs
from pipeline.errors import UserError
from pipeline.ledger.families import PREPARE, PRETRAIN, SIMULATE
from pipeline.ledger.workspace import LOCAL, Milestone, Workspace
from pipeline.planning import names
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.plan import Plan
from pipeline.provenance.chain import Chain, Link
from pipeline.provenance.differences import flat


def titles(
    chain: Chain, workspace: Workspace | None = None, declared: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Folder of a run, data set or simulation -> what a person calls it.

    Args:
        chain: Of receipts.
        workspace: The checkout, if there is one, where plans before have left names.
        declared: Run -> its name, as :func:`declared` or a plan gives it.
    """
    sets = _apart({link.node.config: _data(link) for link in chain.family(PREPARE)})
    simulations = _apart({link.node.config: _simulation(link) for link in chain.family(SIMULATE)})
    links: dict[str, list[Link]] = {}
    for link in chain.family(PRETRAIN):
        links.setdefault(link.node.config, []).append(link)
    runs = {}
    for config, of_run in links.items():
        receipt = of_run[0].receipt
        read = receipt["inputs"]["data"]["node"].removeprefix("data/")
        trained = {link.node.at for link in of_run} != {Milestone()}
        name = (declared or {}).get(config) or _before(workspace, config) or names.plainly(receipt["params"], trained)
        runs[config] = name, {"dataset": sets.get(read, read), **receipt["params"]}
    return {**sets, **simulations, **_apart(runs)}


def declared(known: Catalogue, stems: Iterable[str]) -> dict[str, str]:
    """What the runs of results are called, as they are declared now; those that are not declared have no name.

    Args:
        known: The declarations.
        stems: Results, ``results/EDITION/PAPER/ARTIFACT``.
    """
    plan = Plan(known, [])
    for stem in stems:
        with contextlib.suppress(UserError):
            request = known.request(f"{stem}.csv")
            if request is not None:
                plan.add(request)
    return plan.called()


def built(workspace: Workspace) -> list[str]:
    """Results that have a receipt: ``results/EDITION/PAPER/ARTIFACT``."""
    found = workspace.path("results").glob("*/*/*.receipt.json")
    return sorted(str(path.relative_to(workspace.root)).removesuffix(".receipt.json") for path in found)


def _before(workspace: Workspace | None, config: str) -> str:
    """The name that a plan before has written down; empty where none did."""
    found = config if workspace is None else jobs.called(workspace, config)
    return "" if found == config else found


def _data(link: Link) -> tuple[str, dict[str, Any]]:
    params = link.receipt["params"]
    rest = {name: value for name, value in params.items() if name != "name"}
    return params["name"], {**flat(rest), "tracked": not link.node.config.startswith(LOCAL)}


def _simulation(link: Link) -> tuple[str, dict[str, Any]]:
    params = link.receipt["params"]["simulation"]
    return params["kind"], {**flat(params), "tracked": not link.node.config.startswith(LOCAL)}


def _apart(found: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, str]:
    """Names with what tells those apart that are alike, from names and params."""
    return names.apart({one: name for one, (name, _) in found.items()}, {one: own for one, (_, own) in found.items()})
