"""The page that watch serves: whom it answers, what an address shows, and how it grows while a training goes on."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from browsing import browser  # noqa: F401  # a fixture
from conftest import Project

from pipeline.engine.state import States
from pipeline.errors import UserError
from pipeline.ledger.workspace import Workspace
from pipeline.monitor.report import Report
from pipeline.numerics import saved_tensors
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan
from pipeline.provenance.curves import Curves
from pipeline.site import board as looked
from pipeline.site import overlay, templating
from pipeline.site.board import Board
from pipeline.site.choice import Choice
from pipeline.site.overlay import Shown
from pipeline.site.server import HOST, Pages, Server
from pipeline.training.history import History

CONFIG = ("--config", "scale=mini")


def look(project: Project) -> Board:
    """A look at the mini paper's table in a copy of the project."""
    known = Catalogue(Options(scale="mini"), project.root / "params")
    request = known.request("results/mini/mini/duel.csv")
    return Board(States(Plan(known, [request]), Workspace(project.root)))


@contextmanager
def served(board: Board) -> Iterator[Server]:
    """The page on a port of its own."""
    with Server(Pages(board, "Runs at scale mini"), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def done(built_once: Project, tmp_path_factory) -> Iterator[tuple[Project, Board, Server]]:
    """A project whose two runs are done, and its page; for reading only."""
    project = built_once.copy(tmp_path_factory.mktemp("watched") / "project").alone()
    board = look(project)
    with served(board) as server:
        yield project, board, server


def ask(server: Server, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, dict(answer.headers), answer.read().decode()


def configs(project: Project) -> dict[str, str]:
    """Kind of predictor -> folder of the run."""
    names = [path.name for path in (project.root / "checkpoints").iterdir()]
    return {name.split("-")[3]: name for name in names}


def history(epochs: int) -> History:
    found = History()
    for epoch in range(1, epochs + 1):
        found.add(epoch, 1.0 / epoch, 0.5, 2.0)
    return found


class Training:
    """What a training leaves on the disk while it goes on: its lock, its status, its progress."""

    def __init__(self, root: Path, config: str, seed: int = 0) -> None:
        self.folder = root / ".scratch/0123456789abcdef/run"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.report = Report("mini, seed 0", 96, 3, open(os.devnull, "w"), self.folder, node=f"checkpoints/{config}/seed{seed}")  # noqa: PTH123, SIM115  # fmt: skip
        lock = root / f".scratch/locks/pretrain-{config}"
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.write_text(str(os.getpid()))
        self.lock = lock.open()
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def reach(self, epochs: int) -> None:
        """Be at the end of an epoch, with saved progress."""
        rows = history(epochs)
        saved_tensors.write(self.folder, {"run.history": torch.frombuffer(bytearray(rows.text().encode()), dtype=torch.uint8)})  # fmt: skip
        self.report.due = self.report.note = 0.0
        self.report.tick(3 * epochs, 30, rows.rows)

    def end(self) -> None:
        """Leave nothing but what a killed one leaves."""
        self.lock.close()
        self.report.stream = None


# -- whom it answers


def test_the_page_has_all_runs_and_their_curves(done) -> None:
    project, _, server = done
    status, headers, text = ask(server)
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    for config in configs(project).values():
        assert f'value="{config.rpartition("-")[2]}"' in text
    assert text.count('class="chart"') == 4, "loss, spread, rank, and the accuracy that the table shows"
    assert "linear probe, top1 last" in text and text.count("data-name=") == 8
    assert "Nothing is being trained." in text and "2 of 2 runs drawn" in text
    assert not re.search(r"https?://", re.sub(r"http://www\.w3\.org/\S+", "", text)), "nothing leads elsewhere"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "[::1]:{port}", ""]
)
def test_another_name_of_this_machine_is_refused(done, host: str) -> None:
    _, _, server = done
    status, _, text = ask(server, Host=host.format(port=server.server_port))
    assert status == 403 and "mini" not in text
    assert ask(server, Host=f"LOCALHOST:{server.server_port}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/params/papers/mini.yaml",
        "/../params/papers/mini.yaml",
        "/%2e%2e/site.js",
        "//etc/passwd",
        "/style.css/..",
        "/index.html",
    ],
)
def test_there_is_one_page_and_no_path_of_the_disk(done, path: str) -> None:
    _, _, server = done
    status, _, text = ask(server, path)
    assert status == 404 and text == f"there is one page: {server.address}\n"


def test_it_is_read_only_and_of_this_machine_alone(done) -> None:
    _, _, server = done
    assert {ask(server, method=method)[0] for method in ("POST", "PUT", "DELETE", "OPTIONS")} == {501}
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server, method="HEAD")[2] == ""
    assert ask(server, "/style.css")[1]["Content-Type"].startswith("text/css")


