"""Measurement: recurrent networks that read a signal value by value."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract.reading import Reading, exact, mean_of
from actstudy.contract.streams import stream
from actstudy.guide import choices, lessons
from actstudy.guide.choices import Choice, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Networks

INPUT_SD = 0.2  # of the first weights of a signal's values
LEAST = 0.2  # test accuracy below which a net has learnt next to nothing; chance is 0.1


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
        inputs = np.stack([rng.standard_normal((1, width)) for rng in rngs]) * INPUT_SD
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
    lr: Sequence[float] = (1e-3, 3e-3, 1e-2),
    steps: int = 600,
    seeds: int = 10,
    data: str = "mnist1d",
) -> list[Reading]:
    """Test accuracy of recurrent nets with an activation minus that with another: `better`.

    Paired by seed; `accuracy` and `accuracy_against` of each. Trained with Adam, a signal's values
    in their order, each activation at the learning rate with the best mean accuracy on validation
    examples: `lr` and `lr_against`. ValueError if the other one learns next to nothing.
    """
    lesson = Lesson(fixed(activation), (), data=data, steps=steps, seeds=seeds)
    own, own_rate = _tuned(activation, lesson, lr, width)
    other, other_rate = _tuned(against, lesson, lr, width)
    if other.mean() < LEAST:
        reached = f"test accuracy {float(other.mean()):.2g} at the best of its rates"
        raise ValueError(f"against: got {against!r}; {reached}, near chance")
    values = {"accuracy": own, "accuracy_against": other, "better": own - other}
    reading = {name: mean_of(each.tolist()) for name, each in values.items()}
    return [Reading({**reading, "lr": exact(own_rate), "lr_against": exact(other_rate)})]


def _tuned(act: Choice, lesson: Lesson, rates: Sequence[float], width: int) -> tuple[Tensor, float]:
    """The test accuracy (R,) at the rate that is best on validation examples, and that rate."""
    data = lesson.examples()
    tries = []
    for rate in rates:
        net = RecurrentStack(act, width, lesson.seeds)
        lessons.learn(net, replace(lesson, lr=rate))
        validated = lessons.share_right(net, data.x_val, data.y_val).mean()
        tries.append((float(validated), rate, lessons.accuracy(net, data)))
    _, best, accuracy = max(tries, key=lambda each: each[0])
    return accuracy, best


MEASUREMENTS = {"recurrent": recurrent}
