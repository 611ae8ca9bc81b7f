"""What the templates ask about a result: names, counts, links, its claims and seeds."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from pipeline.artifacts import formats, words
from pipeline.ledger.families import SIMULATE
from pipeline.ledger.workspace import Node
from pipeline.site import runs as run_pages
from pipeline.site import tables
from pipeline.site.graph_boxes import Box
from pipeline.site.project import ResultPage, natural

MANY = 20
"""Cells of an artifact that stand in the open; more are folded away."""


class Links:
    """Where the boxes of an artifact's graph lead.

    Args:
        result: The artifact.
        runs: Runs that have a page.
        data: Data sets that have one.
    """

    def __init__(self, result: ResultPage, runs: Collection[str], data: Collection[str]) -> None:
        self.result, self.runs, self.data = result, runs, data

    def href(self, box: Box) -> str | None:
        """Link of a box, relative to the artifact's page."""
        parts = box.id.split("/")
        if box.kind in ("raw", "data", "simulations"):
            return f"../../data/{quote(parts[1])}.html{'#raw' * (box.kind == 'raw')}" if parts[1] in self.data else None
        if box.kind in ("checkpoints", "measurements"):
            anchor = f"#{quote(parts[2])}" if box.kind == "measurements" and not box.bad else ""
            return f"../../runs/{quote(parts[1])}.html{anchor}" if parts[1] in self.runs else None
        return f"{quote(parts[3])}.html" if box.id == self.result.name else None


def heading(name: str) -> str:
    """``Table 8``, ``Figure 2``; the name itself where it is neither."""
    found = re.fullmatch(r"(table|fig)([A-Z]?\d+\w*)", name)
    return f"{'Table' if found[1] == 'table' else 'Figure'} {found[2]}" if found else name


def thumbnail(result: ResultPage) -> bool:
    """Say whether there is a picture to show."""
    return ".png" in result.files


def place(result: ResultPage) -> tuple:
    """Tables before figures, table2 before table10."""
    return not result.artifact.startswith("table"), natural(result.artifact)


def caption(result: ResultPage) -> str:
    """A figure's caption: the paragraph below the picture on its page in Markdown."""
    if ".png" not in result.files or ".md" not in result.files:
        return ""
    paragraphs = result.files[".md"].read_text(encoding="utf-8").split("\n\n")
    below = [after for before, after in pairwise(paragraphs) if before.startswith("![")]
    return " ".join(below[0].split()) if below else ""


def seeds(result: ResultPage) -> list[dict[str, Any]]:
    """Per cell what was measured, seed by seed, and where that stands."""
    report = result.report
    assert report is not None
    found = []
    for number, cell in enumerate(report["cells"]):
        nodes = []
        for seed, name in cell["nodes"].items():
            node, value = Node(name), cell["seeds"].get(seed)
            shown = formats.number(value, cell["unit"]) if isinstance(value, int | float) else value
            link = result.chain.links.get(name)
            page_of = f"runs/{quote(node.config)}.html#{quote(run_pages.anchor(link))}" if link else ""
            page_of = f"data/{quote(node.config)}.html" if node.family is SIMULATE else page_of
            to = f"../../{page_of}" if link else None
            nodes.append({"seed": seed, "value": shown or "", "to": to, "name": name})
        epochs = cell["trained_epochs"]
        trained = [cell["dataset"], words.place("epochs", epochs) if cell["dataset"] and epochs is not None else ""]
        found.append(
            {
                "anchor": f"cell-{number}",
                "where": tables.where(report, cell),
                "trained": ", ".join(filter(None, trained)),
                "nodes": nodes,
                "note": cell["note"],
            }
        )
    return found