def test_what_has_not_changed_is_not_sent_again(done) -> None:
    _, _, server = done
    status, headers, _ = ask(server)
    again = ask(server, If_None_Match=headers["ETag"])
    assert status == 200 and (again[0], again[2]) == (304, "")


def test_a_port_that_is_taken_is_one_line(done) -> None:
    _, board, server = done
    with pytest.raises(UserError, match=rf"--port {server.server_port}: .* type --port 0 for one that is free"):
        Server(Pages(board, "again"), server.server_port)


# -- what an address shows


def test_an_address_says_it_all() -> None:
    found = Choice.of("find=lr%3D0.1+plain&runs=a,b&runs=c&curve=loss&by=optimizer.lr&log=1")
    assert found == Choice("lr=0.1 plain", ("a", "b", "c"), ("loss",), "optimizer.lr", True)
    assert Choice.of("") == Choice() and Choice.of("&".join(["runs=a"] * 2000)) == Choice()


def test_filters_choose_runs_and_colours(done) -> None:
    project, board, _ = done
    direct, plain = configs(project)["directpred"], configs(project)["linear"]
    for find in ("predictor.kind=directpred", "DIRECT", "direct state=done", "rho=0.3"):
        assert [entry.config for entry in board.view(Choice(find)).entries] == [direct]
    assert board.view(Choice("nobody")).entries == []
    view = board.view(Choice(runs=(direct.rpartition("-")[2],), curves=("effective_rank",)))
    assert list(view.drawn) == [direct] and len(view.charts) == 1 and len(view.entries) == 2
    both = board.view(Choice(by="optimizer.lr"))
    assert set(both.drawn.values()) == {0} and both.groups == [("optimizer.lr 0.1", 0)]
    assert both.by == board.view(Choice(by="lr")).by == "optimizer.lr" and "optimizer.lr" in both.params
    for by in ("optimizer.lr", "lr"):
        assert "<option selected>optimizer.lr</option>" in Pages(board, "t").page(f"by={by}")
    assert board.view(Choice(by="rhoo")).by == "" and "<option selected>" not in Pages(board, "t").page("by=rhoo")
    kinds = board.view(Choice(by="predictor.kind"))
    assert kinds.drawn == {direct: 0, plain: 1} and kinds.groups[1] == ("predictor.kind linear", 1)
    assert "predictor.kind" in kinds.params and "optimizer.lr" not in kinds.params


def test_words_find_what_is_shown_of_a_run(done) -> None:
    project, board, _ = done
    direct, plain = configs(project)["directpred"], configs(project)["linear"]
    assert "directpred" in direct and board.view(Choice("directpred")).entries == [], "the folder's name is not shown"
    short = plain.rpartition("-")[2]
    for find in (short, short[:4], plain):
        assert [entry.config for entry in board.view(Choice(find)).entries] == [plain]
    assert board.view(Choice(short[1:])).entries == []


def test_a_seed_in_the_filter_chooses_seeds(built: Project) -> None:
    config, board = configs(built)["linear"], look(built)
    training = Training(built.root, config, seed=1)
    training.reach(7)
    training.end()
    board.runs += [replace(run, seed=1) for run in board.runs if run.config == config]

    def rows(find: str, **more: tuple[str, ...]) -> dict[str, list[int]]:
        view = board.view(Choice(find, curves=("loss",), **more))
        seeds = {entry.config: [run.seed for run in entry.seeds] for entry in view.entries}
        assert all(list(entry.curves) == seeds[entry.config] for entry in view.entries)
        return seeds

    assert rows("")[config] == [0, 1] and rows("seed=0")[config] == [0]
    assert rows("seed=1") == {config: [1]} and rows("seed=2") == {}
    (chart,) = board.view(Choice("seed=1", curves=("loss",))).charts
    assert 'data-of="1"' in chart and f"{1 / 7:.4g} at epoch 7" in chart
    (named,) = board.view(Choice("seed=1", (config,), ("loss",))).charts
    assert named == chart, "also of runs that are ticked"
    assert "2 of 2 runs" in states_line(Pages(board, "t").page("")) and "1 of 2 runs" in states_line(
        Pages(board, "t").page("find=seed=1")
    )


def states_line(text: str) -> str:
    """The line above the charts."""
    return re.findall(r'<p class="state".*?</p>', text)[0]


