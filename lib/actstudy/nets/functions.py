"""Activations that torch has not: functions of each value, some with weights that are learnt.

Weights per unit are (units,): of the channels of (B, C, H, W), else of the last axis.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

BETA = 0.5  # the slope of xIELU at 0, and the least alpha of its negative part
HINGES = (-0.5, 0.5)  # where APL's begin


class WrittenOutSiLU(nn.Module):
    """x * sigmoid(x) in two operations: silu in other bits.

    A study with both shows its noise floor.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class ReLUSquared(nn.Module):
    """max(x, 0)^2."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x).square()


class LeakyReLUSquared(nn.Module):
    """The square of leaky ReLU: it falls below 0."""

    def __init__(self, negative_slope: float = 0.5) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope).square()


class ChannelPReLU(nn.Module):
    """PReLU with a slope per unit; with one for all, PReLU."""

    def __init__(self, units: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((units,), init))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, for_units(self.weight, x) * x)


class RReLU(nn.RReLU):
    """x above 0, x times a slope from U(lower, upper) below; in evaluation times their mean.

    A slope is drawn also above 0, and in float32 for every precision, so that neither values nor
    rounding move a draw.
    """

    def forward(self, x: Tensor) -> Tensor:  # torch's names its argument input
        if not self.training:
            return functional.leaky_relu(x, (self.lower + self.upper) / 2)
        slope = torch.empty_like(x, dtype=torch.float32).uniform_(self.lower, self.upper)
        return torch.where(x > 0, x, slope.to(x.dtype) * x)


class LearntSwish(nn.Module):
    """x * sigmoid(beta x) with a beta that is learnt, one per site."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.full((1,), beta))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(for_units(self.beta, x) * x)


class LearntELU(nn.Module):
    """ELU with an alpha that is learnt, one per site."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), alpha))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, for_units(self.alpha, x) * torch.expm1(x.clamp(max=0)))


class XIELU(nn.Module):
    """alpha_p x^2 + x / 2 above 0, alpha_n (expm1(x) - x) + x / 2 below.

    What is learnt is `raw_p` and `raw_n`, one each per site: alpha_p = softplus(raw_p) stays above
    0, alpha_n = 1/2 + softplus(raw_n) above 1/2.
    """

    def __init__(self, alpha_p: float = 0.8, alpha_n: float = 0.8) -> None:
        super().__init__()
        self.raw_p = nn.Parameter(torch.full((1,), math.log(math.expm1(alpha_p))))
        self.raw_n = nn.Parameter(torch.full((1,), math.log(math.expm1(alpha_n - BETA))))

    def forward(self, x: Tensor) -> Tensor:
        above = x.clamp(min=0)
        below = x.clamp(max=0)
        raw = {"raw_p": for_units(self.raw_p, x), "raw_n": for_units(self.raw_n, x)}
        alpha = self.in_formula(raw)
        of_below = alpha["alpha_n"] * (torch.expm1(below) - below)
        return alpha["alpha_p"] * above * above + of_below + BETA * x

    @staticmethod
    def in_formula(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The alphas of raw values."""
        alpha_n = BETA + functional.softplus(weights["raw_n"])
        return {"alpha_p": functional.softplus(weights["raw_p"]), "alpha_n": alpha_n}


class APL(nn.Module):
    """max(x, 0) + sum over hinges s of a_s max(0, b_s - x), with a_s and b_s per unit.

    It begins as ReLU: every a_s is 0, the b_s are HINGES.
    """

    def __init__(self, units: int = 1) -> None:
        super().__init__()
        self.a = nn.ParameterList(torch.zeros(units) for _ in HINGES)
        self.b = nn.ParameterList(torch.full((units,), hinge) for hinge in HINGES)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(x)
        for a, b in zip(self.a, self.b, strict=True):
            y = y + for_units(a, x) * functional.relu(for_units(b, x) - x)
        return y


def for_units(weight: Tensor, x: Tensor) -> Tensor:
    """A weight (units,) or (1,) of an activation as x takes it: its dtype, and on the units' axis.

    x: (B, units, H, W), or (..., units). A weight with as many axes as x is for each value.
    """
    if weight.ndim == x.ndim:
        return weight.to(x.dtype)
    axes = x.ndim - 2 if x.ndim > 3 else 0
    return weight.to(x.dtype).view(-1, *[1] * axes)


def in_formula(module: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """What a module learns, as its formula has it; weights: name -> its parameters, or such."""
    return module.in_formula(weights) if isinstance(module, XIELU) else weights
