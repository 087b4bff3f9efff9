"""Many MLPs of one shape as one: stacked weights and batched products.

Each activation acts on the slice of its runs.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actstudy.nets.activations import Sites
from actstudy.nets.mlp import MLP

# A layer's activations, and the number of neighbouring runs of each.
Parts = tuple[tuple[nn.Module, ...], tuple[int, ...]]


class PackedMLP(nn.Module):
    """R MLPs (linear, activation) x depth, linear.

    x (R, B, features), or (B, features) for all -> logits (R, B, C). A batched product computes
    each of its runs alike, whatever the others hold.

    members: models of one shape without norms and dropout, with their activation sites. Neighbours
    with the same activation share one call of it.
    """

    def __init__(self, members: Sequence[tuple[MLP, Sites]]) -> None:
        super().__init__()
        states = [dict(model.named_parameters()) for model, _ in members]
        self.runs = len(members)
        self.names = list(states[0])
        self.stacked = nn.ParameterList()
        for name in self.names:
            self.stacked.append(torch.stack([state[name].detach() for state in states]))
        self.sites: dict[str, list[str]] = {}  # site -> the activation of each run
        self.parts = []
        for site in members[0][1].names:
            self.sites[site] = [sites.names[site] for _, sites in members]
            self.parts.append(_parts(site, [sites for _, sites in members]))
        self.activated = activated  # replaced by compiled code on a GPU

    def forward(self, x: Tensor, seen: list[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """Logits; values (R, B, units) before and after each activation are appended to `seen`."""
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

    def outputs(self, x: Tensor) -> list[tuple[str, Tensor]]:
        """Name and value (R, B, units) of the layers' and activations' outputs, in their order."""
        seen: list[tuple[Tensor, Tensor]] = []
        logits = self(x, seen)
        layers = [name.removesuffix(".weight") for name in self.names[::2]]
        named = []
        for layer, site, (pre, post) in zip(layers[:-1], self.sites, seen, strict=True):
            named += [(layer, pre), (f"activation {site}", post)]
        return [*named, (layers[-1], logits)]


def _linear(h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The product (R, B, units), and the bias expanded to it.

    So summing the bias's gradient is not part of the activation's code.
    """
    product = torch.bmm(h, weight.mT)
    return product, bias[:, None].to(product.dtype).expand_as(product)


def activated(product: Tensor, shift: Tensor, parts: Parts) -> Tensor:
    """f(product + shift), each run by its own f; all (R, B, units)."""
    return _applied(product + shift, parts)


def _applied(pre: Tensor, parts: Parts) -> Tensor:
    modules, sizes = parts
    posts = [module(part) for module, part in zip(modules, pre.split(sizes), strict=True)]
    return posts[0] if len(posts) == 1 else torch.cat(posts)


def _parts(site: str, members: Sequence[Sites]) -> Parts:
    """Each activation of a site once for the neighbours that share it with its arguments."""

    def activation(sites: Sites) -> tuple[str, dict[str, float]]:
        return sites.names[site], sites.args[site]

    groups = [list(group) for _, group in itertools.groupby(members, key=activation)]
    return tuple(group[0].modules[site] for group in groups), tuple(map(len, groups))
