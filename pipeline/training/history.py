"""The record of a training, one row per epoch."""

from __future__ import annotations

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
