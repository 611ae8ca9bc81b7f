"""Packages that executing a kit imports and a machine with torch may lack, as wheels for its version of Python."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline import components
from pipeline.errors import UserError
from pipeline.ledger.keys import KeyFile

PRESENT = ("torch", "torchvision", "numpy", "pillow", "scipy", "scikit-learn")
"""Where there is torch there are these: large, and built for the machine."""
WITHOUT = {"dvc", "dvc_data", "yaml", "pipeline"}
"""Imported where there is a remote, a cache of somebody's choice or something tracked: not where a kit is executed; and
the project, which is installed as a package that requires all of them, and travels as files."""
_LINUX = {"extra": "", "os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"}
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux1")
_LOADED = """
import sys
import pipeline.__main__, pipeline.kit.carried, pipeline.kit.harvest, pipeline.kit.node
pipeline.__main__._parser()
for name, module in list(sys.modules.items()):
    if name.startswith("pipeline") and module.__file__:
        print(module.__file__)
"""


def needed(keys: Iterable[KeyFile]) -> dict[str, str]:
    """Packages and their locked versions, found by reading what runs and what that imports.

    Raises:
        UserError: One of them is not locked.
    """
    packages = importlib.metadata.packages_distributions()
    imported = {
        canonicalize_name(name) for module in _imported(_sources(keys)) - WITHOUT for name in packages.get(module, [])
    }
    theirs = _closure(PRESENT)
    wanted = _closure(imported - theirs) - set(PRESENT)
    locked = _locked()
    for name in sorted(wanted - locked.keys()):
        raise UserError(f"requirements.txt: {name}: executing a kit imports it, and it is not locked; type: make lock")
    return {name: locked[name] for name in sorted(wanted)}


def download(packages: dict[str, str], python: str, folder: Path) -> list[Path]:
    """Fetch the wheels of packages for another version of Python on Linux, on the kind of processor that is here.

    Raises:
        UserError: The version is none, or a package has no such wheel.
    """
    if not re.fullmatch(r"3\.\d{1,2}", python):
        raise UserError(f"--wheels: expected a version of Python such as 3.12, found {python}")
    if not packages:
        return []
    import platform

    tag = f"cp{python.replace('.', '')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), "--python-version", python, "--implementation", "cp"]
    command += [part for abi in (tag, "abi3", "none") for part in ("--abi", abi)]
    command += [part for name in _PLATFORMS for part in ("--platform", f"{name}_{platform.machine()}")]
    done = subprocess.run(
        [*command, *(f"{name}=={version}" for name, version in packages.items())], capture_output=True, text=True
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
        raise UserError(f"--wheels {python}: {lines[-1]}; type another version, or leave --wheels out")
    return sorted(folder.glob("*.whl"))


def _sources(keys: Iterable[KeyFile]) -> set[Path]:
    """Modules that run: those of the stages, and of what calls them."""
    root = components.PACKAGE.parent
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, cwd=root, check=True)
    named = {root / module for key in keys for module in key.code}
    return {Path(line) for line in done.stdout.splitlines()} | {path for path in named if path.is_file()}


def _imported(sources: Iterable[Path]) -> set[str]:
    """First names of all that modules import, also inside functions, but for type checkers."""
    return {name for path in sources for name in _names(ast.parse(path.read_bytes(), filename=str(path)))}


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        else:
            yield from _names(node)


def _closure(names: Iterable[str]) -> set[str]:
    """Packages with all that they require, as far as it is installed here."""
    found: set[str] = set()
    waiting: list[str] = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _requirements(name)
    return found


def _requirements(name: str) -> Iterator[str]:
    try:
        listed = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, listed):
        if requirement.marker is None or requirement.marker.evaluate(_LINUX):
            yield canonicalize_name(requirement.name)


def _locked() -> dict[str, str]:
    text = (components.PACKAGE.parent / "requirements.txt").read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}
