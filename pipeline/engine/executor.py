"""The executor: every stage goes through it, and node by node it verifies, restores or executes.

A node's key is known from its key file and the receipts of what it reads. Where a receipt with this key exists
and its outputs are in place or in the store, nothing is computed (and torch is not imported). Otherwise the
stage works in a scratch folder; its outputs are hashed, stored, moved into place, and the receipt is written last.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import components, files, user_files
from pipeline.bytecode import Finder
from pipeline.engine import jobs
from pipeline.engine.opened import MOST, Opened
from pipeline.errors import UserError
from pipeline.ledger import machine, outlines, receipt
from pipeline.ledger.families import ARTIFACT, MEASURE, PREPARE, PRETRAIN
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.journal import Journal
from pipeline.ledger.keys import KeyFile
from pipeline.ledger.store import Store
from pipeline.ledger.tracking import Tracking, folder_of
from pipeline.ledger.workspace import Node, Workspace, checkpoint
from pipeline.locks import Held, Lock
from pipeline.monitor import Monitor, loggers
from pipeline.monitor.logbook import Logbook
from pipeline.monitor.saver import PROGRESS
from pipeline.monitor.stop import BUILD, Stop, Stopped
from pipeline.monitor.teller import Teller
from pipeline.planning import names
from pipeline.work import Work

PATIENCE = 5.0
"""Seconds to wait for whoever works on the same node: jobs of a build that was killed end within a few."""


@dataclass
class Task:
    """A node on its way through the executor."""

    node: Node
    key_file: KeyFile
    keys: list[str]
    parts: dict[str, Any]
    started: float = field(default_factory=time.time)

    @property
    def key(self) -> str:
        """The key with today's code; the others are those of code that was accepted as equivalent."""
        return self.keys[0]


