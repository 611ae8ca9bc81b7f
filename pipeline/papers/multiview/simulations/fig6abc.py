"""Figure 6 of Ghosh 2024: the augmentation graph of four instances, and Theorem 3.1 on finite graphs."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pipeline.papers.multiview import crops, four, graph, operators
from pipeline.ranges import Count, Fraction, Interval, Replications, Seed
from pipeline.simulation.records import Simulation

_DIGITS = 12
"""Decimals of a distance that should be zero; what is below differs from one linear algebra library to the next."""


def simulate(
    *,
    rho: Fraction = 0.5,
    mu: Fraction = 0.25,
    nu: Fraction = 0.2,
    delta: Fraction = 0.05,
    images: Count = 300,
    crop: Annotated[int, Interval(ge=1, le=8)] = 3,
    replications: Replications = 8,
    seed: Seed = 0,
) -> Simulation:
    """Edge weights of the four-instance graph, its eigenvalues, and how far the two operators' spans are apart.

    Args:
        rho: Probability that an augmentation keeps the instance.
        mu: That it keeps the class only.
        nu: That it keeps the look only.
        delta: That it keeps neither.
        images: Images of digits and of shapes in their graphs.
        crop: Side of their crops, pixels of 8.
        replications: Random sets of images.
        seed: Of the first; the next has the next.
    """
    made = Simulation()
    law = four.transitions(rho, mu, nu, delta)
    found = graph.edges(law)
    expected = four.weights(rho, mu, nu, delta)
    for name, value in zip(("rho", "mu", "nu", "delta"), found[0], strict=True):
        made.add(value, quantity=name)
    # of the graph itself at each vector, not of a formula
    weights = graph.normalised(law)
    eigenvalues = np.array([mode @ weights @ mode for mode in four.MODES])
    for name, value in zip(("constant", "class", "pixels", "neither"), eigenvalues, strict=True):
        made.add(round(float(value), _DIGITS), quantity=f"eigenvalue, {name}")
    distance = round(float(np.abs(found - four.pattern(*expected)).max()), _DIGITS)
    made.add(distance, quantity="distance of the graph from Eq. 46")
    made.add(_apart(law, 2), quantity="distance of the spans, four instances")

    def one(seed: int) -> Simulation:
        drawn = Simulation()
        for source in ("digits", "shapes"):
            ink, labels = crops.images(source, images, seed)
            distance = _apart(crops.crop_law(ink, crop), len(np.unique(labels)))
            drawn.add(distance, quantity=f"distance of the spans, {source}")
        return drawn

    made.replicate(one, seed, replications)
    made.curves = {
        "transitions": law,
        "edges": found,
        "modes": four.MODES,
        "eigenvalues": eigenvalues,
        "probabilities": np.array([rho, mu, nu, delta]),
        "weights": expected,
    }
    return made


def _apart(law: graph.Array, d: int) -> float:
    """Sine of the largest angle between the leading d eigenfunctions of T_k and the d most invariant functions."""
    _, leading = operators.eigenfunctions(law, d)
    _, invariant = operators.invariance_minimisers(law, d)
    return round(operators.span_distance(leading, invariant, graph.marginal(law)), _DIGITS)
