"""The site: every page of every edition, paper, artifact, run and data set, written with relative links only.

Results and what runs are called decide its bytes: nothing in it is dated.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from pipeline import files
from pipeline.artifacts import formats, scorecard, settings, words
from pipeline.latex import written
from pipeline.ledger.families import PRETRAIN
from pipeline.planning.catalogue import Catalogue
from pipeline.provenance import titles
from pipeline.provenance.curves import HISTORY, Curves
from pipeline.site import (
    charts,
    claimed,
    editions,
    graph,
    output_dir,
    overlay,
    runs,
    tables,
    templating,
    verdicts,
    views,
)
from pipeline.site.cost import cost
from pipeline.site.counts import Counts
from pipeline.site.leads import leads
from pipeline.site.overlay import Shown
from pipeline.site.project import Project, ResultPage, natural, users

_COPIED = 64_000
"""Bytes of the largest table that a page has as text, to be copied."""


@dataclass
class Section:
    """What is built, and what is not, of one paper in one edition.

    Attributes:
        edition: Folder below results/.
        paper: Key of the paper.
        about: Title, authors, year; empty where nothing is declared yet.
        results: What is built.
        waiting: Rows of the registry of what is not built, with ``type``, what to type for it (empty if it is not
            declared yet).
    """

    edition: str
    paper: str
    about: dict[str, Any]
    results: list[ResultPage]
    waiting: list[dict[str, str]]


class Site:
    """All pages of a project.

    Args:
        project: What to show.
        known: What is declared; its scale and flavour say for which edition what is not built is listed.
    """

    def __init__(self, project: Project, known: Catalogue) -> None:
        self.project = project
        self.known = known
        self.users = users(project.results)
        declared = titles.declared(self.known, [result.name for result in project.results])
        self.called = titles.titles(project.chain, project.workspace, declared)
        self.runs = runs.runs(project, self.users, self.called)
        self.data = runs.data(project, self.users, self.runs, self.called)
        self.pages = {run.config for run in self.runs}, {data.name for data in self.data}
        self.environment = templating.environment()
        self.environment.globals["previews"] = {r.name: tables.preview(r.report) for r in project.results if r.report}

    @cached_property
    def editions(self) -> dict[str, list[Section]]:
        """Papers of each edition, the configured one among them also where nothing of it is built."""
        known = {self.known.options.edition(), *(result.edition for result in self.project.results)}
        return {edition: self._sections(edition) for edition in sorted(known, key=editions.order)}

    @cached_property
    def titles(self) -> dict[str, str]:
        """Say what each edition is, in a few words."""
        found = {}
        for edition, sections in self.editions.items():
            reports = [result.report for section in sections for result in section.results if result.report]
            own = edition == self.known.options.edition()
            known = self.known.scale(self.known.options.scale).title if own else edition
            found[edition] = reports[0]["scale"]["title"] if reports else known
        return found

    @cached_property
    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """The scorecard of each edition."""
        return {
            edition: scorecard.collect([r.files[".json"] for section in sections for r in section.results if r.report])
            for edition, sections in self.editions.items()
        }

    @cached_property
    def counts(self) -> dict[str, dict[str, Counts]]:
        """Edition -> paper -> what is counted; papers of which nothing is built have none."""
        return {
            edition: {section.paper: Counts.over(section.results) for section in sections if section.results}
            for edition, sections in self.editions.items()
        }

    def _sections(self, edition: str) -> list[Section]:
        built: dict[str, list[ResultPage]] = {}
        for result in self.project.results:
            if result.edition == edition:
                built.setdefault(result.paper, []).append(result)
        keys = dict.fromkeys([*self.known.papers, *(paper for paper, _ in self.known.registry), *built])
        found = []
        for paper in keys:
            results = sorted(built.get(paper, []), key=views.place)
            if results or edition == self.known.options.edition():
                names = {result.artifact for result in results}
                rows = [row for key, row in self.known.registry.items() if key[0] == paper and key[1] not in names]
                waiting = [{**row, "type": self._command(edition, row)} for row in rows]
                found.append(Section(edition, paper, self._about(paper, results), results, waiting))
        return found

    def _about(self, paper: str, results: list[ResultPage]) -> dict[str, Any]:
        declared = self.known.papers.get(paper)
        if declared is not None:
            return {"title": declared.title, "authors": declared.authors, "year": declared.year}
        reported = [result.report["paper"] for result in results if result.report]
        return reported[0] if reported else {"title": "", "authors": "", "year": ""}

    def _command(self, edition: str, row: dict[str, str]) -> str:
        declared = self.known.papers.get(row["paper"])
        if declared is None or row["artifact"] not in declared.artifacts:
            return ""
        return f"snakemake results/{edition}/{row['paper']}/{row['artifact']}.csv"

    # -- writing

    def write(self, target: Path) -> int:
        """Write all pages into the place of ``target``; returns how many.

        Raises:
            UserError: ``target`` is something else than a site.
        """
        with output_dir.replacing(target) as out:
            for path in sorted(templating.ASSETS.iterdir()):
                shutil.copyfile(path, out / path.name)
            self._count = 0
            built = bool(self.project.results)
            self._page(
                out,
                "index.html",
                "index.html",
                editions=self.editions,
                titles=self.titles,
                counts=self.counts,
                columns={
                    edition: verdicts.counted({word for one in papers.values() for word in one.claims})
                    for edition, papers in self.counts.items()
                },
                built=built,
            )
            self._page(out, "runs/index.html", "runs.html", runs=self.runs, data=self.data)
            for run in self.runs:
                self._page(out, f"runs/{run.config}.html", "run.html", run=run)
            for data in self.data:
                self._page(out, f"data/{data.name}.html", "data.html", data=data)
            for edition, sections in self.editions.items():
                self._scorecard(out, edition, sections)
                for section in sections:
                    self._page(out, f"{edition}/{section.paper}/index.html", "paper.html", section=section)
                    for result in section.results:
                        self._artifact(out, result, section)
        return self._count

    def _page(self, out: Path, path: str, template: str, **content: Any) -> None:
        root, here = "../" * path.count("/"), "runs" if path.startswith(("runs/", "data/")) else "results"
        files.write(out / path, self.environment.get_template(template).render(root=root, here=here, **content))
        self._count += 1

    def _scorecard(self, out: Path, edition: str, sections: list[Section]) -> None:
        rows = self.rows[edition]
        if rows:
            (out / edition).mkdir(exist_ok=True)
            formats.write_csv(out / edition / "scorecard.csv", scorecard.COLUMNS, rows)
        built = [result for section in sections for result in section.results]
        totals = list(self.counts[edition].items())
        if len(totals) > 1:
            totals.append(("all", Counts.over(built)))
        self._page(
            out,
            f"{edition}/scorecard.html",
            "scorecard.html",
            edition=edition,
            totals=totals,
            claims=_claims(rows, {(r.paper, r.artifact): r.report["title"] for r in built if r.report}),
            artifacts=[(result, Counts.over([result])) for result in built],
            verdicts={
                "claims": verdicts.counted({word for _, one in totals for word in one.claims}),
                "ours": verdicts.counted({word for _, one in totals for word in one.ours}),
            },
            reasons=verdicts.explained({word for _, one in totals for word in (*one.claims, *one.ours)}),
            standings=scorecard.STANDINGS,
            settings=settings.STANDINGS,
            band=scorecard.BAND,
            hidden=[result for result in built if not result.report],
        )

    def _artifact(self, out: Path, result: ResultPage, section: Section) -> None:
        place = out / result.edition / result.paper
        place.mkdir(parents=True, exist_ok=True)
        for suffix, path in result.files.items():
            files.clone(path, place / f"{result.artifact}{suffix}")
        if result.link is not None:
            files.clone(
                self.project.workspace.path(result.link.node.receipt), place / f"{result.artifact}.receipt.json"
            )
        drawn = graph.svg(result.chain, [result.name], views.Links(result, *self.pages).href, self.called)
        report = result.report
        trained = self._trained(result)
        self._page(
            out,
            f"{result.edition}/{result.paper}/{result.artifact}.html",
            "artifact.html",
            result=result,
            section=section,
            report=report,
            caption=views.caption(result),
            grid=tables.grid(report) if report else None,
            latex=written.table_of(report) if report else "",
            csv=_short(result.files.get(".csv")),
            seeds=views.seeds(result) if report else [],
            claims=[claimed.told(claim, report) for claim in report["claims"]] if report else [],
            counted=Counts.over([result]),
            few=claimed.FEW,
            many=views.MANY,
            fixed=[words.place(*item) for item in report["fixed"].items()] if report else [],
            printed=bool(report and report["counts"]["published"]),
            settings=bool(report and words.settings_shown(report)),
            band=scorecard.BAND,
            bold=words.bold(report) if report else "",
            footnotes=tables.footnotes(report) if report else [],
            cost=cost(result.chain),
            trained=trained,
            too_many=len(trained) > charts.MOST,
            charts=_charts(trained),
            drawn=Markup(drawn),
        )

    def _trained(self, result: ResultPage) -> list[Shown]:
        """Runs behind a result that have a history, with the seeds that it needs; steps within an epoch have none."""
        needed: dict[str, set[int]] = {}
        for link in result.chain.family(PRETRAIN):
            needed.setdefault(link.node.config, set()).add(link.node.seed or 0)
        found: list[Shown] = []
        for run in sorted((run for run in self.runs if run.config in needed), key=_title):
            curves = {seed: one for seed, one in run.curves.items() if seed in needed[run.config] and _trained(one)}
            if curves:
                found.append(Shown(run.title, curves, len(found), to=f"../../runs/{quote(run.config)}.html"))
        return found


def _charts(trained: list[Shown]) -> list[str]:
    """Histories of runs on common axes; none of more than can be told apart."""
    if len(trained) > charts.MOST:
        return []
    return [overlay.chart(name, trained).svg() for name in overlay.available(trained) if name in HISTORY]


def _short(path: Path | None) -> str:
    """The text of a table to copy; of a large one there is the file alone."""
    if path is None or path.stat().st_size > _COPIED:
        return ""
    return path.read_text(encoding="utf-8")


def _trained(curves: Curves) -> bool:
    return any(curves.numbers.get(name) for name in HISTORY)


def _title(run: runs.RunPage) -> list:
    return natural(run.title)


def _claims(rows: list[dict[str, Any]], titles: dict[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Rows of the scorecard about claims, with what each needs to be read alone."""
    found = []
    own = [row for row in rows if row["kind"] == "claim"]
    for (paper, artifact), group in itertools.groupby(own, key=_artifact_of):
        together = list(group)
        for row, lead in zip(together, leads([row["claim"] for row in together]), strict=True):
            found.append({**row, "verdict": verdicts.of(row), "lead": lead, "title": titles[paper, artifact]})
    return found


def _artifact_of(row: dict[str, Any]) -> tuple[str, str]:
    return row["paper"], row["artifact"]
