"""A page for who evaluates the results: every claim with the command that builds it, its time and its verdict."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import formats, page
from pipeline.comparing.sides import WorkingTree
from pipeline.durations import rough
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.overview import alone
from pipeline.site.cost import cost

HEAD = "# Artifact evaluation, "
"""First words of the page."""
END = "No line of this page is written by hand."
"""Its last words."""
NOT_BUILT = "not built here"


@dataclass(frozen=True)
class Evaluated:
    """An artifact with its claims.

    Attributes:
        paper: Its paper.
        artifact: Its name.
        command: What builds it.
        time: How long that takes, and how that is known.
        claims: Sentence -> verdict; those that no paper states are marked.
    """

    paper: str
    artifact: str
    command: str
    time: str
    claims: dict[str, str]


def evaluate(known: Catalogue, tree: WorkingTree, config: Sequence[str]) -> list[Evaluated]:
    """All artifacts of an edition that have claims, in the order of their declarations.

    Args:
        known: All declarations; its options say which edition.
        tree: Where results lie.
        config: What ``--config`` was told, for the commands.
    """
    found = []
    for request in known.wanted():
        claims = known.papers[request.paper].artifacts[request.artifact].claims
        if not claims:
            continue
        side = tree.result(request.stem)
        command = shlex.join(["snakemake", f"{known.short(request) or request.stem}.csv", "--cores", "all"])
        command += f" --config {shlex.join(config)}" if config else ""
        if side is None or not side.report:
            verdicts = [(claim.text, claim.ours, NOT_BUILT) for claim in claims]
            time = f"about {rough(alone(known, request))} (guess: {known.scale(request.scale).estimate.basis})"
        else:
            verdicts = [
                (
                    claim["text"],
                    claim["ours"],
                    claim["verdict"] + (f" ({claim['because']})" if claim["because"] else ""),
                )
                for claim in side.report["claims"]
            ]
            spent = cost(side.chain)
            machines = " and ".join(name for name, _ in spent.machines.most_common(2)) or "no record of where"
            time = f"{rough(spent.seconds)} (as recorded: {machines})"
        told = {text + " (ours)" * ours: verdict for text, ours, verdict in verdicts}
        found.append(Evaluated(request.paper, request.artifact, command, time, told))
    return found


def render(found: Sequence[Evaluated], edition: str, about: str) -> str:
    """The page.

    Args:
        found: Its artifacts.
        edition: Name of the edition.
        about: What its scale is, in a line.
    """
    counts: dict[str, int] = {}
    for one in found:
        for verdict in one.claims.values():
            counts[verdict] = counts.get(verdict, 0) + 1
    total = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items(), key=lambda item: -item[1]))
    parts = [
        f"{HEAD}{edition}",
        f"Scale: {about}. Claims: {total or 'none'}.",
        "Set-up: `make setup`. Without computing anything, `python -m pipeline audit results/ARTIFACT.csv` follows a "
        "number to raw data, and `python -m pipeline why results/ARTIFACT.csv` says what a build would do.",
        "Times are of one worker from nothing, data sets included; artifacts share trainings, so that all of them take "
        "less than the sum.",
    ]
    parts[1:] = [textwrap.fill(part, page.WIDTH, break_on_hyphens=False) for part in parts[1:]]
    for paper in dict.fromkeys(one.paper for one in found):
        parts.append(f"## {paper}")
        for one in (one for one in found if one.paper == paper):
            parts += [f"### {one.artifact}", f"    {one.command}", f"Expected time: {one.time}."]
            parts.append(formats.grid(["claim", "verdict"], [[text, verdict] for text, verdict in one.claims.items()]))
    return "\n\n".join([*parts, END]) + "\n"


def path_of(edition: str) -> Path:
    """Where the page of an edition lies."""
    return Path("results") / edition / "artifact-evaluation.md"
