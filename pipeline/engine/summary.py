"""The last lines of a build: what was executed, what was restored, and where the result lies."""

from __future__ import annotations

import atexit
import shutil
import textwrap
import time
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from pipeline.engine import aside, jobs
from pipeline.ledger.families import MEASURE
from pipeline.ledger.journal import Journal
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning import names

if TYPE_CHECKING:
    from pipeline.engine.workflow import Workflow


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
            _page(page.read_text(encoding="utf-8").strip(), out)
    lines = [f"{text}, {time.time() - workflow.started:.0f} s", *(f"results/{name}.md" for name in built[:12])]
    if len(built) > 12:
        lines.append(f"and {len(built) - 12} more below results/")
    _last(lines, out)


def _page(text: str, out: TextIO) -> None:
    """Show a page: as it is, or laid out for the width of a terminal."""
    print(file=out)
    if not out.isatty():
        print(text, file=out)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(file=out).print(Markdown(text))


def _last(lines: list[str], out: TextIO) -> None:
    """Say something behind all that Snakemake still has to say, as people look at the end."""
    if out.isatty():
        width = shutil.get_terminal_size().columns
        lines = [part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
    atexit.register(print, "", *lines, sep="\n", file=out, flush=True)


def failed(workflow: Workflow, out: TextIO) -> None:
    """Say what a failed build has done all the same, and what was stopped or failed.

    Results that it was to replace come back.
    """
    for name in aside.put_back(workflow.workspace):
        print(f"{name}: as it was before", file=out)
    text, entries = _counts(workflow)
    lines = [f"{text}; what is done stays done"]
    last = {entry["node"]: entry for entry in entries}.values()  # what was stopped may have gone on since
    stopped = [_called(workflow.workspace, entry) for entry in last if entry["decision"] == "stopped"]
    if stopped:
        lines.append(f"stopped: {' and '.join(dict.fromkeys(stopped))}; the same command goes on")
    fault = next((entry for entry in last if entry["decision"] == "failed"), None)
    if fault is not None:
        lines.append(f"failed: {fault['node']}: {fault.get('error', '')}")
    _last(lines, out)


def _called(workspace: Workspace, entry: dict) -> str:
    """What a person calls what was being made: all milestones of a run by one name."""
    node = Node(entry["node"])
    name = names.of_seed(jobs.called(workspace, node.config), node.seed)
    return f"{entry['stage']} of {name}" if node.family is MEASURE else name
