"""The procedural data set: reproducible, balanced, and what its stored factors say it is."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.data.sources import shapes
from pipeline.data.writer import Writer
from pipeline.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SYMMETRIC = ("disk", "ring", "square", "cross", "hourglass", "bars")  # their centroid is their centre


def make(folder: Path, **params) -> dict[str, np.ndarray]:
    folder.mkdir()
    with Writer(folder, "shapes") as writer:
        shapes.build({}, writer, **params)
    return load_file(folder / "arrays.safetensors")


def factors_of(arrays: dict[str, np.ndarray], split: str) -> dict[str, np.ndarray]:
    prefix = f"{split}_factors/"
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def default(tmp_path_factory) -> dict[str, np.ndarray]:
    return make(tmp_path_factory.mktemp("shapes") / "default")


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> dict[str, np.ndarray]:
    """Large images without noise and grating."""
    return make(tmp_path_factory.mktemp("shapes") / "clean", size=64, train=160, test=8, noise=0.0, texture=0.0)


def test_the_bytes_depend_on_the_seed_alone(tmp_path):
    params = {"size": 16, "train": 24, "test": 16}
    for name in ("a", "b"):
        make(tmp_path / name, **params, seed=0)
    first = (tmp_path / "a/arrays.safetensors").read_bytes()
    assert first == (tmp_path / "b/arrays.safetensors").read_bytes()
    # Another value here means other images under an unchanged spec: all results on shapes would change.
    assert hashlib.sha256(first).hexdigest() == "73ff68ad9c050fb47b7b8839c12b3f0ff8924c0b68d2208364b81dde509aeac3"
    other = make(tmp_path / "c", **params, seed=1)
    again = load_file(tmp_path / "a/arrays.safetensors")
    assert not np.array_equal(other["train_images"], again["train_images"])
    assert not np.array_equal(again["train_images"][:16], again["test_images"])


def test_fewer_images_are_a_prefix_and_chunks_do_not_show(tmp_path):
    # At 64 pixels an image set of 300 is drawn in more than one piece.
    many = make(tmp_path / "many", size=64, train=300, test=8)
    few = make(tmp_path / "few", size=64, train=40, test=8)
    for name in few:
        n = len(few[name])
        assert np.array_equal(many[name][:n], few[name]), name


@pytest.mark.parametrize("classes", [2, 5, 8])
def test_classes_are_balanced(tmp_path, classes):
    arrays = make(tmp_path / "d", train=203, test=classes, classes=classes)
    counts = np.bincount(arrays["train_labels"], minlength=classes)
    assert len(counts) == classes
    assert counts.max() - counts.min() <= 1
    assert sorted(arrays["test_labels"]) == list(range(classes))


def test_factors_keep_to_their_ranges_and_fill_them(default):
    ranges = {
        "x": (-0.2, 0.2),
        "y": (-0.2, 0.2),
        "size": (0.6, 0.85),
        "rotation": (-22, 22),
        "grating_amplitude": (0, 0.06),
        "grating_frequency": (1, 3),
        "grating_angle": (0, 180),
        "grating_phase": (0, 360),
        **{f"{part}_{c}": (0, 1) for part in ("foreground", "background") for c in ("red", "green", "blue")},
    }
    found = factors_of(default, "train")
    assert set(found) == set(ranges)
    for name, (low, high) in ranges.items():
        span = high - low
        assert low - 1e-6 * span <= found[name].min() <= low + 0.02 * span, name
        assert high - 0.02 * span <= found[name].max() <= high + 1e-6 * span, name


def test_factors_say_nothing_about_the_class(default):
    found = factors_of(default, "train")
    labels = default["train_labels"]
    for name, values in found.items():
        means = np.array([values[labels == k].mean() for k in range(8)])
        # Eight means of 250 images each: a spread beyond 5 standard errors would be a leak.
        assert np.abs(means - values.mean()).max() < 5 * values.std() / 250**0.5, name


def test_figure_and_ground_differ_and_either_may_be_brighter(default):
    f = factors_of(default, "train")
    luma = {
        part: 0.299 * f[f"{part}_red"] + 0.587 * f[f"{part}_green"] + 0.114 * f[f"{part}_blue"]
        for part in ("foreground", "background")
    }
    difference = luma["foreground"] - luma["background"]
    assert (np.abs(difference) >= 0.249).mean() > 0.93
    assert 0.45 < (difference > 0).mean() < 0.55


def test_stored_factors_redraw_the_image_exactly(tmp_path):
    arrays = make(tmp_path / "d", size=24, train=80, test=8, noise=0.0)
    image = shapes.render(arrays["train_labels"], factors_of(arrays, "train"), 24)
    again = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    assert np.array_equal(again, arrays["train_images"])
    noisy = make(tmp_path / "noisy", size=24, train=80, test=8, noise=0.03)
    inside = (image > 0.15) & (image < 0.85)  # where nothing is clipped
    error = (noisy["train_images"] / 255.0 - image)[inside]
    assert abs(error.std() - 0.03) < 0.001
    assert abs(error.mean()) < 0.001


def test_colours_are_those_of_the_image(clean):
    f = factors_of(clean, "train")
    cover = shapes.cover(clean["train_labels"], f, 64)
    for i, image in enumerate(clean["train_images"]):
        for c, channel in enumerate(("red", "green", "blue")):
            # 1/255 for rounding to bytes.
            assert np.abs(image[c][cover[i] == 1] / 255 - f[f"foreground_{channel}"][i]).max() < 1 / 255
            assert np.abs(image[c][cover[i] == 0] / 255 - f[f"background_{channel}"][i]).max() < 1 / 255


def test_recolouring_swaps_figure_and_ground(clean):
    f = factors_of(clean, "train")
    swapped = dict(f)
    for channel in ("red", "green", "blue"):
        swapped[f"foreground_{channel}"] = f[f"background_{channel}"]
        swapped[f"background_{channel}"] = f[f"foreground_{channel}"]
    a = shapes.render(clean["train_labels"], f, 64)
    b = shapes.render(clean["train_labels"], swapped, 64)
    colours = [np.stack([f[f"{p}_{c}"] for c in ("red", "green", "blue")], 1) for p in ("foreground", "background")]
    assert np.allclose(a + b, sum(colours)[:, :, None, None].astype(np.float64), atol=1e-6)


def test_position_and_size_are_those_of_the_figure(clean):
    f = factors_of(clean, "train")
    names = list(shapes.SHAPES)
    cover = shapes.cover(clean["train_labels"], f, 64)
    centre = (2 * np.arange(64) + 1) / 64 - 1
    area = cover.sum((1, 2)) * (2 / 64) ** 2
    x = (cover * centre[None, None, :]).sum((1, 2)) * (2 / 64) ** 2 / area
    y = (cover * centre[None, :, None]).sum((1, 2)) * (2 / 64) ** 2 / area
    # All of these figures lie inside the image, so nothing pulls the centroid.
    inside = np.array([names[k] in SYMMETRIC for k in clean["train_labels"]]) & (
        np.maximum(np.abs(f["x"]), np.abs(f["y"])) + 1.15 * f["size"] < 1
    )
    assert inside.sum() > 40
    assert np.abs(x - f["x"])[inside].max() < 0.005
    assert np.abs(y - f["y"])[inside].max() < 0.005
    disks = inside & (clean["train_labels"] == names.index("disk"))
    assert np.allclose(area[disks], np.pi * (0.9 * f["size"][disks]) ** 2, rtol=0.01)


@pytest.mark.parametrize("name", list(shapes.SHAPES))
def test_rotation_is_a_rotation_of_the_picture(name):
    from scipy.ndimage import rotate

    label = np.array([list(shapes.SHAPES).index(name)])
    base = {"x": np.zeros(1), "y": np.zeros(1), "size": np.full(1, 0.7), "rotation": np.zeros(1)}
    upright = shapes.cover(label, base, 128)[0]
    turned = shapes.cover(label, {**base, "rotation": np.full(1, 20.0)}, 128)[0]
    # Positive is clockwise as seen on the screen; scipy turns the other way.
    assert np.abs(rotate(upright, -20.0, reshape=False, order=1) - turned).mean() < 0.006
    if name not in ("disk", "ring"):
        assert np.abs(rotate(upright, 20.0, reshape=False, order=1) - turned).mean() > 0.02


def test_another_size_shows_the_same_scenes(tmp_path):
    large = make(tmp_path / "64", size=64, train=32, test=8, noise=0.0)
    small = make(tmp_path / "16", size=16, train=32, test=8, noise=0.0)
    assert large["train_images"].shape == (32, 3, 64, 64)
    for name, values in factors_of(small, "train").items():
        assert np.array_equal(values, factors_of(large, "train")[name]), name
    means = large["train_images"].reshape(32, 3, 16, 4, 16, 4).mean((3, 5))
    difference = np.abs(means - small["train_images"])
    assert difference.mean() < 2  # of 255: edges are anti-aliased along the distance, not by area
    assert np.quantile(difference, 0.99) < 30


def test_the_class_is_in_the_geometry_and_not_in_the_pixels(default):
    train, test = default["train_labels"], default["test_labels"]
    masks = {s: shapes.cover(default[f"{s}_labels"], factors_of(default, s), 16) for s in ("train", "test")}
    means = np.stack([masks["train"][train == k].mean(0) for k in range(8)])
    nearest = ((masks["test"][:, None] - means) ** 2).sum((2, 3)).argmin(1)
    assert (nearest == test).mean() > 0.7

    pixels = {s: default[f"{s}_images"].reshape(len(default[f"{s}_images"]), -1) / 255.0 for s in ("train", "test")}
    mean, std = pixels["train"].mean(0), pixels["train"].std(0)
    x, xt = (pixels["train"] - mean) / std, (pixels["test"] - mean) / std
    weights = np.linalg.solve(x.T @ x + 100.0 * np.eye(x.shape[1]), x.T @ np.eye(8)[train])
    assert (xt @ weights).argmax(1).size == 1000
    assert ((xt @ weights).argmax(1) == test).mean() < 0.3  # chance is 0.125


def test_drawing_needs_neither_torch_nor_scikit_learn(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.data import prepare\nfrom pipeline.work import Work\n"
        "from pipeline import components\n"
        "for kind in ('shapes', 'digits', 'textured_digits'):\n"
        f"    out = Path({str(tmp_path)!r}) / kind; out.mkdir()\n"
        "    source = components.resolve('source', {'kind': kind}, 'test')\n"
        "    list(prepare.execute([Work(name=kind, spec={'name': kind, 'source': source}, out=out)]))\n"
        "slow = {'torch', 'torchvision', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    assert load_file(tmp_path / "shapes/arrays.safetensors")["train_images"].shape == (2000, 3, 16, 16)


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"classes": 9}, "classes"),
        ({"classes": 1}, "classes"),
        ({"size": 4}, "size"),
        ({"train": 3}, "train"),
        ({"smallest": 0.9}, "smallest"),
    ],
)
def test_params_out_of_range_are_refused(tmp_path, params, key):
    with pytest.raises(UserError, match=rf"source\.{key}"):
        make(tmp_path / "d", **params)
