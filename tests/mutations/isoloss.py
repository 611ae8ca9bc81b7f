"""Claims of Halvagal 2023 and what refutes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from mutations.harness import Mutation, Table, changed, given, replaced
from mutations.settings import Edit
from mutations.worlds import Measured, Other, everywhere
from pipeline.papers.isoloss import gaussian, kernel, losses, modes, spectra, toy

Loss = tuple[str, str]
"""Metric and variant."""


def _collapse(drift: np.ndarray, s: np.ndarray, variant: str, **_: float) -> np.ndarray:
    return drift - 0.5 * s if variant == "nopred" else drift


def _learn(drift: np.ndarray, s: np.ndarray, variant: str, **_: float) -> np.ndarray:
    return drift + 0.1 * s * (1 - s) + 0.01 * s if variant == "nopred" else drift


def _down(drift: np.ndarray, s: np.ndarray, variant: str, **_: float) -> np.ndarray:
    return -2 * s if variant == "nosg" else drift


def _trained(instead: Mapping[Loss, Loss], *, predictor: float = 1.0) -> Callable[[pytest.MonkeyPatch], None]:
    """Networks descend the gradient of another loss than the one that is named.

    Args:
        instead: Loss -> the one that is taken in its place.
        predictor: Factor of W_P.
    """
    original = losses.gradients

    def mutant(metric: str, variant: str, z1: np.ndarray, z2: np.ndarray, w: np.ndarray, *more: Any) -> Any:
        return original(*instead.get((metric, variant), (metric, variant)), z1, z2, predictor * w, *more)

    return replaced(original, mutant)


def _second_view(metric: str, variant: str, factor: float) -> Callable[[pytest.MonkeyPatch], None]:
    """In the gradient of one loss view 2 counts so many times."""

    def change(of: str, kind: str, z1: np.ndarray, z2: np.ndarray, *more: Any) -> Any:
        return (of, kind, z1, factor * z2 if (of, kind) == (metric, variant) else z2, *more), {}

    return given(losses.gradients, change)


def _all_fast(patch: pytest.MonkeyPatch) -> None:
    original = losses.gradients

    def mutant(metric: str, variant: str, *more: Any) -> Any:
        if (metric, variant) != ("euclidean", "plain"):
            return original(metric, variant, *more)
        return 10.0 * original("euclidean", "iso", *more)[0], None

    replaced(original, mutant)(patch)


def _radial(share: float) -> Callable[[pytest.MonkeyPatch], None]:
    """The gradient of the cosine loss has a part along the embedding."""

    def change(found: Any, metric: str, variant: str, z1: np.ndarray, *_: Any) -> Any:
        return (found[0] + share * z1, found[1]) if (metric, variant) == ("cosine", "plain") else found

    return changed(losses.gradients, change)


def _turned(found: Any, metric: str, variant: str, *_: Any) -> Any:
    return (-found[0], found[1]) if (metric, variant) == ("cosine", "plain") else found


def _eq11_exact(lam: np.ndarray, zh: np.ndarray) -> np.ndarray:
    return (np.sign(zh) * modes.cosine(lam[:, None], zh, zh)).mean(1)


MUTATIONS = {
    "predictor without its eigenvectors": Mutation(
        "W_P is taken for diagonal in any basis",
        given(losses.value, lambda m, v, z1, z2, w, **more: ((m, v, z1, z2, np.diag(np.diag(w))), more)),
    ),
    "eigenvectors not normalised": Mutation(
        "U is not orthogonal",
        given(kernel.jacobian, lambda x, u: ((x, u * np.arange(1.0, 1.0 + len(u))), {})),
    ),
    "Eq. 8 without lambda": Mutation(
        "the predictor is missing inside Eq. 8", replaced(modes.euclidean, lambda lam, zh1, zh2: lam * (zh2 - zh1))
    ),
    "Eq. 9 with lambda squared": Mutation(
        "lambda^2 in place of lambda", replaced(modes.euclidean_mean, lambda lam, zh: lam * (1.0 - lam**2) * zh)
    ),
    "closed form at half the rate": Mutation(
        "a factor of 2 in the closed form",
        given(spectra.euclidean_exact, lambda s0, variant, time: ((s0, variant, time / 2), {})),
    ),
    "network collapses": Mutation("the network is zero after a step", changed(toy.step, lambda v, *_, **__: 0 * v)),
    "inputs all but orthogonal": Mutation("inputs have no overlap", changed(kernel.overlap, lambda v, *_: 1e-3 * v)),
    "inputs of norm 1 per entry": Mutation(
        "products are not divided by the norms", changed(kernel.overlap, lambda v, n, *_: v * np.sqrt(n))
    ),
    "Eq. 10 without lambda": Mutation("lambda_m in front is missing", replaced(modes.cosine, modes.cosine_iso)),
    "Eq. 10 turned": Mutation("the sign of Eq. 10", changed(modes.cosine, lambda v, *_: -v)),
    "Eq. 11 is the mean of Eq. 10": Mutation("Eq. 11 approximates nothing", replaced(modes.near_uniform, _eq11_exact)),
    "predictor halved": Mutation("W_P counts half", _trained({}, predictor=0.5)),
    "predictor doubled": Mutation("W_P counts twice", _trained({}, predictor=2.0)),
    "cosine is Euclidean": Mutation(
        "embeddings are not normalised", _trained({("cosine", "plain"): ("euclidean", "plain")})
    ),
    "cosine without predictor": Mutation(
        "the cosine loss has no predictor", _trained({("cosine", "plain"): ("cosine", "nopred")})
    ),
    "nosg once": Mutation(
        "1 - lambda in place of its square", changed(modes.euclidean_nosg, lambda v, lam, zh: v / (1 - lam))
    ),
    "nosg without a stop at 1": Mutation("no mode stops at lambda = 1", changed(spectra.euclidean_drift, _down)),
    "no noise": Mutation(
        "augmentations add no noise",
        given(spectra.euclidean_drift, lambda s, variant, **more: ((s, variant), {**more, "sigma": 0.0})),
    ),
    "no predictor collapses": Mutation("without predictor all decays", changed(spectra.euclidean_drift, _collapse)),
    "no predictor learns": Mutation("without predictor modes grow", changed(spectra.euclidean_drift, _learn)),
    "nosg printed is true": Mutation(
        "the printed gradient is the true one",
        lambda patch: patch.setattr(modes, "cosine_nosg_printed", modes.cosine_nosg),
    ),
    "view 2 forgotten": Mutation(
        "the part of view 2 has the other sign", changed(modes.cosine_view2, lambda v, *_: -v)
    ),
    "runs away": Mutation(
        "without stop-gradient modes grow",
        changed(
            gaussian.cosine_drift,
            lambda v, s, variant, **_: v + 0.02 * s if variant == "nosg" else v,
        ),
    ),
    "published stays": Mutation(
        "the published update is the gradient",
        given(
            gaussian.cosine_drift,
            lambda s, variant, **more: ((s, "plain" if variant == "published" else variant), more),
        ),
    ),
    "nosg is plain": Mutation(
        "rank is gained as with stop-gradient",
        given(gaussian.cosine_drift, lambda s, variant, **more: ((s, "plain" if variant == "nosg" else variant), more)),
    ),
    "cosine flow turned": Mutation("the sign of Eq. 10's mean", changed(gaussian.cosine_drift, lambda v, *_, **__: -v)),
    "cosine flow decays": Mutation(
        "all modes decay under the cosine loss", changed(gaussian.cosine_drift, lambda v, s, *_, **__: v - 0.01 * s)
    ),
    "cosine flow grows": Mutation(
        "all modes grow under the cosine loss", changed(gaussian.cosine_drift, lambda v, s, *_, **__: v + 0.01 * s)
    ),
    "stop-gradient stays": Mutation(
        "nosg is trained with stop-gradient",
        _trained({("euclidean", "nosg"): ("euclidean", "plain"), ("cosine", "nosg"): ("cosine", "plain")}),
    ),
    "exact is published": Mutation(
        "the exact gradient is the published one", _trained({("cosine", "nosg"): ("cosine", "published")})
    ),
    "published is exact": Mutation(
        "the published update is the gradient", _trained({("cosine", "published"): ("cosine", "nosg")})
    ),
    "view 2 is longer": Mutation("augmentations make embeddings longer", _second_view("euclidean", "nopred", 1.01)),
    "view 2 is shorter": Mutation("augmentations make embeddings shorter", _second_view("euclidean", "nopred", 0.99)),
    "all modes are fast": Mutation("the Euclidean rates do not have lambda in front", _all_fast),
    "iso is plain": Mutation(
        "IsoLoss is the plain loss",
        _trained({("euclidean", "iso"): ("euclidean", "plain"), ("cosine", "iso"): ("cosine", "plain")}),
    ),
    "cosine turned": Mutation("the sign of the cosine loss", changed(losses.gradients, _turned)),
    "cosine pulls inward": Mutation("a radial part in the gradient", _radial(1e-3)),
    "cosine pushes outward": Mutation("a radial part in the gradient", _radial(-1e-3)),
    "views are the same": Mutation(
        "augmentations do nothing", given(toy.train, lambda *a, **more: (a, {**more, "sigma": 0.0}))
    ),
    "IsoLoss keeps lambda": Mutation(
        "IsoLoss has the dynamics of the plain loss",
        changed(modes.cosine_iso, lambda v, lam, *_: lam * v),
    ),
    "IsoLoss of twice the predictor": Mutation(
        "the predictor counts twice in IsoLoss",
        given(losses.iso_value, lambda metric, z1, z2, predictor, **more: ((metric, z1, z2, 2 * predictor), more)),
    ),
    "second form of twice the predictor": Mutation(
        "the predictor counts twice in the second form",
        given(losses.iso_second_value, lambda z1, z2, predictor, **more: ((z1, z2, 2 * predictor), more)),
    ),
}

_BOTH = {
    "Euclidean, no stop-gradient: collapse": "stop-gradient stays",
    "Euclidean, no predictor: no learning": "view 2 is longer",
    "Euclidean, no predictor: no collapse either": "view 2 is shorter",
    "Euclidean: large modes first, the smallest 300 steps after the largest": "all modes are fast",
    "Euclidean IsoLoss: all modes end at the same variance": "iso is plain",
    "Euclidean IsoLoss: straighter paths": "iso is plain",
    "Euclidean IsoLoss: small modes are recruited sooner": "iso is plain",
    "The same with the update of the published figure": "published is exact",
    "Cosine, no stop-gradient, corrected: rank is lost": "stop-gradient stays",
    "Cosine, no predictor: modes become equal, slowly": "views are the same",
    "Cosine: modes become equal": "cosine turned",
    "Cosine IsoLoss: small modes are recruited sooner": "iso is plain",
}
"""Claims that Figures 2 and 5 share."""

_FEW = {
    "replications": 6, "samples": 200, "samples_without_predictor": 100, "shown": 10, "drawn_from": 500,
}  # fmt: skip

TABLES = {
    "fig1": Table(
        {
            "Both losses raise the small mode": "cosine flow turned",
            "Both losses lower the large mode": "cosine flow turned",
            "The cosine loss only redistributes (the sum does not fall)": "cosine flow decays",
            "The cosine loss only redistributes (the sum does not grow)": "cosine flow grows",
        }
    ),
    "fig2": Table(
        {
            **_BOTH,
            "The trained eigenvalues are those of the theory": "predictor halved",
            "Cosine, no stop-gradient: the modes run away": "exact is published",
            "Cosine: at the mean of their start, the sum is conserved (it does not grow)": "cosine pushes outward",
            "Cosine: at the mean of their start, the sum is conserved (it does not fall)": "cosine pulls inward",
            "Cosine IsoLoss: all modes end at the same variance": "iso is plain",
        },
        _FEW,
    ),
    "fig5": Table(
        {
            **_BOTH,
            "Euclidean, no predictor: no learning": "views are the same",  # they grow by noise at the kink
            "Cosine, no stop-gradient: the eigenvalues grow in sum, if only by finite steps": ("stop-gradient stays"),
            "Cosine IsoLoss: the eigenvalues keep growing": "iso is plain",
        },
        _FEW,
    ),
    "appC": Table(
        {
            "C.1: the Euclidean rate without stop-gradient is (1 - lambda)^2": "nosg once",
            "C.1: every mode then collapses": "nosg without a stop at 1",
            "C.1: every mode collapses where augmentations add noise": "no noise",
            "C.2: the printed gradient without stop-gradient is the gradient": "nosg printed is true",
            "C.2, corrected: it is": "view 2 forgotten",
            "C.2: the modes run away": "runs away",
            "C.2, with the update of the published figure: the modes run away": "published stays",
            "C.2, corrected: rank is lost": "nosg is plain",
            "C.3: without predictor nothing is learned (Euclidean)": "no predictor learns",
            "C.3: nor does anything collapse (Euclidean)": "no predictor collapses",
            "C.4: IsoLoss has the dynamics it is made for (Euclidean)": "second form of twice the predictor",
            "C.4: IsoLoss has the dynamics it is made for (cosine)": "IsoLoss keeps lambda",
        }
    ),
    "thm1": Table(
        {
            "The losses do not depend on the basis": "predictor without its eigenvectors",
            "The kernel of a linear network is the same in any basis and diagonal in modes": "eigenvectors not normalised",
            "Eq. 8 is the gradient": "Eq. 8 without lambda",
            "Eq. 9 is its mean over augmentations": "Eq. 9 with lambda squared",
            "The second form of the Euclidean IsoLoss has the gradient of the first": "second form of twice the predictor",
            "The closed form of the eigenvalues solves the flow": "closed form at half the rate",
            "That of IsoLoss does": "closed form at half the rate",
            "A network follows the flow the closer the smaller its steps (0.02 against 0.01)": "network collapses",
            "The same (0.01 against 0.005)": "network collapses",
            "Standard Gaussian inputs have x_i.x_j = delta_ij in high dimension": "inputs all but orthogonal",
            "Inputs of variance 1/N have it": "inputs of norm 1 per entry",
        },
        {"replications": 6},  # what has no spread is decided by the sign test, which needs six
    ),
    "thm2": Table(
        {
            "Eq. 10 is the gradient": "Eq. 10 without lambda",
            "A dominant mode decays": "Eq. 10 turned",
            "It decays as eps^2": "Eq. 10 without lambda",
            "The others grow as eps": "Eq. 10 without lambda",
            "The others grow faster than it decays": "Eq. 10 turned",
            "Near uniformity modes below the average grow": "Eq. 10 turned",
            "Near uniformity modes above the average shrink": "Eq. 10 turned",
            "Eq. 11 gives the direction of the modes": "Eq. 10 turned",
            "Eq. 11 orders the rates of the modes": "Eq. 10 turned",
            "Eq. 11 is exact": "Eq. 11 is the mean of Eq. 10",
        },
        {"replications": 6, "samples": 4000},
    ),
    "fig4": Table(
        {
            "Euclidean: both eigenvalues reach 1 (the smaller)": "predictor doubled",
            "Euclidean: both eigenvalues reach 1 (the larger)": "predictor halved",
            "Cosine: the eigenvalues meet": "cosine without predictor",
            "Cosine: where they meet depends on the start (1 and 2)": "cosine is Euclidean",
            "Cosine: where they meet depends on the start (2 and 3)": "cosine is Euclidean",
            "Cosine: they meet at the mean of their start": "cosine is Euclidean",
            "The trained eigenvalues are those of the theory": "predictor doubled",
        },
        {"replications": 6, "samples": 500},  # what ends at 1 does so without spread
    ),
}

EDITS = {
    f"another stem on {dataset}": Edit(
        f"{dataset} has another stem", {"datasets": {dataset: {"encoder": {"stem": stem}}}}
    )
    for dataset, stem in (("cifar10", "stock"), ("cifar100", "stock"), ("stl10", "cifar"), ("tinyimagenet", "stock"))
}
SETTINGS = {
    "table3": {
        "Runs have the settings of Table 3, CIFAR-10": "another stem on cifar10",
        "Runs have the settings of Table 3, CIFAR-100": "another stem on cifar100",
        "Runs have the settings of Table 3, STL-10": "another stem on stl10",
        "Runs have the settings of Table 3, TinyImageNet": "another stem on tinyimagenet",
    }
}


# -- claims on trained networks


def _trained(axes: Any) -> float:
    """A world in which the paper is right: IsoLoss recruits all modes at once, DirectPred the more the longer it trains.

    Without EMA IsoLoss loses a little, and DirectPred much.
    """
    method, _, loss = str(axes["method"]).partition(", ")
    way = math.log1p(float(axes["epochs"])) / math.log1p(1000)
    iso, ema = method.startswith("Iso"), axes.get("ema", "with") == "with"
    decay = float(axes.get("weight_decay", 4e-4))
    measure = axes.get("measure", "readout")
    if measure == "recruited modes":
        late = 256.0 if loss == "Euclidean" else 30.0 * (4e-4 / decay) ** 0.3
        return min(256.0, 256.0 * way * 1.5) if iso else late * way**3
    if measure == "effective rank":
        return 200.0 * way if ema else 50.0 * way
    if measure == "largest eigenvalue":
        return (4e-4 / decay) ** 0.9
    if measure == "leading alignment":
        return 0.1 + 0.8 * way
    accuracy = 40 + 50 * (way if iso or loss != "Euclidean" else way**3)
    return accuracy - (0.0 if ema else 2.0 if iso else 20.0)


WORLDS = {
    "all alike": Other("nothing makes a difference", everywhere(50.0)),
    "nothing is learnt": Other("accuracies and alignments stay where they were", everywhere(0.1)),
    "IsoLoss is worse": Other(
        "methods with and without IsoLoss exchanged",
        lambda world: lambda axes: world({**axes, "method": _TURNED.get(str(axes["method"]), axes["method"])}),
    ),
    "DirectPred stays behind": Other(
        "Euclidean DirectPred ends five points below",
        lambda world: lambda axes: world(axes) - 5 * (axes["method"] == "DirectPred, Euclidean"),
    ),
}
_PAIRS = [("IsoLoss", "DirectPred"), ("IsoCopy", "DirectCopy")]
_PAIRS += [(f"IsoLoss, {loss}", f"DirectPred, {loss}") for loss in ("Euclidean", "cosine")]
_TURNED = dict(_PAIRS) | {second: first for first, second in _PAIRS}

MEASURED = {
    "table1": Measured(
        {
            "With EMA IsoLoss is as good as DirectPred, within a point": "IsoLoss is five points worse",
            "IsoLoss works without EMA where DirectPred does not": "IsoLoss is worse",
            "The same of the forms that copy C, with EMA": "IsoLoss is five points worse",
        },
        _trained,
    ),
    "table2": Measured({"IsoLoss works without EMA where DirectPred does not": "IsoLoss is worse"}, _trained),
    "fig3": Measured(
        {
            "Euclidean: IsoLoss recruits modes sooner than DirectPred": "IsoLoss is worse",
            "Cosine: IsoLoss recruits more modes than DirectPred": "IsoLoss is worse",
            "Euclidean: DirectPred lags in accuracy early on": "IsoLoss is worse",
            "Euclidean: in the end it has caught up within two points": "DirectPred stays behind",
        },
        _trained,
    ),
    "fig_align": Measured(
        {
            "Training aligns the predictor with the leading eigenvectors": "nothing is learnt",
            "Cosine: the leading ones are aligned in the end": "nothing is learnt",
        },
        _trained,
    ),
    "fig_ema": Measured({"Without EMA some modes are not recruited (the rank is lower)": "all alike"}, _trained),
    "fig_wd": Measured(
        {
            "With less decay DirectPred recruits more modes": "all alike",
            "With less decay IsoLoss ends with larger eigenvalues": "all alike",
        },
        _trained,
    ),
}
WORLDS["IsoLoss is five points worse"] = Other(
    "methods with IsoLoss end five points below",
    lambda world: lambda axes: world(axes) - 5 * str(axes["method"]).startswith("Iso"),
)