def test_a_run_keeps_its_colour_as_others_appear(built: Project) -> None:
    board = look(built)
    by_name = Choice(), Choice(by="predictor.kind")
    both = [board.view(choice).drawn for choice in by_name]
    for config in configs(built).values():
        for choice, before in zip(by_name, both, strict=True):
            assert len(set(before.values())) == 2
            (other,) = before.keys() - {config}
            assert board.view(replace(choice, runs=(other,))).drawn == {other: before[other]}


def test_what_is_done_for_one_result_and_not_for_all_is_told(built: Project) -> None:
    known = Catalogue(Options(scale="mini"), built.root / "params")
    plan = Plan(known, [known.request(f"results/mini/mini/{name}.csv") for name in ("duel", "early")])
    (built.root / f"receipts/checkpoints/{configs(built)['linear']}/seed0/epoch0002.json").unlink()
    board = Board(States(plan, Workspace(built.root)))
    board.runs = [replace(run, state="declared") for run in board.runs]
    told = [words for entry in board.view(Choice("predictor.kind=linear")).entries for _, words in entry.states]
    assert told == ["1 seed: done for 1 of 2 results, 1 of 2 milestones of all of them"]


def test_what_cannot_be_followed_is_said(done) -> None:
    _, board, _ = done
    notes = board.view(Choice("rhoo=1", ("nobody",), ("lss",), "rhoo", True)).notes
    assert [note.partition(":")[0] for note in notes] == ["rhoo", "runs=nobody", "by rhoo", "curve=lss"]
    assert "did you mean loss?" in notes[3]
    text = Pages(board, "t").page("find=%3Cscript%3E&curve=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&log=1")
    assert "alert(1)</script>" not in text and "&lt;script&gt;" in text
    (note,) = board.view(Choice("seed=[")).notes
    assert note.startswith("seed=[: [ is no value")
    (note,) = board.view(Choice(curves=("loss",), log=True)).notes
    assert note == "log: loss has no numbers above 0, so its axis is as it was"


# -- while it trains


def test_a_training_is_seen_while_it_goes_on_and_when_it_was_killed(built: Project) -> None:
    config = configs(built)["linear"]
    (built.root / f"receipts/checkpoints/{config}/seed0/epoch0002.json").unlink()
    board = look(built)
    training = Training(built.root, config)
    training.reach(3)
    (first, *_) = board.view(Choice()).entries
    assert first.config == config and len(first.live) == 1, "by its lock, before all is looked at again"
    assert first.states == [("running", f"seed 0: epoch 3 of 10, loss {1 / 3:.4f}, process {os.getpid()}")]
    assert first.curves[0].numbers["loss"] == [(float(e), 1.0 / e) for e in (1, 2, 3)]
    assert '<circle class="live"' in board.view(Choice()).charts[0]
    training.reach(7)
    view = board.view(Choice())
    assert view.live == 1 and view.entries[0].epoch == 7, "its curves have grown"
    board.look_again()
    board._again.join()
    assert board.runs[0].state == "running"
    assert {entry.config for entry in board.view(Choice()).entries} == set(configs(built).values())
    training.end()
    view = board.view(Choice())
    assert view.live == 0 and ("waiting", "1 seed: done for 0 of 1 result, 1 of 2 milestones of all of them") in [
        state for e in view.entries for state in e.states
    ]
    training.reach(2)
    assert board.view(Choice()).live == 0, "a status alone is no training"


def test_code_that_is_being_edited_is_told_and_forgotten(built: Project, monkeypatch) -> None:
    board, journal = look(built), built.root / "logs/journal.jsonl"

    def again() -> None:
        journal.write_text(journal.read_text() + "\n")
        board._due = 0.0
        board.look_again()
        board._again.join()

    def edited(*_: object) -> None:
        raise SyntaxError("invalid syntax", ("pipeline/training/step.py", 3, 1, "loss = "))

    with monkeypatch.context() as patch:
        patch.setattr(looked, "States", edited)
        again()
    (note,) = board.view(Choice()).notes
    assert note.startswith("states are those of an earlier look: pipeline/training/step.py:3: invalid syntax")
    assert len(board.view(Choice()).entries) == 2
    again()
    assert board.view(Choice()).notes == []


def begin_again(project: Project) -> None:
    """Withdraw what was trained last of a run: it is restorable from then on."""
    (project.root / f"receipts/checkpoints/{configs(project)['linear']}/seed0/epoch0002.json").unlink()
    journal = project.root / "logs/journal.jsonl"
    journal.write_text(journal.read_text() + "\n")


def states_of(text: str) -> str:
    return re.sub(r"<[^>]+>", "", "".join(re.findall(r'<td class="states">.*?</td>', text, re.DOTALL)))


