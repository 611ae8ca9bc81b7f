"""Stage prepare: from verified raw files, or from nothing but a seed, to the arrays of one data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    with Writer(work.out, spec["name"]) as writer:
        components.make(path, source, files, writer)
    if files:
        _complete(spec, writer.counts(), files)


def _complete(spec: dict, counts: dict[str, int], files: dict[str, Path]) -> None:
    """Compare with the declared counts: folders of images have no checksum, and half a folder looks whole."""
    for split, expected in (spec.get("splits") or {}).items():
        if expected is None:
            continue
        limit = spec["source"].get(f"limit_{split}")
        expected = expected if limit is None else min(limit, expected)
        found = counts.get(split, 0)
        if found != expected:
            where = ", ".join(sorted({str(path) for path in files.values()}))
            raise UserError(
                f"{spec['name']}: {found:,} {split} images, expected {expected:,}: what is in {where} is "
                "incomplete or another version; unpack it again, or correct splits in params/datasets.yaml"
            )
