"""Views: the policies of the five papers, views that differ, and what the params say about old runs."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import SHAPES, boxes_and_flips, rng
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode
from waiting import imagined_gpu

from pipeline import components
from pipeline.errors import UserError
from pipeline.planning import composition
from pipeline.training.fusion import compiled
from pipeline.views.blur import gaussian_blur
from pipeline.views.colour import grey_and_normalise, jitter, jitter_in_order
from pipeline.views.per_view import Mixed, each_view, together
from pipeline.views.policies import simclr
from pipeline.views.resample import crop_resize, cubic_weights
from pipeline.views.solarize import solarize

F = pytest.importorskip("torchvision.transforms.v2.functional")

CIFAR = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
STL10 = {"mean": [0.4914, 0.4823, 0.4466], "std": [0.247, 0.243, 0.261]}
STRONG = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
BYOL = {"interpolation": "bicubic", "saturation": 0.2, "solarize_probability": [0.0, 0.2]}
SMALL = {"hue": 0.0, "jitter_order": "fixed", "size": 64, "scale_min": 0.2, "grayscale": 0.1}
PAPERS = {
    "directpred-cifar": ((3, 32, 32), CIFAR, {}),
    "directpred-stl10": ((3, 96, 96), None, {**STRONG, "blur_probability": 1.0}),
    "isoloss-cifar": ((3, 32, 32), CIFAR, BYOL),
    "isoloss-stl10": ((3, 96, 96), STL10, {**BYOL, "blur_probability": [1.0, 0.1], "blur_kernel": 0.14}),
    "isoloss-text-stl10": ((3, 96, 96), STL10, {**STRONG, "blur_probability": 0.5}),
    "embnorms-cifar": ((3, 32, 32), None, {"scale_min": 0.2, "jitter": "independent", "jitter_order": "fixed"}),
    "multiview-cifar": ((3, 32, 32), CIFAR, {"hue": 0.0, "jitter_order": "fixed", "count": 8}),
    "multiview-stl10": ((3, 96, 96), STL10, {**SMALL, "count": 4}),
    "multiview-resolutions": ((3, 96, 96), STL10, {**SMALL, "count": [2, 6], "size": [64, 32]}),
}
OPERATIONS = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(batch: int, channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """uint8 images with smooth parts, hard edges, black, white and grey pixels."""
    coarse = torch.rand(batch, channels, 4, 5, generator=rng(seed))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic") * 1.6 - 0.3
    smooth[:, :, height // 2 :, : width // 3] = smooth[:, :, height // 2 :, : width // 3].round()
    smooth[:, :, : height // 4, : width // 4] = smooth[:, :1, : height // 4, : width // 4]
    return (smooth * 255).round().clamp(0, 255).to(torch.uint8)


def cropped(image: torch.Tensor, box: list[int], size: tuple[int, int], interpolation: str) -> torch.Tensor:
    """torchvision's crop and resize; bicubic in two steps, cut after each, as on bytes."""
    if interpolation == "bilinear":
        return F.resized_crop(image, *box, size=list(size), antialias=True)
    bicubic = {"interpolation": F.InterpolationMode.BICUBIC, "antialias": True}
    wide = F.resized_crop(image, *box, size=[box[2], size[1]], **bicubic).clamp(0, 1)
    return F.resize(wide, list(size), **bicubic).clamp(0, 1)


def same_share(events: torch.Tensor, probability: float) -> bool:
    """Whether the number of events fits a probability: an exact binomial test, or all or none of them."""
    if probability in (0, 1):
        return bool((events == bool(probability)).all())
    return stats.binomtest(int(events.sum()), events.numel(), probability).pvalue > 1e-3


# -- bicubic


