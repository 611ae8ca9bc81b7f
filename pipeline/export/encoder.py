"""An encoder of a run, as other code wants it: in evaluation mode, with the normalisation that it was trained with."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from pipeline import components, files
from pipeline.data.arrays import META
from pipeline.errors import UserError
from pipeline.export.selection import checkpoint_of
from pipeline.ledger import receipt
from pipeline.ledger.fingerprint import Fingerprints
from pipeline.ledger.store import Store
from pipeline.ledger.workspace import Node, Workspace
from pipeline.nets import given_weights
from pipeline.nets.checkpoint import MODEL, load_state, read_tensors
from pipeline.views.normalize import normalised

if TYPE_CHECKING:
    from jaxtyping import Float, Num
    from torch import Tensor


class Encoder(nn.Module):
    """Images to features, with what is known of the network.

    Attributes:
        network: The encoder without normalisation, to go on training or to build on.
        features: Width of what it returns.
        image_shape: (channels, height, width) of the images that it was trained on.
        normalize: ``{"mean": [...], "std": [...]}`` of intensities in [0, 1], or None where there is no normalisation.
        spec: The encoder's params, ``kind`` first; a file of weights by its content.
        node: Name of the checkpoint, its folder in the checkout.
        receipt: The checkpoint's receipt.
        workspace: The checkout.
        source: Source file of the encoder's component.
    """

    def __init__(
        self, network: nn.Module, image_shape: tuple[int, int, int], found: Mapping[str, Any], workspace: Workspace
    ) -> None:
        super().__init__()
        self.network = network
        self.features = int(network.features)  # type: ignore[arg-type]
        self.image_shape = image_shape
        self.normalize = found["params"]["normalize"]
        self.spec = dict(found["params"]["encoder"])
        self.node = str(found["node"])
        self.receipt = dict(found)
        self.workspace = workspace
        self.source = Path()
        self.eval().requires_grad_(False)

    @property
    def key(self) -> str:
        """Key of the checkpoint."""
        return str(self.receipt["key"])

    def forward(self, images: Num[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Features of images that are uint8, or floats in [0, 1]; normalised here."""
        return self.network(normalised(images, self.normalize))


def load(result: Path | str, /, *, seed: int | None = None, extend: Path | str | None = None, **where: Any) -> Encoder:
    """The encoder behind a cell of a table, or of a checkpoint.

    Its weights are those of the receipt (their hashes are compared), from the checkout or the store.

    Args:
        result: ``results/quick/directpred/table8``, or the folder of a checkpoint.
        seed: Of the run; may be left out where there is one alone.
        extend: The user's own folder, where the encoder is a component of theirs.
        where: Axis of the table = value, as many as tell the cell from the others.

    Raises:
        UserError: There is no such cell or seed, or several; weights are neither in place nor in the store.
    """
    workspace, node = checkpoint_of(result, where, seed)
    found = receipt.read(workspace.path(node.receipt))
    if found is None:
        raise UserError(f"{node.receipt}: there is no such receipt; type: snakemake, which makes it again")
    data = receipt.read(workspace.path(Node(found["inputs"]["data"]["node"]).receipt))
    if data is None:
        raise UserError(f"{found['inputs']['data']['node']}: its receipt is not there; type: snakemake")
    if MODEL not in found["outputs"]:
        raise UserError(f"{node.name}: the training diverged, so there are no weights; choose another run")
    folder = Path(extend).expanduser().resolve() if extend else None
    spec = found["params"]["encoder"]
    source = _source(workspace, node, spec["kind"], folder)
    with tempfile.TemporaryDirectory() as scratch:
        meta = files.read_object(_file(workspace, data, META, Path(scratch, "data")))
        channels, height, width = meta["image_shape"]
        weights = _file(workspace, found, MODEL, Path(scratch, "weights"))
        network = _built(source, spec, (channels, height, width))
        state = read_tensors(weights, ("encoder.",))
        load_state(network, {name.removeprefix("encoder."): tensor for name, tensor in state.items()}, weights)
    _compare(found, source)
    encoder = Encoder(network, (channels, height, width), found, workspace)
    encoder.source = source
    return encoder


def _source(workspace: Workspace, node: Node, kind: str, extend: Path | None) -> Path:
    """Source file of the encoder: ours, that in the user's folder, or where the key file says that it was."""
    if extend is None:
        named = files.read_object(workspace.path(node.key)).get("components", {}).get("encoder", "")
        if Path(named).is_absolute() and Path(named).is_file():
            return Path(named)
    try:
        return components.find("encoder", kind, extend)
    except UserError as error:
        raise UserError(f"{node.name}: {error}; one of your own needs extend=FOLDER") from None


def _built(source: Path, spec: Mapping[str, Any], shape: tuple[int, int, int]) -> nn.Module:
    """The network with any weights: what it started from is not needed, since the checkpoint has them all."""
    extend = None if source.is_relative_to(components.PACKAGE) else source.parent.parent
    known = {name: value for name, value in spec.items() if name not in ("weights", "weights_prefix")}
    network = components.make(source, {**components.default_before("encoder", spec["kind"], extend), **known}, shape)
    if len(known) < len(spec):
        given_weights.keep(network)
    return network


def _file(workspace: Workspace, found: Mapping[str, Any], name: str, scratch: Path) -> Path:
    """One file of a node as its receipt has it: in place, or fetched from the store."""
    node, entry = Node(found["node"]), found["outputs"][name]
    path = workspace.payload(node) / name
    if path.is_file() and path.stat().st_size == entry["size"] and files.sha256(path) == entry["sha256"]:
        return path
    if Store(workspace.root).fetch({name: entry}, scratch):
        return scratch / name
    what = "is not what its receipt says" if path.is_file() else "is neither in place nor in the store"
    raise UserError(f"{path}: {what}; type: python -m pipeline restore {node.name}")


def _compare(found: Mapping[str, Any], source: Path) -> None:
    """Say so where the encoder's code is another one now: weights fit, and features may be others."""
    now = Fingerprints().code([source])
    changed = [name for name, digest in now.items() if found["code"].get(name) != digest]
    if changed:
        warnings.warn(
            f"{found['node']}: {changed[0]} was changed since it was trained; features are those of today's code",
            stacklevel=3,
        )
