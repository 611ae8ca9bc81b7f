"""The mark of what is not finite."""

from __future__ import annotations


class NotFinite(Exception):
    """What is measured has infinities or NaNs: the training diverged, whatever its loss says, or the probe did."""
