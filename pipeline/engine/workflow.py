"""What the Snakefile asks: it reads the plan once, puts files and times in order, and knows each job's files.

Where Snakemake runs a single job on behalf of another Snakemake (a cluster, a group, a container), nothing is planned:
jobs do what was written down by whoever submitted them.
"""

from __future__ import annotations

import contextlib
import filecmp
import importlib.util
import io
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import components, files, hardware
from pipeline.engine import aside, jobs
from pipeline.engine.demands import Demands
from pipeline.engine.grouping import jobs_of
from pipeline.engine.jobs import Job
from pipeline.engine.state import EXECUTE, IN_PLACE, States
from pipeline.engine.sync_key_files import sync_key_files
from pipeline.engine.targets import refuse
from pipeline.errors import UserError, explain
from pipeline.ledger import turns
from pipeline.ledger.families import PRETRAIN
from pipeline.ledger.workspace import Workspace
from pipeline.planning.catalogue import Catalogue, Request
from pipeline.planning.options import Options
from pipeline.planning.params import PARTS
from pipeline.planning.plan import Plan

SUFFIXES = (".csv", ".json", ".md", ".png", ".pdf", ".gif")
"""What the files of artifacts end in, and their short names."""

_VIEW = re.compile(r"results/[^/]+/(scorecard\.csv|scorecard\.md|metrics\.json)")
"""Views of a whole edition."""

_LOOKS = (
    *("dryrun", "lint", "list_target_rules", "list_rules", "print_compilation", "report", "containerize", "unlock"),
    *("generate_unit_tests", "dag", "rulegraph", "filegraph", "d3dag", "cleanup_metadata", "cleanup_shadow"),
    *("conda_cleanup_envs", "conda_create_envs_only", "list_conda_envs", "container_cleanup_images", "list_changes"),
    *("list_input_changes", "list_params_changes", "list_untracked", "summary", "detailed_summary", "archive"),
    *("export_cwl", "gui"),
)
"""Arguments of snakemake with which it runs no job."""


@dataclass(frozen=True)
class Command:
    """What of snakemake's command line matters here.

    Attributes:
        targets: What the user asked for; empty for the default target.
        submitted: Whether another Snakemake has called this one, for jobs of its own.
        builds: Whether it will run jobs, and locks the folder for that: no dry run, no report, no graph.
        here: Whether jobs run on this machine, and not where an executor sends them.
        quiet: Whether progress is not to be shown.
    """

    targets: tuple[str, ...] = ()
    submitted: bool = False
    builds: bool = False
    here: bool = True
    quiet: bool = False


