"""``site``: a static site of everything that is built."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import _targets

HELP = "write a static site of everything that is built"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``site``."""
    parser.add_argument("-o", "--output", type=Path, default=Path("site"), metavar="FOLDER", help="default: site")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write a static site of everything that is built: results, claims, runs, data sets and the way between them."""
    from pipeline.site.build import Site
    from pipeline.site.project import Project

    site = Site(Project(), _targets.catalogue(arguments.config))
    pages = site.write(arguments.output)
    broken = [result.name for result in site.project.results if result.findings]
    print(f"{arguments.output}/index.html: {pages} pages, {len(site.project.results)} results")
    if broken:
        print(f"{len(broken)} of them do not hold, and say so: {', '.join(broken[:5])}")
