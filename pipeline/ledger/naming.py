"""Names of data sets, runs and measurements: what is in a name follows from params, and can be checked from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import files
from pipeline.ledger.families import MEASURE, PREPARE, PRETRAIN, SIMULATE
from pipeline.ledger.workspace import LOCAL, Node


def dataset(params: Mapping[str, Any], tracked: bool) -> str:
    """Folder of a data set, from the params of its key."""
    kept = {name: value for name, value in params.items() if name not in ("name", "classes", "files")}
    content = {"name": params["name"], "classes": params["classes"]}
    checksums = [[file["name"], file.get("md5"), file.get("sha256")] for file in params["files"]]
    return f"{'' if tracked else LOCAL}{params['name']}-{files.digest([kept, content, checksums])[:8]}"


def run(params: Mapping[str, Any], data: str, dataset_name: str, tracked: bool) -> str:
    """Folder of a run without its seed, from the params of its key and the folder of its data set."""
    content = {"data": data.removeprefix(LOCAL), "run": params}
    parts = [dataset_name, *(params[part]["kind"] for part in ("encoder", "predictor", "target"))]
    return f"{'' if tracked else LOCAL}{'-'.join(parts)}-{files.digest(content)[:10]}"


def measure(params: Mapping[str, Any]) -> str:
    """Folder of a measurement, from the params of the measure."""
    return f"{params['kind']}-{files.digest({'measure': params})[:8]}"


def simulation(params: Mapping[str, Any], tracked: bool) -> str:
    """Folder of a simulation, from its params."""
    return f"{'' if tracked else LOCAL}{params['kind'].replace('/', '-')}-{files.digest({'simulation': params})[:8]}"


def contradiction(found: Mapping[str, Any]) -> str | None:
    """Why a receipt cannot be that of its node, or None: the name says which params it was made with.

    Args:
        found: A receipt that :func:`pipeline.ledger.receipt.check` has accepted.
    """
    node = Node(found["node"])
    tracked = not node.config.startswith(LOCAL)
    params = found["params"]
    try:
        if node.family is PREPARE:
            wanted, name = dataset(params, tracked), node.config
        elif node.family is PRETRAIN:
            data = found["inputs"]["data"]["node"].removeprefix("data/")
            wanted, name = run(params, data, data.removeprefix(LOCAL).rpartition("-")[0], tracked), node.config
        elif node.family is SIMULATE:
            wanted, name = simulation(params["simulation"], tracked), node.config
        elif node.family is MEASURE:
            templates = {"checkpoint": "{config}/{milestone}"}
            if "reference" in params["measure"]:
                templates["reference"] = params["measure"]["reference"]
            own = {role: node.resolve_input(f"checkpoints/{template}").name for role, template in templates.items()}
            for role, name in (own | params["measure"].get("data", {})).items():
                if (read := found["inputs"][role]["node"]) != name:
                    return f"it reads {read}, where its name says {name}"
            wanted, name = measure(params["measure"]), node.name.rsplit("/", 1)[1]
        else:
            edition = params["scale"]["key"] + ("" if params["flavour"] == "paper" else f"-{params['flavour']}")
            wanted, name = f"{edition}/{params['paper']['key']}/{params['artifact']}", node.config
    except (KeyError, TypeError, AttributeError):
        return "its params are not those of such a stage"
    return None if wanted == name else f"its params belong to {wanted}"