@SHAPES
@pytest.mark.parametrize("kind", ["float64", "uint8"])
def test_bicubic_crop_resize_and_flip_equal_torchvision(shape, size, kind):
    images = pictures(12, *shape)
    boxes, flips = boxes_and_flips(shape)
    given = images.double() / 255 if kind == "float64" else images
    ours = crop_resize(given, boxes, flips, size, "bicubic")
    assert ours.shape == (2, 12, shape[0], *size) and ours.is_contiguous()
    assert ours.min() >= 0 and ours.max() <= 1
    overshoot = agreeing = 0.0
    for view, index in itertools.product(range(2), range(12)):
        box = [int(number) for number in boxes[view, index]]
        bicubic = F.InterpolationMode.BICUBIC
        theirs = F.resized_crop(given[index], *box, size=list(size), interpolation=bicubic, antialias=True)
        twice = cropped(given[index], box, size, "bicubic") if kind == "float64" else theirs
        if flips[view, index]:
            theirs, twice = F.horizontal_flip(theirs), F.horizontal_flip(twice)
        if kind == "float64":
            torch.testing.assert_close(ours[view, index], twice, atol=1e-12, rtol=0)
            overshoot = max(overshoot, theirs.max().item() - 1)
            agreeing += ((ours[view, index] - theirs).abs() < 1e-12).double().mean().item() / 24
        else:
            # Theirs is rounded after each axis: errors of 1/2, once weighted by up to 5/4.
            assert ((ours[view, index] * 255).round() - theirs).abs().max() <= 1
    if kind == "float64":
        assert overshoot > 1e-3 and agreeing > 0.3  # the cut is tested, and so is torchvision's in one step


def test_cubic_weights_are_keys_filter_and_keep_quadratics():
    def keys(x: float) -> float:
        x = abs(x)
        if x < 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    start, length = torch.tensor([0.0, 3.0, 2.0]).double(), torch.tensor([16.0, 11.0, 5.0]).double()
    for outside in (16, 7, 20):
        ours = cubic_weights(start, length, None, 16, outside).numpy()
        for row, (first, pixels) in enumerate(zip(start.tolist(), length.tolist(), strict=True)):
            step = pixels / outside
            for i in range(outside):
                centre = first + (i + 0.5) * step
                inside = [keys((j + 0.5 - centre) / max(1, step)) * (first <= j < first + pixels) for j in range(16)]
                np.testing.assert_allclose(ours[row, i], np.array(inside) / sum(inside), atol=1e-12)
    # Cubic convolution is exact on parabolas where it's not shrinking and not at a border.
    middle = cubic_weights(start[:1], length[:1], None, 16, 48)[0, 6:-6]
    places, targets = torch.arange(16).double() + 0.5, (torch.arange(48).double()[6:-6] + 0.5) / 3
    torch.testing.assert_close(middle @ places.square(), targets.square(), atol=1e-12, rtol=0)


def test_whole_image_in_its_own_size_is_unchanged_by_the_cubic_filter():
    images = pictures(6, 3, 16, 16)
    boxes = torch.tensor([0.0, 0, 16, 16]).expand(1, 6, 4)
    out = (crop_resize(images, boxes, None, (16, 16), "bicubic")[0] * 255).round().to(torch.uint8)
    assert torch.equal(out, images)


# -- colour


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_in_order_equals_torchvision_and_the_general_jitter(channels):
    images = pictures(24, channels, 6, 7).double() / 255
    factors = torch.rand(24, 4, generator=rng(7), dtype=torch.float64) * 1.8 + 0.1
    factors[:, 3] = torch.rand(24, generator=rng(8), dtype=torch.float64) - 0.5
    factors[0] = torch.tensor([1.0, 1, 1, 0])
    before = images.clone()
    order = torch.arange(4).expand(24, 4)
    for hue in ("hsv", "yiq", None):
        ours = jitter_in_order(images.flatten(2), factors, hue)
        torch.testing.assert_close(ours, jitter(images.flatten(2), factors, order, hue), atol=1e-12, rtol=0)
    assert torch.equal(images, before)
    ours = jitter_in_order(images.flatten(2), factors).view_as(images)
    for index in range(24):
        theirs = images[index]
        for operation, factor in zip(OPERATIONS, factors[index].tolist(), strict=True):
            theirs = operation(theirs, factor)
        torch.testing.assert_close(ours[index], theirs, atol=3e-6, rtol=0)  # its hue is float32
    torch.testing.assert_close(ours[0], images[0], atol=1e-12, rtol=0)