class Workflow:
    """One reading of the Snakefile.

    Args:
        config: Snakemake's ``config``.
        command: What was typed.
        root: The checkout.

    Attributes:
        builds: Whether jobs will run, on nobody's behalf.
        shows: Whether a terminal is to show how far the build is.
        states: Of the planned nodes, before the build, for who shows that; None where nobody does.
    """

    def __init__(self, config: dict[str, Any], command: Command, root: Path = Path()) -> None:
        self.started = time.time()
        self.workspace = Workspace(root)
        self.catalogue = Catalogue(Options.parse(config, dict(os.environ)))
        self.submitted = command.submitted
        self.here = command.here and not command.submitted
        self.builds = command.builds and not command.submitted
        self.shows = self.here and command.builds and not command.quiet
        self.states: States | None = None
        self.requests: list[Request] = []
        self.remarks: list[str] = []
        self.jobs: dict[tuple[str, str], Job] = {}
        self._demands: Demands | None = None
        if self.submitted:
            return
        self.requests = self._requests(command.targets)
        self._take_turn(command.builds)
        states = States(Plan(self.catalogue, self.requests), self.workspace)
        self.states = states if self.shows else None
        self.jobs = jobs_of(states)
        if not command.here:
            scales = sorted({request.scale for request in self.requests})
            self._demands = Demands(states, list(map(self.catalogue.scale, scales)))
        if command.builds and command.here:
            self._refuse_without_gpu(states)
            self._refuse_without_libraries(states)
        self.remarks += sync_key_files(states, self.jobs.values())
        if not self.workspace.lock:
            self.remarks += states.repair_tracked()
        if command.builds:
            stale = [job for job in self.jobs.values() if job.drawn and states.by_name[job.nodes[0]].status != IN_PLACE]
            for folder in {self.workspace.path(job.nodes[0]).parent for job in stale}:
                files.writable(folder)  # before anything is trained for it
            aside.keep(self.workspace, stale)
            self._relink()

    def _requests(self, targets: Sequence[str]) -> list[Request]:
        """The artifacts to plan: those that the targets name, all of the scale where a target names none."""
        requests = []
        everything = not targets
        for target in targets:
            if Path(target).is_absolute():
                raise UserError(f"{target}: expected a path relative to the project; type results/ARTIFACT.csv")
            target = os.path.normpath(target)
            request = self.catalogue.request(target)
            if request is not None:
                requests.append(request)
            elif target.startswith("results/") and not _VIEW.fullmatch(target):
                raise UserError(
                    f"{target}: not the path of an artifact; type results/ARTIFACT.csv (or .md, .png, .pdf)"
                )
            else:
                refuse(target, self.catalogue)
                everything = True
        if everything:
            scales = {self.catalogue.options.scale}
            scales |= {s for s in self.catalogue.scales for t in targets if t.startswith(f"results/{s}/")}
            requests += [request for scale in sorted(scales) for request in self.catalogue.wanted(scale)]
        return requests

    def _take_turn(self, builds: bool) -> None:
        """Take the turn to build, and remove what a snakemake that was killed has left of its own.

        Raises:
            UserError: Another snakemake builds here: what it has read is older than what this one has.
        """
        holder = turns.take(self.workspace.root) if builds else turns.builder(self.workspace.root)
        if holder is not None and builds:
            kill = "" if holder.host or not holder.pid else f", or type: kill {holder.pid}"
            raise UserError(f"a snakemake builds here already ({holder}); wait for it to end{kill}")
        if holder is not None:
            self.remarks.append(f"a snakemake builds here now ({holder}): what was changed since it began is not shown")
        self.remarks += turns.clear(self.workspace.root)
        if builds:
            names = aside.put_back(self.workspace)
            self.remarks += [f"{name}: as it was before a build that did not end" for name in names]

    def _refuse_without_gpu(self, states: States) -> None:
        """Refuse to train on a CPU what a scale has a GPU for, unless that was said: it would take weeks, unseen.

        Raises:
            UserError: A run is to be trained on a GPU, and this machine shows none.
        """
        if self.catalogue.options.device is not None or hardware.accelerator():
            return
        runs = states.plan.runs
        trained = [state.node for state in states if state.node.family is PRETRAIN and state.status == EXECUTE]
        waiting = {node.config for node in trained if runs[node.config].gpu and (node.at.epoch or node.at.step)}
        if waiting:
            raise UserError(
                f"scale {self.requests[0].scale}: {len(waiting)} trainings are for a GPU, and this machine shows none; "
                "to train on its CPU all the same, for as long as that takes, add device=cpu to --config (with make: "
                "DEVICE=cpu)"
            )

    def _refuse_without_libraries(self, states: States) -> None:
        """Refuse to begin what cannot be ended: a network of a library that is not installed.

        Raises:
            UserError: It is not.
        """
        plan = states.plan
        waiting = {state.node.config for state in states if state.status == EXECUTE}
        for config, run in plan.runs.items():
            for part in PARTS if config in waiting else ():
                kind = (run.run[part] or {}).get("kind")
                for library, extra in components.needs(part, kind, self.catalogue.extend).items() if kind else ():
                    if importlib.util.find_spec(library) is None:
                        raise UserError(
                            f"{part}.kind: {library} is not installed here; type: make setup EXTRAS={extra}"
                        )

    def _relink(self) -> None:
        """Remove short names that point into another edition or nowhere.

        Snakemake would take them for up to date. A file in the place of one is somebody's work, and is moved aside;
        files of other kinds are nobody's business.
        """
        if self.workspace.lock:
            return
        for request in self.requests:
            short = self.catalogue.short(request)
            if short is None or request.edition != self.catalogue.options.edition():
                continue
            for suffix in SUFFIXES:
                link = self.workspace.path(f"results/{request.artifact}{suffix}")
                # put together here: the catalogue refuses the name of a table's picture
                goal = f"{request.edition}/{request.paper}/{link.name}"
                if self._copied(link, goal):
                    continue
                if not link.is_symlink():
                    if link.is_file():
                        kept = _aside(link)
                        self.remarks.append(
                            f"results/{link.name} is not the link that was written, and is kept as results/{kept.name}"
                        )
                elif str(link.readlink()) != goal or not link.exists():
                    link.unlink()

    def _copied(self, short: Path, goal: str) -> bool:
        """Whether a short name is a copy of its result: what the rule makes where the file system knows no links."""
        result = self.workspace.path(f"results/{goal}")
        return (
            not short.is_symlink()
            and short.is_file()
            and result.is_file()
            and filecmp.cmp(short, result, shallow=False)
        )

    @property
    def gpu(self) -> bool:
        """Whether a job of it may use a GPU."""
        return any(job.gpus for job in self.jobs.values())

    # -- files of jobs

    def link(self, name: str) -> str:
        """What the short name ``table8.csv`` points to, relative to results/."""
        request = self.catalogue.request(f"results/{Path(name).stem}.csv")  # a table has no .png
        assert request is not None
        return f"{request.edition}/{request.paper}/{name}"

    def artifacts(self, rule: str | None = None) -> list[str]:
        """``EDITION/PAPER/ARTIFACT`` of all artifacts that there are jobs for, or of those of one rule."""
        if self.submitted:
            folder = self.workspace.path(f"{jobs.FOLDER}/{rule}")
            return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.json"))
        return [job.name for job in self.jobs.values() if job.drawn and rule in (None, job.rule)]

    def pattern(self, rule: str) -> str:
        """Regular expression for the names of artifacts of a rule."""
        return "|".join(map(re.escape, self.artifacts(rule))) or "none"

    def results(self) -> list[str]:
        """Main file of every planned artifact."""
        return [] if self.submitted else [f"results/{name}.csv" for name in self.artifacts()]

    def reports(self, wildcards: Any) -> list[str]:
        """What the scorecard of an edition collects."""
        found = [name for name in self.artifacts() if name.startswith(f"{wildcards.edition}/")]
        return [f"results/{name}.json" for name in found]

    def scorecards(self) -> list[str]:
        """The scorecard of every planned edition."""
        return sorted({f"results/{name.split('/')[1]}/scorecard.csv" for name in self.results()})

    def done(self, *rules: str) -> list[str]:
        """Indices of all planned jobs of some rules."""
        return [job.done for job in self.jobs.values() if job.rule in rules]

    def job(self, rule: str, name: str) -> Job:
        """A job by its rule and name."""
        found = self.jobs.get((rule, name))
        return jobs.load(self.workspace, rule, name) if found is None else found

    def of_job(self, rule: str, attribute: str) -> Callable[..., Any]:
        """A function of a rule's only wildcard, as Snakemake takes it: an attribute of the job."""

        def find(wildcards: Any) -> Any:
            value = getattr(self.job(rule, wildcards[0]), attribute)
            return list(value) if isinstance(value, tuple) else value

        return find

    def demands(self, rule: str) -> dict[str, Callable[..., int]]:
        """What a rule's jobs state to a cluster, as functions of the rule's only wildcard: ``mem_mb``, ``runtime``.

        Empty where nobody asks: on this machine, and where another Snakemake has submitted the job.
        """
        found = self._demands
        if found is None:
            return {}

        def memory(wildcards: Any) -> int:
            return found.memory(self.job(rule, wildcards[0]))

        def minutes(wildcards: Any) -> int:
            return found.minutes(self.job(rule, wildcards[0]))

        return {"mem_mb": memory, "runtime": minutes}