def test_the_first_page_in_a_while_is_fresh_or_says_that_it_reads(built: Project, monkeypatch) -> None:
    board = look(built)
    with served(board) as server:
        board._asked = board._looked = board._asked - 100
        assert "restorable" not in states_of(ask(server)[2]) and board._again is None, "nothing has happened"
        begin_again(built)
        board._asked = board._looked = board._asked - 100
        text = ask(server)[2]
        assert "restorable" in states_of(text) and "Reading" not in text
        go_on = threading.Event()

        def slow(*arguments: object) -> States:
            go_on.wait(60)
            return States(*arguments)

        monkeypatch.setattr(looked, "States", slow)
        monkeypatch.setattr(looked, "PATIENCE", 0.1)
        long_ago = board._looked = board._asked = board._asked - 100
        journal = built.root / "logs/journal.jsonl"
        journal.write_text(journal.read_text() + "\n")
        board._due = 0.0
        text = ask(server)[2]
        since = time.strftime("%H:%M:%S", time.localtime(long_ago))
        assert f"Reading what has happened since {since}; until then states are those of that time." in text
        assert "Nothing is being trained" not in text, "that is not known yet"
        go_on.set()
        board._again.join()
        assert "Reading" not in ask(server)[2]


def test_artifacts_that_cannot_be_planned_are_left_out_and_named(built: Project, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "papers").mkdir(parents=True)
    mini = (built.root / "params/papers/mini.yaml").read_text()
    two, _, _ = mini.replace("paper: mini", "paper: gone").replace("cifar10", "gone").partition("  bars:")
    (theirs / "papers/gone.yaml").write_text(two)
    (theirs / "datasets.yaml").write_text(
        "gone: {title: Gone, source: {kind: imagefolder, root: nowhere}, classes: 2, licence: MIT}\n"
    )
    built.alone()
    target = tmp_path / "now.html"
    config = ("--config", "scale=mini", f"extend={theirs}")
    done = built.pipeline("watch", "--once", str(target), *config)
    said, text = done.stderr.strip(), target.read_text()
    assert re.fullmatch(
        rf"left out: gone/duel and 1 more; {theirs}/datasets.yaml: gone: source.root: 'nowhere': there is no file or folder .*",
        said,
    )
    assert "2 of 2 runs drawn" in text and "left out: gone/duel and 1 more; " in text
    refused = built.pipeline("watch", "gone/duel", "--once", str(target), *config, check=False)
    assert refused.returncode == 1 and refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1


