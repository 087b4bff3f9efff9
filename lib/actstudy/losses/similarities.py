"""Similarities of views, the limit of a scale, and what a loss sums of logits: pure functions.

Features of a view are (B, D). A similarity takes `rows`, of each view the (R, D) of a block of L,
and the whole `views`; the right answer is the same index on every axis of L. The ranges are those
of normalised features, the bounds of gradients those to such a feature. eps: None is finfo's.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from math import inf, nan
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FLOOR = torch.finfo(torch.float16).eps ** 0.5  # 1/32, of lengths
COSINE_FLOOR = torch.finfo(torch.float16).eps  # 1/1024
Views = Sequence[Tensor]


class AtMost(torch.autograd.Function):
    """min(x, limit), whose gradient is 0 only where a step along it leads further beyond.

    A clamp has none for the way back. As `identity_if_towards` of TensorFlow Compression.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(x >= limit)
        return x.clamp(max=limit)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (beyond,) = ctx.saved_tensors
        return gradient.masked_fill(beyond & (gradient < 0), 0.0), None


def damped(x: Tensor, size: Tensor, floor: float) -> Tensor:
    """x, with a gradient times min(size / floor, 1): what 1 / size makes of it is bounded."""
    share = (size.detach() / floor).clamp(max=1)
    return x.detach() + (x - x.detach()) * share


def unit(x: Tensor, eps: float | None = None) -> Tensor:
    """x / (|x| + eps) over the last axis: 1 long, or 0 at a zero vector; NaN if |x| overflows.

    eps: None is finfo(x.dtype).eps, and the gradient to x is at most 1 / FLOOR = 32 times that to
    the result. A number is taken as it is: the gradient is up to 1 / eps times as long.
    """
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    length = length.masked_fill(length == inf, nan)  # else x / inf would count as a zero vector
    if eps is not None:
        return x / (length + eps)
    length = length + torch.finfo(x.dtype).eps
    return damped(x / length, length, FLOOR)


def einsum(rows: Views, views: Views, eps: float | None = None) -> Tensor:
    """L[i1, .., in] = sum_d prod_k f_k[i_k, d], (R, B, .., B), in [-1, 1].

    Gradient at most 1 long. Of two views CLIP's cosine, of more the multilinear product of
    Saporta et al. 2024 (Symile), arXiv:2411.01053.
    """
    factors = [rows[0], *views[1:]]
    half = (len(factors) + 1) // 2
    first = reduce(_products, factors[:half])
    second = reduce(_products, factors[half:])
    return (first @ second.T).reshape([len(x) for x in factors])


def _products(x: Tensor, y: Tensor) -> Tensor:
    """Each row of x times each of y, (len(x) * len(y), D)."""
    return (x[:, None] * y).flatten(0, 1)


def norm(rows: Views, views: Views, eps: float | None = None) -> Tensor:
    """L[i1, .., in] = sum_k clamp(<m / (|m| + eps), f_k[i_k]>, -1, 1), m = sum_k f_k[i_k].

    (R, B, .., B), about |m|, in [0, n]. Gradient at most 1.4 long, above 1 where m is near 0. Made
    of inner products of pairs, without a tensor (B, .., B, D); |m| is the root of |m|^2 +
    finfo.eps, the rounding of that sum. No paper is known to us.
    """
    factors = [rows[0], *views[1:]]
    axes = range(len(factors))
    inner = [_along(x.square().sum(1), [k], axes) for k, x in enumerate(factors)]  # <m, f_k>
    for j, k in combinations(axes, 2):
        product = _along(factors[j] @ factors[k].T, [j, k], axes)
        inner[j] = inner[j] + product
        inner[k] = inner[k] + product
    rounding = torch.finfo(rows[0].dtype).eps
    square = reduce(torch.add, inner).clamp(min=0)
    length = (square + rounding).sqrt() + (rounding if eps is None else eps)
    return reduce(torch.add, [(x / length).clamp(-1, 1) for x in inner])


