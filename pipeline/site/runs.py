"""What the pages of runs and data sets show, from the receipts and the payload that is in place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline import files
from pipeline.artifacts import formats
from pipeline.evaluation.collapse import embeddings_collapsed
from pipeline.ledger.families import MEASURE, PREPARE, PRETRAIN, SIMULATE, Family
from pipeline.provenance import curves
from pipeline.provenance.chain import Chain, Link
from pipeline.provenance.curves import HISTORY, Curves
from pipeline.provenance.differences import flat
from pipeline.provenance.own_files import OwnFiles, own_files
from pipeline.site import overlay
from pipeline.site.graph_boxes import count
from pipeline.site.overlay import Shown
from pipeline.site.project import Project, ResultPage, natural


@dataclass
class Measured:
    """All measurements of one kind on one run.

    Attributes:
        name: Folder of the measure, an anchor of the page.
        kind: What measures.
        params: Its parameters.
        columns: Names of the scores that are numbers.
        rows: Link and the scores as text, by seed and milestone.
        changed: How many have scores that are not what was written.
        away: How many have none here.
    """

    name: str
    kind: str
    params: list[tuple[str, str]]
    columns: list[str]
    rows: list[tuple[Link, list[str]]]
    changed: int
    away: int

    @property
    def caption(self) -> str:
        """Say what the table shows, and what it does not."""
        if self.away == len(self.rows):
            return "Receipts of each seed and milestone; the scores are not here"
        parts = ["Scores of each seed and milestone"]
        for number, why in ((self.changed, "not in place as written"), (self.away, "not here")):
            parts += [f"{number} of {len(self.rows)} are {why} and are left blank"] if number else []
        return "; ".join(parts)


@dataclass
class RunPage:
    """One page: all seeds and milestones of a run.

    Attributes:
        config: Folder of the run.
        title: What a person calls it.
        data: Folder of its data set.
        on: What a person calls that.
        links: Milestones by seed, those between two epochs first.
        groups: Component -> its params, of what the receipts have resolved.
        measured: Its measurements.
        curves: Seed -> what is known of it along its epochs.
        users: Results that are made from it.
        collapsed: Seeds that have collapsed, in training or by a measurement of their features.
        away: Of how many of its trainings and measurements no payload is here.
    """

    config: str
    title: str
    data: str
    on: str
    links: list[Link]
    groups: list[tuple[str, list[tuple[str, str]]]]
    measured: list[Measured]
    curves: dict[int, Curves]
    users: list[ResultPage]
    collapsed: list[int]
    away: int

    @property
    def restore(self) -> str:
        """What to type for the payload that is not here; empty where all is."""
        return _restore(self.users) if self.away else ""

    @property
    def nodes(self) -> int:
        """How many trainings and measurements it has."""
        return len(self.links) + sum(len(one.rows) for one in self.measured)

    @property
    def timed(self) -> bool:
        """Whether it is on record how long any of its trainings took."""
        return any("seconds" in link.execution for link in self.links)

    @property
    def extent(self) -> str:
        """``3 seeds × 3 milestones``."""
        seeds, milestones = {link.node.seed for link in self.links}, {link.node.at for link in self.links}
        return f"{count(len(seeds), 'seed')} × {count(len(milestones), 'milestone')}"

    @property
    def trained(self) -> list[str]:
        """Charts of its history."""
        return self._charts(True)

    @property
    def along(self) -> list[str]:
        """Charts of what was measured at several milestones."""
        return self._charts(False)

    def _charts(self, trained: bool) -> list[str]:
        alone = [Shown(self.title, self.curves)]
        wanted = [name for name in overlay.available(alone) if (name in HISTORY) == trained]
        words = overlay.titles(wanted)
        return [overlay.chart(name, alone, words=words[name]).svg() for name in wanted]

    @property
    def words(self) -> str:
        """What it is found by, beside what its row shows: its params and the results that need it."""
        params = [f"{name}.{key} {value}" for name, own in self.groups for key, value in own]
        return " ".join([self.data, f"dataset {self.on}", *params, *(result.name for result in self.users)])


@dataclass
class Data:
    """One page: a data set, or a simulation, which is made from nothing but its params.

    Attributes:
        name: Its folder.
        title: What a person calls it.
        link: Its receipt.
        files: Raw files as declared, with their checksums.
        own: Files and folders of the user's.
        params: The rest of its params.
        meta: What is in it, if that is in place.
        away: Whether no payload of it is here.
        runs: Runs that are trained or measured on it.
        users: Results that are made from it.
    """

    name: str
    title: str
    link: Link
    files: list[dict[str, Any]]
    own: list[OwnFiles]
    params: list[tuple[str, str]]
    meta: list[tuple[str, str]]
    away: bool
    runs: list[RunPage] = field(default_factory=list)
    users: list[ResultPage] = field(default_factory=list)

    @property
    def restore(self) -> str:
        """What to type for the payload that is not here; empty where all is."""
        return _restore(self.users) if self.away else ""

    @property
    def kind(self) -> str:
        """Say what it is, for a heading."""
        return self.link.node.family.noun.capitalize()

    @property
    def words(self) -> str:
        """What it is found by, beside what its row shows: its params and the results that need it."""
        return " ".join([*(f"{key} {value}" for key, value in self.params), *(result.name for result in self.users)])


def runs(project: Project, users: dict[str, list[ResultPage]], called: Mapping[str, str]) -> list[RunPage]:
    """Every run behind a result, sorted by folder.

    Args:
        project: With its results.
        users: Node -> results that are made from it.
        called: Folder of a run or data set -> what a person calls it.
    """
    milestones, measurements = _by_config(project.chain, PRETRAIN), _by_config(project.chain, MEASURE)
    found = []
    for config in sorted(milestones, key=natural):
        links = milestones[config]
        params = links[0].receipt["params"]
        read = links[0].receipt["inputs"]["data"]["node"].removeprefix("data/")
        own = measurements.get(config, [])
        found.append(
            RunPage(
                config,
                called[config],
                read,
                called.get(read, read),
                links,
                _groups(params),
                [_measured(project, name, own) for name in sorted({_measure(link) for link in own})],
                _curves(project, links, own),
                _union(users.get(link.node.name, []) for link in (*links, *own)),
                _collapsed(project, links, own),
                sum(_away(project, link) for link in (*links, *own)),
            )
        )
    return found


def data(
    project: Project, users: dict[str, list[ResultPage]], found: list[RunPage], called: Mapping[str, str]
) -> list[Data]:
    """Every data set and every simulation behind a result, sorted by folder.

    Args:
        project: With its results.
        users: Node -> results that are made from it.
        found: All runs.
        called: Folder of a run or data set -> what a person calls it.
    """
    made = []
    for link in sorted([*project.chain.family(PREPARE), *project.chain.family(SIMULATE)], key=_name):
        params = dict(link.receipt["params"])
        raw = params.pop("files", None) or []
        try:
            meta = json.loads(project.payload(link, "meta.json") or b"{}")
        except ValueError:
            meta = {}
        name = link.node.config
        made.append(
            Data(
                name,
                called[name],
                link,
                raw,
                own_files(params),
                pairs(params),
                pairs(meta if isinstance(meta, dict) else {}),
                _away(project, link),
                [run for run in found if run.data == name],
                users.get(link.node.name, []),
            )
        )
    return made


def pairs(params: dict[str, Any]) -> list[tuple[str, str]]:
    """Params as ``predictor.rho`` and text; those that are null are set to nothing, and say nothing."""
    found = [(name, text(value)) for name, value in flat(params).items() if value is not None] if params else []
    return sorted(found, key=_kind_first)


def _kind_first(pair: tuple[str, str]) -> bool:
    return pair[0] != "kind"


def text(value: Any) -> str:
    """A param for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(text, value)) or "none"
    return "unset" if value is None else str(value)


