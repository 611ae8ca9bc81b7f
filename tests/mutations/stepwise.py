"""The claims of Simon 2023 and what refutes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mutations.harness import Mutation, Table, changed, given, replaced
from mutations.worlds import Measured, Other, everywhere, exchanged
from pipeline.kernels import subspaces
from pipeline.papers.stepwise import aligned, coefficients, correlation, descent, kernel, modes, start, wide


def _half(time: Any) -> Any:
    return np.asarray(time, dtype=np.float64) / 2


def _stepped(step: Any) -> Any:
    """A step of the wide network is followed by ``step(network, rate)``."""

    def apply(patch: Any) -> None:
        original = wide.WideNetwork.step

        def mutant(self: wide.WideNetwork, rate: float) -> Any:
            found = original(self, rate)
            step(self, rate)
            return found

        patch.setattr(wide.WideNetwork, "step", mutant)

    return apply


def _slower(factor: float) -> Any:
    def apply(patch: Any) -> None:
        original = wide.WideNetwork.step
        patch.setattr(wide.WideNetwork, "step", lambda self, rate: original(self, factor * rate))

    return apply


def _turned(outputs: Any) -> Any:
    def mutant(self: wide.WideNetwork) -> Any:
        found = outputs(self)
        return found * (-1.0) ** np.arange(len(found))[:, None]

    return mutant


def _decay(network: wide.WideNetwork, rate: float) -> None:
    network.readout *= 1 - 2 * rate
    network.bias *= 1 - 2 * rate


def _grow(network: wide.WideNetwork, rate: float) -> None:
    network.readout *= 1 + 2 * rate
    network.bias *= 1 + 2 * rate


def _reversed_modes(weights: Any, gamma: Any, rows: Any, **more: Any) -> Any:
    """The leading eigenvalues of Gamma belong to one another's eigenvectors."""
    d = len(weights)
    return (weights, np.concatenate([gamma[:d][::-1], gamma[d:]]), rows), more


def _shuffled(path: Any, *_: Any, **__: Any) -> Any:
    return path[:, ::-1]


