"""The network of a run, put together from its components."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from pipeline import components as parts
from pipeline.nets.per_view import EmbedViews
from pipeline.nets.predictor import Predictor
from pipeline.nets.target import Branch, Target, embed_each
from pipeline.numerics.randomness import seeded

if TYPE_CHECKING:
    from jaxtyping import Float


class Network(nn.Module):
    """Online encoder, projector and predictor, and the target's branch if it has one.

    The names of the parameters are those of the parts: ``encoder.*``, ``projector.*``, ``predictor.*``,
    ``target.encoder.*``, ``target.projector.*``. A network that is built to be measured may lack all parts
    but the encoder.

    Attributes:
        encoder: Images to features.
        projector: Features to embeddings, or None.
        predictor: Embeddings to predictions, or None.
        target: The target's branch, or None.
        strategy: Where target embeddings come from, or None.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projector: nn.Module | None = None,
        predictor: Predictor | None = None,
        target: Branch | None = None,
        strategy: Target | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector
        self.predictor = predictor
        self.target = target
        self.strategy = strategy

    def forward(
        self, views: list[Float[Tensor, "part ..."]], embed_views: EmbedViews = embed_each
    ) -> tuple[list[Float[Tensor, "batch dim"]], list[Float[Tensor, "batch dim"]], list[Float[Tensor, "batch dim"]]]:
        """Embeddings, predictions and target embeddings of all views.

        Each view is a forward pass of its own, or as good as that, so that BatchNorm takes the statistics of one view
        (released code).

        Args:
            views: One tensor of shape (batch, channels, height, width) per view; where several processes train, those
                of this one's part of the minibatch.
            embed_views: How a branch passes views; see :mod:`pipeline.nets.per_view`. Of several processes it has the
                embeddings of all.

        Returns:
            Three lists with a tensor of shape (batch, dim) per view.
        """
        assert self.projector is not None and self.predictor is not None and self.strategy is not None
        embeddings = embed_views(self.encoder, self.projector, views)
        predictions = [self.predictor(embedding) for embedding in embeddings]
        target = self.target and functools.partial(embed_views, self.target.encoder, self.target.projector)
        return embeddings, predictions, self.strategy.embeddings(target, views, embeddings)

    def online_parameters(self) -> list[nn.Parameter]:
        """Parameters of the online encoder and projector, in the order of the target's."""
        assert self.projector is not None
        return [*self.encoder.parameters(), *self.projector.parameters()]

    def parameter_counts(self) -> dict[str, int]:
        """Number of parameters of each online part, trained or set."""
        online = {"encoder": self.encoder, "projector": self.projector, "predictor": self.predictor}
        return {
            name: sum(parameter.numel() for parameter in part.parameters())
            for name, part in online.items()
            if part is not None
        }


def build_network(
    spec: Mapping[str, Any], image_shape: tuple[int, int, int], components: Mapping[str, Path], seed: int = 0
) -> Network:
    """Build the parts that ``spec`` names, with their initial weights.

    Each part draws from a generator of its own, so the encoder's initial weights depend on the seed and on
    the encoder's spec alone: all methods with the same encoder start from the same one.

    Args:
        spec: Params of the run; ``encoder`` and any of ``projector``, ``predictor``, ``target``.
        image_shape: (channels, height, width).
        components: Source file of each component, by category.
        seed: Seed of the run.

    Returns:
        The network in training mode, on the CPU, in float32.
    """

    def branch(of: str) -> Branch:
        with seeded(seed, "init", f"{of}encoder"):
            encoder = parts.make(components["encoder"], spec["encoder"], image_shape)
        with seeded(seed, "init", f"{of}projector"):
            projector = parts.make(components["projector"], spec["projector"], encoder.features)
        return Branch(encoder, projector)

    if "projector" not in spec:
        with seeded(seed, "init", "encoder"):
            return Network(parts.make(components["encoder"], spec["encoder"], image_shape))
    online = branch("")
    predictor = target = strategy = None
    if "predictor" in spec:
        with seeded(seed, "init", "predictor"):
            predictor = parts.make(components["predictor"], spec["predictor"], online.projector.features)
    if "target" in spec:
        strategy = parts.make(components["target"], spec["target"])
        target = strategy.branch(online, lambda: branch("target."))
    return Network(online.encoder, online.projector, predictor, target, strategy)
