"""Measurement: the values that activations with weights of their own learn, by layer."""

import torch

from actstudy.contract.reading import Reading, exact, mean_of
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import PerRun

FASHION = "fashion_mnist_tenth"


def learnt_values(
    activation: Choice | list[Choice],
    depth: int = 6,
    width: int = 64,
    data: str | list[str] = FASHION,
    lr: float | list[float] = 1e-3,
    steps: int = 390,
    seeds: int = 4,
) -> list[Reading]:
    """What an activation's first parameter is after training with Adam, in nets of equal layers.

    `first`, `middle`, `last`: the median over the units of that layer, means over seeds; `least`
    and `largest`: of such medians over layers, `any_least` and `any_largest` of all units and
    seeds, `about_1` how many of them are between 0.9 and 1.1. `accuracy`: on test.
    """
    readings = []
    for text, at in conditions(activation=activation, data=data, lr=lr):
        choice = fixed(at.pop("activation"))
        lesson = Lesson(choice, (width,) * depth, **at, steps=steps, seeds=seeds)
        course = lessons.learnt(lesson)
        acts = [act for act in course.net.activations if isinstance(act, PerRun)]
        if not acts[0].names:
            raise ValueError(f"activation: got {choice[0]!r}, which learns nothing")
        values = [act.learnt[0].detach().flatten(1) for act in acts]
        medians = torch.stack([layer.median(1).values for layer in values])  # (depth, R)
        means = {
            "first": medians[0],
            "middle": medians[depth // 2],
            "last": medians[-1],
            "least": medians.amin(0),
            "largest": medians.amax(0),
            "accuracy": course.accuracy,
        }
        reading = {name: mean_of(each.tolist()) for name, each in means.items()}
        every = torch.cat([layer.flatten() for layer in values])
        reading["any_least"] = exact(float(every.min()), n=len(every))
        reading["any_largest"] = exact(float(every.max()), n=len(every))
        n_about_1 = int(((every >= 0.9) & (every <= 1.1)).sum())
        reading["about_1"] = exact(n_about_1, n=len(every))
        readings.append(Reading(reading, text))
    return readings


MEASUREMENTS = {"learnt_values": learnt_values}
