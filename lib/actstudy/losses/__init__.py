"""Contrastive losses over two or more views that stay finite, for any training loop.

    loss = ContrastiveLoss("clip")                  # its parameters belong to the optimizer, too
    loss(image_features, text_features).backward()

Features f_1 .. f_n, n >= 2, are (B, D); row i of every view is of sample i. What keeps it finite:
- all arithmetic is in float32 or float64, under autocast too;
- f / (|f| + eps) with eps = finfo.eps, which is lost in the rounding of |f| from 1 on;
- its gradient counts vectors shorter than 1/32 as that long, so that it is exact above and at
  most 32 times as long as that of the unit vector below, where 1 / eps would be 8e6 (float32);
- the scale is learnt as its logarithm and clamped; logits are not, as a clamp ends their gradient;
- log-sum-exp subtracts the maximum.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from math import inf, log
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from actstudy.contract.errors import choices
from actstudy.losses.inputs import check_memory, check_views, not_finite
from actstudy.losses.similarities import (
    AtMost,
    Views,
    cosine,
    cosine_mean,
    cross_entropy,
    cross_entropy_part,
    distance,
    einsum,
    norm,
    sigmoid,
    sigmoid_part,
    unit,
)


@dataclass(frozen=True)
class Loss:
    """A similarity, and what is summed of a block of logits (`part`) and of all blocks (`whole`).

    args: its scale and what only it has; copies: of its logits that a step holds at its peak, and
    how many more per view or pair of views (benchmarks/losses.py memory); axis_per_view: of the
    logits, else there are two axes; pairwise: of more than two views the mean over pairs; of_units:
    of normalised features only; unit: what normalises them; exact: in float32 at least.
    """

    similarity: Callable[[Views, Views, float | None], Tensor]
    args: dict[str, float]
    copies: tuple[float, float]
    axis_per_view: bool = False
    pairwise: bool = False
    of_units: bool = False
    part: Callable[[Tensor, int], tuple[Tensor, ...]] = cross_entropy_part
    whole: Callable[[Sequence[tuple[Tensor, ...]]], Tensor] = cross_entropy
    unit: Callable[[Tensor, float | None], Tensor] = unit
    exact: bool = True


# Numbers that a study may set for every loss: 0 is none, of eps that of the dtype.
ARGS = {"learn_scale": 1, "max_scale": 100.0, "eps": 0.0, "clamp": 0.0, "normalize": 1}
LOSSES: dict[str, Loss] = {
    # van den Oord et al. 2018 (InfoNCE), arXiv:1807.03748; Radford et al. 2021, arXiv:2103.00020
    "clip": Loss(einsum, args={"scale": 14.285714285714286}, copies=(4, 2), pairwise=True),
    # Zhai et al. 2023, arXiv:2303.15343
    "siglip": Loss(
        einsum,
        args={"scale": 10.0, "bias": -10.0},
        copies=(2, 4),
        pairwise=True,
        part=sigmoid_part,
        whole=sigmoid,
    ),
    "einsum": Loss(einsum, args={"scale": 14.285714285714286}, copies=(6, 0), axis_per_view=True),
    "norm": Loss(
        norm, args={"scale": 14.285714285714286}, copies=(8, 2.5), axis_per_view=True, of_units=True
    ),
    "cosine": Loss(cosine, args={"scale": 14.285714285714286}, copies=(3, 4.6), of_units=True),
    "cosine_mean": Loss(
        cosine_mean, args={"scale": 14.285714285714286}, copies=(6, 0), of_units=True
    ),
    "distance": Loss(distance, args={"scale": 14.285714285714286}, copies=(6, 1)),
}


class ContrastiveLoss(nn.Module):
    """The mean loss of views, in nats, with a learnable scale of their similarities.

    loss: a name of LOSSES; scale, bias (of siglip): None is the loss's own; max_scale: None is no
    limit; eps: None is finfo's, with a bounded gradient; clamp: logits beyond it become +-clamp,
    with gradient 0; chunk: rows of logits at a time, which are computed again in the backward
    pass: less memory, the same loss; check: refuse a loss that is not finite, which waits for the
    device; None: on a CPU alone. Without a check, features that are not finite make the loss NaN.
    """

    def __init__(
        self,
        loss: str | Loss = "clip",
        *,
        scale: float | None = None,
        learn_scale: bool = True,
        max_scale: float | None = 100.0,
        eps: float | None = None,
        clamp: float | None = None,
        normalize: bool = True,
        chunk: int | None = None,
        check: bool | None = None,
        bias: float | None = None,
    ) -> None:
        super().__init__()
        if isinstance(loss, str) and loss not in LOSSES:
            raise ValueError(f"loss: got {loss!r}; {choices(loss, LOSSES)}")
        self.loss = LOSSES[loss] if isinstance(loss, str) else loss
        limits = {"max_scale": max_scale, "eps": eps, "clamp": clamp, "chunk": chunk}
        for name, value in limits.items():
            if value is not None and not value > 0:
                raise ValueError(f"{name}: got {value}; allowed: above 0, or None")
        if self.loss.of_units and not normalize:
            raise ValueError(f"normalize: got {normalize}; allowed: True, as {loss} is of units")
        scale = self.loss.args["scale"] if scale is None else scale
        if not (0 < scale < inf and scale <= (max_scale or inf)):
            raise ValueError(f"scale: got {scale}; allowed: above 0, up to max_scale {max_scale}")
        self.log_scale = nn.Parameter(torch.tensor(log(scale)), requires_grad=bool(learn_scale))
        own_bias = self.loss.args.get("bias")
        if bias is not None and own_bias is None:
            raise ValueError(f"bias: got {bias}; allowed: None, as {loss} has none")
        bias = own_bias if bias is None else bias
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)))
        self.max_scale = max_scale
        self.eps = eps
        self.clamp = clamp
        self.normalize = normalize
        self.chunk = chunk
        self.check = check

    @property
    def logit_scale(self) -> Tensor:
        """The scale in use, (): at most max_scale, and its gradient leads back from there."""
        log_scale = self.log_scale
        if self.max_scale is not None:
            log_scale = AtMost.apply(log_scale, log(self.max_scale))
        return log_scale.exp()

    def forward(self, *views: Tensor, with_share: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """The loss of n >= 2 views (B, D), B >= 2: the mean over samples, in nats, ().

        with_share: return also `clamped_share` of its logits, (). ValueError, in one line: views
        that do not fit, integers, logits that exceed the memory.
        """
        groups = self._groups(views)
        self._check_memory(groups)
        with torch.autocast(views[0].device.type, enabled=False):
            losses, shares = zip(*[self._loss(group) for group in groups], strict=True)
            loss = torch.stack(losses).mean()
        checked = loss.is_cpu if self.check is None else self.check
        if checked and not torch.compiler.is_compiling() and not torch.isfinite(loss):
            raise ValueError(not_finite(loss, views, self.logit_scale))
        return (loss, torch.stack(shares).mean()) if with_share else loss

    def logits(self, *views: Tensor) -> Tensor:
        """Similarities times the scale, and siglip's bias, before `clamp`: (B, B).

        Of einsum and norm (B, .., B), an axis per view; of clip and siglip of more than two views
        (pairs, B, B), in the order of itertools.combinations.
        """
        groups = self._groups(views)
        check_memory(self._shape(groups[0]), len(groups), groups[0][0])
        with torch.autocast(views[0].device.type, enabled=False):
            logits = [self._logits(group, group) for group in groups]
        return torch.stack(logits) if len(logits) > 1 else logits[0]

    def clamped_share(self, logits: Tensor) -> Tensor:
        """Share of logits beyond `clamp`, whose gradient it ends, (); 0 without one."""
        if self.clamp is None:
            return logits.new_zeros(())
        return (logits.detach().abs() > self.clamp).float().mean()

    def _groups(self, views: Views) -> list[Views]:
        """Features that are compared at once, normalised, in float32 at least."""
        check_views(views)
        dtype = reduce(torch.promote_types, [view.dtype for view in views])
        if self.loss.exact:
            dtype = torch.promote_types(dtype, torch.float32)
        features = [view.to(dtype) for view in views]
        if self.normalize:
            with torch.autocast(views[0].device.type, enabled=False):
                features = [self.loss.unit(x, self.eps) for x in features]
        return list(combinations(features, 2)) if self.loss.pairwise else [features]

    def _shape(self, views: Views) -> list[int]:
        """The shape of the logits of all rows."""
        return [len(views[0])] * (len(views) if self.loss.axis_per_view else 2)

    def _check_memory(self, groups: list[Views]) -> None:
        """ValueError if a step does not fit; of chunks one is there at a time."""
        rows, *others = self._shape(groups[0])
        n_groups = len(groups)
        if self.chunk is not None and self.chunk < rows:
            rows = self.chunk
            n_groups = 1
        parts = n_groups if self.loss.pairwise else len(groups[0])
        clamped = 0 if self.clamp is None else n_groups
        fixed, each = self.loss.copies
        check_memory([rows, *others], fixed + each * parts + clamped, groups[0][0])

    def _logits(self, rows: Views, views: Views) -> Tensor:
        logits = self.loss.similarity(rows, views, self.eps) * self.logit_scale.to(views[0])
        return logits if self.bias is None else logits + self.bias.to(logits)

    def _part(self, start: int, *views: Tensor) -> tuple[Tensor, ...]:
        """A block's share of all logits that is clamped, and what the loss sums of the block."""
        rows = [x[start : start + (self.chunk or len(x))] for x in views]
        logits = self._logits(rows, views)
        share = self.clamped_share(logits) * (len(logits) / len(views[0]))
        if self.clamp is not None:
            logits = logits.clamp(-self.clamp, self.clamp)
        return share, *self.loss.part(logits, start)

    def _loss(self, views: Views) -> tuple[Tensor, Tensor]:
        size = len(views[0])
        if self.chunk is None or self.chunk >= size:
            parts = [self._part(0, *views)]
        else:
            parts = [
                checkpoint(self._part, start, *views, use_reentrant=False, preserve_rng_state=False)
                for start in range(0, size, self.chunk)
            ]
        share = torch.stack([part[0] for part in parts]).sum()
        return self.loss.whole([part[1:] for part in parts]), share


def make(name: str, args: Mapping[str, float]) -> ContrastiveLoss:
    """A loss or an unstable twin from numbers of a study (ARGS), never checked for finiteness."""
    from actstudy.losses.unstable import TWINS

    options: dict[str, Any] = dict(args)
    for key in options.keys() & {"max_scale", "eps", "clamp"}:
        options[key] = options[key] or None
    if name not in TWINS:
        return ContrastiveLoss(name, check=False, **options)
    twin = TWINS[name]
    loss = replace(LOSSES[twin.of], **twin.changes)
    without = dict.fromkeys(twin.lacks)
    return ContrastiveLoss(loss, check=False, **{**options, **without})
