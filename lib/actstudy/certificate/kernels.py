"""Whether an activation is a kernel of its own, or composed of several operations."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from actstudy.certificate.outcome import Reading
from actstudy.certificate.subject import SHAPE, Subject, normal, seeded


class _Listing(TorchDispatchMode):
    """Writes down the operations that compute something while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping | None = None
    ) -> Any:
        if not func.is_view:
            self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def kernels(subject: Subject) -> Reading:
    """The operations of a forward and of a backward pass in training, eager."""
    module = subject.fresh()
    leaf = normal(*SHAPE).requires_grad_()
    with seeded(), _Listing() as forward:
        y = module(leaf * 1)
    names = forward.names[1:]  # without that product
    backward = _Listing()
    if y.requires_grad:
        inputs = [leaf, *module.parameters()]
        with backward:
            torch.autograd.grad(y, inputs, torch.ones_like(y), allow_unused=True)
    backward_names = [name for name in backward.names if name not in ("ones_like", "detach")]
    values = {
        "native": len(names) <= 1,
        "forward": names,
        "backward": backward_names[:-1] if backward_names else [],
    }
    return Reading(_words(names), values)


def _words(names: list[str]) -> str:
    if not names:
        return "no operation"
    if len(names) == 1:
        return f"one kernel, {names[0]}"
    return f"composed of {len(names)} operations: {', '.join(names)}"
