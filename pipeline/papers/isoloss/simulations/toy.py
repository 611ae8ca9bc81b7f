"""Figures 2 and 5 of Halvagal 2023: toy networks under all losses, trained, and the theory of the linear one."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.papers.isoloss import spectra, toy
from pipeline.ranges import Count, NonNegative, Pair, Positive, Replications, Seed, Width
from pipeline.simulation.records import Simulation

_SETTINGS = {
    "euclidean nosg": ("euclidean", "nosg", 0.01),
    "euclidean nopred": ("euclidean", "nopred", 0.1),
    "euclidean": ("euclidean", "plain", 0.01),
    "euclidean iso": ("euclidean", "iso", 0.01),
    "cosine nosg": ("cosine", "nosg", 0.1),
    "cosine nosg, published": ("cosine", "published", 0.1),
    "cosine nopred": ("cosine", "nopred", 0.1),
    "cosine": ("cosine", "plain", 0.1),
    "cosine iso": ("cosine", "iso", 0.1),
}
"""Metric, variant and learning rate of the eigenvalue panels; trajectories have one rate for all."""


def simulate(
    *,
    relu: bool = False,
    modes: Width = 10,
    inputs: Width = 15,
    scale: Positive = 0.25,
    replications: Replications = 6,
    seed: Seed = 12,
    steps: Count = 1500,
    steps_without_predictor: Count = 100000,
    stretch: Count = 20,
    samples: Count = 2000,
    samples_without_predictor: Count = 600,
    sigma: NonNegative = 0.1,
    start: Pair[Positive] = [0.08, 0.39],  # noqa: B006 - params are literals
    path_inputs: Width = 6,
    path_lr: Positive = 0.01,
    shown: Count = 20,
    drawn_from: Count = 5000,
) -> Simulation:
    """Eigenvalues of W W^T of ten neurons, and paths of W x of two neurons for some inputs.

    Args:
        relu: Embeddings are relu(W x); W_P stays W W^T. The theory beside it is that of the linear network.
        modes: Neurons of the eigenvalue panels.
        inputs: Their input dimension.
        scale: Standard deviation of their initial weights.
        replications: Random experiments.
        seed: Of all of the first, whose curves are kept; the next has the next. 12 starts from a smallest eigenvalue of
            0.02, as the published panels do.
        steps: Of gradient descent.
        steps_without_predictor: The same for the two losses without predictor, in the eigenvalue panels.
        stretch: These are taken in steps so many times as long, so many times fewer.
        samples: Pairs of views per step.
        samples_without_predictor: The same for the losses without predictor in the eigenvalue panels.
        sigma: Standard deviation of the noise on view 2.
        start: Eigenvalues of the two neurons at step 0.
        path_inputs: Their input dimension.
        path_lr: Their learning rate.
        shown: Inputs whose paths are recorded: those of the longest embeddings ...
        drawn_from: ... of so many.
    """
    rngs = [np.random.default_rng(seed + place) for place in range(replications)]
    weights = np.stack([scale * rng.standard_normal((modes, inputs)) for rng in rngs])
    common: dict[str, Any] = {"sigma": sigma, "relu": relu}
    short = {name: toy.ToySetting(*of) for name, of in _SETTINGS.items() if of[1] != "nopred"}
    long = {name: toy.ToySetting(of[0], of[1], of[2] * stretch) for name, of in _SETTINGS.items() if of[1] == "nopred"}
    few = steps_without_predictor // stretch
    beat = max(few // 200, 1)
    found = toy.train(weights, [*short.values()], steps=steps, every=10, samples=samples, rngs=rngs, **common)
    found += toy.train(
        weights, [*long.values()], steps=few, every=beat, samples=samples_without_predictor, rngs=rngs, **common
    )
    trained = dict(zip([*short, *long], found, strict=True))
    # paths do not depend on how much the other network has drawn
    rngs = [np.random.default_rng([seed + place, 2]) for place in range(replications)]
    all_paths = _paths(rngs, start, path_inputs, path_lr, steps, samples, shown, drawn_from, common)

    def one(own: int) -> Simulation:
        made = Simulation()
        tracks = {name: tracks[own - seed] for name, tracks in trained.items()}
        paths = all_paths[own - seed]
        for name, (metric, variant, lr) in _SETTINGS.items():
            track = tracks[name]
            every = beat if variant == "nopred" else 10
            step = every * (stretch if variant == "nopred" else 1) * np.arange(len(track.weights))
            s = track.eigenvalues
            theory = np.sort(spectra.flow(s[0], metric, variant, np.float64(lr) * step, sigma=sigma), axis=1)
            wanted = spectra.limit(s[0], metric, variant if variant in ("plain", "iso", "nopred") else "plain")
            recruited = [
                step[-1] if (mode < 0.5 * wanted).all() else step[np.argmax(mode >= 0.5 * wanted)] for mode in s.T
            ]
            path, beside, stopped = paths[name]
            told = {
                "smallest at the end": s[-1, 0],
                "largest at the end": s[-1, -1],
                "smallest over largest": s[-1, 0] / s[-1, -1],
                "sum, end over start": s[-1].sum() / s[0].sum(),
                "participation, end over start": spectra.participation(s[-1]) / spectra.participation(s[0]),
                "step of recruitment": recruited[0],
                "step of recruitment, largest": recruited[-1],
                "distance from theory": np.abs(s - theory).max() / theory.max(),
                "path: length over way": None if stopped else _straight(path),  # what ran away has no way to its end
                "path: embedding, end over start": np.linalg.norm(path[-1]) / np.linalg.norm(path[0]),
            }
            for quantity, value in told.items():
                made.add(value, setting=name, quantity=quantity)
            at = track.recorded(every)
            made.curves[f"{name}/step"] = step.astype(np.int64)
            made.curves[f"{name}/trained_step"] = at * (stretch if variant == "nopred" else 1)
            made.curves[f"{name}/trained"] = s[: len(at)]
            made.curves[f"{name}/theory"] = theory
            made.curves[f"{name}/stopped"] = np.array([track.stopped, stopped], dtype=np.int64)
            made.curves[f"{name}/path"] = path
            if variant != "published":
                made.curves[f"{name}/path_theory"] = beside
        return made

    made = Simulation()
    made.replicate(one, seed, replications)
    return made


def _paths(
    rngs: list[np.random.Generator], start: list, inputs: int, lr: float, steps: int, samples: int, shown: int,
    drawn: int, common: dict,
) -> list[dict[str, tuple[np.ndarray, np.ndarray, int]]]:  # fmt: skip
    """Per replication and setting W x of the chosen inputs after each recorded step (T, inputs, 2), trained and linear.

    The third is the step at which the network ran away, 0 if never; its path ends there.
    """
    weights, chosen = [], []
    for rng in rngs:
        weights.append(toy.initial(start, inputs, rng))
        x = rng.standard_normal((inputs, drawn))
        chosen.append(x[:, np.argsort(-np.linalg.norm(weights[-1] @ x, axis=0), kind="stable")[:shown]])
    settings = [toy.ToySetting(metric, variant, lr) for metric, variant, _ in _SETTINGS.values()]
    tracks = toy.train(np.stack(weights), settings, steps=steps, every=10, samples=samples, rngs=rngs, **common)
    time = np.float64(lr) * 10 * np.arange(steps // 10 + 1)
    s0 = np.sort(np.array(start, dtype=np.float64))  # of all: they differ in their directions
    flows = {
        # the published update has no mean flow for two neurons: rare embeddings near zero give it steps without bound
        name: spectra.flow(s0, metric, "plain" if variant == "published" else variant, time, sigma=common["sigma"])
        for name, (metric, variant, _) in _SETTINGS.items()
    }
    found: list[dict[str, tuple[np.ndarray, np.ndarray, int]]] = []
    for place, (own, x) in enumerate(zip(weights, chosen, strict=True)):
        left = np.linalg.eigh(own @ own.T)[1]
        found.append({})
        for name, networks in zip(_SETTINGS, tracks, strict=True):
            track = networks[place]
            theory = np.einsum("am,tm,mi->tia", left, np.sqrt(flows[name] / s0), left.T @ own @ x)
            on_the_way = track.weights[: len(track.recorded(10))]
            found[-1][name] = ((on_the_way @ x).transpose(0, 2, 1), theory, track.stopped)
    return found


def _straight(path: np.ndarray) -> float:
    """Distance from start to end over the length of the way between, mean over inputs: 1 for a straight path.

    The way is followed in strides of ten records, over the jitter of sampling; what does not move goes straight.
    """
    strides = path[::10]
    way = np.linalg.norm(np.diff(strides, axis=0), axis=2).sum(0)
    direct = np.linalg.norm(strides[-1] - strides[0], axis=1)
    moves = way > 1e-9
    return float(np.where(moves, direct / np.where(moves, way, 1.0), 1.0).mean())
