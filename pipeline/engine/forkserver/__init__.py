"""Jobs that start with large libraries loaded: they fork from a process that has imported them once.

Importing torch or matplotlib takes seconds, and Snakemake starts a process per job, so a build of many small stages
spends most of its time on imports. ``client`` is what a job calls once it knows that it must execute something;
``server`` is the process that forks. A job that finds no server it can trust imports what it needs itself: nothing but
time depends on it.
"""

from pipeline.engine.forkserver.client import Ended, run, wanted

__all__ = ["Ended", "run", "wanted"]
