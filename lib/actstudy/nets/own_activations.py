"""Someone's own activation as a factory: a module's class, a factory, or a function of x."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.contract.errors import StudyError

ALLOWED = (
    "a class of torch.nn.Module, a function without arguments that returns a module, or a "
    "function of one tensor"
)


class OfFunction(nn.Module):
    """A function of one tensor as a module; arguments: its further ones, by name."""

    def __init__(self, function: Callable[..., Tensor], **arguments: float) -> None:
        super().__init__()
        self.function = function
        self.arguments = arguments

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, **self.arguments)


def factory(path: str, value: Any) -> Callable[..., nn.Module]:
    """What makes an activation at each site; value: what the path names. StudyError if nothing."""
    if isinstance(value, nn.Module):
        got = "got a module, which all sites would share"
        raise StudyError(f"{path}: {got}; allowed: {ALLOWED}")
    if not callable(value):
        raise StudyError(f"{path}: got {type(value).__name__}; allowed: {ALLOWED}")
    if inspect.isclass(value) and issubclass(value, torch.autograd.Function):
        name = value.__name__
        fix = f"to fix: def act(x): return {name}.apply(x)"
        raise StudyError(f"{path}: got a torch.autograd.Function; allowed: {ALLOWED}; {fix}")
    required = _required(value)
    if required == 1 and not inspect.isclass(value):
        return partial(OfFunction, value)
    if required:
        arguments = "argument" if required == 1 else "arguments"
        got = f"got {path.partition(':')[2]} with {required} required {arguments}"
        raise StudyError(f"{path}: {got}; allowed: {ALLOWED}; to fix: give them defaults")
    return partial(_make, path, value)


def _make(path: str, maker: Callable[..., Any], **arguments: float) -> nn.Module:
    """The module that a factory returns; StudyError if it returns anything else."""
    module = maker(**arguments)
    if not isinstance(module, nn.Module):
        got = f"returned {type(module).__name__}"
        raise StudyError(f"{path}: {got}; allowed: {ALLOWED}")
    return module


def _required(value: Callable[..., Any]) -> int:
    """Number of required positional arguments; 1 for functions of C, which do not say."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (ValueError, TypeError):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in parameters)
