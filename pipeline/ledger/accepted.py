"""Refactorings that were declared equivalent, so that what they leave alone need not run again.

``params/accepted.yaml`` lists them, and Git keeps it. A node whose receipt was made with the code that an entry
calls ``was`` is valid where the entry calls today's code ``is``. Its receipt stays what it is: it names the code that
has run, and audit shows the reason why that was taken for the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline import files
from pipeline.errors import UserError

FILE = "params/accepted.yaml"


class _Loader(yaml.SafeLoader):
    """YAML in which a key stands once: the later of two would silently win, which after a merge is half of an entry."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        """Refuse a key that stands twice."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands here twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_HEAD = "# Refactorings declared equivalent; written by `python -m pipeline accept`, undone by its --revoke.\n"


@dataclass(frozen=True, eq=False)
class Acceptance:
    """One declaration.

    Attributes:
        stage: Kind of stage that it speaks of.
        reason: Why results are the same.
        was: Fingerprints of the modules that differ, as they were; a module that is new is not in it.
        now: The same today; a module that is gone is not in it.
    """

    stage: str
    reason: str
    was: Mapping[str, str]
    now: Mapping[str, str]

    def before(self, code: Mapping[str, str]) -> dict[str, str] | None:
        """The code before the refactoring, if ``code`` is that after it."""
        if any(code.get(module) != digest for module, digest in self.now.items()):
            return None
        if any(module in code for module in self.was.keys() - self.now.keys()):
            return None
        kept = {module: digest for module, digest in code.items() if module not in self.now}
        return dict(sorted({**kept, **self.was}.items()))


def load(path: Path) -> list[Acceptance]:
    """All declarations.

    Raises:
        UserError: The file is not what ``accept`` writes.
    """
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) or []
    except FileNotFoundError:
        return []
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise UserError(
            f"{FILE}{line}: {problem}; expected entries, each with one stage, reason, was and now (after a merge: one "
            f"line of either side each); correct it, or type: git checkout {FILE}"
        ) from None
    try:
        entries = [Acceptance(**entry) for entry in found]
        whole = all(isinstance(e.reason, str) and e.reason and isinstance(e.stage, str) and e.now for e in entries)
        whole = whole and all(isinstance(d, str) for e in entries for d in (*e.was.values(), *e.now.values()))
    except (TypeError, AttributeError):
        whole = False
    if not whole:
        raise UserError(
            f"{FILE}: expected a list of entries with stage, reason, was and now; type: git checkout {FILE}"
        )
    return entries


def save(path: Path, entries: Iterable[Acceptance]) -> None:
    """Write all declarations; without any there is no file."""
    entries = list(entries)
    if entries:
        # One line each: Git then merges entries of two branches as wholes, and "keep both" keeps both.
        lines = (json.dumps(asdict(entry), ensure_ascii=False) for entry in entries)
        files.write(path, _HEAD + "".join(f"- {line}\n" for line in lines))
    else:
        path.unlink(missing_ok=True)


def earlier(stage: str, code: Mapping[str, str], entries: Iterable[Acceptance]) -> list[dict[str, Any]]:
    """Code that counts as equal to ``code``, the latest first, each with the reasons that led there."""
    found: list[dict[str, Any]] = []
    seen = [dict(code)]
    waiting: list[tuple[dict[str, str], list[str]]] = [(dict(code), [])]
    mine = [entry for entry in entries if entry.stage == stage]
    while waiting:
        current, reasons = waiting.pop(0)
        for entry in mine:
            before = entry.before(current)
            if before is not None and before not in seen:
                seen.append(before)
                found.append({"code": before, "reasons": [*reasons, entry.reason]})
                waiting.append((before, [*reasons, entry.reason]))
    return found
