"""Which modules of a model that is not ours are activations, and where their flat part is."""

import fnmatch
import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from actstudy.contract import errors
from actstudy.nets.activations import ACTIVATIONS, Saturated

NOT_ACTIVATIONS = {"MultiheadAttention", "Softmax", "Softmax2d", "Softmin", "LogSoftmax"}
KINDS = tuple(
    getattr(nn, name) for name in nn.modules.activation.__all__ if name not in NOT_ACTIVATIONS
)
UNITS_FIRST = (  # modules whose output has its units on axis 1
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
)
UNITS_LAST = (
    *(nn.Linear, nn.Bilinear, nn.Embedding, nn.LayerNorm, nn.RMSNorm),
    *(nn.MultiheadAttention, nn.RNNBase),
)
LIKE_BEFORE = (  # modules that leave the units on their axis
    *KINDS,
    nn.Identity,
    nn.modules.dropout._DropoutNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._MaxPoolNd,
)
See = Callable[[str, nn.Module, tuple[Any, ...], Any], Tensor | None]


def find_sites(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """name -> module of torch's activations, and of the modules whose name a pattern matches."""
    sites = {}
    for name, module in model.named_modules():
        matches = any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        if matches or isinstance(module, KINDS):
            sites[name] = module
    return sites


def unmatched(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """The patterns that match the name of no module, each with the nearest name as a hint."""
    names = [name for name, _ in model.named_modules() if name]
    hints = []
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            hint = errors.nearest(pattern, names).strip()
            hints.append(f"{pattern!r}; {hint}" if hint else f"{pattern!r}")
    return hints


def activation_of(module: nn.Module) -> str | None:
    """The name of the registered activation that a module is, with equal arguments, if any."""
    return _registered().get(_signature(module))


@functools.cache
def _registered() -> dict[str, str]:
    """Signature -> name of the registered activations."""
    names: dict[str, str] = {}
    for name, entry in ACTIVATIONS.items():
        names.setdefault(_signature(entry.factory()), name)
    return names


def _signature(module: nn.Module) -> str:
    return re.sub(r"(, )?inplace=True", "", repr(module))


class Units(NamedTuple):
    """On which axis of a tensor its units are, and how many."""

    axis: int
    number: int

    def axis_in(self, x: Tensor) -> int | None:
        """The axis, if x has as many units there."""
        return self.axis if x.shape[self.axis] == self.number else None


def units_after(module: nn.Module, output: Any, before: Units | None) -> Units | None:
    """The units of a module's output, None if not known; `before`: of the module before it."""
    output = output[0] if isinstance(output, tuple) and output else output
    if isinstance(output, Tensor) and not output.is_nested and output.ndim > 1:
        if isinstance(module, UNITS_FIRST):
            return Units(1, output.shape[1])
        if isinstance(module, UNITS_LAST):
            return Units(-1, output.shape[-1])
    has_parts = next(module.children(), None) is not None
    return before if has_parts or isinstance(module, LIKE_BEFORE) else None


# Where torch's other activations are flat, by the function's name; None: they have no flat part.
FLAT: dict[str, Saturated | None] = {
    **{name.replace("_", ""): entry.saturated for name, entry in ACTIVATIONS.items()},
    "hardtanh": lambda pre, post: post != pre,
    "threshold": lambda pre, post: post != pre,
    "hardshrink": lambda pre, post: post == 0,
    "softshrink": lambda pre, post: post == 0,
    "logsigmoid": lambda pre, post: post > math.log(0.99),
    **dict.fromkeys(("glu", "tanhshrink")),
}


def flat_part(name: str) -> tuple[bool, Saturated | None]:
    """Whether it is known where the function or class of this name is flat, and the mask of it."""
    name = name.lower().replace("_", "")
    return name in FLAT, FLAT.get(name)


@contextmanager
def observe(modules: Mapping[str, nn.Module], see: See) -> Iterator[None]:
    """Call `see(name, module, inputs, output)` after each forward pass of the named modules.

    What `see` returns replaces the output, unless it is None.
    """
    with ExitStack() as hooks:
        for name, module in modules.items():
            hook = module.register_forward_hook(partial(see, name))
            hooks.callback(hook.remove)
        yield


def facts_of(model: nn.Module) -> dict[str, Any]:
    """What findings may use of a model's modules: which norms it has, and their epsilon."""
    norms = [module for module in model.modules() if "Norm" in type(module).__name__]
    facts: dict[str, Any] = {"norm": "some" if norms else "none"}
    if any("BatchNorm" in type(module).__name__ for module in norms):
        facts["batch_norm"] = True
    epsilons = []
    for module in norms:
        epsilon: Any = getattr(module, "eps", None)
        if isinstance(epsilon, float):
            epsilons.append(epsilon)
    if epsilons:
        facts["norm_epsilon"] = min(epsilons)
    if any(parameter.dtype is torch.float16 for parameter in model.parameters()):
        facts["precision"] = "fp16"
    return facts


def labels(model: nn.Module) -> dict[str, str]:
    """Name of a module or parameter -> the name with the module's class: `3 (ReLU)`."""
    names = {}
    for name, module in model.named_modules():
        kind = type(module).__name__
        if name:
            names[name] = f"{name} ({kind})"
        for parameter, _ in module.named_parameters(name, recurse=False):
            names[parameter] = f"{parameter} ({kind})"
    return names
