"""The bundle as a Provenance Run Crate: what ran, in which order, on what, and what came out, for other people's tools.

One action per artifact and kind of stage, from the execution records; the receipts have every single node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.ledger.families import ARTIFACT, FAMILIES, MEASURE, PREPARE, PRETRAIN, SIMULATE
from pipeline.provenance.chain import Chain, Link
from pipeline.sharing import names
from pipeline.sharing.writer import Content

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}

_FOLDERS = {
    "receipts/": "What went into every stage and what came out, by hash",
    "measurements/": "Scores of every network",
    "simulations/": "Curves and numbers of every simulation",
    "checkpoints/": "Networks, or the records of their training",
    "data/": "Prepared data sets",
    "keys/": "Resolved parameters and code of every stage",
    "params/": "Declarations: papers, scales, data sets, printed numbers",
    "pipeline/": "Source of the stages",
    "rules/": "Rules of the workflow",
    "profiles/": "Settings of the workflow engine",
    "extend/": "Components and declarations beside the project's own",
}

_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".gif": "image/gif",
    ".html": "text/html",
    ".py": "text/x-python",
}


def describe(title: str, chain: Chain, members: Mapping[str, Content], licence: str) -> bytes:
    """Content of ``ro-crate-metadata.json``.

    Args:
        title: What the bundle is, in a line.
        chain: Receipts of everything in it.
        members: Its other members.
        licence: An SPDX identifier, an address, or a sentence.
    """
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    root = crate.root_dataset
    root["name"] = title
    root["description"] = (
        "A result with the receipts of everything that it comes from: parameters, code, seeds, measurements. "
        "manifest.json has the hash of every file; index.html says how to check them."
    )
    root["datePublished"] = max((_finished(link) for link in chain), default="") or "1980-01-01"
    root["license"] = _licence(crate, licence)
    profiles = [
        crate.add(ContextEntity(crate, uri, {"@type": "CreativeWork", "name": name, "version": version}))
        for uri, (name, version) in _PROFILES.items()
    ]
    about = {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "Tables and figures of papers on self-supervised learning",
    }
    workflow = crate.add_workflow(None, "Snakefile", main=True, lang="snakemake", gen_cwl=False, properties=about)
    root["conformsTo"] = profiles
    files = {name: crate.add_file(None, name, properties=_about(name, members[name])) for name in _listed(members)}
    folders = {
        name: crate.add_dataset(None, name, properties={"name": about})
        for name, about in _FOLDERS.items()
        if any(member.startswith(name) for member in members)
    }
    artifacts = [link for link in chain if link.node.family is ARTIFACT]
    results = [files[_inside(link, name)] for link in artifacts for name in sorted(link.receipt["outputs"])]
    reads = [folders[name] for name in ("params/", "extend/", "data/") if name in folders]
    _steps(crate, workflow, chain, files, folders, results, reads)
    return (json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False) + "\n").encode()


def _steps(crate: Any, workflow: Any, chain: Chain, files: dict, folders: dict, results: list, reads: list) -> None:
    """The workflow, its steps, and the actions that were these steps."""
    from rocrate.model import ContextEntity, SoftwareApplication

    def entity(identifier: str, **properties: Any) -> Any:
        kind = properties.pop("type")
        return crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))

    engine = crate.add(
        SoftwareApplication(crate, "#snakemake", {"name": "Snakemake", "url": "https://snakemake.readthedocs.io"})
    )
    objects = {
        PREPARE: [folders["params/"]],
        PRETRAIN: [folders[name] for name in ("data/", "params/") if name in folders][:1],
        MEASURE: [folders[name] for name in ("checkpoints/", "receipts/") if name in folders][:1],
        SIMULATE: [folders["params/"]],
        ARTIFACT: [folders[name] for name in ("measurements/", "simulations/") if name in folders],
    }
    made = {
        PREPARE: [folders[name] for name in ("data/", "receipts/") if name in folders][:1],
        PRETRAIN: objects[MEASURE],
        MEASURE: [folders[name] for name in ("measurements/",) if name in folders],
        SIMULATE: [folders[name] for name in ("simulations/",) if name in folders],
        ARTIFACT: results,
    }
    tools, steps, actions, controls = [], [], [], []
    for position, family in enumerate(FAMILIES):
        links = chain.family(family)
        if not links:
            continue
        parts = [files[module] for module in family.modules.values() if module in files]
        source = {"hasPart": parts} if parts else {}
        tool = crate.add(SoftwareApplication(crate, f"#tool-{family}", {"name": f"{family}: {family.about}", **source}))
        step = entity(f"#step-{family}", type="HowToStep", name=family.name, position=str(position), workExample=tool)
        action = entity(
            f"#action-{family}",
            type="CreateAction",
            name=f"{family.about}: {len(links)} executed",
            description=_summary(links),
            instrument=tool,
            object=objects[family],
            result=made[family],
            **_times(links),
        )
        tools.append(tool)
        steps.append(step)
        actions.append(action)
        controls.append(
            entity(f"#control-{family}", type="ControlAction", name=family.name, instrument=step, object=action)
        )
    workflow["hasPart"], workflow["step"] = tools, steps
    run = entity(
        "#run",
        type="CreateAction",
        name="Run of the workflow",
        description="All stages behind the results, each as its receipt says",
        instrument=workflow,
        object=reads,
        result=results,
        **_times(chain),
    )
    entity(
        "#organized",
        type="OrganizeAction",
        name="Snakemake ran the stages",
        instrument=engine,
        object=controls,
        result=run,
        **_times(chain),
    )
    crate.root_dataset["mentions"] = [run, *actions]


def _listed(members: Mapping[str, Content]) -> list[str]:
    """Members that are entries of their own: results, what lies at the top, and modules that steps name."""
    modules = {module for family in FAMILIES for module in family.modules.values()}
    return sorted(
        name
        for name in members
        if (name.startswith("results/") or "/" not in name or name in modules)
        and name not in ("Snakefile", names.CRATE)
    )


def _about(name: str, content: Content) -> dict[str, Any]:
    about: dict[str, Any] = {"name": name.rsplit("/", 1)[-1]}
    if names.suffix(name) in _TYPES:
        about["encodingFormat"] = _TYPES[names.suffix(name)]
    if isinstance(content, bytes) and content:
        about["contentSize"] = str(len(content))
    if name.endswith(".py"):
        about["@type"] = ["File", "SoftwareSourceCode"]
    return about


def _inside(link: Link, name: str) -> str:
    return f"{link.node.name.rsplit('/', 1)[0]}/{name}"


def _licence(crate: Any, licence: str) -> Any:
    from rocrate.model import ContextEntity

    if re.fullmatch(r"[A-Za-z0-9.+-]+", licence):
        uri = f"https://spdx.org/licenses/{licence}"
        return crate.add(ContextEntity(crate, uri, {"@type": "CreativeWork", "name": licence, "identifier": uri}))
    return licence


def _finished(link: Link) -> str:
    return str(link.execution.get("finished") or "")


def _times(links: Iterable[Link]) -> dict[str, str]:
    found = sorted(filter(None, map(_finished, links)))
    return {"endTime": found[-1].replace("Z", "+00:00")} if found else {}


def _summary(links: Sequence[Link]) -> str:
    """How long, on what, with which versions."""
    seconds = sum(float(link.execution.get("seconds") or 0) for link in links)
    places = {str(link.execution.get("gpu") or link.execution.get("processor") or "unknown") for link in links}
    versions = {f"{n} {v}" for link in links for n, v in (link.execution.get("versions") or {}).items()}
    return f"{seconds:.1f} s in all on {', '.join(sorted(places))}; {', '.join(sorted(versions))}"