def _along(x: Tensor, places: Sequence[int], axes: range) -> Tensor:
    """x with its axes at `places` among `axes`, and length 1 along the others."""
    lengths = dict(zip(places, x.shape, strict=True))
    return x.reshape([lengths.get(axis, 1) for axis in axes])


def _cosines(rows: Views, views: Views, eps: float | None) -> Tensor:
    """cos(f_k[i], mean_l f_l[j]) of features 1 long, (n, R, B)."""
    return torch.stack(list(rows)) @ unit(torch.stack(list(views)).mean(0), eps).T


def cosine(rows: Views, views: Views, eps: float | None = None) -> Tensor:
    """L[i, j] = prod_k |cos(f_k[i], mean_l f_l[j])|^(1/n), (R, B), in [0, 1].

    The absolute value forgets the sign: opposite features are as near as equal ones. The gradient
    to a cosine, infinite at 0, is exact from 1/1024 on and at most 1024^(1 - 1/n) / n. No paper is
    known to us.
    """
    absolute = _cosines(rows, views, eps).abs() + torch.finfo(rows[0].dtype).tiny
    return damped(absolute, absolute, COSINE_FLOOR).log().mean(0).exp()


def cosine_mean(rows: Views, views: Views, eps: float | None = None) -> Tensor:
    """L[i, j] = mean_k cos(f_k[i], mean_l f_l[j]), (R, B), in [-1, 1].

    The gradient to a cosine is 1 / n. Means of several examples as in Wan et al. 2018 (GE2E),
    arXiv:1710.10467.
    """
    return _cosines(rows, views, eps).mean(0)


def distance(rows: Views, views: Views, eps: float | None = None) -> Tensor:
    """L[i, j] = -mean_k |f_k[i] - mean_l f_l[j]|, (R, B), in [-2, 0].

    Gradient at most 1 long, 0 where both coincide. Means of several examples as in Snell et al.
    2017, arXiv:1703.05175.
    """
    center = torch.stack(list(views)).mean(0)
    exact = "donot_use_mm_for_euclid_dist"  # a product of matrices loses half the digits
    return -torch.stack([torch.cdist(x, center, compute_mode=exact) for x in rows]).mean(0)


def right_answers(logits: Tensor, start: int) -> Tensor:
    """logits[i, start + i, .., start + i], (R,), of a block whose first row is `start`."""
    index = torch.arange(len(logits), device=logits.device)
    return logits[(index, *[index + start] * (logits.dim() - 1))]


def other_axes(x: Tensor, axis: int) -> list[int]:
    """All axes of x but this."""
    return [other for other in range(x.dim()) if other != axis]


def cross_entropy_part(logits: Tensor, start: int) -> tuple[Tensor, ...]:
    """Of a block: the right logits, and per axis the log-sum-exp around each of its indices."""
    sums = [logits.logsumexp(other_axes(logits, axis)) for axis in range(logits.dim())]
    return right_answers(logits, start), *sums


def cross_entropy(parts: Sequence[tuple[Tensor, ...]]) -> Tensor:
    """Mean over axes and samples of log-sum-exp - right logit, in nats, (); at least 0."""
    right, rows, *others = zip(*parts, strict=True)
    sums = [torch.cat(rows), *(torch.stack(axis).logsumexp(0) for axis in others)]
    return torch.stack(sums).mean() - torch.cat(right).mean()


def sigmoid_part(logits: Tensor, start: int) -> tuple[Tensor, ...]:
    """Of a block: the sum of -log sigmoid(z * logits) / B; z is 1 for right pairs, else -1."""
    z = torch.full_like(logits, -1.0)
    z.diagonal(start).fill_(1.0)
    return (-functional.logsigmoid(z * logits).sum() / logits.shape[1],)


def sigmoid(parts: Sequence[tuple[Tensor, ...]]) -> Tensor:
    """Sum over pairs of -log sigmoid(z * logits), by B, in nats, (); at least 0."""
    return torch.stack([part for (part,) in parts]).sum()
