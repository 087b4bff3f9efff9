"""Measurement: training with an optimizer of second order, per activation."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from actstudy.contract.reading import Reading, median_of
from actstudy.guide import choices, lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Stack


def second_order(
    activation: Choice | list[Choice],
    against: Choice = "relu",
    hidden: Sequence[int] = (50, 50),
    examples: int = 1000,
    passes: int | list[int] = 30,
    lr: float = 1e-2,
    seeds: int = 12,
    data: str = "mnist1d",
) -> list[Reading]:
    """How a net's final training loss compares with that of another activation under L-BFGS.

    `ratio`: of the losses after about as many passes over all examples, with strong Wolfe line
    search, a median over seeds; `loss` and `loss_against` are its parts. `ratio_adam`: the same
    under Adam. `gain`: the latter over the former, above 1 if the activation gains more from L-BFGS
    than the other. In float64 and without a rule that stops early, as small losses would be those
    of rounding and of that rule.
    """
    readings = []
    auto = ("auto", ())
    base = Lesson(fixed(against), tuple(hidden), auto, data=data, lr=lr, seeds=seeds)
    of_base = {n: _both_orders(base, examples, n) for n in choices.listed(passes)}
    for text, at in conditions(activation=activation, passes=passes):
        lesson = replace(base, activation=fixed(at["activation"]))
        own = _both_orders(lesson, examples, at["passes"])
        base_losses = of_base[at["passes"]]
        ratios = [losses / others for losses, others in zip(own, base_losses, strict=True)]
        values = {
            "loss": median_of(own[0].tolist()),
            "loss_against": median_of(base_losses[0].tolist()),
        }
        values["ratio"] = median_of(ratios[0].tolist())
        values["ratio_adam"] = median_of(ratios[1].tolist())
        values["gain"] = median_of((ratios[1] / ratios[0]).tolist())
        readings.append(Reading(values, text))
    return readings


def _both_orders(lesson: Lesson, examples: int, passes: int) -> tuple[Tensor, Tensor]:
    """The losses (R,) on the first examples after as many passes of L-BFGS, and of Adam."""
    x = lesson.examples().x[:examples].double()
    y = lesson.examples().y[:examples].expand(lesson.seeds, -1)
    net = lesson.net().double()
    adam = lessons.optimizer("adam", net, lesson.lr)
    for _ in range(passes):
        adam.zero_grad()
        lessons.cross_entropy(net(x), y).sum().backward()
        adam.step()
    by_adam = lessons.cross_entropy(net(x), y).detach()
    stack = lesson.net().double()  # each network by itself, as their line searches differ
    alone = [_by_lbfgs(stack.alone(run), x, y[:1], passes) for run in range(lesson.seeds)]
    return torch.cat(alone), by_adam


def _by_lbfgs(net: Stack, x: Tensor, y: Tensor, passes: int) -> Tensor:
    """The loss (1,) of a stack of one after L-BFGS."""
    optimizer = torch.optim.LBFGS(
        net.parameters(),
        max_iter=passes,
        max_eval=passes,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = lessons.cross_entropy(net(x), y).sum()
        loss.backward()
        for parameter in net.parameters():  # L-BFGS takes no others
            if parameter.grad is not None:
                parameter.grad = parameter.grad.contiguous()
        return loss

    optimizer.step(closure)
    return lessons.cross_entropy(net(x), y).detach()


MEASUREMENTS = {"second_order": second_order}
