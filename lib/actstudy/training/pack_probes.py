"""The passes of probes over the values of sites, in Triton: a program per run, of nothing else."""

# mypy: disallow-untyped-defs=False

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr

from actstudy.health.moments import Passes, all_moments

BLOCK = 4096  # values at a time
WARPS = 8


@triton.jit
def _values(x, start, n, block: constexpr):
    """A block of a run's row of x (R, n), and which of its values there are; others are zero."""
    place = start + tl.arange(0, block)
    inside = place < n
    row = tl.program_id(0).to(tl.int64) * n
    return tl.load(x + row + place, mask=inside, other=0.0).to(tl.float32), inside


@triton.jit
def ends(x, sums, n, block: constexpr):
    """Sum, least and largest value of a run's row of x (R, n), into sums (R, 3)."""
    total = tl.zeros((block,), tl.float32)
    bad = tl.zeros((block,), tl.float32)
    low = tl.full((block,), float("inf"), tl.float32)
    high = -low
    for start in range(0, n, block):
        v, inside = _values(x, start, n, block)
        total += v
        bad = tl.where(v == v, bad, v)  # NaN, which a minimum would lose
        low = tl.where(inside & (v < low), v, low)
        high = tl.where(inside & (v > high), v, high)
    nan = tl.sum(bad, 0)
    place = sums + tl.program_id(0) * 3
    tl.store(place, tl.sum(total, 0))
    tl.store(place + 1, tl.min(low, 0) + nan)
    tl.store(place + 2, tl.max(high, 0) + nan)


@triton.jit
def powers(x, middle, width, sums, n, block: constexpr):
    """Sums of z, z^2, z^3, z^4 of z = (x - middle) / width of a run's row, into sums (R, 4)."""
    row = tl.program_id(0)
    of_row = tl.load(middle + row)
    reach = tl.load(width + row)
    first = tl.zeros((block,), tl.float32)
    second = tl.zeros((block,), tl.float32)
    third = tl.zeros((block,), tl.float32)
    fourth = tl.zeros((block,), tl.float32)
    for start in range(0, n, block):
        v, inside = _values(x, start, n, block)
        z = tl.where(inside, (v - of_row) / reach, 0.0)  # 1 / 1e-40 is no float32
        square = z * z
        first += z
        second += square
        third += square * z
        fourth += square * square
    place = sums + row * 4
    tl.store(place, tl.sum(first, 0))
    tl.store(place + 1, tl.sum(second, 0))
    tl.store(place + 2, tl.sum(third, 0))
    tl.store(place + 3, tl.sum(fourth, 0))


class PackPasses(Passes):
    """Each reads its tensor once; sums are in float32.

    like: what both are tried on, (R, N) per site, of R runs and as many sites as there are.
    """

    def __init__(self, like: Sequence[Tensor]) -> None:
        self.like = like

    def rehearse(self) -> None:
        """Compile and launch both as a probe does: Triton compiles by where tensors begin."""
        all_moments(self.like, self)
        if self.like[0].is_cuda:
            torch.cuda.synchronize()

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        sums = x.new_empty(len(x), 3, dtype=torch.float32)
        ends[(len(x),)](x.contiguous(), sums, x.shape[1], BLOCK, num_warps=WARPS)
        total, low, high = sums.unbind(1)
        return total.double(), low, high

    def powers(self, x: Tensor, middle: Tensor, width: Tensor) -> Tensor:
        sums = x.new_empty(len(x), 4, dtype=torch.float32)
        about = (middle.contiguous(), width.contiguous())
        powers[(len(x),)](x.contiguous(), *about, sums, x.shape[1], BLOCK, num_warps=WARPS)
        return sums.T.double()
