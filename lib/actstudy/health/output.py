"""What a user's model returns, and the tensor of it that a loss and a checklist read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from actstudy.contract.errors import StudyError
from actstudy.health.batch import describe

MAIN_NAMES = ("logits", "out")  # as torchvision and many others name it
ALLOWED = (
    "allowed: a tensor of real floating-point numbers, or a dict, tuple or object that holds one"
)


class Main(NamedTuple):
    """The main tensor of an output; if that is a part, in words which, and the other parts."""

    tensor: Tensor
    words: str = ""
    others: tuple[str, ...] = ()


def main_tensor(output: Any) -> Main:
    """The output itself, else its `logits`, its `out`, or the first tensor that it holds.

    StudyError if it holds none of real floating-point numbers.
    """
    if isinstance(output, Tensor):
        if not output.is_floating_point():
            raise StudyError(f"doctor: the model returns {output.dtype} numbers; {ALLOWED}")
        return Main(output)
    kind = type(output).__name__
    parts = _named_parts(output)
    for name in (*MAIN_NAMES, *parts):
        part = parts.get(name)
        if isinstance(part, Tensor) and part.is_floating_point() and part.ndim:
            others = tuple(other for other in parts if other != name)
            return Main(part, f"{name} of {kind}", others)
    raise StudyError(f"doctor: the model returns {kind} of {', '.join(parts) or 'none'}; {ALLOWED}")


def _named_parts(output: Any) -> dict[str, Any]:
    """Name -> part of a mapping, a named tuple, a tuple or list, or an object."""
    if isinstance(output, Mapping):
        return {str(name): part for name, part in output.items()}
    if hasattr(output, "_fields"):
        return dict(zip(output._fields, output, strict=True))
    if isinstance(output, list | tuple):
        return {f"[{place}]": part for place, part in enumerate(output)}
    return dict(getattr(output, "__dict__", {}))


def returned(model: nn.Module, x: Tensor) -> Any:
    """What the model returns for a copy of x, which a layer may change in place."""
    with blamed(f"the model fails on {describe('x', x)}", "an x that it takes; --batch FILE"):
        return model(x.clone(memory_format=torch.contiguous_format))


@contextmanager
def blamed(fault: str, allowed: str = "") -> Iterator[None]:
    """Whatever the code of a user raises, an exit too, as a StudyError that begins with `fault`."""
    try:
        yield
    except StudyError:
        raise
    except (Exception, SystemExit) as error:
        text = str(error).strip() or "without a message"
        reason = f"{type(error).__name__}: {text}".splitlines()[0]
        hint = f"; allowed: {allowed}" if allowed else ""
        raise StudyError(f"doctor: {fault}: {reason}{hint}") from None
