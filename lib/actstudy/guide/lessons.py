"""Stacks trained on embedded data outside the workflow, every seed with batches of its own."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract.errors import check_name
from actstudy.contract.streams import epoch_order
from actstudy.data import standardisation
from actstudy.data.sets import fashion_mnist_tenth, mnist1d
from actstudy.guide.choices import Fixed
from actstudy.guide.stacked import Networks, Stack

DATA = {"fashion_mnist_tenth": fashion_mnist_tenth, "mnist1d": mnist1d}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": partial(torch.optim.SGD, fused=True),
}
CLASSES = 10
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Examples:
    """Standardised inputs (N, features) and labels (N,) to train on, validate with and test on."""

    x: Tensor
    y: Tensor
    x_val: Tensor
    y_val: Tensor
    x_test: Tensor
    y_test: Tensor

    @property
    def features(self) -> int:
        return self.x.shape[1]


@cache
def examples(data: str, components: int = 0) -> Examples:
    """The splits of an embedded data set; components: that many principal ones.

    ValueError for a name that is none of DATA.
    """
    splits = DATA[check_name(data, "data", DATA)].prepare()
    train = splits["train"]["x"]
    mean, sd = standardisation.moments(train)
    inputs = []
    for split in SPLITS:
        flat = splits[split]["x"].reshape(len(splits[split]["x"]), -1)
        inputs.append(torch.from_numpy((flat.astype(np.float32) - mean) / sd).float())
    if components:
        centre = inputs[0].mean(0)
        _, _, axes = torch.linalg.svd(inputs[0] - centre, full_matrices=False)
        inputs = [(x - centre) @ axes[:components].T for x in inputs]
        scale = inputs[0].std()
        inputs = [x / scale for x in inputs]
    labels = [torch.from_numpy(splits[split]["y"]) for split in SPLITS]
    return Examples(*itertools.chain(*zip(inputs, labels, strict=True)))


@dataclass(frozen=True)
class Lesson:
    """What a stack is and how it is trained, in values that can be a key."""

    activation: Fixed
    hidden: tuple[int, ...]
    init: Fixed = ("torch_default", ())
    norm: str = "none"
    data: str = "fashion_mnist_tenth"
    components: int = 0
    optimizer: str = "adam"
    lr: float = 1e-3
    steps: int = 390
    batch: int = 128
    seeds: int = 5
    centred: bool = False  # see Stack.centre

    def examples(self) -> Examples:
        return examples(self.data, self.components)

    def net(self) -> Stack:
        """The stack before training."""
        widths = [self.examples().features, *self.hidden, CLASSES]
        net = Stack(widths, self.activation, self.init, self.seeds, self.norm)
        if self.centred:
            net.centre()
        return net


def train(net: Networks, lesson: Lesson) -> Iterator[Tensor]:
    """The losses (R,) of each step, after its update, whose gradients are still in the net."""
    data = lesson.examples()
    updates = optimizer(lesson.optimizer, net, lesson.lr)
    with _denormals_as_zeros():
        for rows in _batches(net.runs, len(data.x), lesson.steps, lesson.batch):
            updates.zero_grad()
            losses = cross_entropy(net(data.x[rows]), data.y[rows])
            losses.sum().backward()
            updates.step()
            yield losses.detach()


@contextmanager
def _denormals_as_zeros() -> Iterator[None]:
    """Numbers below 1.2e-38 are 0: squared gradients of deep nets, which cost much time else."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def learn(net: Networks, lesson: Lesson) -> Tensor:
    """The losses (steps, R) of a whole training."""
    return torch.stack(list(train(net, lesson)))


@dataclass(frozen=True, eq=False)
class Learnt:
    """A trained stack, its losses (steps, R) and its test accuracy (R,)."""

    net: Stack
    losses: Tensor
    accuracy: Tensor


@cache
def learnt(lesson: Lesson) -> Learnt:
    """What a lesson leads to; each is learnt once in a process."""
    net = lesson.net()
    losses = learn(net, lesson)
    return Learnt(net, losses, accuracy(net, lesson.examples()))


def optimizer(name: str, net: Networks, lr: float) -> torch.optim.Optimizer:
    """An optimizer of every network of a stack; ValueError for an unknown name."""
    return OPTIMIZERS[check_name(name, "optimizer", OPTIMIZERS)](net.parameters(), lr)


def _batches(runs: int, n: int, steps: int, batch: int) -> Iterator[Tensor]:
    """Rows (R, B) of each step: epochs in an order of each seed, the last partial batch dropped."""
    if batch > n:
        raise ValueError(f"batch: got {batch}; allowed: up to {n}, the examples to train on")
    per_epoch = n // batch
    for step in range(steps):
        place = step % per_epoch
        if place == 0:
            orders = [epoch_order(seed, step // per_epoch, n) for seed in range(runs)]
            order = torch.from_numpy(np.stack(orders))
        yield order[:, place * batch : (place + 1) * batch]


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy (R,) of logits (R, B, C) and labels (R, B)."""
    losses = functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    return losses.view(y.shape).mean(1)


def accuracy(net: Networks, data: Examples) -> Tensor:
    """The share (R,) of test examples that are right; norms use the statistics of all of them."""
    return share_right(net, data.x_test, data.y_test)


def share_right(net: Networks, x: Tensor, y: Tensor) -> Tensor:
    """The share (R,) of examples that are right."""
    with torch.no_grad():
        return (net(x).argmax(2) == y).double().mean(1)
