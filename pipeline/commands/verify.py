"""``verify``: whether a bundle holds, with the standard library alone."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

UNANCHORED = 3
"""Exit status where all agrees, and nothing that is known from elsewhere was given. (2 is that of a wrong option.)"""

HELP = "whether a bundle holds: hashes, receipts, results computed again; executes nothing in it"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``verify``."""
    parser.add_argument("bundle", type=Path, metavar="FILE.zip", help="a bundle, or the folder it was unpacked into")
    parser.add_argument("--expect", metavar="HASH", help="the root hash, or the sha256 of the file, from its authors")
    parser.add_argument("--revision", metavar="REV", help="compare receipts with this revision of the clone you are in")
    parser.add_argument(
        "--signer", type=Path, metavar="FILE", help="who must have signed: public key or allowed signers"
    )
    parser.add_argument("--rerun", type=int, default=0, metavar="N", help="execute N random stages again (needs torch)")
    parser.add_argument("--seed", type=int, help="of the choice of stages; default: another one each time")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """Check every hash and every receipt, and compute the results again; status 0 only if all holds and is anchored."""
    import json

    from pipeline.errors import UserError
    from pipeline.ledger.sources import Revision
    from pipeline.sharing.verify import verify

    expect = arguments.expect.strip().lower() if arguments.expect is not None else None
    if expect is not None and not re.fullmatch(r"[0-9a-f]{64}", expect):
        raise UserError(f"--expect {expect}: expected a hash that bundle prints, 64 hexadecimal digits")
    if arguments.rerun < 0:
        raise UserError(f"--rerun {arguments.rerun}: expected a number of stages")
    revision = Revision(Path(), arguments.revision) if arguments.revision is not None else None
    verdict, contents = verify(arguments.bundle, expect, revision, arguments.signer)
    if arguments.rerun and verdict.holds:
        from pipeline.sharing.rerun import rerun

        rerun(contents, verdict, arguments.rerun, arguments.seed)
    contents.close()
    if arguments.json:
        print(json.dumps(verdict.data(), indent=1))
    else:
        print("\n".join(verdict.lines()))
    return {"verified": 0, "unanchored": UNANCHORED}.get(verdict.word, 1)
