"""A logger is told of every epoch once, of one that fails a line is said, and one that is lacking is refused at once."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path

import pytest
from conftest import DUEL, Project, add_mini

from pipeline.errors import UserError
from pipeline.monitor import Monitor, loggers
from pipeline.monitor.logbook import VALUES, Logbook
from pipeline.monitor.report import Report
from pipeline.planning.options import Options
from pipeline.training.history import COLUMNS

NODE = "checkpoints/shapes-sgd-1a2b3c4d/seed3"
LINES = '''
"""Every epoch as a line of JSON."""

import json


class Lines:
    def __init__(self, run):
        self.file = (run.folder / "epochs.jsonl").open("a")
        self.write(begins=[run.name, run.config, run.seed, run.step])

    def write(self, **values):
        print(json.dumps(values), file=self.file, flush=True)

    def log(self, step, epoch, values):
        self.write(step=step, epoch=epoch, **values)

    def close(self):
        self.file.close()


begin = Lines
'''


def logger(folder: Path, text: str = LINES, name: str = "lines") -> Path:
    path = folder / f"theirs/loggers/{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return loggers.find(name, folder / "theirs")


def row(epoch: int) -> tuple[int, float, float, float]:
    return epoch, 1.0 / epoch, 0.5, 4.0


def training(path: Path, root: Path, key: str = "k", stream: io.StringIO | None = None) -> Report:
    book = Logbook(path, root / "logs")
    monitor = Monitor(stream or io.StringIO(), called=lambda _: "p/m, d, seed 3", logbook=book)
    return monitor.training(NODE, 100, 10, root / key / "run")


def train(report: Report, first: int, last: int, *, killed: bool = False) -> None:
    """Take the steps of some epochs; epochs before them are in the history."""
    rows = [row(epoch) for epoch in range(1, first)]
    for epoch in range(first, last + 1):
        for step in range(10 * (epoch - 1) + 1, 10 * epoch + 1):
            report.tick(step, 100, rows)
        rows.append(row(epoch))
    if not killed:
        report.close()


def told(root: Path, name: str = "lines") -> list[dict]:
    path = root / f"logs/{name}/shapes-sgd-1a2b3c4d/seed3/epochs.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def epochs(root: Path) -> list[int]:
    return [line["epoch"] for line in told(root) if "epoch" in line]


def test_a_logger_of_the_users_is_told_of_every_epoch_with_its_step(tmp_path):
    train(training(logger(tmp_path), tmp_path), 1, 3)
    first, *rest = told(tmp_path)
    assert first == {"begins": ["p/m, d, seed 3", "shapes-sgd-1a2b3c4d", 3, 0]}
    assert rest == [
        {"step": 10 * n, "epoch": n, "loss": 1.0 / n, "embedding_std": 0.5, "effective_rank": 4.0} for n in (1, 2, 3)
    ]
    assert COLUMNS[1:] == VALUES


def test_a_training_that_goes_on_tells_no_epoch_twice(tmp_path):
    path = logger(tmp_path)
    train(training(path, tmp_path), 1, 5, killed=True)  # of the fifth nobody heard
    train(training(path, tmp_path), 3, 8)  # progress was saved after the second
    assert epochs(tmp_path) == [*range(1, 9)]
    train(training(path, tmp_path), 9, 10)
    assert epochs(tmp_path) == [*range(1, 11)]
    assert [line["begins"][3] for line in told(tmp_path) if "begins" in line] == [0, 40, 80]


def test_what_was_trained_before_there_was_a_logger_is_told_too(tmp_path):
    train(training(logger(tmp_path), tmp_path), 4, 5)
    assert epochs(tmp_path) == [1, 2, 3, 4, 5]


def test_a_training_by_other_code_is_told_from_its_start(tmp_path):
    path = logger(tmp_path)
    train(training(path, tmp_path), 1, 2)
    train(training(path, tmp_path, key="other"), 1, 2)
    assert epochs(tmp_path) == [1, 2, 1, 2]


@pytest.mark.parametrize("place, line", [("__init__", 4), ("log", 7), ("close", 10)])
@pytest.mark.parametrize("error", ["ValueError('no\\nnetwork')", "SystemExit('no network')"])
def test_a_logger_that_fails_is_said_once_and_the_training_goes_on(tmp_path, place, line, error):
    text = "class begin:\n"
    for name, arguments in (("__init__", "run"), ("log", "*a"), ("close", "")):
        text += f"    def {name}(self, {arguments}):\n        pass\n        {f'raise {error}' if name == place else 'pass'}\n"
    path, stream = logger(tmp_path, text), io.StringIO()
    book = Logbook(path, tmp_path / "logs")
    for seed in (3, 4):  # in two batches of one job
        monitor = Monitor(stream, called=lambda _: "p/m", logbook=book)
        report = monitor.training(f"checkpoints/c/seed{seed}", 100, 10, None)
        train(report, 1, 3)
        assert report.rows[-1] == row(3)
    kind = error.partition("(")[0]
    assert stream.getvalue() == f"{path}:{line}: {kind}: no network; trainings go on without this logger\n"


def test_a_folder_that_cannot_be_written_costs_the_logger_and_no_training(tmp_path):
    (tmp_path / "logs").write_text("")
    stream = io.StringIO()
    train(training(logger(tmp_path), tmp_path, stream=stream), 1, 3)
    assert "the training" not in stream.getvalue() and "trainings go on without this logger" in stream.getvalue()


def test_a_logger_that_is_lacking_is_refused_when_it_is_chosen(tmp_path):
    logger(tmp_path)
    theirs = str(tmp_path / "theirs")
    assert Options.parse({"logger": "lines", "extend": theirs}, {}).logger == "lines"
    with pytest.raises(UserError, match=r"^--config logger: there is no logger 'line'; did you mean lines\?$"):
        Options.parse({"logger": "line", "extend": theirs}, {})
    with pytest.raises(UserError, match=r"^--config logger: there is no logger 'lines'; there are: tensorboard$"):
        Options.parse({"logger": "lines"}, {})
    with pytest.raises(UserError, match=r"^--config logger: there is no logger '\.\./lines'; did you mean lines\?$"):
        Options.parse({"logger": "../lines", "extend": theirs}, {})
    with pytest.raises(UserError, match=r"lines.py: expected a function or class called begin, which takes a training"):
        logger(tmp_path, "def began(run): ...")
    with pytest.raises(
        UserError, match=r"^lines.py imports absent_one, which is not installed here; type: pip install absent_one$"
    ):
        logger(tmp_path, "def begin(run):\n    import absent_one.inner")
    logger(tmp_path, "try:\n    import absent_one\nexcept ImportError:\n    absent_one = None\ndef begin(run): ...")


def test_tensorboard_says_how_it_is_installed(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else real(name))
    with pytest.raises(
        UserError,
        match=r"^tensorboard.py imports tensorboard, which is not installed here; type: make setup EXTRAS=tensorboard$",
    ):
        loggers.find("tensorboard")


def test_tensorboard_shows_every_epoch_once(tmp_path):
    reader = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(reader, reason="an extra: make setup EXTRAS=tensorboard")
    path = loggers.find("tensorboard")
    train(training(path, tmp_path), 1, 5, killed=True)
    train(training(path, tmp_path), 3, 8)
    folder = tmp_path / "logs/tensorboard/shapes-sgd-1a2b3c4d/seed3"

    def shown() -> dict[str, list[tuple[int, float]]]:
        found = accumulator.EventAccumulator(str(folder))
        found.Reload()
        return {name: [(one.step, one.value) for one in found.Scalars(name)] for name in found.Tags()["scalars"]}

    assert shown().keys() == {"epoch", *VALUES}
    assert dict(shown()["loss"]) == pytest.approx({10 * n: 1 / n for n in range(1, 9)})
    assert len(shown()["loss"]) == 8
    train(training(path, tmp_path, key="other"), 1, 2)
    assert [step for step, _ in shown()["loss"]] == [10, 20], "of a training by other code nothing is left of the first"


@pytest.mark.slow
@pytest.mark.parametrize("forks", ["0", "1"])
def test_a_build_tells_a_logger_and_its_keys_do_not(project: Project, tmp_path, forks):
    """With jobs that fork from a server, and with jobs that do not."""
    add_mini(project).alone()
    logger(tmp_path)
    project.environ["SSL_FORKSERVER"] = forks
    config = ("--config", "scale=mini", f"extend={tmp_path / 'theirs'}")
    assert project.build(DUEL, *config, "logger=lines")["pretrain"] == 4
    folders = sorted((project.root / "logs/lines").glob("*/seed0"))
    assert len(folders) == 2
    for folder in folders:
        history = (project.root / "checkpoints" / folder.relative_to(project.root / "logs/lines")).glob(
            "epoch*/history.csv"
        )
        rows = sorted(path.read_text() for path in history)[-1].splitlines()[1:]
        lines = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()][1:]
        assert [",".join(repr(one[name]) for name in COLUMNS) for one in lines] == rows and len(rows) == 2
    assert project.build(DUEL, *config) == {}, "a logger makes nothing stale"
    refused = project.snakemake(DUEL, *config, "logger=line", check=False)
    assert (
        refused.returncode
        and "error: --config logger: there is no logger 'line'; did you mean lines?" in refused.stderr
    )
    assert refused.stderr.count("\n") < 4
