"""Shapes that annotations promise, checked in every call that a test makes.

Modules import jaxtyping for type checkers alone (``if TYPE_CHECKING:``): a run neither needs it nor pays for it. Here its
types are found among the builtins, so that annotations can be evaluated, and its import hook wraps every function and
class of the rooms below in a check by beartype. A function inside a function is wrapped only if it promises a shape:
it would be wrapped anew in every call of the outer one, which takes longer than what most of them compute.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import beartype
import jaxtyping
import numpy as np
from jaxtyping import _import_hook
from numpy.typing import ArrayLike, NDArray

ROOMS = ("nets", "objectives", "views", "kernels")
"""Folders of the package whose functions are checked, beside what the papers have of their own."""
ALONE = (
    *(
        "artifacts/images.py",
        "data/sharded.py",
        "data/stored.py",
        "evaluation/probing.py",
        "export/encoder.py",
        "training/history.py",
    ),
    *(f"training/processes/{name}.py" for name in ("batchnorm", "gather", "group")),
)
"""Modules of other rooms that annotate shapes."""
TYPES = ("Bool", "Float", "Float32", "Float64", "Inexact", "Int", "Int64", "Num", "Shaped", "UInt8")

_SAID = {
    ArrayLike: object,  # numpy's union of protocols, which beartype can't evaluate
    # numpy gives a scalar where an array has no axes, and its own annotations don't say so
    NDArray[np.float64]: NDArray[np.float64] | np.float64,
}
_CHECK: Callable[[Any], Any] = beartype.beartype(
    conf=beartype.BeartypeConf(is_pep484_tower=True, hint_overrides=beartype.BeartypeHintOverrides(_SAID))
)


class _Transformer(_import_hook.JaxtypingTransformer):  # type: ignore[misc]
    """Puts the decorator on what is to be checked."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """See the base."""
        inside = any(isinstance(parent, ast.FunctionDef) for parent in self._parents)
        leave = inside and not promises_shape(node)
        self._no_type_check_level += leave
        super().visit_FunctionDef(node)
        self._no_type_check_level -= leave
        return node


def promises_shape(function: ast.FunctionDef) -> bool:
    """Whether a type of an argument, or of what is returned, is that of an array with a shape."""
    given = [node.annotation for node in ast.walk(function.args) if isinstance(node, ast.arg)]
    named = (node for one in (*given, function.returns) if one is not None for node in ast.walk(one))
    return any(isinstance(node, ast.Name) and node.id in TYPES for node in named)


def checked(function: Any) -> Any:
    """Wrap a function or class so that its annotations hold; an int passes for a float, as it does for mypy."""
    return _CHECK(function)


def modules() -> list[str]:
    """Names of what is checked: the modules of the rooms, and the equations and measures of every paper."""
    package = Path(__file__).resolve().parent.parent / "pipeline"
    found = [path for room in ROOMS for path in (package / room).rglob("[a-z_]*.py")]
    found += [package / name for name in ALONE]
    found += [*package.glob("papers/*/[a-z]*.py"), *package.glob("papers/*/measures/*.py")]
    # a policy of views is compiled as a whole, and where its graph breaks a wrapper would be another graph
    names = [path.relative_to(package.parent).with_suffix("").parts for path in found if path.parent.name != "policies"]
    return sorted(".".join(parts) for parts in names if parts[-1] != "__init__")


def install() -> None:
    """Check what is imported from now on."""
    import pipeline  # noqa: F401 - its own finder first: what is put before it is asked before it

    for name in TYPES:
        setattr(builtins, name, getattr(jaxtyping, name))
    _import_hook.JaxtypingTransformer = _Transformer
    jaxtyping.install_import_hook(modules(), "shape_checks.checked")


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Let anything pass, for tests of what a function itself says to arguments that break its promises."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
