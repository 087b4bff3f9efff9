"""Moments and sums of large tensors, for R runs at once: in float32 where it is exact enough, in float64 over parts."""

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MOMENTS = ("mean", "sd", "skew", "kurtosis", "min", "max")
CHUNK = {
    "cpu": 2**18,
    "cuda": 2**24,
}  # values summed at a time in float32: as many as a cache holds, or it can count


def moments(x: Tensor) -> dict[str, Tensor]:
    """Mean, sd, skew, excess kurtosis, min and max of the rows of x (R, N), each (R,) in float64; NaN where N = 0."""
    if not x.numel():
        return dict.fromkeys(MOMENTS, x.new_full((len(x),), math.nan, dtype=torch.float64))
    return {name: value[0] for name, value in all_moments([x]).items()}


@torch.no_grad()
def all_moments(xs: Sequence[Tensor]) -> dict[str, Tensor]:
    """The same of S tensors (R, N), each (S, R): a GPU takes as long for many numbers as for one.

    Skew and kurtosis are NaN where all values are equal, but for float32's rounding. Two passes, the second of
    (x - mean) / max|x - mean|, so that no power over- or underflows.
    """
    mean = torch.stack([totals(x, lambda part: [part])[0] / x.shape[1] for x in xs])
    low, high = (
        torch.stack([bound(x, 1) for x in xs]).double() for bound in (torch.amin, torch.amax)
    )
    reach = torch.maximum(high - mean, mean - low)
    scale = torch.where(reach > 0, reach, 1.0)
    kind = functools.reduce(torch.promote_types, (x.dtype for x in xs), torch.float32)
    middle, width = mean.to(kind)[:, :, None], scale.to(kind)[:, :, None]

    def powers(part: Tensor, i: int) -> list[Tensor]:
        z = (part - middle[i]) / width[i]
        square = z * z
        return [z, square, square * z, square * square]

    sums = [totals(x, functools.partial(powers, i=i)) / x.shape[1] for i, x in enumerate(xs)]
    off, r2, r3, r4 = torch.stack(sums, 1)  # about a mean that float32 sums have rounded
    m2, m3, m4 = (
        r2 - off**2,
        r3 - 3 * off * r2 + 2 * off**3,
        r4 - 4 * off * r3 + 6 * off**2 * r2 - 3 * off**4,
    )
    sd = m2.sqrt() * scale
    varies = sd > 1e-6 * torch.maximum(low.abs(), high.abs())  # beyond what float32 rounds
    shape = {"skew": m3 / m2**1.5, "kurtosis": m4 / m2**2 - 3}
    shape = {name: torch.where(varies, value, math.nan) for name, value in shape.items()}
    return {"mean": mean + off * scale, "sd": sd, **shape, "min": low, "max": high}


def totals(x: Tensor, terms: Callable[[Tensor], list[Tensor]]) -> Tensor:
    """Sums of terms over each row of x (R, N), (terms, R): in float32 within a part, in float64 over parts."""
    parts = x.split(max(1, CHUNK.get(x.device.type, CHUNK["cuda"]) // len(x)), 1)
    sums = [
        torch.stack([term.sum(1, dtype=torch.float32) for term in terms(part)]).double()
        for part in parts
    ]
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)