MUTATIONS = {
    "half the rate": Mutation(
        "Eq. 10 at half the rate",
        given(aligned.singular_values, lambda time, gamma, starts: ((_half(time), gamma, starts), {})),
    ),
    "end at 1 / gamma": Mutation(
        "s ends at gamma^-1 and not at its root",
        changed(aligned.singular_values, lambda s, time, gamma, starts: s * np.abs(np.asarray(gamma)) ** -0.5),
    ),
    "twice the step times": Mutation("a factor of 2 in Eq. 16", changed(aligned.step_times, lambda tau, *_: 2 * tau)),
    "half the step times": Mutation("a factor of 1/2 in Eq. 16", changed(aligned.step_times, lambda tau, *_: tau / 2)),
    "starts of other dimensions": Mutation(
        "d - j + 1 becomes its tenth power in Eq. 21",
        changed(start.gaussian_starts, lambda s, dimensions, alpha: alpha * (s / alpha) ** 10),
    ),
    "starts too small": Mutation(
        "Eq. 21 for a start a hundredth as large", changed(start.gaussian_starts, lambda s, *_: s / 1e4)
    ),
    "starts too large": Mutation(
        "Eq. 21 for a start a hundred times as large", changed(start.gaussian_starts, lambda s, *_: s * 1e4)
    ),
    "modes in another order": Mutation(
        "eigenvalues of Gamma belong to one another's eigenvectors", given(descent.follow, _reversed_modes)
    ),
    "descent stops short": Mutation(
        "every eigenvalue of C ends at 0.8",
        changed(descent.follow, lambda v, *_, **__: (0.8 * v[0], v[1], 0.8 * v[2])),
    ),
    "W in the wrong span": Mutation(
        "W ends along other eigenvectors",
        changed(descent.follow, lambda v, *_, **__: (v[0], v[1][:, ::-1], v[2])),
    ),
    "network slower": Mutation("the network takes half the step", _slower(0.5)),
    "network faster": Mutation("the network takes one and a half times the step", _slower(1.5)),
    "network decays": Mutation("weight decay on the readout", _stepped(_decay)),
    "network grows": Mutation("the readout grows by itself", _stepped(_grow)),
    "network stops short": Mutation(
        "every eigenvalue of the network's C ends at 0.6", changed(wide.train, lambda c, *_, **__: 0.6 * c)
    ),
    "kernel turned": Mutation(
        "modes of the tangent kernel with views exchanged at random",
        changed(
            kernel.solve,
            lambda found, *_, **__: kernel.KernelSolution(found.gamma, found.vectors[:, ::-1], found.modes[:, ::-1]),
        ),
    ),
    "outputs of other signs": Mutation(
        "the network learns functions that turn from sample to sample",
        lambda patch: patch.setattr(wide.WideNetwork, "outputs", _turned(wide.WideNetwork.outputs)),
    ),
    "modes of small gamma": Mutation(
        "the last of the modes in place of the leading ones",
        changed(
            kernel.solve, lambda found, *_, **__: kernel.KernelSolution(found.gamma[::-1], found.vectors, found.modes)
        ),
    ),
    "random subspaces are equal": Mutation(
        "random subspaces agree with everything",
        changed(subspaces.monte_carlo, lambda found, *_, **__: type(found)(**{**vars(found), "mean": 0.5})),
    ),
    "Eq. 45 at twice the rate": Mutation("A moves twice as fast", changed(coefficients.velocity, lambda v, *_: 2 * v)),
    "Eq. 45 ends elsewhere": Mutation(
        "the unit matrix is half",
        changed(coefficients.velocity, lambda v, a, gamma: v - 0.5 * a * gamma),
    ),
    "Eq. 45 without coupling": Mutation(
        "modes do not see each other: only the diagonal of A Lambda A^T",
        replaced(
            coefficients.velocity,
            lambda a, gamma: a * gamma - np.diag(np.diag((a * gamma) @ a.T)) @ (a * gamma),
        ),
    ),
    "modes leak": Mutation(
        "every mode drives the next one",
        changed(coefficients.velocity, lambda v, a, gamma: v + 0.02 * np.roll(a, 1, axis=1)),
    ),
    "starts turned": Mutation(
        "a smaller start counts as a larger one",
        given(
            coefficients.integrate,
            lambda begin, gamma, times, **more: ((1e-12 * begin / np.abs(begin).max() ** 2, gamma, times), more),
        ),
    ),
    "separate steps": Mutation(
        "eigenvalues of Gamma fall evenly, so that every step leaves a plateau",
        changed(correlation.descending, lambda v, _: (v[0][0] * 0.7 ** np.arange(len(v[0])), v[1])),
    ),
    "learnt in the order of the smallest": Mutation(
        "times belong to one another's modes", changed(aligned.step_times, lambda tau, *_: tau[::-1])
    ),
    "Eq. 48 with the inverse ratio": Mutation(
        "gamma_j / gamma_k in the exponent",
        changed(coefficients.predict, lambda p, begin, gamma, times: p**2 / np.abs(p[0] + (p[0] == 0))),
    ),
    "Barlow's mode starts at full speed": Mutation(
        "the maximum at 0 is none", replaced(modes.barlow_path, modes.supervised_path)
    ),
    "supervised mode starts slowly": Mutation(
        "a supervised mode has a maximum at 0", replaced(modes.supervised_path, modes.barlow_path)
    ),
    "Barlow's half-time of a supervised mode": Mutation(
        "the delay does not depend on the start", replaced(modes.barlow_half_time, modes.supervised_half_time)
    ),
    "supervised half-time of Barlow's mode": Mutation(
        "a supervised mode waits", replaced(modes.supervised_half_time, modes.barlow_half_time)
    ),
    "modes without gamma": Mutation(
        "the rate does not depend on gamma",
        given(modes.barlow_half_time, lambda gamma, s: ((np.ones_like(np.asarray(gamma, dtype=float)), s), {})),
    ),
    "supervised modes without gamma": Mutation(
        "the rate does not depend on gamma",
        given(modes.supervised_half_time, lambda gamma, s: ((np.ones_like(np.asarray(gamma, dtype=float)), s), {})),
    ),
    "one sign": Mutation("a mode forgets its sign", changed(modes.barlow_path, lambda path, *_: np.abs(path))),
    "other sign": Mutation("a mode ends on the other side", changed(modes.barlow_path, lambda path, *_: -path)),
    "A is sharp": Mutation(
        "the original loss is that of the root", replaced(modes.barlow_gradient, modes.sharp_gradient)
    ),
    "B is the original": Mutation(
        "the sharp loss is the original one", replaced(modes.sharp_gradient, modes.barlow_gradient)
    ),
    "C is the original": Mutation("C is not flat beyond 1", replaced(modes.flat_gradient, modes.barlow_gradient)),
    "D is the original": Mutation(
        "D is not softened beyond 1", replaced(modes.softened_gradient, lambda s, slope=0.1: modes.barlow_gradient(s))
    ),
    "top spectral without root": Mutation(
        "gamma^-1 in place of gamma^-1/2",
        changed(aligned.top_spectral, lambda w, gamma, rows, d: w * gamma[:d, None] ** -0.5),
    ),
    "bottom spectral": Mutation(
        "the modes of least gamma",
        replaced(
            aligned.top_spectral,
            lambda gamma, rows, d: (
                gamma[gamma > 1e-12 * gamma[0]][-d:, None] ** -0.5 * rows[gamma > 1e-12 * gamma[0]][-d:]
            ),
        ),
    ),
    "starts without Gram-Schmidt": Mutation(
        "norms of W(0) v_j in place of what is left of them",
        replaced(start.effective_starts, lambda weights, rows: np.linalg.norm(weights @ rows.T, axis=0)),
    ),
    "starts of another power": Mutation(
        "s*(0) to the power of 1.1, wrong by more the smaller the start",
        changed(start.effective_starts, lambda s, *_: s**1.1),
    ),
    "K_Gamma without 1 / 2n": Mutation(
        "K^1/2 P K^1/2 is not divided by 2n", changed(kernel.k_gamma, lambda k, *_, **__: k * len(k))
    ),
    "K_Gamma's modes unscaled": Mutation(
        "gamma is missing in the modes",
        changed(
            kernel.solve,
            lambda found, *_, **__: kernel.KernelSolution(
                found.gamma, found.vectors, found.modes * found.gamma[:, None]
            ),
        ),
    ),
}


