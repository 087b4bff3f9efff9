"""Measurement: what it costs to leave out units that fire on no example, or on few."""

import copy
import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from actstudy.contract.reading import Reading, Value, exact, mean_of
from actstudy.contract.streams import stream
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Stack

FASHION = "fashion_mnist_tenth"


def pruning(
    activation: Choice = "relu",
    at_most: float | list[float] = 0.0,
    hidden: Sequence[int] = (256, 128),
    data: str | list[str] = FASHION,
    lr: float | list[float] = 1e-3,
    steps: int = 390,
    tune_steps: int = 78,
    seeds: int = 10,
) -> list[Reading]:
    """What goes with units above 0 on at most a share of the examples, of nets trained with Adam.

    at_most: that share of the examples that a net was trained on; with 0 they are dead. `removed`:
    of its hidden units; `smaller`: of its parameters, so of its bytes too. `change_seen` and
    `change_test`: the largest change of an output, over the largest output, on those examples and
    on test examples. `before`: test accuracy; `lost`: by leaving the units out; `lost_random`: as
    many of each layer at random; `lost_tuned`: units left out against none, both nets trained for
    `tune_steps` steps more.
    """
    readings = []
    for text, at in conditions(data=data, lr=lr, at_most=at_most):
        lesson = Lesson(
            fixed(activation), tuple(hidden), data=at["data"], lr=at["lr"], steps=steps, seeds=seeds
        )
        net = lessons.learnt(lesson).net
        stays = [share > at["at_most"] for share in firing(net, lesson.examples().x)]
        readings.append(Reading(_values(net, lesson, stays, tune_steps), text))
    return readings


def firing(net: Stack, x: Tensor) -> list[Tensor]:
    """The share (R, units) of examples x (N, features) on which each unit is above 0, by layer."""
    with torch.no_grad():
        return [(post > 0).double().mean(1) for _, post in net.layers(x)]


def _values(net: Stack, lesson: Lesson, stays: list[Tensor], tune_steps: int) -> dict[str, Value]:
    """The values of `pruning`; stays (R, units): of each layer the units that are left."""
    data = lesson.examples()
    tuned = replace(lesson, steps=tune_steps)
    pruned = without(net, stays)
    before = _accuracy(net, lesson)
    lost_tuned = _whole_tuned(lesson, tune_steps)
    lost_tuned = lost_tuned - _accuracy(trained_on(net, stays, tuned), lesson)
    widths = [data.features, *lesson.hidden, lessons.CLASSES]
    removed = 1 - torch.cat(stays, 1).double().mean(1)
    return {
        "removed": mean_of((100 * removed).tolist(), "%"),
        "smaller": mean_of([1 - n / n_parameters(widths) for n in _remaining(stays, widths)]),
        "change_seen": _change(net, pruned, data.x),
        "change_test": _change(net, pruned, data.x_test),
        "before": mean_of(before.tolist(), "%"),
        "lost": _points(before - _accuracy(pruned, lesson)),
        "lost_random": _points(before - _accuracy(without(net, at_random(stays)), lesson)),
        "lost_tuned": _points(lost_tuned),
    }


def without(net: Stack, stays: list[Tensor]) -> Stack:
    """A copy whose units stay or are silent."""
    pruned = copy.deepcopy(net)
    silence(pruned, stays)
    return pruned


def silence(net: Stack, stays: list[Tensor]) -> None:
    """Set to 0 what leads on from units that do not stay."""
    with torch.no_grad():
        for weight, layer in zip(list(net.weights)[1:], stays, strict=True):
            weight.mul_(layer[:, :, None])


def trained_on(net: Stack, stays: list[Tensor], lesson: Lesson) -> Stack:
    """A copy whose units stay or are silent, trained for the steps of a lesson."""
    pruned = without(net, stays)
    for _ in lessons.train(pruned, lesson):
        silence(pruned, stays)
    return pruned


@cache
def _whole_tuned(lesson: Lesson, tune_steps: int) -> Tensor:
    """The test accuracy (R,) in percent of whole nets that trained on for some steps."""
    net = copy.deepcopy(lessons.learnt(lesson).net)
    lessons.learn(net, replace(lesson, steps=tune_steps))
    return _accuracy(net, lesson)


def at_random(stays: list[Tensor]) -> list[Tensor]:
    """As many units of each layer and run that stay, which ones by chance."""
    several = []
    for index, layer in enumerate(stays):
        rows = []
        for seed, row in enumerate(layer):
            order = stream(seed, f"guide/pruning/{index}").permutation(len(row))
            rows.append(row[torch.from_numpy(order)])
        several.append(torch.stack(rows))
    return several


def n_parameters(widths: Sequence[int]) -> int:
    """Weights and biases of a net of these widths."""
    return sum((before + 1) * after for before, after in itertools.pairwise(widths))


def _remaining(stays: list[Tensor], widths: Sequence[int]) -> list[int]:
    """The parameters of each run with the units that stay alone."""
    counts = torch.stack([layer.sum(1) for layer in stays], 1).tolist()
    return [n_parameters([widths[0], *row, widths[-1]]) for row in counts]


def _change(net: Stack, pruned: Stack, x: Tensor) -> Value:
    """The largest change of an output between two nets, over the largest output, of any run."""
    with torch.no_grad():
        before = net(x)
        change = (pruned(x) - before).abs().amax((1, 2)) / before.abs().amax((1, 2))
    return exact(float(change.max()), n=net.runs)


def _accuracy(net: Stack, lesson: Lesson) -> Tensor:
    """The test accuracy (R,) in percent."""
    return 100 * lessons.accuracy(net, lesson.examples())


def _points(values: Tensor) -> Value:
    return mean_of(values.tolist(), "points")


MEASUREMENTS = {"pruning": pruning}
