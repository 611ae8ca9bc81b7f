"""Claims of Draganov 2025 and what refutes them: the gradients of Figure 1."""

from __future__ import annotations

import numpy as np

from mutations.harness import Mutation, Table, changed
from pipeline.papers.embnorms import gradients, steps

MUTATIONS = {
    "gradient without 1 / r": Mutation(
        "the norm is missing in Prop. 3.1",
        changed(gradients.cosine_gradient, lambda g, z, target: g * np.linalg.norm(z, axis=-1, keepdims=True)),
    ),
    "gradient turned": Mutation("the sign of Prop. 3.1", changed(gradients.cosine_gradient, lambda g, *_: -g)),
    "gradient with a radial part": Mutation(
        "the gradient pulls inward", changed(gradients.cosine_gradient, lambda g, z, target: g + 0.5 * np.asarray(z))
    ),
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
    )
}
