"""Key files: the part of a node's key that is known before anything has run, readable, one per config.

Snakemake reads a key file as an input of the job, so its own reason for a rerun names it. The plan writes it
when the Snakefile is read, and only if it changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import files, user_files
from pipeline.errors import UserError
from pipeline.ledger import receipt
from pipeline.ledger.families import BY_FOLDER


@dataclass
class KeyFile:
    """What the executor needs to know about the nodes of one config.

    Attributes:
        stage: Kind of stage: prepare, pretrain, linear_probe, knn, spectrum, table, figure, ...
        module: Module whose ``execute`` does the work.
        code: Fingerprint, module -> hash.
        params: The params of the spec that the stage reads; in the key.
        omitted_defaults: Params that equal what their absence meant when they were introduced; not in the key.
        inputs: Role -> node name, or a template of :meth:`Node.resolve_input`.
        reads: Role -> names of the files that are read; all files where the role is missing.
        components: Category -> source file, relative to the package where it belongs to it.
        context: Where things are on this machine; not in the key.
        paths: Param -> where the user's files that it names lie on this machine; not in the key, their contents are.
        accepted: Code that was declared equivalent to ``code``, with the reasons; a receipt made with it is valid.
        tracked: Whether DVC versions the payload.
        invalidated_at: When a receipt was found that does not match (ns); makes Snakemake look again.
    """

    stage: str
    module: str
    code: dict[str, str]
    params: dict[str, Any]
    omitted_defaults: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    reads: dict[str, list[str]] = field(default_factory=dict)
    components: dict[str, str] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    tracked: bool = False
    invalidated_at: int | None = None

    def text(self) -> str:
        """The key file's content."""
        return files.dumps({name: value for name, value in asdict(self).items() if value not in ({}, [], None)})

    @classmethod
    def load(cls, path: Path) -> KeyFile:
        """Read a key file.

        Raises:
            UserError: There is none, or it was not written by the plan.
        """
        found = files.read_json(path)
        if not _whole(found):
            raise UserError(f"{path}: no readable key file; type: snakemake, which writes it")
        return cls(**{"params": {}, "code": {}, **found})

    def keys_of(
        self, inputs: Mapping[str, str], seed: int | None, epoch: int | None, step: int | None = None
    ) -> list[str]:
        """Keys under which a receipt of a node is valid, that of today's code first.

        Args:
            inputs: Role -> content hash of what the node reads.
            seed: Its seed.
            epoch: Its milestone.
            step: The same, of one between two epochs.
        """
        codes = [self.code, *(earlier["code"] for earlier in self.accepted)]
        return [receipt.key_of(self.stage, code, self.params, inputs, seed, epoch, step) for code in codes]

    def reasons(self, code: Mapping[str, str]) -> list[str]:
        """Why ``code`` was accepted as equivalent to today's; empty where it was not, or is the same."""
        return next((list(found["reasons"]) for found in self.accepted if found["code"] == dict(code)), [])

    def spec(self) -> dict[str, Any]:
        """All params, those that are not in the key included, and paths where files are named."""
        return user_files.put(merged(self.params, self.omitted_defaults), self.paths)


_KINDS = {
    str: ("stage", "module"),
    dict: ("code", "params", "omitted_defaults", "inputs", "reads", "components", "context", "paths"),
    list: ("accepted",),
    bool: ("tracked",),
    int: ("invalidated_at",),
}
_KIND = {name: kind for kind, names in _KINDS.items() for name in names}


def _whole(found: Any) -> bool:
    """Whether a value has the form of a key file, so that whoever reads one need not ask at every place."""
    if not isinstance(found, dict) or not {"stage", "module"} <= found.keys() <= _KIND.keys():
        return False
    if not all(isinstance(value, _KIND[name]) for name, value in found.items()):
        return False
    texts = ("code", "inputs", "components", "paths")
    if not all(isinstance(value, str) for name in texts for value in found.get(name, {}).values()):
        return False
    if not all(template.split("/", 1)[0] in BY_FOLDER for template in found.get("inputs", {}).values()):
        return False
    reads = found.get("reads", {}).values()
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in reads):
        return False
    try:
        files.dumps(found)
    except (ValueError, RecursionError):  # a number that is none, or nested beyond measure
        return False
    accepted = found.get("accepted", [])
    return all(
        isinstance(entry, dict) and isinstance(entry.get("code"), dict) and isinstance(entry.get("reasons"), list)
        for entry in accepted
    ) and all(_at(found.get("params", {}), name) for name in found.get("paths", {}))


def _at(params: Any, name: str) -> bool:
    try:
        return isinstance(user_files.at(params, name), dict)
    except (KeyError, IndexError, TypeError, ValueError):
        return False


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two trees of params that share no param, as one."""
    result = dict(first)
    for name, value in second.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result
