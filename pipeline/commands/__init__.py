"""What people and Snakemake type after ``python -m pipeline``: one file per sub-command, found by its name.

A module has ``HELP`` (one line), ``add(parser)`` and ``run(arguments)``, which returns an exit status or None. It
imports what it needs inside ``run``: reading the command line costs no import of the science. Files that start with
an underscore are shared.
"""

from pathlib import Path

STAGES = ("prepare", "pretrain", "probe", "spectrum", "ntk", "timing", "measure", "simulate", "table", "figure")
"""What Snakemake calls, one per rule; they share ``_stage.py``."""

CALLED = (*STAGES, "scorecard")
"""All that Snakemake calls."""

TYPED = tuple(sorted({path.stem for path in Path(__file__).parent.glob("[!_]*.py")}.difference(CALLED)))
"""What people type."""
