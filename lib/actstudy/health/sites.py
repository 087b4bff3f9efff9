"""Where activations act in a model that is not ours."""

import fnmatch
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.nets.activations import ACTIVATIONS

NOT_ACTIVATIONS = {"MultiheadAttention", "Softmax", "Softmax2d", "Softmin", "LogSoftmax"}
KINDS = tuple(
    getattr(nn, name) for name in nn.modules.activation.__all__ if name not in NOT_ACTIVATIONS
)


def found_in(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """name -> module of torch's activations, and of the modules whose name a pattern matches."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, KINDS)
        or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }


def activation_of(module: nn.Module) -> str | None:
    """The registered activation that a module is, arguments included; None where it is another."""
    return next(
        (name for name, entry in ACTIVATIONS.items() if _told(entry.factory()) == _told(module)),
        None,
    )


def _told(module: nn.Module) -> str:
    return re.sub(r"(, )?inplace=True", "", repr(module))


def watched(module: nn.Module, x: Any) -> bool:
    """Training passes over floating-point numbers; an evaluation between two steps is not read."""
    return (
        module.training
        and torch.is_grad_enabled()
        and isinstance(x, Tensor)
        and x.is_floating_point()
    )
