"""Measurements: outputs that do not fit their loss."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract.reading import Reading, exact, mean_of, share_of
from actstudy.contract.streams import stream
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, fixed
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
    targets: str,
    beside: str = "mixed",
    activation: Choice = "relu",
    width: int = 32,
    n: int = 256,
    steps: int = 300,
    lr: float = 1e-2,
    seeds: int = 20,
) -> list[Reading]:
    """Regression with a ReLU on the output: what becomes of the squared error in training.

    targets: a kind of TARGETS, a smooth function of the input plus their mean. `over_zero`: the
    loss in the end over that of always 0, which such a net gives if it is dead; `fell`: the share
    of seeds whose loss fell by 1% from its start. over_zero_beside: with the targets `beside`.
    """
    values = {}
    for kind, ending in ((targets, ""), (beside, "_beside")):
        if kind not in TARGETS:
            raise ValueError(f"targets: got {kind!r}; allowed: {', '.join(TARGETS)}")
        x = torch.from_numpy(stream(0, "guide/regression").standard_normal((n, 8))).float()
        y = TARGETS[kind] + torch.sin(x.sum(1)) / math.sqrt(2)
        net = Stack([8, width, 1], activation, "torch_default", seeds)
        optimizer = lessons.optimizer("adam", net, lr)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = (functional.relu(net(x)[..., 0]) - y).square().mean(1)
            loss.sum().backward()
            optimizer.step()
            losses.append(loss.detach())
        n_fell = int((losses[-1] < 0.99 * losses[0]).sum())
        values[f"over_zero{ending}"] = mean_of((losses[-1] / y.square().mean()).tolist())
        values[f"fell{ending}"] = share_of(n_fell, seeds)
    return [Reading(values)]


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
