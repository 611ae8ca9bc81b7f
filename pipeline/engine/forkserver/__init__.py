"""Jobs that start with torch loaded: they fork from a process that has imported it once.

Importing torch takes seconds, and Snakemake starts a process per job, so a build of many small stages spends most of
its time on imports. ``client`` is what a job calls once it knows that it must execute something; ``server`` is the
process that forks. A job that finds no server it can trust imports torch itself: nothing but time depends on it.
"""

from pipeline.engine.forkserver.client import Ended, run, wanted

__all__ = ["Ended", "run", "wanted"]
