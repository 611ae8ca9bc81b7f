"""What a user says with ``--config``: the scale, the flavour, and where things are on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pipeline import annotations as param_types
from pipeline import sizes
from pipeline.errors import UserError, brief, nearest
from pipeline.monitor import loggers
from pipeline.ranges import Interval, Seeds

SEEDS_AT_ONCE = 4
"""Trained in turns by one process on a GPU, where the user says nothing."""

ALL = "all"
"""Said in place of names of data sets or artifacts: those of the papers, whichever they are."""


@dataclass(frozen=True)
class Options:
    """What a user says with ``--config``: names of the scale and flavour, and where things are."""

    scale: str = "quick"
    flavour: str = "paper"
    raw_dir: str | None = None
    datasets: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    seeds: Seeds | None = None
    extend: str | None = None
    device: str | None = None
    memory: Annotated[int, Interval(ge=1, le=1_000_000_000_000_000)] | None = None
    interleave: Annotated[int, Interval(ge=1, le=64)] | None = None
    images: Literal["memory", "disk"] | None = None
    readers: Annotated[int, Interval(ge=1, le=256)] | None = None
    logger: str | None = None

    @classmethod
    def parse(cls, config: dict[str, Any], environ: dict[str, str]) -> Options:
        """Read snakemake's ``config``.

        Raises:
            UserError: A key that does not exist, or a value of the wrong type.
        """
        known = list(cls.__dataclass_fields__)
        values: dict[str, Any] = {}
        for name, value in config.items():
            if name not in known:
                raise UserError(f"--config {name}: unknown key; {nearest(name, known, 'the keys are')}")
            values[name] = value
        for name in ("scale", "flavour", "raw_dir", "extend", "device", "logger"):
            if name in values and not isinstance(values[name], str):
                raise UserError(f"--config {name}: expected a name or path, found {values[name]!r}")
        if "memory" in values:
            values["memory"] = _bytes(values["memory"])
        for name in ("seeds", "memory", "interleave", "images", "readers"):
            if name in values:
                annotation = str(cls.__dataclass_fields__[name].type).removesuffix(" | None")
                try:
                    param_types.checked(values[name], annotation)
                except ValueError as error:
                    raise UserError(f"--config {name}: expected {error}, found {brief(values[name])}") from None
        for name, example in (("datasets", "cifar10,stl10"), ("artifacts", "directpred,stepwise/table1")):
            if name in values:
                values[name] = _names(name, values[name], example)
        if not values.get("raw_dir") and environ.get("SSL_RAW_DIR"):
            values["raw_dir"] = environ["SSL_RAW_DIR"]
        for name in ("raw_dir", "extend"):
            if values.get(name):
                values[name] = str(Path(values[name]).expanduser().resolve())
        if values.get("extend") and not Path(values["extend"]).is_dir():
            raise UserError(f"--config extend: there is no folder {values['extend']}")
        if values.get("logger"):
            try:
                loggers.find(values["logger"], Path(values["extend"]) if values.get("extend") else None)
            except UserError as error:
                raise UserError(f"--config logger: {error}") from None
        return cls(**values)

    def at_once(self, gpu: bool) -> int:
        """How many seeds of a run are trained in turns by one process.

        Args:
            gpu: Whether the run's scale wants a GPU, where steps of several runs fill what one of them params idle.
        """
        fills = gpu and self.device != "cpu"
        return self.interleave or (SEEDS_AT_ONCE if fills else 1)

    def edition(self, scale: str | None = None) -> str:
        """Folder of results: the scale, and the flavour where it is not the paper's text."""
        scale = scale or self.scale
        return scale if self.flavour == "paper" else f"{scale}-{self.flavour}"


def _names(key: str, found: Any, example: str) -> tuple[str, ...]:
    """``cifar10,stl10``, or a list of names; none for all."""
    if not isinstance(found, str | list | tuple) or not found:
        first = example.partition(",")[0]
        raise UserError(f"--config {key}: expected names such as {first} or {example}, found {found!r}")
    names = tuple(found.split(",")) if isinstance(found, str) else tuple(map(str, found))
    return () if names == (ALL,) else names


def _bytes(text: Any) -> int:
    """``4GB``, ``4GiB`` or a number of bytes, as a number of bytes."""
    size = None if isinstance(text, bool) else sizes.parse(str(text), "KMGT")
    if size is not None and size >= 1:
        return size
    raise UserError(f"--config memory: expected a size such as 4GB or 500MiB, found {text!r}")
