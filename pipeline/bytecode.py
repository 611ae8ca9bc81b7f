"""No bytecode but of the source that is here.

Python takes a ``.pyc`` for that of a source with the same size and time. Bundles, tar and rsync keep times, so old code
would run under a new key. Modules of the package therefore have bytecode that names a hash of its source; and what an
executing stage imports, the user's own modules included, is compiled from its source, whatever lies beside it.
"""

from __future__ import annotations

import contextlib
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from typing import Any

_CHECKED = (0b11).to_bytes(4, "little")
"""Flags of bytecode that names a hash of its source, and is to be compared with it."""


LOADED: dict[str, str] = {}
"""Sources of which this process runs code: path -> hash."""


class Loader(SourceFileLoader):
    """Loads a module from its source, or from bytecode that is of just that source."""

    def get_code(self, fullname: str) -> Any:
        """Code of the module, compiled now or from that very source."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        LOADED[path] = source_hash(source).hex()
        if Finder.anew:
            return self.source_to_code(source, path)
        head = MAGIC_NUMBER + _CHECKED + source_hash(source)
        cached = cache_from_source(path)
        with contextlib.suppress(OSError, EOFError, ValueError, TypeError, ImportError):
            if self.get_data(cached)[:16] == head:
                return super().get_code(fullname)
        code = self.source_to_code(source, path)
        if not sys.dont_write_bytecode:
            import marshal

            with contextlib.suppress(OSError, NotImplementedError):
                self.set_data(cached, head + marshal.dumps(code))
        return code


class Finder:
    """Finds modules of the package; once an executing stage imports, all that are not installed."""

    anew = False
    """Whether everything is compiled from its source from now on."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """See :class:`importlib.abc.MetaPathFinder`."""
        if not (name.startswith("pipeline.") or cls.anew):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and spec.origin and not _installed(spec.origin):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def _installed(path: str) -> bool:
    """Whether a module is Python's own or that of an installed library."""
    inside = (sys.prefix, sys.base_prefix)
    return "site-packages" in path or "dist-packages" in path or any(Path(path).is_relative_to(one) for one in inside)


def install() -> None:
    """Put the finder before Python's own, once."""
    if not any(one is Finder for one in sys.meta_path):
        sys.meta_path.insert(0, Finder)
