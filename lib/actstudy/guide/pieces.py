"""Measurements: the linear pieces and kinks of networks with one input."""

from collections.abc import Sequence

import numpy as np
import torch

from actstudy.contract.reading import Reading, exact
from actstudy.contract.streams import stream
from actstudy.guide.choices import Choice, conditions
from actstudy.guide.stacked import Stack

REACH = 1e6  # pieces are counted from -REACH to REACH
SPACING = 1e-3  # of the wide grid on which kinks are looked for
CLOSER = 10  # times closer is the second one


def linear_pieces(units: int | list[int], depth: int = 1, seeds: int = 6) -> list[Reading]:
    """The linear pieces of ReLU nets with He weights and N(0, 1) biases, over all inputs.

    `largest` and `least`: over seeds; `over_bound`: the largest over units + 1, what one layer
    can have; `over_power`: the largest over units ** depth.
    """
    readings = []
    for text, at in conditions(units=units):
        n = at["units"]
        net = Stack([1, *[n] * depth, 1], "relu", "he_normal", seeds, dtype=torch.float64)
        layers = []
        rng = stream(0, "guide/pieces")
        for weight in list(net.weights)[:depth]:
            bias = rng.standard_normal((seeds, n))
            layers.append((weight.detach().mT.numpy(), bias))
        counts = []
        for seed in range(seeds):
            counts.append(len(knots([(weight[seed], bias[seed]) for weight, bias in layers])) + 1)
        values = {
            "largest": exact(max(counts), n=seeds),
            "least": exact(min(counts), n=seeds),
            "over_bound": exact(max(counts) / (n + 1), n=seeds),
            "over_power": exact(max(counts) / n**depth, n=seeds),
        }
        readings.append(Reading(values, text))
    return readings


def knots(layers: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Inputs at which a ReLU unit of a net with one input turns on or off, sorted.

    layers: weights (out, in) and biases (out,). Between knots all is linear, so each layer's
    knots follow from values at those of the layers before.
    """
    x = np.array([-REACH, REACH])
    h = x[:, None]
    for weight, bias in layers:
        pre = h @ weight.T + bias
        before, after = pre[:-1], pre[1:]
        rows, columns = np.nonzero(np.sign(before) * np.sign(after) < 0)
        start = before[rows, columns]
        part = start / (start - after[rows, columns])
        new = x[rows] + part * (x[rows + 1] - x[rows])
        h = np.concatenate([pre, pre[rows] + part[:, None] * (pre[rows + 1] - pre[rows])])
        x = np.concatenate([x, new])
        order = np.argsort(x, kind="stable")
        x = x[order]
        h = np.maximum(h[order], 0)
    return x[1:-1]


def kinks(
    activation: Choice | list[Choice], layers: Sequence[int] = (1, 2), units: int = 16
) -> list[Reading]:
    """Whether nets with one input have kinks: `after_1` for one layer, `after_2` for two, ...

    The largest change of slope between neighbours of a grid, over that of one CLOSER times as
    wide: near 1 at a kink, near 1 / CLOSER on a smooth curve. The median of 6 seeds.
    """
    readings = []
    for text, at in conditions(activation=activation):
        values = {}
        for depth in layers:
            net = Stack([1, *[units] * depth, 1], at["activation"], "he_normal", 6)
            net = net.double()
            rng = stream(0, "guide/pieces")
            for bias in list(net.biases)[:depth]:
                bias.data = torch.from_numpy(rng.standard_normal(bias.shape))
            wide = _slope_change(net, SPACING)
            values[f"after_{depth}"] = exact(np.median(_slope_change(net, SPACING / CLOSER) / wide))
        readings.append(Reading(values, text))
    return readings


def _slope_change(net: Stack, spacing: float) -> np.ndarray:
    """The largest change of slope (R,) between neighbouring cells of a grid on [-3, 3]."""
    x = torch.arange(-3, 3, spacing, dtype=torch.float64)[:, None]
    with torch.no_grad():
        y = net(x)[..., 0].numpy()
    return np.abs(np.diff(y, 2)).max(1) / spacing


MEASUREMENTS = {"linear_pieces": linear_pieces, "kinks": kinks}
