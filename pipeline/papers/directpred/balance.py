"""What the flow keeps of its start: the balance of W and Wp (Tian 2021, Theorem 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.papers.directpred.checks import Array
from pipeline.papers.directpred.flow import transposed

if TYPE_CHECKING:
    from jaxtyping import Float64


def imbalance(
    w: Float64[Array, "*batch n2 n1"], wp: Float64[Array, "*batch n2 n2"], alpha_p: float
) -> Float64[Array, "*batch n2 n2"]:
    """W W^T - Wp^T Wp / alpha_p, which decays as exp(-2 eta t) whatever the data and the target do.

    Tian 2021, Eq. 5; Eq. 43 of the supplement omits 1 / alpha_p. It needs one decay eta for both matrices.

    Args:
        w: (..., n2, n1).
        wp: (..., n2, n2).
        alpha_p: Relative rate of the predictor.
    """
    return w @ transposed(w) - transposed(wp) @ wp / alpha_p


def symmetrised_imbalance_velocity(
    f: Float64[Array, "*batch n2 n2"], wp: Float64[Array, "*batch n2 n2"], alpha_p: Any, eta: Any, variance: Any
) -> Float64[Array, "*batch n2 n2"]:
    """d/dt of D = Wp^2 / alpha_p - F under the symmetrised flow, Eq. 7.

    -2 eta D + (1 + sigma^2) / 2 [Wp, [Wp, F]]: Theorem 1 holds for its trace, and for the matrix only once Wp and F
    commute. Derived, not in the text.
    """
    inner = wp @ f - f @ wp
    double = wp @ inner - inner @ wp
    return -2 * eta * (wp @ wp / alpha_p - f) + (1 + variance) / 2 * double
