"""Moments and sums of large tensors, for R runs at once.

Sums are in float32 within a part, which is exact enough, and in float64 over parts.
"""

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MOMENTS = ("mean", "sd", "skew", "kurtosis", "min", "max")
# Values summed at a time in float32: fit the cache (CPU), are counted exactly (GPU).
CHUNK = {"cpu": 2**18, "cuda": 2**24}


def moments(x: Tensor) -> dict[str, Tensor]:
    """Mean, sd, skew, excess kurtosis, min and max of the rows of x (R, N), each (R,) in float64.

    All are NaN if N = 0.
    """
    if not x.numel():
        nothing = x.new_full((len(x),), math.nan, dtype=torch.float64)
        return dict.fromkeys(MOMENTS, nothing)
    return {name: value[0] for name, value in all_moments([x]).items()}


class Passes:
    """The passes of moments over the rows of x (R, N). The kernel of packs has its own."""

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The sum, the least and the largest value of each row, (R,)."""
        return totals(x, lambda part: [part])[0], x.amin(1), x.amax(1)

    def powers(self, x: Tensor, middle: Tensor, width: Tensor) -> Tensor:
        """The sums of z, z^2, z^3 and z^4 of z = (x - middle) / width; both (R, 1)."""

        def terms(part: Tensor) -> list[Tensor]:
            z = (part - middle) / width
            square = z * z
            return [z, square, square * z, square * square]

        return totals(x, terms)


PASSES = Passes()


@torch.no_grad()
def all_moments(xs: Sequence[Tensor], passes: Passes = PASSES) -> dict[str, Tensor]:
    """Moments of the rows of S tensors (R, N), each (S, R) in float64; N is not 0.

    Many tensors at once, as a GPU takes as long for many numbers as for one. Skew and kurtosis are
    NaN if all values are equal, but for float32's rounding. There are two passes, the second of
    (x - mean) / max|x - mean|, so that no power over- or underflows.
    """
    ends = [torch.stack(parts).double() for parts in zip(*map(passes.ends, xs), strict=True)]
    mean = torch.stack([total / x.shape[1] for total, x in zip(ends[0], xs, strict=True)])
    low, high = ends[1:]
    reach = torch.maximum(high - mean, mean - low)
    scale = torch.where(reach > 0, reach, 1.0)
    kind = functools.reduce(torch.promote_types, (x.dtype for x in xs), torch.float32)
    middle = mean.to(kind)[:, :, None]
    width = scale.to(kind)[:, :, None]
    parts = zip(xs, middle, width, strict=True)
    sums = [passes.powers(x, *about) / x.shape[1] for x, *about in parts]
    off, r2, r3, r4 = torch.stack(sums, 1)  # about a mean that float32 sums have rounded
    square = off * off  # no powers: a vector's, and its remainder's, differ in the last bit
    m2 = r2 - square
    m3 = r3 - 3 * off * r2 + 2 * off * square
    m4 = r4 - 4 * off * r3 + 6 * square * r2 - 3 * square * square
    sd = m2.sqrt() * scale
    varies = sd > 1e-6 * torch.maximum(low.abs(), high.abs())  # beyond what float32 rounds
    skew = m3 / (m2 * m2.sqrt())
    kurtosis = m4 / (m2 * m2) - 3
    return {
        "mean": mean + off * scale,
        "sd": sd,
        "skew": torch.where(varies, skew, math.nan),
        "kurtosis": torch.where(varies, kurtosis, math.nan),
        "min": low,
        "max": high,
    }


def totals(x: Tensor, terms: Callable[[Tensor], list[Tensor]]) -> Tensor:
    """Sums of terms over each row of x (R, N), (terms, R) in float64.

    They are float32 within a part of CHUNK values, float64 over parts.
    """
    chunk = CHUNK.get(x.device.type, CHUNK["cuda"])
    sums = []
    for part in x.split(max(1, chunk // len(x)), 1):
        part_sums = [term.sum(1, dtype=torch.float32) for term in terms(part)]
        sums.append(torch.stack(part_sums).double())
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)
