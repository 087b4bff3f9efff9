"""The loss of a user's own model: named by the user, or assumed from output and target.

The rule, for a target y and the model's output (N examples, ...); axes of size 1 do not count:

no y                                              none: mean square of the output
y of the output's shape, 0 or 1, one 1 in each row   cross_entropy of one-hot classes
y of the output's shape, 0 or 1                   binary: cross-entropy of logits
y of the output's shape                           mse
y whole, the output's shape without one axis      cross_entropy over that axis

What fits two readings, or none, is refused.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract.errors import StudyError
from actstudy.health.batch import describe

NAMES = ("cross_entropy", "binary", "mse", "none")
IGNORED = -100  # torch's label of what has no part in a cross-entropy
OWN = "--loss MODULE:FUNCTION, called with (output, target)"


@dataclass(frozen=True)
class Loss:
    """A loss of a model's main output.

    words: its name and why it fits; of: output -> a scalar with gradient; guess: the loss of a
    uniform guess, None if it is not known; floor: the lowest possible loss; name: of NAMES, or
    empty for the user's own; n_classes: of a cross-entropy.
    """

    words: str
    of: Callable[[Tensor], Tensor]
    guess: float | None = None
    floor: float = 0.0
    name: str = ""
    n_classes: int = 0


def choose(
    name: str | None,
    output: Tensor,
    y: Tensor | None,
    class_axis: int | None,
    batch_axis: int | None,
) -> Loss:
    """The named loss, or the assumed one if name is None; StudyError if it does not fit.

    output: the model's for this batch; y: its target; class_axis: the axis of the output that holds
    classes, None if shapes decide; batch_axis: the axis of the output that holds the examples.
    """
    if name is None:
        name = _assumed(output, y, class_axis, batch_axis)
    if class_axis is not None and name != "cross_entropy":
        raise StudyError(f"doctor: --class_axis: the loss is {name}; allowed: cross_entropy")
    if name == "none":
        words = "none, the mean square of the output, as y is missing or not used"
        return Loss(words, lambda out: out.float().square().mean())
    if y is None:
        raise StudyError(f"doctor: --loss {name}: the batch has no y; allowed: none, or x and y")
    if name == "cross_entropy":
        return _cross_entropy(output, y, class_axis, batch_axis)
    if not _same_shape(output, y) or y.is_complex():
        raise _misfit(name, output, y)
    target = y.float().reshape(output.shape)
    if name == "mse":
        words = f"mse, as {describe('y', y)} has the shape of {describe('the output', output)}"
        return Loss(words, lambda out: functional.mse_loss(out.float(), target), name=name)
    if target.min() < 0 or target.max() > 1:
        raise StudyError(f"doctor: --loss binary: y holds {_span(y)}; allowed: 0 to 1")
    return Loss(
        f"binary, cross-entropy of logits, as {describe('y', y)} holds {_span(y)} in the shape of "
        f"{describe('the output', output)}",
        lambda out: functional.binary_cross_entropy_with_logits(out.float(), target),
        math.log(2),
        float((torch.special.entr(target) + torch.special.entr(1 - target)).mean()),
    )


def _assumed(
    output: Tensor, y: Tensor | None, class_axis: int | None, batch_axis: int | None
) -> str:
    """The name of the loss by the rule above; StudyError if y fits none, or two."""
    if y is None:
        return "none"
    if class_axis is not None:
        return "cross_entropy"
    axes = _class_axes(output, y, batch_axis)
    if not _same_shape(output, y):
        _check_logits(output, axes)
        return "cross_entropy"
    is_binary = bool(((y == 0) | (y == 1)).all())
    if axes and not is_binary:
        raise StudyError(
            "doctor: rows of y sum to 1; allowed: --loss cross_entropy (y holds a probability per "
            "class) or --loss mse"
        )
    if axes:
        _check_logits(output, axes)
        return "cross_entropy"
    if is_binary and bool(((output >= 0) & (output <= 1)).all()):
        raise StudyError(
            f"doctor: y is 0 or 1 and {describe('the output', output)} is within 0 to 1, logits or "
            f"probabilities; allowed: --loss binary (logits), --loss mse, or {OWN}"
        )
    return "binary" if is_binary else "mse"


def _check_logits(output: Tensor, axes: list[int]) -> None:
    """StudyError if the output holds probabilities, of which a cross-entropy is no likelihood."""
    for axis in axes:
        sums = output.sum(axis)
        if bool((output >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
            raise StudyError(
                f"doctor: {describe('the output', output)} sums to 1 over axis {axis}: "
                "probabilities, and cross_entropy takes logits; allowed: a model without its "
                f"softmax, --loss cross_entropy if these are logits, or {OWN}"
            )


def _cross_entropy(
    output: Tensor, y: Tensor, class_axis: int | None, batch_axis: int | None
) -> Loss:
    """Cross-entropy of logits over the class axis, for labels or for a probability per class."""
    axes = _class_axes(output, y, batch_axis)
    if not axes:
        raise _misfit("cross_entropy", output, y)
    if class_axis is not None:
        axes = _named_axis(class_axis, axes, output, y)
    if len(axes) > 1:
        raise StudyError(
            f"doctor: {describe('the output', output)} and {describe('y', y)}: classes may be on "
            f"axis {' or '.join(map(str, axes))} of the output; allowed: --class_axis AXIS"
        )
    (axis,) = axes
    n_classes = output.shape[axis]
    if _same_shape(output, y):
        target = y.float().reshape(output.shape).movedim(axis, -1).reshape(-1, n_classes)
        floor = float(torch.special.entr(target).sum(1).mean())
        words = "a probability per class"
    else:
        target = _labels(y, n_classes, axis)
        floor = 0.0
        words = f"labels, {_span(target[target != IGNORED])}"

    def cross_entropy(out: Tensor) -> Tensor:
        rows = out.float().movedim(axis, -1).reshape(-1, n_classes)
        return functional.cross_entropy(rows, target, ignore_index=IGNORED)

    words = (
        f"cross_entropy of {n_classes} classes on axis {axis} of {describe('the output', output)}, "
        f"as {describe('y', y)} holds {words}"
    )
    guess = math.log(n_classes)
    return Loss(words, cross_entropy, guess, floor, "cross_entropy", n_classes)


def _named_axis(class_axis: int, axes: list[int], output: Tensor, y: Tensor) -> list[int]:
    """The named axis of the output alone; StudyError if it cannot hold the classes of y."""
    for axis in axes:
        if class_axis in (axis, axis - output.ndim):
            return [axis]
    raise StudyError(
        f"doctor: --class_axis {class_axis}: {describe('the output', output)} and "
        f"{describe('y', y)}; allowed: {' or '.join(map(str, axes))}"
    )


def _class_axes(output: Tensor, y: Tensor, batch_axis: int | None) -> list[int]:
    """The axes of the output that may hold the classes of y.

    Labels have the output's shape without that axis; else y has its shape and sums to 1 over it.
    StudyError if y has neither shape.
    """
    is_probability = _same_shape(output, y)
    if not is_probability and not _is_whole(y):
        raise _misfit(None, output, y)
    axes = []
    for axis, size in enumerate(output.shape):
        if size == 1 or axis == batch_axis:
            continue
        if is_probability:
            sums = y.float().reshape(output.shape).sum(axis)
            fits = bool((y >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-5)
        else:
            rest = output.shape[:axis] + output.shape[axis + 1 :]
            fits = _without_ones(rest) == _without_ones(y.shape)
        if fits:
            axes.append(axis)
    if not axes and not is_probability:
        raise _misfit(None, output, y)
    return axes


def _labels(y: Tensor, n_classes: int, axis: int) -> Tensor:
    """y as labels in one row; StudyError if one of them is no class of the output."""
    labels = y.long().flatten()
    counted = labels[labels != IGNORED]
    if not len(counted) or counted.min() < 0 or counted.max() >= n_classes:
        raise StudyError(
            f"doctor: y holds labels, {_span(y)}, and the output {n_classes} classes on axis "
            f"{axis}; allowed: 0 to {n_classes - 1}, and {IGNORED} for what is not counted"
        )
    return labels


def _is_whole(y: Tensor) -> bool:
    """Whether all values are whole numbers, of whatever dtype."""
    if y.is_floating_point():
        return bool((y == y.round()).all())
    return not y.is_complex()


def _same_shape(output: Tensor, y: Tensor) -> bool:
    """Whether two shapes are equal but for axes of size 1."""
    return _without_ones(output.shape) == _without_ones(y.shape)


def _without_ones(shape: Iterable[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _span(y: Tensor) -> str:
    """The smallest and largest value of y."""
    return f"{y.min().item():g} to {y.max().item():g}"


def _misfit(name: str | None, output: Tensor, y: Tensor) -> StudyError:
    """The refusal of a target that a loss cannot use."""
    flag = f"--loss {name}: " if name else ""
    return StudyError(
        f"doctor: {flag}{describe('the output', output)} and {describe('y', y)} do not fit; "
        "allowed: whole labels of the output's shape without its axis of classes (cross_entropy), "
        f"numbers of its shape (binary, mse), or {OWN}"
    )
