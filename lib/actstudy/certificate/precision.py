"""Checks of numbers: finite everywhere, right in fp16 and bf16, usable under autocast."""

from functools import partial

import torch
from torch import Tensor, nn

from actstudy.certificate.outcome import Finding, NotMeasured
from actstudy.certificate.subject import (
    Subject,
    all_of_rows,
    call,
    comparable,
    grid,
    normal,
    places,
    rows,
    seeded,
    with_gradient,
)
from actstudy.nets.own_contract import ON_ARGUMENTS

ROUNDINGS = 16  # of an output near 1, a low precision may be off by so many
AUTOCAST_SHARE = 0.1  # by which a loss under autocast may differ from that in float32


def finite(subject: Subject) -> Finding | None:
    """A finding if output or gradient is not finite somewhere between -1e4 and 1e4 in float32."""
    x = grid().float()
    y, gradient = with_gradient(subject.fresh(), rows(x))
    for what, values in (("output", y), ("gradient", gradient)):
        broken = x[~all_of_rows(values.isfinite())]
        if len(broken):
            text = f"the {what} is not finite at {places(broken)}, of {len(x)} values of x"
            fix = (
                f"x.abs() + eps for divisors; for log, sqrt and exp {ON_ARGUMENTS}, whose gradient "
                "would still be NaN"
            )
            return Finding(text, fix)
    return None


def _low(subject: Subject, dtype: torch.dtype) -> Finding | None:
    """A finding if a precision gives no or other numbers where float64 gives some in its range."""
    x = grid().to(dtype).unique()
    try:
        y, gradient = with_gradient(comparable(subject, dtype), rows(x))
    except RuntimeError as error:
        if "not implemented for" in str(error):
            raise NotMeasured(f"no {dtype} on this CPU: {error}") from None
        raise
    expected, slope = with_gradient(comparable(subject, torch.float64), rows(x.double()))
    for what, got, right in (("output", y, expected), ("gradient", gradient, slope)):
        in_range = all_of_rows(right.abs() <= torch.finfo(dtype).max)
        broken = in_range & ~all_of_rows(got.isfinite())
        if broken.any():
            return _overflow(x, broken, what, dtype)
    off = (y.double() - expected).abs() > _tolerance(x, expected, slope, dtype)
    off &= expected.abs() <= torch.finfo(dtype).max
    if off.any():
        place = int(off.any(1).nonzero()[0])
        pair = f"{y[place, 0].item():.4g}, float64 gives {expected[place, 0].item():.4g}"
        text = f"in {dtype} the output is {pair} at x = {x[place].item():.4g}"
        return Finding(text, "y = f(x.float()).to(x.dtype), or do not subtract large numbers")
    return None


def _tolerance(x: Tensor, y: Tensor, slope: Tensor, dtype: torch.dtype) -> Tensor:
    """By how much an output may be off: roundings of 1, of itself, and of x times its slope."""
    size = 1 + y.abs() + (rows(x.double()) * slope).abs()
    return ROUNDINGS * torch.finfo(dtype).eps * size


def _overflow(x: Tensor, broken: Tensor, what: str, dtype: torch.dtype) -> Finding:
    text = f"in {dtype} the {what} is not finite at {places(x[broken].double())}"
    fix = (
        "y = f(x.float()).to(x.dtype); or a form without large steps between, "
        "such as logaddexp or sigmoid instead of exp, and no x**2"
    )
    return Finding(f"{text}, where float64 gives a number in its range", fix)


fp16 = partial(_low, dtype=torch.float16)
bf16 = partial(_low, dtype=torch.bfloat16)


def autocast(subject: Subject) -> Finding | None:
    """A finding if a small model does not train under autocast as it does in float32."""
    devices = [("cpu", torch.bfloat16)]
    if torch.cuda.is_available():
        devices += [("cuda", torch.float16), ("cuda", torch.bfloat16)]
    for device, dtype in devices:
        expected, _ = _loss(subject, device, None)
        loss, gradient = _loss(subject, device, dtype)
        where = f"under autocast to {dtype} on {device}"
        fix = "bring parameters and constants to the input's dtype: self.scale.to(x.dtype)"
        if not gradient.isfinite().all():
            return Finding(f"{where} the gradient of the layer before is not finite", fix)
        if not abs(loss - expected) <= AUTOCAST_SHARE * abs(expected):
            return Finding(f"{where} a loss is {loss:.4g}, in float32 {expected:.4g}", fix)
    return None


def _loss(subject: Subject, device: str, dtype: torch.dtype | None) -> tuple[float, Tensor]:
    """The loss of a small model, and the gradient of its first weight; dtype: of autocast."""
    with seeded():
        before = nn.Linear(8, 64).to(device)
        after = nn.Linear(64, 4).to(device)
    activation = subject.fresh().to(device)
    x = normal(64, 8).to(device)
    target = normal(64, 4, seed=2).to(device)
    with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
        y = after(call(activation, before(x)))
    loss = (y.float() - target).square().mean()
    (gradient,) = torch.autograd.grad(loss, before.weight)
    return loss.item(), gradient
