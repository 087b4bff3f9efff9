"""Many MLPs of one shape as one: stacked weights, batched products, each activation on the slice of its runs."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actstudy.nets.activations import Sites
from actstudy.nets.mlp import MLP

Parts = tuple[
    tuple[nn.Module, ...], tuple[int, ...]
]  # a layer's activations, and how many neighbouring runs each has


class PackedMLP(nn.Module):
    """R MLPs (linear, activation) x depth, linear: x (R, B, features), or (B, features) for all -> logits (R, B, C).

    members: models of one shape without norms and dropout, with their activation sites. Neighbours with the same
    activation share one call of it. A batched product computes each of its runs alike, whatever the others hold.
    """

    def __init__(self, members: Sequence[tuple[MLP, Sites]]) -> None:
        super().__init__()
        states = [dict(model.named_parameters()) for model, _ in members]
        self.runs, self.names = len(members), list(states[0])
        self.stacked = nn.ParameterList(
            torch.stack([state[name].detach() for state in states]) for name in self.names
        )
        self.sites = {
            site: [sites.names[site] for _, sites in members] for site in members[0][1].names
        }
        self.parts = [_parts([sites.modules[site] for _, sites in members]) for site in self.sites]
        self.activated = activated  # on a GPU compiled code stands here

    def forward(self, x: Tensor, seen: list[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """Logits; `seen`, where it is given, gets the values (R, B, units) before and after each activation."""
        h = x.expand(self.runs, *x.shape[-2:])
        *hidden, head = zip(self.stacked[::2], self.stacked[1::2], strict=True)
        for (weight, bias), parts in zip(hidden, self.parts, strict=True):
            product, shift = _linear(h, weight, bias)
            if seen is None:
                h = self.activated(product, shift, parts)
            else:
                pre = product + shift
                h = _applied(pre, parts).view_as(pre)  # identity returns its own input
                seen.append((pre, h))
        product, shift = _linear(h, *head)
        return product + shift


def _linear(h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The product (R, B, units), and the bias expanded to it: summing its gradient is no activation's code."""
    product = torch.bmm(h, weight.mT)
    return product, bias[:, None].to(product.dtype).expand_as(product)


def activated(product: Tensor, shift: Tensor, parts: Parts) -> Tensor:
    """f(product + shift), each run by its own f; all (R, B, units)."""
    return _applied(product + shift, parts)


def _applied(pre: Tensor, parts: Parts) -> Tensor:
    found = [module(part) for module, part in zip(parts[0], pre.split(parts[1]), strict=True)]
    return found[0] if len(found) == 1 else torch.cat(found)


def _parts(modules: Sequence[nn.Module]) -> Parts:
    """Each activation once for the neighbours that share it."""
    groups = [
        list(group) for _, group in itertools.groupby(modules, key=repr)
    ]  # repr: class and arguments
    return tuple(group[0] for group in groups), tuple(len(group) for group in groups)
