"""The claims of Tian 2021 and what refutes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mutations.harness import Mutation, Table, changed, given, replaced
from mutations.worlds import Measured, Other, everywhere, exchanged, steady, where
from pipeline.evaluation.measures import spectrum
from pipeline.papers.directpred import alignment, anisotropic, balance, collapse, equilibria, flow, modes, scalars
from pipeline.papers.directpred.flow import transposed
from pipeline.papers.directpred.modes import Rates
from pipeline.papers.directpred.simulations import appd as directpred_appd


def _pull(p: Any, tau: Any, rates: Rates) -> Any:
    return tau - (1 + rates.variance) * p


MODES = {
    "Eq. 11 without decay": Mutation(
        "the predictor's mode does not decay",
        changed(modes.velocity, lambda v, p, s, tau, rates: (v[0] + rates.eta * p, v[1])),
    ),
    "no decay": Mutation(
        "neither mode decays",
        changed(modes.velocity, lambda v, p, s, tau, rates: (v[0] + rates.eta * p, v[1] + 2 * rates.eta * s)),
    ),
    "decay turned": Mutation(
        "the sign of both decays",
        changed(modes.velocity, lambda v, p, s, tau, rates: (v[0] + 2 * rates.eta * p, v[1] + 4 * rates.eta * s)),
    ),
    "Eq. 12 without its factor 2": Mutation(
        "s moves half as fast", changed(modes.velocity, lambda v, *_: (v[0], v[1] / 2))
    ),
    "Eq. 12 with half the decay": Mutation(
        "s decays as p does", changed(modes.velocity, lambda v, p, s, tau, rates: (v[0], v[1] + rates.eta * s))
    ),
    "no target": Mutation(
        "the target's term is missing",
        changed(
            modes.velocity,
            lambda v, p, s, tau, rates: (v[0] - rates.alpha_p * s * tau, v[1] - 2 * p * s * tau),
        ),
    ),
    "target turned": Mutation(
        "the sign of the target",
        changed(
            modes.velocity,
            lambda v, p, s, tau, rates: (v[0] - 2 * rates.alpha_p * s * tau, v[1] - 4 * p * s * tau),
        ),
    ),
    "predictor as slow as the network": Mutation(
        "alpha_p is missing in Eq. 11",
        changed(
            modes.velocity,
            lambda v, p, s, tau, rates: (v[0] - (rates.alpha_p - 1) * s * _pull(p, tau, rates), v[1]),
        ),
    ),
    "predictor rate inverted": Mutation(
        "1 / alpha_p in place of alpha_p in Eq. 11",
        changed(
            modes.velocity,
            lambda v, p, s, tau, rates: (v[0] - (rates.alpha_p - 1 / rates.alpha_p) * s * _pull(p, tau, rates), v[1]),
        ),
    ),
    "moving average inverted": Mutation(
        "1 / beta in place of beta in Eq. 13",
        given(modes.target_velocity, lambda p, tau, beta, rates: ((p, tau, 1 / np.maximum(beta, 1e-300), rates), {})),
    ),
    "moving average without beta": Mutation(
        "beta is missing in Eq. 13",
        given(modes.target_velocity, lambda p, tau, beta, rates: ((p, tau, 0.4 + 0 * beta, rates), {})),
    ),
    "K without F": Mutation(
        "the term of F is missing in Eq. 17",
        changed(modes.alignment_rate, lambda k, p, s, tau, rates: k - rates.alpha_p * (1 + rates.variance) * s / 2),
    ),
    "K without decay": Mutation(
        "the decay is missing in Eq. 17",
        changed(modes.alignment_rate, lambda k, p, s, tau, rates: k - 1.5 * rates.eta),
    ),
    "K turned": Mutation("the sign of Eq. 17", changed(modes.alignment_rate, lambda k, *_: -k)),
}
MODES["Eq. 16 without decay"] = Mutation(
    "the decay is missing on the parabola",
    changed(equilibria.parabola_velocity, lambda v, p, tau, rates: v + rates.eta * p),
)
MODES["Eq. 16 with p in place of p^2"] = Mutation(
    "the mode grows from the origin as an unstable one does",
    changed(equilibria.parabola_velocity, lambda v, p, tau, rates: (p - p**2) * _pull(p, tau, rates) + v),
)
MODES["Eq. 16 with decay turned"] = Mutation(
    "the sign of the decay on the parabola",
    changed(equilibria.parabola_velocity, lambda v, p, tau, rates: v + 2 * rates.eta * p),
)
MODES["the flow of Eq. 12 turned"] = Mutation(
    "s falls where it should rise",
    changed(modes.velocity, lambda v, p, s, tau, rates: (v[0], -2 * p * s * _pull(p, tau, rates) - 2 * rates.eta * s)),
)

MATRICES = {
    "target mirrored": Mutation(
        "the target follows minus the network",
        changed(
            flow.velocity,
            lambda v, w, wp, wa, inputs, alpha_p, eta, beta: (v[0], v[1], -beta * (w + wa)),
        ),
    ),
    "target frozen askew": Mutation(
        "the target follows W transposed",
        changed(
            flow.velocity,
            lambda v, w, wp, wa, inputs, alpha_p, eta, beta: (v[0], v[1], beta * (transposed(w) - wa)),
        ),
    ),
    "target as fast as the network": Mutation(
        "the average forgets within a step",
        given(
            flow.velocity,
            lambda w, wp, wa, inputs, alpha_p, eta, beta: (
                (w, wp, wa, inputs, alpha_p, eta, np.maximum(beta, 50.0)),
                {},
            ),
        ),
    ),
    "no decay of W": Mutation(
        "weight decay params W alone",
        changed(flow.velocity, lambda v, w, wp, wa, inputs, alpha_p, eta, beta: (v[0] + eta * w, v[1], v[2])),
    ),
    "no decay": Mutation(
        "there is no weight decay",
        changed(
            flow.velocity, lambda v, w, wp, wa, inputs, alpha_p, eta, beta: (v[0] + eta * w, v[1] + eta * wp, v[2])
        ),
    ),
    "Wp not transposed": Mutation(
        "Wp in place of its transpose in the gradient of W",
        changed(
            flow.descent,
            lambda v, w, wp, wa, inputs: (wp @ (wa @ inputs.mean - wp @ w @ inputs.view), v[1]),
        ),
    ),
    "no stop-gradient": Mutation(
        "the gradient flows through the target as well",
        changed(
            flow.descent,
            lambda v, w, wp, wa, inputs: (v[0] + wp @ w @ inputs.mean - wa @ inputs.view, v[1]),
        ),
    ),
    "loss with half the target": Mutation(
        "the cross term of the loss counts once",
        changed(flow.loss, lambda v, w, wp, wa, inputs: v + np.einsum("ij,jk,ik->", wp @ w, inputs.mean, wa) / 2),
    ),
    "Eq. 62 without target": Mutation(
        "the target's term is missing in Eq. 62",
        changed(alignment.predictor_velocity, lambda v, wp, f, tau, rates: v - rates.alpha_p * tau * f),
    ),
    "Eq. 62 without decay": Mutation(
        "the decay is missing in Eq. 62",
        changed(alignment.predictor_velocity, lambda v, wp, f, tau, rates: v + rates.eta * wp),
    ),
    "Eq. 62 with a skew target": Mutation(
        "the target pulls toward Wp and not toward F",
        changed(
            alignment.predictor_velocity,
            lambda v, wp, f, tau, rates: v + rates.eta * (wp - transposed(wp)) / 2 + 0.02 * (wp - transposed(wp)),
        ),
    ),
    "Eq. 62 with tau = 1": Mutation(
        "tau is missing in Eq. 62",
        changed(alignment.predictor_velocity, lambda v, wp, f, tau, rates: v + rates.alpha_p * (1 - tau) * f),
    ),
    "Eq. 7 without decay": Mutation(
        "the decay is missing in Eq. 7",
        changed(
            alignment.symmetrised_velocity,
            lambda v, wp, f, tau, rates: (v[0] + rates.eta * wp, v[1] + 2 * rates.eta * f),
        ),
    ),
    "Eq. 7 decays ten times as fast": Mutation(
        "ten times the decay in Eq. 7",
        changed(
            alignment.symmetrised_velocity,
            lambda v, wp, f, tau, rates: (v[0] - (0.2 + 9 * rates.eta) * wp, v[1] - 2 * (0.2 + 9 * rates.eta) * f),
        ),
    ),
    "Eq. 7 without target": Mutation(
        "the target's terms are missing in Eq. 7",
        changed(
            alignment.symmetrised_velocity,
            lambda v, wp, f, tau, rates: (v[0] - rates.alpha_p * tau * f, v[1] - tau * (wp @ f + f @ wp)),
        ),
    ),
    "Eq. 7 with Wp^2 F": Mutation(
        "half the anticommutator with Wp^2 in Eq. 7",
        changed(
            alignment.symmetrised_velocity,
            lambda v, wp, f, tau, rates: (v[0], v[1] + (1 + rates.variance) * (wp @ wp @ f + f @ wp @ wp) / 2),
        ),
    ),
    "Eq. 7 for Wp turned": Mutation(
        "Wp is driven out of the eigenvectors of F",
        changed(alignment.symmetrised_velocity, lambda v, wp, f, tau, rates: (-v[0], v[1])),
    ),
    "K without F": Mutation(
        "the term of F is missing in the matrix K",
        changed(
            alignment.alignment_matrix,
            lambda k, f, wp, tau, rates: k - rates.alpha_p * (1 + rates.variance) / 2 * f,
        ),
    ),
    "K tenfold": Mutation("K is ten times as large", changed(alignment.alignment_matrix, lambda k, *_: 10 * k)),
    "K turned": Mutation("the sign of K", changed(alignment.alignment_matrix, lambda k, *_: -k)),
    "imbalance of Wp Wp^T": Mutation(
        "Wp Wp^T in place of Wp^T Wp",
        replaced(balance.imbalance, lambda w, wp, alpha_p: w @ transposed(w) - wp @ transposed(wp) / alpha_p),
    ),
    "imbalance without alpha_p": Mutation(
        "1 / alpha_p is missing",
        replaced(balance.imbalance, lambda w, wp, alpha_p: w @ transposed(w) - transposed(wp) @ wp),
    ),
    "imbalance with alpha_p": Mutation(
        "the supplement's form would be right: 1 / alpha_p stands in any case",
        replaced(balance.imbalance, lambda w, wp, alpha_p: w @ transposed(w) - transposed(wp) @ wp / 3.0),
    ),
    "H without Wp - I": Mutation(
        "X (x) I in place of X (x) (Wp - I)^T (Wp - I)",
        changed(
            collapse.hessian,
            lambda h, wp, inputs, eta: (
                h + np.kron(inputs.mean, np.eye(len(wp)) - (wp - np.eye(len(wp))).T @ (wp - np.eye(len(wp))))
            ),
        ),
    ),
    "H turned": Mutation(
        "the sign of H, and so small that W stays finite", changed(collapse.hessian, lambda h, *_: -h / 100)
    ),
    "augmentations that scramble nothing": Mutation(
        "views have the covariance of the data, as is printed",
        replaced(directpred_appd._enumerated, lambda data, basis: data),
    ),
    "Eq. 7 with tau = 1": Mutation(
        "tau is missing in Eq. 7",
        changed(
            alignment.symmetrised_velocity,
            lambda v, wp, f, tau, rates: (
                v[0] + rates.alpha_p * (1 - tau) * f,
                v[1] + (1 - tau) * (wp @ f + f @ wp),
            ),
        ),
    ),
    "Eq. 57 with X": Mutation(
        "W grows with the mean views it shrinks against",
        replaced(collapse.without_predictor, lambda w, spread, eta, times: np.repeat(w[None], len(times), axis=0)),
    ),
    "Eq. 57 for all directions": Mutation(
        "every direction decays, whatever its spread",
        replaced(
            collapse.without_predictor,
            lambda w, spread, eta, times: w * np.exp(-np.asarray(times))[:, None, None],
        ),
    ),
    "right eigenvectors": Mutation(
        "right eigenvectors in place of left ones",
        changed(anisotropic.survivors, lambda v, inputs: (v[0], np.linalg.inv(v[1]).T)),
    ),
    "Ss and Sd exchanged": Mutation(
        "eigenvalues of Ss Sd^-1", changed(anisotropic.survivors, lambda v, inputs: (1 / v[0], v[1]))
    ),
    "eigenvalues turned": Mutation(
        "the sign of the eigenvalues", changed(anisotropic.survivors, lambda v, _: (-v[0], v[1]))
    ),
    "multiplicative as printed": Mutation(
        "scrambled views have the covariance of the data",
        changed(
            anisotropic.multiplicative,
            lambda v, data, scrambled: flow.Inputs(np.zeros_like(data), data),
        ),
    ),
    "multiplicative without trace": Mutation(
        "tr(U^T S U) is missing",
        changed(anisotropic.multiplicative, lambda v, data, scrambled: flow.Inputs(v.mean, scrambled @ scrambled.T)),
    ),
    "multiplicative of white data": Mutation(
        "data in which the printed form is true",
        given(anisotropic.multiplicative, lambda data, scrambled: ((np.eye(len(data)), scrambled), {})),
    ),
    "views without noise": Mutation(
        "additive noise is not added",
        changed(anisotropic.additive, lambda v, data, noise: flow.Inputs(data, 1e-15 * noise)),
    ),
}

SCALARS = {
    "w turned": Mutation("the sign of Eq. 105", changed(scalars.velocity, lambda v, *_: (-v[0], v[1], v[2]))),
    "no pull": Mutation(
        "the target's term is missing",
        changed(
            scalars.velocity,
            lambda v, w, wp, wa, m: (v[0] - wa * m.different * wp, v[1] - m.alpha_p * wa * m.different * w, v[2]),
        ),
    ),
    "lambda_d twice": Mutation(
        "lambda_d counts twice",
        changed(
            scalars.velocity,
            lambda v, w, wp, wa, m: (v[0] + wa * m.different * wp, v[1] + m.alpha_p * wa * m.different * w, v[2]),
        ),
    ),
    "decaying target": Mutation(
        "the target decays", changed(scalars.velocity, lambda v, w, wp, wa, m: (v[0], v[1], -wa))
    ),
    "views that agree": Mutation(
        "without a predictor views agree: lambda_d is lambda_s",
        changed(scalars.bare_velocity, lambda v, w, wa, m: (v[0] + wa * (m.same - m.different), v[1])),
    ),
    "a predictor after all": Mutation(
        "what is called without a predictor has one", replaced(scalars.bare_velocity, scalars.tied_velocity)
    ),
}

MODES["K with alpha_p alone"] = Mutation(
    "K has a term of alpha_p that does not depend on the mode",
    changed(modes.alignment_rate, lambda k, p, s, tau, rates: k + rates.alpha_p),
)


_READS = {
    "log of the largest s": "log_largest_s",
    "log of the smallest s": "log_smallest_s",
    "largest p": "largest_p",
    "smallest p": "smallest_p",
    "alignment of the leading modes": "leading_alignment",
    "asymmetry": "asymmetry",
}
"""What the axis ``quantity`` of Figure 2 reads of the measure."""


def _spectra(**other: Any) -> Any:
    """Spectra as Figure 2 has them; ``other`` replaces lists and numbers by functions of the time from 0 to 1."""

    def world(axes: Any) -> Any:
        t = float(axes["epochs"]) / 100.0
        lists = {
            "f_eigenvalues": lambda t: [0.5 * (1 + 4 * t), 0.2 * (1 + t), 0.01 * 10 ** (-4 * t)],
            "wp_symmetric_eigenvalues": lambda t: [0.5 + 0.5 * t, 0.2, -0.5 * (1 - t)],
            "alignment": lambda t: [0.1 + 0.88 * t] * 3,
            "asymmetry": lambda t: 0.9 * (1 - t) if axes["wp"] == "regular" else 0.0,
        }
        found = {name: function(t) for name, function in (lists | other).items()}
        if axes["quantity"] == "spectra":
            return found
        return spectrum.summary(found)[f"spectrum_{_READS[axes['quantity']]}"]

    return world


WORLDS = {
    "collapse": Other(
        "all modes of F collapse",
        lambda _: _spectra(f_eigenvalues=lambda t: [0.5 - 0.4 * t, 0.1, 0.01 * (1 - 0.5 * t)]),
    ),
    "no mode falls": Other(
        "all modes of F are learnt", lambda _: _spectra(f_eigenvalues=lambda t: [0.5 + t, 0.2 + t, 0.01 + t])
    ),
    "Wp decays": Other(
        "decay takes Wp to zero",
        lambda _: _spectra(wp_symmetric_eigenvalues=lambda t: [0.5 - 0.4 * t, 0.1, -0.5 * (1 - t)]),
    ),
    "Wp stays indefinite": Other(
        "Wp grows at both ends", lambda _: _spectra(wp_symmetric_eigenvalues=lambda t: [0.5 + t, 0.2, -0.5 - t])
    ),
    "eigenvectors apart": Other("Wp has eigenvectors of its own", lambda _: _spectra(alignment=lambda t: [0.1] * 3)),
    "asymmetry stays": Other("a regular Wp stays asymmetric", lambda _: _spectra(asymmetry=lambda t: 0.9)),
    "collapsed": Other("every network has collapsed: the probe is at chance", everywhere(10.0)),
    "learnt": Other("every network has learnt as much", everywhere(75.0)),
    "freq 1 and 2": Other("freq 1 and 2 exchanged", exchanged("freq", 1, 2)),
    "c_j turned": Other("the sign of c_j", exchanged("c_j", 0.1, -0.1)),
    "steady": Other("all seeds agree", steady(0.01)),
    "symmetric fails": Other("the symmetric predictor always collapses", where("wp", "symmetric", 10.0)),
    "decay exchanged": Other("decay of the predictor and none exchanged", exchanged("decay", "none", "predictor only")),
    "all and no decay": Other("decay and none exchanged", exchanged("decay", "none", "all")),
    "eps 0.1 and 0": Other("eps exchanged", exchanged("eps", 0.1, 0.0)),
    "eps 0.1 and 0.01": Other("eps exchanged", exchanged("eps", 0.1, 0.01)),
    "eps 0.1 and 0.5": Other("eps exchanged", exchanged("eps", 0.1, 0.5)),
    "DirectPred and SGD": Other("methods exchanged", exchanged("method", "directpred", "sgd")),
    "freq 5 and SGD": Other("methods exchanged", exchanged("method", "directpred-freq5", "sgd")),
    "freq 5 and DirectPred": Other("methods exchanged", exchanged("method", "directpred-freq5", "directpred")),
    "eps 0 and SGD": Other("methods exchanged", exchanged("method", "directpred-offset", "sgd")),
    "eps 0 and DirectPred": Other("methods exchanged", exchanged("method", "directpred-offset", "directpred")),
    "partitions fail": Other("partitions of F ruin learning", where("method", "directpred-partitions", 10.0)),
    "N 1 and 2": Other("plug-in at every and every second step exchanged", exchanged("plug_every", 1, 2)),
    "N 1 and 3": Other("plug-in at every and every third step exchanged", exchanged("plug_every", 1, 3)),
    "N 1 and 5": Other("plug-in at every and every fifth step exchanged", exchanged("plug_every", 1, 5)),
}


def _fig6(axes: Any) -> float:
    return {1.0: 38.0, 2.0: 48.0, 4.0: 60.0, 8.0: 70.0, 16.0: 74.0}[float(axes["alpha_p"])]


MEASURED = {
    "table9": Measured(
        {
            "DirectPred beats the linear predictor in 60 epochs": "DirectPred and SGD",
            "DirectPred beats the linear predictor in 300 epochs": "DirectPred and SGD",
            "It is as good as two layers in 60 epochs": "DirectPred and SGD",
            "It is as good as two layers in 300 epochs": "DirectPred and SGD",
        }
    ),
    "sec3_simsiam_imagenet": Measured({"A symmetric predictor collapses": "learnt"}),
    "fig2": Measured(
        {
            "The leading eigenvalue of F rises": "collapse",
            "The last eigenvalue of F falls": "no mode falls",
            "The leading eigenvalue of Wp rises": "Wp decays",
            "Negative eigenvalues of Wp go toward zero": "Wp stays indefinite",
            "Wp comes to share the ten leading eigenvectors of F": "eigenvectors apart",
            "Their alignment is above 0.9 at the end": "eigenvectors apart",
            "A regular Wp becomes symmetric by itself": "asymmetry stays",
        },
        _spectra(),
    ),
    "table1": Measured(
        {
            "The optimal predictor ruins learning": "learnt",
            "Plugging in at every step is best of its row (N = 2)": "N 1 and 2",
            "Plugging in at every step is best of its row (N = 3)": "N 1 and 3",
            "Plugging in at every step is best of its row (N = 5)": "N 1 and 5",
        }
    ),
    "table2": Measured({"Without weight decay a linear predictor learns less": "all and no decay"}),
    "table3": Measured(
        {
            "Without EMA the symmetric predictor collapses": "collapsed",
            "With EMA the symmetric linear predictor is at least as good as the regular one": "symmetric fails",
        }
    ),
    "table5": Measured(
        {
            "Decay on the predictor alone rescues the symmetric predictor without EMA": "collapsed",
            "Without any decay the symmetric predictor without EMA fails": "learnt",
        }
    ),
    "table6": Measured(
        {
            "eps = 0.1 is better than none": "eps 0.1 and 0",
            "eps = 0.1 is better than 0.01": "eps 0.1 and 0.01",
            "eps = 0.5 is too much": "eps 0.1 and 0.5",
        }
    ),
    "table7": Measured(
        {
            "A positive offset hurts when the predictor is set at every step": "c_j turned",
            "Setting it at every second step repairs that": "freq 1 and 2",
            "A positive offset is unstable over seeds": "collapsed",
        }
    ),
    "table8": Measured(
        {
            "DirectPred beats the SGD predictor": "DirectPred and SGD",
            "DirectPred (freq 5) beats the SGD predictor": "freq 5 and SGD",
            "In longer training gradient steps between (freq 5) are better than none (300 epochs, STL-10)": (
                "freq 5 and DirectPred"
            ),
            "In longer training gradient steps between (freq 5) are better than none (500 epochs, STL-10)": (
                "freq 5 and DirectPred"
            ),
        }
    ),
    "sec4_partitions": Measured({"Six partitions are at least as good as one F": "partitions fail"}),
    "sec4_epsilon": Measured(
        {
            "Even with eps = 0 DirectPred beats the SGD predictor": "eps 0 and SGD",
            "The regulariser adds to that": "eps 0 and DirectPred",
        }
    ),
    "fig6": Measured(
        {"Accuracy rises with alpha_p": "collapsed", "A faster predictor avoids the collapse": "collapsed"}, _fig6
    ),
}

MUTATIONS = {f"modes: {name}": mutation for name, mutation in MODES.items()}
MUTATIONS |= {f"matrices: {name}": mutation for name, mutation in MATRICES.items()}
MUTATIONS |= {f"scalars: {name}": mutation for name, mutation in SCALARS.items()}

TABLES = {
    "fig3": Table(
        {
            "Without decay the flow keeps its distance to the parabola": "modes: Eq. 12 without its factor 2",
            "Weak decay lets all modes approach the parabola": "modes: no decay",
            "With weak decay there are two stable equilibria": "modes: no decay",
            "One of them is not collapsed": "modes: target turned",
            "With strong decay all starts collapse": "modes: no decay",
            "With strong decay only the origin is left": "modes: no decay",
        },
        {"starts": 8, "marks": 4},
    ),
    "fig4": Table(
        {
            "Without decay the origin is a half-stable point": "modes: Eq. 16 with p in place of p^2",
            "With weak decay two equilibria are stable": "modes: Eq. 16 without decay",
            "Between them lies an unstable one": "modes: Eq. 16 without decay",
            "With strong decay no equilibrium but the origin is left": "modes: Eq. 16 without decay",
            "Decay lowers the stable p": "modes: Eq. 16 with decay turned",
        }
    ),
    "fig5": Table(
        {
            "Decay lifts the eigenvalue of K": "modes: K without decay",
            "Strong enough decay keeps K positive": "modes: K without F",
            "It is the rate at which the matrices of two modes come to share their eigenvectors under Eq. 7": (
                "modes: K without F"
            ),
            "Decay lowers the last p": "modes: no decay",
            "Decay lowers the last s": "modes: no decay",
            "Too much decay ends in collapse": "modes: no decay",
            "A slower average lifts the eigenvalue of K (beta .1 against .2)": "modes: moving average inverted",
            "A slower average lifts the eigenvalue of K (beta .2 against .4)": "modes: moving average inverted",
            "A slower average lifts the eigenvalue of K (beta .4 against .8)": "modes: moving average inverted",
            "A slower average slows training": "modes: moving average inverted",
        }
    ),
    "table4": Table(
        {
            "#1: a larger alpha_p shrinks the basin of collapse": "modes: predictor rate inverted",
            "#2: under a large alpha_p s hardly grows": "modes: predictor rate inverted",
            "#3: decay makes a mode forget its start": "modes: no decay",
            "#4: decay widens the basin of collapse on the parabola": "modes: no decay",
            "#5: past its threshold decay makes collapse certain": "modes: no decay",
            "#6: at given p and s a larger alpha_p lifts the eigenvalue of K": "modes: K without F",
            "#6: so it does along a run off the parabola": "modes: K turned",
            "#6: and along a run on the parabola": "modes: K with alpha_p alone",
            "#7: decay lifts the eigenvalue of K": "modes: K without decay",
            "#8: a slower average lifts the eigenvalue of K": "modes: moving average without beta",
            "#9: a slower average slows training": "modes: moving average without beta",
            "#10: a slower average widens the basin of collapse": "modes: moving average without beta",
        }
    ),
    "theorems": Table(
        {
            "Theorem 1: the imbalance of W and Wp decays as exp(-2 eta t) (with a moving average)": (
                "matrices: imbalance of Wp Wp^T"
            ),
            "Theorem 1: so it does without one": "matrices: Wp not transposed",
            "Theorem 1 holds without 1 / alpha_p, as the supplement has it (Eq. 43)": (
                "matrices: imbalance with alpha_p"
            ),
            "Theorem 2: without stop-gradient W moves as -H vec(W) (Eq. 6)": "matrices: H without Wp - I",
            "Theorem 2: H is positive definite where augmentations vary all inputs": "matrices: H turned",
            "Theorem 2: without stop-gradient W vanishes": "matrices: H turned",
            "Theorem 2: without a predictor W vanishes too": "matrices: Eq. 57 with X",
            "Theorem 2: without a predictor W moves as in Eq. 57": "matrices: Eq. 57 for all directions",
            "With both W stays": "matrices: no stop-gradient",
            "Theorem 3: the commutator moves as -LK - KL (Eq. 8)": "matrices: K without F",
            "Theorem 3: enough decay makes K positive definite at all times": "matrices: K turned",
            "Theorem 3: the commutator then stays below its exponential bound": "matrices: K tenfold",
        }
    ),
    "appD": Table(
        {
            "Rows of W that are left eigenvectors of Sd Ss^-1, with Wp of its eigenvalues, stand still": (
                "matrices: right eigenvectors"
            ),
            "So does S W with S Wp S^-1": "matrices: right eigenvectors",
            "The eigenvalues are not below 0": "matrices: eigenvalues turned",
            "Additive noise leaves all of them below 1": "matrices: Ss and Sd exchanged",
            "The flow ends where Wp W = W Sd Ss^-1 (Eq. 103)": "matrices: no stop-gradient",
            "There W has grown": "matrices: no stop-gradient",
            "Without a predictor additive noise makes W vanish": "matrices: views without noise",
            "Multiplicative scrambling gives Ss = Pc Sx Pc + tr(U^T Sx U) U U^T": (
                "matrices: multiplicative without trace"
            ),
            "It gives Ss = Sx, as printed": "matrices: augmentations that scramble nothing",
            "Sd Ss^-1 is the projection on what is conserved": "matrices: multiplicative as printed",
            "What is conserved survives without a predictor": "matrices: Eq. 57 for all directions",
            "What is scrambled does not": "matrices: Eq. 57 with X",
        }
    ),
    "fig7": Table(
        {
            "The target stays nearly parallel to the online network": "matrices: target mirrored",
            "Under a slow average and strong decay the cosine is about 0.9": "matrices: target frozen askew",
            "Strong decay lowers the cosine under a slow average": "matrices: no decay",
        },
        {"replications": 2, "steps": 3000},
    ),
    "fig8": Table(
        {
            "The skew part vanishes": "matrices: Eq. 62 with a skew target",
            "Strong decay and a small tau drag the symmetric part to zero": "matrices: Eq. 62 without decay",
            "Strong decay drags the symmetric part to zero at tau = 0.3": "matrices: Eq. 62 without decay",
            "Weaker decay does so at a smaller tau": "matrices: Eq. 62 without decay",
            "Else the symmetric part stays": "matrices: Eq. 62 without target",
        },
        {"replications": 6, "points": 40},
    ),
    "fig9": Table(
        {
            "Without decay and at tau = 1 the commutator shoots up": "matrices: Eq. 7 without target",
            "A larger tau makes it grow more": "matrices: Eq. 7 without target",
            "Decay makes it grow less": "matrices: Eq. 7 without decay",
            "Under strong decay it never exceeds its start": "matrices: Eq. 7 without decay",
            "At a small tau, with decay, it never exceeds its start": "matrices: Eq. 7 with tau = 1",
        },
        {"replications": 6, "points": 60},
    ),
    "fig10": Table(
        {
            "With a held target wp w reaches wa lambda_d / lambda_s": "scalars: lambda_d twice",
            "With a held target the origin is unstable": "scalars: no pull",
            "With a predictor small weights reach w = wa = lambda_d / lambda_s": "scalars: no pull",
            "Without a predictor all weights go to zero": "scalars: views that agree",
            "With tied weights the origin is unstable": "scalars: no pull",
            "Without a predictor the origin is stable": "scalars: a predictor after all",
        }
    ),
}
