"""Measures of the signal: moments for normal inputs, and what becomes of it over many layers.

The limit of wide layers: weights are N(0, gain^2 / inputs), so each value before an activation is
N(0, q), and the next layer has q' = gain^2 E[f(sqrt(q) z)^2] with z ~ N(0, 1). A gradient's second
moment changes by gain^2 E[f'(z)^2] per layer.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.subject import Subject, seeded

LAYERS = 50
DEPTHS = (1, 2, 5, 10, 20, 50)
STARTS = (0.5, 2.0)  # second moments that the signal begins with; 1 stays 1 with the gain
N_POINTS = 9600  # of the trapezoid rule on [-12, 12]; an even number, so that 0 is none of them


def moments(subject: Subject) -> Reading:
    """Mean, sd and gain for inputs from N(0, 1)."""
    mean, second, _ = _moments(subject, 1.0)
    if not (math.isfinite(second) and second > 0):
        raise NotMeasured(f"E[f(z)^2] = {second} for z from N(0, 1)")
    sd = math.sqrt(max(second - mean**2, 0))
    gain = 1 / math.sqrt(second)
    share = mean**2 / second
    text = (
        f"gain {gain:.4f} (1 / sqrt of E[f(z)^2], z from N(0, 1)); output mean {mean:.4f}, sd "
        f"{sd:.4f}: {share:.0%} of its second moment is mean shift"
    )
    values = {"gain": gain, "mean": mean, "sd": sd, "share_of_mean": share}
    return Reading(text, values)


def depth(subject: Subject) -> Reading:
    """The second moments of signal and gradient after 1 to 50 layers with that gain."""
    _, second, steep = _moments(subject, 1.0)
    if not (math.isfinite(second) and second > 0):
        raise NotMeasured("no gain")
    factor = 1 / second
    paths = {str(start): _path(subject, start, factor) for start in STARTS}
    gradient = [(factor * steep) ** layers for layers in DEPTHS]
    last = ", ".join(f"{start:g} becomes {paths[str(start)][-1]:.3g}" for start in STARTS)
    text = (
        f"after {LAYERS} layers a second moment of {last}; the gradient's changes by "
        f"x{factor * steep:.4f} a layer, x{gradient[-1]:.3g} in all"
    )
    values = {"depths": list(DEPTHS), "from": paths, "gradient": gradient}
    return Reading(text, values)


def _path(subject: Subject, start: float, factor: float) -> list[float]:
    """The second moment before the activations of the layers DEPTHS, which begins as `start`."""
    q = start
    by_layer = []
    for _ in range(LAYERS):
        q = factor * _moments(subject, q)[1]
        by_layer.append(q)
    return [by_layer[layers - 1] for layers in DEPTHS]


@cache
def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Points z and their weights for means over N(0, 1)."""
    z = np.linspace(-12, 12, N_POINTS)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return z, density * (z[1] - z[0])


def _moments(subject: Subject, q: float) -> tuple[float, float, float]:
    """E[f(z)], E[f(z)^2] and E[f'(z)^2] for z ~ N(0, q)."""
    if not subject.elementwise:
        raise NotMeasured("an output depends on more than its own input")
    if not math.isfinite(q):
        return math.nan, q, math.nan
    z, weights = _normal()
    x = torch.from_numpy(math.sqrt(q) * z).requires_grad_()
    y, slope = _values(subject, x)
    with np.errstate(over="ignore", invalid="ignore"):
        return (
            float((weights * y).sum()),
            float((weights * y**2).sum()),
            float((weights * slope**2).sum()),
        )


def _values(subject: Subject, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """f and f' at x in float64, in evaluation."""
    with seeded():
        y = subject.fresh(torch.float64).eval()(x.clone())
    if not y.requires_grad:
        return y.numpy(), np.zeros(len(x))
    (slope,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
    return y.detach().numpy(), np.zeros(len(x)) if slope is None else slope.numpy()
