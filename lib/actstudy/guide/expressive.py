"""Measurements: what networks with and without activations can represent and fit."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor
from torch.nn import functional

from actstudy.contract.reading import Reading, exact, mean_of, share_of
from actstudy.contract.streams import stream
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions
from actstudy.guide.stacked import Stack

XOR_X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_Y = torch.tensor([0.0, 1.0, 1.0, 0.0])


def collapse(
    activation: Choice = "identity",
    depth: int | list[int] = 20,
    width: int = 64,
    seeds: int = 20,
) -> list[Reading]:
    """How far a net is from the affine map that agrees with it at 0 and the unit vectors.

    `difference`: the largest over N(0, 1) inputs, outputs and seeds, in float64.
    """
    readings = []
    for text, at in conditions(depth=depth):
        widths = [width] * (at["depth"] + 1)
        net = Stack(widths, activation, "lecun_normal", seeds, dtype=torch.float64)
        rng = stream(0, "guide/collapse")
        for bias in net.biases:
            bias.data = torch.from_numpy(rng.standard_normal(bias.shape))
        x = torch.from_numpy(rng.standard_normal((width, width)))
        with torch.no_grad():
            origin = net(torch.zeros(1, width, dtype=torch.float64))
            matrix = net(torch.eye(width, dtype=torch.float64)) - origin
            difference = (net(x) - (x @ matrix + origin)).abs().max()
        readings.append(Reading({"difference": exact(float(difference), n=seeds)}, text))
    return readings


def xor(
    activation: Choice | list[Choice],
    hidden: list[list[int]],
    seeds: int = 200,
    steps: int = 800,
    lr: float = 0.05,
    init: Choice = "torch_default",
) -> list[Reading]:
    """How many nets learn XOR of two bits with Adam: `solved`, all four corners right.

    hidden: widths of hidden layers, several networks; `best_corners`: of the best seed.
    """
    readings = []
    for text, at in conditions(activation=activation, hidden=hidden):
        net = Stack([2, *at["hidden"], 1], at["activation"], init, seeds)
        fit(net, XOR_X, XOR_Y, steps, lr)
        n_right = right(net, XOR_X, XOR_Y).sum(1)
        values = {"solved": share_of(int((n_right == 4).sum()), seeds)}
        values["best_corners"] = exact(int(n_right.max()), n=seeds)
        readings.append(Reading(values, text))
    return readings


def disc(
    activation: Choice = "relu",
    hidden: Sequence[int] = (32, 32),
    points: int = 2000,
    area: float = 0.34,
    seeds: int = 3,
    steps: int = 1000,
    lr: float = 0.01,
) -> list[Reading]:
    """Accuracies of a linear model and of a net that tell a disc in a square from the rest.

    `linear_gain`: of the linear model over always giving the larger class.
    """
    x = stream(0, "guide/disc").uniform(-1, 1, (points, 2)).astype(np.float32)
    y = ((x**2).sum(1) < 4 * area / np.pi).astype(np.float32)
    inputs = torch.from_numpy(x)
    labels = torch.from_numpy(y)
    accuracies = []
    for widths in ((), tuple(hidden)):
        net = Stack([2, *widths, 1], activation, "xavier_normal", seeds)
        fit(net, inputs, labels, steps, lr)
        accuracies.append(right(net, inputs, labels).double().mean(1))
    linear, network = accuracies
    majority = max(y.mean(), 1 - y.mean())
    values = {
        "linear": mean_of(linear.tolist()),
        "linear_gain": mean_of((linear - float(majority)).tolist()),
        "network": mean_of(network.tolist()),
    }
    return [Reading(values)]


def separable(points: list[list[float]], inside: list[int]) -> list[Reading]:
    """Whether a line (a plane, ...) separates points inside from those outside: `separable`.

    Decided by a linear program: does w with sign * (w x + b) >= 1 exist?
    """
    if len(points) != len(inside):
        raise ValueError(f"inside: got {len(inside)} values for {len(points)} points")
    x = np.asarray(points, float)
    signs = np.where(np.asarray(inside, bool), 1.0, -1.0)
    rows = -signs[:, None] * np.column_stack([x, np.ones(len(x))])
    answer = linprog(np.zeros(rows.shape[1]), rows, -np.ones(len(x)), bounds=(None, None))
    return [Reading({"separable": exact(answer.status == 0)})]


def fit(net: Stack, x: Tensor, y: Tensor, steps: int, lr: float) -> None:
    """Train on all points at once by Adam; y of 0 and 1."""
    optimizer = lessons.optimizer("adam", net, lr)
    targets = y.expand(net.runs, -1)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = net(x)[..., 0]
        loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        (loss / len(x)).backward()
        optimizer.step()


def right(net: Stack, x: Tensor, y: Tensor) -> Tensor:
    """Which points (R, B) are on their side."""
    with torch.no_grad():
        return (net(x)[..., 0] > 0) == (y > 0.5)


MEASUREMENTS = {
    "collapse": collapse,
    "xor": xor,
    "disc": disc,
    "separable": separable,
}
