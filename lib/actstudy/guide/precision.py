"""Measurements of numbers of few bits: every fp16 and bf16 input, overflow, zeros, softmax."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.certificate.subject import with_gradient
from actstudy.contract.reading import Reading, Value, exact
from actstudy.guide.functions import WRITTEN_OUT, Args, derivatives, function, grid

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
EXACT = "numbers are real"
STRIDE = 1021  # of the float32 numbers that are looked at, a prime
KERNEL = "as an operation of torch"
BY_HAND = "written out"


def dtype_of(name: str) -> torch.dtype:
    """The dtype of a name; ValueError if it is not known here."""
    if name not in DTYPES:
        raise ValueError(f"dtype: got {name!r}; allowed: {', '.join(DTYPES)}")
    return DTYPES[name]


def all_finite(dtype: torch.dtype) -> Tensor:
    """Every finite number of a dtype of 16 bits, in the order of their bits; of float32 a part."""
    if dtype == torch.float32:
        bits = torch.arange(-(2**31), 2**31, STRIDE, dtype=torch.int64).to(torch.int32)
    else:
        bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    x = bits.view(dtype)
    return x[x.isfinite()]


def product(factor: float, n: int, dtypes: Sequence[str] = ()) -> list[Reading]:
    """factor multiplied n times, and whether it is finite; in float64 if no dtype is named."""
    readings = []
    for name in dtypes or ("float64",):
        dtype = dtype_of(name) if dtypes else torch.float64
        value = torch.ones((), dtype=dtype)
        for _ in range(n):
            value = value * torch.tensor(factor, dtype=dtype)
        values = {"product": exact(value.item()), "finite": exact(bool(value.isfinite()))}
        readings.append(Reading(values, name if dtypes else ""))
    return readings


def numbers(dtype: str) -> list[Reading]:
    """The largest and the smallest finite number of a dtype of 16 bits, of all that there are."""
    if dtype == "float32":
        raise ValueError("dtype: got 'float32', which has too many; allowed: float16, bfloat16")
    x = all_finite(dtype_of(dtype)).double()
    values = {
        "largest": exact(x.max().item(), n=len(x)),
        "smallest": exact(x.min().item(), n=len(x)),
    }
    return [Reading(values)]


def exceeds_input(activation: str, dtype: str = "float16") -> list[Reading]:
    """For how many of all finite inputs f(x) is above x, and |f(x)| above |x|: value and size."""
    x = all_finite(dtype_of(dtype))
    y, _ = with_gradient(function(activation).fresh(x.dtype), x)
    above = {
        "compared in size": y.abs() > x.abs(),
        "compared in value": y > x,
    }
    readings = []
    for condition, mask in above.items():
        readings.append(Reading({"exceeding": exact(mask.sum().item(), n=len(x))}, condition))
    return readings


def overflow(
    activations: Sequence[str], dtype: str = "float16", up_to: float = math.inf
) -> list[Reading]:
    """How many finite inputs have an output or gradient that is not finite; from: smallest |x|.

    Per activation: as the operation of torch, and as its formula typed in torch. up_to: the
    largest |x|.
    """
    x = all_finite(dtype_of(dtype))
    x = x[x.abs() <= up_to]
    readings = []
    for name, way, module in ways(activations):
        y, gradient = with_gradient(module, x)
        forward = ~y.isfinite()
        backward = ~gradient.isfinite()
        lost = forward | backward
        values = {
            "not_finite": exact(lost.sum().item(), n=len(x)),
            "outputs": exact(forward.sum().item(), n=len(x)),
            "gradients": exact(backward.sum().item(), n=len(x)),
            "from": exact(x[lost].double().abs().numpy().min(initial=math.inf)),
        }
        readings.append(Reading(values, f"{name} {way}"))
    return readings


def overflow_of_all(
    activations: Sequence[str], dtype: str = "bfloat16", up_to: Sequence[float] = (3.4e38,)
) -> list[Reading]:
    """`overflow` of several activations together: per way of writing them and range of |x|.

    `not_finite`: of all of them; `gelu_from`: the smallest |x| of gelu, infinite if there is none.
    """
    readings = []
    for reach in up_to:
        each = overflow(activations, dtype, reach)
        for way in (KERNEL, BY_HAND):
            of_way = [reading for reading in each if reading.condition.endswith(f" {way}")]
            counts = [reading.values["not_finite"] for reading in of_way]
            n = sum(count.n for count in counts)
            values = {"not_finite": exact(sum(count.value for count in counts), n=n)}
            for reading in of_way:
                name = reading.condition.removesuffix(f" {way}")
                values[f"{name}_from"] = reading.values["from"]
            place = "any x" if reach > torch.finfo(dtype_of(dtype)).max else f"|x| up to {reach:g}"
            readings.append(Reading(values, f"{way}, {place}"))
    return readings


class Formula(nn.Module):
    """A function of a tensor as a module."""

    def __init__(self, formula: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, x: Tensor) -> Tensor:
        return self.formula(x)


def ways(activations: Sequence[str]) -> Iterator[tuple[str, str, nn.Module]]:
    """Name, way and module of each activation: torch's own, then the formula if it is known."""
    for name in activations:
        yield name, KERNEL, function(name).fresh()
        if name in WRITTEN_OUT:
            yield name, BY_HAND, Formula(WRITTEN_OUT[name])


