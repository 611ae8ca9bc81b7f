"""Set-up of the environment in ``.venv``: what is locked, with the build of torch that this machine has a use for.

``make setup`` calls this with the environment's Python, in which nothing is installed yet: standard library only. Which
build was chosen is kept in ``.venv/.torch``, so that a later set-up chooses it again.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import UserError, nearest
from pipeline.hardware import accelerator

BACKENDS = ("cpu", "cuda")
AUTO = "auto"
CHOICE = ".torch"
"""File of the environment that names the build."""
LOCK = "requirements.txt"
"""What is locked, with the build for CUDA; the other one is compiled to the same versions."""
_CPU_LOCK = ".requirements-cpu.txt"
OF_CUDA = ("nvidia-", "cuda-", "triton")
"""How names of packages begin that the build of torch for CUDA needs, and the one for the CPU does not."""
DISK = {"cpu": 2, "cuda": 7}
"""Gigabytes that an environment takes on a disk, with bytecode. That for CUDA was measured; the other is what is left
of it without :data:`OF_CUDA` and torch's own libraries for CUDA (``libtorch_cuda*``)."""

Runner = Callable[[Sequence[str]], int]


def choose(asked: str, recorded: str, installed: str | None, gpu: bool) -> tuple[str, str]:
    """The build of torch, and why.

    Args:
        asked: What ``TORCH=`` says; empty for nothing.
        recorded: What an earlier set-up chose; empty for none.
        installed: Version of torch that is installed; None for none.
        gpu: Whether this machine shows a GPU.

    Raises:
        UserError: There is no such build.
    """
    if asked not in ("", AUTO, *BACKENDS):
        raise UserError(f"TORCH={asked}: expected cpu, cuda or auto; {nearest(asked, (*BACKENDS, AUTO))}")
    if asked in BACKENDS:
        return asked, "as asked for"
    if not asked and recorded in BACKENDS:
        return recorded, "as it was set up before"
    if not asked and installed is not None:
        return ("cpu" if "+cpu" in installed else "cuda"), "as it is installed"
    return ("cuda", "this machine has a GPU") if gpu else ("cpu", "this machine shows no GPU")


def commands(backend: str, environment: Path, *, quiet: bool = True) -> list[list[str]]:
    """What is called, one after the other.

    Args:
        backend: One of :data:`BACKENDS`.
        environment: Its folder.
        quiet: Whether downloads are brought without bars that say how large they are.
    """
    uv, python = str(environment / "bin/uv"), str(environment / "bin/python")
    sync = [uv, "pip", "sync", "--python", python, "--compile-bytecode", "--require-hashes"]
    sync += ["--quiet"] if quiet else []
    here = [uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build-isolation", "--editable", "."]
    if backend == "cuda":
        return [[*sync, LOCK], here]
    lock = str(environment / _CPU_LOCK)
    compiled = [
        *(uv, "pip", "compile", "--quiet", "--python", python, "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--torch-backend", "cpu", "--extra", "dev", "--constraint", LOCK),
        *("pyproject.toml", "--output-file", lock),
    ]
    return [compiled, [*sync, "--torch-backend", "cpu", lock], here]


def told(backend: str, why: str, lock: str) -> str:
    """What will be installed, in a line, before it is.

    Args:
        backend: One of :data:`BACKENDS`.
        why: Why this one.
        lock: Content of :data:`LOCK`.
    """
    names = re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock, re.MULTILINE)
    cuda = [name for name in names if name.startswith(OF_CUDA)]
    disk = f"about {DISK[backend]} GB on the disk"
    if backend == "cuda":
        size = f"{len(names)} packages, {len(cuda)} of them for CUDA, {disk}"
        return f"torch for CUDA ({why}): {size}; for a machine without a GPU type: make setup TORCH=cpu"
    return (
        f"torch for the CPU ({why}): about {len(names) - len(cuda)} packages, none for CUDA, {disk}; "
        "for a GPU type: make setup TORCH=cuda"
    )


def install(asked: str, environment: Path, *, dry_run: bool = False, run: Runner | None = None) -> int:
    """Bring the environment to what is locked; returns an exit status.

    Where nobody asked for the build for the CPU and it is not to be had, that for CUDA is taken, which works too.

    Args:
        asked: What ``TORCH=`` says; empty for nothing.
        environment: Its folder.
        dry_run: Whether commands are only printed.
        run: What calls a command; returns its exit status.

    Raises:
        UserError: There is no such build, or no lock.
    """
    if not Path(LOCK).is_file():
        raise UserError(f"{LOCK}: there is none here; type this in the folder of the project")
    choice = environment / CHOICE
    recorded = choice.read_text(encoding="utf-8").strip() if choice.is_file() else ""
    backend, why = choose(asked, recorded, installed("torch"), accelerator())
    run = _print if dry_run else run or _call
    status = _bring(backend, why, environment, run)
    if status and backend == "cpu" and "cpu" not in (asked, recorded):
        backend = "cuda"
        status = _bring(backend, "that for the CPU is not to be had here", environment, run)
    if not status and not dry_run:
        choice.write_text(f"{backend}\n", encoding="utf-8")
    return status


def _bring(backend: str, why: str, environment: Path, run: Runner) -> int:
    print(told(backend, why, Path(LOCK).read_text(encoding="utf-8")), flush=True)
    called = (run(command) for command in commands(backend, environment, quiet=not sys.stderr.isatty()))
    return next((status for status in called if status), 0)


def installed(name: str) -> str | None:
    """Version of a package in this environment; None where it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _print(command: Sequence[str]) -> int:
    print(" ".join(command))
    return 0


def _call(command: Sequence[str]) -> int:
    return subprocess.run(command, check=False).returncode


def main(typed: Sequence[str] | None = None) -> int:
    """Read the command line, which is make's."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.install", description=__doc__)
    parser.add_argument(
        "--torch", default="", metavar="BUILD", help="cpu, cuda or auto; what it was where nothing is said"
    )
    parser.add_argument("--environment", type=Path, default=Path(".venv"), metavar="FOLDER", help="default: .venv")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be called")
    arguments = parser.parse_args(typed)
    try:
        return install(arguments.torch, arguments.environment, dry_run=arguments.dry_run)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
