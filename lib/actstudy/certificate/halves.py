"""Every value of fp16 and of bf16: where output and gradient are finite and have a correct digit.

Compared with float64 on this machine's CPU, in evaluation; kernels of a GPU may differ.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.subject import Subject, with_gradient

BEGIN = 2.0**-7  # nearer to 0 halves have few digits, whatever the function
LOST = 0.5  # of a number: an error so large leaves no binary digit of it
CROSSING = 8  # values on each side of a place where the truth changes its sign: it is 0 there


class _Halves(NamedTuple):
    """All finite x of a dtype in order; whether output and gradient are finite, and right there."""

    x: np.ndarray
    finite: np.ndarray
    output: np.ndarray
    gradient: np.ndarray


def fp16(subject: Subject) -> Reading:
    """The safe ranges of fp16."""
    return _safe(subject, torch.float16)


def bf16(subject: Subject) -> Reading:
    """The safe ranges of bf16."""
    return _safe(subject, torch.bfloat16)


def _safe(subject: Subject, dtype: torch.dtype) -> Reading:
    halves = _read(subject, dtype)
    values = {}
    words = []
    for name, what in (("finite", "finite"), ("output", "output"), ("gradient", "gradient")):
        low, high = _around_zero(halves.x, getattr(halves, name))
        values[name] = [low, high]
        is_all = (low, high) == (halves.x[0], halves.x[-1])
        words.append(f"{what} {'everywhere' if is_all else f'for x from {low:.4g} to {high:.4g}'}")
    finite, output, gradient = words
    text = f"{finite}; with a correct digit: {output}, {gradient}"
    return Reading(text, {**values, "largest": float(halves.x[-1])})


def _read(subject: Subject, dtype: torch.dtype) -> _Halves:
    if not subject.elementwise:
        raise NotMeasured("an output depends on more than its own input")
    x = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    x = x[x.isfinite()].unique()
    try:
        y, gradient = with_gradient(subject.fresh(dtype).eval(), x)
    except RuntimeError as error:
        raise NotMeasured(f"{dtype}: {' '.join(str(error).split())[:160]}") from None
    expected, slope = with_gradient(subject.fresh(torch.float64).eval(), x.double())
    finite = y.isfinite() & gradient.isfinite()
    return _Halves(
        x.double().numpy(), finite.numpy(), _is_right(y, expected), _is_right(gradient, slope)
    )


def _is_right(values: Tensor, expected: Tensor) -> np.ndarray:
    """Whether values have a correct digit, or are next to a place where the expected ones are 0."""
    is_near = (values.double() - expected).abs() <= LOST * expected.abs()
    signs = expected.sign().numpy()
    crossings = (signs[:-1] * signs[1:] < 0).astype(int)
    beside = np.convolve(crossings, np.ones(2 * CROSSING, int))[CROSSING - 1 : -CROSSING + 1]
    return is_near.numpy() | (beside > 0)[: len(signs)]


def _around_zero(x: np.ndarray, is_good: np.ndarray) -> tuple[float, float]:
    """The values of x up to which a mask holds without a gap, to the left and right of 0."""
    ends = []
    for sign in (-1, 1):
        away = np.flatnonzero(sign * x >= BEGIN)
        away = away[np.argsort(np.abs(x[away]))]
        n = int(np.cumprod(is_good[away].astype(int)).sum())
        ends.append(float(x[away[n - 1]]) if n else 0.0)
    return ends[0], ends[1]
