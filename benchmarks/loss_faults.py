"""Faults of features, by precision, and what a contrastive loss makes of them.

The views of a sample are nearly alike, as those of a trained model: cosines of about 0.99.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from actstudy.losses import ContrastiveLoss, make
from actstudy.losses.unstable import TWINS

SAMPLES = 8
WIDTH = 32
NOISE = 0.1  # of each view, in units of what views share
RUNAWAY = 100.0  # the logarithm of a scale that has run away: exp of it is beyond float32
MAX_AT_ZERO = 1e3  # a gradient that is longer at a zero vector is a fault


@dataclass(frozen=True)
class Precision:
    """leaf: dtype of what is trained; features: that of what the loss is given, under autocast."""

    leaf: torch.dtype
    features: torch.dtype
    autocast: bool = False


PRECISIONS = {
    "float64": Precision(torch.float64, torch.float64),
    "float32": Precision(torch.float32, torch.float32),
    "bf16 autocast": Precision(torch.float32, torch.bfloat16, autocast=True),
    "fp16 autocast": Precision(torch.float32, torch.float16, autocast=True),
    "fp16": Precision(torch.float16, torch.float16),
}


def zero_vector(views: list[Tensor]) -> None:
    views[0][0] = 0


def both_zero(views: list[Tensor]) -> None:
    for view in views:
        view[0] = 0


def identical_pair(views: list[Tensor]) -> None:
    for view in views:
        view[0] = views[0][0]


def antipodal(views: list[Tensor]) -> None:
    views[1][0] = -views[0][0]


def short(views: list[Tensor]) -> None:
    views[0][0] *= 1e-10 / views[0][0].norm()


def long(views: list[Tensor]) -> None:
    views[0][0] *= 1e4 / views[0][0].norm()


def not_a_number(views: list[Tensor]) -> None:
    views[0][0] = torch.nan


def batch_of_one(views: list[Tensor]) -> None:
    views[:] = [view[:1].clone() for view in views]


def duplicates(views: list[Tensor]) -> None:
    for view in views:
        view[1] = view[0]


def none(views: list[Tensor]) -> None:
    """Views as they are."""


FAULTS: dict[str, Callable[[list[Tensor]], None]] = {
    "none": none,
    "zero vector": zero_vector,
    "both zero": both_zero,
    "identical pair": identical_pair,
    "antipodal": antipodal,
    "norm 1e-10": short,
    "norm 1e4": long,
    "NaN row": not_a_number,
    "batch 1": batch_of_one,
    "duplicate positives": duplicates,
    "runaway scale": none,
    "runaway scale, antipodal": antipodal,
}
AT_ZERO = ("zero vector", "both zero")
REFUSED = ("NaN row", "batch 1")  # by a loss that is stable


@dataclass(frozen=True)
class Outcome:
    """kind: ok, large gradient, gradient, value (not finite), refused or error.

    value: the loss, in nats; gradient: the length of the longest to a feature; message: of what
    was raised.
    """

    kind: str
    value: float = torch.nan
    gradient: float = torch.nan
    message: str = ""

    @property
    def fails(self) -> bool:
        return self.kind not in ("ok", "refused")


def faulty_views(fault: str, n: int = 2) -> list[Tensor]:
    """n views (B, D) in float64 with a fault."""
    generator = torch.Generator().manual_seed(0)
    shape = (SAMPLES, WIDTH)
    shared = torch.randn(shape, generator=generator, dtype=torch.float64)
    noise = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(n)]
    views = [shared + NOISE * part for part in noise]
    FAULTS[fault](views)
    return views


@dataclass(frozen=True)
class Case:
    """A loss or a twin as the grid has it: its name, and arguments that differ from its own."""

    loss: str
    args: tuple[tuple[str, float], ...] = ()

    def make(self) -> ContrastiveLoss:
        return make(self.loss, dict(self.args))


CHECKLIST = {  # recommendations of checklists that are arguments of a loss
    "clip, eps 1e-8": Case("clip", (("eps", 1e-8),)),
    "clip_without_float32, eps 1e-8": Case("clip_without_float32", (("eps", 1e-8),)),
    "clip, clamp 50": Case("clip", (("clamp", 50.0),)),
}
UNSTABLE = {**{name: Case(name) for name in TWINS}, **CHECKLIST}


def outcome(loss: nn.Module, precision: str, fault: str, n: int = 2) -> Outcome:
    """What a loss of n views does with a fault; its `log_scale`, if any, runs away on demand."""
    kind = PRECISIONS[precision]
    leaves = [view.to(kind.leaf).requires_grad_() for view in faulty_views(fault, n)]
    if fault.startswith("runaway"):
        nn.init.constant_(loss.log_scale, RUNAWAY)
    try:
        with torch.autocast("cpu", dtype=kind.features, enabled=kind.autocast):
            value = loss(*[leaf.to(kind.features) for leaf in leaves])
        value.backward()
    except ValueError as error:
        return Outcome("refused", message=str(error))
    except (RuntimeError, AssertionError) as error:
        return Outcome("error", message=f"{type(error).__name__}: {error}")
    gradients = [leaf.grad.double() for leaf in leaves if leaf.grad is not None]
    weights = [p.grad.double() for p in loss.parameters() if p.grad is not None]
    length = max(float(gradient.norm(dim=1).max()) for gradient in gradients)
    name = "ok"
    if not torch.isfinite(value):
        name = "value"
    elif not all(torch.isfinite(gradient).all() for gradient in [*gradients, *weights]):
        name = "gradient"
    elif fault in AT_ZERO and length > MAX_AT_ZERO:
        name = "large gradient"
    return Outcome(name, float(value.detach()), length)