def test_solarize_equals_torchvision_on_floats_and_bytes():
    images = pictures(6, 3, 16, 16)
    images[0, 0, 0, :2] = torch.tensor([127, 128])
    where = torch.tensor([True, False] * 3)
    unit = images.double() / 255
    for threshold in (0.0, 0.3, 0.5, 1.0):
        ours = solarize(unit.flatten(2), where, threshold).view_as(unit)
        for index in range(6):
            theirs = F.solarize(unit[index], threshold) if where[index] else unit[index]
            torch.testing.assert_close(ours[index], theirs, atol=0, rtol=0)
    bytes_ = F.solarize(images[::2], 128)
    ours = solarize(unit.flatten(2), where, 0.5).view_as(unit)[::2]
    assert torch.equal((ours * 255).round().to(torch.uint8), bytes_)
    # An error of a grey level stays one, also across the threshold.
    shifted = solarize((unit + 0.999 / 255).flatten(2), where, 0.5).view_as(unit)[::2]
    assert (shifted * 255 - bytes_).abs().max() <= 1


def test_grayscale_commutes_with_the_blur_and_not_with_solarisation():
    images = pictures(8, 3, 12, 12).double() / 255
    all_, sigma = torch.ones(8, dtype=torch.bool), torch.linspace(0.1, 2, 8).double()
    zeros, ones = torch.zeros(3).double(), torch.ones(3).double()

    def grey(x: torch.Tensor) -> torch.Tensor:
        return grey_and_normalise(x.flatten(2), all_, zeros, ones).view_as(x)

    blurred_first = grey(gaussian_blur(images, sigma, (3, 3)))
    torch.testing.assert_close(gaussian_blur(grey(images), sigma, (3, 3)), blurred_first, atol=1e-12, rtol=0)
    solarized_first = grey(solarize(images.flatten(2), all_, 0.5).view_as(images))
    assert (solarize(grey(images).flatten(2), all_, 0.5).view_as(images) - solarized_first).abs().max() > 0.1


def test_gaussian_blur_is_close_to_that_of_pil():
    # PIL's is three box filters and rounds after each, so it's the same blur and not the same numbers.
    from PIL import Image, ImageFilter

    images = pictures(4, 3, 96, 96)
    for width in (0.5, 1.0, 2.0):
        ours = gaussian_blur(images.double(), torch.full((4,), width).double(), (13, 13))
        for index in range(4):
            picture = Image.fromarray(images[index].permute(1, 2, 0).numpy())
            theirs = np.asarray(picture.filter(ImageFilter.GaussianBlur(width))).transpose(2, 0, 1)
            assert np.abs(ours[index].numpy() - theirs).mean() < 1.5


# -- whole policies


def parts(policy, drawn):
    """Policies of one resolution with what they drew."""
    return zip(policy.policies, drawn, strict=True) if isinstance(policy, Mixed) else [(policy, drawn)]


def by_torchvision(policy: simclr.Policy, image: torch.Tensor, drawn: simclr.Parameters, place) -> torch.Tensor:
    """One view of one uint8 image, operation by operation, in the order of the released codes."""
    pixels = F.to_dtype(image, torch.float32, scale=True)
    box = [int(number) for number in drawn.boxes[place]]
    pixels = cropped(pixels, box, policy.size, policy.interpolation)
    for operation in drawn.order[place].tolist():
        pixels = OPERATIONS[operation](pixels, drawn.factors[place][operation].item())
    if drawn.grey[place] and len(image) == 3:
        pixels = F.rgb_to_grayscale(pixels, num_output_channels=3)
    if drawn.sigma[place] > 0:
        pixels = F.gaussian_blur(pixels, list(policy.blur_kernel), [drawn.sigma[place].item()] * 2)
    if drawn.solarized[place]:
        pixels = F.solarize(pixels, policy.solarize_threshold)
    if drawn.flips[place]:
        pixels = F.horizontal_flip(pixels)
    return F.normalize(pixels, list(policy.mean), list(policy.std))


@pytest.mark.parametrize("paper", PAPERS)
def test_the_policy_of_a_paper_is_the_sequence_of_torchvision_operations(paper):
    shape, normalize, params = PAPERS[paper]
    policy = simclr.build(shape, normalize, **params)
    images = pictures(8, *shape)
    drawn = policy.sample(8, rng(20))
    views = iter(policy.apply(images, drawn))
    for one, numbers in parts(policy, drawn):
        for place in range(one.count):
            view = next(views)
            assert view.shape == (8, shape[0], *one.size) and view.dtype == torch.float32 and view.is_contiguous()
            for index in range(8):
                theirs = by_torchvision(one, images[index], numbers, (place, index))
                # a twentieth of a grey level (1/255), in units of the normalised view
                assert (view[index] - theirs).abs().max() < 0.05 / 255 / min(one.std)
    assert next(views, None) is None


