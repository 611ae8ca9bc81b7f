"""How long the site of many artifacts takes, and how large its start page is.

    python bench/site.py [ARTIFACTS]      300 unless told; results/quick/directpred/table8 must be built

Copies the chain of table8 under other names: ten artifacts share the runs of one copy. Every copy is a valid chain.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline import files  # noqa: E402
from pipeline.ledger import naming, receipt  # noqa: E402
from pipeline.ledger.families import ARTIFACT, PREPARE, PRETRAIN  # noqa: E402
from pipeline.ledger.sources import Folder  # noqa: E402
from pipeline.ledger.workspace import LOCAL, Node  # noqa: E402
from pipeline.planning.catalogue import Catalogue  # noqa: E402
from pipeline.planning.options import Options  # noqa: E402
from pipeline.provenance.chain import Chain, walk  # noqa: E402
from pipeline.site.build import Site  # noqa: E402
from pipeline.site.project import Project  # noqa: E402

SHARED = 10
"""Artifacts that share their runs."""


def synthetic(source: Path, name: str, root: Path, count: int) -> None:
    """Write ``count`` artifacts like ``name`` of the project ``source``, with all their receipts and scores.

    Args:
        source: A project in which the artifact is built.
        name: Its node.
        root: Where to write.
        count: How many artifacts.
    """
    chain = walk(Folder(source), [name])
    if name not in chain.links or chain.findings:
        raise SystemExit(f"{name}: not built, or its chain does not hold; type: snakemake {name}.csv")
    for number in range(count):
        group, renamed = number // SHARED, {}
        for link in chain:
            if link.node.family is not ARTIFACT and number % SHARED:
                renamed[link.node.name] = _renamed(chain, link.node.name, group)
                continue
            _copy(source, root, chain, link.node.name, group, f"table{number + 100}", renamed)


def _copy(source: Path, root: Path, chain: Chain, name: str, group: int, artifact: str, renamed: dict) -> None:
    link = chain.links[name]
    found = json.loads(json.dumps(link.receipt))
    if link.node.family is ARTIFACT:
        new = f"{name.rpartition('/')[0]}/{artifact}"
        found["params"]["artifact"] = artifact
        text = (source / f"{name}.json").read_text(encoding="utf-8")
        for old, other in renamed.items():
            text = text.replace(f'"{old}"', f'"{other}"')
        made = json.loads(text) | {"artifact": artifact, "title": f"{artifact}, a copy of table 8"}
        path = root / f"{new}.json"
        files.write(path, json.dumps(made))
        kinds = {Path(output).suffix: entry for output, entry in found["outputs"].items()}
        found["outputs"] = {f"{artifact}{kind}": entry for kind, entry in kinds.items()} | {
            path.name: files.hashes(path)
        }
        for kind in kinds.keys() - {".json"}:
            files.clone(source / f"{name}{kind}", root / f"{new}{kind}")
        for cell in found["params"]["cells"]:
            cell["nodes"] = [renamed[node] for node in cell["nodes"]]
    else:
        new = renamed[name] = _renamed(chain, name, group)
        if link.node.family is PRETRAIN:
            found["params"]["batch_size"] += group
        for output in found["outputs"]:
            if (
                output in ("scores.json", "history.csv", "summary.json", "meta.json")
                and (source / name / output).is_file()
            ):
                files.clone(source / name / output, root / new / output)
    found["node"] = new
    found["inputs"] = {renamed.get(role, role): {**entry, "node": renamed[entry["node"]]}
                       for role, entry in found["inputs"].items()}  # fmt: skip
    contents = {role: entry["content"] for role, entry in found["inputs"].items()}
    parts = (found[part] for part in ("stage", "code", "params"))
    found["key"] = receipt.key_of(*parts, contents, found["seed"], found["epoch"])
    node = Node(new)
    files.write(root / node.receipt, files.dumps(found))
    if link.execution:
        files.write(root / node.execution, files.dumps(link.execution))


def _renamed(chain: Chain, name: str, group: int) -> str:
    """Name of a node's copy: runs differ in their batch size."""
    node = Node(name)
    if node.family is PREPARE:
        return name
    run = next(link for link in chain.family(PRETRAIN) if link.node.config == node.config)
    params = {**run.receipt["params"], "batch_size": run.receipt["params"]["batch_size"] + group}
    data = run.receipt["inputs"]["data"]["node"].removeprefix("data/")
    kind = data.removeprefix(LOCAL).rpartition("-")[0]
    return name.replace(node.config, naming.run(params, data, kind, not node.config.startswith(LOCAL)))


def main() -> None:
    """Print seconds and sizes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    root = Path(tempfile.mkdtemp())
    try:
        synthetic(ROOT, "results/quick/directpred/table8", root, count)
        began = time.perf_counter()
        site = Site(Project(root), Catalogue(Options()))
        pages = site.write(root / "site")
        seconds = time.perf_counter() - began
        assert not any(result.findings for result in site.project.results)
        size = (root / "site/index.html").stat().st_size
        print(
            f"{len(site.project.results)} artifacts, {len(site.runs)} runs, {len(site.project.chain.links)} receipts:"
        )
        print(f"{pages} pages in {seconds:.1f} s; start page {size / 1000:.0f} kB")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