def _alignments(axes: Any) -> float:
    """Table 1 and the evolution of the kernel, as the text describes them."""
    quantity, epochs = axes["quantity"], float(axes["epochs"])
    share = epochs / 320
    return {
        "distance to the final kernel": 0.6 * (1 - share),
        "alignment with the final kernel": 0.4 + 0.6 * share,
        "alignment with the labels": 0.1 + 0.3 * share,
        "a(P_exp,P_th)": 0.2 + 0.3 * share,
        "a(P_exp,P_NTK)": 0.15 + 0.2 * share,
        "a(P_end,P_th)": 0.2 + 0.3 * share,
        "a(P_exp,P_end)": 0.1 + 0.9 * share,
    }[quantity]


COUNTED = ("number above 0.1", "large variances", "effective rank", "hidden effective rank")
"""Measures that grow by one with every step that is learnt."""


def _staircase(axes: Any) -> Any:
    """Five modes are learnt along training, at equal ratios of time; every one takes 1 off SimCLR's loss, and 2 off others.

    Networks that start small are behind those that start as usual, and end below them.
    """
    last = {"Barlow Twins, small start": 60000, "SimCLR, small start": 10000}.get(str(axes["method"]), 16000)
    if "steps" in axes:
        way = math.log(axes["steps"]) / math.log(max(last, axes["steps"]))
    else:
        way = math.log1p(axes["epochs"]) / math.log1p(320)
    learnt = math.floor(5 * min(way, 1.0) + 1e-9)
    measure = axes.get("measure")
    if measure == "loss at that step":
        return 30.0 - 2 * learnt
    if measure in COUNTED or (measure is None and "steps" in axes):
        return (float(learnt), 0.0)
    if measure is not None and measure.startswith(("largest", "third")):
        return 1.0 if learnt >= (1 if measure.startswith("largest") else 3) else 1e-3
    return 20 + 40 * way - 10 * (str(axes["method"]).endswith("small start"))


