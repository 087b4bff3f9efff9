"""Activations for the kernel of packs: of x in float32 and an argument, the value and its slope.

They hold for every x: values that are not finite stay so, and small ones keep their digits. A slope
at a kink is the one that torch takes. tests/test_pack_kernel.py compares each with torch's.
"""

# mypy: disallow-untyped-defs=False

import os

import triton
import triton.language as tl
from triton.language import constexpr

ON_GPU = constexpr(os.environ.get("TRITON_INTERPRET") != "1")  # the interpreter has no assembler
LOG2_E = constexpr(1.4426950408889634)
NAMES = (  # what planning reads: a run of another activation is trained layer by layer
    "tanh",
    "sigmoid",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "gelu_tanh",
    "silu",
    "silu_written_out",
    "mish",
    "softplus",
    "softsign",
    "hardtanh",
    "hardswish",
    "relu6",
    "identity",
    "hard_sigmoid",
    "relu_squared",
    "leaky_relu_squared",
)


@triton.jit
def _by(instruction: constexpr, x):
    return tl.inline_asm_elementwise(instruction, "=f,f", [x], tl.float32, True, 1)


@triton.jit
def _exp(x):
    """In two instructions on a GPU: a result below 1e-38 is 0."""
    return _by("ex2.approx.ftz.f32 $0, $1;", x * LOG2_E) if ON_GPU else tl.exp(x)


@triton.jit
def _inverse(x):
    """1 / x of x from 1 on, in one instruction on a GPU."""
    return _by("rcp.approx.ftz.f32 $0, $1;", x) if ON_GPU else 1 / x


@triton.jit
def _expm1(x):
    short = 1 / 24 + x * (1 / 120 + x * (1 / 720 + x * (1 / 5040)))
    short = x * (1 + x * (1 / 2 + x * (1 / 6 + x * short)))
    return tl.where(tl.abs(x) < 0.35, short, _exp(x) - 1)


@triton.jit
def _log1p(x):
    """Of x from 0 on; after Kahan: the rounding of 1 + x is divided out again."""
    y = 1 + x
    return tl.where(y == 1, x, x * (tl.log(y) / (y - 1)))


@triton.jit
def _below(x):
    """Zero above 0; a minimum would lose NaN."""
    return tl.where(x > 0, 0.0, x)


@triton.jit
def _tanh(x):
    short = _expm1(-2 * tl.abs(x))
    size = -short * _inverse(2 + short)
    return tl.where(x < 0, -size, size)


@triton.jit
def tanh(x, a):
    y = _tanh(x)
    return y, 1 - y * y


@triton.jit
def sigmoid(x, a):
    y = _inverse(1 + _exp(-x))
    return y, y * (1 - y)


@triton.jit
def relu(x, a):
    return tl.where(x <= 0, 0.0, x), tl.where(x > 0, 1.0, 0.0)


@triton.jit
def leaky_relu(x, a):
    return tl.where(x > 0, x, a * x), tl.where(x > 0, 1.0, a)


@triton.jit
def _exponential(x, scale, inner):
    """x above 0, scale times expm1(inner x) below."""
    below = _below(x) * inner
    return tl.where(x > 0, x, scale * _expm1(below)), tl.where(
        x > 0, 1.0, scale * inner * _exp(below)
    )


@triton.jit
def elu(x, a):
    return _exponential(x, a, 1.0)


@triton.jit
def selu(x, a):
    y, slope = _exponential(x, 1.6732632423543772, 1.0)
    return 1.0507009873554805 * y, 1.0507009873554805 * slope


@triton.jit
def celu(x, a):
    return _exponential(x, a, 1 / a)


@triton.jit
def gelu(x, a):
    """By erfc of Abramowitz and Stegun (1964, 7.1.26) to 1.5e-7; its exponential is the slope's."""
    e = _exp(-0.5 * x * x)
    t = _inverse(1 + 0.2316418882663604 * tl.abs(x))
    tail = 1.421413741 + t * (-1.453152027 + t * 1.061405429)
    tail = t * (0.254829592 + t * (-0.284496736 + t * tail)) * 0.5 * e
    share = tl.where(x < 0, tail, 1 - tail)
    return x * share, share + x * 0.3989422804014327 * e


@triton.jit
def gelu_tanh(x, a):
    t = _tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))
    inner = 0.7978845608028654 * (1 + 0.134145 * x * x)
    return 0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


@triton.jit
def silu(x, a):
    share = _inverse(1 + _exp(-x))
    return x * share, share * (1 + x * (1 - share))


@triton.jit
def silu_written_out(x, a):
    return silu(x, a)


@triton.jit
def mish(x, a):
    z = tl.where(x > 20, 20.0, x)  # beyond, the slope is 1 in float32
    e = _exp(z)
    n = e * (e + 2)
    t = n / (n + 2)
    return x * t, t + z * (e / (1 + e)) * (4 * (n + 1) / ((n + 2) * (n + 2)))


@triton.jit
def softplus(x, a):
    z = a * x
    y = tl.where(z > 20, x, _log1p(_exp(z)) / a)
    return y, tl.where(z > 20, 1.0, _inverse(1 + _exp(-z)))


@triton.jit
def softsign(x, a):
    below = 1 + tl.abs(x)
    return x / below, 1 / (below * below)


@triton.jit
def _clipped(x, low, high):
    y = tl.where(x < low, low, tl.where(x > high, high, x))
    return y, tl.where((x > low) & (x < high), 1.0, 0.0)


@triton.jit
def hardtanh(x, a):
    return _clipped(x, -1.0, 1.0)


@triton.jit
def hardswish(x, a):
    share, _ = _clipped(x + 3, 0.0, 6.0)
    slope = tl.where(x < 3, x / 3 + 0.5, 1.0)
    return x * share / 6, tl.where(x <= -3, 0.0, slope)


@triton.jit
def relu6(x, a):
    return _clipped(x, 0.0, 6.0)


@triton.jit
def identity(x, a):
    return x, tl.where(x == x, 1.0, 1.0)


@triton.jit
def hard_sigmoid(x, a):
    y, slope = _clipped(x + 3, 0.0, 6.0)
    return y / 6, slope / 6


@triton.jit
def relu_squared(x, a):
    y, _ = relu(x, a)
    return y * y, 2 * y


@triton.jit
def leaky_relu_squared(x, a):
    y, slope = leaky_relu(x, a)
    return y * y, 2 * y * slope
