"""What the loop asks of a model in any framework: the one interface between torch and Keras."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor

Arrays = dict[str, np.ndarray]  # names and shapes as in the state dict of the torch model


class Net(Protocol):
    """A model with its optimizer, on standardised images.

    x: (B, C, H, W) float32 and y: (B,) int64, torch tensors on the device of the data, whatever the
    framework; a net takes them over without a copy by the host if it can.
    """

    execution: str  # `NHWC, jit, TF32 off`: what its speed holds for
    n_params: int

    def step(self, x: Tensor, y: Tensor, keep: Tensor, lr: float) -> dict[str, Tensor]:
        """One optimizer step at a rate; scores of the batch, each a scalar torch tensor.

        keep: (B, residual blocks), what stochastic depth multiplies each block's output with;
        (B, 0) without it. Scores: loss, those of the task, `clipped`, and `skipped` with fp16.
        """

    def logits(self, x: Tensor) -> Tensor:
        """(B, classes) float32 in evaluation mode, on the device of x."""

    def export(self) -> Arrays:
        """Copies of all weights and running statistics, as torch names and lays them out."""

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave; the optimizer's state stays."""

    def state(self) -> dict[str, Any]:
        """Copies of all that a step changes, as torch tensors on the CPU."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave, bit for bit."""
