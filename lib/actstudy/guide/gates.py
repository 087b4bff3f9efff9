"""Measurement: LSTMs with other gates, or another activation in their cell."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract.reading import Reading, exact, mean_of, share_of
from actstudy.contract.streams import stream
from actstudy.guide import choices, lessons
from actstudy.guide.choices import Choice, Fixed, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Networks

USUAL = ("sigmoid", "tanh")  # the gates and the activation of an LSTM
BATCH = 64
AT_CHANCE = 0.2  # test accuracy below which a net has learnt next to nothing; chance is 0.1


class GatedStack(Networks):
    """R LSTMs that read x (R, B, T) `piece` values at a time -> (R, B, C) after the last ones.

    i, f, o = gate(z), g = act(z'), c = f c + i g, h = o act(c), where z and z' are affine in the
    values and in h. Weights begin uniform in +-1 / sqrt(width), as torch's, the biases of f at 1.
    """

    def __init__(self, gate: Choice, act: Choice, width: int, piece: int, seeds: int) -> None:
        super().__init__()
        self.runs = seeds
        self.piece = piece
        self.width = width
        self.gate = choices.activation(gate)
        self.activation = choices.activation(act)
        self.inputs = _uniform("inputs", (piece, 4 * width), width, seeds)
        self.own = _uniform("own", (width, 4 * width), width, seeds)
        self.head = _uniform("head", (width, lessons.CLASSES), width, seeds)
        bias = torch.zeros(seeds, 1, 4 * width)
        bias[..., width : 2 * width] = 1
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(self.runs, *x.shape[-2:])
        n = x.shape[1]
        pieces = x.unflatten(2, (-1, self.piece))  # R, B, T / piece, piece
        outer = torch.baddbmm(self.bias, pieces.flatten(1, 2), self.inputs)
        h = torch.zeros(self.runs, n, self.width)
        c = torch.zeros_like(h)
        for step in outer.unflatten(1, (n, -1)).unbind(2):
            z = torch.baddbmm(step, h, self.own)
            i, f, o = self.gate(z[..., : 3 * self.width]).chunk(3, -1)
            c = f * c + i * self.activation(z[..., 3 * self.width :])
            h = o * self.activation(c)
        return torch.bmm(h, self.head)


def _uniform(name: str, shape: tuple[int, int], width: int, seeds: int) -> nn.Parameter:
    """Weights (R, inputs, outputs) uniform in +-1 / sqrt(width), of each seed its own."""
    rngs = [stream(seed, f"guide/gates/{name}") for seed in range(seeds)]
    drawn = np.stack([rng.uniform(-1, 1, shape) for rng in rngs]) / math.sqrt(width)
    return nn.Parameter(torch.from_numpy(drawn).float())


def gates(
    gate: Choice | list[Choice] = "sigmoid",
    activation: Choice | list[Choice] = "tanh",
    width: int = 32,
    piece: int = 2,
    lr: Sequence[float] = (3e-3, 1e-2),
    steps: int = 400,
    seeds: int = 8,
    data: str = "mnist1d",
) -> list[Reading]:
    """Test accuracy of LSTMs minus that of the usual one (sigmoid, tanh), in points: `better`.

    Paired by seed; `accuracy` and `accuracy_usual` of each, in %; `diverged`: the share of seeds
    with an infinite loss. Trained with Adam without clipping, each kind at the learning rate with
    the best mean accuracy on validation examples: `lr` and `lr_usual`. ValueError if the usual one
    learns next to nothing.
    """
    lesson = Lesson(("", ()), (), data=data, steps=steps, batch=BATCH, seeds=seeds)
    readings = []
    usual, _, usual_rate = _tuned(*map(fixed, USUAL), lesson, tuple(lr), (width, piece))
    if usual.mean() < AT_CHANCE:
        raise ValueError(f"steps: got {steps}; the usual LSTM has {usual.mean():.2g}, near chance")
    for text, at in conditions(gate=gate, activation=activation):
        kinds = fixed(at["gate"]), fixed(at["activation"])
        own, n_diverged, rate = _tuned(*kinds, lesson, tuple(lr), (width, piece))
        values = {
            "better": mean_of((100 * (own - usual)).tolist(), "points"),
            "accuracy": mean_of((100 * own).tolist(), "%"),
            "accuracy_usual": mean_of((100 * usual).tolist(), "%"),
            "diverged": share_of(n_diverged, seeds),
            "lr": exact(rate),
            "lr_usual": exact(usual_rate),
        }
        readings.append(Reading(values, text))
    return readings


@cache
def _tuned(
    gate: Fixed, act: Fixed, lesson: Lesson, rates: tuple[float, ...], sizes: tuple[int, int]
) -> tuple[Tensor, int, float]:
    """Test accuracy (R,), diverged seeds, and rate, at that which is best on validation examples.

    sizes: width and piece.
    """
    data = lesson.examples()
    tries = []
    for rate in rates:
        net = GatedStack(gate, act, *sizes, lesson.seeds)
        losses = lessons.learn(net, replace(lesson, lr=rate))
        n_diverged = int((~losses.isfinite()).any(0).sum())
        validated = float(lessons.share_right(net, data.x_val, data.y_val).mean())
        tries.append((validated, rate, lessons.accuracy(net, data), n_diverged))
    _, best, accuracy, n_diverged = max(tries, key=lambda each: each[0])
    return accuracy, n_diverged, best


MEASUREMENTS = {"gates": gates}
