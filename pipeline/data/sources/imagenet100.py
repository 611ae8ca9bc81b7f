"""ImageNet-100: 100 classes of ImageNet, as Tian, Krishnan and Isola (2020) or as the user chose them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.data import imagenet, images
from pipeline.errors import UserError
from pipeline.ranges import Count, Side

if TYPE_CHECKING:
    from pipeline.data.writer import Writer

DEFAULT_BEFORE = {"formats": ["JPEG", "PNG"], "keep": "pixels", "draft": False}

CLASSES = """
    n01558993 n01692333 n01729322 n01735189 n01749939 n01773797 n01820546 n01855672 n01978455 n01980166
    n01983481 n02009229 n02018207 n02085620 n02086240 n02086910 n02087046 n02089867 n02089973 n02090622
    n02091831 n02093428 n02099849 n02100583 n02104029 n02105505 n02106550 n02107142 n02108089 n02109047
    n02113799 n02113978 n02114855 n02116738 n02119022 n02123045 n02138441 n02172182 n02231487 n02259212
    n02326432 n02396427 n02483362 n02488291 n02701002 n02788148 n02804414 n02859443 n02869837 n02877765
    n02974003 n03017168 n03032252 n03062245 n03085013 n03259280 n03379051 n03424325 n03492542 n03494278
    n03530642 n03584829 n03594734 n03637318 n03642806 n03764736 n03775546 n03777754 n03785016 n03787032
    n03794056 n03837869 n03891251 n03903868 n03930630 n03947888 n04026417 n04067472 n04099969 n04111531
    n04127249 n04136333 n04229816 n04238763 n04336792 n04418357 n04429376 n04435653 n04485082 n04493381
    n04517823 n04589890 n04592741 n07714571 n07715103 n07753275 n07831146 n07836838 n13037406 n13040303
""".split()  # noqa: SIM905


def build(
    files: Mapping[str, Path],
    writer: Writer,
    *,
    size: Side = 224,
    fit: Literal["squash", "crop"] = "crop",
    subset: Literal["cmc", "folder"] = "cmc",
    formats: list[str] = ["JPEG", "PNG"],  # noqa: B006, the plan reads defaults as literals
    limit_train: Count | None = None,
    limit_test: Count | None = None,
    keep: Literal["pixels", "shards", "encoded"] = "pixels",
    draft: bool = False,
) -> None:
    """Write 100 classes of ImageNet at one size, in the order of their WordNet ids.

    Args:
        files: See :func:`pipeline.data.imagenet.read`; all of ImageNet will do, the rest is not read.
        writer: Where the arrays go.
        size: Side of the stored images.
        fit: ``crop`` (shorter side to ``size``, centre kept) or ``squash``.
        subset: ``cmc`` takes the classes of the paper above (Contrastive Multiview Coding); ``folder`` takes
            those that the training folder holds, which must be 100: other lists go by the same name.
        formats: Formats that are opened, by Pillow's names; nothing else is, whatever a file is called.
        limit_train: Keep only the first images of every class, this many in all.
        limit_test: The same for the validation images.
        keep: ``pixels``, one array in one file; ``shards``, the same in files of 1 GiB; ``encoded``, the files that
            were found, in such files, decoded whenever they are read. The network sees the same images.
        draft: Whether JPEGs are decoded at the smallest scale that suffices: faster, and not quite the same images.

    Raises:
        UserError: An unknown subset, or a folder of more or fewer classes.
    """
    if subset not in ("cmc", "folder"):
        raise UserError(f"source.subset: expected cmc or folder, found {subset!r}")
    images.check_formats(formats)
    ids, splits = imagenet.read(files, formats, CLASSES if subset == "cmc" else None)
    if len(ids) != len(CLASSES):
        raise UserError(
            f"{files[imagenet.TRAIN]}: {len(ids)} classes, expected {len(CLASSES)}; "
            "with all of ImageNet, set source.subset to cmc"
        )
    images.write(writer, ids, splits, size, fit, formats, {"train": limit_train, "test": limit_test}, keep, draft)
