"""What the hidden units of a stack put out over examples, and how that changes in training."""

import itertools
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from actstudy.advice.dead import is_dead
from actstudy.guide import lessons
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Stack


@dataclass(frozen=True, eq=False)
class Units:
    """Which units (R, all of them) are dead or never above 0, and the share (R,) of zeros."""

    dead: Tensor
    never_positive: Tensor
    zeros: Tensor


@dataclass(frozen=True, eq=False)
class History:
    """A trained stack, its units before, perhaps during and after training, its test accuracy."""

    net: Stack
    units: tuple[Units, ...]
    accuracy: Tensor

    def revived(self) -> Tensor:
        """How often (R,) a unit that was dead after one epoch is not after the next."""
        counts = torch.zeros(self.net.runs)
        for before, after in itertools.pairwise(self.units):
            counts += (before.dead & ~after.dead).sum(1)
        return counts


def units(net: Stack, x: Tensor) -> Units:
    """The units over x (N, features), or (R, N, features)."""
    dead = []
    never_positive = []
    zeros = []
    with torch.no_grad():
        for _, post in net.layers(x):
            low, high = post.amin(1), post.amax(1)  # faster than both by aminmax
            dead.append(is_dead(low, high))
            never_positive.append(high <= 0)
            zeros.append(1 - torch.count_nonzero(post, (1, 2)).double() / post[0].numel())
    share = torch.stack(zeros).mean(0)
    return Units(torch.cat(dead, 1), torch.cat(never_positive, 1), share)


@cache
def history(lesson: Lesson, by_epoch: bool = False) -> History:
    """Trains a stack; its units are counted over all examples that it is trained on."""
    net = lesson.net()
    data = lesson.examples()
    per_epoch = len(data.x) // lesson.batch
    states = [units(net, data.x)]
    for step, _ in enumerate(lessons.train(net, lesson), 1):
        if step == lesson.steps or (by_epoch and step % per_epoch == 0):
            states.append(units(net, data.x))
    return History(net, tuple(states), lessons.accuracy(net, data))
