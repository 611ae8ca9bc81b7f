"""ILSVRC-2012, from one folder per class or straight from the published archives.

The archives are read in place: unpacked they would take another 150 GB.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

from pipeline.data.images import ImageSet, Opener, class_folders, image_files
from pipeline.errors import UserError

TRAIN = "ILSVRC2012_img_train.tar"
VAL = "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"


def read(
    files: Mapping[str, Path], formats: Sequence[str], only: Collection[str] | None = None
) -> tuple[list[str], dict[str, ImageSet]]:
    """Find the images of both splits; both layouts give the same images in the same order.

    Args:
        files: :data:`TRAIN` and :data:`VAL`, each an archive or a folder that holds ``train/`` or ``val/``;
            and :data:`DEVKIT` if the validation images are an archive, which does not say their classes.
        formats: Formats whose files count as images in folders.
        only: WordNet ids of the classes to keep; None keeps all that the training set has.

    Returns:
        WordNet ids in the order of the labels, and the splits ``train`` and ``test`` (the validation images).

    Raises:
        UserError: A class that only one split has, an archive without the development kit.
    """
    train: Mapping[str, Sequence[Path | Opener]]
    val: Mapping[str, Sequence[Path | Opener]]
    if files[TRAIN].is_file():
        train = _archived_train(files[TRAIN], only)
    else:
        train = _folder(files[TRAIN] / "train", formats, only)
    if files[VAL].is_file():
        if DEVKIT not in files:
            raise UserError(f"{files[VAL]} does not hold the classes of its images: put {DEVKIT} beside it")
        val = _archived_val(files[VAL], files[DEVKIT])
    else:
        val = _folder(files[VAL] / "val", formats, only)
        if unknown := sorted(val.keys() - train.keys()):
            raise UserError(
                f"{files[VAL] / 'val' / unknown[0]}: a class without training images ({len(unknown)} of them); remove "
                f"it, or complete {files[TRAIN]}"
            )
    ids = sorted(only if only is not None else train)
    for split, images, file in (("training", train, files[TRAIN]), ("validation", val, files[VAL])):
        lacking = [id_ for id_ in ids if not images.get(id_)]
        if lacking:
            raise UserError(f"{file}: no {split} images of class {lacking[0]} ({len(lacking)} classes are missing)")
    return ids, {"train": _as_set(ids, train), "test": _as_set(ids, val)}


def _as_set(ids: list[str], found: Mapping[str, list[Path] | list[Opener]]) -> ImageSet:
    images: list[Path | Opener] = []
    labels: list[int] = []
    for label, id_ in enumerate(ids):
        images += found[id_]
        labels += [label] * len(found[id_])
    return ImageSet(images, labels)


def _folder(folder: Path, formats: Sequence[str], only: Collection[str] | None) -> dict[str, list[Path]]:
    """Images by WordNet id."""
    return {id_: image_files(folder / id_, formats) for id_ in class_folders(folder) if only is None or id_ in only}


def _archived_train(archive: Path, only: Collection[str] | None) -> dict[str, list[Opener]]:
    """An archive of one archive per class."""
    images: dict[str, list[Opener]] = {}
    for name, begin, _ in _regions(archive, 0):
        id_ = name.removesuffix(".tar")
        if id_ == name:
            raise UserError(f"{archive}: its member {name} is no archive of one class; get the published archive")
        if only is None or id_ in only:
            images[id_] = [_opener(archive, *region) for region in sorted(_regions(archive, begin))]
    return images


def _archived_val(archive: Path, devkit: Path) -> dict[str, list[Opener]]:
    """An archive of images whose classes stand in the development kit, in the order of their names."""
    ids = validation_ids(devkit)
    regions = sorted(_regions(archive, 0))
    if len(regions) != len(ids):
        raise UserError(f"{archive}: {len(regions)} images, but {devkit} has the classes of {len(ids)}")
    images: dict[str, list[Opener]] = {}
    for id_, region in zip(ids, regions, strict=True):
        images.setdefault(id_, []).append(_opener(archive, *region))
    return images


def validation_ids(devkit: Path) -> list[str]:
    """WordNet id of each validation image, in the order of the images' names."""
    from scipy.io import loadmat

    try:
        with tarfile.open(devkit) as opened:
            inside = {Path(member.name).name: member for member in opened if member.isreg()}
            table = loadmat(io.BytesIO(_member(opened, inside["meta.mat"])), squeeze_me=True)["synsets"]
            truth = _member(opened, inside["ILSVRC2012_validation_ground_truth.txt"]).decode().split()
    except (KeyError, ValueError, EOFError, OSError, tarfile.TarError) as error:
        raise UserError(f"{devkit}: not the development kit of ILSVRC-2012 ({error})") from None
    id_of = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
    return [id_of[int(number)] for number in truth]


def _member(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = opened.extractfile(member)
    assert stream is not None
    return stream.read()


def _regions(archive: Path, begin: int) -> list[tuple[str, int, int]]:
    """Name, offset and length of the files in the tar archive that begins at ``begin``, in bytes."""
    with archive.open("rb") as file:
        file.seek(begin)
        try:
            with tarfile.open(fileobj=file, mode="r:") as opened:
                return [
                    (Path(member.name).name, member.offset_data, member.size)
                    for member in opened
                    if member.isreg() and not Path(member.name).name.startswith(".")
                ]
        except tarfile.TarError as error:
            raise UserError(f"{archive}: not a complete archive ({error}); remove it and get it again") from None


def _opener(archive: Path, name: str, begin: int, size: int) -> Opener:
    def opened() -> IO[bytes]:
        with archive.open("rb") as file:
            file.seek(begin)
            stream = io.BytesIO(file.read(size))
        stream.name = f"{archive}: {name}"
        return stream

    return opened
