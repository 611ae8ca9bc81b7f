"""The data of a figure in two versions: which of its values differ, and by how much."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd

_VALUE, _QUANTITY = "value", "quantity"


@dataclass
class Quantity:
    """Values of one quantity in a figure's CSV on both sides.

    Attributes:
        name: The quantity.
        values: How many values both sides have.
        changed: How many of them differ.
        only: How many values only A has, and only B.
        largest: The greatest difference, relative to the larger of the two values; infinite where one is no number.
        at: Where it is, with both values.
    """

    name: str
    values: int
    changed: int
    only: list[int]
    largest: float
    at: str


def compare(old: bytes, new: bytes) -> list[Quantity]:
    """Compare two CSV files of a figure value by value, quantities in the order of the second.

    Values belong together if they agree in every column that tells rows apart; of several that do, the first of one
    side belongs to the first of the other.
    """
    sides = [_read(new), _read(old)]
    columns = list(dict.fromkeys(name for side in sides for name in side.columns if name != _VALUE))
    sides = [side.reindex(columns=[*columns, _VALUE], fill_value="") for side in sides]
    together = pd.concat(sides)
    places = [name for name in columns if name != _QUANTITY and together[name].nunique() > 1]
    keys = [_QUANTITY, *(places or [name for name in columns if name != _QUANTITY])]
    counted = [side.assign(nth=side.groupby(keys).cumcount()) for side in sides]
    rows = pd.merge(*(side[[*keys, "nth", _VALUE]] for side in counted), on=[*keys, "nth"], how="outer", indicator=True,
                    suffixes=("_new", "_old"))  # fmt: skip
    order = {name: number for number, name in enumerate(together[_QUANTITY].unique())}
    groups = sorted(rows.groupby(_QUANTITY), key=lambda group: order[group[0]])
    return [_quantity(str(name), group, keys[1:]) for name, group in groups]


def _read(content: bytes) -> pd.DataFrame:
    text = io.StringIO(content.decode("utf-8", "replace"))
    try:
        found = pd.read_csv(text, dtype=str, keep_default_na=False, na_filter=False)
    except pd.errors.EmptyDataError:
        found = pd.DataFrame(columns=[_QUANTITY, _VALUE], dtype=str)
    named = found.get(_QUANTITY, pd.Series("", index=found.index, dtype=str))
    return found.assign(**{_QUANTITY: named.where(named != "", _VALUE)})


def _quantity(name: str, rows: pd.DataFrame, places: list[str]) -> Quantity:
    both = rows[rows["_merge"] == "both"]
    only = [int((rows["_merge"] == side).sum()) for side in ("right_only", "left_only")]
    changed = both[both["value_old"] != both["value_new"]]
    if changed.empty:
        return Quantity(name, len(both), 0, only, 0.0, "")
    a, b = (pd.to_numeric(changed[side], errors="coerce") for side in ("value_old", "value_new"))
    scale = np.maximum(a.abs(), b.abs()).where(a != b, 1.0)
    far = ((b - a).abs() / scale).fillna(np.inf)
    row = changed.loc[far.idxmax()]
    place = ", ".join(f"{column} {row[column]}" for column in places if row[column])
    return Quantity(
        name, len(both), len(changed), only, float(far.max()), f"{place}: {row['value_old']} -> {row['value_new']}"
    )