def _ordered(axes: Any) -> Any:
    """Modes grow in the order of the kernel's eigenvalues until they are learnt."""
    return 0.9 if axes["steps"] < 1000 else -0.9


def _byol(axes: Any) -> Any:
    return 1e-3


def _at_once(world: Any) -> Any:
    """All modes become large at the same step, in the middle of the training."""
    return lambda axes: (5.0 * (axes["steps"] > 100), 0.0)


def _hidden_backwards(world: Any) -> Any:
    """What is hidden loses a direction with each that the embeddings gain."""

    def other(axes: Any) -> Any:
        value = world(axes)
        return tuple(10 - one for one in value) if axes.get("measure") == "hidden effective rank" else value

    return other


WORLDS = {
    "theory and kernel": Other("P_th and P_NTK exchanged", exchanged("quantity", "a(P_exp,P_th)", "a(P_exp,P_NTK)")),
    "at chance": Other("embeddings have collapsed to where chance has them", everywhere(0.025)),
    "all alike": Other("all subspaces agree, random ones too", everywhere(0.5)),
    "Barlow Twins and SimCLR": Other("methods exchanged", exchanged("method", "Barlow Twins", "SimCLR")),
    "Barlow Twins and VICReg": Other("methods exchanged", exchanged("method", "Barlow Twins", "VICReg")),
    "first and last pair": Other("pairs exchanged", exchanged("pair", "Barlow Twins and SimCLR", "SimCLR and VICReg")),
    "second and last pair": Other("pairs exchanged", exchanged("pair", "Barlow Twins and VICReg", "SimCLR and VICReg")),
    "backwards": Other("training runs backwards", exchanged("epochs", 0, 320)),
    "the training backwards": Other("training runs backwards", exchanged("epochs", 1, 320)),
    "in no order": Other("the kernel says nothing of the order", everywhere(-0.02)),
    "in order to the end": Other("what is learnt stays ahead", everywhere(0.9)),
    "nothing happens": Other("nothing is learnt", everywhere(1e-3)),
    "hidden representations run backwards": Other("the later, the fewer directions are hidden", _hidden_backwards),
    "large from the start": Other("all are large from the start on", everywhere(5.0)),
    "all at once": Other("all become large at the same step", _at_once),
    **{
        f"{loss} started otherwise": Other(
            "starts exchanged", exchanged("method", f"{loss}, usual start", f"{loss}, small start")
        )
        for loss in ("Barlow Twins", "SimCLR", "VICReg")
    },
}

STEPS = {
    "Eigenvalues become large one after the other": "nothing happens",
    "None is large at the start": "large from the start",
    "At least three are by the end": "nothing happens",
}

