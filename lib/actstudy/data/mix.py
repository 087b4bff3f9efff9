"""Mixed images: each image of a batch with the one before it, drawn once per step from the seed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from actstudy.contract.streams import stream

ALPHA = {"mixup": 0.2, "cutmix": 1.0}  # of the share's Beta(alpha, alpha), as on ImageNet there


class Mix(NamedTuple):
    """How a batch is mixed: equal in all its rows, the columns of `draws`."""

    share: Any  # of an image's own label
    weight: Any  # of an image's own pixels outside of the box; inside it is 0
    row: Any  # the box's first
    end_row: Any
    column: Any
    end_column: Any


def columns(kind: str) -> int:
    """How many columns `draws` has."""
    return len(Mix._fields) if kind in ALPHA else 0


def draws(kind: str, seed: int, step: int, n: int, height: int, width: int) -> np.ndarray:
    """How the n images of a step are mixed, float32 (n, columns): the same for all of them.

    mixup: the sum of both images by share (Zhang et al. 2018, arXiv:1710.09412). cutmix: a box of
    the other one, whose centre is uniform and whose part beyond a border is cut off; the share is
    the area outside of it (Yun et al. 2019, arXiv:1905.04899).
    """
    if kind not in ALPHA:
        return np.empty((n, 0), np.float32)
    rng = stream(seed, "mix", step)
    share = rng.beta(ALPHA[kind], ALPHA[kind])
    mix = Mix(share, share, 0, 0, 0, 0)
    if kind == "cutmix":
        mix = _box(share, rng, height, width)
    return np.tile(np.array(mix, np.float32), (n, 1))


def _box(share: float, rng: np.random.Generator, height: int, width: int) -> Mix:
    """A box of about 1 - share of the pixels, cut off at the borders."""
    side = np.sqrt(1 - share)
    edges: list[int] = []
    for length in (height, width):
        half = int(length * side) // 2
        centre = int(rng.integers(length))
        edges += [max(0, centre - half), min(length, centre + half)]
    row, end_row, column, end_column = edges
    area = (end_row - row) * (end_column - column)
    return Mix(1 - area / (height * width), 1.0, row, end_row, column, end_column)


def images(x: Tensor, drawn: Tensor) -> Tensor:
    """x (B, C, H, W) mixed as drawn (B, columns), float32; without columns x itself."""
    if not drawn.shape[1]:
        return x
    mix = Mix(*drawn[:, :, None, None, None].unbind(1))
    rows = torch.arange(x.shape[2], device=x.device)[:, None]
    places = torch.arange(x.shape[3], device=x.device)
    in_rows = (rows >= mix.row) & (rows < mix.end_row)
    inside = in_rows & (places >= mix.column) & (places < mix.end_column)  # (B, 1, H, W)
    weight = torch.where(inside, 0.0, mix.weight)
    x = x.float()
    return x * weight + x.roll(1, 0) * (1 - weight)


def loss(
    of: Callable[..., Tensor], logits: Tensor, y: Tensor, drawn: Tensor, smoothing: float
) -> Tensor:
    """The mean loss of mixed images: of their own labels and the others', by share.

    of: (logits, y, label smoothing) -> mean loss. Without columns that of y alone.
    """
    own = of(logits, y, smoothing)
    if not drawn.shape[1]:
        return own
    share = drawn[0, 0]
    return share * own + (1 - share) * of(logits, y.roll(1), smoothing)
