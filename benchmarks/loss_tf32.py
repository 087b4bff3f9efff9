"""What TF32 changes in a contrastive loss, beside what half precision did to its features before.

TF32 keeps 11 of float32's 24 significant bits of what it multiplies; here the others are cut off,
which is the worst that a GPU may do, in the forward and in the backward pass. Features are pairs of
unit vectors with noise; what they are compared with is computed in float64.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from actstudy.losses import LOSSES, ContrastiveLoss
from actstudy.losses.similarities import Views
from actstudy.tasks import retrieval

LAST_BITS = 0x1FFF  # of float32's significand, which TF32 has not
WIDTH = 128  # of features, as of the task `contrastive`
BATCH = 512
SAMPLES = 10_000  # in which the second view of each is sought
NOISE = 2.3  # by which the second view is found for three in four
SCALES = (1 / 0.07, 100.0)
DRAWS = 5


class Cut(torch.autograd.Function):
    """x (N, D) times the transpose of y (M, D), and its gradients, as TF32 multiplies."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return cut(x) @ cut(y).T

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        return cut(gradient) @ cut(y), cut(gradient).T @ cut(x)


def cut(x: Tensor) -> Tensor:
    """x without the bits that TF32 has not."""
    return (x.view(torch.int32) & ~LAST_BITS).view(torch.float32)


def similarity(rows: Views, views: Views, eps: float | None = None) -> Tensor:
    """`einsum` of two views in TF32."""
    return Cut.apply(rows[0], views[1])


def pairs(n: int) -> tuple[Tensor, Tensor]:
    """Two views (N, D) of each of n samples, float64."""
    first = torch.randn(n, WIDTH, dtype=torch.float64)
    second = first + NOISE * torch.randn(n, WIDTH, dtype=torch.float64)
    return first, second


def step(loss: ContrastiveLoss, views: tuple[Tensor, Tensor]) -> tuple[float, Tensor]:
    """The loss in nats, and its gradient to both views, float64."""
    leaves = [x.detach().requires_grad_() for x in views]
    value = loss(*leaves)
    gradient = torch.cat(torch.autograd.grad(value, leaves)).double()
    return value.item(), gradient


def losses() -> list[dict[str, object]]:
    """A row per scale and kind of rounding: errors of the loss and of its gradient."""
    in_tf32 = replace(LOSSES["clip"], similarity=similarity)
    kinds: dict[str, tuple[Any, Callable[[Tensor], Tensor]]] = {
        "float32": ("clip", Tensor.float),
        "TF32 in the loss": (in_tf32, Tensor.float),
        "features of fp16": ("clip", lambda x: x.half().float()),
        "features of bf16": ("clip", lambda x: x.bfloat16().float()),
    }
    rows = []
    for scale in SCALES:
        errors: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for _ in range(DRAWS):
            views = pairs(BATCH)
            exact, slope = step(ContrastiveLoss("clip", scale=scale).double(), views)
            for name, (loss, rounded) in kinds.items():
                own = (rounded(views[0]), rounded(views[1]))
                value, gradient = step(ContrastiveLoss(loss, scale=scale), own)
                length = float((gradient - slope).norm() / slope.norm())
                errors[name].append((abs(value - exact), length))
        for name, parts in errors.items():
            nats, share = np.median(parts, axis=0)
            rows.append({"scale": scale, "what": name, "nats": nats, "gradient": share})
    return rows


def ranks() -> list[dict[str, object]]:
    """A row per kind of rounding: recall at 1, and how many first answers it changes."""
    views = pairs(SAMPLES)
    exact = [x / x.norm(dim=1, keepdim=True) for x in views]
    first = (exact[0] @ exact[1].T).argmax(1)
    units = [retrieval.unit(x) for x in views]
    answers = {
        "float32": retrieval.cosines(*units),
        "TF32 in the loss": cut(units[0]) @ cut(units[1]).T,
        "features of fp16": retrieval.cosines(*[retrieval.unit(x.half()) for x in views]),
        "features of bf16": retrieval.cosines(*[retrieval.unit(x.bfloat16()) for x in views]),
    }
    rows = []
    for name, near in answers.items():
        nearest = near.argmax(1)
        recall = (nearest == torch.arange(SAMPLES)).double().mean().item()
        changed = int((nearest != first).sum())
        rows.append({"what": name, "recall": recall, "changed": changed, "n": SAMPLES})
    return rows


def tf32() -> pd.DataFrame:
    """The rows of `losses`, which have a scale, and those of `ranks`, which have none."""
    return pd.DataFrame([*losses(), *ranks()])
