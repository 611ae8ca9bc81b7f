"""One optimiser step of several processes: the loss is one of the whole minibatch, and so is the gradient.

``torch.nn.parallel.DistributedDataParallel`` is not used: it averages the gradients of losses that each process has
of its own images. Here the loss is no mean of such losses (InfoNCE compares all images, Barlow Twins correlates them,
DirectPred's F is a moment of all), and every process computes it of all embeddings.
"""

from __future__ import annotations

from torch import Tensor

from pipeline.nets.per_view import EmbedViews
from pipeline.training.processes.gather import gathering
from pipeline.training.processes.group import Group
from pipeline.training.step import TrainingStep


class GroupStep(TrainingStep):
    """A step whose views are this process's part of a minibatch.

    Encoder and projector, and the target's, pass a part. From the embeddings on all processes do the same, with those
    of all images: predictor, objective, update, moving averages.

    Attributes:
        group: The processes.
    """

    def __init__(self, of_one: TrainingStep, group: Group) -> None:
        """Make a step of several processes from one of a single process, which has the same parts."""
        super().__init__(
            of_one.network, of_one.objective, of_one.optimizer, of_one.forward_context, of_one.steps_per_epoch
        )
        self.group = group

    def _descend(self, views: list[Tensor], embed_views: EmbedViews) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Leave the gradient of the minibatch's loss in the parameters of every process."""
        done = super()._descend(views, gathering(embed_views, self.group))
        self.group.sum_gradients(self._online, self.predictor.parameters())
        return done
