"""Stages of a bundle, executed again by this checkout's code, and compared.

Parameters come from the bundle, code and raw files do not: components are found by name in this checkout, and raw
files are those that its own ``params/datasets.yaml`` declares.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import components, files, user_files
from pipeline.errors import UserError
from pipeline.ledger.families import ARTIFACT, MEASURE, PREPARE, PRETRAIN, SIMULATE, Family, trainer
from pipeline.ledger.keys import merged
from pipeline.provenance.chain import Chain, Link
from pipeline.provenance.findings import CHANGED, MISSING, Finding
from pipeline.sharing import names, tolerances
from pipeline.sharing.bundle_reader import Contents
from pipeline.sharing.verify import Verdict
from pipeline.work import Work

IDENTICAL, CLOSE, OFF = "identical", "within tolerance", "off"


def rerun(contents: Contents, verdict: Verdict, count: int, seed: int | None) -> None:
    """Execute some stages again; what differs is among the verdict's findings.

    Args:
        contents: The bundle, whose verdict has no findings.
        verdict: The verdict.
        count: How many stages; results themselves have been computed again already and are not among them.
        seed: Of the choice; None for another one each time.

    Raises:
        UserError: torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise UserError("--rerun: torch is not installed here; type: make setup, or leave --rerun out")
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    links = [link for link in verdict.chain if link.node.family is not ARTIFACT]
    chosen = random.Random(seed).sample(sorted(link.node.name for link in links), min(count, len(links)))
    verdict.held.append(f"rerun: {len(chosen)} of {len(links)} stages, seed {seed} (the same choice: --seed {seed})")
    verdict.held.append(f"rerun: tolerances: {tolerances.STATED}")
    with tempfile.TemporaryDirectory() as folder:
        again = Again(contents, verdict.chain, Path(folder))
        again.expect(chosen)
        for name in chosen:
            try:
                again.payload(name)
                told, off = again.compare(name)
            except Exception as error:  # a stranger's parameters can fail in any way
                why = names.plain(" ".join(str(error).split()) or type(error).__name__)
                text = f"it cannot be executed again: {why}"
                verdict.findings.append(Finding(MISSING, name, text, "leave --rerun out, or take another --seed"))
                continue
            verdict.held.append(f"rerun: {name}: {told}")
            verdict.findings += off


