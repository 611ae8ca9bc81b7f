"""A result again, from the measurements in a bundle, by this checkout's code."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline import components
from pipeline.errors import UserError
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.keys import merged
from pipeline.provenance import identify
from pipeline.work import Work

READ = ("scores.json", "records.json", "curves.safetensors")
"""What artifacts read of measurements and simulations."""

TABLE, FIGURE = "pipeline/artifacts/table.py", "pipeline/artifacts/figure.py"


def again(receipt: Mapping[str, Any], key: Mapping[str, Any], read: Callable[[str], bytes | None]) -> dict[str, Any]:
    """Compute an artifact in a folder of its own; only its params and its scores come from the bundle.

    Args:
        receipt: The artifact's receipt, which must have been checked.
        key: Its key file, for params that are in no key.
        read: Content of a member of the bundle by its name.

    Returns:
        ``files``: sha256 of each file that could be made; ``code``: whether this checkout's code is what the receipt
        names; ``note``: what could not be done, and why.
    """
    params = merged(receipt["params"], key.get("omitted_defaults", {}))
    stem = receipt["node"].rsplit("/", 1)[1]
    if params.get("artifact") != stem or params.get("kind") not in ("table", "figure"):
        raise UserError("its params are not those of such an artifact")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        out.mkdir()
        inputs = {}
        for number, (role, entry) in enumerate(receipt["inputs"].items()):
            inputs[role] = Path(folder, str(number))
            inputs[role].mkdir()
            for name in READ:
                content = read(f"{entry['node']}/{name}")
                if content is not None:
                    (inputs[role] / name).write_bytes(content)
        work = Work(name=receipt["node"], key=receipt["key"], spec=params, out=out, inputs=inputs)
        figure = params["kind"] == "figure"
        with contextlib.suppress(UserError):  # a component of theirs is never imported
            work.components = {"figure": components.find("figure", params["figure"]["kind"])} if figure else {}
        roots = [components.PACKAGE.parent / (FIGURE if figure else TABLE), *work.components.values()]
        same = Fingerprints().code(roots) == receipt["code"]
        note = _figure(work) if figure else _table(work)
        made = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()}
    return {"files": made, "code": same, "note": note}


def _table(work: Work) -> str:
    from pipeline.artifacts import table

    list(table.execute([work]))
    return ""


def _figure(work: Work) -> str:
    """With matplotlib all files; without it the JSON file, which has the rows, the claims and their numbers."""
    params = work.spec
    if work.components:
        with contextlib.suppress(ImportError):
            from pipeline.artifacts import figure

            list(figure.execute([work]))
            return ""
    kind = params["figure"]["kind"]
    lacking = "matplotlib" if work.components else f"its component {kind}, which is not part of this checkout"
    from pipeline.artifacts import claims, formats
    from pipeline.artifacts.report import identity, report
    from pipeline.artifacts.rows import read

    rows, unmatched = read(work)
    verdicts = claims.judge(params["claims"], rows, params["scale"]["key"], work.name)
    content = {**report(params, rows, verdicts, unmatched), "figure": params["figure"], **identity(work)}
    formats.write_json((work.out / params["artifact"]).with_suffix(".json"), content)
    return f"without {lacking}, only its JSON file could be computed again, not the picture"


def carried(name: str, content: bytes) -> str | None:
    """Key that a result carries inside, empty if it lacks one; None for kinds of files that carry none."""
    if not name.endswith((".gif", ".json", ".pdf", ".png")):
        return None
    found = identify.carried(content)
    return found[identify.KEY] if found else ""
