"""The factor that an activation needs on weights, so that the second moment of a signal stays."""

import math

import numpy as np
import torch
from torch import nn


def gain(module: nn.Module) -> float:
    """1 / sqrt(E[f(z)^2]) for z ~ N(0, 1): this factor on weights keeps the second moment.

    Trapezoid rule on [-12, 12] in float64; sqrt(2) for ReLU (He et al. 2015, arXiv:1502.01852).
    """
    if isinstance(module, nn.RReLU):  # with the mean of its slopes
        module = nn.LeakyReLU((module.lower + module.upper) / 2)
    takes = getattr(module, "takes", None)
    if takes:
        return _of_several(module, takes)
    z = np.linspace(-12, 12, 24_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    with torch.no_grad():
        post = module.double()(torch.from_numpy(z)).numpy()
    module.float()
    return float(1 / np.sqrt(np.trapezoid(post**2 * density, z)))


def _of_several(module: nn.Module, takes: int) -> float:
    """The same over all that a module gives for `takes` values per unit, which are independent.

    Trapezoid rule on [-9, 9], on a square if there are two.
    """
    line = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    density = torch.exp(-line.square() / 2) * ((line[1] - line[0]) / math.sqrt(2 * math.pi))
    points = torch.stack(torch.meshgrid(*[line] * takes, indexing="ij"), -1)  # (..., takes)
    weights = torch.stack(torch.meshgrid(*[density] * takes, indexing="ij"), -1).prod(-1)
    with torch.no_grad():
        squares = module(points).square().mean(-1)
    return float(1 / (weights * squares).sum().sqrt())
