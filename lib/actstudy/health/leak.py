"""On which axis the examples of a batch lie, and whether they reach each other's outputs."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from actstudy.advice import rules
from actstudy.contract.errors import StudyError
from actstudy.health.batch import describe

Forward = Callable[[Tensor], Tensor]  # x -> the model's main output


class Examples(NamedTuple):
    """Where examples lie: the axis of x, that of the output (None if unknown), and the leak.

    leak: as `leak` returns it.
    """

    axis: int
    output_axis: int | None
    leak: float | None


def examples(
    forward: Forward, x: Tensor, y: Tensor | None, batch_axis: int | None, is_strict: bool
) -> Examples:
    """The axis of examples: the named one, else the first; and whether they reach each other.

    is_strict: whether y, if there is one, and the output must hold a value per example. StudyError
    if not, or if examples on the first axis reach each other and on another do not.
    """
    axis = batch_axis or 0
    if not 0 <= axis < x.ndim:
        raise StudyError(
            f"doctor: --batch_axis {axis}: {describe('x', x)}; allowed: 0 to {x.ndim - 1}"
        )
    output = forward(x)
    for name, values in (("y", y), ("the output", output)):
        if is_strict and values is not None and _place(values, axis, x.shape[axis]) is None:
            raise _no_examples(name, values, x, axis)
    change = leak(forward, x, axis)
    if batch_axis is None and change is not None and change > _bound():
        _check_others(forward, x, axis, change)
    return Examples(axis, _place(output, axis, x.shape[axis]), change)


def leak(forward: Forward, x: Tensor, axis: int) -> float | None:
    """Change of the first output, as a share of its size, if all others become that example too.

    None if there is one example only, or the output does not hold them or is not finite.
    """
    among_others = forward(x)
    place = _place(among_others, axis, x.shape[axis])
    if place is None or x.shape[axis] < 2:
        return None
    among_copies = forward(x.narrow(axis, 0, 1).expand_as(x))
    reference = among_others.select(place, 0)
    change = (among_copies.select(place, 0) - reference).abs().max()
    share = change / reference.abs().max().clamp(min=1e-12)
    return float(share) if torch.isfinite(share) else None


def _check_others(forward: Forward, x: Tensor, axis: int, change: float) -> None:
    """StudyError if the examples may as well lie on another axis, where they reach no other."""
    for other in range(axis + 1, x.ndim):
        change_there = leak(forward, x, other)
        if change_there is not None and change_there <= _bound():
            raise StudyError(
                f"doctor: {describe('x', x)}: examples on axis {axis} reach each other (the output "
                f"of the first changes by {change:.1e}), those on axis {other} do not; allowed: "
                f"--batch_axis {other}, or --batch_axis {axis} if axis {axis} holds the examples"
            )


def _bound() -> float:
    """The largest leak that is no finding."""
    (rule,) = [rule for rule in rules.rules() if rule.name == "leak"]
    return rule.high


def _place(values: Tensor, axis: int, size: int) -> int | None:
    """The axis of values that holds the examples: the same as in x, else the first, if it fits."""
    for place in (axis, 0):
        if place < values.ndim and values.shape[place] == size:
            return place
    return None


def _no_examples(name: str, values: Tensor, x: Tensor, axis: int) -> StudyError:
    """The refusal of a target or output that does not hold the examples of x."""
    others = []
    for other, size in enumerate(x.shape):
        if other != axis and _place(values, other, size) is not None:
            others.append(f"--batch_axis {other} ({size})")
    return StudyError(
        f"doctor: {describe('x', x)} holds {x.shape[axis]} examples on axis {axis}, "
        f"{describe(name, values)} does not; allowed: as many in both, else "
        f"{', '.join([*others, '--loss MODULE:FUNCTION'])}"
    )
