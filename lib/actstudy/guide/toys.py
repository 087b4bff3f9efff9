"""Measurements: small trainings that ask for one mechanism, on embedded data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.contract.reading import Reading, Value, exact, mean_of, median_of
from actstudy.guide import choices, lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import PerRun, Stack

FASHION = "fashion_mnist_tenth"
WINDOW = 20  # steps whose mean loss is compared with a threshold


class Shifted(nn.Module):
    """f(x) - f(0)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x) - self.module(torch.zeros_like(x))


class KinkedReLU(torch.autograd.Function):
    """max(x, 0), whose slope at 0 is an argument."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, at_zero: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.at_zero = at_zero
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        slope = (x > 0).to(gradient.dtype) + ctx.at_zero * (x == 0)
        return gradient * slope, None


class Kinked(nn.Module):
    """ReLU with a slope at 0, of values on a grid if its spacing is above 0.

    `zeros`: the share of inputs that are exactly 0, of each pass that has gradients.
    """

    def __init__(self, at_zero: float, grid: float) -> None:
        super().__init__()
        self.at_zero = at_zero
        self.grid = grid
        self.zeros: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.grid:  # as if the gradient of rounding were 1
            x = x + ((x / self.grid).round() * self.grid - x).detach()
        if torch.is_grad_enabled():
            self.zeros.append((x == 0).double().mean())
        return KinkedReLU.apply(x, self.at_zero)


def centring(
    activation: Choice = "sigmoid",
    lr: Mapping[str, float] | None = None,
    loss: float = 0.7,
    hidden: Sequence[int] = (64, 64),
    components: int = 100,
    steps: int = 800,
    seeds: int = 10,
    data: str = FASHION,
) -> list[Reading]:
    """How much longer a net trains if its hidden outputs are not centred, per optimizer.

    `ratio`: steps until the mean loss of WINDOW steps is below `loss`, over those of a net that
    computes the same function at the start with f(x) - f(0); a median over seeds. ValueError if a
    net does not get there.
    """
    readings = []
    rates = lr or {"sgd": 0.5, "adam": 1e-3}
    for text, at in conditions(optimizer=list(rates)):
        name = at["optimizer"]
        lesson = Lesson(
            fixed(activation), tuple(hidden), ("xavier_normal", ()), data=data,
            components=components, optimizer=name, lr=rates[name], steps=steps, seeds=seeds,
            centred=True,
        )  # fmt: skip
        plain = _steps_to(lessons.learn(lesson.net(), lesson), loss)
        net = replace(lesson, centred=False).net()
        replaced(net, Shifted(choices.activation(activation)))
        shifted = _steps_to(lessons.learn(net, lesson), loss)
        n_late = int((plain.isinf() | shifted.isinf()).sum())
        if n_late:
            where = f"{n_late} of {seeds} seeds with {name} at {rates[name]:g}"
            raise ValueError(f"steps: got {steps}; {where} do not reach a loss of {loss:g}")
        readings.append(Reading({"ratio": median_of((plain / shifted).tolist())}, text))
    return readings


def _steps_to(losses: Tensor, threshold: float) -> Tensor:
    """The step (R,) after which the mean loss of the last WINDOW is below; infinite if none."""
    means = losses.unfold(0, WINDOW, 1).mean(2)
    below = means < threshold
    first = below.double().argmax(0) + WINDOW
    return first.double().masked_fill(~below.any(0), torch.inf)


def replaced(net: Stack, module: nn.Module) -> None:
    """Put a module in the place of each activation of a stack."""
    net.activations = nn.ModuleList(PerRun(module, net.runs) for _ in net.activations)


def kink_value(
    slopes: Sequence[float] = (0.5, 1.0),
    grid: float | list[float] = 0.0,
    hidden: Sequence[int] = (64, 64),
    components: int = 100,
    lr: float = 1e-3,
    steps: int = 390,
    seeds: int = 10,
    data: str = FASHION,
) -> list[Reading]:
    """What the slope of ReLU at 0 changes in test accuracy against a slope of 0, paired by seed.

    `most`: the change that is furthest from 0 among the slopes, `zeros` the share of inputs of
    activations that are exactly 0 in training, over all slopes. grid: inputs are rounded to
    multiples of it.
    """
    readings = []
    lesson = Lesson(
        ("relu", ()), tuple(hidden), ("he_normal", ()), data=data, components=components, lr=lr,
        steps=steps, seeds=seeds,
    )  # fmt: skip
    for text, at in conditions(grid=grid):
        accuracies = []
        zeros: list[Tensor] = []
        for slope in (0.0, *slopes):
            net = lesson.net()
            kinked = Kinked(slope, at["grid"])
            replaced(net, kinked)
            lessons.learn(net, lesson)
            zeros += kinked.zeros
            accuracies.append(lessons.accuracy(net, lesson.examples()))
        base, *others = accuracies
        changes = [_mean(accuracy - base) for accuracy in others]
        values = {"most": max(changes, key=lambda change: abs(change.value))}
        values["zeros"] = exact(float(torch.stack(zeros).mean()), n=seeds)
        readings.append(Reading(values, text))
    return readings


def _mean(values: Tensor) -> Value:
    return mean_of(values.tolist())


MEASUREMENTS = {
    "centring": centring,
    "kink_value": kink_value,
}
