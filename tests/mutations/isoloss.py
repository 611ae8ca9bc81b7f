"""Claims of Halvagal 2023 and what refutes them: Appendix C, and the second form of IsoLoss."""

from __future__ import annotations

import numpy as np

from mutations.harness import Mutation, Table, changed, given
from pipeline.papers.isoloss import gaussian, losses, modes, spectra


def _collapse(drift: np.ndarray, s: np.ndarray, variant: str, **_: float) -> np.ndarray:
    return drift - 0.5 * s if variant == "nopred" else drift


def _learn(drift: np.ndarray, s: np.ndarray, variant: str, **_: float) -> np.ndarray:
    return drift + 0.1 * s * (1 - s) + 0.01 * s if variant == "nopred" else drift


def _down(drift: np.ndarray, s: np.ndarray, variant: str, **_: float) -> np.ndarray:
    return -2 * s if variant == "nosg" else drift


MUTATIONS = {
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

TABLES = {
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
        {"The second form of the Euclidean IsoLoss has the gradient of the first": "second form of twice the predictor"}
    ),
}
