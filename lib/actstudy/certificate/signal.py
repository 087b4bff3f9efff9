"""Measures of the signal: moments for normal inputs, and what becomes of it over many layers.

The limit of wide layers: weights are N(0, gain^2 / inputs), so each value before an activation is
N(0, q), and the next layer has q' = gain^2 E[f(sqrt(q) z)^2] with z ~ N(0, 1). A gradient's second
moment changes by gain^2 E[f'(z)^2] per layer. q = 1 stays 1; a small change of it grows by
gain^2 E[z f(z) f'(z)] per layer.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from actstudy.certificate.outcome import NotMeasured, Reading
from actstudy.certificate.pieces import all_jumps, derivative
from actstudy.certificate.subject import Subject
from actstudy.nets.initializers import POLICIES

LAYERS = 50
DEPTHS = (1, 2, 5, 10, 20, 50)
STARTS = (0.5, 2.0)  # second moments that the signal begins with; 1 stays 1 with the gain
REACH = 12.0  # of integrals over N(0, 1)
N_PANELS = 480  # of Gauss-Legendre between -REACH and REACH, more where the curve begins anew
N_NODES = 8  # per panel
NEUTRAL = 1e-6  # a rate so near to 1 keeps what it multiplies
CENTRED = 0.05  # of its sd: a mean so small is zero-centred
POLICY_FACTORS = {  # variance times inputs
    "he_normal": POLICIES["he_normal"].args["factor"],
    "lecun_normal": 1.0,
    "standard_heuristic": 1 / 3,
}


class Moments(NamedTuple):
    """E[f(z)], E[f(z)^2], E[f'(z)^2] and E[x f(x) f'(x)] / q for x = sqrt(q) z, z ~ N(0, 1)."""

    mean: float
    second: float
    steep: float
    response: float


def moments(subject: Subject) -> Reading:
    """Mean, sd and gain for inputs from N(0, 1), and whether it is zero-centred."""
    read = _with_gain(subject)
    sd = math.sqrt(max(read.second - read.mean**2, 0))
    gain = 1 / math.sqrt(read.second)
    share = read.mean**2 / read.second
    mean = round(read.mean, 9) + 0.0  # no -0
    text = (
        f"gain {gain:.4f} (1 / sqrt of E[f(z)^2], z from N(0, 1)); output mean {mean:.4f}, sd "
        f"{sd:.4f}: {share:.0%} of its second moment is mean shift"
    )
    values = {"gain": gain, "mean": read.mean, "sd": sd, "share_of_mean": share}
    return Reading(text, {**values, "zero_centred": abs(read.mean) <= CENTRED * sd})


def initialisation(subject: Subject) -> Reading:
    """The variance of weights that keeps the second moment, times inputs, and the nearest policy.

    For square matrices Xavier's is LeCun's.
    """
    factor = 1 / _with_gain(subject).second
    name = min(POLICY_FACTORS, key=lambda policy: abs(math.log(POLICY_FACTORS[policy] / factor)))
    off = POLICY_FACTORS[name] / factor - 1
    size = "large" if off > 0 else "small"
    beside = "has it" if abs(off) < NEUTRAL else f"is {abs(off):.2%} too {size}"
    text = f"auto, variance {factor:.6g} / inputs; {name} {beside}"
    return Reading(text, {"factor": factor, "nearest": name, "nearest_off": off})


def depth(subject: Subject) -> Reading:
    """The second moments of signal and gradient after 1 to 50 layers with that gain."""
    read = _with_gain(subject)
    factor = 1 / read.second
    paths = {str(start): _path(subject, start, factor) for start in STARTS}
    per_layer = factor * read.steep
    gradient = [per_layer**layers for layers in DEPTHS]
    last = ", ".join(f"{start:g} becomes {paths[str(start)][-1]:.3g}" for start in STARTS)
    rate = factor * read.response
    text = (
        f"{_stability(rate)}: a small change of its second moment becomes x{rate:.4f} a layer; "
        f"after {LAYERS} layers a second moment of {last}; the gradient's changes by "
        f"x{per_layer:.4f} a layer, x{gradient[-1]:.3g} in all"
    )
    values = {"depths": list(DEPTHS), "from": paths, "gradient": gradient}
    rates = {"rate": rate, "stability": _stability(rate), "gradient_per_layer": per_layer}
    return Reading(text, {**values, **rates})


def _stability(rate: float) -> str:
    """What becomes of a signal whose second moment is not quite the one that stays."""
    if abs(rate - 1) <= NEUTRAL:
        return "neutral"
    return "stable" if rate < 1 else "unstable"


def _path(subject: Subject, start: float, factor: float) -> list[float]:
    """The second moment before the activations of the layers DEPTHS, which begins as `start`."""
    q = start
    by_layer = []
    for _ in range(LAYERS):
        q = factor * _moments(subject, q).second
        by_layer.append(q)
    return [by_layer[layers - 1] for layers in DEPTHS]


def _with_gain(subject: Subject) -> Moments:
    """The moments for N(0, 1); NotMeasured if no factor makes the second 1."""
    read = _moments(subject, 1.0)
    if not (math.isfinite(read.second) and read.second > 0):
        raise NotMeasured(f"E[f(z)^2] = {read.second} for z from N(0, 1)")
    return read


@cache
def _panels() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss-Legendre on [-1, 1]."""
    return np.polynomial.legendre.leggauss(N_NODES)


def _normal(breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points z and their weights for means over N(0, 1) of what is smooth between breaks."""
    inside = breaks[np.abs(breaks) < REACH]
    edges = np.unique(np.concatenate([np.linspace(-REACH, REACH, N_PANELS + 1), inside]))
    nodes, weights = _panels()
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half * (1 + nodes)).ravel()
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return z, (half * weights).ravel() * density


@cache
def _moments(subject: Subject, q: float) -> Moments:
    """The moments for inputs from N(0, q)."""
    if not math.isfinite(q):
        return Moments(math.nan, q, math.nan, math.nan)
    scale = math.sqrt(q)
    z, weights = _normal(all_jumps(subject) / scale if scale else np.zeros(0))
    y = derivative(subject, scale * z, 0)
    slope = derivative(subject, scale * z, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        means = (weights * part for part in (y, y**2, slope**2, z * y * slope))
        return Moments(*(float(part.sum()) for part in means))
