"""Types of parameters: read from the text of an annotation, checked by pydantic, told in words and as JSON Schema.

What a component's signature says is evaluated over a few names alone (builtin types, ``typing``, ``annotated_types``,
:mod:`pipeline.ranges`) and has no calls but of these, so reading a component runs none of its code.
"""

from __future__ import annotations

import ast
import functools
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipeline import ranges
from pipeline.errors import UserError

_LIMITS = ("Ge", "Gt", "Le", "Lt", "MaxLen", "MinLen", "MultipleOf")
_NAMES: dict[str, Any] = {
    **{kind.__name__: kind for kind in (int, float, bool, str, list, dict, tuple)},
    **{name: getattr(typing, name) for name in ("Annotated", "Any", "Literal", "Optional", "Union")},
    **{name: getattr(annotated_types, name) for name in _LIMITS},
    **{name: value for name, value in vars(ranges).items() if name[0].isupper() and name != "TypeVar"},
    "Path": Annotated[str, annotated_types.MinLen(1), ranges.UserFile()],
}
_ALLOWED = (
    ast.Expression, ast.Name, ast.Load, ast.Subscript, ast.Tuple, ast.List, ast.Constant, ast.Call, ast.keyword,
    ast.UnaryOp, ast.USub, ast.UAdd, ast.BinOp, ast.BitOr,
)  # fmt: skip
_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


@functools.cache
def _known(text: str) -> tuple[Any, TypeAdapter]:
    try:
        tree = ast.parse(text.strip("'\""), mode="eval")
        if not all(isinstance(node, _ALLOWED) for node in ast.walk(tree)):
            raise ValueError(text)
        found = eval(compile(tree, "<annotation>", "eval"), {"__builtins__": {}}, _NAMES)
        return found, TypeAdapter(found, config=_STRICT)
    except Exception:
        raise UserError(
            f"{text!r} is no type that the plan can check; use int, float, bool, str, list[...], dict[...], "
            "Literal[...], a name of pipeline/ranges.py such as Positive, or Annotated[float, Interval(ge=0, le=1)]"
        ) from None


def read(text: str) -> Any:
    """The type that an annotation's text names.

    Raises:
        UserError: It uses names that the plan does not know.
    """
    return _known(text)[0]


def checked(value: Any, text: str) -> Any:
    """A value as its annotation has it: whole numbers become floats where these are wanted, nothing else is changed.

    Raises:
        ValueError: It does not fit, a number is out of its range or not finite; its text is what was expected.
    """
    try:
        return _known(text)[1].validate_python(list(value) if isinstance(value, tuple) else value)
    except (ValidationError, RecursionError):
        raise ValueError(words(read(text))) from None


def schema(text: str) -> dict[str, Any]:
    """JSON Schema of what an annotation takes."""
    return _known(text)[1].json_schema()


def told(text: str) -> str:
    """What an annotation takes, in words."""
    return words(read(text))


def needed(text: str) -> str:
    """The same where null, which says nothing, is left out."""
    return told(text).removesuffix(" or null").removesuffix(",")


@functools.cache
def of_training(text: str) -> bool:
    """Whether a parameter counts epochs of the training."""
    return any(isinstance(mark, ranges.OfTraining) for mark in _marks(read(text)))


@functools.cache
def of_files(text: str) -> bool:
    """Whether a parameter names files or folders of the user's, so that what they hold belongs to it."""
    return any(isinstance(mark, ranges.UserFile) for mark in _marks(read(text)))


def _marks(of: Any) -> Iterator[Any]:
    yield from getattr(of, "__metadata__", ())
    for inner in get_args(of):
        yield from _marks(inner)


def unwrapped(of: Any) -> Any:
    """A type without what it is annotated with, and without null as an alternative to one other."""
    if get_origin(of) is Annotated:
        return unwrapped(get_args(of)[0])
    others = [one for one in get_args(of) if one is not type(None)]
    return unwrapped(others[0]) if _is_union(of) and len(others) == 1 else of


def alternatives(of: Any) -> tuple[Any, ...]:
    """The types of a union; of others none."""
    return get_args(of) if _is_union(of) else ()


