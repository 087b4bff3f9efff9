"""Activations of a Transformer's feed-forward part alone: `FEED_FORWARD`, name -> entry.

A module says how many values it takes of each hidden unit, and how many it gives. The block's
width follows (nets/transformer.py), so that every one of them has as many parameters as GELU.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class FeedForward:
    """One such activation; formula: numpy over a and b, the halves of what it takes, or over x."""

    factory: Callable[..., nn.Module]
    formula: str
    paper: str
    args: dict[str, float] = field(default_factory=dict)
    saturated: None = None
    per_unit: bool = False


class Gated(nn.Module):
    """a * gate(b) of the halves a and b of the last axis."""

    takes = 2
    gives = 1

    def __init__(self, gate: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.gate = gate

    def extra_repr(self) -> str:
        return self.gate.__name__

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return a * self.gate(b)


class Bilinear(nn.Module):
    """a * b of the halves a and b of the last axis."""

    takes = 2
    gives = 1

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return a * b


class Maxout(nn.Module):
    """The larger of two pieces, the halves of the last axis."""

    takes = 2
    gives = 1

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return torch.maximum(a, b)


class CReLU(nn.Module):
    """max(x, 0) and max(-x, 0), one after the other on the last axis."""

    takes = 1
    gives = 2

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([functional.relu(x), functional.relu(-x)], -1)


FEED_FORWARD: dict[str, FeedForward] = {
    "glu": FeedForward(
        partial(Gated, torch.sigmoid),
        "a / (1 + exp(-b))",
        "Dauphin et al. 2017, arXiv:1612.08083; Shazeer 2020, arXiv:2002.05202",
    ),
    "geglu": FeedForward(
        partial(Gated, functional.gelu),
        "a * b * (1 + erf(b / sqrt(2))) / 2",
        "Shazeer 2020, arXiv:2002.05202",
    ),
    "swiglu": FeedForward(
        partial(Gated, functional.silu), "a * b / (1 + exp(-b))", "Shazeer 2020, arXiv:2002.05202"
    ),
    "reglu": FeedForward(
        partial(Gated, functional.relu), "a * maximum(b, 0)", "Shazeer 2020, arXiv:2002.05202"
    ),
    "bilinear": FeedForward(Bilinear, "a * b", "Shazeer 2020, arXiv:2002.05202"),
    "maxout": FeedForward(Maxout, "maximum(a, b)", "Goodfellow et al. 2013, arXiv:1302.4389"),
    "crelu": FeedForward(
        CReLU,
        "concatenate([maximum(x, 0), maximum(-x, 0)], -1)",
        "Shang et al. 2016, arXiv:1603.05201",
    ),
}
