"""Stage prepare: from verified raw files, or from nothing but a seed, to the arrays of one data set."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline import components
from pipeline.data import raw
from pipeline.data.writer import Writer
from pipeline.errors import UserError
from pipeline.work import Work

DOWNLOADS = Path("data/raw")


def execute(works: list[Work]) -> Iterator[Work]:
    """Prepare data sets, one per work.

    Reads from ``work.spec``: ``name``; ``source``, its kind and all params; ``files`` (see
    :mod:`pipeline.data.raw`); and ``splits``, the number of images that complete files hold. From
    ``work.context``: ``raw_dir``, the user's folder, and ``download_dir`` (default ``data/raw``). Writes
    ``arrays.safetensors`` and ``meta.json``, which depend on the spec alone.

    Raises:
        UserError: A raw file is missing or damaged, a param is out of range, an image is missing.
    """
    for work in works:
        _prepare(work)
        yield work


def _prepare(work: Work) -> None:
    spec, source = work.spec, work.spec["source"]
    named = work.context.get("raw_dir") or os.environ.get("SSL_RAW_DIR")
    files: dict[str, Path] = {}
    if spec.get("files"):
        files = raw.fetch(
            spec["name"],
            spec["files"],
            Path(named).expanduser() if named else None,
            Path(work.context.get("download_dir") or DOWNLOADS),
        )
    path = work.components.get("source") or components.find("source", source["kind"])
    complete = functools.partial(_complete, spec, files) if files else None
    with Writer(work.out, spec["name"], complete) as writer:
        components.make(path, source, files, writer)


def _complete(
    spec: dict, files: dict[str, Path], classes: Sequence[str], counts: Mapping[str, int], whole: bool
) -> None:
    """Compare with what is declared: folders of images have no checksum, and half a folder looks whole."""
    where = ", ".join(sorted({str(path) for path in files.values()}))
    remedy = (
        f"what is in {where} is incomplete or another version; unpack it again, or correct {{}} in params/datasets.yaml"
    )
    if spec.get("classes") is not None and len(classes) != spec["classes"]:
        more = remedy.format("classes")
        raise UserError(f"{spec['name']}: {len(classes):,} classes, expected {spec['classes']:,}: {more}")
    for split, expected in (spec.get("splits") or {}).items():
        if expected is None:
            continue
        limit = spec["source"].get(f"limit_{split}")
        if limit == 0 and split not in counts:
            continue
        expected = expected if whole or limit is None else min(limit, expected)
        found = counts.get(split, 0)
        if found != expected:
            more = remedy.format("splits")
            if spec["source"].get("imbalance", 1) != 1:
                more += f" (source.imbalance: {spec['source']['imbalance']} asks for an entry with counts of its own)"
            raise UserError(f"{spec['name']}: {found:,} {split} images, expected {expected:,}: {more}")
