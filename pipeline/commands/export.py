"""``export``: the encoder of a run as a folder that other code loads: weights, code, configuration, card."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands import _targets

HELP = "an encoder for other code: safetensors, timm's config.json, torch.hub, a card with its numbers"


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``export``."""
    parser.add_argument("which", metavar="RUN", help="a checkpoint's folder, or a table with --where and --seed")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where to; nothing may be there")
    parser.add_argument("--where", nargs="+", default=[], metavar="AXIS=VALUE", help="the cell of the table")
    parser.add_argument("--seed", type=int, metavar="N", help="of the cell's seeds")
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write an encoder so that it can be loaded without this project."""
    from pipeline.errors import UserError
    from pipeline.export import card, encoder, folder
    from pipeline.provenance import titles

    folder.check(arguments.to)
    where = {}
    for item in arguments.where:
        axis, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--where {item}: expected AXIS=VALUE")
        where[axis] = value
    known = _targets.catalogue(arguments.config)
    given = arguments.which
    parts = Path(given).parts
    short = len(parts) < 4 and parts[0] == "results" and not Path(given).exists()  # a link of a build points there
    if short or not any(part in ("results", "checkpoints") for part in parts):
        given = f"{_targets.request(given, known).stem}"
    found = encoder.load(given, seed=arguments.seed, extend=known.extend, **where)
    names = folder.write(found, arguments.to, titles.declared(known, titles.built(found.workspace)))
    architecture = folder.configuration(found)["architecture"]
    print(f"{arguments.to}: {found.node}, {found.features} features, {len(names)} files")
    for words in card.collapsed(found):
        print(f"collapsed: {words}")
    print(f'torch.hub.load("{arguments.to}", "encoder", source="local")')
    if architecture:
        print(f'timm.create_model("local-dir:{arguments.to}", pretrained=True)')
