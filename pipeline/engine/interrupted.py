"""Ctrl-C in a build: what Snakemake says of the jobs that end with it is no news.

It reports each of them as an error of its rule, in a dozen lines with the shell command. What was stopped, and how it
goes on, is in the last lines of the build (:mod:`pipeline.engine.summary`); Snakemake's log has everything.
"""

from __future__ import annotations

import logging

_BEGINS = "Terminating processes on user request"


class _Hush(logging.Filter):
    """Passes everything until a build is interrupted, and no errors from then on."""

    interrupted = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show a record."""
        if str(record.msg).startswith(_BEGINS):
            _Hush.interrupted = True
        return not (_Hush.interrupted and record.levelno >= logging.ERROR)


def hush() -> None:
    """Have the terminal, not the log, spared of what Snakemake says once a build is interrupted."""
    from snakemake.logging import logger

    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(_Hush())
