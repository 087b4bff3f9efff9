"""Clipping of gradients by their global norm, without waiting for the device."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

ADAPTIVE_FROM = 10.0  # the norm above which gradients are usually called exploding
MAX_NORMS = 512  # the number of last norms whose quantile is taken
MIN_NORMS = 16  # the number of norms that a quantile needs


def share(norm: Tensor, to: float, above: float | Tensor = 0.0) -> Tensor:
    """The factor of gradients of a global norm: min(to / (norm + 1e-6), 1), or 1 if not `above`.

    A norm that is NaN makes all of them NaN, as torch's clip_grad_norm_ does.
    """
    return torch.where(norm <= above, 1.0, (to / (norm + 1e-6)).clamp(max=1.0))


class Clipper:
    """Scales gradients to the norm `to` if their global norm is above a threshold.

    The threshold is `to` itself, or `above` if that is given (10 is usual). With `quantile` it is,
    from the 17th call on, that quantile of the last 512 norms if that is smaller; until then it is
    `above`, or there is none.
    """

    def __init__(
        self, to: float = 1.0, above: float | None = None, quantile: float | None = None
    ) -> None:
        if quantile is not None and not 0 < quantile < 1:
            raise ValueError(f"quantile: got {quantile}; allowed: between 0 and 1")
        self.to = to
        self.quantile = quantile
        if above is not None:
            self.threshold = above
        else:
            self.threshold = to if quantile is None else math.inf
        self.norms = torch.full((MAX_NORMS,), math.nan)
        self.calls = 0

    @torch.no_grad()
    def __call__(self, gradients: Sequence[Tensor]) -> Tensor:
        """Scale gradients in place; returns their global norm before, a scalar on the device."""
        if not gradients:
            return torch.zeros(())
        norm = torch.nn.utils.get_total_norm(gradients).float()
        threshold = torch.full_like(norm, self.threshold)
        if self.quantile is not None:
            self.norms = self.norms.to(norm)
            if self.calls >= MIN_NORMS:
                threshold = torch.minimum(threshold, torch.nanquantile(self.norms, self.quantile))
            self.norms[self.calls % MAX_NORMS] = norm
            self.calls += 1
        factor = share(norm, self.to, threshold)
        for gradient in gradients:
            gradient.mul_(factor.to(gradient))
        return norm
