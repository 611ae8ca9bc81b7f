"""Targets and ``--config`` of a command line, as snakemake takes them."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.engine.state import States
    from pipeline.planning.catalogue import Catalogue, Request
    from pipeline.planning.plan import Plan
    from pipeline.planning.spec import Scale


@dataclass
class Planned:
    """A plan, the states of its nodes, and the scale of its first artifact."""

    plan: Plan
    states: States
    scale: Scale


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option with which every command is told what snakemake is told."""
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as snakemake's --config")


def to_type(command: Sequence[str], config: Sequence[str]) -> str:
    """A command line that can be pasted into a shell, with the same ``--config``."""
    return shlex.join([*command, *(["--config", *config] if config else [])])


def catalogue(config: Sequence[str]) -> Catalogue:
    """All declarations, for ``--config`` as given.

    Raises:
        UserError: An item is not KEY=VALUE, or a key or value is wrong.
    """
    from pipeline.planning import yaml_files
    from pipeline.planning.catalogue import Catalogue
    from pipeline.planning.options import Options

    given = {}
    for item in config:
        name, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--config {item}: expected KEY=VALUE")
        given[name] = yaml_files.parse(value, f"--config {name}")
    return Catalogue(Options.parse(given, dict(os.environ)))


def request(target: str, known: Catalogue) -> Request:
    """The artifact that a target names, in any of the ways people write it.

    Raises:
        UserError: It names none.
    """
    path = target if Path(target).suffix else f"{target}.csv"
    if not path.startswith("results/"):
        path = f"results/{known.options.edition()}/{path}" if "/" in path else f"results/{path}"
    found = known.request(path)
    if found is None:
        raise UserError(f"{target}: not an artifact; type table8, directpred/table8 or results/table8.csv")
    return found


def built(target: str, known: Catalogue, config: Sequence[str]) -> Request:
    """The artifact whose result a target names: of a short name in results/ that to which it is linked.

    Args:
        target: As for :func:`request`.
        known: All declarations.
        config: What ``--config`` says.

    Raises:
        UserError: It names none, or a link into another scale than the one that is asked for.
    """
    path = Path(target)
    if path.parent != Path("results") or not path.is_symlink():
        return request(target, known)
    linked = f"results/{path.readlink()}"
    found = request(linked, known)
    said = [item for item in config if item.startswith(("scale=", "flavour="))]
    if said and found.edition != known.options.edition():
        asked = request(target, known)
        raise UserError(f"{target}: shows {linked}, and {said[0]} asks for another one; type {asked.stem}{path.suffix}")
    return found


def outdated(stems: Sequence[str], known: Catalogue) -> Iterator[str]:
    """What there is to say of results that are not what is declared now."""
    from pipeline.engine.state import IN_PLACE, States
    from pipeline.ledger.workspace import Workspace
    from pipeline.planning.plan import Plan

    requests = []
    for stem in stems:
        with contextlib.suppress(UserError):  # it is no longer declared
            requests.append(known.request(f"{stem}.csv"))
    states = States(Plan(known, [request for request in requests if request is not None]), Workspace())
    for stem in stems:
        state = states.by_name.get(stem)
        if state is None:
            yield f"{stem}: no longer declared in the working tree"
        elif state.status != IN_PLACE:
            yield f"{stem}: older than what is declared in the working tree; type: snakemake {stem}.csv"


def planned(
    targets: Sequence[str], known: Catalogue, *, anew: bool = False, left_out: list[str] | None = None
) -> Planned:
    """Plan and states of targets, of every artifact where there are none, without touching anything.

    Args:
        targets: What was typed.
        known: All declarations.
        anew: Whether modules are parsed, and files of the user's read anew, whatever is remembered of them.
        left_out: Where it is given and no target is, artifacts that cannot be planned are left out, and why is added
            to it, unless none is left.

    Raises:
        UserError: A target names no artifact, or a declaration is wrong.
    """
    from pipeline import user_files
    from pipeline.engine.state import States
    from pipeline.ledger.workspace import Workspace
    from pipeline.planning.plan import Plan

    if anew:
        user_files.anew()
    requests = [request(target, known) for target in targets]
    try:
        plan = Plan(known, requests or known.wanted())
    except UserError:
        if left_out is None or targets:
            raise
        plan = Plan(known, _plannable(known, left_out))
    scale = known.scale(requests[0].scale if requests else known.options.scale)
    return Planned(plan, States(plan, Workspace(), anew=anew), scale.of(requests[0].paper) if requests else scale)


def _plannable(known: Catalogue, left_out: list[str]) -> list[Request]:
    """Artifacts of the scale but those that cannot be planned; why these cannot is added, each reason once.

    Raises:
        UserError: None can be planned.
    """
    from pipeline.planning.plan import Plan

    plan = Plan(known, ())
    found: list[Request] = []
    reasons: dict[str, list[str]] = {}
    for request in known.wanted():
        try:
            plan.add(request)
            found.append(request)
        except UserError as error:
            reasons.setdefault(str(error), []).append(f"{request.paper}/{request.artifact}")
    if reasons and not found:
        raise UserError(next(iter(reasons)))
    for reason, names in reasons.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        left_out.append(f"left out: {names[0]}{more}; {reason}")
    return found
