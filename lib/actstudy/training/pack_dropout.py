"""Dropout of runs that train as one: each run drops what it drops in a process of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract.spec import RunSpec
from actstudy.contract.streams import step_seed
from actstudy.nets.packed import Dropout, PackedMLP
from actstudy.training.devices import generator


class PackDropout:
    """Draws the factors of a step, once for all runs of a seed.

    seeds: the distinct seeds of the runs; seed_of: each run's place among them (R,).
    """

    def __init__(
        self, model: PackedMLP, spec: RunSpec, seeds: Sequence[int], seed_of: Tensor
    ) -> None:
        self.share = spec.dropout
        self.seeds = seeds
        self.seed_of = seed_of
        units = [layer[0].shape[1] for layer in model.hidden()]
        like = {"dtype": model.stacked[0].dtype, "device": model.stacked[0].device}
        self.ones = [torch.ones(spec.batch_size, n, **like) for n in units]

    def drawn(self, step: int) -> list[Tensor]:
        """Factors (seeds, B, units) of each hidden layer: 0 or 1 / (1 - share); none if off."""
        if not self.share:
            return []
        of_seeds = []
        for seed in self.seeds:
            generator(self.ones[0].device).manual_seed(step_seed(seed, step))
            of_seeds.append([functional.dropout(ones, self.share) for ones in self.ones])
        return [torch.stack(factors) for factors in zip(*of_seeds, strict=True)]

    def of_layers(self, drawn: Sequence[Tensor]) -> list[Dropout]:
        """What is drawn, as the model takes it."""
        return [(factors, self.seed_of) for factors in drawn]
