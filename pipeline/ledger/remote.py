"""Objects from a DVC remote: asked for what is missing, and for nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

    wanted = {HashInfo("md5", md5) for md5 in objects}
    try:
        with Repo(str(root)) as repo:
            if remote is None and not repo.config["core"].get("remote"):
                return 0
            return len(repo.cloud.pull(wanted, remote=remote).transferred)
    except NotDvcRepoError:
        return 0
    except (DvcException, OSError) as error:
        raise UserError(f"remote {remote or '(default)'}: {error}; type: dvc remote list") from None
