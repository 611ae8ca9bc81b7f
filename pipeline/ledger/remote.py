"""Objects from a DVC remote: asked for what is missing, and for nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import UserError


def fetch(root: Path, objects: Iterable[str], remote: str | None = None) -> int:
    """Copy objects from a DVC remote into the cache; returns how many came. Those that it lacks are left out.

    Args:
        root: The checkout.
        objects: md5 of each.
        remote: Name of the remote; the default one if None, and nothing happens where there is none.

    Raises:
        UserError: There is no remote of that name, or it cannot be read.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    wanted = {HashInfo("md5", md5) for md5 in objects}
    try:
        with Repo(str(root)) as repo:
            if remote is None and not repo.config["core"].get("remote"):
                return 0
            there = repo.cloud.get_remote_odb(remote)
            folder = Path(there.path).parent.parent if there.fs.protocol == "local" else None
            if folder is not None and not folder.is_dir():
                raise NotADirectoryError(f"{folder} is not there: not mounted, or nothing was pushed yet")
            return len(repo.cloud.pull(wanted, remote=remote).transferred)
    except NotDvcRepoError:
        return 0
    except Exception as error:  # every kind of remote has its own
        raise UserError(f"remote {remote or '(default)'}: {_why(error)}") from None


def _why(error: Exception) -> str:
    """Why a remote could not be read, and what to type: that it is away does not mean that it lacks anything."""
    text = " ".join(str(error).split()) or type(error).__name__
    lacking = next((found for found in _causes(error) if isinstance(found, ModuleNotFoundError)), None)
    needed = re.search(r"requires ['\"]?(dvc[\w-]+(?:\[\w+\])?)|pip install ['\"]?(dvc[\w-]*(?:\[\w+\])?)", text)
    if lacking is not None or needed or type(error).__name__ == "RemoteMissingDepsError":
        name = next((group for group in needed.groups() if group), "dvc[s3]") if needed else "dvc[s3]"
        return f"its plugin is not installed; type: pip install '{name}' (or [gs], [azure], [ssh], as its address says)"
    return f"it could not be asked ({text}), which says nothing about what it holds; type: dvc remote list"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
