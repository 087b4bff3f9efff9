"""Augmentation: torchvision's operations, drawn from the seed alone, each image by itself."""

import numpy as np
import pytest
import torch
from runs import quiet, run, same_tables, small, stop_after
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from actstudy.data import augment
from actstudy.training import outcome

KINDS = ["crop_flip", "crop_flip_jitter"]


def images(n, channels, height=20, width=24):
    return torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (n, channels, height, width), np.uint8)
    )


def drawn(kind, n, height=20, width=24, seed=0, step=0):
    return torch.from_numpy(augment.draws(kind, seed, step, n, height, width))


@pytest.mark.parametrize("channels", [1, 3])
def test_crop_and_mirror_equal_torchvisions(channels):
    x, d = images(32, channels), drawn("crop_flip", 32)
    y = augment.augment(x, d)
    for image, got, (top, left, height, width, mirrored) in zip(x, y, d.tolist(), strict=True):
        box = [int(value) for value in (top, left, height, width)]
        expected = tv.resized_crop(
            image.float(), *box, [20, 24], InterpolationMode.BILINEAR, antialias=False
        )
        torch.testing.assert_close(
            got, tv.hflip(expected) if mirrored else expected, rtol=0, atol=1e-3
        )
    assert 0 < d[:, 4].mean() < 1


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_equals_torchvisions(channels):
    x, factors = images(8, channels).float(), drawn("crop_flip_jitter", 8)[:, 5:]
    y = augment.jitter(x, factors[:, :, None, None, None])
    for image, got, (brightness, contrast, saturation) in zip(
        x / 255, y, factors.tolist(), strict=True
    ):
        expected = tv.adjust_contrast(tv.adjust_brightness(image, brightness), contrast)
        expected = tv.adjust_saturation(expected, saturation) if channels == 3 else expected
        torch.testing.assert_close(got / 255, expected, rtol=0, atol=1e-4)


def test_crops_lie_inside_and_are_as_large_as_drawn():
    top, left, height, width = drawn("crop_flip", 5000, 64, 64).T[:4]
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 64).all()
    assert (left + width <= 64).all()
    area, ratio = height * width / 64**2, width / height
    assert 0.07 < area.min() < 0.1
    assert 0.9 < area.max() <= 1
    assert area.mean().item() == pytest.approx(0.5, abs=0.03)
    assert 0.7 < ratio.min() < ratio.max() < 1.45
    flat = drawn("crop_flip", 2000, 4, 64)  # most boxes do not fit: at last the whole image
    assert (flat[:, 2] <= 4).all()
    assert ((flat[:, 2] == 4) & (flat[:, 3] == 64)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_a_function_of_seed_and_step(kind):
    torch.manual_seed(5)
    np.random.seed(5)
    assert torch.equal(drawn(kind, 9), drawn(kind, 9))
    assert not torch.equal(drawn(kind, 9), drawn(kind, 9, step=1))
    assert not torch.equal(drawn(kind, 9), drawn(kind, 9, seed=1))
    assert len(drawn(kind, 9).unique(dim=0)) == 9  # each image its own


def test_without_augmentation_nothing_is_drawn():
    assert drawn("none", 9).shape == (9, 0)


def test_an_augmented_run_resumes_to_the_same_bits(prepared_folder, tmp_path):
    folder = prepared_folder("fashion_mnist_tenth")
    spec = small("vision", augment="crop_flip_jitter")
    run(spec, tmp_path / "a", folder, quiet())
    with pytest.raises(outcome.Interrupted):
        run(spec, tmp_path / "b", folder, quiet(stopping=stop_after(3)))
    run(spec, tmp_path / "b", folder, quiet())
    assert same_tables(tmp_path / "a", tmp_path / "b")
    run(small("vision"), tmp_path / "c", folder, quiet())
    assert not same_tables(tmp_path / "a", tmp_path / "c", names=("curves",))
