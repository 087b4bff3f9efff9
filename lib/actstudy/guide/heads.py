"""Measurements: outputs that do not fit their loss."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract.reading import Reading, exact, mean_of, share_of
from actstudy.contract.streams import stream
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Networks, Stack

TARGETS = {"negative": -2.0, "mixed": 0.0, "positive": 2.0}  # their mean; their sd is 1/2


class Squeezed(Networks):
    """A stack with a sigmoid on its outputs."""

    def __init__(self, net: Stack) -> None:
        super().__init__()
        self.net = net
        self.runs = net.runs

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.net(x))


def relu_head(
    targets: str | list[str],
    activation: Choice = "relu",
    width: int = 32,
    n: int = 256,
    steps: int = 300,
    lr: float = 1e-2,
    seeds: int = 20,
) -> list[Reading]:
    """Regression with a ReLU on the output: what becomes of the squared error in training.

    targets: kinds of TARGETS, a smooth function of the input plus their mean. `fell`: the share of
    seeds whose loss fell by 1%; `fallen`: the part of it that is gone in the end; `over_zero`: the
    loss in the end over that of always 0.
    """
    readings = []
    for text, at in conditions(targets=targets):
        if at["targets"] not in TARGETS:
            raise ValueError(f"targets: got {at['targets']!r}; allowed: {', '.join(TARGETS)}")
        x = torch.from_numpy(stream(0, "guide/regression").standard_normal((n, 8))).float()
        y = TARGETS[at["targets"]] + torch.sin(x.sum(1)) / math.sqrt(2)
        net = Stack([8, width, 1], activation, "torch_default", seeds)
        optimizer = lessons.optimizer("adam", net, lr)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = (functional.relu(net(x)[..., 0]) - y).square().mean(1)
            loss.sum().backward()
            optimizer.step()
            losses.append(loss.detach())
        fallen = 1 - losses[-1] / losses[0]
        values = {
            "fell": share_of(int((fallen > 0.01).sum()), seeds),
            "fallen": mean_of(fallen.tolist()),
            "over_zero": mean_of((losses[-1] / y.square().mean()).tolist()),
        }
        readings.append(Reading(values, text))
    return readings


def sigmoid_outputs(
    activation: Choice = "relu",
    width: int = 128,
    steps: int = 390,
    seeds: int = 5,
    data: str = "fashion_mnist_tenth",
) -> list[Reading]:
    """What cross-entropy with softmax does on outputs that a sigmoid has squeezed.

    `floor`: the least loss that such outputs can have; `loss`: on the last batches;
    `accuracy_lost`: test accuracy of plain outputs minus theirs, paired by seed.
    """
    lesson = Lesson(fixed(activation), (width,), data=data, steps=steps, seeds=seeds)
    plain = lessons.learnt(lesson)
    squeezed = Squeezed(lesson.net())
    losses = lessons.learn(squeezed, lesson)
    lost = plain.accuracy - lessons.accuracy(squeezed, lesson.examples())
    values = {
        "floor": exact(math.log(1 + (lessons.CLASSES - 1) / math.e)),
        "loss": mean_of(losses[-20:].mean(0).tolist()),
        "accuracy_lost": mean_of(lost.tolist()),
    }
    return [Reading(values)]


MEASUREMENTS = {"relu_head": relu_head, "sigmoid_outputs": sigmoid_outputs}
