"""``deposit``: what archives want to know of this project, and a draft there."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import _targets
from pipeline.errors import UserError

HELP = "write .zenodo.json and codemeta.json; with --draft also make a draft in an archive"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``deposit``."""
    parser.add_argument("--draft", nargs="+", type=Path, metavar="FILE", help="also make a draft with these files")
    parser.add_argument("--url", default="https://zenodo.org", metavar="URL", help="the archive: https://zenodo.org")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write what archives and catalogues want to know; a draft is made on request alone, and never published."""
    import os

    from pipeline import files
    from pipeline.sharing import deposit

    known = _targets.catalogue(arguments.config)
    token = os.environ.get(deposit.TOKEN, "")
    if arguments.draft:
        deposit.check_address(arguments.url)
        if not token:
            raise UserError(
                f"--draft: needs a token of {arguments.url} in the environment; type: export {deposit.TOKEN}=..."
            )
    made = deposit.described(Path(), known.papers.values())
    kept = []
    for path, content in made.items():
        if arguments.draft and path.exists() and files.read_object(path):
            kept.append(path)  # what a person has edited is what is deposited
            continue
        deposit.check(path, content)
    for path, content in made.items():
        if path not in kept:
            files.write_if_different(path, files.dumps(content))
            print(f"{path}: written from CITATION.cff, pyproject.toml and the papers")
    if arguments.draft:
        place = deposit.draft(arguments.url, token, files.read_object(deposit.ZENODO), arguments.draft)
        print(f"a draft with {len(arguments.draft)} files: {place}; look at it, and publish it there")