def anchor(link: Link) -> str:
    """Where a milestone or measurement stands on its run's page."""
    return "-".join(link.node.name.split("/")[2:])


def _by_config(chain: Chain, family: Family) -> dict[str, list[Link]]:
    found: dict[str, list[Link]] = {}
    for link in sorted(chain.family(family), key=_place):
        found.setdefault(link.node.config, []).append(link)
    return found


def _place(link: Link) -> tuple[int, int, int, str]:
    return link.node.seed or 0, link.node.at.epoch, link.node.at.step, link.node.name


def _name(link: Link) -> list:
    return natural(link.node.name)


def _measure(link: Link) -> str:
    return link.node.name.rsplit("/", 1)[1]


def _groups(params: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Components first, each with its params; what belongs to none at the end."""
    components = [(name, pairs(value)) for name, value in params.items() if isinstance(value, dict) and "kind" in value]
    rest = {name: value for name, value in params.items() if not (isinstance(value, dict) and "kind" in value)}
    training = pairs(rest)
    return [*components, ("training", training)] if training else components


def _measured(project: Project, name: str, links: list[Link]) -> Measured:
    own = [(link, project.scores(link)) for link in links if _measure(link) == name]
    columns = list(dict.fromkeys(key for _, found in own for key, value in found.items() if _scalar(value)))
    rows = [(link, [_score(found.get(column)) for column in columns]) for link, found in own]
    receipt = own[0][0].receipt
    away = sum(_away(project, link) for link, _ in own)
    changed = sum(not found for _, found in own) - away
    params = pairs(receipt["params"].get("measure", {}))
    return Measured(name, receipt["stage"], params, columns, rows, changed, away)


def _away(project: Project, link: Link) -> bool:
    """Whether none of a node's files is here: its payload stayed where it was made, or was never fetched."""
    folder = project.workspace.payload(link.node)
    return not any((folder / name).is_file() for name in link.receipt["outputs"])


def _restore(users: list[ResultPage]) -> str:
    """The command for everything behind the first of some results."""
    return f"python -m pipeline restore {users[0].name}.csv" if users else ""


def _scalar(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _score(value: Any) -> str:
    if value is None or not _scalar(value):
        return "–"
    return formats.number(value) if isinstance(value, float) else text(value)


def _collapsed(project: Project, links: list[Link], measurements: list[Link]) -> list[int]:
    found = set()
    for link in {link.node.seed: link for link in links}.values():  # the last milestone of each seed
        summary = files.parse(project.payload(link, "summary.json") or b"")  # a damaged one says nothing
        if isinstance(summary, dict) and embeddings_collapsed(summary):
            found.add(link.node.seed or 0)
    return sorted(found | {link.node.seed or 0 for link in measurements if project.scores(link).get("collapsed")})


def _curves(project: Project, links: list[Link], measurements: list[Link]) -> dict[int, Curves]:
    """What the last milestone of each seed has written down, and what was measured along the way."""
    found: dict[int, Curves] = {}
    steps: dict[int, int] = {}
    for link in links:
        seed = link.node.seed or 0
        text = (project.payload(link, "history.csv") or b"").decode("utf-8", "replace")
        one = found.setdefault(seed, Curves())
        one.numbers = curves.history(text) or one.numbers
        if link.node.step:
            summary = files.parse(project.payload(link, "summary.json") or b"")
            steps[seed] = summary.get("steps_per_epoch", 0) if isinstance(summary, dict) else 0
    kinds = {name: link.receipt["stage"] for name, link in ((_measure(link), link) for link in measurements)}
    for link in measurements:
        at, seed, scores = link.node.at, link.node.seed or 0, project.scores(link)
        if seed not in found or (at.step and not steps.get(seed)):
            continue
        name, kind = _measure(link), link.receipt["stage"]
        label = kind if list(kinds.values()).count(kind) == 1 else name
        found[seed].add(label, kind, at.step / steps[seed] if at.step else at.epoch, scores)
    for one in found.values():
        one.sort()
    return found


def _union(groups: Iterable[list[ResultPage]]) -> list[ResultPage]:
    found = {result.name: result for group in groups for result in group}
    return sorted(found.values(), key=_result)


def _result(result: ResultPage) -> list:
    return natural(result.name)
