"""The site: every page, every link, read by a parser and by a real browser; refused, interrupted, tampered with."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browsing import browser  # noqa: F401  # a fixture
from conftest import DUEL, ROOT, Project, withdraw
from handmade import filled, grid, params, work

from pipeline import files, user_files
from pipeline.artifacts import words
from pipeline.artifacts.report import report as report_of
from pipeline.artifacts.rows import read
from pipeline.durations import rough
from pipeline.errors import UserError
from pipeline.ledger.families import PRETRAIN
from pipeline.ledger.sources import Folder
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.provenance.chain import Chain, Link, walk
from pipeline.provenance.titles import titles
from pipeline.provenance.views import source as source_of
from pipeline.site import graph, layers, output_dir, tables, templating
from pipeline.site import runs as run_pages
from pipeline.site.build import Site
from pipeline.site.graph_boxes import fold
from pipeline.site.project import Project as Shown
from pipeline.site.project import ResultPage, natural

PUBLISHED = """dataset,epochs,method,value,std,unit,source,note
cifar10,100,plain,85.21,0.23,%,text,
cifar10,300,plain,88.88,,%,text,read off a <graph>
cifar10,100,direct,84.49,0.20,%,text,
"""

CLAIMED = """    baselines: false
    published: {file: mini_duel.csv}
    notes: The <i>rest</i> is left out.
    claims:
      - {text: "Direct beats plain & <script>alert(1)</script>", greater: [direct, plain], for_each: [epochs]}
      - {text: "So it does after both", ours: true, greater: [direct, plain], for_each: [epochs]}
  early:"""

SCRIPTED = ("index.html", "runs/index.html", "mini/scorecard.html", "mini/mini/duel.html", "mini/mini/bars.html")
"""Pages with something to filter, to sort, to copy or to read off a chart, as on those of runs: of all others no byte is
executed."""


@pytest.fixture(scope="session")
def shown(drawn_once: Project, tmp_path_factory) -> Project:
    """A table with published numbers, a claim and markup in its texts, a figure, and their site; for reading only."""
    project = drawn_once.copy(tmp_path_factory.mktemp("shown") / "project")
    (project.root / "params/published/mini_duel.csv").write_text(PUBLISHED)
    project.edit("params/papers/mini.yaml", "    baselines: false\n  early:", CLAIMED)
    withdraw(project.root / "params", "embnorms", "figS6")
    project.edit("params/papers/mini.yaml", "title: One against the other", "title: One <b>against</b> the other")
    assert project.build(DUEL) == {"table": 1}
    project.pipeline("site", "--config", "scale=mini")
    return project


@pytest.fixture
def changing(shown: Project, tmp_path: Path) -> Project:
    """A copy of it, to change."""
    return shown.copy(tmp_path / "project")


class Page(HTMLParser):
    """What the tests look at: ids, links with their attributes, text, and elements that must balance."""

    VOID = ("meta", "link", "img", "input", "br")

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == [], f"{path}: not closed: {self.open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"] or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def content(site: Path) -> dict[str, bytes]:
    return {name: (site / name).read_bytes() for name in files.listing(site)}


def write(project: Project, out: Path | None = None) -> Site:
    site = Site(Shown(project.root), Catalogue(Options(scale="mini"), project.root / "params"))
    site.write(out or project.root / "site")
    return site


# -- what is there


def test_every_artifact_run_and_data_set_has_a_page(shown: Project) -> None:
    found = pages(shown.root / "site")
    configs = {path.name for path in (shown.root / "checkpoints").iterdir()}
    assert {
        name.removesuffix(".html") for name in (Path(p).name for p in found if p.startswith("runs/local"))
    } == configs
    assert sum(name.startswith("data/") for name in found) == 1
    assert {"index.html", "runs/index.html", "mini/scorecard.html", "mini/mini/index.html"} <= found.keys()
    assert {"mini/mini/duel.html", "mini/mini/bars.html"} <= found.keys()
    assert (shown.root / "site/mini/mini/bars.png").read_bytes() == (
        shown.root / "results/mini/mini/bars.png"
    ).read_bytes()


def test_a_table_stands_beside_the_published_numbers(shown: Project) -> None:
    page = pages(shown.root / "site")["mini/mini/duel.html"]
    report = json.loads((shown.root / "results/mini/mini/duel.json").read_text())
    for cell in report["cells"]:
        assert f"{cell['mean']:.1f}" in page.text
    ours = report["cells"][0]["mean"]
    assert "paper 85.21 ± 0.23" in page.text
    assert f"−{85.21 - ours:.1f} , not comparable" in page.text or f"−{85.21 - ours:.1f}, not comparable" in page.text
    assert "these are not the paper’s numbers" in page.text and "shapes stands for cifar10" in page.text
    assert words.bold(report) and f"Bold: {words.bold(report)}." in page.text
    anchors = [a["href"] for tag, a in page.tags if tag == "a" and (a.get("href") or "").startswith("#cell-")]
    assert "#cell-0" in anchors, "a number leads to its measurements"
    seeds = [a["href"] for tag, a in page.tags if tag == "a" and a.get("class") == "seed"]
    assert len(seeds) == 4 and all(
        re.fullmatch(r"\.\./\.\./runs/local-.*#seed0-epoch000\d-linear_probe-\w+", s) for s in seeds
    )


def test_what_is_not_built_is_listed_as_such(shown: Project) -> None:
    found = pages(shown.root / "site")
    assert "snakemake results/mini/mini/early.csv" in found["mini/mini/index.html"].text
    assert "duel" not in found["index.html"].text.split("Registered, not built")[1]
    assert "not declared yet" in found["mini/embnorms/index.html"].text


def test_a_run_has_its_params_scores_and_history(shown: Project) -> None:
    found = pages(shown.root / "site")
    name = next(name for name in found if name.startswith("runs/local") and "directpred" in name)
    page, config = found[name], Path(name).stem
    assert "0 epoch 1 " in page.text and "0 epoch 2 " in page.text, "milestones are told in words"
    assert "rho 0.3" in page.text and "batch_size 32" in page.text and "1 seed × 2 milestones" in page.text
    scores = json.loads(next((shown.root / "measurements" / config).rglob("scores.json")).read_text())
    assert f"{scores['top1_last']:.6g}" in page.text
    receipt = files.hashes(shown.root / f"receipts/checkpoints/{config}/seed0/epoch0001.json")["sha256"]
    assert receipt in page.text
    charts = [attributes["aria-label"] for tag, attributes in page.tags if attributes.get("class") == "chart"]
    assert charts[:3] == [f"{name} by epoch, 1 run" for name in ("loss", "embedding std", "effective rank")]
    assert "linear probe, top1 last by epoch, 1 run" in charts, "measured at two milestones"
    assert "mini/mini/duel" in page.text and "mini/mini/bars" in page.text


def test_params_that_are_null_are_left_out(shown: Project) -> None:
    runs = {name: page for name, page in pages(shown.root / "site").items() if name.startswith("runs/local")}
    params = [
        json.loads(path.read_text())["params"] for path in (shown.root / "receipts/checkpoints").rglob("*0001.json")
    ]
    assert any(
        None in one["predictor"].values() or None in one["views"].values() or None in one.values() for one in params
    )
    for name, page in runs.items():
        assert "unset" not in page.text, name


def test_data_sets_have_names_and_no_hashes(shown: Project) -> None:
    found = pages(shown.root / "site")
    (name,) = (name for name in found if name.startswith("data/"))
    heads = re.search(r"<title>(.*?)</title>.*<p class=\"trail\">(.*?)</p>.*<h1>(.*?)</h1>", (
        shown.root / "site" / name).read_text(), re.DOTALL)  # fmt: skip
    assert heads and [re.sub(r"<[^>]+>", "", head) for head in heads.groups()] == [
        "Data set shapes", "data / shapes", "Data set shapes",
    ]  # fmt: skip
    link = f'<a href="../{name}">shapes</a>'
    texts = [(shown.root / "site" / path).read_text() for path in found if path.startswith("runs/")]
    assert len(texts) == 3 and all(link in text for text in texts), "of the list, and of every run"
    box = next(box for box in fold(walk(Folder(shown.root), ["results/mini/mini/duel"])).values() if box.kind == "data")
    assert box.lines == ["shapes", f"data set {Path(name).stem.rpartition('-')[2]}"]


def test_a_run_that_is_no_longer_declared_keeps_its_name(changing: Project) -> None:
    (changing.root / "params/papers/mini.yaml").unlink()
    with (changing.root / "params/artifacts.csv").open() as file:
        kept = [line for line in file if not line.startswith("mini,")]
    (changing.root / "params/artifacts.csv").write_text("".join(kept))
    site = write(changing)
    assert {run.title for run in site.runs} == {"mini/direct, shapes for cifar10", "mini/plain, shapes for cifar10"}
    drawn = (changing.root / "site/mini/mini/duel.html").read_text()
    assert ">mini/direct, shapes for cifar10</text>" in drawn
    shutil.rmtree(changing.root / "jobs")
    assert "cosine, directpred predictor, EMA target" in {run.title for run in write(changing).runs}


def test_every_page_is_told_in_the_how_to_and_no_other(shown: Project) -> None:
    told = re.findall(r"^\| `(\S+\.html)` \|", (ROOT / "docs/how-to/site.md").read_text(), re.MULTILINE)
    named = [re.sub(r"[A-Z]+", "[^/]+", re.escape(name)) for name in told]
    found = [name for name in pages(shown.root / "site") if name]
    for pattern in named:
        assert any(re.fullmatch(pattern, name) for name in found), pattern
    for name in found:
        assert any(re.fullmatch(pattern, name) for pattern in named), name


def test_a_result_has_the_curves_of_its_runs(shown: Project) -> None:
    page = pages(shown.root / "site")["mini/mini/duel.html"]
    lines = [attributes for tag, attributes in page.tags if tag == "g" and "data-name" in attributes]
    assert len(lines) == 2 * 3 and len({one["data-name"] for one in lines}) == 2, "two runs in each of three charts"
    assert {one["class"] for one in lines} == {"line k0 d0", "line k1 d0"}, "one colour per run"
    last = next((shown.root / "checkpoints").glob("local-*linear*/seed0/epoch0002/history.csv")).read_text().split()[-1]
    loss = float(last.split(",")[1])
    assert f"mini/plain, shapes for cifar10: {loss:.4g} at epoch 2" in page.text
    assert "Line: mean over seeds; band: ± one standard deviation" in page.text


def test_the_scorecard_counts_cells_and_claims(shown: Project) -> None:
    page = pages(shown.root / "site")["mini/scorecard.html"]
    assert re.search(r"mini 3 0 0 0 0 3 0", page.text), "three published cells, none comparable"
    assert "sqrt((2 s / sqrt(n))² + e²)" in page.text
    assert (shown.root / "site/mini/scorecard.csv").read_text().startswith("paper,artifact,kind,claim,whose,verdict")


def test_all_pages_count_a_sentence_of_ours_apart(shown: Project) -> None:
    found = pages(shown.root / "site")
    assert "Sentences of the paper: 1 undecided Sentences of ours: 1 undecided" in found["mini/mini/index.html"].text
    assert "Sentences of the paper: 1 undecided Sentences of ours: 1 undecided" in found["mini/mini/duel.html"].text
    assert "1 undecided ours 1 undecided 4 of 4 cells" in found["index.html"].text
    assert found["mini/scorecard.html"].text.count("mini 0 1 0 0") == 2, "once of the paper, once of ours"
    assert "So it does after both ours" in found["mini/mini/duel.html"].text


def test_the_scorecard_opens_with_claims_that_can_be_read_alone(shown: Project) -> None:
    text = pages(shown.root / "site")["mini/scorecard.html"].text
    assert (
        text.index("Per paper: verdicts") < text.index("Every claim") < text.index("Numbers within the published band")
    )
    lead = "Direct beats plain & <script>alert(1)</script>"
    assert f"So it does after both ours after: {lead} mini/duel One <b>against</b> the other" in text


def test_the_menu_says_where_a_page_is(shown: Project) -> None:
    for name, page in pages(shown.root / "site").items():
        here = [attributes["href"] for tag, attributes in page.tags if tag == "a" and "aria-current" in attributes]
        assert [link.removeprefix("../").removeprefix("../") for link in here] == [
            "runs/index.html" if name.startswith(("runs/", "data/")) else "index.html"
        ], name


def test_without_a_history_there_is_no_section_of_training(changing: Project) -> None:
    assert 'id="training"' in (changing.root / "site/mini/mini/duel.html").read_text()
    for path in (changing.root / "checkpoints").rglob("history.csv"):
        path.unlink()
    write(changing)
    assert 'id="training"' not in (changing.root / "site/mini/mini/duel.html").read_text()


def test_the_cost_is_that_of_the_chain(shown: Project) -> None:
    chain = walk(Folder(shown.root), ["results/mini/mini/duel"])
    seconds = sum(link.execution["seconds"] for link in chain)
    page = pages(shown.root / "site")["mini/mini/duel.html"]
    assert f"{rough(seconds)} of work for the whole chain" in page.text
    assert f"{len(chain.links)} of {len(chain.links)} executions are on record" in page.text
    assert chain.root() in page.text


def test_markup_in_declarations_is_text(shown: Project) -> None:
    for name, page in pages(shown.root / "site").items():
        assert not any(tag in ("b", "i", "graph") for tag, _ in page.tags), name
        assert sum(tag == "script" for tag, _ in page.tags) == (name in SCRIPTED or "runs/local" in name), name
    page = pages(shown.root / "site")["mini/mini/duel.html"]
    assert "One <b>against</b> the other" in page.text and "& <script>alert(1)</script>" in page.text
    assert "The <i>rest</i> is left out." in page.text and "read off a <graph>" in page.text


# -- links, checked without a browser


def test_links_are_relative_and_lead_somewhere(shown: Project) -> None:
    site = shown.root / "site"
    found = pages(site)
    checked = 0
    for name, page in found.items():
        assert len(set(page.ids)) == len(page.ids), f"{name}: an id twice"
        for tag, attributes in page.tags:
            for where in ("href", "src"):
                if attributes.get(where) is None or attributes[where] == "data:,":
                    continue
                link = urlsplit(attributes[where])
                assert not link.scheme and not link.netloc, f"{name}: {tag} leads out: {attributes[where]}"
                assert not link.path.startswith("/"), f"{name}: {attributes[where]} is not relative"
                target = (site / name).parent / unquote(link.path) if link.path else site / name
                assert target.is_file(), f"{name}: {attributes[where]} leads nowhere"
                if link.fragment:
                    page_of = found[target.resolve().relative_to(site.resolve()).as_posix()]
                    assert unquote(link.fragment) in page_of.ids, f"{name}: no anchor {attributes[where]}"
                checked += 1
    assert checked > 150
    assert "url(" not in (site / "style.css").read_text() and "@import" not in (site / "style.css").read_text()


def test_pages_can_be_used_without_looking(shown: Project) -> None:
    for name, page in pages(shown.root / "site").items():
        tags = [tag for tag, _ in page.tags]
        assert tags.count("main") == tags.count("h1") == tags.count("nav") == 1, name
        assert dict(page.tags[[t for t, _ in page.tags].index("html")][1])["lang"] == "en"
        assert next(a for tag, a in page.tags if tag == "a")["href"] == "#main", f"{name}: the first link skips"
        assert tags.count("table") == tags.count("caption"), name
        assert all(a.get("scope") for tag, a in page.tags if tag == "th"), name
        assert all("alt" in a for tag, a in page.tags if tag == "img"), name
        levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
        assert all(b - a <= 1 for a, b in pairwise(levels)), f"{name}: a level of headings is skipped"
    figure = pages(shown.root / "site")["mini/mini/bars.html"]
    picture = next(a for tag, a in figure.tags if tag == "img")
    assert "One bar per method." in picture["alt"], "the caption is the picture's text"
    assert all(a["loading"] == "lazy" for tag, a in pages(shown.root / "site")["index.html"].tags if tag == "img")


# -- writing


def test_the_same_results_give_the_same_bytes(shown: Project, tmp_path: Path) -> None:
    write(shown, tmp_path / "again")
    first, second = content(shown.root / "site"), content(tmp_path / "again")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_files_of_an_earlier_site_are_gone(changing: Project) -> None:
    (changing.root / "site/runs/old.html").write_text("old")
    write(changing)
    assert not (changing.root / "site/runs/old.html").exists()
    assert list(changing.root.glob(".site.*")) == []


def test_an_interrupt_leaves_the_old_site(changing: Project, monkeypatch) -> None:
    before = content(changing.root / "site")
    (changing.root / "site/mark.txt").write_text("old")

    def interrupted(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Site, "_artifact", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(changing)
    assert content(changing.root / "site") == {**before, "mark.txt": b"old"}
    assert list(changing.root.glob(".site.*")) == []


def _no_library(*_, **__) -> object:
    return object()


def test_without_an_exchange_of_folders_it_is_replaced_too(changing: Project, monkeypatch) -> None:
    monkeypatch.setattr(output_dir.ctypes, "CDLL", _no_library)
    (changing.root / "site/old.html").write_text("old")
    write(changing)
    assert not (changing.root / "site/old.html").exists() and (changing.root / "site/index.html").is_file()
    assert list(changing.root.glob(".site.*")) == []


def test_what_a_killed_process_has_left_is_removed(changing: Project) -> None:
    left = changing.root / ".site.99999999.abc.part"
    left.mkdir()
    write(changing)
    assert not left.exists()


def test_nobody_elses_folder_is_overwritten(changing: Project) -> None:
    (changing.root / "mine").mkdir()
    (changing.root / "mine/thesis.tex").write_text("years of work")
    done = changing.pipeline("site", "-o", "mine", "--config", "scale=mini", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "mine: there are files in it, and no .site.json" in done.stderr
    assert (changing.root / "mine/thesis.tex").read_text() == "years of work"
    with pytest.raises(UserError, match="expected a folder"):
        output_dir.check(changing.root / "mine/thesis.tex")
    (changing.root / "empty").mkdir()
    write(changing, changing.root / "empty")
    assert (changing.root / "empty/index.html").is_file()


def test_nothing_built(tmp_path: Path) -> None:
    site = Site(Shown(tmp_path), Catalogue(Options()))
    site.write(tmp_path / "site")
    page = Page(tmp_path / "site/index.html")
    assert "Nothing is built yet" in page.text
    assert f"Registered, not built in quick: {len(site.known.registry)}" in page.text


# -- what does not hold


def test_an_edited_table_is_not_shown(changing: Project) -> None:
    path = changing.root / "results/mini/mini/duel.json"
    path.write_text(path.read_text().replace('"mean": ', '"mean": 9'))
    (changing.root / "results/mini/mini/bars.png").write_bytes(b"not the picture")
    done = changing.pipeline("site", "--config", "scale=mini")
    assert "2 of them do not hold" in done.stdout
    found = pages(changing.root / "site")
    page = found["mini/mini/duel.html"]
    assert any(a.get("role") == "alert" for _, a in page.tags)
    assert "results/mini/mini/duel.json : it is not what was written" in page.text
    assert "snakemake results/mini/mini/duel.csv" in page.text
    assert "Ours beside the published" not in page.text
    assert not (changing.root / "site/mini/mini/duel.json").exists()
    assert not any(tag == "img" for tag, _ in found["mini/mini/bars.html"].tags)
    assert found["index.html"].text.count("does not hold") == 2
    assert "mini/duel is left out" in found["mini/scorecard.html"].text.replace("results/mini/", "")


def test_a_result_without_a_receipt_is_not_shown(changing: Project) -> None:
    folder = changing.root / "results/mini/mini"
    for suffix in ("csv", "json", "md"):
        shutil.copy(folder / f"duel.{suffix}", folder / f"rumour.{suffix}")
    write(changing)
    page = pages(changing.root / "site")["mini/mini/rumour.html"]
    assert "results/mini/mini/rumour.receipt.json : there is no such receipt" in page.text
    assert "Ours beside the published" not in page.text
    assert not (changing.root / "site/mini/mini/rumour.csv").exists()


def test_a_forged_receipt_is_a_banner_where_it_is_read(changing: Project) -> None:
    config = next(path for path in sorted((changing.root / "receipts/measurements").iterdir()) if "linear" in path.name)
    receipt = next(config.glob("seed0/epoch0002/*[0-9a-f].json"))
    receipt.write_text(receipt.read_text().replace('"seed": 0', '"seed": 1'))
    write(changing)
    found = pages(changing.root / "site")
    alerts = {name for name, page in found.items() if any(a.get("role") == "alert" for _, a in page.tags)}
    assert alerts == {"mini/mini/duel.html"}, "the figure reads the first milestone only"
    assert f"receipts/measurements/{config.name}" in found["mini/mini/duel.html"].text
    bad = [a for tag, a in found["mini/mini/duel.html"].tags if tag in ("a", "g") and "bad" in (a.get("class") or "")]
    assert len(bad) == 1, "the box of what is wrong"


def test_scores_that_were_changed_are_left_blank(changing: Project) -> None:
    path = next((changing.root / "measurements").rglob("scores.json"))
    path.write_text(path.read_text().replace('"top1_last": ', '"top1_last": 77'))
    write(changing)
    config = path.relative_to(changing.root / "measurements").parts[0]
    page = pages(changing.root / "site")[f"runs/{config}.html"]
    assert "1 of 2 are not in place as written and are left blank" in page.text
    assert "77" not in [word[:2] for word in page.text.split("Scores of each")[1].split("Receipt")[0].split()]


# -- the graph


def test_the_graph_folds_seeds_and_milestones(shown: Project) -> None:
    name = "results/mini/mini/duel"
    chain = walk(Folder(shown.root), [name])
    boxes = fold(chain, [name])
    kinds = [box.kind for box in boxes.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "raw": 1, "data": 1, "checkpoints": 2, "measurements": 2, "results": 1,
    }  # fmt: skip
    run = next(box for box in boxes.values() if box.kind == "checkpoints" and "directpred" in box.id)
    assert run.lines[:2] == ["cosine, directpred predictor,", "EMA target"]
    assert run.lines[-1].startswith("1 seed × 2 milestones")
    called = fold(chain, [name], {Node(run.names[0]).config: "mini/direct, shapes for cifar10"})
    assert called[run.id].lines[0] == "mini/direct, shapes for cifar10"
    below = layers.ordered({box.id: box.below for box in boxes.values()})
    assert all(len(below[box.id]) == 1 for box in boxes.values() if box.kind == "measurements"), (
        "data by way of the run"
    )
    assert list(boxes)[-1] == name, "runs stand in the order of what tells them apart, not as the result reads them"
    drawn = graph.svg(chain, [name], lambda box: f"#{box.id}")
    assert drawn.count("<a ") == 7 and drawn.count('<path d="') == 7
    assert drawn == graph.svg(chain, [name], lambda box: f"#{box.id}")
    places = [drawn.index(f'href="#{kind}') for kind in ("raw", "data", "checkpoints", "measurements", "results")]
    assert places == sorted(places), "focus goes from raw data to the result"
    assert graph.svg(chain, [name]).count("<a ") == 0


def test_the_graph_knows_milestones_between_two_epochs(shown: Project) -> None:
    name = "results/mini/mini/duel"
    chain = walk(Folder(shown.root), [name])

    def between(text: str) -> str:
        return text.replace("epoch0001", "step000020")

    moved = Chain(
        {
            between(node): Link(Node(between(node)), json.loads(between(json.dumps(link.receipt))), link.digest)
            for node, link in chain.links.items()
        }
    )
    before, after = fold(chain, [name]), fold(moved, [name])
    assert any("/step" in node for box in after.values() for node in box.names)
    assert [(box.id, box.below, box.lines) for box in after.values()] == [
        (box.id, box.below, box.lines) for box in before.values()
    ]


def test_milestones_of_a_run_come_in_the_order_of_training() -> None:
    names = ["seed1/epoch0001", "seed0/epoch0010", "seed0/step000200", "seed0/epoch0002", "seed0/step000030"]
    receipt = {"params": {}, "inputs": {"data": {"node": "data/noise"}}}
    chain = Chain({name: Link(Node(f"checkpoints/local-a/{name}"), receipt, "") for name in names})
    links = run_pages._by_config(chain, PRETRAIN)["local-a"]
    assert [(link.node.seed, link.node.at.words) for link in links] == [
        (0, "step 30"), (0, "step 200"), (0, "epoch 2"), (0, "epoch 10"), (1, "epoch 1"),
    ]  # fmt: skip


def test_a_missing_receipt_is_a_box_in_red(changing: Project) -> None:
    (changing.root / next((changing.root / "receipts/data").glob("*[0-9a-f].json"))).unlink()
    name = "results/mini/mini/duel"
    boxes = fold(walk(Folder(changing.root), [name]), [name])
    assert [box.kind for box in boxes.values() if box.bad] == ["data"]
    assert 'class="data bad"' in graph.svg(walk(Folder(changing.root), [name]), [name])


def test_a_graph_of_nothing() -> None:
    assert 'class="results bad"' in graph.svg(Chain(), ["results/a/b/<c>"]) and "<c>" not in graph.svg(
        Chain(), ["results/a/b/<c>"]
    )
    assert graph.svg(Chain(), []).endswith("</svg>")


def test_edges_that_a_path_implies_and_cycles_are_left_out() -> None:
    below = layers.ordered({"c": ["b", "a"], "b": ["a"], "a": []})
    assert below == {"a": [], "b": ["a"], "c": ["b"]}
    cyclic = layers.ordered({"a": ["b"], "b": ["a"], "c": ["c"]})
    assert sum(map(len, cyclic.values())) == 1
    deep = {str(k): [str(k + 1)] for k in range(3000)} | {"3000": []}
    assert len(layers.columns(layers.ordered(deep))) == 3001


def test_boxes_do_not_overlap_and_stand_by_their_neighbours() -> None:
    below = {"a": [], "b": [], **{f"r{k}": ["a" if k < 5 else "b"] for k in range(9)}}
    below |= {f"m{k}": [f"r{k}"] for k in reversed(range(9))} | {"t": [f"m{k}" for k in range(9)]}
    below = layers.ordered(below)
    high = {name: 40.0 if name[0] == "r" else 30.0 for name in below}
    columns = layers.columns(below)
    assert [len(column) for column in columns] == [2, 9, 9, 1]
    assert [name[1:] for name in columns[1]] == [name[1:] for name in columns[2]], "no crossings"
    top = layers.heights(columns, below, high)
    for column in columns:
        for first, second in pairwise(column):
            assert top[second] - top[first] - high[first] >= layers.GAP - 1e-9
    for k in range(9):
        assert top[f"m{k}"] + 15 == pytest.approx(top[f"r{k}"] + 20)
    assert min(top.values()) == 0


# -- small parts


def test_a_cell_within_the_published_band() -> None:
    made = {
        "axes": {"method": "sgd", "dataset": "stl10", "epochs": 100}, "role": "cell", "dataset": "stl10",
        "paper_dataset": "stl10", "trained_epochs": 100, "mean": 75.02, "std": 0.4, "n": 4, "seeds": {}, "nodes": {},
        "published_mean": 75.06, "published_std": 0.5, "missing": None, "note": "",
    }  # fmt: skip
    report = {"cells": [made], "rows": ["method"], "columns": ["epochs"], "fixed": {"dataset": "stl10"},
              "artifact": "x", "measure": {"unit": "%", "title": "top-1"}}  # fmt: skip
    found = tables.grid(report)
    assert found is not None
    (names, (cell,)) = found.lines[0]
    assert names == ["sgd"] and (cell.text, cell.n, cell.word) == ("75.0 ± 0.4", 4, "within")
    assert (cell.difference, cell.band, cell.published) == ("0.0", "0.6", "75.06 ± 0.5")
    assert [head.text for head in found.heads[0]] == ["100 epochs"]
    made |= {"mean": None, "std": None, "n": 0, "published_mean": None, "published_std": None}
    assert tables.grid(report) is None, "nothing to print"


def laptop(tmp_path: Path, stl10: bool = False, **changes: Any) -> ResultPage:
    """A result of real data at fewer epochs, whose first columns have no numbers unless shapes stand for them."""
    cells = [one for data in ("stl10", "cifar10") for one in grid(method=["a", "b"], dataset=[data], epochs=[100, 300])]
    for one in cells:
        if one["axes"]["dataset"] == "cifar10":
            one["dataset"] = "cifar10"
        elif not stl10:
            one.update(dataset="", trained_epochs=0, nodes=[], missing="stl10: scale laptop has none")
        else:
            one["dataset"] = "shapes"
    values = {tuple(one["axes"].values()): [40.0 + k, 42.0 + k] for k, one in enumerate(cells) if one["nodes"]}
    spec = params(cells=cells, scale={"key": "laptop", "title": "CPU, a night, real CIFAR"}, **changes)
    found, unmatched = read(work(tmp_path, spec, filled(cells, values)))
    result = ResultPage("results/laptop/directpred/table8", Chain({}, []))
    result.report = report_of(spec, found, [], unmatched)
    return result


def test_a_card_shows_numbers_where_there_are_some(tmp_path: Path) -> None:
    made = laptop(tmp_path).report
    assert made is not None and made["counts"] == {"cells": 8, "measured": 4, "published": 0}
    lines = [("a", ["45.0", "46.0"]), ("b", ["47.0", "48.0"])]
    assert tables.preview(made) == tables.Preview("cifar10", ["100 epochs", "300 epochs"], lines)
    for one in made["cells"]:
        one |= {"mean": None, "seeds": {}} if one["axes"]["method"] == "a" else {}
    found = tables.preview(made)
    assert found is not None and found.lines == lines[1:], "no line of dashes"
    for one in made["cells"]:
        one |= {"mean": None, "seeds": {}, "published_mean": 50.0}
    assert tables.grid(made) is not None and tables.preview(made) is None


def test_only_data_that_stand_in_are_called_so(tmp_path: Path) -> None:
    parts = templating.environment()
    parts.globals["previews"] = {}

    def texts(result: ResultPage) -> tuple[str, str]:
        module = parts.get_template("parts.html").module
        plain = (re.sub(r"<[^>]+>", " ", str(part)) for part in (module.card(result, ""), module.instead(result)))
        card, notice = (" ".join(text.split()) for text in plain)
        return card, notice

    card, notice = texts(laptop(tmp_path / "real"))
    assert "4 of 8 cells" in card and "stand-in" not in card.lower()
    assert notice == (
        "Less than in the paper: these are not its numbers. Edition laptop (CPU, a night, real CIFAR): 8, 14 epochs "
        "for 100, 300. Only orderings can be compared with the paper, no single number."
    )
    card, notice = texts(laptop(tmp_path / "shapes", stl10=True))
    assert card.endswith("stand-in data: shapes for stl10") and "cifar10" not in card
    assert notice.startswith("Stand-in data: these are not") and "shapes stands for stl10; 8, 14 epochs" in notice
    once = laptop(tmp_path / "once")
    assert once.report is not None
    once.report["stand_ins"] = "1 epochs for 320"
    assert ": 1 epoch for 320. Only" in texts(once)[1]


def test_a_data_set_of_the_users_own_files_says_what_was_read(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / f"photos/{number}.png").write_bytes(bytes([number]))
    described = user_files.described(str(tmp_path / "photos"), "here", ())

    def about(source: dict[str, Any], files: list[dict[str, str]]) -> tuple[str, list[str], str]:
        params = user_files.without_places({"name": "pics", "files": files, "source": source})
        link = Link(Node("data/local-pics-fc962f92"), {"params": params, "outputs": {}, "key": "k", "inputs": {}}, "d")
        chain = Chain({link.node.name: link})
        here = SimpleNamespace(chain=chain, payload=lambda *_: None, workspace=Workspace(tmp_path))
        (data,) = run_pages.data(here, {}, [], titles(chain))
        page = templating.environment().get_template("data.html").render(root="../", data=data)
        return (
            " ".join(re.sub(r"<[^>]+>", " ", page).split()),
            fold(chain)["raw/local-pics-fc962f92"].lines,
            source_of(link),
        )

    text, box, told = about({"kind": "imagefolder", "root": described}, [])
    assert "No raw file" not in text and f"source.root 3 sha256 {described['content']}" in text
    assert box == ["source imagefolder", "3 files of source.root", f"sha256 {described['content'][:8]}"]
    assert told == f"pics (3 files of source.root sha256 {described['content'][:12]})"
    one = user_files.described(str(tmp_path / "photos/1.png"), "here", ())
    text, box, told = about({"kind": "arrays", "file": one, "more": [described]}, [])
    assert "source.file 1 sha256" in text and "source.more.0 3 sha256" in text
    assert box[1::2] == ["1 file of source.file", "3 files of source.more.0"]
    text, box, told = about({"kind": "shapes", "size": 8}, [])
    assert "No raw file is read" in text and box[1] == "no raw file is read" and "no raw file: source shapes" in told
    text, box, told = about({"kind": "cifar10"}, [{"name": "a.tar", "sha256": "ab" * 32}])
    assert "No raw file" not in text and "a.tar sha256 abab" in text and box[0] == "a.tar" and "a.tar" in told


def test_small_numbers() -> None:
    assert [tables.signed(value, "%") for value in (2.83, -38.89, 0.01)] == ["+2.8", "−38.9", "0.0"]
    assert [rough(value) for value in (0.04, 42, 600, 9000)] == ["0.0 s", "42 s", "10 min", "2.5 h"]
    assert sorted(["table10", "table2", "fig6"], key=natural) == ["fig6", "table2", "table10"]


def test_many_artifacts(shown: Project, tmp_path: Path) -> None:
    where = importlib.util.spec_from_file_location("bench_site", ROOT / "bench/site.py")
    bench = importlib.util.module_from_spec(where)
    where.loader.exec_module(bench)
    bench.synthetic(shown.root, "results/mini/mini/duel", tmp_path, 60)
    site = Site(Shown(tmp_path), Catalogue(Options(scale="mini"), shown.root / "params"))
    site.write(tmp_path / "site")
    assert len(site.project.results) == 60 and not any(result.findings for result in site.project.results)
    assert len(site.runs) == 12, "ten artifacts share their runs"
    assert (tmp_path / "site/index.html").stat().st_size < 500_000 * 60 / 300


def test_snakemakes_report_has_captions_categories_and_labels(changing: Project) -> None:
    changing.snakemake(DUEL, "results/mini/mini/bars.png", "--report", "report.html", "--config", "scale=mini")
    text = (changing.root / "report.html").read_text()
    found = json.loads(re.search(r"var results = (\{.*\});$", text, re.MULTILINE)[1])
    entry = found["results/mini/mini/duel.csv"]
    assert entry["labels"] == {"artifact": "duel", "scale": "mini"}
    caption = re.sub(r"<[^>]+>", "", entry["caption"])
    assert "duel of mini, scale mini" in caption and "pipeline audit results/mini/mini/duel.csv" in caption
    categories = json.loads(re.search(r"var categories = (\{.*\});$", text, re.MULTILINE)[1])
    bars = "results/mini/mini/bars.png"
    assert categories == {"mini": {"tables": ["results/mini/mini/duel.csv"], "figures": [bars]}}


# -- in a browser


def _failed(request) -> bool:
    """Whether a request has failed, and not only been left behind with its page."""
    return request.failure != "net::ERR_ABORTED"


@pytest.fixture
def visit(browser, shown: Project):  # noqa: F811  # the fixture
    """Opens a page of the site, and fails on whatever goes wrong in it."""
    contexts, wrong = [], []

    def note(text: str) -> None:
        wrong.append(text)

    def open_page(name: str, width: int = 1400, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: note(f"{name}: console: {message.text}"))
        page.on("pageerror", lambda error: note(f"{name}: error: {error}"))
        page.on("requestfailed", lambda request: note(f"{name}: failed: {request.url}") if _failed(request) else None)
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or note(f"{name}: {request.url}"))
        page.goto((shown.root / "site" / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize("width", [390, 1400])
def test_pages_fit_the_window(visit, shown: Project, width: int) -> None:
    page = visit("index.html", width)
    for path in sorted((shown.root / "site").rglob("*.html")):
        page.goto(path.as_uri())
        page.eval_on_selector_all("img", "all => all.forEach(one => one.loading = 'eager')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path.name} scrolls sideways"
        page.wait_for_function("[...document.images].every(one => one.complete)")
        assert page.evaluate("[...document.images].every(one => one.naturalWidth)"), f"{path.name}: a broken image"


def test_the_keyboard_reaches_the_graph_in_order(visit) -> None:
    page = visit("mini/mini/duel.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "it is seen when focused"
    seen = []
    for _ in range(120):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(e => e.closest('svg.provenance') && [e.getAttribute('class'), e.getAttribute('aria-label'), "
            "getComputedStyle(e.querySelector('rect')).strokeWidth])(document.activeElement)"
        )
        if found:
            seen.append(found)
        elif seen:
            break
    assert [kind for kind, _, _ in seen] == ["raw", "data", *["checkpoints"] * 2, *["measurements"] * 2, "results"]
    assert all(label and stroke == "3px" for _, label, stroke in seen), "named, and the focus is seen"
    page.locator("svg.provenance a.checkpoints").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/local-*.html")
    assert page.locator("h1").inner_text()


WEIGHTS = """() => [...document.querySelectorAll('table.grid td.cell a.number')].map(link => {
  const deepest = link.querySelector('strong') || link;
  return [link.getAttribute('href'), Number(getComputedStyle(deepest).fontWeight)];
})"""


def test_what_is_best_looks_bold_and_nothing_else_does(visit, shown: Project) -> None:
    report = json.loads((shown.root / "results/mini/mini/duel.json").read_text())
    found = dict(visit("mini/mini/duel.html").evaluate(WEIGHTS))
    cells = {f"#cell-{number}": cell["best"] for number, cell in enumerate(report["cells"]) if cell["mean"] is not None}
    assert found.keys() == cells.keys() and set(cells.values()) == {True, False}
    assert {to for to, weight in found.items() if weight >= 600} == {to for to, best in cells.items() if best}
    assert all(weight >= 700 if cells[to] else weight <= 400 for to, weight in found.items()), "told at a glance"


def test_a_number_leads_to_its_seeds_and_on_to_the_run(visit) -> None:
    page = visit("mini/mini/duel.html", 390)
    page.locator("a.number").first.click()
    assert page.url.endswith("#cell-0")
    row = page.locator("tr:target")
    assert row.count() == 1 and "plain" in row.inner_text()
    row.locator("a.seed").first.click()
    page.wait_for_url("**/runs/*#seed0-epoch0001-linear_probe-*")
    assert page.locator("tr:target").count() == 1


def test_the_filter(visit) -> None:
    page = visit("index.html")
    cards, box = page.locator("[data-card]"), page.get_by_label("Filter")
    assert cards.count() == 2 and box.is_visible()
    box.fill("bars")
    assert page.locator("[data-card]:visible").count() == 1 and page.locator("output").inner_text() == "1 of 2"
    box.fill("mini against")
    assert page.locator("[data-card]:visible .name").inner_text().lower() == "duel", "all words, in any order"
    box.fill("no such thing")
    assert page.locator("[data-card]:visible").count() == 0
    assert (
        page.locator("output").inner_text()
        == "0 of 2. Nothing fits: take a word away; runs are found by their parameters under “Runs and data”."
    )
    box.fill("")
    assert page.locator("[data-card]:visible").count() == 2


@pytest.mark.parametrize("name", ["index.html", "runs/index.html"])
def test_the_filter_is_in_the_address(visit, name: str) -> None:
    page = visit(name)
    page.get_by_label("Filter").fill("mini optimizer.lr=0.1")
    assert page.evaluate("location.search") == "?find=mini+optimizer.lr=0.1"
    told = page.locator("output").inner_text()
    page.reload()
    assert page.get_by_label("Filter").input_value() == "mini optimizer.lr=0.1"
    assert page.locator("output").inner_text() == told
    page.get_by_label("Filter").fill("")
    assert page.evaluate("location.search") == ""


def test_the_filter_is_there_again_on_the_way_back(visit) -> None:
    page = visit("runs/index.html")
    page.goto(f"{page.url}?find=predictor.kind=directpred")
    page.locator("tbody tr:visible a").first.click()
    page.wait_for_url("**/runs/local-*.html")
    page.go_back()
    assert page.get_by_label("Filter").input_value() == "predictor.kind=directpred"
    assert page.locator("tbody tr:visible").count() == 1


def test_runs_are_found_by_what_they_were_trained_with(visit) -> None:
    page = visit("runs/index.html")
    rows, box = page.locator("tbody tr"), page.get_by_label("Filter")
    every = rows.count()
    box.fill("predictor.kind directpred")
    assert page.locator("tbody tr:visible").count() == 1
    assert "directpred" in page.locator("tbody tr:visible").inner_text()
    assert page.locator("output").inner_text() == f"1 of {every}"
    box.fill("mini/bars")
    assert page.locator("tbody tr:visible").count() == every, "all of it is behind the bars"


@pytest.mark.parametrize(
    ("asked", "fit"),
    [("predictor.kind=directpred", 1), ("rho=0.30", 1), ("rho=0.3 linear", 0), ("rho=0.", 0), ("ho=0.3", 0),
     ("optimizer.lr=1e-1", 2), ("optimizer.lr=0.1 directpred", 1), ("dataset=shapes", 2), ("optimizer.lr=0.10000001", 0)],
)  # fmt: skip
def test_runs_are_found_by_conditions(visit, asked: str, fit: int) -> None:
    page = visit("runs/index.html")
    page.get_by_label("Filter").fill(asked)
    assert page.locator("tbody tr:visible").count() == fit
    assert page.locator("h2:visible").count() == min(fit, 1), "no heads over nothing"
    assert ("No run and no data set fits" in page.locator("output").inner_text()) == (not fit)


def test_a_column_sorts_its_table(visit) -> None:
    page = visit("runs/index.html")
    table = page.locator("table[data-sortable]").last
    button = table.get_by_role("button", name="Run", exact=True)
    names = table.locator("tbody th")
    first = names.all_inner_texts()
    assert len(first) > 1
    button.click()
    assert names.all_inner_texts() == sorted(first) and button.locator("..").get_attribute("aria-sort") == "ascending"
    button.press("Enter")
    assert names.all_inner_texts() == sorted(first, reverse=True)
    assert button.locator("..").get_attribute("aria-sort") == "descending"
    other = table.get_by_role("button", name="Results", exact=True)
    other.click()
    assert table.locator("[aria-sort]").count() == 1


def test_numbers_are_sorted_by_size_and_texts_as_people_do(visit) -> None:
    page = visit("runs/index.html")
    page.set_content(
        "<table data-sortable><thead><tr><th>n</th></tr></thead><tbody>"
        + "".join(f"<tr><td>{text}</td></tr>" for text in ("10", "run10", "9.5", "run2", "-3"))
        + "</tbody></table>"
    )
    page.add_script_tag(path=ROOT / "pipeline/site/assets/site.js")
    page.get_by_role("button").click()
    assert page.locator("td").all_inner_texts() == ["-3", "9.5", "10", "run2", "run10"]


SEVERAL_HEADS = """<table data-sortable><thead>
<tr><th rowspan="2">name</th><th colspan="2">a</th><th>b</th></tr>
<tr><th>one</th><th>two</th><th>one</th></tr></thead><tbody>
<tr><th>x</th><td>1.0 ± 9</td><td>7</td><td>−3.0</td></tr>
<tr><th>y</th><td>–</td><td>8</td><td>2.0</td></tr>
<tr><th>z</th><td>3.0 ± 1</td><td>6</td><td>−20.0</td></tr></tbody></table>"""


@pytest.mark.parametrize(
    ("clicks", "order"),
    [(["name"], "xyz"), (["one"], "xzy"), (["one", "one"], "zxy"), (["two"], "zxy"), (["one of b"], "zxy")],
)
def test_a_column_under_several_heads_sorts_by_its_own_numbers(visit, clicks: list[str], order: str) -> None:
    page = visit("runs/index.html")
    page.set_content(SEVERAL_HEADS)
    page.add_script_tag(path=ROOT / "pipeline/site/assets/site.js")
    buttons = page.get_by_role("button")
    assert buttons.all_inner_texts() == ["name", "one", "two", "one"], "none over two columns"
    for one in clicks:
        buttons.nth(["name", "one", "two", "one of b"].index(one)).click()
    assert "".join(page.locator("tbody th").all_inner_texts()) == order
    assert page.locator("[aria-sort]").count() == 1


def test_the_table_of_a_result_sorts_and_is_copied(visit, shown: Project) -> None:
    page = visit("mini/mini/duel.html")
    button = page.locator("table.grid thead button").last
    button.click()
    numbers = [float(text.split()[0]) for text in page.locator("table.grid tbody td:last-child a").all_inner_texts()]
    assert len(numbers) == 2 and numbers == sorted(numbers)
    button.click()
    again = [float(text.split()[0]) for text in page.locator("table.grid tbody td:last-child a").all_inner_texts()]
    assert again == numbers[::-1]
    assert page.locator("#csv").text_content() == (shown.root / "results/mini/mini/duel.csv").read_text()
    assert page.locator("[data-copies=csv]").count() == 1


def test_the_first_page_opens_with_the_papers(visit) -> None:
    page = visit("index.html")
    table = page.locator("table.papers").first
    heads = table.locator("thead th").all_inner_texts()
    assert heads[:3] == ["Paper", "Built", "shown"] and heads[-2:] == ["Ours", "Within the band"]
    assert table.bounding_box()["y"] < page.locator("[data-card]").first.bounding_box()["y"]
    row = table.locator("tbody tr", has_text="nobody 2026")
    assert row.locator("td").first.inner_text() == "2 of 3"
    assert row.locator("td").all_inner_texts()[-2:] == ["1 undecided", "0 of 3 (3 not comparable)"]
    row.get_by_role("link").click()
    assert page.url.endswith("/mini/index.html")


def test_all_is_there_without_javascript(visit) -> None:
    page = visit("index.html", java_script_enabled=False)
    assert page.locator("[data-card]:visible").count() == 2
    assert page.locator(".filter:visible").count() == 0, "what needs a script is not offered"


@pytest.fixture
def folded(changing: Project) -> Path:
    """A site with an edition that is folded away; its results hold no more, but their cards are there."""
    shutil.copytree(changing.root / "results/mini", changing.root / "results/tiny")
    write(changing)
    return changing.root / "site"


def test_the_edition_of_tests_stands_last_and_is_folded(visit, folded: Path) -> None:
    page = visit("index.html", java_script_enabled=False)
    page.goto((folded / "index.html").as_uri())
    assert page.locator(".edition h2").evaluate_all("all => all.map(one => one.id)") == ["mini", "tiny"]
    assert page.locator(".jump a").all_inner_texts() == ["mini", "tiny"]
    assert page.locator("[data-card]").count() == 4 and page.locator("[data-card]:visible").count() == 2
    page.locator("summary", has_text="2 results of tiny").click()
    assert page.locator("[data-card]:visible").count() == 4


SEEN = (
    "all => all.filter(one => one.checkVisibility({contentVisibilityAuto: true}) && one.getClientRects().length).length"
)


def test_a_filter_finds_what_is_folded_and_says_when_there_is_nothing(visit, folded: Path) -> None:
    page = visit("index.html")
    page.goto((folded / "index.html").as_uri())
    cards, nothing = page.locator("[data-card]"), page.get_by_text("No result has all of these words")
    assert cards.evaluate_all(SEEN) == 2 and not nothing.is_visible()
    page.get_by_label("Filter").fill("bars")
    assert cards.evaluate_all(SEEN) == 2, "one of each edition"
    page.get_by_label("Filter").fill("tiny bars")
    assert cards.evaluate_all(SEEN) == 1 and not nothing.is_visible()
    page.get_by_label("Filter").fill("no such thing")
    assert cards.evaluate_all(SEEN) == 0 and nothing.is_visible()


def test_paper_shows_what_is_folded(visit, folded: Path) -> None:
    page = visit("index.html", java_script_enabled=False)
    page.goto((folded / "index.html").as_uri())
    page.emulate_media(media="print")
    assert page.locator("[data-card]").evaluate_all(SEEN) == 4


def test_a_link_to_a_seed_opens_its_fold(visit, shown: Project) -> None:
    page = visit("mini/mini/duel.html", java_script_enabled=False)
    page.locator("details:has(#seeds) > summary").click()
    assert not page.locator("#cell-0").is_visible()
    page.locator("a.number").first.click()
    assert page.locator("#cell-0").is_visible()


def test_a_narrow_window_shows_what_decides(visit) -> None:
    for name, told in (("index.html", "within the band"), ("mini/scorecard.html", "parts shown")):
        page = visit(name, 390)
        found = page.locator(f'td[data-head="{told}"]:not(:empty)').first
        box = found.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert told in found.evaluate("one => getComputedStyle(one, '::before').content")
    row = page.locator("table[data-sortable] tbody tr").first
    assert row.locator(".verdict").bounding_box()["y"] < row.locator("th").bounding_box()["y"], "the verdict first"


CONTRAST = """() => {
  const part = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const read = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const ground = e => { for (; e; e = e.parentElement) { const c = read(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('svg') && e.tagName !== 'text') continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), box = e.closest('g, a'), rect = box && box.querySelector('rect');
    const ink = read(e.tagName === 'text' ? style.fill : style.color);
    const under = e.tagName === 'text' && rect ? read(getComputedStyle(rect).fill) : ground(e);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push([e.textContent.trim().slice(0, 40), ratio]);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(visit, shown: Project, scheme: str) -> None:
    page = visit("index.html", color_scheme=scheme)
    for path in sorted((shown.root / "site").rglob("*.html")):
        page.goto(path.as_uri())
        assert page.evaluate(CONTRAST) == [], path.name
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 23, 21)"
        assert dark == (scheme == "dark")