class Executor:
    """Decides on the nodes of one job.

    Args:
        workspace: The checkout.
        hand_over: Has nodes executed by a process that has large libraries loaded; False if there is none. None: all
            is done here.
    """

    def __init__(self, workspace: Workspace, hand_over: Callable[[Sequence[Node]], bool] | None = None) -> None:
        self.workspace = workspace
        self._hand_over = hand_over
        self.store = Store(workspace.root)
        self.journal = Journal(workspace.journal)
        self._keys: dict[str, KeyFile] = {}
        self._stop = Stop(os.environ.get(BUILD, ""))
        self._teller = Teller()
        self._modes: set[str] = set()  # how trainings take their steps, said once
        self._logbooks: dict[str, Logbook | None] = {}
        self._made = False  # whether anything was executed here
        self._noted = False  # whether it is in the journal what was not
        self._away: str | None = None  # why the remote cannot be asked, once that is known
        self._seen: dict[Path, tuple[int, ...]] = {}  # inputs that were found to be as written, as they were then

    def run(self, nodes: Sequence[Node]) -> None:
        """Bring all nodes into place.

        Raises:
            UserError: An input is missing, the code changed, or another process works on the same nodes.
            Stopped: This process was told to stop while it was executing.
        """
        try:
            left = self._run(nodes)
        except Stopped as error:  # wherever it was heard: between two batches, or while another one was dealt with
            error.goes_on = error.goes_on or self._made
            raise
        except (UserError, OSError) as error:
            if not self._noted:  # it failed before a stage was begun
                self._note(nodes[0].family.name, nodes[0], "failed", 0.0, error)
            raise
        if self._hand_over is not None and left and not self._hand_over(left):
            Executor(self.workspace).run(left)

    def _run(self, nodes: Sequence[Node]) -> list[Node]:
        """Bring nodes into place, but for those that are to be handed over, which are returned."""
        with contextlib.ExitStack() as stack:
            for name in sorted(set(map(_exclusive, nodes))):
                stack.enter_context(self._lock(name))
            waiting = [task for task in map(self._task, nodes) if not self._settled(task)]
            left = [task.node for task in waiting if task.key_file.stage != "table"]
            if waiting:
                self._teller.tell(nodes=[task.node.name for task in waiting])
            if self._hand_over is None or not left:
                stack.enter_context(self._stop.listening())
                for batch in _batches(waiting):
                    self._execute(batch)
            for node in {folder_of(node): node for node in nodes}.values():
                self._track(node)
        return left

    def install(self, node: Node, found: dict[str, Any]) -> bool:
        """Bring the files of a receipt into place from the store, whatever is there now; False if it lacks one.

        Raises:
            UserError: Another process works on the node's run.
        """
        with self._lock(_exclusive(node)):
            scratch = self._restoring(node)
            try:
                if not self.store.fetch(found["outputs"], scratch):
                    return False
                self._install(node, scratch)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            execution = files.read_json(self.store.receipt(found["key"]).with_suffix(".execution.json"))
            if execution is not None:
                files.write(self.workspace.path(node.execution), files.dumps(execution))
            files.write(self.workspace.path(node.receipt), files.dumps(found))
        self.journal.note(found["stage"], node.name, "restored", 0.0, key=found["key"])
        return True

    def enter(self, node: Node, found: dict[str, Any], execution: dict[str, Any] | None, folder: Path) -> None:
        """Take over what another machine has executed; whether it is what is asked for is decided before.

        Args:
            node: The node.
            found: Its receipt.
            execution: The other machine's record. What it did not send is noted in it as ``left``.
            folder: Its files, or some of them; what else of them is in place stays.

        Raises:
            UserError: Another process works on the node's run.
        """
        with self._lock(_exclusive(node)):
            outputs = found["outputs"]
            for name in files.listing(folder):
                self.store.put(folder / name, outputs[name])
            for name, entry in outputs.items():
                here = self.workspace.payload(node) / name
                if not (folder / name).exists() and is_as_written(here, entry):
                    self.store.put(here, entry)
                    files.clone(here, folder / name)
            folder.mkdir(parents=True, exist_ok=True)
            stored = self.store.receipt(found["key"])
            if execution is not None:
                left = sorted(name for name, entry in outputs.items() if not self.store.has({name: entry}))
                text = files.dumps(execution | ({"left": left} if left else {}))
                self.store.write(stored.with_suffix(".execution.json"), text)
            self.store.write(stored, files.dumps(found))
            outlines.keep(self.store, [self._key(node)])
            self._install(node, folder)
            if execution is not None:
                files.write(self.workspace.path(node.execution), text)
            files.write(self.workspace.path(node.receipt), files.dumps(found))
            self._track(node)
        self.journal.note(found["stage"], node.name, "entered", 0.0, key=found["key"])

    # -- deciding

    def _key(self, node: Node) -> KeyFile:
        if node.key not in self._keys:
            self._keys[node.key] = KeyFile.load(self.workspace.path(node.key))
        return self._keys[node.key]

    def _task(self, node: Node) -> Task:
        key_file = self._key(node)
        inputs = {}
        for role, template in sorted(key_file.inputs.items()):
            below = node.resolve_input(template)
            found = self._receipt(below)
            if found is None:
                raise UserError(f"{below.receipt}: no valid receipt, and {node.name} reads it; type: snakemake")
            inputs[role] = receipt.read_of(below.name, found["outputs"], key_file.reads.get(role))
        contents = {role: entry["content"] for role, entry in inputs.items()}
        parts = {
            "stage": key_file.stage,
            "node": node.name,
            "code": key_file.code,
            "params": key_file.params,
            "inputs": inputs,
            "seed": node.seed,
            "epoch": node.epoch,
        }
        if node.step is not None:
            parts["step"] = node.step
        return Task(node, key_file, key_file.keys_of(contents, node.seed, node.epoch, node.step), parts)

    def _settled(self, task: Task) -> bool:
        """Whether the node could be verified in place or restored."""
        found = self._known(task)
        if found is None:
            return False
        if self._in_place(task.node, found["outputs"]):
            decision = "unchanged"
        else:
            scratch = self._restoring(task.node)
            try:
                if not self._obtain(found["outputs"]) or not self.store.fetch(found["outputs"], scratch):
                    return False
                self._install(task.node, scratch)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            decision = "restored"
        key = found["key"]
        self._write_receipt(task, found, files.read_json(self.store.receipt(key).with_suffix(".execution.json")))
        self.journal.note(task.key_file.stage, task.node.name, decision, time.time() - task.started, key=key)
        return True

    def _known(self, task: Task) -> dict[str, Any] | None:
        """A receipt with one of the task's keys: the declared one, or one in the store."""
        for path in (self.workspace.path(task.node.receipt), *map(self.store.receipt, task.keys)):
            found = receipt.read(path)
            if found is not None and found["key"] in task.keys:
                if task.node.family is ARTIFACT:  # nobody reads it, so no other receipt binds it
                    found = self.store.written(found)
                return {**found, "node": task.node.name, "inputs": task.parts["inputs"]}
        return None

    def _in_place(self, node: Node, outputs: dict[str, Any]) -> bool:
        folder = self.workspace.payload(node)
        return all(is_as_written(folder / name, entry) for name, entry in outputs.items())

    # -- executing

    def _execute(self, tasks: list[Task]) -> None:
        """Execute the nodes of one batch.

        That is milestones of one run, with one seed or several; measurements of one config; and so on.
        """
        self._stop.saves = False  # until the stage says so
        self._stop.check()
        first = tasks[0]
        key_files = {task.node.key: task.key_file for task in tasks}.values()
        self._check_code(key_files, Fingerprints())  # without a memory: what is executed is what was read
        self._check_files(key_files)
        Finder.anew = True  # from here on code is compiled from the source that was looked at
        module = importlib.import_module(_dotted(components.PACKAGE.parent / first.key_file.module))
        for path in {path for key_file in key_files for path in key_file.components.values()}:
            components.load(_component_path(path))
        self._check_code(key_files, Fingerprints())
        for folder in {self.workspace.payload(task.node) for task in tasks}:
            files.writable(folder if first.node.family is ARTIFACT else folder.parent)
        outlines.keep(self.store, key_files)
        outlines.keep_listings(self.store, key_files)
        # Every training and every measurement has a folder of its own, so that it goes on without the others.
        trains = first.node.family is PRETRAIN
        folders = {task.node.name: self.workspace.scratch / self._run_key(task) for task in tasks}
        by_name, runs = {task.node.name: task for task in tasks}, set(folders.values())
        works: list[Work] = []
        opened = Opened()
        begun = time.time()
        try:
            monitor = Monitor(
                called=lambda name: self._called(Node(name)),
                stop=self._stop,
                teller=self._teller,
                modes=self._modes,
                logbook=self._logbook(first.key_file.context),
            )
            works += [self._work(task, folders[task.node.name], monitor) for task in tasks]
            for task in tasks:
                task.started = time.time()
            epochs: dict[Path, float] = {folders[work.name]: _epoch_of(work.resume) for work in reversed(works)}
            clock = _Clock(epochs, in_turns=trains)
            for work in _watched(module.execute(works), opened):
                seconds, folder = clock.taken(folders[work.name]), folders.pop(work.name)
                spent: dict[str, Any] = {"epochs": _count(work.trained_epochs - epochs[folder])} if trains else {}
                undeclared = self._undeclared(opened, by_name[work.name], works)
                spent |= {"opened": undeclared} if undeclared else {}
                self._adopt(by_name.pop(work.name), work, seconds, spent)
                epochs[folder] = work.trained_epochs
                if folder not in folders.values():
                    shutil.rmtree(folder, ignore_errors=True)
                    clock.end(folder)
                clock.go_on()
            if by_name:
                raise UserError(f"{next(iter(by_name))}: the stage ended without it")
        except BaseException as error:
            blamed = {work.name for work in works if work.failed} or by_name.keys()
            decision = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"  # a signal, or Ctrl-C
            for task in by_name.values():
                if task.node.name in blamed:
                    self._note(task.key_file.stage, task.node, decision, time.time() - task.started, error)
            if isinstance(error, Stopped):
                error.goes_on = _progressed(runs, begun)
            # What a training needs to go on stays; half-written payload only takes up space.
            for folder in runs:
                for payload in folder.glob("*"):
                    if payload.name != "run":
                        shutil.rmtree(payload, ignore_errors=True)
            raise

    def _note(self, stage: str, node: Node, decision: str, seconds: float, error: BaseException) -> None:
        """Say in the journal what a node did not come to."""
        self._noted = True
        with contextlib.suppress(OSError):
            self.journal.note(stage, node.name, decision, seconds, error=_oneline(error))

    def _logbook(self, context: Mapping[str, Any]) -> Logbook | None:
        """What tells the user's logger of trainings; None where none was chosen, or the machine of the job lacks it."""
        name = context.get("logger")
        if name is None:
            return None
        if name not in self._logbooks:
            self._logbooks[name] = None
            try:
                path = loggers.find(name, Path(context["extend"]) if "extend" in context else None)
                self._logbooks[name] = Logbook(path, self.workspace.path("logs"))
            except (UserError, OSError, SyntaxError) as error:  # as of a file that was edited since it was looked at
                print(f"logger: {' '.join(str(error).split())}; trainings go on without it", file=sys.stderr)
        return self._logbooks[name]

    def _undeclared(self, opened: Opened, task: Task, works: Sequence[Work]) -> list[str]:
        """Files of the user's that the stage has opened so far and that are in no key of its."""
        context = task.key_file.context
        declared: list[Path | str] = [*task.key_file.paths.values()]
        for work in works:
            folders = (work.out, work.scratch, work.resume, *work.inputs.values())
            declared += [folder for folder in folders if folder is not None]
        declared += [context[name] for name in ("raw_dir", "download_dir") if context.get(name)]
        declared += [folder for folder in (os.environ.get("SSL_RAW_DIR"),) if folder]
        return opened.undeclared(self.workspace.root, context.get("extend"), declared)[:MOST]

    def _run_key(self, task: Task) -> str:
        """Names the scratch folder of a run: the same for all its milestones, and after a crash.

        That of another node is its own, and not of its key: networks that differ in how they will be trained alone are
        the same at the start, and so are the keys of what is measured there, by two jobs at a time.
        """
        if task.node.family is not PRETRAIN:
            return files.sha256_of(f"{task.node.name} {task.key}".encode())[:16]
        contents = {role: entry["content"] for role, entry in task.parts["inputs"].items()}
        file = task.key_file
        return receipt.key_of(file.stage, file.code, file.params, contents, task.node.seed)[:16]

    def _work(self, task: Task, folder: Path, monitor: Monitor) -> Work:
        node, key_file = task.node, task.key_file
        out = folder / (f"{node.milestone}/{key_file.stage}-{task.key[:8]}".lstrip("/"))
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        inputs = {}
        for role, entry in task.parts["inputs"].items():
            inputs[role] = self._need(Node(entry["node"]), key_file.reads.get(role), node)
        return Work(
            name=node.name,
            key=task.key,
            spec=key_file.spec(),
            out=out,
            inputs=inputs,
            seed=node.seed or 0,
            epoch=node.epoch or 0,
            step=node.step,
            resume=self._resume(task) if node.family is PRETRAIN else None,
            scratch=folder / "run",
            components={category: _component_path(path) for category, path in key_file.components.items()},
            context=dict(key_file.context),
            monitor=monitor,
        )

    def _called(self, node: Node) -> str:
        """What a person calls a node's run, for lines that people read."""
        return names.of_seed(jobs.called(self.workspace, node.config), node.seed)

    def _need(self, node: Node, names: list[str] | None, reader: Node) -> Path:
        """Payload folder of an input, verified, fetched from the store where it is not in place."""
        found = self._receipt(node)
        assert found is not None
        outputs = {name: entry for name, entry in found["outputs"].items() if names is None or name in names}
        folder = self.workspace.payload(node)
        missing = {name: entry for name, entry in outputs.items() if not self._is_input(folder / name, entry)}
        if missing and not (self._obtain(missing) and self.store.fetch(missing, folder)):
            path = folder / next(iter(missing))
            if self._away is not None:  # what may well be there is not to be made again
                raise UserError(f"{path}: {reader.name} reads it, and it is not here; {self._away}")
            if node.family is not PREPARE:
                raise UserError(
                    f"{path}: {reader.name} reads it, and it is neither in place as its receipt "
                    f"says nor in the store or its remote; to make it again: rm {node.receipt}, and the same command"
                )
            self._prepare_again(node, found)
        return folder

    def _receipt(self, node: Node) -> dict[str, Any] | None:
        """Receipt of an input; that of a data set which another job prepares again is away for a moment."""
        found = receipt.read(self.workspace.path(node.receipt))
        if found is None and node.family is PREPARE:
            with self._lock(_exclusive(node), wait=True):
                found = receipt.read(self.workspace.path(node.receipt))
        return found

    def _prepare_again(self, node: Node, found: dict[str, Any]) -> None:
        """Make a data set whose files are nowhere, as in a clone: from the same sources it is the same to the byte.

        Nothing else is made again unasked. A training takes long, and gives other bytes on another machine.

        Raises:
            UserError: There are no sources, or they give something else.
        """
        with self._lock(_exclusive(node), wait=True):
            if self._in_place(node, found["outputs"]):  # another job was faster
                return
            print(f"{node.name}: its files are nowhere; it is prepared again, as its receipt says", file=sys.stderr)
            self._execute([self._task(node)])
            self._track(node)
        again = receipt.read(self.workspace.path(node.receipt))
        if again is None or again["outputs"] != found["outputs"]:
            raise UserError(
                f"{node.name}: prepared again it is another one than its receipt said; git diff {node.receipt} shows "
                "both. Type the same command, which computes again what reads it"
            )

    def _is_input(self, path: Path, entry: Mapping[str, Any]) -> bool:
        """Whether an input is what its receipt says: read once for all nodes of a job, as large as it may be."""
        try:
            found = path.stat()
        except OSError:
            return False
        state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, int(entry["sha256"], 16))
        if self._seen.get(path) != state:
            if not is_as_written(path, entry):
                return False
            self._seen[path] = state
        return True

    def _obtain(self, outputs: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether the store has all files of a receipt, after a look into the remote where it has not."""
        if self.store.has(outputs):
            return True
        # DVC takes a second to import, and is needed in half-full clones only
        from pipeline.ledger.remote import Unreachable, fetch

        lacking = {entry["md5"] for entry in outputs.values() if not self.store.has({"": entry})}
        if self._away is None:
            try:
                fetch(self.workspace.root, sorted(lacking))
            except (UserError, ImportError) as error:
                # a remote that is away is no reason not to compute, nor is a machine that has no DVC
                self._away = str(error) if isinstance(error, Unreachable) else None
                print(error, file=sys.stderr)
        return self.store.has(outputs)

    def _resume(self, task: Task) -> Path | None:
        """Payload of the nearest earlier milestone of the same run: in place, in the store, or in its remote."""
        contents = {role: entry["content"] for role, entry in task.parts["inputs"].items()}
        run, seed = task.node.config, task.node.seed or 0
        for epoch in self._earlier(task.node):
            node = checkpoint(run, seed, epoch)
            keys = task.key_file.keys_of(contents, task.node.seed, epoch)
            for path in (self.workspace.path(node.receipt), *map(self.store.receipt, keys)):
                found = receipt.read(path) if path.is_file() else None
                if found is None or found["key"] not in keys:
                    continue
                if self._in_place(node, found["outputs"]):
                    return self.workspace.payload(node)
                folder = self.workspace.scratch / self._run_key(task) / "from" / f"epoch{epoch:04d}"
                if self._obtain(found["outputs"]) and self.store.fetch(found["outputs"], folder):
                    return folder
        return None

    def _earlier(self, node: Node) -> Iterable[int]:
        """Epochs from which a training may go on to a milestone, the latest first.

        How many steps an epoch has, only a checkpoint that is here tells; a milestone between two epochs goes on from
        such a one, or from the start.
        """
        if node.step is None:
            return range((node.epoch or 0) - 1, 0, -1)
        places = self.workspace.path(node.name).parent.glob("epoch*/summary.json")
        known = {_epoch_of(place.parent): files.read_object(place).get("steps_per_epoch", math.inf) for place in places}
        return sorted((epoch for epoch, steps in known.items() if 0 < epoch * steps <= node.step), reverse=True)

    def _check_code(self, key_files: Iterable[KeyFile], fingerprints: Fingerprints) -> None:
        """The key file names the code that was read with the Snakefile; it must be the code that runs."""
        for file in key_files:
            roots = [components.PACKAGE.parent / file.module, *map(_component_path, file.components.values())]
            now = fingerprints.code(roots)
            if now != file.code:
                changed = receipt.differing(now, file.code)
                raise UserError(f"{changed[0]}: edited since the Snakefile was read; type: snakemake again")

    def _check_files(self, key_files: Iterable[KeyFile]) -> None:
        """The key file names contents of the user's files; they must be what the stage reads."""
        for file in key_files:
            user_files.check(file.params, file.paths, "type: snakemake again")

    def _adopt(self, task: Task, work: Work, seconds: float, spent: dict[str, Any]) -> None:
        """Hash, store and move into place what a stage has completed; the receipt comes last."""
        self._check_files([task.key_file])
        outputs = {name: files.hashes(work.out / name) for name in files.listing(work.out)}
        if not outputs:
            raise UserError(f"{work.name}: the stage wrote nothing")
        for name, entry in outputs.items():
            self.store.put(work.out / name, entry)
        self._install(task.node, work.out)
        made = receipt.make(task.key, task.parts, outputs)
        execution = machine.record(seconds) | spent
        stored = self.store.receipt(task.key)
        self.store.write(stored.with_suffix(".execution.json"), files.dumps(execution))
        self.store.write(stored, files.dumps(made))
        on_disk = KeyFile.load(self.workspace.path(task.node.key))
        if (on_disk.code, on_disk.params) != (task.key_file.code, task.key_file.params):
            raise UserError(
                f"{task.node.key}: changed while {work.name} was made (kept in the store); type: snakemake again"
            )
        self._write_receipt(task, made, execution)
        self._made = True
        self.journal.note(task.key_file.stage, task.node.name, "executed", seconds, key=task.key)

    # -- files

    def _install(self, node: Node, source: Path) -> None:
        """Move a complete folder into place.

        The receipt of what was there is gone before the payload is, and comes back with it where the move fails.
        """
        place = self.workspace.path(node.receipt)
        found = place.read_bytes() if place.is_file() else None
        place.unlink(missing_ok=True)
        target = self.workspace.payload(node)
        old = None
        try:
            if node.family is ARTIFACT:
                target.mkdir(parents=True, exist_ok=True)
                # Only some figures have one, so Snakemake does not remove it: none may stay of an earlier drawing.
                self.workspace.path(f"{node.name}.gif").unlink(missing_ok=True)
                for name in files.listing(source):
                    files.move(source / name, target / name)
                return
            if target.exists():
                old = self._folder(f"old-{os.getpid()}-{time.time_ns()}")
                target.rename(old / "payload")
            target.parent.mkdir(parents=True, exist_ok=True)
            files.move(source, target)
        except BaseException:
            with contextlib.suppress(OSError):
                if old is not None and not target.exists():
                    (old / "payload").rename(target)
                if found is not None and node.family is not ARTIFACT:
                    place.write_bytes(found)
            raise
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)

    def _write_receipt(self, task: Task, found: dict[str, Any], execution: dict[str, Any] | None) -> None:
        if execution is not None:
            files.write_if_different(self.workspace.path(task.node.execution), files.dumps(execution))
        files.write_if_different(self.workspace.path(task.node.receipt), files.dumps(found))
        stored = self.store.receipt(found["key"])
        if not stored.is_file():
            self.store.write(stored, files.dumps(found))

    def _restoring(self, node: Node) -> Path:
        """The folder into which a node's files are fetched, for whoever has the right to work on it."""
        return self._folder(files.sha256_of(node.name.encode())[:16] + ".restore")

    def _folder(self, name: str) -> Path:
        folder = self.workspace.scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def _lock(self, name: str, wait: bool = False) -> Iterator[None]:
        """Hold the only right to work on one config; the lock goes with the process, however it ends.

        Args:
            name: Of the lock.
            wait: Until whoever holds it is done.

        Raises:
            UserError: Another process holds it.
        """
        lock = Lock(self._folder("locks") / name)
        patience = time.monotonic() + PATIENCE
        while True:
            try:
                lock.take()
                break
            except Held as held:
                if wait or (time.monotonic() < patience and not held.holder.host):
                    self._stop.check()
                    time.sleep(0.2)
                    continue
                who = held.holder
                kill = "" if who.host or not who.pid else f", or type: kill {who.pid}"
                raise UserError(f"{name}: {who} is working on it; wait for it to end{kill}") from None
        try:
            yield
        finally:
            lock.free()

    def _track(self, node: Node) -> None:
        """Write the ``.dvc`` file of a run or dataset of a tracked scale."""
        folder = folder_of(node)
        if folder is not None and self._key(node).tracked:
            Tracking(self.workspace, self.store).write(folder)


