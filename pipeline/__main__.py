"""Tables and figures of papers on self-supervised learning: what is planned, why, and where each number comes from."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from pipeline import commands
from pipeline.errors import UserError, explain


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    added = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in commands.NAMES:
        stage = name in commands.STAGES
        module = importlib.import_module(f"pipeline.commands.{'_stage' if stage else name}")
        command = added.add_parser(name, help=module.HELP.format(stage=name), description=module.run.__doc__)
        module.add(command)
        command.set_defaults(run=module.run)
    return parser


def main() -> int:
    """Run one command; what goes wrong by the user's hand or the machine's ends in one line."""
    arguments = _parser().parse_args()
    try:
        return arguments.run(arguments) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        line = explain(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
