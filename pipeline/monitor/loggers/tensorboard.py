"""TensorBoard's own files: a folder of events per training; ``tensorboard --logdir logs/tensorboard`` shows them."""

from __future__ import annotations

from collections.abc import Mapping

import tensorboard  # noqa: F401  # torch's writer needs it, and does not say so
from torch.utils.tensorboard import SummaryWriter

from pipeline.monitor.loggers import Logged


class Events:
    """Write events of one training.

    Args:
        run: The training.
    """

    def __init__(self, run: Logged) -> None:
        # what was written beyond the last step that is known of belongs to a training that was killed, or to another
        self._writer = SummaryWriter(str(run.folder), purge_step=run.step + 1)
        if not run.step:
            self._writer.add_text("name", run.name)

    def log(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Write an epoch, by its step, so that who looks sees it and a kill loses nothing."""
        for name, value in {**values, "epoch": epoch}.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


begin = Events
