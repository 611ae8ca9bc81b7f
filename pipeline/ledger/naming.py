"""Names of data sets, runs and measurements: what is in a name follows from leaves, and can be checked from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import files
from pipeline.ledger.workspace import LOCAL, Node


def dataset(leaves: Mapping[str, Any], tracked: bool) -> str:
    """Folder of a data set, from the leaves of its key."""
    kept = {name: value for name, value in leaves.items() if name not in ("name", "classes", "files")}
    content = {"name": leaves["name"], "classes": leaves["classes"]}
    checksums = [[file["name"], file.get("md5"), file.get("sha256")] for file in leaves["files"]]
    return f"{'' if tracked else LOCAL}{leaves['name']}-{files.digest([kept, content, checksums])[:8]}"


def run(leaves: Mapping[str, Any], data: str, dataset_name: str, tracked: bool) -> str:
    """Folder of a run without its seed, from the leaves of its key and the folder of its data set."""
    content = {"data": data.removeprefix(LOCAL), "run": leaves}
    parts = [dataset_name, *(leaves[part]["kind"] for part in ("encoder", "predictor", "target"))]
    return f"{'' if tracked else LOCAL}{'-'.join(parts)}-{files.digest(content)[:10]}"


def measure(leaves: Mapping[str, Any]) -> str:
    """Folder of a measurement, from the leaves of the measure."""
    return f"{leaves['kind']}-{files.digest({'measure': leaves})[:8]}"


def simulation(leaves: Mapping[str, Any], tracked: bool) -> str:
    """Folder of a simulation, from its leaves."""
    return f"{'' if tracked else LOCAL}{leaves['kind']}-{files.digest({'simulation': leaves})[:8]}"


def contradiction(found: Mapping[str, Any]) -> str | None:
    """Why a receipt cannot be that of its node, or None: the name says which leaves it was made with.

    Args:
        found: A receipt that :func:`pipeline.ledger.receipt.check` has accepted.
    """
    node = Node(found["node"])
    tracked = not node.config.startswith(LOCAL)
    leaves = found["leaves"]
    try:
        if node.family == "prepare":
            wanted, name = dataset(leaves, tracked), node.config
        elif node.family == "pretrain":
            data = found["inputs"]["data"]["node"].removeprefix("data/")
            wanted, name = run(leaves, data, data.removeprefix(LOCAL).rpartition("-")[0], tracked), node.config
        elif node.family == "simulate":
            wanted, name = simulation(leaves["simulation"], tracked), node.config
        elif node.family == "measure":
            templates = {"checkpoint": "{config}/{milestone}"}
            if "reference" in leaves["measure"]:
                templates["reference"] = leaves["measure"]["reference"]
            for role, template in templates.items():
                own, read = node.resolve_input(f"checkpoints/{template}").name, found["inputs"][role]["node"]
                if read != own:
                    return f"it reads {read}, where its name says {own}"
            wanted, name = measure(leaves["measure"]), node.name.rsplit("/", 1)[1]
        else:
            edition = leaves["scale"]["key"] + ("" if leaves["flavour"] == "paper" else f"-{leaves['flavour']}")
            wanted, name = f"{edition}/{leaves['paper']['key']}/{leaves['artifact']}", node.config
    except (KeyError, TypeError, AttributeError):
        return "its leaves are not those of such a stage"
    return None if wanted == name else f"its leaves belong to {wanted}"