def _aside(path: Path) -> Path:
    """Move a file to a name beside it that nothing has."""
    number = 1
    while (aside := path.with_name(f"{path.name}.edited-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def typed() -> Command:
    """Read the command line with snakemake's own parser.

    Its workflow object does not know the targets yet while the Snakefile is parsed.
    """
    from snakemake.cli import parse_args

    try:
        # it names the profile, as it did when snakemake itself called it
        with contextlib.redirect_stderr(io.StringIO()):
            _, arguments = parse_args(sys.argv[1:])
    except (Exception, SystemExit):
        return Command()  # snakemake was called from Python: plan everything
    builds = not arguments.nolock and not any(getattr(arguments, name, None) for name in _LOOKS)
    here = arguments.executor in (None, "local") and not arguments.touch
    quiet = not {"all", "progress"}.isdisjoint(str(one).lower() for one in arguments.quiet or ())
    return Command(tuple(map(str, arguments.targets or ())), bool(arguments.target_jobs), builds, here, quiet)


def read(config: dict[str, Any]) -> Workflow:
    """Read the plan for the Snakefile that is being parsed; a wrong declaration ends in one line."""
    try:
        workflow = Workflow(config, typed())
    except UserError as error:
        sys.exit(f"error: {error}")
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        if explain(error) is None:
            raise
        sys.exit(f"error: {explain(error)}")
    for remark in workflow.remarks:
        print(remark, file=sys.stderr)
    return workflow
