"""The claims of Draganov 2025 and what refutes them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mutations.harness import Mutation, Table, changed, given, replaced
from mutations.worlds import Measured, Other, World, everywhere, exchanged, where
from pipeline.papers.embnorms import classes, gradients, network, opposite, pairs, plane, steps
from pipeline.papers.embnorms.gradients import unit


def _power(instead: float) -> Any:
    """Pairs that are trained without GradScale have it."""
    return given(pairs.steps_to_converge, lambda *a, **more: (a, {"power": instead, **more}))


def _off_the_sphere(found: classes.Classes, rng: np.random.Generator, **_: Any) -> classes.Classes:
    return dataclasses.replace(found, latents=found.latents * rng.uniform(0.5, 1.5, (len(found.latents), 1)))


MUTATIONS = {
    "gradient without 1 / r": Mutation(
        "the norm is missing in Prop. 3.1",
        changed(gradients.cosine_gradient, lambda g, z, target: g * np.linalg.norm(z, axis=-1, keepdims=True)),
    ),
    "gradient turned": Mutation("the sign of Prop. 3.1", changed(gradients.cosine_gradient, lambda g, *_: -g)),
    "gradient with a radial part": Mutation(
        "the gradient pulls inward", changed(gradients.cosine_gradient, lambda g, z, target: g + 0.5 * np.asarray(z))
    ),
    "gradient with 1 / r^2": Mutation(
        "the square of the norm in Prop. 3.1",
        changed(gradients.cosine_gradient, lambda g, z, target: g / np.linalg.norm(z, axis=-1, keepdims=True)),
    ),
    "GradScale does nothing": Mutation(
        "GradScale leaves gradients as they are", changed(gradients.gradscale, lambda _, gradient, *__: gradient)
    ),
    "similarity of vectors": Mutation(
        "embeddings are not put on the sphere", replaced(plane.similarity, lambda points: np.asarray(points)[..., 1])
    ),
    "steps without norms": Mutation("the norm has no part in the steps", _power(2.0)),
    "steps as a higher power": Mutation("the norm slows more", _power(-0.25)),
    "opposite points wait": Mutation(
        "a pull of sin^3: opposite points hardly feel each other",
        changed(
            pairs.steps_to_converge,
            lambda v, c, *_, **__: (v[0] / (1.0 - np.minimum(np.mean(np.atleast_2d(c), axis=1), 0.0) ** 2), v[1]),
        ),
    ),
    "near points count as far": Mutation(
        "angles are taken for what they lack to the widest",
        given(pairs.steps_to_converge, lambda c, *a, **more: ((np.atleast_2d(c)[::-1], *a), more)),
    ),
    "pairs shrink": Mutation(
        "a step makes norms smaller", changed(pairs.steps_to_converge, lambda v, *_, **__: (v[0], 1.0 / v[1]))
    ),
    "gain doubled": Mutation("a factor of 2 in the gain", changed(steps.gain, lambda v, *_: 2.0 * v)),
    "gain halved": Mutation("a factor of 1/2 in the gain", changed(steps.gain, lambda v, *_: 0.5 * v)),
    "gain to first order": Mutation(
        "a c is missing in the gain",
        replaced(steps.gain, lambda angle, a: 2 * a * np.sin(angle) ** 2 / (1 + (a * np.sin(angle)) ** 2)),
    ),
    "A.4 turned": Mutation(
        "the sign of the second order of A.4",
        replaced(steps.refined_bound, lambda angle, a: a * np.sin(angle) ** 2 * (2.0 + a * np.cos(angle))),
    ),
    "C.1 with d^2": Mutation(
        "the square of the dimension in Prop. C.1", changed(opposite.chebyshev, lambda v, d, t: v / d)
    ),
    "no learning": Mutation(
        "the learning rate is zero", given(network.train, lambda *a, **more: (a, {**more, "rate": 0.0}))
    ),
    "the loss is climbed": Mutation(
        "steps go up the gradient",
        given(network.descend, lambda w, x, h, g, rate: ((w, x, h, g, -rate), {})),
    ),
    "frequencies turned": Mutation(
        "the rarest class is drawn most often",
        given(network.train, lambda *a, **more: (a, {**more, "probabilities": more["probabilities"][::-1]})),
    ),
    "latents off the sphere": Mutation("latents are not normalised", changed(classes.draw_classes, _off_the_sphere)),
    "outputs on the sphere": Mutation("embeddings are normalised", changed(network.outputs, lambda z, *_: unit(z))),
    "growth without square": Mutation(
        "a sin(phi) in place of its square", changed(steps.growth, lambda _, angle, a: np.sqrt(1 + a * np.sin(angle)))
    ),
    "InfoNCE turned": Mutation("the sign of Prop. 3.2", changed(gradients.infonce, lambda v, *_: (v[0], -v[1]))),
    "InfoNCE with a radial part": Mutation(
        "the gradient is not tangent", changed(gradients.infonce, lambda v, z, *_: (v[0], v[1] + 0.1 * z[0]))
    ),
    "InfoNCE without 1 / r": Mutation(
        "the norm is missing in Prop. 3.2",
        changed(gradients.infonce, lambda v, z, *_: (v[0], v[1] * np.linalg.norm(z[0]))),
    ),
    "InfoNCE with 1 / r^2": Mutation(
        "the square of the norm in Prop. 3.2",
        changed(gradients.infonce, lambda v, z, *_: (v[0], v[1] / np.linalg.norm(z[0]))),
    ),
}

TABLES = {
    "fig1": Table(
        {
            "The gradient is sin(phi) / r long (Prop. 3.1)": "gradient without 1 / r",
            "The formula is the gradient of the loss (central differences)": "gradient turned",
            "The gradient is tangent": "gradient with a radial part",
            "Norm 1 has a shorter gradient than norm 0.5": "gradient without 1 / r",
            "Norm 2 has a shorter gradient than norm 1": "gradient without 1 / r",
            "The gradient of InfoNCE is that of Prop. 3.2 (central differences)": "InfoNCE turned",
            "It is tangent too": "InfoNCE with a radial part",
            "It falls as one over the norm, not more slowly": "InfoNCE without 1 / r",
            "It falls as one over the norm, not faster": "InfoNCE with 1 / r^2",
            "A step makes the norm grow (Corollary 3.3)": "gradient with a radial part",
            "It does so by the amount of Corollary 3.3": "growth without square",
            "A descent never goes inward (to rounding)": "gradient with a radial part",
        }
    ),
    "fig6": Table(
        {
            "Without GradScale the arrow at norm 2 is a quarter of that at norm 0.5, not longer": "gradient without 1 / r",
            "Without GradScale the arrow at norm 2 is a quarter of that at norm 0.5, not shorter": "gradient with 1 / r^2",
            "With p = 1 every arrow is sin(phi) long, whatever its norm": "gradient without 1 / r",
            "The plain gradient is a gradient field (Prop. D.1)": "gradient without 1 / r",
            "With p = 1 the field is the gradient of no function (Prop. D.1)": "GradScale does nothing",
            "With p = 2 the field is the gradient of no function (Prop. D.1)": "GradScale does nothing",
        }
    ),
    "figS1": Table(
        {
            "The similarity is constant along rays": "similarity of vectors",
            "It is steeper on the circle of norm 0.5 than of norm 1": "similarity of vectors",
            "It is steeper on the circle of norm 1 than of norm 2": "similarity of vectors",
        }
    ),
    "fig2a": Table(
        {
            "Steps grow as the square of the norm: no slope below 1.97, whatever the angle": "steps without norms",
            "Steps grow as the square of the norm: no slope above 2.03": "steps as a higher power",
            "A wider initial angle takes more steps": "near points count as far",
            "From a right angle to nearly opposite points the steps only double": "opposite points wait",
            "The norm slows training more than the angle can": "steps without norms",
            "Norms grow in every run": "pairs shrink",
            "Theorem 3.4 bounds the gain (angles to 90 degrees)": "gain doubled",
            "Theorem 3.4 bounds the gain (all angles, as it is stated)": "gain to first order",
            "The bound of A.4 holds (angles to 90 degrees, steps up to the squared norm)": "gain doubled",
            "The bound of A.4 holds (all angles, as it is stated, steps up to the squared norm)": "gain halved",
            "The bound of A.4 holds (angles to 90 degrees, any step)": "A.4 turned",
            "The bound of A.4 is the tighter one for acute angles": "A.4 turned",
            "Prop. C.1 bounds how near two random directions are": "C.1 with d^2",
            "Our correction, a s (1 + s), bounds the gain at every angle and step": "gain doubled",
        },
        # the rate is that of 500 pairs at 10: a pair's own is the same
        {"pairs": 125, "rate": 2.5, "replications": 6, "samples": 2000, "norms": [0.25, 1.0, 2.0, 5.0, 10.0]},
    ),
    "fig2b": Table(
        {
            "Embeddings in sparse places have small norms": "no learning",
            "Training makes the relation stronger": "no learning",
            "Small norms in dense places are missing (a quarter of each: 1/16 if unrelated)": "no learning",
        },
        {"replications": 5, "epochs": 25, "members": 400},
    ),
    "fig2c": Table(
        {
            "The norms of all classes grow": "no learning",
            "The most frequent class grows more than the rarest (text, variance 0.1)": "frequencies turned",
            "The most frequent class grows more than the rarest (released code, variance 1)": "frequencies turned",
            "The first class grows more than the second": "frequencies turned",
            "The second class grows more than the third": "frequencies turned",
            "The third class grows more than the fourth": "frequencies turned",
        },
        {"replications": 4, "epochs": 15, "members": 256},
    ),
    "figS2a": Table(
        {"Latent samples lie on the unit sphere": "latents off the sphere"},
        {"replications": 3, "epochs": 1, "members": 100},
    ),
    "figS2b": Table(
        {
            "The learned embeddings leave the sphere: norms differ within a class": "outputs on the sphere",
            "The classes form spikes: closer to their rays than the latents": "the loss is climbed",
            "The spikes differ in length": "outputs on the sphere",
        },
        {"replications": 12, "epochs": 25, "members": 300},
    ),
}


# -- networks

_QUANTILES = [0.5 + 0.01 * k for k in range(101)]
_BUCKETS = {"norm": [0.25, 0.75], "count": [60, 60], "value": [1.0, 2.0]}


def _along(axes: Any) -> float:
    """Norms fall with decay and with c; accuracy is best in the middle, and rises sooner after a cut."""
    decay, c, epoch = float(axes.get("weight_decay", 0)), float(axes.get("cut", 1)), float(axes["epochs"])
    norm = (4 + math.log1p(epoch)) / (1 + 50 * decay) / c
    if axes["measure"] == "mean norm":
        return norm
    if axes["measure"] == "effective learning rate":
        return 0.1 / norm
    if str(axes["dataset"]).endswith("unbalanced"):
        return 40 + 100 * decay
    if decay > 0.01:
        return 10 + 5 * math.exp(-epoch)
    return 20 + 50 * (1 - math.exp(-epoch * c / 30)) - 10 * (decay == 0)


def _trained(axes: Any) -> Any:
    """A world in which the paper is right."""
    measure = str(axes["measure"])
    if measure.startswith("quantiles"):
        return _QUANTILES
    if "by norm" in measure:
        return _BUCKETS
    if measure in ("largest norms", "smallest norms"):
        return [[0, 1]]
    if measure.startswith("accuracy of the"):
        return 90.0 if "largest" in measure else 60.0
    if measure.startswith("trend of") or "image by image" in measure:
        return -0.95 if "entropy" in measure else 0.95
    if measure.startswith("CIFAR"):
        own = {"cifar10": "CIFAR-10 ", "cifar100": "CIFAR-100 "}[str(axes["dataset"])]
        return {True: 1.0, False: 0.99}[measure.endswith("train")] if measure.startswith(own) else 0.8
    return _along(axes)


def _turned(world: Any) -> Any:
    """Numbers have the other sign, or are read from above."""
    return lambda axes: -found if isinstance(found := world(axes), float) else found


def _constant(world: Any) -> Any:
    """Nothing depends on decay, cut, or time."""
    return lambda axes: 1.0 if isinstance(world(axes), float) else world(axes)


def _of(method: str, variant: str) -> Callable[[World], World]:
    """A variant of one method, and its default, stand for each other."""
    turn = exchanged("variant", variant, "default")
    return lambda world: lambda axes: turn(world)(axes) if axes.get("method", "SimSiam") == method else world(axes)


_SPLITS = {
    "Trained on CIFAR-10: its test images have norms hardly smaller": "test images are far",
    "Trained on CIFAR-10: they have no larger ones": "test images are longer",
    "Trained on CIFAR-10: test images of CIFAR-100 have clearly smaller norms than its test images": "test sets exchanged",
    "Trained on CIFAR-10: training images of CIFAR-100 too": "training sets exchanged",
    "Trained on CIFAR-100: its test images have norms hardly smaller": "test images are far",
    "Trained on CIFAR-100: they have no larger ones": "test images are longer",
    "Trained on CIFAR-100: test images of CIFAR-10 have clearly smaller norms than its test images": "test sets exchanged",
    "Trained on CIFAR-100: training images of CIFAR-10 too": "training sets exchanged",
}
_FOREIGN = {
    "Trained on CIFAR-10: images of both splits of CIFAR-100 have norms about equal (training images no smaller)": (
        "test images are longer"
    ),
    "Trained on CIFAR-10: and test images no smaller": "test images are far",
    "Trained on CIFAR-100: images of both splits of CIFAR-10 have norms about equal (training images no smaller)": (
        "test images are longer"
    ),
    "Trained on CIFAR-100: and test images no smaller": "test images are far",
}
_VARIANTS = {
    "Cut-initialisation helps SimCLR": "cut c=3 and default",
    "Cut-initialisation helps SimSiam": "cut c=9 and default",
    "GradScale helps SimCLR": "GradScale and default",
}
MEASURED = {
    "table1": Measured(
        {
            "SimCLR: c = 2 is better than no cut (decay 1e-8)": "c = 1 and 2",
            "SimCLR: c = 8 is worse than no cut (decay 1e-8)": "c = 1 and 8",
            "SimCLR: c = 2 is better than no cut (decay 1e-6)": "c = 1 and 2",
            "SimCLR: c = 8 is worse than no cut (decay 1e-6)": "c = 1 and 8",
            "SimCLR: c = 2 is better than no cut (decay 5e-6)": "c = 1 and 2",
            "SimCLR: c = 8 is worse than no cut (decay 5e-6)": "c = 1 and 8",
            "SimCLR: c = 2 is better than no cut (decay 1e-5)": "c = 1 and 2",
            "SimCLR: c = 8 is worse than no cut (decay 1e-5)": "c = 1 and 8",
            "SimCLR: c = 8 is worse than c = 2 (decay 1e-6)": "c = 2 and 8",
            "SimCLR: c = 8 is worse than c = 4 (decay 1e-6)": "c = 4 and 8",
            "SimSiam: c = 8 is better than no cut (decay 5e-5)": "c = 1 and 8",
            "SimSiam: c = 8 is better than no cut (decay 1e-4)": "c = 1 and 8",
            "SimSiam: c = 8 is better than no cut (decay 5e-4)": "c = 1 and 8",
            "SimSiam: c = 8 is better than no cut (decay 1e-3)": "c = 1 and 8",
            "SimSiam: c = 8 is better than c = 2 (decay 5e-4)": "c = 2 and 8",
            "SimSiam: c = 8 is better than c = 4 (decay 5e-4)": "c = 4 and 8",
        }
    ),
    "table2": Measured(_VARIANTS),
    "table3": Measured(
        {
            **_VARIANTS,
            "On Flowers the cut is better than GradScale": "cut c=3 and GradScale",
            "On CIFAR-10 GradScale is better than the cut": "cut c=3 and GradScale",
            "On CIFAR-100 GradScale is better than the cut": "cut c=3 and GradScale",
        }
    ),
    "tableS1": Measured(
        {
            "By epoch 16 hardly any pair lies in opposite halves (SimCLR)": "at random",
            "By epoch 16 hardly any pair lies in opposite halves (SimSiam)": "at random",
            "By epoch 16 hardly any pair lies in opposite halves (BYOL)": "at random",
            "At epoch 1 SimCLR has fewer than SimSiam": "SimCLR and SimSiam",
            "At epoch 1 SimCLR has fewer than BYOL": "SimCLR and BYOL",
        }
    ),
    "tableS2": Measured(
        {
            "Early on large batches are worse without a cut": "small and large batches",
            "With a cut the large batch is ahead of that without": "cut c=9 and default",
            "With a cut large batches are no worse than small ones": "cut c=9 and default",
            "On small batches the cut costs accuracy early on": "cut c=9 and default",
            "In the end large batches are better without a cut": "small and large batches",
            "In the end the cut costs no more than a point or two": "a cut costs ten points",
            "And it gains no more": "a cut gains ten points",
        }
    ),
    "fig3": Measured(_SPLITS, _trained),
    "figS5": Measured(_FOREIGN, _trained),
    "fig4": Measured(
        {
            "Accuracy rises with the norm": "signs turned",
            "So it does image by image, if weakly": "signs turned",
            "It does so with hardly an exception (rank correlation above 0.8)": "trends are weak",
            "Labels that people give are more often right where the norm is large (CIFAR-10)": "signs turned",
            "Labels of CIFAR-10 with hardly an exception (rank correlation above 0.8)": "trends are weak",
            "Labels of CIFAR-10 image by image": "signs turned",
            "Labels that people give are more often right where the norm is large (CIFAR-100)": "signs turned",
            "Labels of CIFAR-100 with hardly an exception (rank correlation above 0.8)": "trends are weak",
            "Labels of CIFAR-100 image by image": "signs turned",
            "People disagree less where the norm is large": "signs turned",
            "They do so with hardly an exception (rank correlation below -0.8)": "trends are weak",
            "They do so image by image": "signs turned",
        },
        _trained,
    ),
    "fig5": Measured(
        {
            "SimCLR: without decay norms grow": "the training backwards",
            "SimCLR: strong decay brings norms down": "strong decay and none",
            "SimSiam: strong decay brings norms down": "strong decay and none",
            "SimCLR: strong decay costs accuracy": "strong and slight decay",
            "SimSiam: strong decay costs accuracy": "strong and usual decay",
            "SimSiam: tuned decay is better than none": "usual decay and none",
            "SimCLR: tuned decay is better than none": "slight decay and none",
            "SimCLR: with strong decay accuracy collapses": "strong and slight decay",
            "SimSiam: with strong decay accuracy collapses": "strong and usual decay",
        },
        _trained,
    ),
    "figS3": Measured(
        {
            "SimSiam: strong decay is the best of the three (against 5e-4)": "strong and usual decay",
            "SimSiam: strong decay is the best of the three (against none)": "strong decay and none",
            "Decay raises the effective learning rate (SimCLR)": "all is one",
            "Decay raises the effective learning rate (SimSiam)": "all is one",
        },
        _trained,
    ),
    "figS4": Measured(
        {
            "A larger c begins with smaller norms (3 against 1)": "cuts by 1 and 3",
            "A larger c begins with smaller norms (9 against 3)": "cuts by 3 and 9",
            "They stay smaller (3 against 1)": "cuts by 1 and 3",
            "They stay smaller (9 against 3)": "cuts by 3 and 9",
            "c below 1 is slower": "cuts by 0.5 and 1",
            "A cut makes accuracy rise earlier (SimCLR)": "cuts by 1 and 3",
            "A cut makes accuracy rise earlier (SimSiam)": "cuts by 1 and 9",
            "A cut makes accuracy rise earlier (BYOL)": "cuts by 1 and 9",
        },
        _trained,
    ),
    "figS6": Measured(
        {"Nearest embeddings tell the class of images with large norms more often": "all is one"}, _trained
    ),
}
WORLDS = {
    "c = 1 and 2": Other("cut constants exchanged", exchanged("cut", 1, 2)),
    "c = 1 and 8": Other("cut constants exchanged", exchanged("cut", 1, 8)),
    "c = 2 and 8": Other("cut constants exchanged", exchanged("cut", 2, 8)),
    "c = 4 and 8": Other("cut constants exchanged", exchanged("cut", 4, 8)),
    "cut c=3 and default": Other("SimCLR's variants exchanged", _of("SimCLR", "cut c=3")),
    "cut c=9 and default": Other("SimSiam's variants exchanged", _of("SimSiam", "cut c=9")),
    "cut c=3 and GradScale": Other("SimCLR's treatments exchanged", exchanged("variant", "cut c=3", "GradScale p=1")),
    "GradScale and default": Other("SimCLR's variants exchanged", _of("SimCLR", "GradScale p=1")),
    "a cut costs ten points": Other("a cut costs ten points", where("variant", "cut c=9", 40.0)),
    "at random": Other("pairs lie at random", everywhere(50.0)),
    "SimCLR and SimSiam": Other("methods exchanged", exchanged("method", "SimCLR", "SimSiam")),
    "SimCLR and BYOL": Other("methods exchanged", exchanged("method", "SimCLR", "BYOL")),
    "small and large batches": Other("batch sizes exchanged", exchanged("batch", 256, 1024)),
    "test images are far": Other(
        "test images are as far as others",
        lambda world: lambda axes: 0.5 if axes["measure"] in ("CIFAR-10 test", "CIFAR-100 test") else world(axes),
    ),
    "test images are longer": Other(
        "test images have larger norms than those that are trained on",
        lambda world: lambda axes: 1.5 if axes["measure"] in ("CIFAR-10 test", "CIFAR-100 test") else world(axes),
    ),
    "test sets exchanged": Other("test sets exchanged", exchanged("measure", "CIFAR-10 test", "CIFAR-100 test")),
    "training sets exchanged": Other(
        "training sets exchanged", exchanged("measure", "CIFAR-10 train", "CIFAR-100 train")
    ),
    "a cut gains ten points": Other("a cut gains ten points", where("variant", "cut c=9", 75.0)),
    "strong decay and none": Other("decays exchanged", exchanged("weight_decay", 5.0e-2, 0.0)),
    "strong and usual decay": Other("decays exchanged", exchanged("weight_decay", 5.0e-2, 5.0e-4)),
    "strong and slight decay": Other("decays exchanged", exchanged("weight_decay", 5.0e-2, 1.0e-5)),
    "slight decay and none": Other("decays exchanged", exchanged("weight_decay", 1.0e-5, 0.0)),
    "usual decay and none": Other("decays exchanged", exchanged("weight_decay", 5.0e-4, 0.0)),
    "the training backwards": Other("training runs backwards", exchanged("epochs", 1, 256)),
    "cuts by 1 and 3": Other("cut constants exchanged", exchanged("cut", 1, 3)),
    "cuts by 3 and 9": Other("cut constants exchanged", exchanged("cut", 3, 9)),
    "cuts by 0.5 and 1": Other("cut constants exchanged", exchanged("cut", 0.5, 1)),
    "cuts by 1 and 9": Other("cut constants exchanged", exchanged("cut", 1, 9)),
    "signs turned": Other("rank correlations have the other sign", _turned),
    "trends are weak": Other(
        "rank correlations are half as large",
        lambda world: lambda axes: 0.5 * world(axes) if str(axes["measure"]).startswith("trend of") else world(axes),
    ),
    "all is one": Other("nothing depends on decay, cut or time", _constant),
}
