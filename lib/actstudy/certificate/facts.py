"""Measures of an activation as a module: what learns, modes, NaN, range and rounding."""

import math

import torch

from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.subject import (
    Subject,
    all_of_rows,
    call,
    comparable,
    normal,
    rows,
    with_gradient,
)

N_INPUTS = (256, 8)


def learns(subject: Subject) -> Reading:
    """The parameters with their initial values, and the gradient that they get from N(0, 1)."""
    module = subject.fresh()
    x = normal(*N_INPUTS)
    named = dict(module.named_parameters())
    if not named:
        return Reading("nothing", {"n_parameters": 0, "parameters": {}})
    loss = call(module, x).square().mean()
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    sentences = []
    values = {}
    for (name, parameter), gradient in zip(named.items(), gradients, strict=True):
        start = parameter.detach().flatten()[:4].tolist()
        size = 0.0 if gradient is None else gradient.norm().item()
        listed = ", ".join(f"{value:.4g}" for value in start)
        sentences.append(f"{name} {list(parameter.shape)} from {listed}, gradient {size:.3g}")
        values[name] = {"shape": list(parameter.shape), "from": start, "gradient": size}
    n = sum(parameter.numel() for parameter in named.values())
    text = f"{'; '.join(sentences)} (of the mean square of the output, inputs N(0, 1))"
    return Reading(text, {"n_parameters": n, "parameters": values})


def modes(subject: Subject) -> Reading:
    """Whether training and evaluation give the same output, and whether training is random."""
    x = normal(*N_INPUTS)
    first, second = (call(subject.fresh(), x, seed) for seed in range(2))
    evaluated = call(subject.fresh().eval(), x)
    is_random = not torch.equal(first, second)
    is_same = torch.equal(first, evaluated)
    words = "random in training" if is_random else "not random"
    text = f"training and evaluation {'the same' if is_same else 'differ'}, {words}"
    values = {"same": is_same, "random_in_training": is_random, "elementwise": subject.elementwise}
    if not subject.elementwise:
        text += "; an output depends on more than its own input"
    return Reading(text, values)


def not_a_number(subject: Subject) -> Reading:
    """Whether NaN comes out where NaN goes in: a NaN that is lost hides a fault."""
    y = call(subject.fresh(), torch.full(N_INPUTS, torch.nan))
    passes = bool(y.isnan().all())
    text = (
        "NaN in, NaN out" if passes else f"NaN in gives {y.flatten()[0].item():.4g}: it is hidden"
    )
    return Reading(text, {"passes": passes})


def largest(subject: Subject) -> Reading:
    """The |x| up to which output and gradient are finite, in float32 and fp16: 8 steps a decade."""
    values = {}
    for dtype in (torch.float32, torch.float16):
        exponents = torch.arange(0, 8 * math.log10(torch.finfo(dtype).max)).double() / 8
        x = (10**exponents).to(dtype)
        try:
            y, gradient = with_gradient(subject.fresh(dtype), rows(torch.cat([x, -x])))
        except RuntimeError as error:
            raise NotMeasured(f"{dtype}: {' '.join(str(error).split())[:160]}") from None
        is_finite = all_of_rows(y.isfinite() & gradient.isfinite()).reshape(2, -1).all(0)
        n = int(is_finite.long().cumprod(0).sum())
        values[str(dtype).removeprefix("torch.")] = x[n - 1].item() if n else 0.0
    listed = ", ".join(f"{value:.2g} ({name})" for name, value in values.items())
    return Reading(f"output and gradient are finite up to |x| = {listed}", values)


def rounding(subject: Subject) -> Reading:
    """The largest error of fp16 and bf16 against float64 for |x| up to 10, in their roundings."""
    values = {}
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.linspace(-10, 10, 2001).to(dtype)
        try:
            y, _ = with_gradient(comparable(subject, dtype), rows(x))
        except RuntimeError as error:
            raise NotMeasured(f"{dtype}: {' '.join(str(error).split())[:160]}") from None
        expected, _ = with_gradient(comparable(subject, torch.float64), rows(x.double()))
        distance = (y.double() - expected).abs()
        unit = torch.finfo(dtype).eps * expected.abs().clamp(min=1)
        values[str(dtype).removeprefix("torch.")] = (distance / unit).max().item()
    listed = ", ".join(f"{name} {value:.2g}" for name, value in values.items())
    text = f"{listed} roundings off at most, for |x| up to 10 (of 1, or of the value if larger)"
    return Reading(text, values)
