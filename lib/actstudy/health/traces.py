"""What tensors of a forward pass were made of: norms, features divided by them, scales of logits.

Each function is seen as torch calls it. What is written as an autograd.Function, in TorchScript or
in NumPy is not.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# What a tensor may be.
SQUARE = "square"  # of each value
SUM = "sum"  # of squares
NORM = "norm"
INVERSE = "inverse"  # one over a norm
FEATURES = "features"  # divided by a norm or multiplied by a scale, and products of such
SCALE = "scale"  # of logits
INDEX = "index"  # 0, 1, 2, .., of torch.arange
NORMS = {"norm", "linalg_norm", "linalg_vector_norm"}
SHIFTS = {"add", "radd", "iadd", "clamp", "clamp_min", "clip", "maximum", "mul", "imul", "div"}
DIVISIONS = {"div", "idiv", "itruediv", "truediv", "true_divide", "divide"}
INVERSIONS = {"reciprocal", "rdiv", "rtruediv"}
MULTIPLICATIONS = {"mul", "imul", "multiply"}
PRODUCTS = {"matmul", "rmatmul", "mm", "linear", "einsum", "inner"}
SHAPES = {
    *("get", "getitem", "t", "transpose", "permute", "movedim", "view", "view_as", "reshape"),
    *("expand", "expand_as", "unsqueeze", "squeeze", "flatten", "contiguous", "clone", "cat"),
    "masked_fill",
    *("to", "type", "type_as", "float", "double", "half", "bfloat16", "long", "cuda"),
}
SUMS = {"add", "radd", "iadd", "sub"}
OF_LOGITS = {"add", "radd", "sub", "where", "clamp"}  # leave logits logits


class Trace(NamedTuple):
    """What a tensor is, and of norms what stands there for a vector of zeros.

    zero: what the same functions make of a zero vector, in the same precision; root: what stood
    under a root that is written out (its slope is infinite at 0); is_product: features times
    others; scale: the name of the parameter that they were multiplied by; factor: the product of
    all numbers that they were multiplied by, that one too.
    """

    role: str
    zero: Tensor | None = None
    root: Tensor | None = None
    is_product: bool = False
    scale: str | None = None
    factor: Tensor | None = None
    is_exp: bool = False  # of a scale: whether it passed an exponential


class Division(NamedTuple):
    """A division by a norm: the smallest divisor, and the divisor for a vector of zeros."""

    place: str
    divisor: Tensor
    floor: Tensor


def product(factors: Iterable[Tensor | None]) -> Tensor | None:
    """The product of the numbers that there are; None of none."""
    known = [factor for factor in factors if factor is not None]
    return math.prod(known[1:], start=known[0]) if known else None


def of_sum(traces: Sequence[Trace], like: Tensor) -> Tensor:
    """What a sum is multiplied by: the sum of its parts' numbers, of a part without one 1.

    So the mean of two products, times 20, is multiplied by 20. like: a tensor of its device.
    """
    total = torch.zeros((), dtype=torch.float64, device=like.device)
    for trace in traces:
        total = total + (1 if trace.factor is None else trace.factor.abs())
    return total


def is_a_square_table(x: Tensor) -> bool:
    """Whether a tensor is (B, B)."""
    return x.ndim == 2 and x.shape[0] == x.shape[1]


def is_number(x: Any) -> bool:
    """Whether a factor is a single number."""
    return isinstance(x, float | int) or (isinstance(x, Tensor) and x.numel() == 1)


def is_square(name: str, operands: Sequence[Any]) -> bool:
    """Whether a call returns the squares of a tensor."""
    if name == "square":
        return True
    if len(operands) < 2 or not isinstance(operands[0], Tensor) or operands[0].numel() == 1:
        return False
    return (name == "pow" and _is_two(operands[1])) or (
        name in MULTIPLICATIONS and operands[0] is operands[1]
    )


def of_dtype(trace: Trace | None, dtype: torch.dtype) -> Trace | None:
    """A trace of what was cast or shaped."""
    if trace is None or trace.zero is None:
        return trace
    return trace._replace(zero=trace.zero.to(dtype))


def _is_two(x: Any) -> bool:
    return isinstance(x, float | int) and x == 2
