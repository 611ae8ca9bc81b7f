"""The last lines of a build: what was executed, what was restored, and where the result lies."""

from __future__ import annotations

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
    print(f"\n{text}, {time.time() - workflow.started:.0f} s", file=out)
    names = workflow.artifacts()
    if len(names) == 1:
        page = workflow.workspace.path(f"results/{names[0]}.md")
        if page.is_file():
            print(f"\n{page.read_text(encoding='utf-8').strip()}\n", file=out)
    for name in names[:12]:
        print(f"results/{name}.md", file=out)
    if len(names) > 12:
        print(f"and {len(names) - 12} more below results/", file=out)


def failed(workflow: Workflow, out: TextIO) -> None:
    """Say what a failed build has done all the same, and what was stopped or failed.

    Results that it was to replace come back.
    """
    for name in aside.put_back(workflow.workspace):
        print(f"{name}: as it was before", file=out)
    text, entries = _counts(workflow)
    print(f"\n{text}; what is done stays done", file=out)
    last = {entry["node"]: entry for entry in entries}.values()  # what was stopped may have gone on since
    stopped = [_called(workflow.workspace, entry) for entry in last if entry["decision"] == "stopped"]
    if stopped:
        print(f"stopped: {' and '.join(dict.fromkeys(stopped))}; the same command goes on", file=out)
    fault = next((entry for entry in last if entry["decision"] == "failed"), None)
    if fault is not None:
        print(f"failed: {fault['node']}: {fault.get('error', '')}", file=out)


def _called(workspace: Workspace, entry: dict) -> str:
    """What a person calls what was being made: all milestones of a run by one name."""
    node = Node(entry["node"])
    name = names.of_seed(jobs.called(workspace, node.config), node.seed)
    return f"{entry['stage']} of {name}" if node.family is MEASURE else name