def _watched(works: Iterator[Work], opened: Opened) -> Iterator[Work]:
    """What a stage yields; what it opens is noted while it works, and what its caller opens is not."""
    while True:
        with opened.watching():
            work = next(works, None)
        if work is None:
            return
        yield work


def is_as_written(path: Path, entry: Mapping[str, Any]) -> bool:
    """Whether a file is what a receipt says."""
    try:
        return path.stat().st_size == entry["size"] and files.sha256(path) == entry["sha256"]
    except OSError:
        return False


def _progressed(folders: Iterable[Path], since: float) -> bool:
    """Whether progress was saved after a time: what is executed again goes on from beyond where it began."""
    saved = (path.stat().st_mtime for folder in folders for path in folder.rglob(PROGRESS))
    return any(when >= since - 0.01 for when in saved)  # clocks of files are coarser


def _count(epochs: float) -> float:
    """The same number, whole where it is."""
    return int(epochs) if float(epochs).is_integer() else epochs


def _epoch_of(payload: Path | None) -> int:
    """Epoch of a milestone's payload folder; 0 where there is none."""
    return int(payload.name.removeprefix("epoch")) if payload is not None else 0


class _Clock:
    """Times what one call of a stage works on, in turns or one after the other. Turns share the time equally.

    Args:
        runs: The scratch folders.
        in_turns: Whether the stage works on all of them from the start.
    """

    def __init__(self, runs: Iterable[Path], *, in_turns: bool) -> None:
        self._seconds = dict.fromkeys(runs, 0.0)
        self._in_turns = in_turns
        self.go_on()

    def go_on(self) -> None:
        """The stage works from now on."""
        self._since = time.time()

    def taken(self, run: Path) -> float:
        """Seconds that the stage, which stops here, has worked on a run since the last time that it was asked."""
        passed = time.time() - self._since
        if not self._in_turns:
            return passed
        for each in self._seconds:
            self._seconds[each] += passed / len(self._seconds)
        seconds, self._seconds[run] = self._seconds[run], 0.0
        return seconds

    def end(self, run: Path) -> None:
        """A run has no more share."""
        del self._seconds[run]


