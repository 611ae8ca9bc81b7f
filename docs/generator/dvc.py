"""``dvc.yaml``: a stage per family of nodes, with the edges and the code that key files of a plan say.

What is built is a parameter (``params.yaml``), so nothing here names a scale. Payload is versioned by one ``.dvc`` file
per run, so no stage has it as an output: its outputs are receipts and results, which Git holds, and DVC deletes none of
them before it calls a stage.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline.ledger.families import ARTIFACT, FAMILIES, MEASURE, PREPARE, PRETRAIN, SIMULATE, Family
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.planning.catalogue import Catalogue
from pipeline.planning.key_files import key_files
from pipeline.planning.options import Options
from pipeline.planning.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
# Written by docs/generate.py from the plan; edit that, then type: make reference
#
# What is built, and the scale of metrics and plots, stands in params.yaml: edit it and type `dvc repro`, or type
# `dvc exp run -S scale=paper`. Every stage hands over to snakemake, which decides what is stale.
"""
TARGETS = {
    PREPARE: ("datasets", "every data set of the scale, one checksummed array file each"),
    PRETRAIN: ("checkpoints", "every training, through all its milestones"),
    MEASURE: ("measurements", "probes, k-NN, spectra and kernels of all checkpoints"),
    SIMULATE: ("simulations", "every simulation: equations and toy networks"),
    ARTIFACT: ("all", "every table and figure, and the scorecard"),
}
"""Family -> the target of the Snakefile that makes all of it, and what that is."""

NAMES = {**{family: target for family, (target, _) in TARGETS.items()}, ARTIFACT: "results"}
"""Family -> its stage in ``dvc.yaml``."""

EDITION = "results/${scale}"
CONFIG = " ".join(f"{key}=${{{key}}}" for key in ("scale", "datasets", "artifacts"))
"""What ``params.yaml`` says, for snakemake."""
DECIDE = ("pipeline/commands", "pipeline/engine", "pipeline/ledger", "pipeline/planning", "rules", "Snakefile")
"""What decides is in no key, but may decide otherwise tomorrow: Snakemake is asked again, which takes seconds."""


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def planned() -> tuple[dict[Family, set[Family]], dict[Family, set[str]]]:
    """Return what each family reads, and the files and folders of the package that its keys name, from a plan."""
    catalogue = Catalogue(Options(scale="tiny"))
    plan = Plan(catalogue, catalogue.built())
    files = key_files(plan, Fingerprints())
    reads: dict[Family, set[Family]] = {family: set() for family in FAMILIES}
    code: dict[Family, set[str]] = {family: set() for family in FAMILIES}
    for node in plan.nodes():
        file = files[node.key]
        reads[node.family] |= {node.resolve_input(template).family for template in file.inputs.values()}
        code[node.family] |= {folder_of(module) for module in file.code}
    return reads, code


def folder_of(module: str) -> str:
    """The room of the house that a module lies in; the module itself where it lies at the top."""
    return "/".join(module.split("/")[:2])


def stages() -> dict[str, dict[str, object]]:
    """Stages by name, in the order of the work."""
    reads, code = planned()
    found: dict[str, dict[str, object]] = {}
    for family in FAMILIES:
        target, about = TARGETS[family]
        made = EDITION if family is ARTIFACT else f"receipts/{family.folder}"
        below = [f"receipts/{other.folder}" for other in FAMILIES if other in reads[family]]
        found[NAMES[family]] = {
            "desc": about,
            # an edition may have none of a family
            "cmd": [f"mkdir -p {made}", f"snakemake {target} --config {CONFIG}"],
            "deps": [*below, "params", *sorted({*code[family], *DECIDE})],
            "outs": [{made: {"cache": False, "persist": True}}],
        }
    return found


def compared(params: Path) -> list[str]:
    """Files of declarations that ``dvc params diff`` and ``dvc exp show`` compare."""
    paths = [*sorted(params.glob("papers/*.yaml")), *sorted(params.glob("scales/*.yaml")), params / "datasets.yaml"]
    return ["params.yaml", *(path.relative_to(params.parent).as_posix() for path in paths)]


def plots(params: Path) -> list[str]:
    """Every figure as it is drawn."""
    catalogue = Catalogue(Options(), params)
    return [
        f"{EDITION}/{key}/{name}.png"
        for key, paper in catalogue.papers.items()
        for name, artifact in paper.artifacts.items()
        if artifact.kind == "figure"
    ]


def text(params: Path = ROOT / "params") -> str:
    """Content of ``dvc.yaml``.

    Args:
        params: The declarations that are compared, and whose figures are shown.
    """
    parts = [
        {"stages": stages()},
        {"params": compared(params)},
        {"metrics": [f"{EDITION}/metrics.json"]},
        {"plots": plots(params)},
    ]
    written = (yaml.dump(part, Dumper=_Dumper, sort_keys=False, width=118) for part in parts)
    return "\n".join([HEAD, *written])