def test_files_that_are_broken_or_half_written_say_nothing(built: Project) -> None:
    direct, plain = configs(built)["directpred"], configs(built)["linear"]
    board = look(built)
    path = built.root / f"checkpoints/{plain}/seed0/epoch0002/history.csv"
    text = path.read_text()
    training = Training(built.root, direct)
    training.reach(5)
    with served(board) as server:
        for broken in (text[: len(text) * 2 // 3].encode(), b"", b"\xff\xfe\0\0", b"epoch,loss\n1,1e999\n2,nan\n"):
            path.unlink()
            path.write_bytes(broken)
            assert ask(server)[0] == 200
        path.unlink()
        progress, status = training.folder / saved_tensors.FILE, training.folder / "status.json"
        for broken in (progress.read_bytes()[:60], b"", b"\xff" * 99):
            progress.write_bytes(broken)
            assert ask(server)[0] == 200
        for broken in (
            "",
            "{",
            "[]",
            '{"name": 3}',
            f'{{"name": "checkpoints/{direct}/seed0", "time": "x", "pid": []}}',
        ):
            status.write_text(broken)
            assert ask(server)[0] == 200
        next((built.root / f"measurements/{plain}").rglob("scores.json")).write_text("{")
        status, _, page = ask(server)
    training.end()
    assert status == 200 and 'class="chart"' in page
    assert board.view(Choice()).entries, "the other run is shown"


def test_it_ends_with_ctrl_c_in_one_line(built: Project) -> None:
    command = [sys.executable, "-m", "pipeline", "watch", "--port", "0", *CONFIG]
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are deaf to it
    try:
        process = subprocess.Popen(
            command,
            cwd=built.alone().root,
            env=built.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    finally:
        signal.signal(signal.SIGINT, heard)
    with process:
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/  \(Ctrl-C ends it\)\n", line)
        assert process.stdout.read() == "the page is no longer served\n"
    assert process.returncode == 0


def test_one_look_goes_into_a_file(done, tmp_path: Path) -> None:
    project, _, _ = done
    target = tmp_path / "now.html"
    arguments = ("watch", "mini/duel", "--once", str(target), *CONFIG)
    assert project.pipeline(*arguments, "--query", "?curve=loss").stdout == f"{target}\n"
    text = target.read_text()
    assert text.count('class="chart"') == 1 and "<script" not in text and '<link rel="stylesheet"' not in text
    assert "--ground: #fbfaf7" in text, "its style sheet is in it"
    target.write_text("my thesis")
    refused = project.pipeline(*arguments, check=False)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1 and "it is not written over" in refused.stderr
    assert target.read_text() == "my thesis"


# -- in a browser


def test_a_phone_shows_states_and_last_values(browser, done) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(done[2].address)
    cells = page.locator(".watched tbody tr >> nth=0").locator("th, td").all()
    assert len(cells) == 6
    for box in (cell.bounding_box() for cell in cells):
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_a_label_stands_beside_its_box(browser, done, width: int) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{done[2].address}?by=optimizer.lr&log=1")
    assert page.get_by_label("Colour by").evaluate("one => one.selectedOptions[0].text") == "optimizer.lr"
    label, box = (page.locator(what).bounding_box() for what in ("label[for=by]", "#by"))
    middles = [one["y"] + one["height"] / 2 for one in (label, box)]
    assert abs(middles[0] - middles[1]) < 6 and label["x"] + label["width"] < box["x"] + 1, "in one line"
    assert label["height"] < 30 and page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_who_comes_back_to_the_page_is_told_that_it_reads(browser, done) -> None:  # noqa: F811
    expect = pytest.importorskip("playwright.sync_api").expect
    page = browser.new_page()
    page.goto(done[2].address)
    back = "document.dispatchEvent(new Event('visibilitychange')), document.querySelector('.state').textContent"
    assert "Nothing is being trained." in page.evaluate(back), "it was read a moment ago"
    said = page.evaluate(f"Date.now = () => new Date().getTime() + 60000, {back}")
    assert re.fullmatch(r"Reading what has happened since \d\d:\d\d:\d\d; this is what was seen then\.", said)
    expect(page.locator(".state")).to_contain_text("Nothing is being trained.")
    page.close()


def test_what_is_read_off_a_curve_says_of_how_many_seeds_it_is(browser) -> None:  # noqa: F811
    ends = {0: [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], 1: [(1.0, 3.0), (2.0, 2.0)]}
    svg = overlay.chart("loss", [Shown("a", {seed: Curves({"loss": points}) for seed, points in ends.items()})]).svg()
    page = browser.new_page()
    page.set_content(f"<!doctype html><body>{svg}<script>{(templating.ASSETS / 'site.js').read_text()}</script></body>")
    box = page.locator("svg.chart").bounding_box()
    read = {}
    for place in (0.15, 0.95):
        page.mouse.move(box["x"] + place * box["width"], box["y"] + 0.5 * box["height"])
        read[place] = page.locator(".readout").inner_text()
    assert "3.00" in read[0.15] and "seeds" not in read[0.15]
    assert read[0.95].endswith("(1 of 2 seeds)")
    page.close()


def test_curves_grow_and_the_choice_stands_in_the_address(browser, built: Project) -> None:  # noqa: F811
    expect = pytest.importorskip("playwright.sync_api").expect
    config = configs(built)["linear"]
    training = Training(built.root, config)
    training.reach(3)
    wrong: list[str] = []
    with served(look(built)) as server:
        context = browser.new_context(viewport={"width": 390, "height": 900}, color_scheme="dark")
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(server.address) and not request.url.startswith("data:") else None)  # fmt: skip
        page.goto(server.address)
        page.evaluate("window.mine = 1")
        assert page.title() == "● 1 live, Runs at scale mini"
        assert page.locator("tr.live td").nth(1).inner_text() == "3"
        for epoch in (6, 8):
            training.reach(epoch)
            expect(page.locator("tr.live td").nth(1)).to_have_text(str(epoch), timeout=20_000)
        assert page.evaluate("window.mine") == 1, "without loading the page again"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_label("Filter").fill("predictor.kind=linear")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_text("Choose curves").click()
        page.locator("input[name=curve][value=loss]").check()
        expect(page.locator("svg.chart")).to_have_count(1)
        assert page.url == f"{server.address}?find=predictor.kind=linear&curve=loss"
        page.locator("svg.chart").hover()
        assert re.fullmatch(
            r"epoch [45]\s*mini/plain, shapes for cifar10\s*0\.2\d*", page.locator(".readout").inner_text()
        )
        again = context.new_page()
        again.goto(page.url)
        assert again.locator("svg.chart").count() == 1 and again.locator("tbody tr").count() == 1, "it can be shared"
        context.close()
    training.end()
    assert wrong == []