MEASURED = {
    "fig1cd": Measured({**STEPS, "The loss falls by 1 with each, by 2.5 or more": "nothing happens"}, _staircase),
    "fig2cd": Measured({**STEPS, "The loss falls": "nothing happens"}, _staircase),
    "fig2ef": Measured({**STEPS, "The loss falls": "nothing happens"}, _staircase),
    "fig3": Measured({"Embeddings come to span more directions": "nothing happens"}, _staircase),
    "fig4": Measured({"Eigenvalues move from small to large, across the gap": "the training backwards"}, _staircase),
    "fig5": Measured(
        {
            "Embeddings come to span more directions": "nothing happens",
            "So do hidden representations": "nothing happens",
            "Their ranks rise and fall together": "hidden representations run backwards",
        },
        _staircase,
    ),
    "learning_steps": Measured(
        {
            "Eigenvalues become large one after the other": "all at once",
            "The second later than the first, by more than the seeds differ": "all at once",
            "The third later than the second, by more than the seeds differ": "all at once",
        },
        _staircase,
    ),
    "learning_order": Measured(
        {
            "In the first steps modes of larger gamma grow more": "in no order",
            "So they do when the first are learnt": "in no order",
            "In the end those of smaller gamma have, as a mode that is learnt stays at gamma^-1/2": "in order to the end",
        },
        _ordered,
    ),
    "byol_steps": Measured(
        {"Footnote 16: no steps are seen (fewer than three eigenvalues become large)": "large from the start"}, _byol
    ),
    "fig7": Measured(
        {
            "Accuracy rises during training": "nothing happens",
            "A small start ends below the usual one (Barlow Twins)": "Barlow Twins started otherwise",
            "A small start ends below the usual one (SimCLR)": "SimCLR started otherwise",
            "A small start ends below the usual one (VICReg)": "VICReg started otherwise",
        },
        _staircase,
    ),
    "table1": Measured(
        {
            "Theory predicts the embeddings of Barlow Twins better than the kernel's own eigenvectors do": (
                "theory and kernel"
            ),
            "Those of SimCLR too": "theory and kernel",
            "Those of VICReg too": "theory and kernel",
            "Alignment is ten times that of chance (d / 2n = 0.025 in the paper) for Barlow Twins": "at chance",
            "for SimCLR": "at chance",
            "for VICReg": "at chance",
            "Random subspaces are at d / 2n": "all alike",
            "Barlow Twins is predicted best (against SimCLR)": "Barlow Twins and SimCLR",
            "Barlow Twins is predicted best (against VICReg)": "Barlow Twins and VICReg",
        }
    ),
    "table2": Measured(
        {
            "Different losses learn related embeddings (Barlow Twins and SimCLR)": "at chance",
            "Barlow Twins and VICReg": "at chance",
            "SimCLR and VICReg": "at chance",
            "Random subspaces are at d / 2n": "all alike",
            "SimCLR and VICReg agree least (against Barlow Twins and SimCLR)": "first and last pair",
            "SimCLR and VICReg agree least (against Barlow Twins and VICReg)": "second and last pair",
        }
    ),
    "ntk_evolution": Measured(
        {
            "The kernel moves far from where it started": "at chance",
            "It comes to align with the labels": "backwards",
            "The initial kernel predicts the final embeddings worse than the final one does": "backwards",
            "But better than chance": "at chance",
        },
        _alignments,
    ),
}

