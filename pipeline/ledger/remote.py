"""Objects from a DVC remote: asked for what is missing, and for nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.ledger.sources import in_repository


class Unreachable(UserError):
    """A remote is away: what is asked for may well be there."""


def fetch(root: Path, objects: Iterable[str], remote: str | None = None) -> int:
    """Copy objects from a DVC remote into the cache; returns how many came. Those that it lacks are left out.

    Args:
        root: The checkout.
        objects: md5 of each.
        remote: Name of the remote; the default one if None, and nothing happens where there is none.

    Raises:
        UserError: There is no remote of that name, it cannot be read, or it is out of reach.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import SCMError
    from dvc_data.hashfile.hash_info import HashInfo

    wanted = {HashInfo("md5", md5) for md5 in objects}
    name = remote or "(default)"
    try:
        with Repo(str(root), config=None if in_repository(root) else {"core": {"no_scm": True}}) as repo:
            if remote is None and not repo.config["core"].get("remote"):
                return 0
            came = repo.cloud.pull(wanted, remote=remote).transferred
            lacking = sorted(one.value for one in wanted - came if one.value)
            away = _away(repo.cloud.get_remote_odb(remote, "fetch"), lacking[0]) if lacking else None
    except NotDvcRepoError:
        return 0
    except SCMError as error:
        raise UserError(f"remote {name}: cannot be read ({error}); type: dvc remote list") from None
    except (DvcException, OSError, ImportError) as error:
        raise Unreachable(f"remote {name}: {_why(error)}") from None
    if away is not None:
        raise Unreachable(f"remote {name}: cannot be reached ({away}); type the same command again when it can")
    return len(came)


def _why(error: Exception) -> str:
    """What keeps a remote from being read, and what to type."""
    text = " ".join(str(error).split()) or type(error).__name__
    needed = re.search(r"(?:requires|pip install) ['\"]?(dvc[\w-]*(?:\[\w+\])?)", text)
    if needed or isinstance(error, ImportError) or type(error).__name__ == "RemoteMissingDepsError":
        name = needed[1] if needed else "dvc[s3]"
        return f"its plugin is not installed; type: pip install '{name}' (or [gs], [azure], [ssh], as its address says)"
    return f"cannot be read ({text}); type: dvc remote list"


def _away(remote: Any, md5: str) -> str | None:
    """Why an object cannot be had, if not for its being absent: DVC takes a server that is away for an empty one.

    Args:
        remote: DVC's object database.
        md5: An object that did not come.
    """
    if remote.fs.protocol in ("local", "file"):
        folder = Path(remote.path).parent.parent  # FOLDER/files/md5
        return None if folder.is_dir() else f"there is no folder {folder}: not mounted, or nothing was ever pushed"
    try:
        remote.fs.info(remote.oid_to_path(md5))
    except Exception as error:  # every kind of remote has errors of its own
        cause: BaseException | None = error
        while cause is not None:
            status = getattr(cause, "status", None)
            if isinstance(status, int) and status not in (404, 410):
                return f"its server answers {status}"
            if isinstance(cause, OSError | TimeoutError) and not isinstance(cause, FileNotFoundError):
                return str(cause) or type(cause).__name__
            cause = cause.__cause__ or cause.__context__
    return None
