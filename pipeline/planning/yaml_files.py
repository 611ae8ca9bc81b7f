"""YAML as people read it: what has two readings is refused, in one line that says how to write what was meant.

``yes`` and ``no`` are words and ``1e-4`` is a number, as in YAML 1.2. Whole numbers are decimal: ``010``, ``0x1F``,
``1_000`` and ``1:30`` (90, in YAML 1.1), dates and ``True`` are refused, and so are keys that stand twice or are no
plain text or number. ``<<`` merges, and what stands beside it has precedence.

The parser is PyYAML's in C, with resolvers of our own. ruamel.yaml, which knows YAML 1.2, was weighed against it: over
the files below params/, which every call of snakemake reads, it takes 13 to 19 times as long (0.32 to 0.49 s of CPU
where this takes 0.025 s), and it reads ``010`` as 10, ``0x1F`` as 31 and ``2026-01-01`` as a date without a word, so
that the same resolvers would be needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError, brief

_TAG = "tag:yaml.org,2002:"
_PLAIN: dict[str, tuple[str, str]] = {  # tag -> how a plain word that is one looks, and with what it begins
    f"{_TAG}null": (r"^(~|null|)$", "~n\0"),
    f"{_TAG}bool": (r"^(true|false)$", "tf"),
    f"{_TAG}int": (r"^[-+]?(0|[1-9]\d*)$", "-+0123456789"),
    f"{_TAG}float": (
        r"^[-+]?((0|[1-9]\d*)\.\d*|\.\d+|(0|[1-9]\d*)(?=[eE]))([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf)$|^\.(nan|NaN)$",
        "-+0123456789.",
    ),
    f"{_TAG}merge": (r"^<<$", "<"),
    "!twofold": (
        r"^([-+]?(0[xob][\da-fA-F_]+|\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?|0\d+(\.\d*)?([eE][-+]?\d+)?|\d[\d_]*_[\d_]*(\.[\d_]*)?)"
        r"|\d{4}-\d\d?-\d\d?([Tt ].*)?|True|TRUE|False|FALSE|Null|NULL)$",
        "-+0123456789TFN",
    ),
}


class _Dumper(yaml.SafeDumper):
    """YAML without aliases: what stands twice is written twice, so that one of them can be edited."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether a value is written out: always."""
        return True


def written(content: Mapping[str, Any]) -> str:
    """A declaration as people would write it: in its own order, short lists and mappings on one line."""
    return yaml.dump(
        dict(content), Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110
    )


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader with the plain words of :data:`_PLAIN`."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012, filled below


def _mapping(loader: Any, node: yaml.MappingNode) -> dict:
    merged: dict = {}
    own: dict = {}
    for key_node, value_node in node.value:
        if key_node.tag == f"{_TAG}merge":
            if merged:
                raise _error("<< stands here twice; write one, with a list: <<: [*A, *B]", key_node)
            for found in _merged(loader, value_node):
                merged = {**found, **merged}  # the first that has a key wins
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float) or isinstance(key, bool):
            raise _error(f"{brief(key)} can be no key; a key is a word or a number, in quotes if need be", key_node)
        if key in own:
            raise _error(f"{brief(key)} stands here twice", key_node)
        own[key] = loader.construct_object(value_node, deep=True)
    return {**merged, **own}


def _merged(loader: Any, node: yaml.Node) -> list[dict]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    found = [loader.construct_object(one, deep=True) for one in nodes]
    if not all(isinstance(one, dict) for one in found):
        raise _error("<< merges mappings: write <<: *NAME, of a mapping that is marked with &NAME", node)
    return found


def _twofold(loader: Any, node: yaml.ScalarNode) -> Any:
    text = node.value
    if text[0] in "TF":
        how = f"write {text.lower()}"
    elif text[0] == "N":
        how = "write null"
    else:
        how = "write whole numbers in decimal digits alone"
    raise _error(f'{text} has two readings; {how}, or "{text}" if it is text', node)


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


for _tag, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), ["" if first == "\0" else first for first in _first])
_Loader.add_constructor(f"{_TAG}map", _mapping)
_Loader.add_constructor("!twofold", _twofold)


def parse(text: str, where: str) -> Any:
    """Read YAML.

    Raises:
        UserError: It is none, or says something that has two readings; the message names the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{where}{line}: not readable as YAML: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise UserError(f"{where}: not readable as YAML: nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise UserError(f"{where}: not readable as YAML: {error}") from None


@cache
def _load(path: Path, mtime_ns: int) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def load(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: Not there, or not YAML.
    """
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
