"""Augmentation of image batches: drawn on the CPU from a seed's stream, done on the device.

Each image is augmented by itself.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from actstudy.contract.errors import StudyError
from actstudy.contract.streams import stream

# Of torchvision's RandomResizedCrop: share of the image's area, log of width over height, tries.
AREA = (0.08, 1.0)
LOG_RATIO = (math.log(3 / 4), math.log(4 / 3))
TRIES = 10
STRENGTH = 0.4  # brightness, contrast and saturation are multiplied by U(1 - 0.4, 1 + 0.4)
STREAM = "augment"  # of train images, by seed and step
GREY = (0.2989, 0.587, 0.114)  # luma of red, green and blue (ITU-R BT.601)


class Crop(NamedTuple):
    """The part of each of n images that is stretched to the whole: the first columns of `draws`."""

    top: Any
    left: Any
    height: Any
    width: Any
    mirrored: Any  # above 0: left and right are swapped


def draws(
    kind: str, seed: int, step: int, n: int, height: int, width: int, name: str = STREAM
) -> np.ndarray:
    """What happens to each of n images of a step, float32.

    Shape (n, 0) for `none`; the columns of Crop (n, 5) for `crop_flip`; then factors of brightness,
    contrast and saturation (n, 8) for `crop_flip_jitter`.
    """
    if kind == "none":
        return np.empty((n, 0), np.float32)
    rng = stream(seed, name, step)
    columns = [*draw_crop(rng, n, height, width)]
    if kind == "crop_flip_jitter":
        columns += [*rng.uniform(1 - STRENGTH, 1 + STRENGTH, (3, n))]
    return np.stack(columns, 1).astype(np.float32)


def check(kind: str, dtype: np.dtype[Any]) -> None:
    """StudyError if colours are to be changed of images whose values are not 0 to 255."""
    if kind == "crop_flip_jitter" and dtype != np.uint8:
        got = f"got {kind!r} for images of {dtype}"
        raise StudyError(f"augment: {got}; allowed: none, crop_flip; it needs uint8, 0 to 255")


def view_draws(
    kind: str, seed: int, step: int, size: tuple[int, int, int], views: int, name: str = STREAM
) -> np.ndarray:
    """What happens to each image in each of its views, float32 (n, views * columns of `draws`).

    size: number, height and width of the images. A view has a stream of its own, the first that of
    a run with one view: so runs with other numbers of views share those that they have.
    """
    parts = []
    for view in range(views):
        of_view = f"{name}/{view}" if view else name
        parts.append(draws(kind, seed, step, *size, of_view))
    return np.hstack(parts)


def views(x: Tensor, drawn: Tensor, n: int) -> Tensor:
    """n views of each image: x (B, C, H, W) -> (B, n, C, H, W); drawn: of `view_draws`.

    Without draws they are the image itself, as it was prepared.
    """
    copies = x[:, None].expand(-1, n, -1, -1, -1)
    if not drawn.shape[1]:
        return copies
    changed = augment(copies.flatten(0, 1), drawn.reshape(len(x) * n, -1))
    return changed.unflatten(0, (len(x), n))


def draw_crop(rng: np.random.Generator, n: int, height: int, width: int) -> Crop:
    """Crops of n images, arrays (n,), as in Szegedy et al. 2015 (arXiv:1409.4842).

    Area and log aspect ratio are uniform, drawn again if the crop does not fit, at most ten times;
    then the crop is the whole image.
    """
    area = rng.uniform(*AREA, (TRIES, n)) * height * width
    ratio = np.exp(rng.uniform(*LOG_RATIO, (TRIES, n)))
    h = np.rint(np.sqrt(area / ratio))
    w = np.rint(np.sqrt(area * ratio))
    last_fits = (h[-1] <= height) & (w[-1] <= width)
    h[-1] = np.where(last_fits, h[-1], height)
    w[-1] = np.where(last_fits, w[-1], width)
    fits = (h >= 1) & (w >= 1) & (h <= height) & (w <= width)
    first_fit = (fits.argmax(0), np.arange(n))
    h = h[first_fit]
    w = w[first_fit]
    top = np.floor(rng.random(n) * (height - h + 1))
    left = np.floor(rng.random(n) * (width - w + 1))
    return Crop(top, left, h, w, mirrored=rng.random(n) < 0.5)


def augment(x: Tensor, drawn: Tensor) -> Tensor:
    """x (B, C, H, W) of 0..255 as float32, cropped, resized to H x W, mirrored, jittered.

    drawn: what `draws` returns, (B, 5) or (B, 8).
    """
    n_crop = len(Crop._fields)
    crop = Crop(*drawn[:, :n_crop, None].unbind(1))
    rows = bilinear_weights(crop.top, crop.height, x.shape[2])
    columns = bilinear_weights(crop.left, crop.width, x.shape[3])
    columns = torch.where(crop.mirrored[:, :, None] > 0, columns.flip(1), columns)
    y = rows[:, None] @ x.float() @ columns.mT[:, None]
    if drawn.shape[1] == n_crop:
        return y
    return jitter(y, drawn[:, n_crop:, None, None, None])


def bilinear_weights(start: Tensor, size: Tensor, n: int) -> Tensor:
    """Weights (B, n, n), output by input, that stretch `size` pixels from `start` on to n pixels.

    start and size: (B, 1). Pixels beyond a border repeat it.
    """
    pixels = torch.arange(n, device=start.device)
    centre = start + (pixels + 0.5) * size / n - 0.5  # (B, n), of each output pixel
    centre = centre.clamp(start, start + size - 1)
    return (1 - (centre[:, :, None] - pixels).abs()).clamp(min=0)


def jitter(x: Tensor, factors: Tensor) -> Tensor:
    """x (B, C, H, W) of 0..255 with brightness, contrast and saturation, in this order, scaled.

    factors: (B, 3, 1, 1, 1).
    """
    brightness, contrast, saturation = factors.unbind(1)
    x = (x * brightness).clamp(0, 255)
    mean = grey(x).mean((1, 2, 3), keepdim=True)
    x = (mean + (x - mean) * contrast).clamp(0, 255)
    return (grey(x) + (x - grey(x)) * saturation).clamp(0, 255)


def grey(x: Tensor) -> Tensor:
    """Luma of x (B, C, H, W): (B, 1, H, W)."""
    if x.shape[1] == 1:
        return x
    return sum(weight * x[:, c : c + 1] for c, weight in enumerate(GREY))  # type: ignore[return-value]
