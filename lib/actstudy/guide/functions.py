"""A registered activation as a function of one number: its values and derivatives in float64."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from actstudy.certificate.subject import Subject, seeded, subject_of
from actstudy.contract.errors import StudyError

Args = Mapping[str, float] | None
# Activations as their formulas are typed: one operation of torch after another.
WRITTEN_OUT: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: x * (x > 0),
    "elu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: (
        0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "silu": lambda x: x * torch.sigmoid(x),
    "mish": lambda x: x * torch.tanh(functional.softplus(x)),
    "hardswish": lambda x: x * functional.relu6(x + 3) / 6,
}


def function(activation: str, args: Args = None) -> Subject:
    """The subject of a name; ValueError if none has it, or if it mixes the values of a tensor."""
    try:
        subject = subject_of(activation, args)
    except StudyError as fault:
        raise StudyError(f"activation: got {activation!r}; {fault}") from None
    if not subject.elementwise:
        allowed = "an activation whose output depends on its own input alone"
        raise ValueError(f"activation: got {activation!r}; allowed: {allowed}")
    return subject


def derivatives(
    subject: Subject,
    x: Sequence[float] | np.ndarray,
    order: int,
    dtype: torch.dtype = torch.float64,
) -> list[np.ndarray]:
    """f(x), f'(x) and so on up to the derivative `order`, in evaluation."""
    points = torch.tensor(np.array(x, dtype=float)).to(dtype).requires_grad_()
    with seeded():
        y = subject.fresh(dtype).eval()(points.clone())
    rows = [y]
    for _ in range(order):
        rows.append(_slope(rows[-1], points))
    return [row.detach().numpy() for row in rows]


def _slope(y: Tensor, x: Tensor) -> Tensor:
    """dy / dx of each value, 0 where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True, allow_unused=True)
    return torch.zeros_like(x) if slope is None else slope


def grid(reach: float, n: int = 400_001) -> np.ndarray:
    """n even points from -reach to reach; n is odd, so that 0 is among them."""
    half = np.linspace(0, reach, n // 2 + 1)
    return np.concatenate([-half[:0:-1], half])


def place(x: float) -> str:
    """A number as a part of a name: minus_0_5 for -0.5."""
    return f"{x:g}".replace("-", "minus_").replace(".", "_")
