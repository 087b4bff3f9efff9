"""Unstable twins of the losses, as negative controls: `TWINS`, what a user might write first.

`NAME_without_eps`: divides by a bare norm and takes bare roots; `NAME_without_clamp`: the scale has
no limit; `NAME_without_max`: log-sum-exp and log-sigmoid as written in
formulas; `NAME_without_float32`: computed in the precision of the features. All else is the loss's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from actstudy.losses.similarities import Views, other_axes, right_answers


@dataclass(frozen=True)
class Twin:
    """The loss `of`, with fields of `Loss` changed; lacks: its arguments that have no effect."""

    of: str
    lacks: tuple[str, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)


def length(x: Tensor) -> Tensor:
    """The root of the sum of squares over the last axis: its gradient at 0 is NaN."""
    return x.square().sum(-1, keepdim=True).sqrt()


def unit(x: Tensor, eps: float | None) -> Tensor:
    """x / |x|: NaN at a zero vector."""
    return x / length(x)


def norm(rows: Views, views: Views, eps: float | None) -> Tensor:
    """sum_k clamp(<m / |m|, f_k>, -1, 1), from the tensor m (R, B, .., B, D)."""
    n = len(views)
    factors = []
    for k, x in enumerate([rows[0], *views[1:]]):
        shape = [len(x) if axis == k else 1 for axis in range(n)]
        factors.append(x.reshape(*shape, x.shape[1]))
    m = reduce(torch.add, factors)
    direction = m / length(m)
    return reduce(torch.add, [(direction * x).sum(-1).clamp(-1, 1) for x in factors])


def cosines(rows: Views, views: Views) -> Tensor:
    """cos(f_k[i], mean_l f_l[j]), the mean divided by its bare norm, (n, R, B)."""
    return torch.stack(list(rows)) @ unit(torch.stack(list(views)).mean(0), None).T


def cosine(rows: Views, views: Views, eps: float | None) -> Tensor:
    """The geometric mean of absolute cosines by a bare root."""
    return cosines(rows, views).abs().prod(0) ** (1 / len(rows))


def cosine_mean(rows: Views, views: Views, eps: float | None) -> Tensor:
    """The mean of cosines."""
    return cosines(rows, views).mean(0)


def distance(rows: Views, views: Views, eps: float | None) -> Tensor:
    """Minus the mean distance, by bare roots of the tensor of differences (R, B, D)."""
    center = torch.stack(list(views)).mean(0)
    return -torch.stack([length(x[:, None] - center) for x in rows]).mean(0).squeeze(-1)


def distance_in_half(rows: Views, views: Views, eps: float | None) -> Tensor:
    """The loss's own distance, without `cdist`, which half precision has not."""
    center = torch.stack(list(views)).mean(0)
    lengths = [torch.linalg.vector_norm(x[:, None] - center, dim=-1) for x in rows]
    return -torch.stack(lengths).mean(0)


def cross_entropy_part(logits: Tensor, start: int) -> tuple[Tensor, ...]:
    """The same as of a stable loss, by sums of exp: infinite from a logit of 89 on (float32)."""
    sums = [logits.exp().sum(other_axes(logits, axis)) for axis in range(logits.dim())]
    return right_answers(logits, start), *sums


def cross_entropy(parts: Sequence[tuple[Tensor, ...]]) -> Tensor:
    """Mean over axes and samples of log(sum of exp) - right logit."""
    right, rows, *others = zip(*parts, strict=True)
    sums = [torch.cat(rows), *(torch.stack(axis).sum(0) for axis in others)]
    return torch.stack(sums).log().mean() - torch.cat(right).mean()


def sigmoid_part(logits: Tensor, start: int) -> tuple[Tensor, ...]:
    """The same as of a stable loss, by log(sigmoid): infinite at -104 and less (float32)."""
    z = torch.full_like(logits, -1.0)
    z.diagonal(start).fill_(1.0)
    return (-(z * logits).sigmoid().log().sum() / logits.shape[1],)


EXPONENTIALS = {"part": cross_entropy_part, "whole": cross_entropy}
TWINS: dict[str, Twin] = {
    "clip_without_eps": Twin(of="clip", lacks=("eps",), changes={"unit": unit}),
    "clip_without_clamp": Twin(of="clip", lacks=("max_scale",)),
    "clip_without_max": Twin(of="clip", changes=EXPONENTIALS),
    "clip_without_float32": Twin(of="clip", changes={"exact": False}),
    "siglip_without_eps": Twin(of="siglip", lacks=("eps",), changes={"unit": unit}),
    "siglip_without_clamp": Twin(of="siglip", lacks=("max_scale",)),
    "siglip_without_max": Twin(of="siglip", changes={"part": sigmoid_part}),
    "siglip_without_float32": Twin(of="siglip", changes={"exact": False}),
    "einsum_without_eps": Twin(of="einsum", lacks=("eps",), changes={"unit": unit}),
    "einsum_without_clamp": Twin(of="einsum", lacks=("max_scale",)),
    "einsum_without_max": Twin(of="einsum", changes=EXPONENTIALS),
    "einsum_without_float32": Twin(of="einsum", changes={"exact": False}),
    "norm_without_eps": Twin(of="norm", lacks=("eps",), changes={"unit": unit, "similarity": norm}),
    "norm_without_clamp": Twin(of="norm", lacks=("max_scale",)),
    "norm_without_max": Twin(of="norm", changes=EXPONENTIALS),
    "norm_without_float32": Twin(of="norm", changes={"exact": False}),
    "cosine_without_eps": Twin(
        of="cosine", lacks=("eps",), changes={"unit": unit, "similarity": cosine}
    ),
    "cosine_without_clamp": Twin(of="cosine", lacks=("max_scale",)),
    "cosine_without_max": Twin(of="cosine", changes=EXPONENTIALS),
    "cosine_without_float32": Twin(of="cosine", changes={"exact": False}),
    "cosine_mean_without_eps": Twin(
        of="cosine_mean", lacks=("eps",), changes={"unit": unit, "similarity": cosine_mean}
    ),
    "cosine_mean_without_clamp": Twin(of="cosine_mean", lacks=("max_scale",)),
    "cosine_mean_without_max": Twin(of="cosine_mean", changes=EXPONENTIALS),
    "cosine_mean_without_float32": Twin(of="cosine_mean", changes={"exact": False}),
    "distance_without_eps": Twin(
        of="distance", lacks=("eps",), changes={"unit": unit, "similarity": distance}
    ),
    "distance_without_clamp": Twin(of="distance", lacks=("max_scale",)),
    "distance_without_max": Twin(of="distance", changes=EXPONENTIALS),
    "distance_without_float32": Twin(
        of="distance", changes={"exact": False, "similarity": distance_in_half}
    ),
}
