"""The claims of Ghosh 2024 and what refutes them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from mutations.harness import Mutation, Table, changed, given, replaced
from mutations.settings import Edit
from mutations.worlds import Measured, Other, everywhere
from pipeline.papers.multiview import contrastive, flow, four, graph, information, operators


def _rows(start: np.ndarray, rates: np.ndarray, beta: float, times: np.ndarray) -> tuple:
    return (start, rates, beta, times), {}


def _alike(law: np.ndarray, draws: int, rng: np.random.Generator, size: int) -> np.ndarray:
    """Samples of four instances that do not know class from look; the population for other graphs."""
    if len(law) == 4:
        order = [0, 2, 1, 3]
        law = (law + law[order][:, order]) / 2
    return np.repeat(law[None], size, axis=0)


MUTATIONS = {
    "edges of one's partner": Mutation(
        "an image's edge to the other of its class stands for its own",
        changed(graph.edges, lambda weights, law, p=None: weights[:, [1, 0, 3, 2]]),
    ),
    "class and look alike": Mutation("samples do not know class from look", replaced(graph.sampled, _alike)),
    "edges of one augmentation": Mutation(
        "p(a|x) in place of E[p(a|x) p(b|x)]", replaced(graph.edges, lambda law, p=None: law / len(law))
    ),
    "instance and class": Mutation(
        "rho and mu exchanged", given(four.transitions, lambda rho, mu, nu, delta: ((mu, rho, nu, delta), {}))
    ),
    "look before class": Mutation(
        "mu and nu exchanged", given(four.transitions, lambda rho, mu, nu, delta: ((rho, nu, mu, delta), {}))
    ),
    "neither before look": Mutation(
        "nu and delta exchanged", given(four.transitions, lambda rho, mu, nu, delta: ((rho, mu, delta, nu), {}))
    ),
    "nothing in common": Mutation(
        "an augmentation keeps the instance or neither",
        given(four.transitions, lambda rho, mu, nu, delta: ((0.05, 0.2, 0.25, 0.5), {})),
    ),
    "normalised twice": Mutation(
        "the degrees are taken off twice", changed(graph.normalised, lambda weights, law, p=None: weights / 1.1)
    ),
    "spread around the other views": Mutation(
        "the least invariant functions",
        changed(
            operators.invariance_minimisers,
            lambda v, law, d, p=None: (v[0], np.roll(v[1], 1, axis=0)),
        ),
    ),
    "no ansatz": Mutation("few augmentations leave all as it is", replaced(four.ansatz, lambda *law: law)),
    "all augmentations seen": Mutation(
        "every sample is the population",
        replaced(graph.sampled, lambda law, draws, rng, size=None: np.repeat(law[None], size, axis=0)),
    ),
    "two seen as many": Mutation(
        "two draws give what a thousand give, eight what two do",
        given(
            graph.sampled,
            lambda law, draws, rng, size=None: ((law, {2: 1000, 8: 2}.get(draws, draws), rng, size), {}),
        ),
    ),
    "information turned": Mutation(
        "what is not told counts",
        changed(information.class_information, lambda told, *_: 1 - told),
    ),
    "weak is strong": Mutation(
        "the off-diagonal counts as the diagonal", given(flow.flow, lambda s, r, beta, t: _rows(s, r, 1.0, t))
    ),
    "strong is weak": Mutation(
        "the off-diagonal does not count", given(flow.flow, lambda s, r, beta, t: _rows(s, r, 1e-3, t))
    ),
    "one scale": Mutation(
        "the size of the start is forgotten",
        given(flow.flow, lambda s, r, beta, t: _rows(1e-3 * s / np.sqrt((s**2).mean()), r, beta, t)),
    ),
    "large starts": Mutation(
        "all starts are large",
        given(flow.flow, lambda s, r, beta, t: _rows(0.5 * s / np.sqrt((s**2).mean()), r, beta, t)),
    ),
    "modes of one rate": Mutation(
        "Gamma is a multiple of the unit matrix",
        given(flow.flow, lambda s, r, beta, t: _rows(s, np.full_like(r, r[0]), beta, t)),
    ),
    "rates exchanged": Mutation(
        "the second mode leads", given(flow.flow, lambda s, r, beta, t: _rows(s, r[::-1].copy(), beta, t))
    ),
    "slow flow": Mutation(
        "the factor 4 is missing, and more", given(flow.flow, lambda s, r, beta, t: _rows(s, r, beta, t / 100))
    ),
    "off-diagonal always": Mutation(
        "the loss orthogonalises at beta = 0", given(flow.flow, lambda s, r, beta, t: _rows(s, r, 1.0, t))
    ),
    "off-diagonal never": Mutation(
        "the loss does not orthogonalise at beta = 1", given(flow.flow, lambda s, r, beta, t: _rows(s, r, 0.0, t))
    ),
    "Eq. 41 without cross term": Mutation(
        "the cross term counts once",
        changed(contrastive.loss, lambda value, weights, z: value + float(np.trace(z.T @ weights @ z))),
    ),
    "Eq. 41 for half the graph": Mutation(
        "Z Z^T is compared with half the graph",
        given(contrastive.loss, lambda weights, z: ((weights / 2, z), {})),
    ),
    "gradient of half the graph": Mutation(
        "Z Z^T is compared with half the graph", given(contrastive.gradient, lambda weights, z: ((weights / 2, z), {}))
    ),
    "a loss that likes others": Mutation("the sign of the loss", changed(contrastive.loss, lambda value, *_: -value)),
    "eigenfunctions of the images": Mutation(
        "eigenfunctions are not divided by the root of p_A",
        changed(operators.eigenfunctions, lambda v, law, d, p=None: (v[0], np.roll(v[1], 1, axis=0))),
    ),
    "no variance term": Mutation(
        "the variance term is missing",
        changed(contrastive.terms, lambda told, *_: told | {"variance": 0.0}),
    ),
    "invariance once": Mutation(
        "the invariance term counts once",
        changed(contrastive.terms, lambda told, *_: told | {"invariance": told["invariance"] / 2}),
    ),
}

TABLES = {
    "fig6abc": Table(
        {
            "The graph has the pattern of Eq. 46": "edges of one augmentation",
            "An instance's edge to itself is the heaviest": "edges of one's partner",
            "Views of one class share more than views of one look": "look before class",
            "Views that share neither share least": "neither before look",
            "The class vector's eigenvalue is above the pixel vector's": "look before class",
            "All eigenvalues are below 1": "normalised twice",
            "Both operators have one span (Theorem 3.1), four instances": "spread around the other views",
            "Both operators have one span (Theorem 3.1), digits": "spread around the other views",
            "Both operators have one span (Theorem 3.1), shapes": "spread around the other views",
        },
        {"images": 60},
    ),
    "fig7": Table(
        {
            "Ansatz: the class and pixel eigenvalues come close": "no ansatz",
            "Ansatz: the smallest eigenvalue goes to 0": "no ansatz",
            "Two sampled augmentations: class and pixel modes come closer (forms at their vectors)": (
                "all augmentations seen"
            ),
            "Two sampled augmentations: second and third eigenvalue come closer": "class and look alike",
            "Two sampled augmentations: the smallest eigenvalue is near 0": "instance and class",
            "Two sampled augmentations: so is the form at the last vector": "all augmentations seen",
            "Two sampled augmentations of real images: second and third mode come closer (forms at their functions), "
            "digits": "all augmentations seen",
            "Two sampled augmentations of real images: second and third mode come closer (forms at their functions), "
            "shapes": "all augmentations seen",
            "Few augmentations lose class information, four instances": "all augmentations seen",
            "Few augmentations lose class information, digits": "all augmentations seen",
            "Few augmentations lose class information, shapes": "all augmentations seen",
            "More than two augmentations recover some of it, four instances": "two seen as many",
            "More than two augmentations recover some of it, digits": "two seen as many",
            "More than two augmentations recover some of it, shapes": "two seen as many",
        },
        {"images": 150, "samples": 60},
    ),
    "toyB4": Table(
        {
            "Weak orthogonalisation: the rows become parallel, from scale 0.01": "weak is strong",
            "Weak orthogonalisation: the rows become parallel, from scale 0.0001": "weak is strong",
            "Rows become parallel from scale 0.3 too, which is not small": "one scale",
            "Strong orthogonalisation: the rows become orthogonal": "strong is weak",
            "Weak orthogonalisation: rows end on the leading mode, from scale 0.01": "weak is strong",
            "Weak orthogonalisation: rows end on the leading mode, from scale 0.0001": "weak is strong",
            "Rows end on the leading mode from scale 0.3 too, which is not small": "one scale",
            "The smaller the initialisation, the fewer rows find the second mode": "one scale",
            "Strong orthogonalisation: both modes are learned": "strong is weak",
            "Invariance is reached either way": "slow flow",
        },
        {"draws": 50, "long": 20.0},
    ),
    "equations": Table(
        {
            "Eq. 38: without orthogonalisation all modes of a row have one time of their own": "off-diagonal always",
            "Under strong orthogonalisation they do not": "off-diagonal never",
            "Eq. 41: the loss at the scaled eigenvectors is that of the eigenvalues left out": (
                "Eq. 41 without cross term"
            ),
            "Eq. 41: it stands still there": "gradient of half the graph",
            "Eq. 41: other embeddings have a larger loss": "a loss that likes others",
            "Eq. 41: the minimiser spans the leading eigenfunctions": "eigenfunctions of the images",
            "Eqs. 42 and 43: the loss is covariance, variance and invariance": "no variance term",
            "Eq. 44: invariance pulls to the mean over the augmentations": "invariance once",
        }
    ),
}

EDITS = {
    "another rate": Edit("networks are trained at ten times the rate", {"defaults": {"optimizer": {"lr": 0.01}}}),
    **{
        f"another {param} of the probe": Edit(
            "the linear classifier is another", {"measures": {"patches": {"measure": {param: value}}}}
        )
        for param, value in (("lr", 0.1), ("batch_size", 256), ("epochs", 100), ("weight_decay", 0.0), ("patches", 1))
    },
}
SETTINGS = {
    "table4": {"Runs are trained as Table 4 says": "another rate"},
    "table5": {
        "Linear classifiers are trained as Table 5 says (learning rate)": "another lr of the probe",
        "Linear classifiers are trained as Table 5 says (batch size)": "another batch_size of the probe",
        "Linear classifiers are trained as Table 5 says (epochs)": "another epochs of the probe",
        "Linear classifiers are trained as Table 5 says (weight decay)": "another weight_decay of the probe",
        "Features are the mean of those of 16 patches": "another patches of the probe",
    },
}

# -- claims on trained networks


def _of(axes: Any) -> tuple[float, float, bool]:
    """Views (six of low resolution count as one and a half), share of the images, whether the projector is wide."""
    words = str(axes.get("setting", "")).removeprefix("VICReg, ")
    views = 3.5 if "low resolution" in words else float(words.split(" ")[0] or 2)
    share = float(found[1]) / 100 if (found := re.search(r"(\d+) %", words)) else 1.0
    return views, share, "8192" in words


def _accuracy(views: float, share: float, epochs: float, gain: float = 1.5) -> float:
    """Every view of an image brings as much; the same number of views of fewer images a little more."""
    return 92 - 30 * math.exp(-epochs * views * share * (1.0 if views <= 2 else gain) / 60)


def _trained(axes: Any) -> float:
    """A world in which the paper is right."""
    views, share, wide = _of(axes) if "setting" in axes else (2.0, 1.0, False)
    if axes.get("measure") in ("minutes of an epoch", "views of an epoch"):
        return views * share * (2.0 if wide else 1.0)
    if "choice" in axes:
        width = float(axes["pdim"]) if "pdim" in axes else 8192 / 2 ** float(axes["halvings"])
        weight = axes.get("beta") or (axes.get("scale") and 1 / float(axes["scale"]))
        if weight:  # the best one falls with the width
            return 82.5 - abs(math.log10(float(weight) * width / 3))
        return 82 - 8 * math.log2(8192 / width) / 7
    few = views == 8 and share < 1 and str(axes.get("setting")).startswith("VICReg")
    return _accuracy(views, share, float(axes["epochs"]), 1.2 if few else 1.5)


def _long(axes: Any) -> float:
    """The same for 400 epochs: more views come to a little more, and much earlier."""
    best, at = {2: (92.0, 400), 4: (92.4, 340), 8: (92.6, 140)}[round(_of(axes)[0])]
    left = at - float(axes["epochs"])
    return best - (0.01 * left if left > 0 else -0.0005 * left)


def _no_gain(world: Any) -> Any:
    """Views cost what they cost, and bring nothing."""

    def other(axes: Any) -> float:
        if axes.get("measure") in ("minutes of an epoch", "views of an epoch") or "setting" not in axes:
            return world(axes)
        return _accuracy(2.0, _of(axes)[1], float(axes["epochs"]))

    return other


def _width_decides(world: Any) -> Any:
    """Whatever the weight is, a wide projector is better."""

    def other(axes: Any) -> float:
        if "pdim" in axes:
            return 82 - 8 * math.log2(8192 / float(axes["pdim"])) / 7
        return world(axes) + 5 * _of(axes)[2]

    return other


def _one_weight(world: Any) -> Any:
    """What is best does not depend on the width."""
    return lambda axes: world({**axes, "halvings": 5})


def _as_two(world: Any) -> Any:
    return lambda axes: world({**axes, "setting": "2 views"})


def _width_is_free(world: Any) -> Any:
    """A wide projector takes no longer."""

    def other(axes: Any) -> float:
        cheap = axes.get("measure") == "minutes of an epoch" and _of(axes)[2]
        return world(axes) / 2 if cheap else world(axes)

    return other


def _eight_of_a_quarter(world: Any) -> Any:
    """Eight views of a quarter of the images are far ahead of everything."""

    def other(axes: Any) -> float:
        views, share, _ = _of(axes)
        accuracy = axes.get("measure") != "minutes of an epoch"
        return world(axes) + 5 * (accuracy and views == 8 and share < 1)

    return other


def _two_stay_behind(world: Any) -> Any:
    return lambda axes: world(axes) - 5 * (_of(axes)[0] == 2)


WORLDS = {
    "all alike": Other("nothing makes a difference", everywhere(50.0)),
    "views bring nothing": Other("accuracy does not depend on the number of views", _no_gain),
    "width decides": Other("wide projectors are better whatever the weight", _width_decides),
    "one weight": Other("one weight is best at every width", _one_weight),
    "as two views": Other("whatever the number of views, all is as with two", _as_two),
    "width is free": Other("a wide projector takes no time", _width_is_free),
    "fewer images": Other("with eight views a quarter of the images is best", _eight_of_a_quarter),
    "two stay behind": Other("two views never come to what more of them reach", _two_stay_behind),
}

_WIDTHS = {
    "With a fixed weight narrow projectors are worse (Barlow Twins)": "all alike",
    "With a fixed weight narrow projectors are worse (VICReg)": "all alike",
    "With its weight tuned a narrow projector is as good as a wide one (Barlow Twins)": "width decides",
    "With its weight tuned a narrow projector is as good as a wide one (VICReg)": "width decides",
    "Tuning helps narrow projectors (Barlow Twins)": "all alike",
    "Tuning helps narrow projectors (VICReg)": "all alike",
}
_NOTHING = "views bring nothing"

MEASURED = {
    "table1": Measured(_WIDTHS, _trained),
    "tableD1": Measured(_WIDTHS, _trained),
    "fig2": Measured(
        {
            "With a fixed weight narrow projectors are worse": "all alike",
            "With its weight tuned a narrow projector is as good as a wide one": "width decides",
        },
        _trained,
    ),
    "figD1": Measured(dict(list(_WIDTHS.items())[4:]), _trained),
    "best_weight": Measured(
        {"The narrower the projector the larger its best weight (Barlow Twins)": "one weight"}, _trained
    ),
    "table2": Measured(
        {
            "Four views need less time than two and a wide projector (Barlow Twins)": _NOTHING,
            "Four views need less time than two (Barlow Twins)": _NOTHING,
            "Four views need less time than two and a wide projector (VICReg)": _NOTHING,
            "Four views need less time than two (VICReg)": _NOTHING,
        },
        _trained,
    ),
    "fig3abc": Measured({"Four views end above two": _NOTHING, "They are above from early on": _NOTHING}, _trained),
    "fig3def": Measured(
        {"Four views of half the epochs end above two": _NOTHING, "They are above from early on": _NOTHING}, _trained
    ),
    "table3": Measured(
        {
            "Four views of half of the images need less time than two of all (Barlow Twins)": _NOTHING,
            "Four views of half of the images need less time than two of all (VICReg)": _NOTHING,
            "Two views of a narrow projector need less time than of a wide one (Barlow Twins)": "width is free",
            "Two views of a narrow projector need less time than of a wide one (VICReg)": "width is free",
            "Eight views of a quarter of the images need less time than two of all (Barlow Twins)": _NOTHING,
            "Eight views of a quarter of the images need less time than two of all (VICReg)": _NOTHING,
            "Eight views of a quarter need more time than four of half (VICReg)": "fewer images",
        },
        _trained,
    ),
    "fig4": Measured(
        {
            "Four views of half of the images lose nothing against two of all": _NOTHING,
            "Eight views of a quarter gain nothing over four of half": "fewer images",
        },
        _trained,
    ),
    "fig5": Measured(
        {
            "Four views of half of the images are above two of all, at as many views": _NOTHING,
            "Eight views of a quarter of the images are above two of all, at as many views": _NOTHING,
            "Four views of a quarter of the images are above two of half, at as many views": _NOTHING,
        },
        _trained,
    ),
    "figD2": Measured(
        {"Four views end above two (Barlow Twins)": _NOTHING, "Four views end above two (VICReg)": _NOTHING}, _trained
    ),
    "figD3": Measured(
        {
            "Four views end above two on the other data set": _NOTHING,
            "Four views end above two on the other data set, from STL-10": _NOTHING,
        },
        _trained,
    ),
    "figE1": Measured(
        {
            "More views are ahead early on": "as two views",
            "Two views still gain after 140 epochs": "all alike",
            "Eight views gain nothing more after 140 epochs": "as two views",
        },
        _long,
    ),
    "tableE1": Measured(
        {
            "In the end all are within one point": "two stay behind",
            "Four views come to more than two": "as two views",
            "Eight views come to more than four": "as two views",
            "Four views are at their best before two": "as two views",
            "Eight views are at their best before four": "as two views",
        },
        _long,
    ),
    "figE2": Measured(
        {"Views of low resolution cost less": "all alike", "They keep some of the gain": _NOTHING}, _trained
    ),
    "figE3": Measured(
        {"Four views end above two": _NOTHING, "Four views end above two, of wide projectors": _NOTHING}, _trained
    ),
    "tableE3": Measured(
        {
            "Four views are above two": _NOTHING,
            "Eight are above four": _NOTHING,
            "Four views are above two, of wide projectors": _NOTHING,
            "Eight are above four, of wide projectors": _NOTHING,
            "A narrow projector is as good as a wide one (2 views)": "width decides",
            "A narrow projector is as good as a wide one (4 views)": "width decides",
            "A narrow projector is as good as a wide one (8 views)": "width decides",
        },
        _trained,
    ),
}
