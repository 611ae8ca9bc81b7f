"""Expectations over Gaussian inputs of what the cosine loss does to each mode, by quadrature.

A linear network z = W x with Gaussian inputs (E x x^T = 1) and W_P = (W W^T)^alpha keeps its left singular vectors, and
mode m is zh1_m = sqrt(s_m) xi_m, zh2_m = sqrt(s_m) (xi_m + sigma n_m) with standard normal xi, n. Norms in denominators
are removed by

    |D zh1|^-p |zh2|^-q = int int t^(p/2-1) u^(q/2-1) exp(-t |D zh1|^2 - u |zh2|^2) dt du / (Gamma(p/2) Gamma(q/2)),

under which modes stay independent Gaussians with second moments in closed form. What is left are two integrals over
(0, inf), done by the exp-sinh rule.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.papers.isoloss.checks import choice, eigenvalues

if TYPE_CHECKING:
    from jaxtyping import Float64

Array = NDArray[np.float64]


@cache
def _rule(power: int, nodes: int, reach: float) -> tuple[Array, Array]:
    """Nodes and weights of int_0^inf t^(power/2-1) f(t) dt / Gamma(power/2)."""
    y, step = np.linspace(-reach, reach, nodes, retstep=True)
    t = np.exp(0.5 * math.pi * np.sinh(y))
    weights = 0.5 * math.pi * np.cosh(y) * step * t ** (power / 2) / math.gamma(power / 2)
    return t, weights


def _moments(s: Array, lam: Array, sigma: float, p: int, q: int, nodes: int) -> tuple[Array, Array, Array, Array]:
    """Weights (K,) of the nodes, and E zh1_m^2, E zh1_m zh2_m, E zh2_m^2 (K, M) under the tilted Gaussians."""
    t, tw = _rule(p, nodes, 3.9)
    u, uw = _rule(q, nodes, 3.9)
    scale_t, scale_u = (lam**2 * s).sum(), s.sum() * (1.0 + sigma**2)
    tt = (2.0 * lam**2 * s)[None] * (t / scale_t)[:, None]
    uu = (2.0 * s)[None] * (u / scale_u)[:, None]
    one = 1.0 + tt[:, None, :]
    delta = one * (1.0 + sigma**2 * uu[None]) + uu[None]
    weights = (tw * scale_t ** (-p / 2))[:, None] * (uw * scale_u ** (-q / 2))[None] / np.sqrt(delta.prod(-1))
    a = s * (1.0 + sigma**2 * uu[None]) / delta
    c = s / delta
    b = s * (1.0 + sigma**2 * one) / delta
    modes = s.size
    return weights.ravel(), a.reshape(-1, modes), c.reshape(-1, modes), b.reshape(-1, modes)


def cosine_drift(
    s: Float64[Array, " M"], variant: str, *, alpha: float = 1.0, sigma: float = 0.1, nodes: int = 40
) -> Float64[Array, " M"]:
    """ds/dt in units of the learning rate, for the cosine loss with Gaussian inputs, view 1 clean, view 2 noised.

    Exact up to the quadrature (relative error below 1e-6 with the default nodes); Theorem 2 without its
    approximations. The sum of all s is conserved by ``plain``, ``nopred`` and ``nosg``, that of s^(1+alpha) by ``iso``.

    Args:
        s: Eigenvalues of W W^T (M,), at least 0.
        variant: As in :mod:`~pipeline.papers.isoloss.losses`; ``published`` is the published update.
        alpha: W_P = (W W^T)^alpha.
        sigma: Standard deviation of the noise on the input of view 2.
        nodes: Of each of the two quadratures.
    """
    choice("variant", variant, ("plain", "iso", "nopred", "nosg", "published"))
    s = eigenvalues("s", s)
    lam = np.ones_like(s) if variant == "nopred" else s**alpha
    w, a, c, _ = _moments(s, lam, sigma, 3, 1, nodes)
    pull = w @ (c * (a @ lam**2)[:, None] - lam * a * (c @ lam)[:, None])
    rate = pull if variant in ("iso", "nopred") else lam * pull
    if variant == "nosg":
        w, a, c, b = _moments(s, lam, sigma, 1, 3, nodes)
        rate = rate + w @ (lam * c * b.sum(-1)[:, None] - b * (c @ lam)[:, None])
    if variant == "published":
        # E zh1_m^2 zh2_m^2 = a b + 2 c^2 stands where modes are not independent: k = m
        w, a, c, b = _moments(s, lam, sigma, 3, 1, nodes)
        rate = rate - w @ (c * (c @ lam)[:, None] + lam * (a * b + c**2))
        w, a, _, _ = _moments(s, lam, sigma, 1, 1, nodes)
        rate = rate + lam * (w @ a)
    return 2.0 * rate