class Again:
    """Stages that are executed again, with what they need from below.

    Args:
        contents: The bundle.
        chain: Its receipts.
        folder: Where to work.
    """

    def __init__(self, contents: Contents, chain: Chain, folder: Path) -> None:
        self.contents = contents
        self.chain = chain
        self.folder = folder
        self.made: dict[str, Path] = {}
        self._inside: dict[str, Path] = {}
        self._left = 0.0

    def expect(self, chosen: list[str]) -> None:
        """Note what is to come, for the time that is left."""
        waiting, todo = list(chosen), set()
        while waiting:
            link = self.chain.links[waiting.pop()]
            if link.node.name not in todo:
                todo.add(link.node.name)
                waiting += [below for below in link.below if self._taken(link, below) is None]
        self._left = sum(self._seconds(self.chain.links[name]) for name in todo)

    def payload(self, name: str) -> Path:
        """Folder of a node's outputs, made here."""
        if name not in self.made:
            link = self.chain.links[name]
            inputs = {role: self._input(link, entry["node"]) for role, entry in link.receipt["inputs"].items()}
            self.made[name] = self._execute(link, inputs)
        return self.made[name]

    def compare(self, name: str) -> tuple[str, list[Finding]]:
        """How a node's outputs compare with its receipt: in words, and what is off."""
        link, found = self.chain.links[name], []
        folder, notes = self.made[name], set()
        for output, entry in link.receipt["outputs"].items():
            path = folder / output
            member = f"{name}/{output}"
            if path.is_file() and files.sha256(path) == entry["sha256"]:
                notes.add(IDENTICAL)
                continue
            if not path.is_file():
                found.append(Finding(CHANGED, member, "executed again, the stage wrote no such file"))
                continue
            off = self._differences(link, output, path)
            if off is None:
                notes.add("other bytes in what is not compared")
            else:
                notes.add(OFF if off else CLOSE)
                found += [Finding(CHANGED, member, f"executed again: {text}") for text in off]
        if notes.isdisjoint({IDENTICAL, CLOSE, OFF}) and not found:
            found.append(Finding(MISSING, name, "other bytes, and nothing inside to compare with; ask for --weights"))
        return ", ".join(sorted(notes)), found

    def _differences(self, link: Link, output: str, path: Path) -> list[str] | None:
        """What is off in a file whose bytes differ; None where there is nothing to compare it with."""
        member = f"{link.node.name}/{output}"
        recorded = self.contents.read(member)
        family = link.node.family
        if family is PREPARE:
            if output.endswith(".safetensors") and member in self.contents.hashes:
                kept = self._take(link.node.name, [output]) / output
                return [difference.text() for difference in tolerances.arrays(kept, path)]
            return ["other bytes"] if output.endswith(".json") else None
        if recorded is None:
            return None
        if family is PRETRAIN and output == "history.csv":
            found = tolerances.training(recorded.decode("utf-8"), path.read_text(encoding="utf-8"))
        elif family is PRETRAIN:
            return ["other than recorded"] if output.endswith(".json") else None
        elif family is SIMULATE:
            if not output.endswith(".json"):
                return None
            found = tolerances.records(json.loads(recorded), json.loads(path.read_bytes()))
        elif output.endswith(".json"):
            seeds = self._seeds(link) if family is MEASURE and not self._same_weights(link) else None
            found = tolerances.scores(json.loads(recorded), json.loads(path.read_bytes()), seeds)
        else:
            return None
        return [difference.text() for difference in found]

    def _same_weights(self, link: Link) -> bool:
        """Whether what a measurement read is, to the byte, what was recorded."""
        for entry in link.receipt["inputs"].values():
            below = self.made.get(entry["node"])
            outputs = self.chain.links[entry["node"]].receipt["outputs"]
            wanted = {name: outputs[name]["sha256"] for name in entry["files"]}
            if below is not None and any(files.sha256(below / name) != digest for name, digest in wanted.items()):
                return False
        return True

    def _seeds(self, link: Link) -> list[Any]:
        """The same measurement of all recorded seeds of the run."""
        node = link.node
        others = [
            other.node.name
            for other in self.chain.family(MEASURE)
            if (other.node.config, other.node.epoch, other.node.key) == (node.config, node.epoch, node.key)
        ]
        found = [self.contents.read(f"{name}/scores.json") for name in others]
        return [json.loads(content) for content in found if content is not None]

    # -- executing

    def _input(self, reader: Link, name: str) -> Path:
        """Folder of what a node reads: from the bundle where it is inside, else made here."""
        if name not in self.made and self._taken(reader, name) is not None:
            return self._take(name, self._taken(reader, name) or [])
        return self.payload(name)

    def _taken(self, reader: Link, name: str) -> list[str] | None:
        """Files of an input, if the bundle has all of them."""
        wanted = next(entry["files"] for entry in reader.receipt["inputs"].values() if entry["node"] == name)
        return wanted if all(f"{name}/{file}" in self.contents.hashes for file in wanted) else None

    def _take(self, name: str, wanted: list[str]) -> Path:
        """Write files of a bundle, whose hashes have been checked, into a folder with a name of ours."""
        folder = self._inside.setdefault(name, self._new())
        for file in wanted:
            if "/" in file or not names.safe(file):
                raise UserError(f"{names.plain(file)}: not a file that a stage reads")
            if not (folder / file).is_file():
                with (folder / file).open("wb") as target:
                    for piece in self.contents.archive.chunks(f"{name}/{file}"):
                        target.write(piece)
                if files.sha256(folder / file) != self.contents.hashes[f"{name}/{file}"]:
                    raise UserError(f"{self.contents.path}: changed while it was read")
        return folder

    def _execute(self, link: Link, inputs: Mapping[str, Path]) -> Path:
        node, key = link.node, self.contents.values[link.node.key]
        spec = merged(link.receipt["params"], key.get("omitted_defaults", {}))
        if node.family is PREPARE and spec.get("files"):
            spec["files"] = _declared(spec)
        if next(user_files.contents(spec), None) is not None:
            raise UserError("it reads files of its author's, which no bundle carries")
        work = Work(
            name=node.name,
            spec=spec,
            out=self._new(),
            inputs=dict(inputs),
            key=link.receipt["key"],
            seed=node.seed or 0,
            epoch=node.epoch or 0,
            step=node.step,
            scratch=self._new(),
            components=dict(_components(spec, key)),
        )
        took = time.perf_counter()
        print(f"rerun: {node.name}; about {self._left:.0f} s left", file=sys.stderr, flush=True)
        module = importlib.import_module(_module(node.family, spec).removesuffix(".py").replace("/", "."))
        for _ in module.execute([work]):
            pass
        self._left = max(self._left - self._seconds(link), 0.0)
        print(f"rerun: {node.name}: {time.perf_counter() - took:.1f} s", file=sys.stderr, flush=True)
        return work.out

    def _seconds(self, link: Link) -> float:
        """How long a node took; a milestone is trained from the start here, and was not where it was made."""
        node = link.node
        links = [link]
        if node.family is PRETRAIN:
            own = (other for other in self.chain.family(PRETRAIN) if other.node.config == node.config)
            links = [other for other in own if other.node.seed == node.seed and other.node.at <= node.at]
        return 0.5 + sum(float(other.execution.get("seconds") or 0.0) for other in links)

    def _new(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))


def _components(spec: Mapping[str, Any], key: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """This checkout's own source of each component that a spec names; its params must be such as it takes."""
    for name in key.get("components", {}):
        category = name.removeprefix("reference.")
        params = spec["reference"] if category != name else spec
        if category not in components.CATEGORIES:
            raise UserError(f"there is no kind of component called {names.plain(category)}")
        components.resolve(category, params[category], "bundle")
        yield name, components.find(category, params[category]["kind"])


def _declared(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Raw files of a data set as this checkout declares them: a bundle says neither what to download nor from where."""
    from pipeline.planning.catalogue import Catalogue
    from pipeline.planning.options import Options

    known = Catalogue(Options.parse({}, {})).datasets.get(str(spec.get("name")))
    listed = [file.model_dump(exclude_none=True) for file in known.files] if known is not None else []
    if listed != spec["files"]:
        raise UserError(f"its raw files are not those of {names.plain(spec.get('name'))} in params/datasets.yaml here")
    return listed


def _module(family: Family, spec: Mapping[str, Any]) -> str:
    return trainer(spec.get("processes", 1)) if family is PRETRAIN else family.module
