"""Many MLPs of one shape as one: stacked weights, batched products, each activation on the slice of its runs."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actstudy.nets.activations import Sites
from actstudy.nets.mlp import MLP


class PackedMLP(nn.Module):
    """R MLPs (linear, activation) x depth, linear: x (R, B, features), or (B, features) for all -> logits (R, B, C).

    members: models of one shape without norms and dropout, with their activation sites. Neighbours with the same
    activation share one call of it. A batched product computes each of its runs alike, whatever the others hold.
    """

    def __init__(self, members: Sequence[tuple[MLP, Sites]]) -> None:
        super().__init__()
        states = [dict(model.named_parameters()) for model, _ in members]
        self.runs, self.names = len(members), list(states[0])
        self.stacked = nn.ParameterList(torch.stack([state[name].detach() for state in states]) for name in self.names)
        self.sites = {site: [sites.names[site] for _, sites in members] for site in members[0][1].names}
        self.slices = [_slices([sites.modules[site] for _, sites in members]) for site in self.sites]

    def forward(self, x: Tensor, seen: list[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """Logits; `seen`, where it is given, gets the values (R, B, units) before and after each activation."""
        h = x.expand(self.runs, *x.shape[-2:])
        for layer, (weight, bias) in enumerate(zip(self.stacked[::2], self.stacked[1::2], strict=True)):
            h = torch.baddbmm(bias[:, None], h, weight.mT)
            if layer < len(self.slices):
                pre, h = h, self._activated(layer, h)
                if seen is not None:
                    h = h.view_as(h)  # identity returns its own input
                    seen.append((pre, h))
        return h

    def _activated(self, layer: int, h: Tensor) -> Tensor:
        parts = [activation(h[first:end]) for activation, first, end in self.slices[layer]]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def _slices(modules: Sequence[nn.Module]) -> list[tuple[nn.Module, int, int]]:
    """Each activation once, with the first run that it acts on and the one after its last."""
    found = []
    for _, group in itertools.groupby(enumerate(modules), key=lambda pair: repr(pair[1])):  # repr: class and arguments
        part = list(group)
        found.append((part[0][1], part[0][0], part[-1][0] + 1))
    return found
