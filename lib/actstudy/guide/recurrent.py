"""Measurement: recurrent networks that read a signal value by value."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract.reading import Reading, mean_of
from actstudy.contract.streams import stream
from actstudy.guide import choices, lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Networks


class RecurrentStack(Networks):
    """R recurrent networks: h = f(h W + x_t v + b) over the values x_t of x (R, B, T) -> (R, B, C).

    W begins as the identity for ReLU (Le et al. 2015, arXiv:1504.00941), as an orthogonal matrix
    for others.
    """

    def __init__(self, act: Choice, width: int, seeds: int) -> None:
        super().__init__()
        self.runs = seeds
        self.activation = choices.activation(act)
        rngs = [stream(seed, "guide/recurrent") for seed in range(seeds)]
        own = np.stack([np.linalg.qr(rng.standard_normal((width, width)))[0] for rng in rngs])
        if isinstance(self.activation, nn.ReLU):
            own = np.broadcast_to(np.eye(width), own.shape)
        inputs = np.stack([rng.standard_normal((1, width)) for rng in rngs])
        head = np.stack([rng.standard_normal((width, lessons.CLASSES)) for rng in rngs])
        self.own = nn.Parameter(torch.from_numpy(own.copy()).float())
        self.inputs = nn.Parameter(torch.from_numpy(inputs).float())
        self.head = nn.Parameter(torch.from_numpy(head / math.sqrt(width)).float())
        self.bias = nn.Parameter(torch.zeros(seeds, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(self.runs, *x.shape[-2:])
        h = torch.zeros(self.runs, x.shape[1], self.own.shape[1])
        for value in x.unbind(2):
            h = self.activation(
                torch.baddbmm(self.bias, h, self.own) + value[..., None] * self.inputs
            )
        return torch.bmm(h, self.head)


def recurrent(
    activation: Choice = "relu",
    against: Choice = "tanh",
    width: int = 32,
    lr: float | list[float] = 3e-3,
    steps: int = 600,
    seeds: int = 6,
    data: str = "mnist1d",
) -> list[Reading]:
    """Test accuracy of recurrent nets with an activation minus that with another: `better`.

    Paired by seed; `accuracy` and `accuracy_against` of each. Trained with Adam, a signal's values
    in their order.
    """
    readings = []
    for text, at in conditions(lr=lr):
        accuracies = []
        for act in (activation, against):
            lesson = Lesson(fixed(act), (), data=data, lr=at["lr"], steps=steps, seeds=seeds)
            net = RecurrentStack(act, width, seeds)
            lessons.learn(net, lesson)
            accuracies.append(lessons.accuracy(net, lesson.examples()))
        own, other = accuracies
        values = {"accuracy": own, "accuracy_against": other, "better": own - other}
        reading = {name: mean_of(each.tolist()) for name, each in values.items()}
        readings.append(Reading(reading, text))
    return readings


MEASUREMENTS = {"recurrent": recurrent}