@pytest.mark.parametrize("channels", [1, 5])
def test_solarisation_and_cubic_resizing_work_without_colours(channels):
    off = {"jitter_probability": 0.0, "grayscale": 0.0} if channels == 5 else {"jitter_order": "fixed"}
    policy = simclr.build((channels, 8, 10), None, interpolation="bicubic", solarize_probability=1.0, **off)
    images = pictures(4, channels, 8, 10)
    drawn = policy.sample(4, rng(1))
    for view, place in zip(policy.apply(images, drawn), range(2), strict=True):
        for index in range(4):
            plain = dataclasses.replace(policy, solarize_probability=(0.0, 0.0))
            before = plain.apply(images, drawn)[place][index]
            torch.testing.assert_close(view[index], torch.where(before >= 0.5, 1 - before, before))


def test_a_policy_of_several_resolutions_is_its_policies_in_turn():
    shape, normalize, params = PAPERS["multiview-resolutions"]
    policy = simclr.build(shape, normalize, **params)
    images = pictures(6, *shape)
    views = policy(images, rng(3))
    assert [tuple(view.shape[2:]) for view in views] == [(64, 64)] * 2 + [(32, 32)] * 6
    source = rng(3)
    large = simclr.build(shape, normalize, **{**params, "count": 2, "size": 64})(images, source)
    small = simclr.build(shape, normalize, **{**params, "count": 6, "size": 32})(images, source)
    for ours, alone in zip(views, large + small, strict=True):
        assert torch.equal(ours, alone)
    again = policy(images, rng(3))
    assert all(torch.equal(a, b) for a, b in zip(views, again, strict=True))
    assert not torch.equal(views[2], views[3])


def test_views_made_in_parts_are_the_same_views(monkeypatch):
    shape, normalize, params = PAPERS["isoloss-cifar"]
    policy = simclr.build(shape, normalize, **params)
    images = pictures(11, *shape)
    drawn = policy.sample(11, rng(5))
    whole = policy.apply(images, drawn)
    made = []
    one_go = simclr.Policy._views
    monkeypatch.setattr(simclr.Policy, "_views", lambda *given: made.append(len(given[1])) or one_go(*given))
    for numbers, sizes in ((4 * 2 * 3 * 32 * 32, [4, 4, 3]), (1, [1] * 11), (10**9, [11])):
        monkeypatch.setattr(simclr, "CHUNK", numbers)
        for ours, theirs in zip(policy.apply(images, drawn), whole, strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)
            assert ours.is_contiguous()
        assert made == sizes
        made.clear()


# -- what is drawn


def test_the_two_views_of_byol_have_their_own_probabilities():
    n = 4000
    shape, normalize, params = PAPERS["isoloss-stl10"]
    policy = simclr.build(shape, normalize, **params, flip=[0.5, 0.3], grayscale=[0.2, 1.0])
    assert isinstance(policy, simclr.Policy)  # one pass, though they differ
    drawn = policy.sample(n, rng(30))
    for view, (blur, solar, flip, grey) in enumerate([(1.0, 0.0, 0.5, 0.2), (0.1, 0.2, 0.3, 1.0)]):
        assert same_share(drawn.sigma[view] > 0, blur) and same_share(drawn.solarized[view], solar)
        assert same_share(drawn.flips[view], flip) and same_share(drawn.grey[view], grey)
        sigma = drawn.sigma[view][drawn.sigma[view] > 0].numpy()
        assert stats.kstest(sigma, "uniform", (0.1, 1.9)).pvalue > 1e-3
    both = (drawn.sigma[1] > 0) & drawn.solarized[1]
    assert same_share(both, 0.1 * 0.2)


