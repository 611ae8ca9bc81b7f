"""Where DVC keeps its cache, whether a group shares it, what it stages: as DVC itself reads its configuration.

DVC's reader takes longer to import than most commands of ours take, so its answer is kept, and holds as long as every
file and variable that it has looked at is what it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError

MEMORY = ".scratch/dvc-cache.json"
_VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")


@dataclass(frozen=True)
class Cache:
    """DVC's cache.

    Attributes:
        folder: Where it is.
        shared: Whether a group may write to it (``cache.shared = group``).
        autostage: Whether files that DVC writes for Git are staged at once (``core.autostage``).
    """

    folder: Path
    shared: bool = False
    autostage: bool = False


def cache(root: Path) -> Cache:
    """The cache of a checkout; the usual one where DVC was never set up (a folder that a kit works in).

    Raises:
        UserError: A configuration file is none that DVC reads.
    """
    own = [root / ".dvc/config", root / ".dvc/config.local"]
    if not any(path.is_file() for path in own):
        return Cache(root / ".dvc/cache")
    memory = root / MEMORY
    kept = files.read_object(memory)
    known = isinstance(kept.get("files"), list) and "autostage" in kept
    if known and kept.get("asked") == _asked(root, kept["files"]):
        return Cache(Path(kept["folder"]), bool(kept["shared"]), bool(kept["autostage"]))
    try:
        found, read = _ask(root)
    except ImportError:
        for path in own:
            if path.is_file() and re.search(r"^\s*dir\s*=", path.read_text(encoding="utf-8"), re.MULTILINE):
                raise UserError(f"{path}: names a cache, and DVC is not installed; type: pip install dvc") from None
        return Cache(root / ".dvc/cache")
    folder = Path(found["cache"].get("dir") or root / ".dvc/cache")
    answer = Cache(folder, found["cache"].get("shared") == "group", bool(found["core"].get("autostage")))
    with contextlib.suppress(OSError):
        kept = {"asked": _asked(root, read), "files": read, "folder": str(folder)}
        kept |= {"shared": answer.shared, "autostage": answer.autostage}
        files.write(memory, files.dumps(kept))
    return answer


def _asked(root: Path, read: list[str]) -> str:
    """Hash of all that the answer depends on."""
    values = {name: value for name, value in os.environ.items() if name in _VARIABLES or name.startswith("DVC_")}
    contents: dict[str, str | None] = {}
    for name in map(str, read):
        try:
            contents[name] = files.sha256_of(Path(name).read_bytes())
        except OSError:
            contents[name] = None
    about = files.dumps([str(root.resolve()), values, contents])
    return hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()


def _ask(root: Path) -> tuple[dict[str, Any], list[str]]:
    """The configuration as DVC has it, and the files that it looks at."""
    from dvc.config import Config, ConfigError
    from dvc.dirs import global_config_dir, system_config_dir

    places = [Path(system_config_dir()), Path(global_config_dir()), root / ".dvc"]
    read = [str((place / "config").absolute()) for place in places] + [str((root / ".dvc/config.local").absolute())]
    try:
        return dict(Config(str(root / ".dvc"))), read
    except ConfigError as error:
        for name in read:
            with contextlib.suppress(FileNotFoundError):
                try:
                    Config.load_file(name)
                except ConfigError as wrong:
                    raise UserError(f"{name}: not what DVC reads ({wrong}); correct it") from None
        raise UserError(f"{read[2]}: {error}; correct it, and type the same command again") from None
