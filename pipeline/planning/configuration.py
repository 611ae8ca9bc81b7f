"""Cells of a table of settings: what runs would be trained with, read off specifications as a plan resolves them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pipeline import components
from pipeline.errors import UserError, nearest
from pipeline.ledger.workspace import Milestone
from pipeline.planning.catalogue import Request
from pipeline.planning.cells import Cell, CellExpander, Directives
from pipeline.planning.composition import RunSpec
from pipeline.planning.needs import Needs
from pipeline.planning.params import PARTS
from pipeline.planning.spec import Artifact, Paper, Setting

PAPER = "paper"
"""Scale at which nothing but arithmetic is changed: what is declared."""

_MEASURES = "measures."
"""What a path into a protocol starts with."""


class ConfigurationExpander:
    """Turns a table of settings into cells. Nothing has to be trained or measured for it.

    Args:
        needs: What has been asked for so far; it gets no run, only what the scale overrides.
        request: The artifact in its edition.
        paper: Its paper.
        artifact: Its declaration.
        where: File and entry, for messages.
    """

    def __init__(self, needs: Needs, request: Request, paper: Paper, artifact: Artifact, where: str) -> None:
        self.needs, self.artifact, self.where = needs, artifact, where
        self._here = _Resolver(needs, request, paper, artifact, where)
        at_paper = replace(request, scale=PAPER)
        self._declared = self._here if request.scale == PAPER else _Resolver(needs, at_paper, paper, artifact, where)

    def cells(self) -> Iterator[Cell]:
        """All cells in the order of the declaration.

        Raises:
            UserError: No run has such a parameter, or the artifact has no axis ``dataset``.
        """
        axes = self.artifact.axes()
        if "dataset" not in axes:
            raise UserError(f"{self.where}: rows, columns or fixed need the axis dataset")
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            run = {axis: value for axis, value in chosen.items() if axis != "setting"}
            name = str(chosen["setting"])
            setting = self.artifact.configuration[name]
            here = self._here.run(run)
            cell = replace(here.cell, axes=chosen)
            if cell.missing is None:
                place = f"{self.where}: configuration.{name}: {setting.of}"
                value, declared = here.value(setting, place), self._declared.run(run).value(setting, place)
                cell.setting = {"of": setting.of, **value, **{f"declared_{k}": text for k, text in declared.items()}}
            yield cell
        self.needs.overridden |= self._here.needs.overridden


class _Resolver(CellExpander):
    """Resolves runs and protocols at one scale, on the way of those that are trained, and asks for none of them."""

    def __init__(self, needs: Needs, request: Request, paper: Paper, artifact: Artifact, where: str) -> None:
        scale = needs.catalogue.scale(request.scale).of(request.paper, request.artifact)
        super().__init__(Needs(needs.catalogue), request, paper, artifact.model_copy(update={"seeds": 1}), scale, where)
        self._known: dict[tuple[Any, ...], _Resolved] = {}

    def run(self, chosen: dict[str, Any]) -> _Resolved:
        """The run of a column."""
        key = tuple(chosen.items())
        if key not in self._known:
            cell = self._cell(chosen)
            cell.trained_epochs = self.scale.trained(cell.epochs)
            cell.missing = self._left_out(cell)
            config, directives = "", Directives()
            if cell.missing is None:
                params, directives = self._layers(chosen)
                config = self._run(cell, params, directives)
            self._known[key] = _Resolved(self, cell, config, directives)
        return self._known[key]

    def protocol(self, cell: Cell, config: str, name: str, directives: Directives) -> dict[str, Any]:
        """Params of a measure of a run."""
        at = Milestone(cell.trained_epochs)
        return self.needs.measures[self._protocol(cell, config, self._measure(name), None, at, directives)]


@dataclass
class _Resolved:
    """A run as it would be trained, and where its parameters are looked up."""

    resolver: _Resolver
    cell: Cell
    config: str
    directives: Directives

    def value(self, setting: Setting, where: str) -> dict[str, str]:
        """``value`` as a table shows it, or why it is ``absent``.

        Raises:
            UserError: No run has such a parameter, or its value is no number and should be divided.
        """
        if setting.lacking:
            return {"absent": setting.lacking}
        try:
            found = self._found(setting.of, where)
        except _AbsentError as error:
            return {"absent": str(error)}
        for key, word in setting.words.items():
            if str(key) == str(found) or (key == found and not isinstance(found, bool)):
                return {"value": word}
        if setting.over is not None:
            if not isinstance(found, int | float):
                raise UserError(f"{where}: over: expected a number to divide, found {text(found)!r}")
            found = found / setting.over
        shown = text(found)
        return {"value": setting.form.replace("{}", shown) if setting.form else shown}

    def _found(self, path: str, where: str) -> Any:
        run = self.resolver.needs.runs[self.config].run
        if path == "epochs":
            if "epochs" not in self.cell.axes:
                raise UserError(f"{where}: rows, columns or fixed need the axis epochs")
            return self.cell.trained_epochs
        if path == "resolution":
            return self._resolution(run)
        if path.startswith(_MEASURES):
            name, _, param = path.removeprefix(_MEASURES).rpartition(".")
            protocol = self.resolver.protocol(self.cell, self.config, name, self.directives)
            return _of(protocol, param, "measure", self.resolver.needs, where)
        part, _, param = path.partition(".")
        if part in PARTS and param:
            return _of(run[part], param, part, self.resolver.needs, where)
        plain = [name for name in RunSpec.model_fields if name not in PARTS]
        if path not in plain:
            known = ["epochs", "resolution", *plain, *(f"{name}.kind" for name in PARTS)]
            raise UserError(f"{where}: no run has such a parameter; {nearest(path, known)}")
        return run[path]

    def _resolution(self, run: dict[str, Any]) -> Any:
        """Side of the views; where the policy has none, that of the images."""
        data = self.resolver.needs.data[self.resolver.needs.runs[self.config].data]
        source = {**data.omitted_defaults.get("source", {}), **data.params["source"]}
        side = run["views"].get("size") or source.get("size") or data.omitted_defaults["image_size"]
        if side is None:
            raise _AbsentError(f"{self.cell.dataset} has images of several sizes")
        return side


class _AbsentError(Exception):
    """A run lacks a parameter that others have."""


def _of(part: dict[str, Any], param: str, category: str, needs: Needs, where: str) -> Any:
    """A parameter of a component.

    Raises:
        _AbsentError: Only other kinds of the category have it.
    """
    if param in part:
        return part[param]
    kind = part["kind"]
    if any(
        param in components.params(category, other, needs.extend) for other in components.kinds(category, needs.extend)
    ):
        raise _AbsentError(f"{category} {kind} has no {param}")
    raise UserError(f"{where}: no {category} has such a parameter; {nearest(param, list(part), f'{kind} has')}")


def text(value: Any) -> str:
    """Write a parameter's value as a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
