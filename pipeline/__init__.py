"""Rebuild every table and figure of five papers on self-supervised learning."""

import importlib
from typing import Any

from pipeline import bytecode as _bytecode

_bytecode.install()


def load(result: Any, /, **where: Any) -> Any:
    """The encoder behind a cell of a table: see :func:`pipeline.export.encoder.load`.

    ``pipeline.load("results/quick/directpred/table8", method="directpred", epochs=100, dataset="stl10", seed=0)``
    """
    from pipeline.errors import lacking

    try:
        encoder = importlib.import_module("pipeline.export.encoder")  # which imports torch
    except ModuleNotFoundError as error:
        raise lacking(error) or error from None
    return encoder.load(result, **where)
