"""The record of a training: one row per epoch, and the loss of every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

COLUMNS = ("epoch", "loss", "embedding_std", "effective_rank")


class History:
    """Rows of ``history.csv``.

    Attributes:
        rows: (epoch, loss, embedding_std, effective_rank); the loss is the mean over the epoch's images.
    """

    def __init__(self, text: str = "") -> None:
        """Start empty, or from the text of an earlier ``history.csv``."""
        self.rows: list[tuple[int, float, float, float]] = []
        for line in text.splitlines()[1:]:
            epoch, *values = line.split(",")
            loss, spread, rank = map(float, values)
            self.rows.append((int(epoch), loss, spread, rank))

    def add(self, epoch: int, loss: float, spread: float, rank: float) -> None:
        """Append the row of epoch ``epoch`` (the first is 1)."""
        self.rows.append((epoch, loss, spread, rank))

    def text(self) -> str:
        """The CSV; floats as ``repr``, so nothing is lost when it is read again."""
        lines = [",".join(COLUMNS)]
        lines += [",".join(repr(value) for value in row) for row in self.rows]
        return "\n".join(lines) + "\n"


class StepLosses:
    """The loss of every step, kept on the device until its epoch ends, so that no step waits for it.

    Args:
        steps: Steps of an epoch.
        device: Where the losses come from.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self._steps = steps
        self._before = torch.empty(0, dtype=torch.float32)
        self._epoch = torch.full((steps,), torch.nan, dtype=torch.float32, device=device)

    def add(self, step: int, loss: Float[Tensor, ""]) -> None:
        """Note the loss of step ``step`` of the current epoch (the first is 0)."""
        self._epoch[step] = loss

    def end_epoch(self) -> None:
        """Keep what the epoch had; steps that it did not take are NaN."""
        self._before = torch.cat([self._before, self._epoch.cpu()])
        self._epoch.fill_(torch.nan)

    def tensor(self, position: int) -> Float[Tensor, " steps"]:
        """The losses of the first ``position`` steps, float32, on the CPU."""
        return torch.cat([self._before, self._epoch.cpu()])[: max(position, len(self._before))].clone()

    def restore(self, losses: Float[Tensor, " steps"]) -> None:
        """Go to where these losses were all that there were."""
        whole = len(losses) - len(losses) % self._steps
        self._before = losses[:whole].clone()
        self._epoch.fill_(torch.nan)
        self._epoch[: len(losses) - whole] = losses[whole:].to(self._epoch.device)
