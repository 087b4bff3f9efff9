"""Clipping of gradients by their global norm, without waiting for the device."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

ADAPTIVE_FROM = 10.0  # the norm above which gradients are usually called exploding
KEPT, FEWEST = 512, 16  # norms that a running quantile looks back on, and needs


def share(norm: Tensor, to: float, above: float | Tensor = 0.0) -> Tensor:
    """What gradients of a global norm are multiplied by: min(to / (norm + 1e-6), 1), and 1 where it is not `above`.

    A norm that is NaN makes all of them NaN, as torch's clip_grad_norm_ does.
    """
    return torch.where(norm <= above, 1.0, (to / (norm + 1e-6)).clamp(max=1.0))


class Clipper:
    """Scales gradients to the norm `to` where their global norm is above a threshold.

    The threshold is `to` itself; or `above`, where it is given (10 is usual); or, from the 16th call on, a quantile of
    the last 512 norms where that is smaller.
    """

    def __init__(
        self, to: float = 1.0, above: float | None = None, quantile: float | None = None
    ) -> None:
        if quantile is not None and not 0 < quantile < 1:
            raise ValueError(f"quantile: got {quantile}; allowed: between 0 and 1")
        self.to, self.quantile = to, quantile
        self.threshold = above if above is not None else to if quantile is None else math.inf
        self.norms, self.calls = torch.full((KEPT,), math.nan), 0

    @torch.no_grad()
    def __call__(self, gradients: Sequence[Tensor]) -> Tensor:
        """The global norm before clipping, a scalar on the gradients' device; gradients are scaled in place."""
        if not gradients:
            return torch.zeros(())
        norm = torch.nn.utils.get_total_norm(gradients).float()
        threshold = torch.full_like(norm, self.threshold)
        if self.quantile is not None:
            self.norms = self.norms.to(norm)
            if self.calls >= FEWEST:
                threshold = torch.minimum(threshold, torch.nanquantile(self.norms, self.quantile))
            self.norms[self.calls % KEPT] = norm
            self.calls += 1
        factor = share(norm, self.to, threshold)
        for gradient in gradients:
            gradient.mul_(factor.to(gradient))
        return norm
