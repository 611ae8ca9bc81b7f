"""Set-up: which build of torch, the commands of uv, `ssl` in any folder, an environment that is not there, doctor."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline import __main__, entry, errors, hardware, install
from pipeline.engine import checkup
from pipeline.planning.overview import Total

LOCK = (ROOT / "requirements.txt").read_text()


@pytest.mark.parametrize(
    ("asked", "recorded", "installed", "gpu", "wanted"),
    [
        ("", "", None, True, "cuda"),
        ("", "", None, False, "cpu"),
        ("cuda", "cpu", "2.0+cpu", False, "cuda"),
        ("cpu", "cuda", "2.0", True, "cpu"),
        ("", "cpu", "2.0", True, "cpu"),
        ("", "", "2.0+cpu", True, "cpu"),
        ("", "", "2.0", False, "cuda"),
        ("auto", "cuda", "2.0", False, "cpu"),
        ("auto", "cpu", "2.0+cpu", True, "cuda"),
    ],
)
def test_the_build_is_what_was_asked_for_else_what_there_was_else_what_the_machine_has(
    asked, recorded, installed, gpu, wanted
) -> None:
    assert install.choose(asked, recorded, installed, gpu)[0] == wanted


def test_a_gpu_is_told_from_files_of_its_driver(tmp_path: Path) -> None:
    assert not hardware.accelerator(tmp_path, {"A": ""})
    (tmp_path / "nvidiactl").touch()
    assert not hardware.accelerator(tmp_path, {"A": ""}), "a driver without a card"
    (tmp_path / "nvidia0").touch()
    assert hardware.accelerator(tmp_path, {"A": ""}) and hardware.accelerator(tmp_path, {"CUDA_VISIBLE_DEVICES": "0"})
    for hidden in ("", "-1"):
        assert not hardware.accelerator(tmp_path, {"CUDA_VISIBLE_DEVICES": hidden})


def test_the_commands_name_no_host_and_check_hashes() -> None:
    for backend in install.BACKENDS:
        called = install.commands(backend, Path(".venv"))
        text = "\n".join(" ".join(command) for command in called)
        assert ("://" not in text and "--index" not in text and "--no-emit-index-url" in text) or backend == "cuda"
        sync = next(command for command in called if "sync" in command)
        assert "--require-hashes" in sync
        assert called[-1][-2:] == ["--editable", "."] and "--no-deps" in called[-1]
    compiled, sync, _ = install.commands("cpu", Path(".venv"))
    for command in (compiled, sync):
        assert command[command.index("--torch-backend") + 1] == "cpu"
    assert compiled[compiled.index("--constraint") + 1] == "requirements.txt" and "--generate-hashes" in compiled
    assert compiled[-1] == sync[-1] != "requirements.txt"


def test_uv_knows_these_options() -> None:
    uv = Path(sys.prefix) / "bin/uv"
    if not uv.is_file():
        pytest.skip("needs uv in the environment")

    def understood(command: list[str]) -> bool:
        return subprocess.run([uv, *command[1:], "--help"], capture_output=True, check=False).returncode == 0

    for command in [one for backend in install.BACKENDS for one in install.commands(backend, Path(".venv"))]:
        assert understood(command), command
        assert not understood([*command, "--no-such-option"])


def test_what_is_said_before_anything_is_downloaded() -> None:
    cuda, cpu = (install.told(backend, "why", LOCK) for backend in ("cuda", "cpu"))
    counts = [int(number) for number in re.findall(r"(\d+) packages, (\d+) of", cuda)[0]]
    assert counts[0] == LOCK.count("==") - LOCK.count("python_full_version ==") or counts[0] > 150
    assert 5 < counts[1] < 40 and "TORCH=cpu" in cuda
    assert (
        f"about {counts[0] - counts[1]} packages, none for CUDA, about 2 GB on the disk" in cpu and "TORCH=cuda" in cpu
    )
    assert "for CUDA, about 7 GB on the disk" in cuda


def test_how_large_an_environment_is_said_to_be_is_what_it_is() -> None:
    """That of CUDA as it lies here; the other one is that without packages and torch's own libraries for CUDA."""
    names = re.findall(r"^([A-Za-z0-9][\w.-]*)==", LOCK, re.MULTILINE)
    found = {name: importlib.metadata.distribution(name).files or [] for name in names if install.installed(name)}
    if not any(name.startswith("nvidia-") for name in found) or len(found) < len(names):
        pytest.skip("needs an environment for CUDA")
    sizes = {"cuda": 0, "cpu": 0}
    for name, files in found.items():
        for file in files:
            place = Path(str(file.locate()))
            both = [place, Path(importlib.util.cache_from_source(str(place)))] if place.suffix == ".py" else [place]
            size = sum(one.stat().st_size for one in both if one.is_file())
            sizes["cuda"] += size
            if not name.startswith(install.OF_CUDA) and not place.name.startswith("libtorch_cuda"):
                sizes["cpu"] += size
    for backend, size in sizes.items():
        assert size / 1e9 == pytest.approx(install.DISK[backend], rel=0.15), backend


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a lock, on a machine that shows no GPU and has no torch."""
    (tmp_path / "requirements.txt").write_text("torch==1.0 \\\n")
    (tmp_path / ".venv").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(install, "installed", lambda name: None)
    monkeypatch.setattr(install, "accelerator", lambda: False)
    return tmp_path


def test_a_choice_is_kept(checkout: Path) -> None:
    called: list[list[str]] = []
    assert install.install("cpu", Path(".venv"), run=lambda command: called.append(list(command)) or 0) == 0
    assert called == install.commands("cpu", Path(".venv"), quiet=not sys.stderr.isatty())
    assert (checkout / ".venv/.torch").read_text() == "cpu\n"
    install.accelerator = lambda: True
    called.clear()
    assert install.install("", Path(".venv"), run=lambda command: called.append(list(command)) or 0) == 0
    assert "--torch-backend" in called[0], "a set-up that is told nothing keeps what there is"


def test_where_nobody_asked_for_the_cpus_build_and_it_is_not_to_be_had_the_other_one_is_taken(checkout, capsys) -> None:
    def without_index(command) -> int:
        return 2 if "--torch-backend" in command else 0

    assert install.install("", Path(".venv"), run=without_index) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == [
        "torch for the CPU (this machine shows no GPU)",
        "torch for CUDA (that for the CPU is not to be had here)",
    ]
    assert (checkout / ".venv/.torch").read_text() == "cuda\n"
    (checkout / ".venv/.torch").unlink()
    assert install.install("cpu", Path(".venv"), run=without_index) == 2
    assert not (checkout / ".venv/.torch").exists(), "what was asked for is not replaced"


def test_a_dry_run_calls_nothing(checkout: Path, capsys) -> None:
    assert install.main(["--torch", "cpu", "--dry-run"]) == 0
    assert "--torch-backend cpu" in capsys.readouterr().out and not (checkout / ".venv/.torch").exists()
    assert install.main(["--torch", "cpuu"]) == 1
    assert capsys.readouterr().err == "error: TORCH=cpuu: expected cpu, cuda or auto; did you mean cpu?\n"


def test_make_hands_the_choice_over_and_sets_up_anew_where_it_is_another(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "requirements.txt").touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/.ready").touch()
    (tmp_path / ".venv/.torch").write_text("cpu\n")
    os.utime(tmp_path / "requirements.txt", (0, 0))

    def make(*arguments: str) -> str:
        environ = {name: value for name, value in os.environ.items() if name not in ("TORCH", "MAKEFLAGS", "MFLAGS")}
        command = ["make", "-n", "setup", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout

    assert "pipeline.install" not in make() and "pipeline.install" not in make("TORCH=cpu")
    assert '--torch "cuda"' in make("TORCH=cuda")
    os.utime(tmp_path / "requirements.txt", (2**31, 2**31))
    assert '--torch ""' in make()


# -- ssl


def test_the_entry_point_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    module, _, function = project["project"]["scripts"]["ssl"].partition(":")
    assert module == entry.__name__ and callable(getattr(entry, function))
    assert module.partition(".")[0] in project["tool"]["setuptools"]["packages"]


def test_ssl_is_typed_in_any_folder(tmp_path: Path) -> None:
    root, deep = tmp_path / "checkout", tmp_path / "checkout/a/b"
    deep.mkdir(parents=True)
    (root / "Snakefile").touch()
    (root / "pipeline").symlink_to(ROOT / "pipeline")
    (deep / "some.zip").write_text("no archive")
    command = [
        sys.executable,
        "-c",
        "import sys; from pipeline.entry import main; sys.exit(main())",
        "verify",
        "some.zip",
    ]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=deep, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode and "a/b/some.zip" in done.stdout + done.stderr, done
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1 and done.stderr == f"error: {tmp_path}: in no checkout of this project; type: cd FOLDER\n"
    )


def test_names_of_files_are_those_of_the_folder_in_which_they_are_typed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    below = tmp_path / "results/quick"
    below.mkdir(parents=True)
    (below / "table8.csv").touch()
    parser = __main__._parser()

    def typed(*arguments: str):
        found = parser.parse_args(arguments)
        __main__._from_there(found, below)
        return found

    assert typed("audit", "table8.csv").path == "results/quick/table8.csv"
    assert typed("audit", "results/table8.csv").path == "results/table8.csv", "the name of an artifact is no file here"
    assert typed("bundle", "table8", "-o", "mine.zip").output == Path("results/quick/mine.zip")
    assert typed("tex", "table8").output == Path("tex"), "a folder that nobody typed is the checkout's"
    assert typed("plan", "--config", "extend=../theirs", "scale=tiny").config == [
        "extend=results/quick/../theirs",
        "scale=tiny",
    ]


# -- without the environment


def test_a_library_that_is_missing_says_what_to_type(monkeypatch, capsys) -> None:
    def without(*_) -> None:
        raise ModuleNotFoundError("No module named 'pydantic'", name="pydantic")

    monkeypatch.setattr("pipeline.commands._targets.catalogue", without)
    monkeypatch.setattr(sys, "argv", ["pipeline", "plan"])
    assert __main__.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("error: pydantic is not installed") and said.count("\n") == 1
    assert "source .venv/bin/activate" in said
    assert errors.lacking(ModuleNotFoundError("x", name="pipeline.nothing")) is None


def test_every_entry_says_so() -> None:
    """In an interpreter that has no library at all."""
    python = Path(sys.base_prefix) / f"bin/python{sys.version_info.major}.{sys.version_info.minor}"
    plain = [str(python if python.is_file() else sys.executable), "-I", "-S", "-c"]
    entries = {
        "python -m pipeline": "import sys; sys.path.insert(0, '.'); sys.argv = ['x', 'plan']; import runpy;"
        "runpy.run_module('pipeline', run_name='__main__')",
        "docs/generate.py": "import sys; sys.path.insert(0, 'docs'); sys.argv = ['x', '--check']; import runpy; runpy.run_path('docs/generate.py')",
        "Snakefile": "import sys; sys.path.insert(0, '.'); text = open('rules/common.smk').read();"
        "exec(text[text.index('from pipeline.errors'):text.index('BUILD =')])",
    }
    for name, code in entries.items():
        done = subprocess.run([*plain, code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1, (name, done)
        assert re.fullmatch(r"error: \w+ is not installed in this environment .*type: .*activate\n", done.stderr), (
            name,
            done.stderr,
        )


# -- doctor


def test_what_is_missing_is_said_with_what_to_type(tmp_path: Path, monkeypatch) -> None:
    lock = "torch==0.0.1 \\\nnumpy==0.0.1 \\\nno-such-package==1.0 \\\nnvidia-cublas==1.0 \\\n"
    monkeypatch.setattr(checkup.shutil, "which", lambda name: None)
    found = {fault.what.partition(":")[0]: fault for fault in checkup.faults(tmp_path, lock)}
    assert "no-such-package" in found["not installed"].what and found["not installed"].remedy == "make setup"
    assert "numpy" in found["other than locked"].what and "git is not there" in found
    assert found["there is no environment in .venv"].remedy == "make setup"


def test_torch_for_the_cpu_lacks_nothing_of_cuda(tmp_path: Path, monkeypatch) -> None:
    locked = re.findall(r"^([\w.-]+)==([\w.]+)", LOCK, re.MULTILINE)
    there = {name: version for name, version in locked if not re.match("nvidia-|cuda-|triton", name)}
    there["torch"] += "+cpu"
    monkeypatch.setattr(checkup, "installed_version", there.get)
    monkeypatch.setattr(hardware, "accelerator", lambda: False)
    assert [one.what for one in checkup.faults(tmp_path, LOCK) if "locked" in one.what or "installed" in one.what] == []


def test_the_report_fits_a_terminal(monkeypatch) -> None:
    monkeypatch.setattr(hardware, "accelerator", lambda: False)
    sizes = {
        "gpu": (Total(1000, 7200.0, True, {}), ["a GPU (or --config device=cpu)"]),
        "quick": (Total(10, 60.0, False, {}), []),
    }
    about = checkup.machine(ROOT)
    assert about["GPU"] and f"{hardware.cores()} cores" in about["processor"]
    text = checkup.report(about, [checkup.Fault("git is not there", "install git")], sizes)
    assert text.index("quick") < text.index("gpu  ") and "2 GPU-hours" in text and "lacks a GPU" in text
    assert "type: install git" in text
    assert json.dumps(text).isascii()


# -- containers


def test_an_image_is_made_of_files_that_are_there() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert len(copied) > 5 and all((ROOT / name).exists() for name in copied)
    assert "make setup TORCH=${TORCH}" in text and re.search(r"^ARG TORCH=(cpu|cuda)$", text, re.MULTILINE)
    needed = {"pyproject.toml", "requirements.txt", "Makefile", "pipeline", "README.md", "LICENSE"}
    before = text.partition("RUN make setup")[0]
    assert all(re.search(rf"\b{re.escape(name)}\b", before) for name in needed), "what set-up reads is copied before it"
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".venv", ".git"} <= set(ignored) and not needed & set(ignored)
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make setup" and ".venv/bin" in container["remoteEnv"]["PATH"]
