"""Measurements: dead units and exact zeros of networks that are trained on embedded data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from actstudy.contract.reading import Reading, Value, exact, mean_of, ratio_of
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.units import History, Units, history

FASHION = "fashion_mnist_tenth"


def dead_after(
    activation: Choice | list[Choice] = "relu",
    hidden: list[list[int]] | None = None,
    norm: str | list[str] = "none",
    init: Choice = "torch_default",
    data: str | list[str] = FASHION,
    lr: float | list[float] = 1e-3,
    steps: int = 390,
    seeds: int = 5,
) -> list[Reading]:
    """Shares of hidden units and values before and after training with Adam, means over seeds.

    Over all examples that it is trained on: `dead_*` units are 0 for each, `never_positive_*`
    never above 0, `zeros_*` is the share of values that are exactly 0. `died`: dead_end minus
    dead_start; `never_positive`: how many such units all seeds have in the end. hidden: widths of
    hidden layers, several networks; [[256, 128]] by default.
    """
    readings = []
    lists = {"activation": activation, "hidden": hidden or [[256, 128]], "norm": norm}
    for text, at in conditions(**lists, data=data, lr=lr):
        at |= {"activation": fixed(at["activation"]), "hidden": tuple(at["hidden"])}
        lesson = Lesson(**at, init=fixed(init), steps=steps, seeds=seeds)
        readings.append(Reading(_values(history(lesson)), text))
    return readings


def _values(course: History) -> dict[str, Value]:
    """The values of `dead_after`."""
    start, *_, end = course.units
    values = {}
    for when, state in (("start", start), ("end", end)):
        values[f"dead_{when}"] = _mean(_share(state.dead))
        values[f"never_positive_{when}"] = _mean(_share(state.never_positive))
        values[f"zeros_{when}"] = _mean(state.zeros)
    values["died"] = _mean(_share(end.dead) - _share(start.dead))
    values["never_positive"] = exact(int(end.never_positive.sum()), n=len(end.never_positive))
    values["accuracy"] = _mean(course.accuracy)
    return values


def revivals(
    activation: Choice = "relu",
    hidden: Sequence[int] = (256, 128),
    init: Choice = "torch_default",
    data: str = FASHION,
    lr: float | list[float] = 1e-3,
    epochs: int = 10,
    seeds: int = 3,
) -> list[Reading]:
    """How often a unit that was dead after one epoch fired after the next, in all: `revived`.

    `ever_dead`: the share of units that were dead after at least one epoch.
    """
    readings = []
    for text, at in conditions(lr=lr):
        lesson = Lesson(fixed(activation), tuple(hidden), fixed(init), data=data, seeds=seeds, **at)
        per_epoch = len(lesson.examples().x) // lesson.batch
        course = history(replace(lesson, steps=epochs * per_epoch), by_epoch=True)
        ever = torch.stack([state.dead for state in course.units]).any(0)
        values = {"revived": exact(float(course.revived().sum()), n=seeds)}
        values["ever_dead"] = _mean(_share(ever))
        readings.append(Reading(values, text))
    return readings


def zero_share(
    activation: Choice = "relu",
    hidden: Sequence[int] = (256, 128),
    init: Choice = "torch_default",
    data: str | list[str] = FASHION,
    lr: float = 1e-3,
    steps: int = 390,
    seeds: int = 5,
) -> list[Reading]:
    """The share of activations that are exactly 0, `zeros`, before and after training with Adam."""
    readings = []
    for text, at in conditions(data=data):
        lesson = Lesson(
            fixed(activation), tuple(hidden), fixed(init), data=at["data"], lr=lr, steps=steps,
            seeds=seeds,
        )  # fmt: skip
        states = history(lesson).units
        for when, state in (("before training", states[0]), ("after training", states[-1])):
            place = ", ".join(part for part in (text, when) if part)
            readings.append(Reading({"zeros": _mean(state.zeros)}, place))
    return readings


def dead_compared(
    change: Mapping[str, Any],
    activation: Choice = "relu",
    depth: int | list[int] = 5,
    width: int = 128,
    norm: str = "none",
    init: Choice = "he_normal",
    data: str = FASHION,
    lr: float | list[float] = 1e-3,
    steps: int | list[int] = 150,
    seeds: int = 5,
) -> list[Reading]:
    """What a change does to dead units after training with Adam, paired by seed.

    change: other values of `activation`, `norm`, `init` or `lr_times`, a factor. `fewer`: the
    share of dead units without it minus that with it; `ratio`: the share of units never above 0
    without it over that with it.
    """
    readings = []
    for text, at in conditions(depth=depth, lr=lr, steps=steps):
        hidden = (width,) * at["depth"]
        values = {"activation": activation, "norm": norm, "init": init, "lr": at["lr"]}
        changed = {**values, **change}
        changed["lr"] *= changed.pop("lr_times", 1.0)
        if changed.keys() != values.keys():
            raise ValueError(f"change: got {change}; allowed: activation, norm, init, lr_times")
        ends = []
        for fields in (values, changed):
            fields |= {"activation": fixed(fields["activation"]), "init": fixed(fields["init"])}
            lesson = Lesson(**fields, hidden=hidden, data=data, steps=at["steps"], seeds=seeds)
            ends.append(history(lesson).units[-1])
        readings.append(Reading(_difference(*ends), text))
    return readings


def _difference(base: Units, changed: Units) -> dict[str, Value]:
    """The values of `dead_compared`."""
    dead = _share(base.dead)
    dead_changed = _share(changed.dead)
    never = _share(base.never_positive).tolist()
    never_changed = _share(changed.never_positive).tolist()
    return {
        "fewer": _mean(dead - dead_changed),
        "without": _mean(dead),
        "with": _mean(dead_changed),
        "ratio": ratio_of(never, never_changed),
    }


def _share(mask: Tensor) -> Tensor:
    return mask.double().mean(1)


def _mean(values: Tensor) -> Value:
    return mean_of(values.tolist())


MEASUREMENTS = {
    "dead_after": dead_after,
    "revivals": revivals,
    "zero_share": zero_share,
    "dead_compared": dead_compared,
}
