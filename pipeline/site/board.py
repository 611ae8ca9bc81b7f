"""What the page that ``watch`` serves shows at an address: the runs that fit, and their charts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.engine.state import States
from pipeline.errors import UserError, explain, nearest
from pipeline.provenance import live
from pipeline.provenance import runs as listed
from pipeline.provenance.curves import HISTORY, Reader
from pipeline.provenance.listing import Listing, text
from pipeline.provenance.live import Status, statuses
from pipeline.provenance.runs import KnownRun
from pipeline.site import charts, overlay
from pipeline.site.choice import Choice
from pipeline.site.entry import ACTIVE, Entry
from pipeline.site.project import natural

FIRST = charts.COLOURS
"""Runs that are shown where none is chosen."""
OFTEN = 3
"""Measured numbers that are shown where no curve is chosen, beside histories and one list of eigenvalues."""
LETTERS = 4
"""Letters of a word that may be the beginning of a hash; a shorter one is a word."""
PAUSE = 10.0
"""Times as long as it took, until all is looked at again: what is served takes at most a tenth of one core."""
IDLE = 15.0
"""Seconds without a request after which the next one waits for a new look; also those after which a look is old."""
PATIENCE = 3.0
"""Seconds that it waits at most; after that the page says that it reads."""


@dataclass
class View:
    """What one address shows.

    Attributes:
        choice: What was chosen.
        entries: Runs that fit the filter, the active ones first.
        drawn: Those of them that are drawn: folder -> place of its colour.
        charts: SVG of each quantity.
        quantities: All that could be drawn, and what people read of it.
        groups: Where colours stand for values of a param: value and place.
        by: That param; empty where each run has its own colour.
        params: Params by which runs can be coloured.
        notes: What of the choice could not be followed, a sentence each.
        total: Runs that there are to look at.
        declared: Runs of which nothing is there yet.
        live: Trainings that go on.
        reading: The time of day of the look that states are from, while a newer one is taken; empty for fresh ones.
    """

    choice: Choice
    entries: list[Entry]
    drawn: dict[str, int]
    charts: list[str]
    quantities: dict[str, str]
    groups: list[tuple[str, int]]
    by: str
    params: list[str]
    notes: list[str]
    total: int
    declared: int
    live: int
    reading: str = ""


class Board:
    """Runs of a plan, looked at again while they train. May be asked by several threads.

    Args:
        states: Of all nodes of the plan.
        left_out: What is not in the plan though it was asked for, a sentence each.

    Attributes:
        fault: Why the last look at all states has failed; empty if it has not.
    """

    def __init__(self, states: States, left_out: Sequence[str] = ()) -> None:
        self._lock = threading.Lock()
        self._again: threading.Thread | None = None
        self._due = 0.0
        self._asked = self._looked = time.time()
        self.left_out = left_out
        self.fault = ""
        self._reader = Reader(states)
        self._look(states)

    def _look(self, states: States) -> None:
        begun, sign = time.time(), self._sign(states)
        runs = listed.collect(states.plan, states)
        with self._lock:
            self.runs, self.sign, self._looked = runs, sign, begun
            self._reader.use(states)

    def _sign(self, states: States) -> Any:
        """Changes when a training begins or ends, or a node is decided on."""
        workspace = states.workspace
        going = frozenset((name, status.pid) for name, status in statuses(workspace).items())
        try:
            seen = workspace.journal.stat()
        except OSError:
            return going, None
        return going, seen.st_size, seen.st_mtime_ns

    def look_again(self) -> None:
        """Look at the states of all runs once more, in a thread of its own, if something has happened since.

        Whoever is the first to ask in a while waits for it: what was seen then is long no longer so.
        """
        states = self._reader.states
        with self._lock:
            idle, self._asked = time.time() - self._asked > IDLE, time.time()
            if not (self._reads or time.monotonic() < self._due or self._sign(states) == self.sign):
                self._again = threading.Thread(target=self._anew, args=(states,), daemon=True)
                self._again.start()
            again = self._again
        if idle and again is not None:
            again.join(PATIENCE)

    @property
    def _reads(self) -> bool:
        return self._again is not None and self._again.is_alive()

    def _anew(self, states: States) -> None:
        begun = time.monotonic()
        try:
            self._look(States(states.plan, states.workspace))
            self.fault = ""
        except (UserError, OSError, SyntaxError, UnicodeDecodeError) as error:  # as of a module that is being edited
            self.fault = str(error) if isinstance(error, UserError) else explain(error) or repr(error)
        finally:
            self._due = time.monotonic() + PAUSE * (time.monotonic() - begun)

    def view(self, choice: Choice) -> View:
        """What an address shows now."""
        with self._lock:
            return self._view(choice)

    def _view(self, choice: Choice) -> View:
        notes = [*self.left_out]
        notes += [f"states are those of an earlier look: {self.fault}"] if self.fault else []
        old = self._reads and time.time() - self._looked > IDLE
        going = statuses(self._reader.states.workspace)
        seen = [entry for entry in self._entries(self.runs, going) if entry.seen]
        known = {entry.config: entry for entry in _of_seeds(seen, choice.find)}
        listing = Listing([run for entry in known.values() for run in entry.seeds])
        fits = _found(listing, choice.find, notes)
        entries = sorted((known[config] for config in fits), key=_first)
        chosen = _chosen(entries, list(known.values()), choice, notes)
        names = sorted(chosen, key=_by_name)
        column = _column(listing, choice.by, notes)
        places, groups = _places(names, self.runs, listing, column)
        shown = [entry.shown(places[entry.config]) for entry in names]
        quantities = overlay.available(entry.shown(0) for entry in known.values())
        wanted = _quantities(choice, quantities, entries, notes)
        words = overlay.titles(quantities)
        drawn = [overlay.chart(name, shown, choice.log, words[name]) for name in wanted]
        for one in drawn:
            if choice.log and one.lines and not one.positive:
                one.log = False
                notes.append(f"log: {one.quantity} has no numbers above 0, so its axis is as it was")
        return View(
            choice,
            entries,
            places,
            [one.svg() for one in drawn if one.lines],
            words,
            groups,
            column,
            _varying(listing, column),
            notes,
            len(seen),
            len({run.config for run in self.runs} - {entry.config for entry in seen}),
            sum(len(entry.live) for entry in seen),
            time.strftime("%H:%M:%S", time.localtime(self._looked)) if old else "",
        )

    def _entries(self, runs: Iterable[KnownRun], going: Mapping[str, Status]) -> list[Entry]:
        found: dict[str, Entry] = {}
        for run in runs:
            entry = found.setdefault(run.config, Entry(run.config, []))
            entry.seeds.append(run)
            status = going.get(run.folder)
            if status is not None:
                entry.status[run.seed] = status
            entry.seeds[-1] = self._now(run, status)
            entry.curves[run.seed] = self._reader.curves(run, status)
        return list(found.values())

    def _now(self, run: KnownRun, status: Status | None) -> KnownRun:
        """The run as it is now: since all was looked at its training may have begun or ended."""
        worker = live.worker(self._reader.states.workspace, run.config) if status or run.state == "running" else None
        if worker is not None and status is not None and status.pid == worker:
            return replace(run, state="running")
        if run.state == "running" and worker is None:
            return replace(run, state="waiting", detail="")
        return run


def _chosen(entries: list[Entry], known: Iterable[Entry], choice: Choice, notes: list[str]) -> list[Entry]:
    """Runs to draw: those that are named, else the first of the list."""
    if not choice.runs:
        return entries[: FIRST if not choice.find else charts.MOST]
    found: dict[str, Entry] = {}
    for name in choice.runs:
        those = {entry.config: entry for entry in known if name in (entry.short, entry.config)}
        found |= those
        if not those:
            notes.append(f"runs={name}: nothing is there of such a run yet")
    if len(found) > charts.MOST:
        notes.append(f"{charts.MOST} of {len(found)} runs are drawn: more cannot be told apart")
    return list(found.values())[: charts.MOST]


def _of_seeds(entries: list[Entry], find: str) -> list[Entry]:
    """The same with those seeds alone that a filter asks for; all of them where it asks for none."""
    conditions = [word for word in find.split() if word.startswith("seed=")]
    if not conditions:
        return entries
    found = []
    for entry in entries:
        listing = Listing(entry.seeds)
        try:
            listing.where(conditions)
        except UserError:  # half typed; the filter says so
            return entries
        if listing.runs:
            found.append(entry.of({run.seed for run in listing.runs}))
    return found


def _found(listing: Listing, find: str, notes: list[str]) -> list[str]:
    """Folders of the runs that fit all words and conditions."""
    words = find.split()
    try:
        listing = Listing(listing.runs)
        listing.where([word for word in words if "=" in word])
    except UserError as error:
        notes.append(str(error).replace("--where ", ""))
    plain = [word.lower() for word in words if "=" not in word]
    return list(dict.fromkeys(run.config for run in listing.runs if all(_has(run, word) for word in plain)))


def _has(run: KnownRun, word: str) -> bool:
    """Whether a word stands in what is shown of a run: its name, its state, the first letters of its hash."""
    of_hash = len(word) >= LETTERS and run.short.startswith(word)
    return word in f"{run.name} {run.state}".lower() or of_hash or word == run.config.lower()


def _column(listing: Listing, by: str, notes: list[str]) -> str:
    if not by:
        return ""
    try:
        return listing.column(by, "by")
    except UserError as error:
        notes.append(str(error))
        return ""


def _places(
    entries: list[Entry], planned: Sequence[KnownRun], listing: Listing, column: str
) -> tuple[dict[str, int], list[tuple[str, int]]]:
    """Place of every run's colour: its own, or that of its value of a param; and then these values.

    Either is by the whole plan, so that no run changes its colour as others appear.
    """
    if not column:
        order = list(dict.fromkeys(run.config for run in planned))
        places: dict[str, int] = {}
        for entry in sorted(entries, key=lambda entry: order.index(entry.config)):
            place = order.index(entry.config) % charts.MOST
            while place in places.values():  # a plan may have more runs than there are looks
                place = (place + 1) % charts.MOST
            places[entry.config] = place
        return places, []
    values = {entry.config: text(listing.value(entry.seeds[0], column)) or "unset" for entry in entries}
    known = sorted({text(listing.value(run, column)) or "unset" for run in planned}, key=natural)
    drawn = sorted(set(values.values()), key=natural)
    return {config: known.index(value) for config, value in values.items()}, [
        (f"{column} {value}", known.index(value)) for value in drawn
    ]


def _quantities(choice: Choice, quantities: list[str], entries: list[Entry], notes: list[str]) -> list[str]:
    if not choice.curves:
        told = dict.fromkeys(name for entry in entries for run in entry.seeds for name in run.told)
        measured = [name for name in quantities if name in told and name not in HISTORY]
        of = {name.partition(".")[0] for name in measured}
        lists = {name for entry in entries for one in entry.curves.values() for name in one.lists}
        spectra = [name for name in quantities if name in lists and name.partition(".")[0] in of]
        spectra.sort(key=lambda name: not any(number.startswith(name) for number in told))  # what a number is read off
        return [*(name for name in quantities if name in HISTORY), *measured[:OFTEN], *spectra[:1]]
    for name in choice.curves:
        if name not in quantities:
            notes.append(f"curve={name}: no run has such a curve; {nearest(name, quantities)}")
    return [name for name in choice.curves if name in quantities]


def _varying(listing: Listing, by: str) -> list[str]:
    """Params that have several values among these runs, and the one that is asked for though it has one."""
    found = [name for name in listing.params if len({text(run.params.get(name)) for run in listing.runs}) > 1]
    return found if not by or by in found else [*found, by]


def _first(entry: Entry) -> tuple:
    """Active runs first, then those whose history was written last."""
    states = [run.state for run in entry.seeds]
    active = min((ACTIVE.index(state) for state in states if state in ACTIVE), default=len(ACTIVE))
    return active, -max(one.time for one in entry.curves.values()), natural(entry.name)


def _by_name(entry: Entry) -> list:
    return natural(entry.name)
