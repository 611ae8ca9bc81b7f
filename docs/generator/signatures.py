"""What documentation knows of a component: read from its source with ``ast``, never imported."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import components

REQUIRED = object()
"""The default of a parameter that has to be given."""

COMMON = {
    "lr_multiplier": "Factor on the learning rate of its weights. (All kinds but `none` have it.)",
    "scheduled": "Whether its learning rate follows the schedule, or stays what it is. (All kinds but `none` have it.)",
    "weight_decay": "Weight decay of its weights; that of the optimizer where null. (All kinds but `none` have it.)",
    "weights": "A file of weights that it starts from: `.safetensors`, or a state dict of `torch.save`. "
    "(All kinds have it.)",
    "weights_prefix": "What stands before the names of its parameters there, dot included; found out where it is "
    "empty. (All kinds have it.)",
}
"""What the parameters mean that a whole category has."""

_ROLE = re.compile(r":(?:py:)?(?:class|func|meth|mod|data|attr|exc):`~?([^`]+)`")
_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """A keyword-only argument of a component's entry function, or one that its whole category has."""

    name: str
    annotation: str
    default: Any
    text: str


@dataclass(frozen=True)
class Component:
    """A component as its file describes it."""

    category: str
    kind: str
    path: Path
    title: str
    text: str
    parameters: tuple[Parameter, ...]
    returns: str
    reads: tuple[str, ...]
    values: tuple[str, ...]
    default_before: dict[str, Any]
    relations: tuple[tuple[str, str, str], ...]

    def parameter(self, name: str) -> Parameter:
        """A parameter by name."""
        return next(one for one in self.parameters if one.name == name)


def markdown(text: str) -> str:
    """A docstring's text for a Markdown page: roles become code, ``::`` a colon."""
    text = _ROLE.sub(lambda match: f"`{match[1]}`", text)
    return re.sub(r"::(\n|$)", r":\1", text).strip()


def sections(doc: str) -> dict[str, str]:
    """A Google-style docstring as its text (under the empty name) and its sections."""
    parts = _SECTION.split(inspect.cleandoc(doc))
    found = {"": parts[0].strip()}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        # a section ends where the indentation does
        lines = []
        for line in body.splitlines():
            if line and not line.startswith(" "):
                break
            lines.append(line)
        found[name] = inspect.cleandoc("\n".join(lines))
    return found


def entries(section: str) -> dict[str, str]:
    """``name: text`` lines of a section, continued by deeper indentation."""
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        match = re.match(r"^([\w, *]+?)(?: \([^)]*\))?: (.*)$", line)
        if match and not line.startswith(" "):
            name = match[1].strip()
            found[name] = match[2]
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def entry(path: Path, name: str) -> ast.FunctionDef:
    """The entry function of a component's file."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def _default(node: ast.expr | None) -> Any:
    return REQUIRED if node is None else ast.literal_eval(node)


@functools.cache
def read(category: str, kind: str, extend: Path | None = None) -> Component:
    """All that a component's file says of it."""
    path = components.find(category, kind, extend)
    place = components.CATEGORIES[category]
    function = entry(path, place.entry)
    doc = sections(ast.get_docstring(function) or "")
    told = entries(doc.get("Args", ""))
    parameters = [
        Parameter(
            argument.arg,
            ast.unparse(argument.annotation) if argument.annotation else "Any",
            _default(default),
            markdown(told.get(argument.arg, "")),
        )
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    ]
    if kind != "none":
        own = {one.name for one in parameters}
        parameters += [
            Parameter(name, annotation, default, COMMON[name])
            for name, annotation, default in (*place.common, *place.optional)
            if name not in own
        ]
    module = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return Component(
        category,
        kind,
        path,
        markdown(inspect.cleandoc(module)),
        markdown(doc[""]),
        tuple(parameters),
        markdown(doc.get("Returns", "")),
        components.reads(category, kind, extend),
        components.values(category, kind, extend),
        components.default_before(category, kind, extend),
        components.relations(category, kind, extend),
    )


def all_of(category: str, extend: Path | None = None) -> list[Component]:
    """All components of a category, by name."""
    return [read(category, kind, extend) for kind in components.kinds(category, extend)]