def test_independent_jitter_draws_each_factor_by_itself():
    n = 4000
    params = {"jitter": "independent", "jitter_probability": 0.8, "jitter_order": "fixed"}
    policy = simclr.build((3, 32, 32), None, **params, solarize_probability=0.5)
    drawn = policy.sample(n, rng(31))
    unchanged = torch.tensor([1.0, 1, 1, 0])
    changed = (drawn.factors != unchanged).flatten(0, 1)
    for column, (low, width) in enumerate([(0.6, 0.8)] * 3 + [(-0.1, 0.2)]):
        assert same_share(changed[:, column], 0.8)
        factors = drawn.factors.flatten(0, 1)[changed[:, column], column].numpy()
        assert stats.kstest(factors, "uniform", (low, width)).pvalue > 1e-3
    for first, second in itertools.combinations(range(4), 2):
        assert same_share(changed[:, first] & changed[:, second], 0.64)
    assert same_share(changed.all(1), 0.8**4)
    for column in range(4):
        assert same_share(changed[:, column] & drawn.solarized.flatten(), 0.8 * 0.5)
    assert (drawn.order == torch.arange(4)).all()


def test_jitter_together_is_all_or_nothing_and_its_order_is_fixed_or_random():
    fixed, free = (simclr.build((3, 8, 8), None, jitter_order=order) for order in ("fixed", "random"))
    drawn = fixed.sample(3000, rng(32))
    changed = (drawn.factors != torch.tensor([1.0, 1, 1, 0])).flatten(0, 1)
    assert torch.equal(changed.any(1), changed.all(1)) and same_share(changed[:, 0], 0.8)
    assert (drawn.order == torch.arange(4)).all()
    assert torch.equal(drawn.factors, free.sample(3000, rng(32)).factors)
    places = (free.sample(3000, rng(32)).order == 0).flatten(0, 1).sum(0).numpy()
    assert stats.chisquare(places).pvalue > 1e-3
    assert not fixed.sample(5, rng(33)).solarized.any()


def test_each_resolution_has_its_own_crops():
    params = {"count": [2, 4], "size": [24, 12], "scale_min": [0.3, 0.05], "scale_max": [1.0, 0.3]}
    policy = simclr.build((3, 200, 200), None, **params, ratio_min=1.0, ratio_max=1.0)
    large, small = policy.sample(1500, rng(34))
    assert large.boxes.shape == (2, 1500, 4) and small.boxes.shape == (4, 1500, 4)
    for drawn, low, high in ((large, 0.3, 1.0), (small, 0.05, 0.3)):
        share = (drawn.boxes[..., 2] * drawn.boxes[..., 3] / 200**2).flatten().numpy()
        # Sides are whole pixels of 200, so shares are off by up to 1 in 100: a little noise hides the steps.
        side = np.sqrt(share) + np.random.default_rng(0).uniform(-0.0025, 0.0025, share.shape)
        assert stats.kstest(side**2, "uniform", (low, high - low)).pvalue > 1e-3
    views = policy.apply(pictures(3, 3, 200, 200), policy.sample(3, rng(35)))
    assert [view.shape[-1] for view in views] == [24, 24, 12, 12, 12, 12]


def test_views_are_independent_of_each_other():
    n = 3000
    policy = simclr.build((3, 32, 32), None, count=8, jitter_probability=1.0, solarize_probability=0.5)
    drawn = policy.sample(n, rng(36))
    columns = torch.cat((drawn.boxes[..., 2], drawn.factors[..., 0], drawn.solarized.float()))
    off = torch.corrcoef(columns) - torch.eye(len(columns))
    assert off.abs().max() < 5 / n**0.5


def test_what_policies_without_the_later_params_draw_has_not_changed():
    # Comparisons and ranks of the generator's numbers are the same on every machine; bytes of views are not.
    policy = simclr.build((3, 32, 32), None, blur_probability=0.5, count=3)
    drawn = policy.sample(64, rng(40))
    bits = torch.cat(
        [part.flatten().to(torch.uint8) for part in (drawn.flips, drawn.grey, drawn.order, drawn.sigma > 0)]
    )
    assert hashlib.sha256(bits.numpy().tobytes()).hexdigest()[:16] == "7f5131115de9ee37"


# -- params