def _is_union(of: Any) -> bool:
    return get_origin(of) in (Union, types.UnionType)


def inner(of: Any, part: Any = 0) -> Any:
    """The type of what a list, a tuple or a mapping holds; None for others, and where it says nothing."""
    of = unwrapped(of)
    arguments = get_args(of)
    if get_origin(of) is dict:
        return arguments[1]
    if get_origin(of) in (list, tuple) and isinstance(part, int):
        return arguments[min(part, len(arguments) - 1)]
    return None


def field(model: type[BaseModel], name: str) -> Any:
    """The type of a model's field, with its range."""
    return typing.get_type_hints(model, include_extras=True)[name]


def models(of: Any) -> list[type[BaseModel]]:
    """Models inside a type."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        return [of]
    return [one for part in get_args(of) for one in models(part)]


def numbers(of: Any, marks: tuple[Any, ...] = ()) -> Iterator[tuple[type, tuple[Any, ...]]]:
    """Every ``int`` and ``float`` inside a type, with what it is annotated with."""
    if get_origin(of) is Annotated:
        inner, *own = get_args(of)
        yield from numbers(inner, (*marks, *own))
    elif of in (int, float):
        yield of, marks
    elif get_origin(of) is not Literal:
        for inner in get_args(of):
            yield from numbers(inner)


def bounded(marks: tuple[Any, ...]) -> bool:
    """Whether annotations bound a number from below and from above."""
    low, high = _ends(marks)[:2]
    return low is not None and high is not None


def _ends(marks: tuple[Any, ...]) -> tuple[float | None, float | None, bool, bool]:
    """Lowest and highest value, and whether each is left out itself."""
    low = high = None
    above = below = False
    for mark in marks:
        gt, ge, lt, le = (getattr(mark, name, None) for name in ("gt", "ge", "lt", "le"))
        if gt is not None or ge is not None:
            low, above = (gt, True) if gt is not None else (ge, False)
        if lt is not None or le is not None:
            high, below = (lt, True) if lt is not None else (le, False)
    return low, high, above, below


def _number(value: float) -> str:
    if value != int(value):
        return f"{value:g}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"


def _range(marks: tuple[Any, ...]) -> str:
    low, high, above, below = _ends(marks)
    start = "" if low is None else f"{'above' if above else 'from'} {_number(low)}"
    end = "" if high is None else f"{'below' if below else 'up to'} {_number(high)}"
    if start and end and not above:
        return f" {start} to {end}".replace("to up to", "to")
    return f" {start}{', ' if start and end else ''}{end}" if start or end else ""


def _length(marks: tuple[Any, ...]) -> str:
    for mark in marks:
        low, high = getattr(mark, "min_length", None), getattr(mark, "max_length", None)
        if low is not None and low == high:
            return f" of {low}"
        if low:
            return f" of {low} or more"
    return ""


def words(of: Any, marks: tuple[Any, ...] = ()) -> str:
    """What a type takes, for people: ``a number from 0 to 1, or a list of these``."""
    origin, inside = get_origin(of), get_args(of)
    if origin is Annotated:
        if any(isinstance(mark, ranges.UserFile) for mark in inside):
            return "the path of a file or folder"
        return words(inside[0], (*marks, *inside[1:]))
    if _is_union(of):
        told = list(dict.fromkeys(words(inner) for inner in inside))
        return (", or " if any(", each" in one for one in told) else " or ").join(told)
    if origin is Literal:
        return " or ".join(map(str, inside))
    if of in (int, float):
        return f"{'a whole number' if of is int else 'a number'}{_range(marks)}"
    if of in (list, tuple) or origin in (list, tuple):
        return f"a list{_length(marks)}{f', each {words(inside[0])}' if inside else ''}"
    if of is dict or origin is dict:
        plain = not inside or inside[1] is Any
        return "a mapping (key: value, ...)" if plain else f"a mapping, each value {words(inside[1])}"
    names = {bool: "true or false", str: "text", type(None): "null", Any: "anything"}
    return names.get(of, getattr(of, "__name__", str(of)))
