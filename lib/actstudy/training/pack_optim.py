"""SGD, Adam and AdamW for stacked parameters: torch's formulas, with a rate and decay per run."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from actstudy.contract.spec import RunSpec
from actstudy.health import values
from actstudy.training.optim import clip_share, learning_rate


class PackOptimizer:
    """Updates parameters (R, ...) of R runs, row by row; decay acts on matrices only."""

    def __init__(self, specs: Sequence[RunSpec], parameters: Sequence[Tensor]) -> None:
        self.spec = specs[0]
        self.unit = dataclasses.replace(self.spec, lr=1.0)
        self.parameters = list(parameters)
        device = parameters[0].device
        dtype = parameters[0].dtype
        self.lr = torch.tensor([spec.lr for spec in specs], dtype=dtype, device=device)
        decays = [spec.weight_decay for spec in specs]
        self.decay = torch.tensor(decays, dtype=dtype, device=device)
        # Compiled code rounds otherwise with decay than without: no run's bits may depend on
        # another's decay.
        self.decays = device.type == "cuda" or any(decays)
        n_moments = 2  # Adam's; SGD has one, or none without momentum
        if self.spec.optimizer == "sgd":
            n_moments = 1 if self.spec.momentum > 0 else 0
        self.state = [[torch.zeros_like(p) for p in parameters] for _ in range(n_moments)]
        self.update = self._update  # on a GPU compiled code stands here

    def scalars(self, step: int, total: int, steps_per_epoch: int) -> Tensor:
        """What a step needs of the host (3,): the rate as a share, Adam's two bias corrections."""
        share = learning_rate(self.unit, step, total, steps_per_epoch)
        corrections = [1 - beta ** (step + 1) for beta in self.spec.betas]
        return torch.tensor([share, *corrections], dtype=self.lr.dtype)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], scalars: Tensor) -> None:
        """One update; gradients like the parameters, scalars (3,) on their device."""
        for parameter, gradient, *state in zip(
            self.parameters, gradients, *self.state, strict=True
        ):
            self.update(parameter, gradient, state, scalars)

    def _update(
        self, parameter: Tensor, gradient: Tensor, state: Sequence[Tensor], scalars: Tensor
    ) -> None:
        rows = (-1, *[1] * (parameter.ndim - 1))
        lr = (self.lr * scalars[0]).view(rows)
        decay = self.decay.view(rows)
        decays = self.decays and parameter.ndim > 2
        if decays and self.spec.optimizer == "adamw":
            parameter.mul_(1 - lr * decay)
        elif decays:
            gradient = gradient + decay * parameter
        if self.spec.optimizer != "sgd":
            gradient = self._adam(gradient, state[0], state[1], scalars)
        elif state:
            gradient = state[0].mul_(self.spec.momentum).add_(gradient)
        parameter.sub_(lr * gradient)

    def _adam(self, gradient: Tensor, first: Tensor, second: Tensor, scalars: Tensor) -> Tensor:
        """The direction of Adam (Kingma and Ba 2015, arXiv:1412.6980), its moments updated."""
        first.lerp_(gradient, 1 - self.spec.betas[0])
        second.mul_(self.spec.betas[1]).addcmul_(gradient, gradient, value=1 - self.spec.betas[1])
        return first / scalars[1] / (second.sqrt() / scalars[2].sqrt() + self.spec.eps)


@torch.no_grad()
def clipped(
    gradients: Sequence[Tensor], clip: float | Literal["adaptive"]
) -> tuple[list[Tensor], Tensor]:
    """Gradients (R, ...) clipped per run, and (R,) 1 if that made them smaller, else 0."""
    share = clip_share(values.norms(gradients), clip)
    scaled = [gradient * share.view(-1, *[1] * (gradient.ndim - 1)) for gradient in gradients]
    return scaled, (share < 1).float()
