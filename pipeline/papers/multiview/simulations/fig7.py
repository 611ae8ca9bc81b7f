"""Figure 7 of Ghosh 2024: what few sampled augmentations do to the eigenvalues of an augmentation graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from pipeline.papers.multiview import crops, four, graph
from pipeline.papers.multiview.graph import Array
from pipeline.papers.multiview.information import class_information
from pipeline.ranges import Count, Fraction, Interval, Replications, Seed, Some
from pipeline.simulation.records import Simulation

_FOUR_LABELS = np.array([0, 0, 1, 1])
_KEPT = 12
_PER_IMAGE_GRAPH = 4
"""Recorded samples of the small graphs for one of the graphs of images, which take so much longer."""

_DIGITS = 12
"""Decimals of a record; what is below differs from one linear algebra library to the next."""

_QUANTITIES = ("eigenvalue gap", "form gap", "fourth eigenvalue", "fourth form", "class information")


def simulate(
    *,
    rho: Fraction = 0.5,
    mu: Fraction = 0.25,
    nu: Fraction = 0.2,
    delta: Fraction = 0.05,
    augmentations: Some[Count] = [2, 8, 32, 128],  # noqa: B006
    samples: Count = 1000,
    replications: Replications = 200,
    images: Count = 300,
    crop: Annotated[int, Interval(ge=1, le=8)] = 3,
    seed: Seed = 0,
) -> Simulation:
    """Population and sampled graphs: four instances, the same by the paper's ansatz, digits, shapes.

    Eigenvalues are those of a graph's own normalised weights, in descending order. Forms are ||T_M f||^2 of the
    population's eigenfunctions f, in the population's order, by the sampled T_M. A gap is (a - b)/(a + b) of the second
    and the third; of the four instances' forms these are the class and the pixels.

    Args:
        rho: Probability that an augmentation keeps the instance.
        mu: That it keeps the class only.
        nu: That it keeps the look only.
        delta: That it keeps neither.
        augmentations: Draws per image.
        samples: Sampled graphs of four instances behind the figure.
        replications: How many of them, the first, stand in the records. Of graphs of images a quarter, two or more,
            each of its own images.
        images: Images of digits and of shapes.
        crop: Side of their crops, pixels of 8.
        seed: Of samples, and of the first images; the next have the next.
    """
    made = Simulation()
    made.curves["augmentations"] = np.array(augmentations, dtype=np.int64)
    small = {
        "four instances": _graph(four.transitions(rho, mu, nu, delta), _FOUR_LABELS, four.MODES.T),
        "ansatz": _graph(four.transitions(*four.ansatz(rho, mu, nu, delta)), _FOUR_LABELS, four.MODES.T),
    }
    for name, one in small.items():
        _population(made, name, [one])
    rng = np.random.default_rng(seed)
    count = max(samples, replications)
    for name, one in small.items():
        _sampled(made, name, [one], augmentations, count, replications, rng)
    few = max(2, replications // _PER_IMAGE_GRAPH)
    for source in ("digits", "shapes"):
        drawn = [crops.images(source, images, seed + place) for place in range(few)]
        graphs = [_graph(crops.crop_law(ink, crop), labels) for ink, labels in drawn]
        _population(made, source, graphs)
        _sampled(made, source, graphs, augmentations, 1, few, rng)
    return made


@dataclass(frozen=True)
class _Graph:
    """Law of a graph's augmentations, labels of its instances, the population's eigenfunctions and what is read."""

    law: Array
    labels: NDArray[np.int64]
    functions: Array
    population: tuple[Array, Array, float]


def _graph(law: Array, labels: NDArray[np.int64], modes: Array | None = None) -> _Graph:
    if modes is None:
        modes = np.linalg.svd(graph.factor(law), full_matrices=False)[2][:_KEPT].T
    functions = modes / np.sqrt(graph.marginal(law))[:, None]
    return _Graph(law, labels, functions, _read(law, functions, labels))


def _population(made: Simulation, name: str, graphs: list[_Graph]) -> None:
    """Numbers of graphs without sampling: one of known law, or those of some sets of images."""
    numbers = np.array([_numbers(*one.population) for one in graphs]).T
    for quantity, values in zip(_QUANTITIES, numbers, strict=True):
        told = values.tolist() if len(graphs) > 1 else values[0]
        made.add(told, graph=name, quantity=quantity, augmentations="population")
    slug = name.replace(" ", "_")
    made.curves[f"{slug}_eigenvalues"], made.curves[f"{slug}_forms"] = graphs[0].population[:2]
    made.curves[f"{slug}_information"] = np.array([graphs[0].population[2]])


def _sampled(
    made: Simulation,
    name: str,
    graphs: list[_Graph],
    augmentations: list,
    count: int,
    recorded: int,
    rng: np.random.Generator,
) -> None:
    """Numbers and curves of so many samples of each graph."""
    slug = name.replace(" ", "_")
    spectra, forms, told = [], [], []
    for draws in augmentations:
        found = [
            _read(sample, one.functions, one.labels)
            for one in graphs
            for sample in graph.sampled(one.law, int(draws), rng, count)
        ]
        numbers = np.array([_numbers(*one) for one in found]).T
        for quantity, values in zip(_QUANTITIES, numbers, strict=True):
            made.add(values[:recorded].tolist(), graph=name, quantity=quantity, augmentations=int(draws))
        spectra.append([one[0] for one in found])
        forms.append([one[1] for one in found])
        told.append([one[2] for one in found])
    for kind, values in (("eigenvalues", np.array(spectra)), ("forms", np.array(forms)), ("information", told)):
        values = np.asarray(values, dtype=np.float64)
        made.curves[f"{slug}_sampled_{kind}"] = np.stack([values.mean(1), values.std(1, ddof=1)])
    if len(graphs[0].law) == 4:
        behind = np.array(forms)[..., 2] - np.array(forms)[..., 1]
        # sampled forms are multiples of 1 / draws^2: ties are common and count half
        wins = np.where(np.abs(behind) < 1e-12, 0.5, behind > 0)
        made.curves[f"{slug}_behind"] = wins.mean(1)


def _read(law: Array, functions: Array, labels: NDArray[np.int64]) -> tuple[Array, Array, float]:
    """Eigenvalues, forms and class information of a law."""
    forms = ((law @ functions) ** 2).mean(0)
    left, values, _ = np.linalg.svd(graph.factor(graph.seen(law)), full_matrices=False)
    spectrum = np.zeros(len(law))
    spectrum[: len(values)] = values**2
    return spectrum[:_KEPT], forms, class_information(left, spectrum, labels)


def _numbers(spectrum: Array, forms: Array, told: float) -> tuple[float, ...]:
    numbers = _gap(spectrum[1], spectrum[2]), _gap(forms[1], forms[2]), spectrum[3], forms[3], told
    return tuple(round(float(number), _DIGITS) for number in numbers)


def _gap(first: float, second: float) -> float:
    """Relative difference; both are zero where every image's draws balance."""
    total = first + second
    return float((first - second) / total) if total > 0 else 0.0
