"""Sentences that only say something behind another: "Those of VICReg too" is told with the one that it goes on from."""

from __future__ import annotations

import re
from collections.abc import Sequence

_REFERS = re.compile(
    r"(also|and|at least|but|each|else|it|its|none|nor|one|or|so|that|their|then|there|these|they|this|those)\b",
    re.IGNORECASE,
)
"""First words that point back."""
_LABEL = re.compile(r"^[^:]{1,40}: ")
"""What a sentence may begin with: ``#6: so it does along a run``."""
_SHORT = 5
"""Words of a sentence that is a list of names or leaves out what the last one said."""


def leads(texts: Sequence[str]) -> list[str]:
    """Per sentence of an artifact the one before that it cannot do without; empty where it stands alone.

    Declarations do not say which these are, so words do. A sentence that is taken for one that goes on has one more
    beside it, which is no harm.

    Args:
        texts: All sentences of one artifact, in their order.
    """
    found, alone = [], ""
    for text in texts:
        goes_on = bool(alone) and _goes_on(text)
        found.append(alone if goes_on else "")
        alone = alone if goes_on else text
    return found


def _goes_on(text: str) -> bool:
    said = _LABEL.sub("", text)
    begins_small = said == text and text[:1].islower()
    return bool(_REFERS.match(said)) or begins_small or said.endswith(" too") or len(text.split()) <= _SHORT
