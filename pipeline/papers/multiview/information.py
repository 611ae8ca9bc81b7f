"""How much of the classes the leading functions of the images tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.papers.multiview.graph import Array

if TYPE_CHECKING:
    from jaxtyping import Float64, Int

_TIE = 1e-9


def class_information(
    vectors: Float64[Array, "images n"], values: Float64[Array, " more"], labels: Int[np.ndarray, " images"]
) -> float:
    """Share of the variance of the class indicators that a linear read-out of classes - 1 functions explains.

    The functions are the leading ones but the first, which is constant. Where the last of them ties with others, any
    rotation of the tied ones would do: the mean over rotations is returned.

    Args:
        vectors: Orthonormal functions of equally probable images as columns, leading first, shape (images, n).
        values: Their eigenvalues, descending, shape (n,); what is left over is not read.
        labels: Shape (images,).
    """
    kinds = np.unique(labels)
    indicators = (labels[:, None] == kinds).astype(np.float64)
    indicators -= indicators.mean(0)
    wanted = len(kinds) - 1
    told = ((vectors[:, 1:].T @ indicators) ** 2).sum(1) / (indicators**2).sum()
    values = values[1 : len(told) + 1]
    last = values[wanted - 1]
    above, tied = values > last + _TIE, np.abs(values - last) <= _TIE
    return float(told[above].sum() + told[tied].mean() * (wanted - above.sum()))
