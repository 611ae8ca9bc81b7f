"""Something of one's own to start from: a component that works, and a paper with one artifact that uses it."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline import components, files
from pipeline.errors import UserError
from pipeline.planning import spec, yaml_files
from pipeline.planning.catalogue import Catalogue

FOLDER = Path(__file__).parent / "templates"
CATEGORIES = {
    "paper": None,
    "objective": "objective",
    "encoder": "encoder",
    "dataset": "source",
    "measure": "measure",
    "figure": "figure",
}
"""What can be started, and the category of the component that it is."""

SCALE, SCALE_TEXT = "own", "title: mine, nothing changed\n"


@dataclass
class Started:
    """What is to be written.

    Attributes:
        files: Path -> text, none of which is there yet but ``datasets.yaml``, which is added to.
        scale: At which the artifact is built.
        suffix: Of the file to ask for.
    """

    files: dict[Path, str]
    scale: str
    suffix: str

    def write(self) -> None:
        """Write all of it, the declaration that names the rest last."""
        for path, text in self.files.items():
            files.write(path, text)


def started(what: str, name: str, folder: Path, known: Catalogue) -> Started:
    """Fill in the templates.

    Args:
        what: One of :data:`CATEGORIES`.
        name: Of the component, of the paper, and of its artifact.
        folder: The user's own.
        known: What is declared, this folder's declarations included.

    Raises:
        UserError: The name is none, or is taken, or one of the files is there.
    """
    category = CATEGORIES[what]
    pattern = r"[A-Za-z][A-Za-z0-9_]{0,59}" if category else spec.NAME
    if not re.fullmatch(pattern, name):
        more = "begin with a letter, and have letters, digits and _" if category else "have letters, digits, - and _"
        raise UserError(f"new {what} {name}: expected a name that would {more}; type another one")
    article = "an" if what[0] in "aeiou" else "a"
    taken: dict[str, Collection[str]] = {
        "a paper": known.papers,
        f"{article} {what}": components.kinds(category, known.extend) if category else (),
    }
    taken |= {"a data set": known.datasets} if what == "dataset" else {}
    taken |= {"a table or figure": [artifact for _, artifact in known.registry]}
    for kind, names in taken.items():
        if name in names:
            raise UserError(f"new {what} {name}: there is {kind} of this name; type another one")
    filled = {"NAME": name, "YEAR": str(time.gmtime().tm_year)}
    made: dict[Path, str] = {}
    if category is not None:
        inside = components.CATEGORIES[category].folder.rpartition("/")[2]
        made[folder / inside / f"{name}.py"] = _filled(f"{what}.py.txt", filled)
    scales = sorted(path.stem for path in (folder / "scales").glob("*.yaml") if not path.name.startswith("."))
    if not scales:
        made[folder / "scales" / f"{SCALE}.yaml"] = SCALE_TEXT
    made[folder / "papers" / f"{name}.yaml"] = _filled(f"{what}.yaml.txt", filled)
    for path in made:
        if path.exists():
            raise UserError(f"{path}: is there already, and is not written over; type another name")
    if what == "dataset":
        made = {folder / "datasets.yaml": _added(folder / "datasets.yaml", _filled("dataset.entry.txt", filled))} | made
    return Started(made, SCALE if SCALE in scales or not scales else scales[0], "png" if what == "figure" else "csv")


def _filled(template: str, values: dict[str, str]) -> str:
    text = (FOLDER / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _added(path: Path, entry: str) -> str:
    """The text of a file of data sets with one more entry at its end; what is there stays as it is.

    Raises:
        UserError: An entry can't be added as a line: the file is one mapping in braces, or is no mapping.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    text = before + ("" if not before or before.endswith("\n") else "\n") + entry
    name = entry.partition(":")[0]
    try:
        found = yaml_files.parse(text, str(path))
    except UserError:
        found = None
    if not isinstance(found, dict) or name not in found:
        raise UserError(f"{path}: an entry can't be added at its end; add it yourself: {entry.strip()}")
    return text
