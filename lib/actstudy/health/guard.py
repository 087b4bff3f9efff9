"""The guard around all that watching does: a fault there ends the watching, never the training."""

import copy
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

PREPARE = "__prepare_scriptable__"  # what torch.jit.script calls first
CAUGHT: tuple[type[Exception], ...] = (Exception,)


class Guard:
    """Makes functions that never raise; the first fault is told in one line and remembered."""

    def __init__(self) -> None:
        self.fault: str | None = None

    def __call__(self, function: Callable[..., Any]) -> "Guarded":
        """The function under this guard; it returns None if it fails."""
        return Guarded(self, function)

    def fail(self, error: Exception) -> None:
        """Remember and tell a fault, unless there was one before."""
        if self.fault is None:
            first_line = f"{type(error).__name__}: {error}".splitlines()[0]
            self.fault = first_line
            tell(f"watching ends: {first_line}")


class Guarded:
    """A guarded function. As a hook of a model that is copied or pickled it becomes `ignore`."""

    def __init__(self, guard: Guard, function: Callable[..., Any]) -> None:
        self.guard = guard
        self.function = function

    def __call__(self, *args: Any, **named: Any) -> Any:
        try:
            return self.function(*args, **named)
        except CAUGHT as error:
            self.guard.fail(error)
            return None

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return copy.copy, (ignore,)


def ignore(*_args: Any, **_named: Any) -> None:
    """Do nothing: what a copied model has in the place of a hook."""


@contextmanager
def scriptable(module: nn.Module) -> Iterator[None]:
    """In this context torch.jit.script, which compiles all hooks, takes ours away first."""
    module.__dict__[PREPARE] = partial(_unwatched, module)
    try:
        yield
    finally:
        module.__dict__.pop(PREPARE, None)


def _unwatched(module: nn.Module) -> Any:
    """A module, or a copy of one, without guarded hooks, prepared as its class says."""
    for part in module.modules():
        part.__dict__.pop(PREPARE, None)
        _remove_guarded(part._forward_pre_hooks)
        _remove_guarded(part._forward_hooks)
    prepare = getattr(module, PREPARE, None)
    return prepare() if prepare else module


def _remove_guarded(hooks: dict[int, Any]) -> None:
    for number, hook in list(hooks.items()):
        if isinstance(hook, Guarded) or hook is ignore:
            del hooks[number]


def tell(text: str) -> None:
    """One warning line; on stderr if the process makes errors of warnings."""
    line = f"Monitor: {text}"
    try:
        warnings.warn_explicit(line, UserWarning, "actstudy.health", 1)
    except Warning:
        print(line, file=sys.stderr)
