"""What commands share that declare a paper in a folder of the user's and have snakemake build it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands import _targets
from pipeline.errors import UserError


def add(parser: argparse.ArgumentParser, default: Path) -> None:
    """Arguments that say where a paper is declared and how it is built.

    Args:
        parser: Of the command.
        default: Where it is declared unless another folder is named.
    """
    parser.add_argument("--to", type=Path, metavar="FOLDER", help=f"where it is declared ({default})")
    parser.add_argument("--no-build", action="store_true", help="declare it and say what it needs, no more")
    parser.add_argument("--cores", default="all", metavar="N", help="as snakemake's --cores (all)")


def split(config: Sequence[str]) -> tuple[str | None, list[str]]:
    """What ``extend=`` names last, None where it is not said, and the rest of ``--config``."""
    extended = [item.partition("=")[2] for item in config if item.startswith("extend=")]
    return (extended[-1] if extended else None), [item for item in config if not item.startswith("extend=")]


def folder(arguments: argparse.Namespace, default: Path) -> tuple[Path, list[str]]:
    """Where a paper is declared, and the rest of ``--config``.

    Raises:
        UserError: Two places are named, or one that is no folder.
    """
    extended, rest = split(arguments.config)
    if extended is not None and arguments.to:
        raise UserError(f"--to {arguments.to}: it is declared in {extended}, which extend= names; leave --to out")
    found = Path(extended) if extended is not None else arguments.to or default
    if found.exists() and not found.is_dir():
        raise UserError(f"{found}: a file, where a folder is expected; name another one with --to FOLDER")
    return found, rest


def declarations(folder: Path) -> list[str]:
    """What ``--config`` is told of a folder: nothing where there is none yet."""
    return [f"extend={folder}"] if folder.is_dir() else []


def typed() -> list[str]:
    """What was typed behind the name of the command."""
    return sys.argv[2:]


def line(targets: Sequence[str], cores: str, config: Sequence[str]) -> str:
    """What to type for targets."""
    return _targets.to_type(["snakemake", *targets, "--cores", cores], config)


def build(targets: Sequence[str], cores: str, config: Sequence[str]) -> int:
    """Have snakemake build targets; returns its exit status."""
    import subprocess

    command = [sys.executable, "-m", "snakemake", *targets, "--cores", cores, "--config", *config]
    return subprocess.run(command, check=False).returncode