def test_later_params_rename_no_run():
    old = {"count": 2, "size": None, "scale_min": 0.08, "scale_max": 1.0, "ratio_min": 0.75, "ratio_max": 4 / 3}
    old |= {"flip": 0.5, "jitter_probability": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    old |= {"hue_space": "hsv", "grayscale": 0.2, "blur_probability": 0.0, "blur_kernel": 0.1}
    old |= {"blur_sigma_min": 0.1, "blur_sigma_max": 2.0}
    full = components.resolve("views", {"kind": "simclr"}, "test")
    kept, omitted_defaults = composition.prune({"views": full})
    assert kept["views"] == {"kind": "simclr", **old}
    assert omitted_defaults["views"] == simclr.DEFAULT_BEFORE
    told = components.resolve("views", {"kind": "simclr", "solarize_probability": [0, 0.2]}, "test")
    assert composition.prune({"views": told})[0]["views"]["solarize_probability"] == [0, 0.2]


@pytest.mark.parametrize("paper", PAPERS)
def test_policies_of_the_papers_pass_the_checks_of_the_plan(paper):
    shape, normalize, params = PAPERS[paper]
    resolved = components.resolve("views", {"kind": "simclr", **params}, "test")
    policy = components.make(components.find("views", "simclr"), resolved, shape, normalize)
    assert policy == simclr.build(shape, normalize, **params)


def test_lists_are_read_view_by_view_or_group_by_group():
    assert each_view({"a": 1, "b": "x"}, 3) == [{"a": 1, "b": "x"}] * 3
    assert each_view({"a": [1, 2], "b": None}, 2) == [{"a": 1, "b": None}, {"a": 2, "b": None}]
    assert each_view({"a": [1, 2]}, [1, 2]) == [{"a": 1}, {"a": 2}, {"a": 2}]
    assert each_view({"a": 1}, [2, 1]) == [{"a": 1}] * 3
    views = [{"p": p, "s": s} for p, s in ((0, 1), (1, 1), (1, 2), (0, 1))]
    assert [len(run) for run in together(views, frozenset({"p"}))] == [2, 1, 1]
    same = simclr.build((3, 8, 8), None, flip=[0.5, 0.5])
    assert same == simclr.build((3, 8, 8), None) == simclr.build((3, 8, 8), None, count=[1, 1])


def test_a_list_for_any_number_reaches_its_view():
    later = {"count", "size", "interpolation", "jitter", "jitter_order", "hue_space", "solarize_threshold"}
    values = {"scale_min": 0.3, "scale_max": 0.5, "ratio_min": 0.9, "ratio_max": 1.2, "blur_sigma_min": 0.4}
    for name in set(components.params("views", "simclr")) - later:
        value = values.get(name, 0.35)
        default = components.params("views", "simclr")[name][1]
        policy = simclr.build((3, 32, 32), None, **{name: [default, value]})
        first, second = (simclr.build((3, 32, 32), None, count=1, **{name: v}) for v in (default, value))
        if isinstance(policy, Mixed):
            assert policy.policies == (first, second), name
        else:
            assert getattr(policy, name) == getattr(first, name) + getattr(second, name), name


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"interpolation": "nearest"}, "views.interpolation"),
        ({"jitter": "sometimes"}, "views.jitter"),
        ({"jitter_order": "reversed"}, "views.jitter_order"),
        ({"solarize_probability": 1.2}, "views.solarize_probability"),
        ({"solarize_threshold": -0.1}, "views.solarize_threshold"),
        ({"count": []}, "views.count"),
        ({"count": [2, 0]}, "views.count"),
        ({"count": 3, "flip": [0.5, 0.5]}, "views.flip"),
        ({"count": [2, 6], "size": [8, 4, 4]}, "views.size"),
        ({"flip": [0.5, 1.5]}, "views.flip"),
        ({"flip": [0.5, "often"]}, "views.flip"),
        ({"flip": [0.5, None]}, "views.flip"),
        ({"flip": [0.5, True]}, "views.flip"),
        ({"size": [8, 4.5]}, "views.size"),
        ({"scale_min": [0.1, 0.9], "scale_max": [1.0, 0.5]}, "views.scale_min"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_params_are_named_in_one_line(params, word):
    with pytest.raises(UserError) as caught:
        simclr.build((3, 8, 8), None, **params)
    assert str(caught.value).startswith(word) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "word", "remedy"),
    [
        ({"blur_probability": 1.0}, "views.blur_kernel", "0.25 or more"),
        ({"blur_probability": 0.1, "size": 19}, "views.blur_kernel", "0.11 or more"),
        ({"blur_probability": [0.0, 0.1], "blur_kernel": [1.0, 0.2]}, "views.blur_kernel", "blur_probability: 0"),
        ({"blur_probability": 1.0, "size": 1}, "views.blur_kernel", "; set views.blur_probability: 0"),
        (
            {"blur_probability": 1.0, "blur_kernel": 0.5, "blur_sigma_max": 0.2},
            "views.blur_sigma_max",
            "views.blur_probability: 0",
        ),
        (
            {"brightness": 0, "contrast": 0.0, "saturation": 0, "hue": 0},
            "views.jitter_probability",
            "views.jitter_probability: 0",
        ),
    ],
)
def test_an_operation_that_would_change_nothing_is_refused(params, word, remedy):
    with pytest.raises(UserError) as caught:
        simclr.build((3, 8, 8), None, **params)
    assert str(caught.value).startswith(word) and remedy in str(caught.value) and "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(3, 40), st.floats(0, 1), st.floats(0.11, 4))