def _batches(tasks: list[Task]) -> list[list[Task]]:
    """Tasks that one call of a stage executes.

    Milestones by epoch, of as many seeds of a run as are to be trained in turns; a config's measurements; one artifact.
    """
    groups: dict[tuple, list[Task]] = {}
    seeds: dict[str, list[int | None]] = {}
    for task in sorted(tasks, key=_order):
        node, place = task.node, 0
        if node.family is PRETRAIN:
            known = seeds.setdefault(node.config, [])
            if node.seed not in known:
                known.append(node.seed)
            place = known.index(node.seed) // task.key_file.context.get("interleave", 1)
        groups.setdefault((node.family, node.config, place), []).append(task)
    return [group for _, group in sorted(groups.items())]


def _order(task: Task) -> tuple:
    return (task.node.seed or 0, task.node.at, task.node.name)


def _component_path(path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else components.PACKAGE.parent / path


def _dotted(path: Path) -> str:
    return ".".join(path.resolve().relative_to(components.PACKAGE.parent.resolve()).with_suffix("").parts)


def _exclusive(node: Node) -> str:
    """What one process at a time works on: a run with all its seeds and milestones, a measure of it, ..."""
    measure = [node.name.rsplit("/", 1)[1]] if node.family is MEASURE else []
    return "-".join([node.family.name, *measure, node.config.replace("/", "-")])


def _oneline(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