def zero_slopes(activation: str, in_place: bool = False, args: Args = None) -> list[Reading]:
    """How many slopes are exactly 0: of real numbers, of float32 ones and of all fp16 ones.

    Real: changes of sign or zeros in float64 up to |x| = 30. in_place: the same again
    for the form that overwrites its input, whose slope is computed from the output.
    """
    readings = [Reading(_exact_zeros(activation, args), EXACT)]
    forms: dict[str, Mapping[str, float]] = {"": args or {}}
    if in_place:
        forms[" and in place"] = {**(args or {}), "inplace": True}
    for words, arguments in forms.items():
        for name in ("float32", "float16"):
            x = all_finite(DTYPES[name])
            _, slope = with_gradient(_InnerSite(activation, arguments, x.dtype), x)
            zeros = x[slope == 0].double()
            readings.append(Reading(_zeros(zeros, len(x)), f"numbers are {name}{words}"))
    return readings


class _InnerSite(nn.Module):
    """An activation after an addition of 0, as in place it may not overwrite a leaf."""

    def __init__(self, activation: str, args: Mapping[str, float], dtype: torch.dtype) -> None:
        super().__init__()
        self.activation = function(activation, args).fresh(dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + 0)


def _exact_zeros(activation: str, args: Args) -> dict[str, Value]:
    """Zeros of the slope in float64: where it is 0 or changes its sign."""
    x = grid(30.0)
    x = x[x != 0]
    sign = np.sign(derivatives(function(activation, args), x, 1)[1])
    places = x[(sign == 0) | (sign * np.append(sign[1:], sign[-1]) < 0)]
    return _zeros(torch.from_numpy(places), 0)


def _zeros(places: Tensor, n: int) -> dict[str, Value]:
    """How many, and the smallest |x| of them, infinite if there is none."""
    nearest = places.abs().numpy().min(initial=math.inf)
    return {"zero_slopes": exact(len(places), n=n), "nearest": exact(nearest)}


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[Reading]:
    """Probabilities p1, p2, ... of softmax(logits / temperature) in float32, stable and naive.

    naive: exp(x) / sum of exp(x); naive_finite: whether all of it is.
    """
    scaled = torch.tensor([float(logit) for logit in logits]) / temperature
    naive = scaled.exp() / scaled.exp().sum()
    values = {f"p{index}": exact(p) for index, p in enumerate(scaled.softmax(0).tolist(), 1)}
    values["naive_finite"] = exact(bool(naive.isfinite().all()))
    return [Reading(values)]


def normalised_zero(epsilon: float = 1e-8, n: int = 8) -> list[Reading]:
    """Whether x / (norm of x + epsilon) and its gradient are finite for a vector of zeros.

    The norm is torch's, or the root of the sum of squares typed.
    """
    norms: dict[str, Callable[[Tensor], Tensor]] = {
        "torch's norm": torch.linalg.vector_norm,
        "root of the sum of squares": lambda x: x.square().sum().sqrt(),
    }
    readings = []
    for dtype_name, dtype in DTYPES.items():
        for norm_name, norm in norms.items():
            x = torch.zeros(n, dtype=dtype, requires_grad=True)
            y = x / (norm(x) + torch.tensor(epsilon, dtype=dtype))
            (gradient,) = torch.autograd.grad(y.sum(), x)
            values = {
                "output_finite": exact(bool(y.isfinite().all())),
                "gradient_finite": exact(bool(gradient.isfinite().all())),
            }
            readings.append(Reading(values, f"{norm_name} in {dtype_name}"))
    return readings


def exponential(x: float, dtypes: Sequence[str]) -> list[Reading]:
    """exp(x) in each dtype, whether it is finite, and the largest x that has a finite one."""
    readings = []
    for name in dtypes:
        value = torch.tensor(x, dtype=dtype_of(name)).exp()
        limit = math.log(torch.finfo(dtype_of(name)).max)
        values = {
            "exp": exact(value.item()),
            "finite": exact(bool(value.isfinite())),
            "limit": exact(limit),
        }
        readings.append(Reading(values, name))
    return readings


MEASUREMENTS = {
    "product": product,
    "numbers": numbers,
    "exceeds_input": exceeds_input,
    "overflow": overflow,
    "overflow_of_all": overflow_of_all,
    "zero_slopes": zero_slopes,
    "softmax": softmax,
    "normalised_zero": normalised_zero,
    "exponential": exponential,
}
