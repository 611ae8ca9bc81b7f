"""What a measure looks at: one checkpoint with its data."""

from __future__ import annotations

import functools
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from pipeline.data.arrays import Arrays
from pipeline.errors import UserError
from pipeline.evaluation.calibration import calibrate
from pipeline.evaluation.collapse import embeddings_collapsed
from pipeline.evaluation.extent import extent
from pipeline.evaluation.features import extract
from pipeline.evaluation.finite import NotFinite
from pipeline.nets.checkpoint import MODEL, load_network, read_summary
from pipeline.nets.network import Network
from pipeline.nets.target import Branch

if TYPE_CHECKING:
    from pipeline.monitor import Progress


CALIBRATED_ON = "train"
"""Split over which statistics of BatchNorm are collected."""


@dataclass
class EvaluationContext:
    """A checkpoint to be measured. Nothing is read or built before it is asked for.

    Attributes:
        spec: The params of the run that the measure reads (its ``READS``), and ``threads``.
        seed: Seed of the run; a measure that draws numbers derives its seeds from it.
        device: Where to compute.
        checkpoint: Payload folder of the checkpoint.
        data: Payload folder of the data that the network was trained on.
        roles: Role -> payload folder of another data set: ``fit`` for the split ``train``, ``evaluate`` for ``test``.
        components: Source file of each component that ``spec`` names.
        progress: Where to say how far a long measurement is.
        known: Features by split, and kernels; measures of the same checkpoint share one such mapping.
        reference: The checkpoint that this one is compared with, of a measure that compares.
        memory: Bytes for the computation of a tangent kernel, if the user has set a limit.
        scratch: A folder for the progress of a long measurement, which survives a crash.
        looked_at: Splits of which the features were asked for.
    """

    spec: Mapping[str, Any]
    seed: int
    device: torch.device
    checkpoint: Path
    data: Path
    components: Mapping[str, Path]
    progress: Progress
    known: MutableMapping[str, Any] = field(default_factory=dict)
    reference: EvaluationContext | None = None
    memory: int | None = None
    scratch: Path | None = None
    roles: Mapping[str, Path] = field(default_factory=dict)
    looked_at: set[str] = field(default_factory=set, init=False)

    @functools.cached_property
    def arrays(self) -> Arrays:
        """The data set that the network was trained on."""
        return Arrays.open(self.data)

    @functools.cached_property
    def _evaluated(self) -> dict[str, Arrays]:
        """Role -> the data set that it names."""
        return {role: Arrays.open(folder) for role, folder in self.roles.items()}

    def _of(self, split: str) -> Arrays:
        """The data set that a split is read from."""
        return self._evaluated.get({"test": "evaluate"}.get(split, "fit"), self.arrays)

    @property
    def n_classes(self) -> int:
        """Number of classes of the data set whose labels are fitted.

        Raises:
            UserError: What is evaluated has more classes.
        """
        fitted, tested = self._of("train").n_classes, self._of("test").n_classes
        if tested > fitted:
            raise UserError(
                f"measures: data: expected data sets with the same classes, found {fitted} to fit and {tested} to test"
            )
        return fitted

    @functools.cached_property
    def network(self) -> Network:
        """The network with its trained weights, in evaluation mode: those parts that ``spec`` names.

        Of one that was never trained the statistics of BatchNorm are collected first, see
        :mod:`pipeline.evaluation.calibration`.
        """
        network = load_network(self.spec, self.arrays.image_shape, self.components, self.checkpoint)
        network = network.to(self.device).eval().requires_grad_(False)
        if self.calibrated:
            online = nn.Sequential(*filter(None, (network.encoder, network.projector, network.predictor)))
            for branch in filter(None, (online, network.target)):
                calibrate(
                    branch,
                    self.arrays.images(CALIBRATED_ON),
                    self.spec["normalize"],
                    self.seed,
                    device=self.device,
                    tick=functools.partial(self.progress.tick, "statistics of BatchNorm"),
                )
        return network

    @functools.cached_property
    def calibrated(self) -> bool:
        """Whether the network has BatchNorms and was never trained, so that their statistics are collected here."""
        summary = read_summary(self.checkpoint)
        if summary.get("epoch", summary.get("step")) != 0:
            return False
        parts = tuple(f"{part}." for part in ("encoder", "projector", "predictor", "target") if part in self.spec)
        with safe_open(self.checkpoint / MODEL, framework="pt") as file:
            return any(name.startswith(parts) and name.endswith(".running_mean") for name in file.keys())  # noqa: SIM118

    @functools.cached_property
    def branch(self) -> Branch:
        """Images to embeddings: encoder and projector."""
        assert self.network.projector is not None
        return Branch(self.network.encoder, self.network.projector).eval()

    def images(self, split: str) -> Tensor:
        """uint8, (N, C, H, W), on the CPU."""
        return self._of(split).images(split)

    def labels(self, split: str) -> Tensor:
        """int64, (N,), on ``device``."""
        return self._of(split).labels(split).to(self.device)

    def votes(self, split: str) -> Tensor:
        """How often people gave an image each label: int64, (N, classes), on ``device``.

        Raises:
            UserError: The data set has none.
        """
        return self._of(split).votes(split).to(self.device)

    def features(self, split: str, own: bool = False) -> Tensor:
        """Output of the encoder on the normalised, un-augmented images of a split.

        Computed once per checkpoint and split, so it must not be written to.

        Args:
            split: ``train`` or ``test``.
            own: Whether it is that of the run's own data, whatever the roles say.

        Returns:
            (N, d) float32, on ``device``.

        Raises:
            NotFinite: A feature is infinite or NaN.
        """
        arrays = self.arrays if own else self._of(split)
        if arrays is self._of(split):
            self.looked_at.add(split)
        key = f"{split} of {arrays.path}"
        if key not in self.known:

            def tick(done: int, total: int) -> None:
                self.progress.tick(f"features of {split}", done, total)

            found = extract(
                self.network.encoder,
                arrays.images(split),
                self.spec["normalize"],
                device=self.device,
                tick=tick,
            )
            if not torch.isfinite(found).all():
                raise NotFinite(f"features of {split}")
            self.known[key] = found
        return self.known[key]

    def remarks(self) -> dict[str, Any]:
        """What a reader of the scores must know of the checkpoint, whatever was measured.

        Returns:
            Remarks by their names.

            * ``collapsed``: whether the embeddings at the end of the training or, where the measure looked at features,
              those of the training images are next to one point or line.
            * ``feature_std``, ``feature_rank``: how far these features spread, see
              :func:`pipeline.evaluation.extent.extent`.
            * ``batchnorm``: ``calibrated`` where the network was never trained and has BatchNorms.
        """
        found: dict[str, Any] = {"batchnorm": "calibrated"} if self.calibrated else {}
        collapsed = embeddings_collapsed(read_summary(self.checkpoint))
        if "train" in self.looked_at:
            key = f"extent of {self._of('train').path}"
            if key not in self.known:
                self.known[key] = extent(self.features("train"))
            spread = self.known[key]
            found |= {"feature_std": spread.std, "feature_rank": spread.rank}
            collapsed = collapsed or spread.collapsed
        return found | {"collapsed": collapsed}
