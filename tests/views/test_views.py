"""Views: operations against torchvision, distributions against formulas, policies against their params."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from pictures import SHAPES, boxes_and_flips, rng
from scipy import stats

from pipeline import components
from pipeline.errors import UserError
from pipeline.views.blur import gaussian_blur, kernel_side
from pipeline.views.colour import chroma_rotation, grey_and_normalise, jitter, rotate_hue
from pipeline.views.crop_boxes import UNIFORMS, random_boxes
from pipeline.views.normalize import normalised
from pipeline.views.policies import identity, simclr
from pipeline.views.resample import crop_resize

F = pytest.importorskip("torchvision.transforms.v2.functional")

NORMALIZE = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2023, 0.1994, 0.2010]}
CIFAR = {}
STL10 = {
    "size": 96,
    "brightness": 0.8,
    "contrast": 0.8,
    "saturation": 0.8,
    "hue": 0.2,
    "blur_probability": 1.0,
}
GENTLE = {"scale_min": 0.5, "flip": 0.0, "brightness": 0.6, "contrast": 0.6, "saturation": 0.6, "hue": 0.5}
OPERATIONS = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def pictures(batch: int, channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """uint8 images with smooth and noisy parts, saturated and grey pixels."""
    coarse = torch.rand(batch, channels, 4, 5, generator=rng(seed))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic") * 1.4 - 0.2
    noisy = smooth + 0.05 * torch.randn(batch, channels, height, width, generator=rng(seed + 1))
    noisy[:, :, : height // 4, : width // 4] = noisy[:, :1, : height // 4, : width // 4]
    return (noisy * 255).round().clamp(0, 255).to(torch.uint8)


# -- crop, resize, flip


@SHAPES
@pytest.mark.parametrize("kind", ["float64", "uint8"])
def test_crop_resize_and_flip_equal_torchvision(shape, size, kind):
    images = pictures(12, *shape)
    boxes, flips = boxes_and_flips(shape)
    given = images.double() / 255 if kind == "float64" else images
    ours = crop_resize(given, boxes, flips, size)
    assert ours.shape == (2, 12, shape[0], *size) and ours.is_contiguous()
    for view, index in itertools.product(range(2), range(12)):
        box = [int(number) for number in boxes[view, index]]
        theirs = F.resized_crop(given[index], *box, size=list(size), antialias=True)
        if flips[view, index]:
            theirs = F.horizontal_flip(theirs)
        if kind == "float64":
            torch.testing.assert_close(ours[view, index], theirs, atol=1e-12, rtol=0)
        else:
            assert (ours[view, index] * 255 - theirs).abs().max() <= 1 + 1e-9


def test_whole_image_without_resizing_is_unchanged_and_flips_exactly():
    images = pictures(6, 3, 16, 16)
    boxes = torch.tensor([0.0, 0, 16, 16]).expand(1, 6, 4)
    flips = torch.tensor([[True, False] * 3])
    out = (crop_resize(images, boxes, flips, (16, 16))[0] * 255).round().to(torch.uint8)
    assert torch.equal(out[1::2], images[1::2])
    assert torch.equal(out[::2], images[::2].flip(-1))


def test_boxes_have_the_distribution_of_random_resized_crop():
    from torchvision.transforms.v2 import RandomResizedCrop

    n = 3000
    for size, scale, ratio in [
        ((32, 32), (0.08, 1.0), (3 / 4, 4 / 3)),
        ((20, 48), (0.5, 1.0), (3 / 4, 4 / 3)),
    ]:
        ours = random_boxes(torch.rand(n, UNIFORMS, generator=rng(3)), size, scale, ratio).numpy()
        torch.manual_seed(4)
        crop = RandomResizedCrop(size, scale=scale, ratio=ratio)
        drawn = [crop.make_params([torch.empty(3, *size)]) for _ in range(n)]
        theirs = np.array([[d["top"], d["left"], d["height"], d["width"]] for d in drawn])
        top, left, height, width = ours.T
        assert (ours == np.round(ours)).all() and (height >= 1).all() and (width >= 1).all()
        assert (top >= 0).all() and (left >= 0).all()
        assert (top + height <= size[0]).all() and (left + width <= size[1]).all()
        for column in range(4):
            assert stats.ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-3
        assert stats.ks_2samp(height * width, theirs[:, 2] * theirs[:, 3]).pvalue > 1e-3


def test_place_of_a_box_is_uniform_and_reaches_both_borders():
    boxes = random_boxes(torch.rand(20000, UNIFORMS, generator=rng(5)), (10, 10), (0.49, 0.49), (1, 1))
    assert (boxes[:, 2:] == 7).all()
    for side in (0, 1):
        counts = np.bincount(boxes[:, side].long().numpy(), minlength=4)
        assert len(counts) == 4 and stats.chisquare(counts).pvalue > 1e-3
    largest = torch.full((1, UNIFORMS), 1 - 2**-24)
    assert random_boxes(largest, (10, 10), (0.49, 0.49), (1, 1))[0, :2].tolist() == [3, 3]


@pytest.mark.parametrize(("size", "expected"), [((8, 32), [0, 10, 8, 11]), ((32, 8), [10, 0, 11, 8])])
def test_where_no_box_fits_the_central_one_is_taken(size, expected):
    # The whole area at a ratio of at most 4/3 never fits into a strip of ratio 4.
    boxes = random_boxes(torch.rand(50, UNIFORMS, generator=rng(6)), size, (1, 1), (3 / 4, 4 / 3))
    assert (boxes == torch.tensor(expected, dtype=torch.float32)).all()


# -- colour


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1), None])
@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_equals_torchvision_in_the_same_order(order, channels):
    batch = 24
    images = pictures(batch, channels, 6, 7).double() / 255
    factors = torch.rand(batch, 4, generator=rng(7), dtype=torch.float64) * 1.8 + 0.1
    factors[:, 3] = torch.rand(batch, generator=rng(8), dtype=torch.float64) - 0.5
    factors[0] = torch.tensor([1.0, 1, 1, 0])
    every = torch.tensor(list(itertools.permutations(range(4))))
    orders = every if order is None else torch.tensor(order).expand(batch, 4)
    ours = jitter(images.flatten(2), factors, orders).view_as(images)
    for index in range(batch):
        theirs = images[index]
        for operation in orders[index].tolist():
            theirs = OPERATIONS[operation](theirs, factors[index, operation].item())
        torch.testing.assert_close(ours[index], theirs, atol=3e-6, rtol=0)  # its hue is float32
    torch.testing.assert_close(ours[0], images[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("operation", range(4))
def test_each_colour_operation_is_within_a_grey_level_of_torchvision_on_bytes(operation):
    images = pictures(16, 3, 16, 16, seed=operation)
    factors = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(16, 1)
    factors[:, operation] = torch.linspace(-0.5, 0.5, 16) if operation == 3 else torch.linspace(0, 2, 16)
    order = torch.arange(4).expand(16, 4)
    ours = jitter((images.double() / 255).flatten(2), factors.double(), order).view(images.shape) * 255
    for index in range(16):
        theirs = OPERATIONS[operation](images[index], factors[index, operation].item())
        # Theirs is truncated to bytes, and so is the grey image that it blends with.
        truncated = (ours[index] + 1e-4).floor()
        assert (truncated - theirs).abs().max() <= 1


@pytest.mark.parametrize("hue", ["hsv", "yiq"])
def test_where_no_hue_is_shifted_the_choice_of_space_changes_nothing(hue):
    images = torch.rand(24, 3, 40, generator=rng(9), dtype=torch.float64)
    factors = torch.rand(24, 4, generator=rng(10), dtype=torch.float64) * 2
    order = torch.tensor(list(itertools.permutations(range(4))))
    without = jitter(images, factors, order, None)
    factors[:, 3] = 0
    torch.testing.assert_close(jitter(images, factors, order, hue), without, atol=1e-12, rtol=0)


def test_chroma_rotation_turns_the_plane_and_keeps_the_luma():
    import colorsys

    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    turns = torch.tensor([0.0, 0.25, -0.4, 1 / 3, 1.0], dtype=torch.float64)
    pixels = torch.rand(3, 50, generator=rng(14), dtype=torch.float64)
    before = yiq @ pixels.numpy()
    for matrix, turn in zip(chroma_rotation(turns), turns.tolist(), strict=True):
        after = yiq @ (matrix @ pixels).numpy()
        np.testing.assert_allclose(after[0], before[0], atol=1e-12)
        rotated = (before[1] + 1j * before[2]) * np.exp(2j * np.pi * turn)
        np.testing.assert_allclose(after[1] + 1j * after[2], rotated, atol=1e-12)
    grey = torch.full((3, 1), 0.4, dtype=torch.float64)
    torch.testing.assert_close(chroma_rotation(turns) @ grey, grey.expand(5, 3, 1))
    # The standard library's YIQ has coefficients rounded to two digits.
    theirs = np.array([colorsys.rgb_to_yiq(*pixel) for pixel in pixels.T.tolist()]).T
    np.testing.assert_allclose(before, theirs, atol=0.02)


def test_jitter_in_yiq_is_its_operations_one_by_one():
    images = pictures(24, 3, 6, 7).double() / 255
    factors = torch.rand(24, 4, generator=rng(7), dtype=torch.float64) * 1.8 + 0.1
    factors[:, 3] = torch.rand(24, generator=rng(8), dtype=torch.float64) - 0.5
    order = torch.tensor(list(itertools.permutations(range(4))))
    ours = jitter(images.flatten(2), factors, order, "yiq").view_as(images)
    for index in range(24):
        expected = images[index]
        for operation in order[index].tolist():
            if operation == 3:
                matrix = chroma_rotation(factors[index, 3])
                expected = torch.einsum("ij,jhw->ihw", matrix, expected).clamp(0, 1)
            else:
                expected = OPERATIONS[operation](expected, factors[index, operation].item())
        torch.testing.assert_close(ours[index], expected, atol=3e-6, rtol=0)


def test_hue_on_pure_colours_and_grey():
    red, green, cyan, grey = [1.0, 0, 0], [0.0, 1, 0], [0.0, 1, 1], [0.3, 0.3, 0.3]
    pixels = torch.tensor([red, green, cyan, grey], dtype=torch.float64)[:, :, None]
    third = rotate_hue(pixels, torch.full((4,), 1 / 3, dtype=torch.float64))[:, :, 0]
    blue = torch.tensor([0.0, 0, 1], dtype=torch.float64)
    magenta = torch.tensor([1.0, 0, 1], dtype=torch.float64)
    torch.testing.assert_close(third, torch.stack((pixels[1, :, 0], blue, magenta, pixels[3, :, 0])))
    colours = torch.rand(50, 3, 20, generator=rng(11), dtype=torch.float64)
    turns = torch.rand(50, generator=rng(12), dtype=torch.float64) - 0.5
    torch.testing.assert_close(rotate_hue(rotate_hue(colours, turns), -turns), colours)
    torch.testing.assert_close(rotate_hue(colours, torch.ones(50, dtype=torch.float64)), colours)


def test_jitter_leaves_its_input_alone():
    images = torch.rand(24, 3, 40, generator=rng(13))
    before = images.clone()
    jitter(images, torch.full((24, 4), 0.4), torch.tensor(list(itertools.permutations(range(4)))))
    rotate_hue(images, torch.full((24,), 0.3))
    assert torch.equal(images, before)


def test_grayscale_and_normalisation_equal_torchvision():
    images = pictures(8, 3, 5, 6).double() / 255
    grey = torch.tensor([True, False] * 4)
    mean, std = (torch.tensor(NORMALIZE[name], dtype=torch.float64) for name in ("mean", "std"))
    ours = grey_and_normalise(images.flatten(2), grey, mean, std).view_as(images)
    for index in range(8):
        theirs = F.rgb_to_grayscale(images[index], num_output_channels=3) if grey[index] else images[index]
        theirs = F.normalize(theirs, NORMALIZE["mean"], NORMALIZE["std"])
        torch.testing.assert_close(ours[index], theirs, atol=1e-12, rtol=0)
    plain = grey_and_normalise(images.flatten(2), None, mean, std).view_as(images)
    torch.testing.assert_close(plain, F.normalize(images, NORMALIZE["mean"], NORMALIZE["std"]), atol=1e-12, rtol=0)


# -- blur


@pytest.mark.parametrize(("shape", "kernel"), [((3, 96, 96), (9, 9)), ((1, 12, 7), (5, 3)), ((3, 5, 5), (9, 9))])
def test_blur_equals_torchvision(shape, kernel):
    images = pictures(5, *shape).double() / 255
    sigma = torch.tensor([0.1, 0.5, 1.0, 2.0, 0.0], dtype=torch.float64)
    ours = gaussian_blur(images, sigma, kernel)
    for index in range(4):
        theirs = images[index]
        theirs = F.gaussian_blur(theirs, [kernel[1], kernel[0]], [sigma[index].item()] * 2)
        torch.testing.assert_close(ours[index], theirs, atol=1e-6, rtol=0)  # its kernel is float32
    torch.testing.assert_close(ours[4], images[4], atol=1e-12, rtol=0)
    flat = torch.full_like(images, 0.7)
    torch.testing.assert_close(gaussian_blur(flat, sigma, kernel), flat)


def test_kernel_of_the_stl10_policy_has_nine_pixels():
    assert [kernel_side(0.1, side) for side in (96, 32, 16, 224)] == [9, 3, 1, 23]


# -- policies


def by_torchvision(
    policy: simclr.Policy, image: torch.Tensor, drawn: simclr.Parameters, place: tuple[int, int]
) -> torch.Tensor:
    """One view of one uint8 image, operation by operation."""
    pixels = F.to_dtype(image, torch.float32, scale=True)
    box = [int(number) for number in drawn.boxes[place]]
    pixels = F.resized_crop(pixels, *box, size=list(policy.size), antialias=True)
    if drawn.flips[place]:
        pixels = F.horizontal_flip(pixels)
    for operation in drawn.order[place].tolist():
        pixels = OPERATIONS[operation](pixels, drawn.factors[place][operation].item())
    if drawn.grey[place] and len(image) == 3:
        pixels = F.rgb_to_grayscale(pixels, num_output_channels=3)
    if drawn.sigma[place] > 0:
        pixels = F.gaussian_blur(pixels, list(policy.blur_kernel), [drawn.sigma[place].item()] * 2)
    return F.normalize(pixels, list(policy.mean), list(policy.std))


@pytest.mark.parametrize(
    ("shape", "params", "normalize"),
    [
        ((3, 32, 32), CIFAR, NORMALIZE),
        ((3, 96, 96), STL10, None),
        ((3, 16, 16), GENTLE, NORMALIZE),
        ((1, 8, 8), GENTLE, {"mean": [0.3], "std": [0.4]}),
        ((3, 24, 40), {"size": 20, "blur_probability": 0.5, "blur_kernel": 0.25, "count": 3}, None),
    ],
    ids=["cifar", "stl10", "gentle", "one-channel", "downsized"],
)
def test_a_policy_is_the_sequence_of_torchvision_operations(shape, params, normalize):
    policy = simclr.build(shape, normalize, **params)
    images = pictures(16, *shape)
    drawn = policy.sample(16, rng(20))
    views = policy.apply(images, drawn)
    assert len(views) == params.get("count", 2)
    for number, view in enumerate(views):
        assert view.shape == (16, shape[0], *policy.size) and view.dtype == torch.float32 and view.is_contiguous()
        for index in range(16):
            theirs = by_torchvision(policy, images[index], drawn, (number, index))
            # a fraction of a grey level (1/255), in units of the normalised view
            assert (view[index] - theirs).abs().max() < 0.02 / 255 / min(policy.std)


def test_sampled_parameters_have_the_policy_s_distributions():
    n = 6000
    params = STL10 | {"blur_probability": 0.5, "flip": 0.3, "jitter_probability": 0.8, "grayscale": 0.2}
    policy = simclr.build((3, 96, 96), None, **params)
    drawn = policy.sample(n, rng(21))

    def same_share(events: torch.Tensor, probability: float) -> bool:
        return stats.binomtest(int(events.sum()), events.numel(), probability).pvalue > 1e-3

    jittered = drawn.factors[..., 0] != 1
    assert same_share(drawn.flips, 0.3) and same_share(drawn.grey, 0.2)
    assert same_share(jittered, 0.8) and same_share(drawn.sigma > 0, 0.5)
    assert (drawn.factors[~jittered] == torch.tensor([1.0, 1, 1, 0])).all()
    for column, (low, width) in enumerate([(0.2, 1.6)] * 3 + [(-0.2, 0.4)]):
        assert stats.kstest(drawn.factors[jittered][:, column].numpy(), "uniform", (low, width)).pvalue > 1e-3
    sigma = drawn.sigma[drawn.sigma > 0].numpy()
    assert stats.kstest(sigma, "uniform", (0.1, 1.9)).pvalue > 1e-3
    numbers = (drawn.order * torch.tensor([64, 16, 4, 1])).sum(-1).flatten().numpy()
    values, counts = np.unique(numbers, return_counts=True)
    assert len(values) == 24 and stats.chisquare(counts).pvalue > 1e-3
    # One image's draws say nothing about another's, nor one view's about the other's.
    columns = torch.stack((drawn.boxes[0, :, 2], drawn.boxes[1, :, 2], *drawn.factors[0].T, drawn.sigma[0]))
    assert (torch.corrcoef(columns) - torch.eye(len(columns))).abs().max() < 5 / math.sqrt(n)
    halves = torch.corrcoef(drawn.boxes[0, :, 2].view(2, -1))
    assert halves[0, 1].abs() < 5 / math.sqrt(n / 2)


def test_brightness_beyond_one_is_cut_at_zero():
    policy = simclr.build((3, 8, 8), None, brightness=1.5, jitter_probability=1.0)
    factors = policy.sample(4000, rng(22)).factors[..., 0].flatten().numpy()
    assert stats.kstest(factors, "uniform", (0, 2.5)).pvalue > 1e-3


def test_views_follow_the_generator_alone():
    policy = simclr.build((3, 16, 16), NORMALIZE, **GENTLE)
    images = pictures(8, 3, 16, 16)
    before = torch.get_rng_state()
    first, second, other = policy(images, rng(1)), policy(images, rng(1)), policy(images, rng(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0]) and not torch.equal(first[0], first[1])


def test_an_image_s_view_does_not_depend_on_its_neighbours():
    policy = simclr.build((3, 16, 16), NORMALIZE, **GENTLE)
    images = pictures(8, 3, 16, 16)
    drawn = policy.sample(8, rng(1))
    whole = policy.apply(images, drawn)
    images[1:] = 0
    alone = policy.apply(images, drawn)
    for a, b in zip(whole, alone, strict=True):
        torch.testing.assert_close(a[0], b[0], atol=0, rtol=0)
        assert not torch.equal(a[1], b[1])


def test_switched_off_augmentation_is_the_identity_policy():
    off = {"scale_min": 1.0, "ratio_min": 1.0, "ratio_max": 1.0}
    off |= {"flip": 0.0, "jitter_probability": 0.0, "grayscale": 0.0}
    images = pictures(8, 3, 12, 12)
    views = simclr.build((3, 12, 12), NORMALIZE, count=3, **off)(images, rng())
    copies = identity.build((3, 12, 12), NORMALIZE, count=3)(images, rng())
    expected = F.normalize(images / 255, NORMALIZE["mean"], NORMALIZE["std"])
    assert len(views) == len(copies) == 3
    for view, copy in zip(views, copies, strict=True):
        torch.testing.assert_close(view, expected)
        torch.testing.assert_close(copy, expected)
    assert copies[0].data_ptr() != copies[1].data_ptr()


def test_normalised_input_keeps_precision_and_range():
    images = pictures(4, 3, 5, 5)
    torch.testing.assert_close(normalised(images, None), images / 255)
    assert normalised(images.double() / 255, NORMALIZE).dtype == torch.float64


def test_views_carry_no_gradient_graph_and_can_be_trained_on():
    views = simclr.build((3, 8, 8), None)(pictures(4, 3, 8, 8), rng())
    weight = torch.ones(3, requires_grad=True)
    (views[0] * weight.view(3, 1, 1)).sum().backward()
    assert weight.grad is not None and not views[0].requires_grad


@pytest.mark.parametrize(
    ("params", "normalize", "word"),
    [
        ({"count": 0}, None, "views.count"),
        ({"flip": 1.5}, None, "views.flip"),
        ({"hue": 0.6}, None, "views.hue"),
        ({"hue_space": "lab"}, None, "views.hue_space"),
        ({"brightness": -0.1}, None, "views.brightness"),
        ({"scale_min": 0.9, "scale_max": 0.5}, None, "views.scale_min"),
        ({"scale_max": 1.2}, None, "views.scale_max"),
        ({"size": 0}, None, "views.size"),
        ({"blur_sigma_min": 0.0}, None, "views.blur_sigma_min"),
        ({}, {"mean": [0], "std": [1]}, "normalize.mean"),
        ({}, {"mean": [0, 0, 0], "std": [1, 0, 1]}, "normalize.std"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_params_are_named_in_one_line(params, normalize, word):
    with pytest.raises(UserError) as caught:
        simclr.build((3, 8, 8), normalize, **params)
    assert str(caught.value).startswith(word) and "\n" not in str(caught.value)


def test_colours_of_five_channels_are_refused_and_geometry_is_not():
    with pytest.raises(UserError, match="1 or 3 channels"):
        simclr.build((5, 8, 8), None)
    policy = simclr.build((5, 8, 8), None, jitter_probability=0.0, grayscale=0.0)
    assert policy(pictures(2, 5, 8, 8), rng())[0].shape == (2, 5, 8, 8)


def test_policies_are_components_with_literal_params():
    path = components.find("views", "simclr")
    params = components.resolve("views", {"kind": "simclr", **GENTLE}, "test")
    policy = components.make(path, params, (3, 16, 16), NORMALIZE)
    assert policy == simclr.build((3, 16, 16), NORMALIZE, **GENTLE)
    assert {"simclr", "identity"} <= set(components.kinds("views"))


def test_the_hue_space_reaches_the_pixels():
    images = pictures(8, 3, 16, 16)
    hsv, yiq = (simclr.build((3, 16, 16), None, hue_space=space, **GENTLE) for space in ("hsv", "yiq"))
    drawn = hsv.sample(8, rng(24))
    assert torch.equal(drawn.factors, yiq.sample(8, rng(24)).factors)
    assert (hsv.apply(images, drawn)[0] - yiq.apply(images, drawn)[0]).abs().max() > 0.1


@pytest.mark.gpu
def test_views_on_a_gpu_equal_those_on_the_cpu():
    for shape, params in (((3, 32, 32), CIFAR), ((3, 96, 96), STL10), ((3, 16, 16), {"hue_space": "yiq"})):
        policy = simclr.build(shape, NORMALIZE, **params)
        images, drawn = pictures(16, *shape), policy.sample(16, rng(23))
        on_gpu = simclr.Parameters(**{name: value.cuda() for name, value in vars(drawn).items()})
        for a, b in zip(policy.apply(images, drawn), policy.apply(images.cuda(), on_gpu), strict=True):
            torch.testing.assert_close(a, b.cpu(), atol=2e-3, rtol=0)
        source = torch.Generator("cuda").manual_seed(0)
        assert policy(images.cuda(), source)[0].is_cuda
