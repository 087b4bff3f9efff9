"""Measurements: what a recipe of training does to small nets: batch size, few examples, dropout."""

import dataclasses
import math

import torch
from torch import Tensor, nn

from actstudy.contract.reading import Reading, Value, mean_of, share_of
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Examples, Lesson

HIDDEN = (64, 64)
DROPOUTS = {"plain": nn.Dropout, "alpha": nn.AlphaDropout}


@dataclasses.dataclass(frozen=True, eq=False)
class FewExamples(Lesson):
    """A lesson with the first `n_examples` of the training examples alone."""

    n_examples: int = 0

    def examples(self) -> Examples:
        """Those to train on, and all to test on."""
        data = super().examples()
        x, y = data.x[: self.n_examples], data.y[: self.n_examples]
        return dataclasses.replace(data, x=x, y=y)


def batch_sizes(
    batch: int | list[int],
    in_proportion: bool | list[bool] = True,
    lr: float = 0.1,
    of_batch: int = 128,
    activation: Choice = "relu",
    optimizer: str = "sgd",
    epochs: int = 2,
    data: str = "mnist1d",
    seeds: int = 40,
) -> list[Reading]:
    """How trainings with a batch size end; in_proportion: with lr * batch / of_batch, else lr.

    `diverged`: the share of nets whose loss over the last epoch is no number or above that of equal
    odds; `better`: by how many points test accuracy is better than with `of_batch` examples.
    """
    readings = []
    usual = _accuracies(activation, of_batch, lr, optimizer, epochs, data, seeds)[0]
    for text, at in conditions(batch=batch, in_proportion=in_proportion):
        rate = lr * at["batch"] / of_batch if at["in_proportion"] else lr
        accuracy, loss = _accuracies(activation, at["batch"], rate, optimizer, epochs, data, seeds)
        diverged = ~(loss < math.log(lessons.CLASSES))
        values = {"diverged": share_of(int(diverged.sum()), seeds)}
        values["better"] = _points(accuracy - usual)
        readings.append(Reading(values, text))
    return readings


def _accuracies(
    activation: Choice, batch: int, lr: float, optimizer: str, epochs: int, data: str, seeds: int
) -> tuple[Tensor, Tensor]:
    """The test accuracies (R,) of trained nets, and their mean losses over the last epoch."""
    lesson = Lesson(
        fixed(activation), HIDDEN, data=data, optimizer=optimizer, lr=lr, batch=batch, seeds=seeds
    )
    per_epoch = len(lesson.examples().x) // batch
    lesson = dataclasses.replace(lesson, steps=epochs * per_epoch)
    net = lesson.net()
    losses = lessons.learn(net, lesson)
    return lessons.accuracy(net, lesson.examples()), losses[-per_epoch:].mean(0)


def few_examples(
    activation: Choice = "prelu",
    against: Choice = "leaky_relu",
    n_examples: int | list[int] = 400,
    data: str = "mnist1d",
    lr: float = 2e-3,
    steps: int = 1000,
    seeds: int = 20,
) -> list[Reading]:
    """`better`: by how many points test accuracy is better than with another activation.

    `gap`: by how many points more the accuracy on training examples is above it. n_examples: to
    train on.
    """
    readings = []
    for text, at in conditions(n_examples=n_examples):
        scores = []
        for choice in (activation, against):
            lesson = FewExamples(
                fixed(choice), HIDDEN, data=data, lr=lr, steps=steps, seeds=seeds, **at
            )
            examples = lesson.examples()
            net = lesson.net()
            lessons.learn(net, lesson)
            test = lessons.accuracy(net, examples)
            seen = dataclasses.replace(examples, x_test=examples.x, y_test=examples.y)
            scores.append((test, lessons.accuracy(net, seen) - test))
        ours, theirs = scores
        values = {"better": _points(ours[0] - theirs[0]), "gap": _points(ours[1] - theirs[1])}
        readings.append(Reading(values, text))
    return readings


def alpha_dropout(
    rate: float | list[float] = 0.1,
    depth: int | list[int] = 8,
    activation: Choice = "selu",
    init: Choice = "lecun_normal",
    width: int = 64,
    data: str = "mnist1d",
    lr: float = 1e-3,
    steps: int = 500,
    seeds: int = 20,
) -> list[Reading]:
    """`better`: by how many points test accuracy is better with alpha than with plain dropout.

    After each activation, as Klambauer et al. 2017 have it. `alpha`, `plain`: the accuracies.
    """
    readings = []
    for text, at in conditions(rate=rate, depth=depth):
        lesson = Lesson(
            fixed(activation), (width,) * at["depth"], fixed(init), data=data, lr=lr, steps=steps,
            seeds=seeds,
        )  # fmt: skip
        accuracy = {}
        for name, dropout in DROPOUTS.items():
            net = lesson.net()
            for index, act in enumerate(net.activations):
                net.activations[index] = nn.Sequential(act, dropout(at["rate"]))
            with torch.random.fork_rng():
                torch.manual_seed(0)
                lessons.learn(net, lesson)
            accuracy[name] = lessons.accuracy(net.eval(), lesson.examples())
        values = {name: mean_of((100 * part).tolist(), "%") for name, part in accuracy.items()}
        values["better"] = _points(accuracy["alpha"] - accuracy["plain"])
        readings.append(Reading(values, text))
    return readings


def _points(differences: Tensor) -> Value:
    """The mean of differences of shares, in points."""
    return mean_of((100 * differences).tolist(), "points")


MEASUREMENTS = {
    "batch_sizes": batch_sizes,
    "few_examples": few_examples,
    "alpha_dropout": alpha_dropout,
}
