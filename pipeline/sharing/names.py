"""Names of a bundle's members: which there may be, and how they must be written.

Nothing of a bundle is ever extracted under a name of its own by ``verify``; but people unpack what they are sent, so
a bundle whose names could do harm on any system is refused whole.
"""

from __future__ import annotations

import re
import unicodedata

from pipeline.errors import plain
from pipeline.ledger import workspace

__all__ = ["fault", "is_node", "plain", "safe", "same_place", "suffix"]

MANIFEST, SIGNATURE, PAGE, CRATE = "manifest.json", "signature.sshsig", "index.html", "ro-crate-metadata.json"

TOP = {
    "Snakefile",
    "Makefile",
    "LICENSE",
    "CITATION.cff",
    "README.md",
    "pyproject.toml",
    "requirements.txt",
    MANIFEST,
    SIGNATURE,
    PAGE,
    CRATE,
}
"""Members that lie in no folder."""

SUFFIXES = {
    "results": {".csv", ".json", ".md", ".png", ".pdf", ".gif"},
    "receipts": {".json"},
    "keys": {".json"},
    "measurements": {".json", ".csv", ".safetensors"},
    "simulations": {".json", ".safetensors"},
    "checkpoints": {".json", ".csv", ".safetensors"},
    "data": {".json", ".csv", ".safetensors"},
    "params": {".yaml", ".csv"},
    "pipeline": {".py"},
    "rules": {".smk"},
    "profiles": {".yaml"},
    "extend": {".py", ".yaml", ".csv"},
}
"""First folder -> what its files may be; there are no others."""

_PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".bin"}
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST, _DEEPEST = 240, 12


def suffix(name: str) -> str:
    """``.json`` of ``a/b.receipt.json``; empty where there is none."""
    last = name.rsplit("/", 1)[-1]
    return f".{last.rsplit('.', 1)[1].lower()}" if "." in last.lstrip(".") else ""


def fault(name: str) -> str | None:
    """Why a bundle may not have a member of this name; None if it may."""
    if not name or len(name.encode("utf-8", "replace")) > _LONGEST:
        return "its name is empty or too long"
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        return "its name is absolute or has a backslash"
    if any(unicodedata.category(letter)[0] == "C" or letter in ':*?"<>|' for letter in name):
        return "its name has a character that no file of a bundle has"
    if unicodedata.normalize("NFC", name) != name:
        return "its name is not in the normal form NFC"
    parts = name.split("/")
    if ".." in parts or "." in parts or "" in parts or len(parts) > _DEEPEST:
        return "its name leads elsewhere"
    if any(_DEVICE.fullmatch(part) or part[-1] in " ." or part[0] in " -~" for part in parts):
        return "its name means something else on some systems"
    if suffix(name) in _PICKLES:
        return "it can hold a pickle, and opening one runs what is in it"
    if len(parts) == 1:
        return None if name in TOP else "no file of a bundle is called so"
    allowed = SUFFIXES.get(parts[0])
    if allowed is None or suffix(name) not in allowed:
        return "no file of a bundle lies there under such a name"
    return None


def same_place(name: str) -> str:
    """What is equal for two names that are one file on some system: other case, other form of a letter."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def is_node(name: object) -> bool:
    """Whether this is how a node is called."""
    return isinstance(name, str) and len(name) < _LONGEST and workspace.is_node(name) and safe(name)


def safe(path: str) -> bool:
    """Whether a relative path stays where it is, and is plain to write."""
    return not any(part in ("", ".", "..") for part in path.split("/")) and path.isprintable() and "\\" not in path
