"""What a pack computes in a step: by the kernel, or layer by layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from actstudy.health import values
from actstudy.nets.packed import PackedMLP
from actstudy.tasks import classification
from actstudy.training.cuda_graphs import Scores
from actstudy.training.engine import Engine, autocast
from actstudy.training.pack_dropout import PackDropout
from actstudy.training.pack_optim import PackOptimizer, clipped


@dataclass(kw_only=True)
class PackSteps(Engine):
    """An engine of runs that train as one model. Set by `Pack`: all fields but the first two.

    seed_of: each row's place among the distinct orders (R,); kernel: a PackKernel, or None.
    """

    model: PackedMLP
    optimizer: PackOptimizer
    parameters: list[Tensor] = field(init=False)
    seed_of: Tensor = field(init=False)
    dropout: PackDropout = field(init=False)
    kernel: Any = field(init=False)
    scored: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = field(init=False)

    def update(self, rows: Tensor, scalars: Tensor, *drawn: Tensor) -> Scores:
        """One step on train examples rows (seeds, B); drawn: as `PackDropout` draws."""
        return self._moved(rows, scalars, drawn, watched=False)[0]

    def watched(self, rows: Tensor, scalars: Tensor, *drawn: Tensor) -> Scores:
        """`update`, with the probes (probes, R) of its parameters under `health`."""
        before = [parameter.detach().clone() for parameter in self.parameters]
        scores, gradients = self._moved(rows, scalars, drawn, watched=True)
        read = values.of_gradients(self.model.names, gradients, self.model.n_of_layers)
        read |= values.of_updates(self.model.names, before, self.parameters)
        return {**scores, "health": self.keyed("watched", read)}

    def _moved(
        self, rows: Tensor, scalars: Tensor, drawn: Sequence[Tensor], watched: bool
    ) -> tuple[Scores, list[Tensor]]:
        """Scores of a step on rows (seeds, B); and gradients, which may be old if not watched."""
        kernel = self.kernel
        if kernel is None:
            loss, accuracy, *gradients = self._by_layers(rows, drawn)
        else:
            train = self.splits["train"]
            x = self.inputs(train["x"][rows]).flatten(2)
            keep = watched or not kernel.fused
            loss, accuracy = kernel.step(x, train["y"][rows], scalars, kernel.fused, keep)
            gradients = kernel.gradients
        scores = {"loss": loss, "accuracy": accuracy}
        if kernel is None or not kernel.fused:
            scores |= self._step(gradients, scalars)
        return scores, gradients

    def keyed(self, part: str, read: values.Values) -> Tensor:
        """What a part of a step reads, as one tensor; its keys are noted as the part first runs."""
        self.health_keys[part] = list(read)
        return torch.stack([value.double() for value in read.values()])

    def _by_layers(self, rows: Tensor, drawn: Sequence[Tensor]) -> list[Tensor]:
        """Loss and accuracy (R,), then the gradients (R, ...), on rows (seeds, B)."""
        train = self.splits["train"]
        rows = rows[self.seed_of]
        x = self.inputs(train["x"][rows]).flatten(2)
        with autocast(self.spec, self.device):
            logits = self.model(x, dropouts=self.dropout.of_layers(drawn))
            self.model.norm.move()
            loss, accuracy = self.scored(logits, train["y"][rows])
        return [loss.detach(), accuracy, *torch.autograd.grad(loss.sum(), self.parameters)]

    def _scored(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss = classification.losses(logits, y, self.spec.label_smoothing)
        return loss, (logits.argmax(2) == y).float().mean(1)

    def _step(self, gradients: list[Tensor], scalars: Tensor) -> Scores:
        scores: Scores = {}
        if self.spec.clip is not None:
            gradients, scores["clipped"] = clipped(gradients, self.spec.clip)
        self.optimizer.step(gradients, scalars)
        return scores
