"""Pictures compared by what they show."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.provenance import pictures


def png(levels: np.ndarray, **more) -> bytes:
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "PNG", **more)
    return out.getvalue()


@pytest.fixture
def levels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 75, 3), dtype=np.uint8)


def test_the_same_pixels_packed_otherwise_are_the_same(levels):
    assert png(levels, compress_level=1) != png(levels, compress_level=9)
    assert pictures.differing("a.png", png(levels, compress_level=1), png(levels, compress_level=9)) is None


def test_a_change_that_people_see_is_told_with_its_place(levels):
    other = levels.copy()
    other[40:44, 24:28] = 255 - other[40:44, 24:28]
    other[42:48, 66:72] = 0
    told = pictures.differing("a.png", png(other), png(levels))
    assert "pixels are not" in told and "y = 40" in told
    assert pictures.differing("a.png", png(np.minimum(levels, 254) + 1), png(np.minimum(levels, 254))) is None


def test_another_size_another_number_of_frames_and_no_picture_at_all(levels):
    assert "squares" in pictures.differing("a.png", png(levels[:40]), png(levels))
    for broken in (b"", b"\x89PNG", png(levels)[:200], b"GIF89a"):
        assert pictures.differing("a.png", broken, png(levels)) is not None
    frames = [Image.fromarray(levels), Image.fromarray(255 - levels), Image.fromarray(levels // 2)]
    out = [io.BytesIO(), io.BytesIO()]
    frames[0].save(out[0], "GIF", save_all=True, append_images=frames[1:])
    frames[0].save(out[1], "GIF", save_all=True, append_images=frames[1:2])
    first, second = (one.getvalue() for one in out)
    assert pictures.differing("a.gif", first, first) is None
    assert "number of frames" in pictures.differing("a.gif", second, first)


def pdf(content: bytes, level: int = 6) -> bytes:
    packed = zlib.compress(content, level)
    return b"%%PDF-1.4\n1 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nxref\n0 1\n%d\ntrailer\n" % (
        len(packed), packed, len(packed),
    )  # fmt: skip


def test_numbers_and_operators_of_a_pdf_file_are_compared():
    content = b"1 0 0 1 72.5 30.25 cm 10 20 m 30 40 l S " * 50
    assert pictures.differing("a.pdf", pdf(content, 1), pdf(content, 9)) is None
    assert pictures.differing("a.pdf", pdf(content.replace(b"30.25", b"30.251")), pdf(content)) is None
    assert "31.25, where 30.25" in pictures.differing("a.pdf", pdf(content.replace(b"30.25", b"31.25")), pdf(content))
    assert pictures.differing("a.pdf", pdf(content.replace(b" l S", b" l s", 1)), pdf(content)) is not None
    assert "objects" in pictures.differing("a.pdf", pdf(content) + b"2 0 obj << /JS (x) >> endobj", pdf(content))
    assert pictures.differing("a.pdf", pdf(b" " * (pictures._INFLATED + 1)), pdf(content)) is not None
