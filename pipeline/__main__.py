"""Tables and figures of papers on self-supervised learning: what is planned, why, and where each number comes from."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from pipeline import commands
from pipeline.entry import FROM
from pipeline.errors import UserError, explain, lacking, nearest
from pipeline.monitor.stop import Stopped


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ssl" if FROM in os.environ else "python -m pipeline", description=__doc__)
    added = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in commands.TYPED + commands.CALLED:
        stage = name in commands.STAGES
        module = importlib.import_module(f"pipeline.commands.{'_stage' if stage else name}")
        command = added.add_parser(name, help=module.HELP.format(stage=name), description=module.run.__doc__)
        module.add(command)
        command.set_defaults(run=module.run, own=command)
    return parser


class _Plain:
    """Standard output for a terminal: what comes from records, servers and file names must not move its cursor."""

    _CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)], "?")
    _CONTROLS |= {ord(letter): letter for letter in "\n\t"}

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        """Write text without control characters, but for line ends and tabulators."""
        self._out.write(text.translate(self._CONTROLS))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


def main() -> int:
    """Run one command; what goes wrong by the user's hand or the machine's ends in one line."""
    parser = _parser()
    word = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if word is not None and word not in commands.TYPED + commands.CALLED:
        parser.error(f"there is no command {word!r}; {nearest(word, commands.TYPED)}")
    arguments = parser.parse_args()
    if (place := os.environ.pop(FROM, None)) is not None:
        _from_there(arguments, Path(place))
    with contextlib.redirect_stdout(_Plain(sys.stdout)):
        return _run(arguments)


_WRITTEN = ("output", "html", "tex", "to", "out", "once", "export")
"""Arguments that name a file or folder that need not be there yet."""


def _from_there(arguments: argparse.Namespace, folder: Path) -> None:
    """Take paths for those of the folder in which the command was typed: of what is there, and of what is written."""
    here = Path.cwd()

    def there(value: Any, written: bool) -> Any:
        if isinstance(value, list):
            return [there(one, written) for one in value]
        if isinstance(value, str) and value.partition("=")[0] in ("extend", "raw_dir"):
            key, _, inner = value.partition("=")
            return f"{key}={there(inner, True)}"
        if not isinstance(value, str | Path) or not str(value) or not (written or (folder / value).exists()):
            return value
        path = folder / Path(value).expanduser()
        return type(value)(path.relative_to(here) if path.is_relative_to(here) else path)

    for name, value in vars(arguments).items():
        if name not in ("command", "own") and value != arguments.own.get_default(name):
            setattr(arguments, name, there(value, name in _WRITTEN))


def _run(arguments: argparse.Namespace) -> int:
    try:
        status = arguments.run(arguments) or 0
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        missing = lacking(error)
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who read it, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Stopped as stop:
        again = "what is done is kept, and the same command goes on from there"
        print(f"stopped by {stop.signal.name}: {again}", file=sys.stderr)
        return 128 + stop.signal
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
