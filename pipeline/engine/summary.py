"""The last lines of a build: what was executed, what was restored, and where the result lies."""

from __future__ import annotations

import atexit
import re
import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipeline.engine import aside, jobs
from pipeline.ledger.families import MEASURE
from pipeline.ledger.journal import Journal
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning import names

if TYPE_CHECKING:
    from pipeline.engine.workflow import Workflow

SHOWN = 4
"""Faults of a build that are told one by one."""


def _counts(workflow: Workflow) -> tuple[str, list[dict]]:
    entries = Journal(workflow.workspace.journal).entries(workflow.started)
    count = Counter(entry["decision"] for entry in entries)
    stages = Counter(entry["stage"] for entry in entries if entry["decision"] == "executed")
    detail = ", ".join(f"{number} {stage}" for stage, number in sorted(stages.items()))
    text = f"executed {count['executed']} stages" + (f" ({detail})" if detail else "")
    return f"{text}, restored {count['restored']}, unchanged {count['unchanged']}", entries


def show(workflow: Workflow, out: TextIO) -> None:
    """Say what a successful build did; a single table is shown."""
    aside.drop(workflow.workspace)
    text, _ = _counts(workflow)
    built = workflow.artifacts()
    if len(built) == 1:
        page = workflow.workspace.path(f"results/{built[0]}.md")
        if page.is_file():
            show_page(page, out)
    lines = [f"{text}, {time.time() - workflow.started:.0f} s", *(f"results/{name}.md" for name in built[:12])]
    if len(built) > 12:
        lines.append(f"and {len(built) - 12} more below results/")
    if built:
        lines[-1] += "; to look at it in a browser: python -m pipeline site"
    _last(lines, out)


def show_page(page: Path, out: TextIO, *, plain: bool = False) -> None:
    """Show a page: as it is, or laid out for the width of a terminal.

    Args:
        page: Its file.
        out: Where to.
        plain: Whether nothing is bold or coloured, where control characters would not pass.
    """
    text = page.read_text(encoding="utf-8").strip()
    print(file=out)
    if not out.isatty():
        print(text, file=out)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(file=out, color_system=None if plain else "auto").print(Markdown(text))


def _last(lines: list[str], out: TextIO) -> None:
    """Say something behind all that Snakemake still has to say, as people look at the end."""
    if out.isatty():
        width = shutil.get_terminal_size().columns
        lines = [part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
    atexit.register(print, "", *lines, sep="\n", file=out, flush=True)


def failed(workflow: Workflow, logs: Sequence[str], out: TextIO) -> None:
    """Say what a failed build has done all the same, and what was stopped or failed.

    Results that it was to replace come back.

    Args:
        workflow: What was built.
        logs: Snakemake's log files.
        out: Where to.
    """
    for name in aside.put_back(workflow.workspace):
        print(f"{name}: as it was before", file=out)
    text, entries = _counts(workflow)
    lines = [f"{text}; what is done stays done"]
    last = {entry["node"]: entry for entry in entries}.values()  # what was stopped may have gone on since
    stopped = [_called(workflow.workspace, entry) for entry in last if entry["decision"] == "stopped"]
    if stopped:
        lines.append(f"stopped: {' and '.join(dict.fromkeys(stopped))}; the same command goes on")
    faults: dict[str, list[str]] = {}
    for entry in last:
        if entry["decision"] == "failed":
            faults.setdefault(entry.get("error", ""), []).append(entry["node"])
    for error, nodes in [*faults.items()][:SHOWN]:
        more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
        lines.append(f"failed: {nodes[0]}{more}: {error}")
    if len(faults) > SHOWN:
        lines.append(f"and {len(faults) - SHOWN} other faults above")
    if not stopped and any(map(_killed, logs)):
        lines.append(
            "killed: a job, by the system or by somebody, perhaps for want of memory; the same command goes on"
        )
    _last(lines, out)


def _killed(log: str) -> bool:
    """Whether Snakemake says of a job that it ended by SIGKILL, of which the job itself can tell nobody."""
    text = Path(log).read_text(encoding="utf-8", errors="replace") if Path(log).is_file() else ""
    return re.search(r"non-zero exit status (?:137|-9)\b", text) is not None


def _called(workspace: Workspace, entry: dict) -> str:
    """What a person calls what was being made: all milestones of a run by one name."""
    node = Node(entry["node"])
    name = names.of_seed(jobs.called(workspace, node.config), node.seed)
    return f"{entry['stage']} of {name}" if node.family is MEASURE else name
