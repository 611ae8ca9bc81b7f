"""What was typed after ``snakemake`` and is no target: told at once, and with what to type.

Snakemake finds out when everything is planned, knows no name that is alike, and has removed links by then.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline import components
from pipeline.errors import UserError, nearest
from pipeline.ledger.families import FAMILIES
from pipeline.planning.catalogue import Catalogue

_RULE = re.compile(r"^(?:rule|checkpoint) (\w+):", re.MULTILINE)
_FOLDERS = {"jobs", "keys", "receipts", "results", *(family.folder for family in FAMILIES)}
_KINDS = (".csv", ".md", ".png", ".pdf")


def refuse(target: str, catalogue: Catalogue) -> None:
    """Refuse what names no rule and no file of a rule.

    Args:
        target: As it was typed.
        catalogue: Of all artifacts.

    Raises:
        UserError: It is neither, or an artifact without its folder.
    """
    path = Path(target)
    known = rules(components.PACKAGE.parent)
    if target in known or path.exists() or path.parts[0] in _FOLDERS:
        return
    name = path.with_suffix("").name
    suffix = path.suffix if path.suffix in _KINDS else ".csv"
    edition = (catalogue.options.edition(),) if len(path.parts) == 2 else ()
    meant = Path("results", *edition, path.parent, name + suffix).as_posix()
    rule = nearest(target, known)
    if rule.startswith("did") and name not in {artifact for _, artifact in catalogue.registry}:
        raise UserError(f"{target}: no rule has this name; {rule}")
    try:
        found = catalogue.request(meant)
    except UserError as error:
        raise UserError(f"{target}: no rule has this name; {error}") from None
    hint = f"type {meant}" if found else "type results/ARTIFACT.csv"
    raise UserError(f"{target}: no rule has this name; a table or figure is asked for by its file, {hint}")


def rules(root: Path) -> list[str]:
    """Names of all rules, read off their files."""
    texts = [path.read_text(encoding="utf-8") for path in (root / "Snakefile", *sorted(root.glob("rules/*.smk")))]
    return [name for text in texts for name in _RULE.findall(text)]
