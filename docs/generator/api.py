"""Pages of the library's API: one per folder of the package, written at every build and not committed."""

from __future__ import annotations

import ast
from pathlib import Path

from pipeline import components

GROUPS: dict[str, tuple[str, ...]] = {
    "The library: what is computed": (
        "data", "views", "nets", "objectives", "training", "evaluation", "kernels", "simulation", "artifacts",
        "numerics",
    ),
    "Papers: equations, and what is a paper's own": ("papers",),
    "Planning: declarations → what has to be computed": ("planning",),
    "Ledger: what was computed": ("ledger",),
    "Engine: what is computed now": ("engine",),
    "Readers: what people ask of it": ("provenance", "comparing", "sharing", "kit", "export", "site"),
}  # fmt: skip
"""Heading -> folders of the package."""


def _folders(package: Path, top: str) -> list[Path]:
    """A folder and those below it that hold modules and are no category of components."""
    of_components = {package / place.folder for place in components.CATEGORIES.values()} - {package / "objectives"}
    found = [package / top, *sorted(path for path in (package / top).rglob("*") if path.is_dir())]
    return [path for path in found if path not in of_components and _modules(path)]


def _modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]


def _summary(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(doc.split("\n\n")[0].split())


def _page(package: Path, folder: Path) -> str:
    dotted = ".".join(("pipeline", *folder.relative_to(package).parts))
    lines = [dotted, "=" * len(dotted), ""]
    if summary := _summary(folder / "__init__.py") if (folder / "__init__.py").is_file() else "":
        lines += [summary, ""]
    for path in _modules(folder):
        name = path.stem
        lines += [name, "-" * len(name), "", f".. automodule:: {dotted}.{name}", ""]
    return "\n".join(lines)


def pages(package: Path) -> dict[str, str]:
    """Path below ``docs/`` -> page."""
    found, told = {}, {}
    index = [
        "API", "===", "", "Modules by the storey that they stand in; imports go down only. Components, one file "
        "each, have their :doc:`own pages <../reference/components/index>`.", "",
    ]  # fmt: skip
    for heading, tops in GROUPS.items():
        names = []
        for top in tops:
            for folder in _folders(package, top):
                name = ".".join(folder.relative_to(package).parts)
                names.append(name)
                told[name] = _summary(folder / "__init__.py") if (folder / "__init__.py").is_file() else ""
                found[f"api/{name}.rst"] = _page(package, folder)
        index += [heading, "-" * len(heading), ""]
        index += [f"- :doc:`pipeline.{name} <{name}>`: {told[name]}".removesuffix(": ") for name in names]
        index += ["", ".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]
    shared = [path.stem for path in _modules(package) if path.stem not in ("__main__",)]
    lines = ["pipeline", "========", "", "What all storeys share.", ""]
    for name in shared:
        lines += [name, "-" * len(name), "", f".. automodule:: pipeline.{name}", ""]
    found["api/shared.rst"] = "\n".join(lines)
    index += ["Shared", "------", "", "- :doc:`pipeline <shared>`: what all storeys share.", ""]
    index += [".. toctree::", "   :hidden:", "", "   shared", ""]
    found["api/index.rst"] = "\n".join(index)
    return found
