"""A user's model and batch, and what is decided of them: the axis of examples, and the loss."""

import copy
import dataclasses
import fnmatch
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from actstudy.contract.errors import StudyError, nearest
from actstudy.health import probes
from actstudy.health.batch import check_finite
from actstudy.health.leak import Examples, examples
from actstudy.health.loss import Loss, choose
from actstudy.health.output import blamed, main_tensor, returned


class Choices(NamedTuple):
    """What a user says of a model and its batch; what is None is assumed from shapes and values.

    loss: a name of `loss.NAMES`, or any name of own_loss, which is called with what the model
    returns and the target; sites: patterns of further modules that are activations.
    """

    loss: str | None = None
    own_loss: Callable[[Any, Tensor | None], Tensor] | None = None
    batch_axis: int | None = None
    class_axis: int | None = None
    sites: Sequence[str] = ()


ASSUMED = Choices()


class Subject(NamedTuple):
    """A model, its batch and what was decided of them; loss: of what the model returns."""

    model: nn.Module
    x: Tensor
    examples: Examples
    loss: Loss


def decide(model: nn.Module, x: Tensor, y: Tensor | None, choices: Choices) -> Subject:
    """A copy of the model with its batch; StudyError if choices and shapes do not fit it."""
    _check_sites(model, choices.sites)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise StudyError("doctor: the model has no trainable parameter; allowed: one or more")
    if any(parameter.is_meta for parameter in model.parameters()):
        raise StudyError(
            "doctor: a parameter of the model is on the meta device and has no values; allowed: "
            "a model on the CPU or on a GPU"
        )
    with blamed("the model cannot be copied"):
        model = copy.deepcopy(model).eval()
    x = _as_weights(model, x)
    x, y = beside_weights(model, x, y)

    @torch.no_grad()
    def output_of(batch: Tensor) -> Tensor:
        """The main output for a batch; random layers draw the same numbers at each call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return main_tensor(returned(model, batch)).tensor

    own_loss = choices.own_loss
    if y is not None and not own_loss:
        check_finite("doctor: --batch: y", y)
    place = examples(output_of, x, y, choices.batch_axis, is_strict=not own_loss)
    if own_loss:
        words = f"{choices.loss}, called with (output, target)"
        loss = Loss(words, lambda output: own_loss(output, y))
    else:
        with probes.as_observed(model):
            output = output_of(x)
        named = choose(choices.loss, output, y, choices.class_axis, place.output_axis)
        loss = dataclasses.replace(named, of=lambda output: named.of(main_tensor(output).tensor))
    return Subject(model, x, place, loss)


def _check_sites(model: nn.Module, patterns: Sequence[str]) -> None:
    """StudyError if a pattern matches no module's name."""
    names = [name for name, _ in model.named_modules() if name]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise StudyError(
                f"doctor: --sites {pattern}: matches no module; {nearest(pattern, names)}"
                f"allowed: patterns of names such as {', '.join(names[:3])}"
            )


def beside_weights(model: nn.Module, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """x and y on the device of the model's first parameter."""
    device = next(model.parameters()).device
    if y is not None:
        y = y.to(device)
    return x.to(device), y


def _as_weights(model: nn.Module, x: Tensor) -> Tensor:
    """x in the precision of the model's first weight, as numpy's numbers are float64."""
    for parameter in model.parameters():
        if parameter.is_floating_point() and x.is_floating_point():
            converted = x.to(parameter.dtype)
            check_finite(f"doctor: --batch: x in the weights' {parameter.dtype}", converted)
            return converted
    return x
