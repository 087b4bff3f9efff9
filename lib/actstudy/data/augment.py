"""Augmentation of image batches: drawn on the CPU from a seed's stream, done on the device, each image by itself."""

import math

import numpy as np
import torch
from torch import Tensor

from actstudy.contract.streams import stream

AREA, LOG_RATIO, TRIES = (
    (0.08, 1.0),
    (math.log(3 / 4), math.log(4 / 3)),
    10,
)  # RandomResizedCrop's of torchvision
STRENGTH = (
    0.4  # brightness, contrast and saturation are multiplied by U(1 - STRENGTH, 1 + STRENGTH)
)
GREY = (0.2989, 0.587, 0.114)  # luma of red, green and blue (ITU-R BT.601)


def draws(kind: str, seed: int, step: int, n: int, height: int, width: int) -> np.ndarray:
    """What happens to each of n images of a step, float32: (n, 0) for `none`; top, left, height and width of the crop,
    mirrored (n, 5) for `crop_flip`; brightness, contrast and saturation too (n, 8) for `crop_flip_jitter`.

    Crops as in Szegedy et al. 2015 (arXiv:1409.4842): area and log aspect ratio uniform, drawn again where they do not
    fit, at most ten times, then the whole image.
    """
    if kind == "none":
        return np.empty((n, 0), np.float32)
    rng = stream(seed, "augment", step)
    area, ratio = (
        rng.uniform(*AREA, (TRIES, n)) * height * width,
        np.exp(rng.uniform(*LOG_RATIO, (TRIES, n))),
    )
    h, w = np.rint(np.sqrt(area / ratio)), np.rint(np.sqrt(area * ratio))
    h[-1], w[-1] = np.where(
        (h[-1] <= height) & (w[-1] <= width), (h[-1], w[-1]), [[height], [width]]
    )
    first = ((h >= 1) & (w >= 1) & (h <= height) & (w <= width)).argmax(0), np.arange(n)
    h, w = h[first], w[first]
    top, left = (
        np.floor(rng.random(n) * (height - h + 1)),
        np.floor(rng.random(n) * (width - w + 1)),
    )
    columns = [top, left, h, w, rng.random(n) < 0.5]
    if kind == "crop_flip_jitter":
        columns += list(rng.uniform(1 - STRENGTH, 1 + STRENGTH, (3, n)))
    return np.stack(columns, 1).astype(np.float32)


def augmented(x: Tensor, drawn: Tensor) -> Tensor:
    """x (B, C, H, W) of 0..255 as float32, each image cropped, resized to H x W, mirrored, jittered as `draws` says."""
    top, left, height, width, mirrored = drawn[:, :5, None].unbind(1)
    rows, columns = bilinear(top, height, x.shape[2]), bilinear(left, width, x.shape[3])
    columns = torch.where(mirrored[:, :, None] > 0, columns.flip(1), columns)
    y = rows[:, None] @ x.float() @ columns.mT[:, None]
    return jittered(y, drawn[:, 5:, None, None, None]) if drawn.shape[1] > 5 else y


def bilinear(start: Tensor, size: Tensor, n: int) -> Tensor:
    """Weights (B, n, n), output by input, that stretch n x size / n pixels from `start` (B, 1) on to all n pixels."""
    pixels = torch.arange(n, device=start.device)
    centre = start + (pixels + 0.5) * size / n - 0.5  # (B, n), of each output pixel; borders repeat
    centre = centre.clamp(start, start + size - 1)
    return (1 - (centre[:, :, None] - pixels).abs()).clamp(min=0)


def jittered(x: Tensor, factors: Tensor) -> Tensor:
    """x (B, C, H, W) of 0..255 with brightness, contrast, saturation, in this order, times factors (B, 3, 1, 1, 1)."""
    brightness, contrast, saturation = factors.unbind(1)
    x = (x * brightness).clamp(0, 255)
    mean = grey(x).mean((1, 2, 3), keepdim=True)
    x = (mean + (x - mean) * contrast).clamp(0, 255)
    return (grey(x) + (x - grey(x)) * saturation).clamp(0, 255)


def grey(x: Tensor) -> Tensor:
    """Luma of x (B, C, H, W): (B, 1, H, W)."""
    return x if x.shape[1] == 1 else sum(weight * x[:, c : c + 1] for c, weight in enumerate(GREY))  # type: ignore
