"""Shapes that annotations promise, checked in every call that a test makes.

Modules import jaxtyping for type checkers alone (``if TYPE_CHECKING:``): a run neither needs it nor pays for it. Here its
types are found among the builtins, so that annotations can be evaluated, and its import hook wraps every function and
class of the rooms below in a check by beartype.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import beartype
import jaxtyping
import numpy as np
from numpy.typing import ArrayLike, NDArray

ROOMS = ("nets", "objectives", "views", "kernels")
"""Folders of the package whose functions are checked, beside what the papers have of their own."""
ALONE = ("artifacts/images.py", "evaluation/probing.py", "export/encoder.py", "training/history.py")
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


def check(function: Any) -> Any:
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
    jaxtyping.install_import_hook(modules(), "shape_checks.check")


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Let anything pass, for tests of what a function itself says to arguments that break its promises."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
