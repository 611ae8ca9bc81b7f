"""``evaluate``: somebody's weights, measured as any network here is, in a table with receipts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands import _own, _targets
from pipeline.errors import UserError, nearest

if TYPE_CHECKING:
    from pipeline.planning.catalogue import Catalogue

HELP = "somebody's weights (torchvision, timm, a state dict) as a table: linear probe, k-NN, spread, rank"

FOLDER = Path("evaluations")
"""Where evaluations are declared unless another folder is named; its layout is that of --config extend=FOLDER."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``evaluate``."""
    parser.add_argument("weights", nargs="+", type=Path, metavar="CHECKPOINT", help=".safetensors, or of torch.save")
    parser.add_argument(
        "--encoder",
        required=True,
        metavar="NAME",
        help="the network that they are of: an encoder, a name of torchvision's or timm's, or {kind: ..., ...}",
    )
    parser.add_argument("--on", nargs="+", required=True, metavar="DATASET", help="data sets on which it is measured")
    parser.add_argument("--prefix", default="", metavar="TEXT", help="what stands before its names in the file (found)")
    parser.add_argument(
        "--normalize", metavar="DATASET", help="with whose statistics images are normalised (each data set its own)"
    )
    parser.add_argument("--batch-size", type=int, default=128, metavar="N", help="images at a time for views (128)")
    parser.add_argument("--name", default="", metavar="NAME", help="of its file and of the folder of its results")
    _own.add(parser, FOLDER)
    _targets.add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Declare an evaluation as a paper of its own, and have snakemake build its table."""
    from pipeline import files
    from pipeline.planning import composition, evaluation, spec

    folder, config = _own.folder(arguments, FOLDER)
    paths = [path.expanduser().resolve() for path in arguments.weights]
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; correct the path")
    name = arguments.name or evaluation.name_of(paths)
    evaluation.check(name)
    rows = evaluation.rows(paths)
    scaled = any(item.startswith("scale=") for item in config)
    before = _targets.catalogue([*config, *_own.declarations(folder)])
    for dataset in [*arguments.on, *([arguments.normalize] if arguments.normalize else [])]:
        before.dataset(dataset, "--normalize" if dataset not in arguments.on else "--on")
    encoder = _encoder(arguments.encoder, arguments.prefix, paths, arguments.on[0], before)
    normalize = None
    if arguments.normalize:
        statistics = before.datasets[arguments.normalize].normalize
        if statistics is None:
            raise UserError(f"--normalize {arguments.normalize}: this data set has no statistics; name another one")
        normalize = statistics.model_dump()
    content = evaluation.declared(name, rows, encoder, arguments.prefix, arguments.on, normalize, arguments.batch_size)
    spec.parse(spec.Paper, content, "evaluate")
    composition.check_values(content["defaults"], "evaluate", before.extend)
    text = evaluation.text(content, _own.typed())
    path = evaluation.place(folder, name, text, before)
    scale = folder / "scales" / f"{evaluation.SCALE}.yaml"
    if not path.exists():
        files.write(path, text)
    if not scaled:
        if not scale.exists():
            files.write(scale, evaluation.SCALE_TEXT)
        config = [f"scale={evaluation.SCALE}", *config]
    config = [*config, f"extend={folder}"]
    known = _targets.catalogue(config)
    target = f"results/{known.options.edition()}/{name}/{evaluation.ARTIFACT}.csv"
    _targets.planned([target], known)
    print(f"{path}: encoder {_told(encoder)}", flush=True)
    if arguments.no_build:
        print(f"to build it, type: {_own.line([target], arguments.cores, config)}")
        return 0
    status = _own.build([target], arguments.cores, config)
    if status == 0:
        audit = _targets.to_type(["python", "-m", "pipeline", "audit", target], config)
        print(f"where each number comes from: {audit}")
    return status


def _told(encoder: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in encoder.items()) + "}"


def _encoder(text: str, prefix: str, paths: Sequence[Path], dataset: str, known: Catalogue) -> dict[str, Any]:
    """The encoder that was meant, which the weights of all files fit: they are tried before anything is declared.

    Raises:
        UserError: There is none of this name, or the weights are another network's.
    """
    import torch

    from pipeline import components
    from pipeline.nets import given_weights

    side = _side(dataset, known)
    refused: UserError | None = None
    for candidate in _candidates(text, known.extend):
        resolved = components.resolve("encoder", candidate, "--encoder", known.extend)
        source = components.find("encoder", candidate["kind"], known.extend)
        try:
            for path in paths:
                with torch.random.fork_rng(devices=[]):
                    built = components.make(source, resolved, (3, side, side))
                given_weights.finish(built, weights=path, weights_prefix=prefix)
            return candidate
        except UserError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _candidates(text: str, extend: Path | None) -> Iterator[dict[str, Any]]:
    """What somebody may mean who types ``resnet18``: ours with one stem or another, torchvision's, timm's."""
    import importlib.util

    from pipeline import annotations, components
    from pipeline.planning import yaml_files

    given = yaml_files.parse(text, "--encoder")
    if isinstance(given, dict):
        yield given
        return
    name = str(given)
    if name in components.kinds("encoder", extend):
        yield {"kind": name}
        stem = components.params("encoder", name, extend).get("stem")
        for other in annotations.schema(stem[0]).get("enum", []) if stem else ():
            yield {"kind": name, "stem": other}
        return
    kind = components.params("encoder", "torchvision")["name"][0]
    names = annotations.schema(kind)["enum"]
    if name in names:
        yield {"kind": "torchvision", "name": name}
    if importlib.util.find_spec("timm") is not None:
        yield {"kind": "timm", "name": name}
    elif name not in names:
        ours = [kind for kind in components.kinds("encoder", extend) if kind not in ("timm", "torchvision")]
        raise UserError(
            f"--encoder {name}: no encoder here and no network of torchvision's is called that; "
            f"{nearest(name, [*ours, *names])}; for one of timm's type: make setup EXTRAS=timm"
        )


def _side(dataset: str, known: Catalogue) -> int:
    """Side of the images of a data set, as it is declared; of others any will do to try weights."""
    declared = known.datasets[dataset]
    return int(declared.source.get("size") or declared.image_size or 32)