TABLES = {
    "fig1ab": Table(
        {
            "Modes are learnt in the order of gamma": "modes in another order",
            "Eigenvalues of C follow gamma_j s_j(t)^2 of Eq. 10, once the lag of descent is taken off": "half the rate",
            "No mode is learnt later than Eq. 16 says by more than 5 %": "modes in another order",
            "No mode is learnt earlier than Eq. 16 says by more than 5 %": "twice the step times",
            "No mode is learnt later than the estimate of Eq. 21 by more than 10 %": "starts too large",
            "No mode is learnt earlier than the estimate of Eq. 21 by more than 10 %": "starts too small",
            "After each step the loss is a whole number within 0.1": "separate steps",
            "All eigenvalues of C end at 1": "descent stops short",
            "W ends in the span of the leading eigenvectors": "W in the wrong span",
        }
    ),
    "fig2ab": Table(
        {
            "Modes are learnt in the order of gamma": "learnt in the order of the smallest",
            "No mode is learnt later than the tangent kernel says by more than 5 %": "half the step times",
            "No mode is learnt earlier than the tangent kernel says by more than 5 %": "twice the step times",
            "After each step the loss is a whole number within 0.1": "network stops short",
            "Eigenvalues of C that have risen stay near 1 (not below)": "network decays",
            "Eigenvalues of C that have risen stay near 1 (not above)": "network grows",
            "The outputs end in the span of the leading modes of the tangent kernel (squared cosines of all principal angles)": (
                "outputs of other signs"
            ),
        },
    ),
    "exact": Table(
        {
            "A linear model learns what theory predicts": "W in the wrong span",
            "A wide network learns nearly what its initial kernel predicts": "kernel turned",
            "and what its final kernel predicts": "kernel turned",
            "Theory is better than the kernel's own eigenvectors": "kernel turned",
            "Random subspaces are at d / 2n = 0.1": "random subspaces are equal",
        },
        {"hidden": 512, "rate": 1.2e-3},
    ),
    "propositions": Table(
        {
            "Prop. 4.3: the top spectral W has zero loss": "top spectral without root",
            "Prop. 4.3: its squared norm is the sum of 1 / gamma_j": "bottom spectral",
            "Prop. 4.3: every other W of zero loss is larger": "bottom spectral",
            "Result 4.6: W from a small start approaches the aligned solution (1e-3 against 1e-5)": (
                "starts of another power"
            ),
            "Result 4.6: W from a small start approaches the aligned solution (1e-5 against 1e-7)": (
                "starts without Gram-Schmidt"
            ),
            "Result 4.6: at alpha = 1e-7 W is the aligned solution within 1 %": "half the rate",
            "Result 4.6: and the eigenvalues of C are its own": "half the rate",
            "Prop. 5.1: K_Gamma has the eigenvalues of Gamma": "K_Gamma without 1 / 2n",
            "Prop. 5.1: f of Eq. 24 is the top spectral model, on new inputs too": "kernel turned",
            "Prop. 5.1: it has zero loss": "K_Gamma's modes unscaled",
            "Prop. 5.1: its squared norm is the sum of 1 / gamma_j (Eq. 25)": "K_Gamma's modes unscaled",
        }
    ),
    "fig6": Table(
        {
            "Eq. 47 predicts the singular values": "half the rate",
            "They end at gamma^-1/2": "Eq. 45 ends elsewhere",
            "Eq. 48 predicts coefficients above the diagonal within a factor of 3": "Eq. 48 with the inverse ratio",
            "Coefficients above the diagonal stay small": "modes leak",
            "Coefficients below the diagonal stay small": "modes leak",
            "Coefficients below the diagonal stay far below those above it": "Eq. 45 without coupling",
            "A smaller start makes them smaller (1e-3 against 1e-6)": "starts turned",
            "A smaller start makes them smaller (1e-6 against 1e-9)": "starts turned",
        }
    ),
    "fig8": Table(
        {
            "A self-supervised mode starts slowly": "Barlow's mode starts at full speed",
            "A supervised mode starts at full speed": "supervised mode starts slowly",
            "A start 100 times smaller delays a self-supervised mode by log(100) / (4 gamma)": (
                "Barlow's half-time of a supervised mode"
            ),
            "It does not delay a supervised mode": "supervised half-time of Barlow's mode",
            "Escape takes much longer than the approach to the minimum": "Barlow's half-time of a supervised mode",
            "The sign of the start decides for +1": "other sign",
            "or for -1": "one sign",
            "A supervised mode ends at its target from either side": "supervised mode starts slowly",
            "Modes of smaller gamma are slower (1 against .5)": "modes without gamma",
            "Modes of smaller gamma are slower (.5 against .25)": "modes without gamma",
        }
    ),
    "fig9": Table(
        {
            "The original loss is flat at 0": "A is sharp",
            "The sharp loss is not": "B is the original",
            "It learns a slow mode sooner": "B is the original",
            "Flat beyond its minimum, C takes more than twice the learning rate of A": "A is sharp",
            "So does D": "D is the original",
            "Above a learning rate of 1 / (4 gamma) A does not settle": "A is sharp",
            "C settles there": "C is the original",
            "D settles there": "D is the original",
        }
    ),
}
