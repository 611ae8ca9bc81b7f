"""The card of an exported encoder: what it is, what was measured of it, and how anybody can follow that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline import files
from pipeline.data.arrays import META
from pipeline.evaluation.collapse import embeddings_collapsed
from pipeline.export import code
from pipeline.export.encoder import Encoder
from pipeline.ledger import receipt
from pipeline.ledger.sources import Folder
from pipeline.ledger.workspace import Node, Workspace
from pipeline.planning import names
from pipeline.provenance.chain import Chain, Link, walk
from pipeline.provenance.titles import titles

SCORES, SUMMARY = "scores.json", "summary.json"


def measured(encoder: Encoder) -> Iterator[tuple[str, str, float, str]]:
    """Numbers that were measured of the checkpoint, whose files are what their receipts say.

    Yields:
        The measure with its data set, the value's name, the number, and its key.
    """
    for title, scores, key in _scores(encoder):
        for name, value in sorted(scores.items()):
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield title, name, value, key


def collapsed(encoder: Encoder) -> list[str]:
    """Say what of the network has collapsed, by the record of its training and by what was measured; empty if nothing.

    The record and the scores are what receipts say, or count for nothing.
    """
    summary = _as_written(encoder.workspace, encoder.receipt, SUMMARY) or {}
    found = []
    if embeddings_collapsed(summary):
        words = (
            f"at the end of its training its embeddings are next to one point (spread {summary['embedding_std']:.2g}"
        )
        found.append(f"{words}; near 1 where they fill the sphere)")
    else:  # of a measurement that says so for the embeddings' sake there is nothing else to tell
        found += [
            f"its features are next to one point or one line ({title})"
            for title, scores, _ in _scores(encoder)
            if scores.get("collapsed")
        ]
    return found


def _scores(encoder: Encoder) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Measurements of the checkpoint: the measure with its data set, its scores, its key."""
    workspace = encoder.workspace
    folder = workspace.path(f"receipts/measurements/{encoder.node.removeprefix('checkpoints/')}")
    for path in sorted(folder.glob("*.json")):
        found = receipt.read(path)
        if found is None or path.name.endswith(".execution.json"):
            continue
        scores = _as_written(workspace, found, SCORES)
        if scores is None:
            continue
        protocol = found["params"]["measure"]
        data = [
            found["inputs"][role]["node"].removeprefix("data/") for role in ("evaluate",) if role in found["inputs"]
        ]
        yield " on ".join([str(protocol["kind"]), *data]), scores, found["key"]


def _as_written(workspace: Workspace, found: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A JSON file of a node as its receipt has it; None where it is not there, or another one."""
    path = workspace.payload(Node(found["node"])) / name
    if not path.is_file() or files.sha256(path) != found["outputs"].get(name, {}).get("sha256"):
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def text(
    encoder: Encoder, config: Mapping[str, Any], needed: list[str], declared: Mapping[str, str] | None = None
) -> str:
    """The card in Markdown, with the head that hubs of models read.

    Args:
        encoder: What was exported.
        config: What ``config.json`` says.
        needed: Packages that its code imports.
        declared: Run -> its name as it is declared, where that is known.
    """
    workspace = encoder.workspace
    chain = walk(Folder(workspace.root), [encoder.node])
    params = encoder.receipt["params"]
    data = receipt.read(workspace.path(Node(encoder.receipt["inputs"]["data"]["node"]).receipt)) or {}
    source = data.get("params", {}).get("name", "")
    meta = files.read_object(workspace.path(f"{encoder.receipt['inputs']['data']['node']}/{META}"))
    node = Node(encoder.node)
    own = Link(node, encoder.receipt, "")  # which a chain that does not hold may lack
    called = titles(Chain({**chain.links, encoder.node: own}), workspace, declared)
    count = meta.get("counts", {}).get("train", "?")
    head = {"library_name": "timm" if config["architecture"] else "pytorch", "tags": ["self-supervised-learning"]}
    channels, height, width = encoder.image_shape
    fallen = collapsed(encoder)
    rows = [f"| {title} | {name} | {value:g} | `{key[:16]}` |" for title, name, value, key in measured(encoder)]
    numbers = ["| measure | value | number | key |", "|---|---|---|---|", *rows] if rows else ["Nothing was measured."]
    timm = [
        "With timm (images normalised with the mean and std in `config.json`):",
        "",
        "```python",
        'network = timm.create_model("local-dir:FOLDER", pretrained=True)',
        "```",
        "",
    ]
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False).strip(),
        "---",
        "",
        f"# {names.of_seed(called[node.config], node.seed)}",
        "",
        f"Encoder {encoder.spec['kind']} of a run, {node.at.words}: {channels} x {height} x {width} images to "
        f"{encoder.features} features.",
        "",
        *([f"**Collapsed**: {'; '.join(fallen)}. It tells images apart badly, or not at all.", ""] if fallen else []),
        "## Load",
        "",
        "```python",
        'encoder = torch.hub.load("FOLDER", "encoder", source="local")',
        "features = encoder(images)  # uint8, or floats in [0, 1]; it normalises them",
        "```",
        "",
        "With huggingface_hub, from the folder's `hubconf.py`: `Encoder.from_pretrained(FOLDER)`. The code that is",
        f"imported lies beside it; installed has to be: {', '.join(code.installed(needed))}.",
        "",
        *(timm if config["architecture"] else []),
        "## Measured",
        "",
        *numbers,
        "",
        "## Where it comes from",
        "",
        f"- checkpoint `{encoder.node}`",
        f"- its key `{encoder.key}`, in its receipt (`receipt.json`)",
        f"- root hash of the chain of receipts `{chain.root()}`",
        f"- sha256 of its weights with all parts `{encoder.receipt['outputs']['model.safetensors']['sha256']}`",
        f"- data set {source}, {count} training images",
        "",
        f"In the project: `python -m pipeline audit {encoder.node}` follows it down to the raw data.",
        "",
        "## Trained with",
        "",
        "```yaml",
        yaml.safe_dump(params, sort_keys=True, default_flow_style=None, width=100).strip(),
        "```",
    ]
    return "\n".join(lines) + "\n"
