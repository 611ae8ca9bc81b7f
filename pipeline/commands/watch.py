"""``watch``: a page with the curves of all trainings, which grow while they go on."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import _targets

HELP = "look while it trains: a local page with the curves of all live and finished runs"
PORT = 7007


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, found {text}")
    return int(text)


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``watch``."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="artifacts; all of the scale without any")
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"where it is served ({PORT}); 0: any")
    parser.add_argument(
        "--once",
        nargs="?",
        type=Path,
        const=Path("watch.html"),
        metavar="FILE",
        help="write the page as it is now into a file (watch.html), and end",
    )
    parser.add_argument(
        "--query", default="", metavar="CHOICE", help="with --once: what stands behind ? in an address of the page"
    )
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Serve a page of this machine alone with the curves of all runs of targets, until Ctrl-C. Changes nothing."""
    import contextlib
    import sys

    from pipeline import files
    from pipeline.errors import UserError
    from pipeline.site.board import Board
    from pipeline.site.server import Pages, Server

    if arguments.query and arguments.once is None:
        raise UserError(f"--query {arguments.query}: it goes with --once; type it behind ? in the address of the page")
    if arguments.once is not None:
        files.ours(arguments.once, b"<!doctype html>", b'<form class="watch"', "page of watch")
    known = _targets.catalogue(arguments.config)
    left_out: list[str] = []
    found = _targets.planned(arguments.targets, known, left_out=left_out)
    for line in left_out:
        print(line, file=sys.stderr)
    pages = Pages(Board(found.states, left_out), f"Runs at scale {known.options.scale}")
    if arguments.once is not None:
        files.write(arguments.once, pages.page(arguments.query.removeprefix("?"), alone=True))
        print(arguments.once)
        return
    with contextlib.suppress(KeyboardInterrupt), Server(pages, arguments.port) as server:
        print(f"{server.address}  (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    print("the page is no longer served")
