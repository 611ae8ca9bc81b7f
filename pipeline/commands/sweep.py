"""``sweep``: a method of a paper over values of its parameters, as a paper file that can be kept, built and shown."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands import _own, _targets
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.planning.catalogue import Catalogue

HELP = "a method over values of its parameters: a table and a figure, declared in a file that can be kept"

FOLDER = Path("sweeps")
"""Where sweeps are declared unless another folder is named; its layout is that of --config extend=FOLDER."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``sweep``."""
    parser.add_argument("method", metavar="PAPER/METHOD", help="what is swept, such as directpred/directpred")
    parser.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="a parameter (optimizer.lr=0.01,0.03 or =log:0.001..0.1:5), an axis of the paper, method, epochs, or "
        "seed=0..4; once for each",
    )
    parser.add_argument("--on", action="append", default=[], metavar="DATASET", help="a data set; again for more")
    parser.add_argument(
        "--measure", action="append", default=[], metavar="NAME", help="of the paper (its first in %%); again for more"
    )
    parser.add_argument(
        "--epochs", type=_epochs, metavar="N", help="as the paper counts them (those of its tables); a scale maps them"
    )
    parser.add_argument("--name", default="", metavar="NAME", help="of the sweep, and of its file and results")
    _own.add(parser, FOLDER)
    _targets.add_config(parser)


def _epochs(text: str) -> int:
    """A positive whole number."""
    value = int(text)
    if not 0 < value <= 10_000_000:
        raise ValueError
    return value


def run(arguments: argparse.Namespace) -> int:
    """Declare a sweep as a paper of its own, build its table and its figure, and show them."""
    from pipeline import files
    from pipeline.durations import rough
    from pipeline.engine import summary
    from pipeline.engine.estimate import Forecast
    from pipeline.planning import spec, sweep

    folder, config = _own.folder(arguments, FOLDER)
    typed = sweep.Sweep(
        arguments.method, arguments.over, arguments.on, arguments.measure, arguments.epochs, arguments.name
    )
    before = _targets.catalogue([*config, *_own.declarations(folder)])
    content = sweep.declared(typed, before)
    placed = sweep.placed(content, _own.typed(), folder / "papers", before, bool(arguments.name))
    path = placed.path
    paper = spec.parse(spec.Paper, placed.content, str(path))
    scale = before.scale(before.options.scale)
    if any(item.partition("=")[0] in ("seed", "seeds") for item in arguments.over):
        wanted = paper.artifacts["table"].seeds
        if before.options.seeds not in (None, wanted):
            raise UserError(f"--config seeds={before.options.seeds}: --over seed says {wanted}; leave one of them out")
        if scale.seeds and scale.seeds < wanted and before.options.seeds is None:
            config = [*config, f"seeds={wanted}"]  # else the scale would train fewer
    known = _targets.catalogue([*config, *_own.declarations(folder)]).with_paper(paper, path)
    names = [f"{paper.paper}/{name}" for name in paper.artifacts]
    planned = _targets.planned(names, known)
    files.write_if_different(path, placed.text)
    for other in placed.kept:
        print(f"{other} declares another sweep and is kept; this one is {path}")
    seconds, basis = Forecast(planned.states, planned.scale).seconds()
    runs = {(name, seed) for name, planned_run in planned.plan.runs.items() for seed, _ in planned_run.milestones}
    print(f"{path}: {len(runs)} runs, about {rough(seconds)} ({basis})", flush=True)
    for line in _epochs_mapped(paper, known):
        print(line, flush=True)
    edition = known.options.edition()
    targets = [f"results/{edition}/{paper.paper}/{name}.csv" for name in paper.artifacts]
    config = [*config, f"extend={folder}"]
    again = _own.line(targets, arguments.cores, config)
    if arguments.no_build:
        print(f"to build it, type: {again}")
        return 0
    status = _own.build(targets, arguments.cores, config)
    if status:
        return status
    summary.show_page(Path(targets[0]).with_suffix(".md"), sys.stdout, plain=True)
    picture = Path(targets[1]).with_suffix(".png")
    print(f"\nfigure: {picture} and {picture.with_suffix('.pdf')}")
    print(f"declared in {path}, which is yours to edit and keep; then type: {again}")
    return 0


def _epochs_mapped(paper: object, known: Catalogue) -> list[str]:
    """What the scale makes of the epochs that were named, where that is something else."""
    from pipeline.planning.spec import Paper

    assert isinstance(paper, Paper)
    scale = known.scale(known.options.scale).of(paper.paper, "table")
    asked = paper.artifacts["table"].axes()["epochs"]
    mapped = [scale.trained(epochs) for epochs in asked]
    if mapped == asked:
        return []
    words = [f"{ours} for {theirs}" for theirs, ours in zip(asked, mapped, strict=True)]
    return [f"epochs at scale {known.options.scale}: {', '.join(words)}"]
