"""Kernels that call parts of the kernel of packs, for tests."""

import torch
import triton
import triton.language as tl

from actstudy.health.moments import all_moments
from actstudy.nets.activations import ACTIVATIONS
from actstudy.training import pack_formulas, pack_layers
from actstudy.training.pack_probes import PackPasses


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


def compare_passes(x, rows):
    """Moments of x (R, N) by the kernel's passes are torch's, and rows have theirs in any company.

    rows: a slice. Returns the moments by the kernel's passes.
    """
    own = PackPasses([x])
    got = all_moments([x], own)
    for name, value in all_moments([x]).items():
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-4, equal_nan=True)
    for name, value in all_moments([x[rows]], own).items():
        assert torch.equal(value, got[name][:, rows])
    return got


def values():
    """(4096,) From 1e-12 to 30 on both sides, some beyond, zero, kinks and what is not a number."""
    small = torch.logspace(-12, 0, 500)
    far = torch.tensor([1e2, 1e4, 1e12, 1e18])
    kinks = torch.tensor([0.0, 3.0, -3.0, 6.0])
    some = [torch.linspace(-30, 30, 3000), small, -small, kinks, far, -far]
    x = torch.cat(some)
    return torch.cat([x, torch.full((4096 - len(x),), float("nan"))])


def formulas_of(name, device):
    """Values and slopes of an activation as torch has them in float64, then by its formula.

    For each of a few arguments. NaN must stay NaN and is left out.
    """
    x = values().to(device)
    real = ~x.isnan()
    args = ACTIVATIONS[name].args
    for a in [*args.values(), 0.7] if args else [0.0]:
        exact = x.double().requires_grad_()
        y = ACTIVATIONS[name].factory(**dict.fromkeys(args, a))(exact)
        slope = torch.autograd.grad(y.sum(), exact)[0].float()
        value = torch.empty_like(x)
        derivative = torch.empty_like(x)
        both[(1,)](x, value, derivative, a, len(x), getattr(pack_formulas, name))
        assert value[~real].isnan().all()
        yield (y[real].detach().float(), slope[real]), (value[real], derivative[real])
