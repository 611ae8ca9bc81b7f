"""How figures look in a paper: their widths, font and size, as typed or as ``profiles/figures.yaml`` says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import annotations as param_types
from pipeline.errors import UserError, brief, nearest
from pipeline.planning import yaml_files

FILE = Path("profiles/figures.yaml")
"""What holds where nothing is typed."""

_WIDTH = "Annotated[float, Interval(ge=1, le=40)]"
_TYPES = {
    "width": f"{_WIDTH} | list[{_WIDTH}] | None",
    "font": "str | None",
    "size": "Annotated[float, Interval(ge=4, le=40)] | None",
}
"""Keys of the file, and what they may hold."""

GENERIC = {"serif": "STIXGeneral", "sans-serif": "SSL Sans", "monospace": "DejaVu Sans Mono"}
"""Names that every machine knows, and fonts that come with matplotlib or with the project: STIX looks like Times."""


@dataclass(frozen=True)
class Look:
    """What is laid over the style of a figure.

    Attributes:
        widths: Inches, one drawing each; none for that of the figure.
        font: Family as matplotlib knows it; None for the style's.
        size: Points of labels; None for the style's.
    """

    widths: tuple[float, ...] = ()
    font: str | None = None
    size: float | None = None

    @property
    def words(self) -> str:
        """The look in a few words, for the file that is drawn."""
        return ", ".join(filter(None, (self.font, f"{self.size:g} pt" if self.size else "")))


def chosen(widths: Sequence[float] | None, font: str | None, size: float | None, file: Path = FILE) -> Look | None:
    """The look that is asked for; None where nothing is.

    Args:
        widths: As typed.
        font: As typed.
        size: As typed.
        file: Says what is not typed; there need be none.

    Raises:
        UserError: A key that does not exist, a value that does not fit, or a font that this machine does not have.
    """
    found = dict.fromkeys(_TYPES) | _declared(file)
    for width in widths or ():
        _check(width, _WIDTH, "--width")
    typed = {"width": list(widths) if widths else None, "font": font, "size": size}
    for name, value in typed.items():
        found[name] = found[name] if value is None else _check(value, _TYPES[name], f"--{name}")
    several = found["width"] if isinstance(found["width"], list) else [found["width"]]
    all_widths = tuple(dict.fromkeys(width for width in several if width is not None))
    look = Look(all_widths, _family(found["font"]) if found["font"] else None, found["size"])
    return None if look == Look() else look


def _declared(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    found = yaml_files.parse(file.read_text(encoding="utf-8"), str(file)) or {}
    if not isinstance(found, dict):
        raise UserError(f"{file}: expected keys such as width: 3.3, found {brief(found)}")
    for name in found:
        if name not in _TYPES:
            raise UserError(f"{file}: {name}: unknown key; {nearest(str(name), _TYPES, 'the keys are')}")
    return {name: _check(value, _TYPES[name], f"{file}: {name}") for name, value in found.items()}


def _check(value: Any, wanted: str, where: str) -> Any:
    try:
        return param_types.checked(value, wanted)
    except ValueError as error:
        raise UserError(f"{where}: expected {str(error).removesuffix(' or null')}, found {brief(value)}") from None


def _family(name: str) -> str:
    """A font by the name that matplotlib has for it.

    Raises:
        UserError: There is no such font here.
    """
    if name in GENERIC:
        return GENERIC[name]
    from matplotlib.font_manager import fontManager

    known = {entry.name.casefold(): entry.name for entry in fontManager.ttflist}
    if name.casefold() not in known:
        others = sorted(font for font in known.values() if not font.startswith(("STIXSize", "STIXNon", "Last", "cm")))
        raise UserError(f"font {name}: this machine has none of this name; {nearest(name, [*GENERIC, *others])}")
    return known[name.casefold()]


@contextmanager
def applied(look: Look) -> Iterator[None]:
    """Matplotlib with the style of the project, and the look laid over it."""
    import matplotlib

    from pipeline.artifacts import style

    settings: Any = matplotlib.rcParams
    base: dict[str, Any] = style.PARAMETERS
    small, factor = style.SMALL, (look.size or base["font.size"]) / base["font.size"]
    sizes = [name for name in base if name.endswith(("font.size", "titlesize", "labelsize", "fontsize"))]
    with style.applied():
        settings.update({name: factor * base[name] for name in sizes})
        settings.update(_font(look.font) if look.font is not None else {})
        style.SMALL = factor * small  # figures take it from there as they are drawn
        try:
            yield
        finally:
            style.SMALL = small


def _font(family: str) -> dict[str, Any]:
    """Settings of matplotlib for a font, in mathematics too; glyphs that it lacks come from fonts that are shipped."""
    file = _file(family)
    return {
        "font.family": [family, "DejaVu Sans"],
        "mathtext.rm": family,
        "mathtext.it": f"{family}:italic",
        "mathtext.bf": f"{family}:bold",
        "mathtext.sf": family,
        "mathtext.cal": f"{family}:italic",
        "mathtext.fallback": "stixsans" if "sans" in family.casefold() else "stix",
        "pdf.fonttype": 3 if file.endswith(".otf") else 42,  # only outlines of TrueType can be embedded as they are
    }


def _file(family: str) -> str:
    from matplotlib.font_manager import findfont

    return str(findfont(family)).lower()
