"""Kernels that call parts of the kernel of packs, for tests."""

import triton
import triton.language as tl

from actstudy.training import pack_layers


@triton.jit
def both(x, y, slope, a, n: tl.constexpr, act: tl.constexpr):
    """An activation's values and slopes at x (n,)."""
    place = tl.arange(0, n)
    value, derivative = act(tl.load(x + place), a)
    tl.store(y + place, value)
    tl.store(slope + place, derivative)


@triton.jit
def operand(x, y, n: tl.constexpr, size: tl.constexpr):
    """x (n,) as products take it."""
    place = tl.arange(0, n)
    tl.store(y + place, pack_layers.low(tl.load(x + place), size))
