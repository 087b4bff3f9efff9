"""What a pack keeps of its runs: tensors whose row r is of run r."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from actstudy.nets.packed import PackedMLP
from actstudy.training.engine import Weights
from actstudy.training.pack_optim import PackOptimizer


class PackStacks:
    """The present weights, the best ones, and the last ones of runs that ended before the others.

    Weights are parameters and the statistics of norms. patience: whether a run may end before the
    others.
    """

    def __init__(self, model: PackedMLP, optimizer: PackOptimizer, patience: bool) -> None:
        self.model = model
        self.optimizer = optimizer
        self.present = [*model.stacked, *model.norm.statistics().values()]
        self.best = self._copies()
        self.last = self._copies() if patience else []

    def _copies(self) -> list[Tensor]:
        return [stack.detach().clone() for stack in self.present]

    def keep_best(self, runs: Sequence[int]) -> None:
        """The present weights of some runs are their best."""
        rows = torch.tensor(runs, device=self.present[0].device)  # sent once
        for best, stack in zip(self.best, self.present, strict=True):
            best[rows] = stack.detach()[rows]

    def set_aside(self, runs: Sequence[int]) -> None:
        """The present weights of some runs, which end now, are their last."""
        for last, stack in zip(self.last, self.present, strict=True):
            last[runs] = stack.detach()[runs]

    @torch.no_grad()
    def load_best(self) -> None:
        """Make the best weights of all runs the present ones."""
        for stack, best in zip(self.present, self.best, strict=True):
            stack.copy_(best)

    @torch.no_grad()
    def load_last(self, ended: Sequence[int]) -> None:
        """Make the last weights of runs that ended before the others their present ones."""
        for stack, last in zip(self.present, self.last, strict=bool(self.last)):
            stack[ended] = last[ended]

    def weights(self, n: int) -> list[Weights]:
        """Of each of the first n runs the state of its model, copied to the CPU."""
        stacks = [stack.detach().cpu() for stack in self.present]
        return [self.model.of_run(run, stacks) for run in range(n)]

    def changed(self) -> dict[str, Tensor]:
        """All that a step changes, by name."""
        tensors = {}
        for kind, stacks in enumerate([self.present, *self.optimizer.state]):
            for k, stack in enumerate(stacks):
                tensors[f"{kind} of {k}"] = stack.detach()
        return tensors

    def all(self) -> dict[str, Tensor]:
        """What a checkpoint holds of every run."""
        tensors = self.changed()
        for kind, stacks in (("best", self.best), ("last", self.last)):
            for k, stack in enumerate(stacks):
                tensors[f"{kind} of {k}"] = stack
        return tensors

    @torch.no_grad()
    def restore(self, state: Mapping[str, Any], rows: Sequence[int]) -> None:
        """Take a checkpoint's rows; row r becomes run r's."""
        for name, tensor in self.all().items():
            tensor.copy_(state[name][rows])