def test_a_blur_that_is_not_refused_blurs(side, share, widest):
    params = {"blur_probability": 1.0, "blur_kernel": share, "blur_sigma_min": widest, "blur_sigma_max": widest}
    params |= {"flip": 0.0, "jitter_probability": 0.0, "grayscale": 0.0, "scale_min": 1.0, "ratio_min": 1.0}
    point = torch.zeros(1, 3, side, side)
    point[..., side // 2, side // 2] = 1
    try:
        policy = simclr.build((3, side, side), None, ratio_max=1.0, count=1, **params)
    except UserError as error:
        assert share * side < 2 or widest < 0.3, error
        return
    (view,) = policy(point, rng())
    assert (view - point).abs().max() * 255 > 0.5


# -- the device


class NothingReadBack(TorchDispatchMode):
    """Refuses operations that bring numbers to the host, or whose result has a size that depends on them."""

    REFUSED = frozenset({"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "is_nonzero", "equal"})

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in self.REFUSED, f"{name} waits for the device"
        if name in ("index", "index_put_"):
            assert not any(i is not None and i.dtype == torch.bool for i in args[1]), "an index of unknown size"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("paper", PAPERS)
def test_no_policy_waits_for_the_device(paper):
    shape, normalize, params = PAPERS[paper]
    policy = simclr.build(shape, normalize, **params)
    images = pictures(2, *shape)
    policy(images, rng())  # constants are made here, once
    with NothingReadBack():
        policy(images, rng())
    with pytest.raises(AssertionError, match="waits for the device"), NothingReadBack():
        bool(images.max() > 3)


@pytest.mark.parametrize(
    "paper",
    [
        "directpred-cifar",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("isoloss-stl10", "multiview-cifar")),
    ],
)
def test_compiled_for_a_gpu_a_policy_has_nothing_on_the_host(paper):
    from torch._dynamo.backends.common import aot_autograd  # which costs a second to import

    shape, normalize, params = PAPERS[paper]
    policy = simclr.build(shape, normalize, **params)
    drawn, places = policy.sample(4, rng()), []

    def look(graph, inputs):
        values = [node.meta.get("val") for node in graph.graph.nodes]
        places.extend(value.device.type for value in values if isinstance(value, torch.Tensor))
        return graph.forward

    torch._dynamo.reset()
    with imagined_gpu():
        imagined = simclr.Parameters(*(torch.empty(v.shape, dtype=v.dtype) for v in vars(drawn).values()))
        images = torch.empty(4, *shape, dtype=torch.uint8)
        compiled(policy._views, aot_autograd(fw_compiler=look))(images, imagined)
    assert len(places) > 50 and set(places) == {"cuda"}


@pytest.mark.gpu
@pytest.mark.parametrize("paper", PAPERS)
def test_views_on_a_gpu_equal_those_on_the_cpu(paper):
    shape, normalize, params = PAPERS[paper]
    policy = simclr.build(shape, normalize, **params)
    images, drawn = pictures(8, *shape), policy.sample(8, rng(23))
    ours = policy.apply(images, drawn)
    for one, numbers in parts(policy, drawn):
        on_gpu = simclr.Parameters(**{name: value.cuda() for name, value in vars(numbers).items()})
        for there in one.apply(images.cuda(), on_gpu):
            torch.testing.assert_close(ours.pop(0), there.cpu(), atol=5e-3, rtol=0)
    source = torch.Generator("cuda").manual_seed(0)
    on_device = images.cuda()
    policy(on_device, source)
    torch.cuda.set_sync_debug_mode("error")
    try:
        policy(on_device, source)
    finally:
        torch.cuda.set_sync_debug_mode("default")
