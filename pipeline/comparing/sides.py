"""A result as it is at one side of a comparison: in the working tree, in a Git revision, or in the store.

Results of scales that Git does not track are looked up in the store: by the commit at which they were executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline import files
from pipeline.ledger import receipt
from pipeline.ledger.families import ARTIFACT
from pipeline.ledger.sources import Folder, Ledger, Revision
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import LOCAL, Node
from pipeline.provenance.chain import Chain, Link, walk


@dataclass
class Side:
    """One artifact at one side.

    Attributes:
        title: The side, for people.
        link: Its receipt.
        chain: The receipts of all that it was made from.
        outputs: Content of its files by suffix (``csv``, ``json``, ``png``, ...).
        notes: What a reader should know.
    """

    title: str
    link: Link
    chain: Chain
    outputs: dict[str, bytes]
    notes: list[str] = field(default_factory=list)

    @property
    def report(self) -> dict[str, Any]:
        """Content of its JSON file."""
        found = files.parse(self.outputs.get("json", b""))
        return found if isinstance(found, dict) else {}


def load(ledger: Ledger, stem: str, title: str) -> Side | None:
    """The artifact ``stem`` as a ledger has it; None where there is no valid receipt of it."""
    chain = walk(ledger, [stem])
    link = chain.links.get(stem)
    if link is None:
        return None
    result = Side(title, link, chain, {})
    for name, entry in link.receipt["outputs"].items():
        content = ledger.read(str(PurePosixPath(stem).parent / name))
        if content is None:
            continue
        result.outputs[name.rpartition(".")[2]] = content
        if files.sha256_of(content) != entry["sha256"]:
            result.notes.append(f"{title}: {name} is not what its receipt says")
    if chain.findings:
        text = "receipts behind it are missing or do not fit together; causes below them are not known"
        result.notes.append(f"{title}: {len(chain.findings)} {text}")
    return result


class WorkingTree:
    """The results as they lie there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.title = "working tree"

    def stems(self, edition: str) -> set[str]:
        """Artifacts of an edition that have a receipt."""
        found = self.root.glob(f"results/{edition}/*/*.receipt.json")
        return {Node.of_receipt(path.relative_to(self.root)).name for path in found}

    def result(self, stem: str) -> Side | None:
        """One artifact."""
        return load(Folder(self.root), stem, self.title)

    def hint(self, stem: str) -> str:
        """Say what to type where it is not built."""
        return f"snakemake {stem}.csv"


class AtRevision:
    """The results of a revision: those that are committed, else those that were executed at just that commit.

    Args:
        root: The project's folder.
        name: The revision, as Git understands it.
        store: Where results of scales are that Git does not track.

    Raises:
        UserError: Git does not know the revision.
    """

    def __init__(self, root: Path, name: str, store: Store) -> None:
        self.name = name
        self.revision = Revision(root, name)
        self.title = self.revision.title
        self._shelf = Shelf(store)

    def stems(self, edition: str) -> set[str]:
        """Artifacts of an edition that are committed, or were executed at this commit."""
        paths = self.revision.paths(f"results/{edition}")
        found = {Node.of_receipt(path).name for path in paths if path.endswith(".receipt.json")}
        return found | {s for s in self._shelf.executed(self.revision.commit) if s.startswith(f"results/{edition}/")}

    def result(self, stem: str) -> Side | None:
        """One artifact."""
        found = load(self.revision, stem, self.title)
        return found or self._shelf.result(stem, self.revision.commit, self.title)

    def hint(self, stem: str) -> str:
        """Say what to type where it is not built."""
        return f"git worktree add ../at-{self.revision.commit[:10]} {self.name}, and there: snakemake {stem}.csv"


@dataclass
class _Kept:
    """A receipt in the store, and when and where it was made."""

    found: dict[str, Any]
    execution: dict[str, Any]


class Shelf:
    """Receipts of the store by node.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._all: dict[str, list[_Kept]] | None = None

    def _nodes(self) -> dict[str, list[_Kept]]:
        if self._all is None:
            self._all = {}
            for path in sorted(self.store.folder.glob("receipts/*/*.json")):
                found = None if path.name.endswith(".execution.json") else receipt.read(path)
                if found is not None:
                    record = files.read_json(path.with_suffix(".execution.json"))
                    kept = _Kept(found, record if isinstance(record, dict) else {})
                    self._all.setdefault(_plain(found["node"]), []).append(kept)
        return self._all

    def executed(self, commit: str) -> Iterator[str]:
        """Artifacts that were executed at a commit."""
        for name, entries in self._nodes().items():
            if name.startswith("results/") and any(_at(kept, commit) for kept in entries):
                yield name

    def result(self, stem: str, commit: str, title: str) -> Side | None:
        """The latest result of an artifact that was executed at a commit, one without other edits if there is one."""
        entries = [kept for kept in self._nodes().get(stem, []) if _at(kept, commit)]
        if not entries:
            return None
        chosen = max(entries, key=_order)
        dirty = str(chosen.execution["commit"]).endswith("-dirty")
        result = load(_Gathered(self, chosen, title), stem, title)
        if result is not None and dirty:
            result.title = f"{title}, with edits that were not committed"
            result.notes.append(f"{title}: executed with edits that were not committed")
        return result

    def find(self, node: str, content: str, names: list[str]) -> _Kept | None:
        """The receipt of a node whose files ``names`` have this content."""
        for kept in self._nodes().get(_plain(node), []):
            if receipt.content(kept.found["outputs"], names) == content:
                return kept
        return None


class _Gathered:
    """A ledger of what one result in the store was made from."""

    def __init__(self, shelf: Shelf, top: _Kept, title: str) -> None:
        self.title = title
        self._shelf = shelf
        self._receipts: dict[str, bytes] = {}
        self._outputs: dict[str, str] = {}
        waiting = [(top.found["node"], top)]
        while waiting:
            name, kept = waiting.pop()
            node = Node(name)
            if node.receipt in self._receipts:
                continue
            self._receipts[node.receipt] = files.dumps({**kept.found, "node": name}).encode()
            self._receipts[node.execution] = files.dumps(kept.execution).encode()
            if node.family is ARTIFACT:
                folder = PurePosixPath(name).parent
                self._outputs |= {str(folder / n): entry["md5"] for n, entry in kept.found["outputs"].items()}
            for entry in kept.found["inputs"].values():
                below = shelf.find(entry["node"], entry["content"], entry["files"])
                if below is not None:
                    waiting.append((entry["node"], below))

    def read(self, path: str) -> bytes | None:
        """See :class:`~pipeline.ledger.sources.Ledger`."""
        if path in self._outputs:
            return Folder(self._shelf.store.folder).read(
                self._shelf.store.object(self._outputs[path]).relative_to(self._shelf.store.folder).as_posix()
            )
        return self._receipts.get(path)


def _plain(node: str) -> str:
    """A node's name whether or not its scale is tracked: both have the same key."""
    return node.replace(f"/{LOCAL}", "/")


def _at(kept: _Kept, commit: str) -> bool:
    return str(kept.execution.get("commit") or "").removesuffix("-dirty") == commit


def _order(kept: _Kept) -> tuple[bool, str]:
    return not str(kept.execution["commit"]).endswith("-dirty"), str(kept.execution.get("finished", ""))
