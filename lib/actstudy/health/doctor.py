"""The debugging checklist for a user's own model on one batch, before a long training.

After Karpathy 2019, A recipe for training neural networks: loss at the start, examples that leak
into each other, parameters without gradient, one batch learnt by heart, and the health of all
layers meanwhile.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from actstudy.contract.counting import counted
from actstudy.contract.errors import StudyError
from actstudy.health import reach
from actstudy.health.batch import describe
from actstudy.health.monitor import Monitor
from actstudy.health.output import Main, blamed, main_tensor, returned
from actstudy.health.subject import ASSUMED, Choices, Subject, decide

READINGS = 10  # of the model's health while it learns the batch


class Examination(NamedTuple):
    """A Monitor whose facts hold the results of the checks; what was assumed and read, in lines.

    is_whole: whether every due step was read.
    """

    health: Monitor
    lines: list[str]
    is_whole: bool


def examine(
    model: nn.Module,
    x: Tensor,
    y: Tensor | None,
    steps: int = 300,
    lr: float = 1e-3,
    choices: Choices = ASSUMED,
) -> Examination:
    """What was seen while a copy of the model learnt the batch with Adam.

    x: finite numbers, its examples on one axis; y: the target, or None. StudyError if the model,
    the batch and the choices do not fit each other.
    """
    subject = decide(model, x, y, choices)
    largest = reach.largest_value(subject.model, subject.x)
    learnt = _learn(subject, steps, lr, choices.sites)
    health = learnt.health
    losses = learnt.losses
    main = None if choices.own_loss else main_tensor(learnt.output)
    if main:
        health.facts.update(reach.facts_of(subject.loss, main.tensor, y))
    health.facts["largest_fp16"] = largest
    health.facts.update(_of_start(health))
    n_due = len(range(0, steps, health.every))
    coverage = health.coverage
    lines = [
        *_of_subject(subject, choices, main),
        str(coverage),
        *coverage.nothing(),
        f"{steps} steps of Adam at {lr:g}: loss {losses[0]:.4g} -> {losses[-1]:.4g}",
        *_judge(health, subject, losses),
        *_judge_gradients(health, learnt.unreached, main),
    ]
    return Examination(health, lines, coverage.steps_read == n_due)


class Learnt(NamedTuple):
    """What learning left: the Monitor, each step's loss, the last output.

    unreached: the names of trainable parameters that never had a gradient.
    """

    health: Monitor
    losses: list[float]
    output: Any
    unreached: list[str]


def _learn(subject: Subject, steps: int, lr: float, sites: Sequence[str]) -> Learnt:
    """What is left of a model that learns its batch with Adam."""
    model = subject.model.train()
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.Adam(trainable.values(), lr=lr)
    n_examples = subject.x.shape[subject.examples.axis]
    losses = []
    with Monitor(model, max(1, steps // READINGS), sites, batch_size=n_examples) as health:
        for _ in range(steps):
            optimizer.zero_grad()
            output = returned(model, subject.x)
            with blamed(f"the loss fails: {subject.loss.words}"):
                loss = subject.loss.of(output)
            _check_loss(loss)
            with blamed("the gradient or Adam's step fails"):
                loss.backward()
                optimizer.step()
            health.step(loss)
            losses.append(loss.item())
    health.facts.pop("betas", None)  # of doctor's own Adam, whose warm-up is not the user's
    # Adam keeps a state of what ever had a gradient
    unreached = [name for name, p in trainable.items() if p not in optimizer.state]
    return Learnt(health, losses, output, unreached)


def _judge(health: Monitor, subject: Subject, losses: Sequence[float]) -> list[str]:
    """Add the results of the checks to the facts; lines on those that could not be made."""
    lines = []
    first = losses[0]
    if subject.examples.leak is None:
        lines.append(
            "not tested: whether examples reach each other, which takes two or more on an axis of "
            "the output, and finite outputs"
        )
    else:
        health.facts["leak"] = subject.examples.leak
    if not math.isfinite(first):
        lines.append(f"the loss is {first} before any step: model or weights, not the training")
    elif first > subject.loss.floor:
        floor = subject.loss.floor
        health.facts["one_batch"] = max(losses[-1] - floor, 0.0) / (first - floor)
    else:
        lines.append(f"not tested: whether the batch is learnt, as the loss starts at {first:.4g}")
    if subject.loss.guess and math.isfinite(first):
        health.facts["initial_loss"] = first / subject.loss.guess
    return lines


def _judge_gradients(health: Monitor, unreached: list[str], main: Main | None) -> list[str]:
    """Add the number of parameters without gradient to the facts; a line if that means nothing.

    main: what is read of the output; None if the user's own loss reads it.
    """
    if not unreached or main is None or not main.others:
        health.facts["no_gradient"] = len(unreached)
        return []
    return [
        f"without gradient: {counted(len(unreached), 'parameter')}, {unreached[0]} the first; "
        "parts of the output that are not read may use them"
    ]


def _of_start(health: Monitor) -> dict[str, float]:
    """Readings of the first step as facts: what initial weights and rate do."""
    series = health.advice().series
    start = {}
    for fact, probe in (("initial_weights", "flow_ratio"), ("first_update", "update_ratio")):
        values = series.get(("model", probe), {}).get("model", {})
        if 0 in values:
            start[fact] = values[0]
    return start


def _of_subject(subject: Subject, choices: Choices, main: Main | None) -> list[str]:
    """Lines on the examples, the loss and the output, and which of them are assumed."""
    axis = subject.examples.axis
    n_examples = subject.x.shape[axis]
    examples_text = f"examples: {n_examples}, on axis {axis} of {describe('x', subject.x)}"
    if choices.batch_axis is None:
        examples_text += " (assumed; else --batch_axis)"
    loss_text = f"loss: {subject.loss.words}"
    if choices.loss is None:
        loss_text += " (assumed; else --loss)"
    lines = [examples_text, loss_text]
    if main and main.words:
        others = f", not {', '.join(main.others)}" if main.others else ""
        lines.append(f"output: {main.words}{others} (assumed; else --loss MODULE:FUNCTION)")
    return lines


def _check_loss(loss: Any) -> None:
    """StudyError if a loss is no scalar, or depends on no trainable parameter."""
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        got = describe("a tensor", loss) if isinstance(loss, Tensor) else type(loss).__name__
        raise StudyError(f"doctor: --loss returned {got}; allowed: a tensor of one real number")
    if not loss.requires_grad:
        raise StudyError(
            "doctor: the loss depends on no trainable parameter (detach, no_grad, or all that it "
            "uses are frozen); allowed: one that has a gradient"
        )
