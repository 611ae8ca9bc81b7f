"""Which checkpoint is meant: one by its folder, or that behind a cell of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.components import PACKAGE
from pipeline.errors import UserError, brief, nearest
from pipeline.ledger import receipt
from pipeline.ledger.families import ARTIFACT, PRETRAIN
from pipeline.ledger.workspace import Node, Workspace, checkpoint, is_node

PROJECT = PACKAGE.parent
"""Where relative paths start from that are not below the working folder: a notebook may be anywhere in the project."""

_FOLDERS = ("results", "checkpoints", "receipts")


def _there(path: Path) -> bool:
    """Whether a result or a checkpoint lies there, a result without its suffix too."""
    return path.exists() or any(path.parent.glob(f"{path.name}.*"))


def place(path: Path | str) -> tuple[Workspace, str]:
    """The checkout that a result or checkpoint lies in, and the node's name there.

    Args:
        path: A result with or without its suffix, a short name that links to one; a checkpoint's folder, a file in it.

    Raises:
        UserError: It lies in no folder of results or checkpoints.
    """
    given = Path(path).expanduser()
    found = next((one / given for one in (Path.cwd(), PROJECT) if _there(one / given)), Path.cwd() / given)
    if not given.suffix and not found.exists() and found.with_name(f"{found.name}.csv").is_symlink():
        found = found.with_name(f"{found.name}.csv")  # the short name of one
    found = found.resolve()
    for root in found.parents:
        if root.name in _FOLDERS and root.name != "receipts":
            inside = found.relative_to(root.parent).as_posix()
            workspace = Workspace(root.parent)
            if root.name == "results":
                stem = "/".join((*inside.split("/")[:-1], inside.split("/")[-1].split(".")[0]))
                return workspace, stem
            for name in (inside, inside.rpartition("/")[0]):
                if is_node(name):
                    return workspace, name
    raise UserError(
        f"{path}: expected a result such as results/quick/directpred/table8, or the folder of a checkpoint; "
        "python -m pipeline runs lists them"
    )


def checkpoint_of(path: Path | str, where: Mapping[str, Any], seed: int | None) -> tuple[Workspace, Node]:
    """The checkpoint that is meant.

    Args:
        path: See :func:`place`.
        where: Axis -> value, of a cell of the result; ``role`` of a baseline.
        seed: Of a result; None where there is one alone.

    Raises:
        UserError: There is no such result, cell or seed, or there are several.
    """
    workspace, name = place(path)
    node = Node(name)
    if not is_node(name) or node.family not in (ARTIFACT, PRETRAIN):
        raise UserError(f"{path}: expected a result or a checkpoint, found {name}")
    found = receipt.read(workspace.path(node.receipt))
    if found is None:
        raise UserError(f"{path}: there is no receipt {node.receipt}; build it first: snakemake {name}.csv")
    if node.family is PRETRAIN:
        if where or seed is not None:
            raise UserError(f"{path}: a checkpoint is one of a run and a seed; leave what selects a cell out")
        return workspace, node
    cells = found["params"]["cells"]
    nodes = _nodes(cells, where, str(path))
    runs = dict.fromkeys(checkpoint(one.config, one.seed or 0, one.at) for one in nodes)
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    if seed is None and len(seeds) > 1:
        raise UserError(f"{path}: {len(seeds)} seeds; say which: seed={seeds[0]}")
    chosen = [run for run in runs if seed is None or run.seed == seed]
    if not chosen:
        raise UserError(f"{path}: seed={seed}: there are {', '.join(map(str, seeds))}")
    if len(chosen) > 1:
        raise UserError(f"{path}: {_open(cells, where)}")
    return workspace, chosen[0]


def _nodes(cells: list[dict[str, Any]], where: Mapping[str, Any], path: str) -> list[Node]:
    """Measurements of the cells that are meant."""
    if not cells or not any(cell.get("nodes") for cell in cells):
        raise UserError(f"{path}: shows no network; name a table or figure of runs")
    left = [cell for cell in cells if cell.get("nodes") and cell.get("role", "cell") == where.get("role", "cell")]
    if not left:
        roles = sorted({cell.get("role", "cell") for cell in cells} - {"cell"})
        raise UserError(f"{path}: role={where.get('role')}: {nearest(str(where.get('role')), roles)}")
    for axis, value in where.items():
        if axis == "role":
            continue
        axes = sorted({name for cell in left for name in cell["axes"]})
        if axis not in axes:
            raise UserError(f"{path}: there is no axis {brief(axis)}; {nearest(axis, axes, 'the axes are')}")
        values = list(dict.fromkeys(str(cell["axes"].get(axis)) for cell in left))
        left = [cell for cell in left if str(cell["axes"].get(axis)) == str(value)]
        if not left:
            raise UserError(f"{path}: {axis}={brief(value, str)}: no such cell; {nearest(str(value), values)}")
    found = [Node(name) for cell in left for name in cell["nodes"]]
    return [node for node in found if node.seed is not None]


def _open(cells: list[dict[str, Any]], where: Mapping[str, Any]) -> str:
    """What would have to be said to name one cell."""
    axes: dict[str, list[str]] = {}
    for cell in cells:
        if cell.get("nodes") and cell.get("role", "cell") == where.get("role", "cell"):
            for axis, value in cell["axes"].items():
                if axis not in where and axis != "measure" and str(value) not in axes.setdefault(axis, []):
                    axes[axis].append(str(value))
    words = [f"{axis} ({', '.join(values[:8])})" for axis, values in axes.items() if len(values) > 1]
    return f"several networks are behind it; say also {' and '.join(words) or 'more'}"
