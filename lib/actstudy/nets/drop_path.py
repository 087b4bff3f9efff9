"""Stochastic depth (Huang et al. 2016, arXiv:1603.09382): draws, and the module that applies them.

The draws are made outside the model, from the seed and the step, so that every framework and every
activation leaves out the same blocks for the same examples.
"""

import numpy as np
from torch import Tensor, nn

from actstudy.contract.streams import stream


class DropPath(nn.Module):
    """A block's output times a factor per example: x (B, ...) -> (B, ...).

    keep: the factors (B,), set before a forward pass in training by `set_keep`. Without them, and
    in evaluation, the output is x itself.
    """

    keep: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.keep = None

    def forward(self, x: Tensor) -> Tensor:
        if self.keep is None or not self.training:
            return x
        return x * self.keep.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def paths(model: nn.Module) -> list[DropPath]:
    """The residual blocks of a model that stochastic depth may leave out, from first to last."""
    return [module for module in model.modules() if isinstance(module, DropPath)]


def draws(rate: float, seed: int, step: int, batch: int, blocks: int) -> np.ndarray:
    """Factors of a step's blocks, float32 (batch, blocks): 0, or 1 / (1 - share left out).

    The share grows linearly, from 0 at the first block to `rate` at the last, as in ConvNeXt (Liu
    et al. 2022, arXiv:2201.03545). At rate 0 there are none: (batch, 0).
    """
    if not rate:
        return np.zeros((batch, 0), np.float32)
    stays = 1 - rate * np.arange(blocks) / max(1, blocks - 1)
    is_there = stream(seed, "drop_path", step).random((batch, blocks)) < stays
    return (is_there / stays).astype(np.float32)


def set_keep(model: nn.Module, keep: Tensor | None) -> None:
    """Set the factors (B, blocks) of the next forward passes; None, or (B, 0), removes them."""
    has_factors = keep is not None and keep.shape[1] > 0
    for index, path in enumerate(paths(model)):
        path.keep = None
        if keep is not None and has_factors:
            path.keep = keep[:, index]
