"""The command ``ssl``: ``python -m pipeline``, typed in any folder of a checkout. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FROM = "SSL_TYPED_IN"
"""Variable that says in which folder a command was typed; paths are meant from there."""


def root(folder: Path) -> Path | None:
    """The checkout that a folder is in; None where it is in none."""
    for place in (folder, *folder.parents):
        if (place / "Snakefile").is_file() and (place / "pipeline/__main__.py").is_file():
            return place
    return None


def main() -> int:
    """Call the checkout's own package with the same arguments; what it returns is the exit status."""
    here = Path.cwd()
    found = root(here)
    if found is None:
        print(f"error: {here}: in no checkout of this project; type: cd FOLDER", file=sys.stderr)
        return 1
    os.environ[FROM] = str(here)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(found), os.environ.get("PYTHONPATH")]))
    os.chdir(found)
    return os.execv(sys.executable, [sys.executable, "-m", "pipeline", *sys.argv[1:]])
