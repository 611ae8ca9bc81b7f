"""Unpacking a kit where it is to be executed: part by part, in any order, as often as you like."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline import components, files
from pipeline.engine.executor import is_as_written
from pipeline.errors import UserError
from pipeline.kit import pieces
from pipeline.kit.parts import ABOUT, Kit, load, pieces_of
from pipeline.ledger import receipt
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.workspace import Node, Workspace, is_node

_AGAIN = "carry that part again"


class Carried:
    """A kit that is being unpacked, or is.

    Args:
        workspace: The checkout in which it is to be executed.
        folders: Parts, or folders of parts.

    Raises:
        UserError: There is no part, or parts of two kits; or this is not the code that the kit was packed for.
    """

    def __init__(self, workspace: Workspace, folders: Iterable[Path]) -> None:
        self.workspace = workspace
        self._parts = list(_parts(folders))
        self.kit = load(self._parts[0] / ABOUT)
        for part in self._parts[1:]:
            if load(part / ABOUT).id != self.kit.id:
                raise UserError(f"{part}: of another kit than {self._parts[0]}; carry all parts of one packing")
        self.folder = workspace.scratch / f"kit-{self.kit.id}"
        _check(self.kit)
        _same_code(workspace, self.kit)

    def unpack(self) -> list[int]:
        """Take what the parts at hand have; returns the numbers of the parts that are still to come.

        Raises:
            UserError: A piece is not what the list says.
        """
        for path, key in self.kit.keys.items():
            files.write_if_different(self.workspace.path(path), files.dumps(key))
        missing: set[int] = set()
        for number, file in enumerate(self.kit.files):
            missing |= self._file(number, file)
        if not missing:
            for name, found in self.kit.receipts.items():
                files.write_if_different(self.workspace.path(Node(name).receipt), files.dumps(found))
        return sorted(missing)

    def _file(self, number: int, file: dict[str, Any]) -> set[int]:
        """Put together one file as far as its pieces are at hand; the numbers of the parts that have the others."""
        entry = self.kit.receipts[file["node"]]["outputs"][file["name"]]
        target = self.workspace.payload(Node(file["node"])) / file["name"]
        if is_as_written(target, entry):
            return set()
        self.folder.mkdir(parents=True, exist_ok=True)
        half, done = self.folder / f"{number}.half", self.folder / f"{number}.json"
        have = set(files.read_json(done) or []) if half.is_file() else set()
        half.touch()
        with half.open("r+b") as sink:
            for index, packed in self._at_hand(number, have):
                piece = file["pieces"][index]
                try:
                    raw = pieces.unpack(piece, packed)
                except ValueError as error:
                    raise UserError(f"part{piece['part']}: {file['node']}: {error}; {_AGAIN}") from None
                sink.seek(piece["at"])
                sink.write(raw)
                have.add(index)
        missing = {piece["part"] for index, piece in enumerate(file["pieces"]) if index not in have}
        if missing:
            files.write(done, files.dumps(sorted(have)))
            return missing
        if not is_as_written(half, entry):
            half.unlink()
            done.unlink(missing_ok=True)
            raise UserError(f"{file['node']}/{file['name']}: not what its receipt says; carry all parts again")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(half, target)
        done.unlink(missing_ok=True)
        return set()

    def _at_hand(self, number: int, have: set[int]) -> Iterator[tuple[int, bytes]]:
        """Pieces of one file that lie in the parts at hand and are not unpacked yet."""
        at: dict[int, int] = {}
        wanted: dict[int, list[tuple[int, int, dict[str, Any]]]] = {}
        for each, file in enumerate(self.kit.files):
            for index, piece in enumerate(file["pieces"]):
                start = at.get(piece["part"], 0)
                at[piece["part"]] = start + piece["packed"]
                if each == number and index not in have:
                    wanted.setdefault(piece["part"], []).append((index, start, piece))
        for path in (part / pieces_of(number) for part in self._parts for number in wanted):
            if not path.is_file():
                continue
            name = int(path.stem.removeprefix("pieces-"))
            with path.open("rb") as packing:
                for index, start, piece in wanted[name]:
                    packing.seek(start)
                    packed = packing.read(piece["packed"])
                    if files.sha256_of(packed) != piece["sha256"]:
                        raise UserError(f"{path}: damaged at byte {start:,}; {_AGAIN}")
                    yield index, packed


def _parts(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        found = [folder] if (folder / ABOUT).is_file() else sorted(path.parent for path in folder.glob(f"*/{ABOUT}"))
        if not found:
            raise UserError(f"{folder}: no part of a kit is there; name a folder that has a {ABOUT}")
        yield from found


def _check(kit: Kit) -> None:
    """A kit comes from its user; what is damaged or written by hand is nevertheless told in a line."""
    try:
        names = [*kit.nodes, *kit.receipts, *(file["node"] for file in kit.files)]
        wrong = next((name for name in names if not is_node(name)), None)
        wrong = wrong or next((path for path in kit.keys if path not in {Node(name).key for name in kit.nodes}), None)
        wrong = wrong or next((name for name, found in kit.receipts.items() if receipt.fault(found)), None)
        wrong = wrong or next(
            (f["node"] for f in kit.files if f["name"] not in kit.receipts[f["node"]]["outputs"]), None
        )
    except (KeyError, TypeError, AttributeError):
        wrong = ABOUT
    if wrong is not None:
        raise UserError(f"{ABOUT}: {wrong}: not as a kit has it; pack it again")


def _same_code(workspace: Workspace, kit: Kit) -> None:
    """The executor would refuse other code node by node; here it is told once, with what to do about it."""
    fingerprints = Fingerprints(workspace.path("keys/.fingerprints.json"))
    for path, found in kit.keys.items():
        key = KeyFile(**{"params": {}, "code": {}, **found})
        roots = [components.PACKAGE.parent / name for name in (key.module, *key.components.values())]
        absent = next((root for root in roots if not root.is_file()), None)
        now = {} if absent is not None else fingerprints.code(roots)
        changed = receipt.differing(now, key.code)
        if absent is not None or changed:
            commit = (kit.commit or "?").removesuffix("-dirty")
            which = absent.relative_to(components.PACKAGE.parent).as_posix() if absent is not None else changed[0]
            raise UserError(
                f"{which}: not the code that {path} was packed for; carry the checkout of commit {commit[:12]} here, "
                "or pack the kit again with this one"
            )
    fingerprints.save()
