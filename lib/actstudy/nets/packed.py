"""Many MLPs of one shape as one: stacked weights and batched products.

Each activation acts on the slice of its runs; norms and dropout act on each run by itself.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from actstudy.nets import functions, packed_norms
from actstudy.nets.activations import Sites
from actstudy.nets.mlp import MLP

Weights = dict[str, Tensor]  # of an activation: its name -> (R, B, units), a value for each of x

# A layer's activations, and the number of neighbouring runs of each.
Parts = tuple[tuple[nn.Module, ...], tuple[int, ...]]
# A hidden layer's dropout: factors (S, B, units) of S seeds, and each run's place among these (R,).
Dropout = tuple[Tensor, Tensor]


class Layer(NamedTuple):
    """What a hidden layer computes of a batch, each (R, B, units)."""

    linear: Tensor
    pre: Tensor  # what the activation is given: after the norm, if there is one
    post: Tensor


class PackedMLP(nn.Module):
    """R MLPs (linear, norm, activation, dropout) x depth, linear.

    x (R, B, features), or (B, features) for all -> logits (R, B, C). A batched product computes
    each of its runs alike, whatever the others hold. Norms are those of the mode, as of any module:
    of the batch in training, of the running statistics in evaluation.

    members: models of one shape, with their activation sites. Neighbours with the same activation
    share one call of it.
    """

    def __init__(self, members: Sequence[tuple[MLP, Sites]]) -> None:
        super().__init__()
        self.runs = len(members)
        self.names: list[str] = []  # of the parameters: of layers, then of activations
        self.stacked = nn.ParameterList()
        states: list[dict[str, Tensor]] = [dict(model.named_parameters()) for model, _ in members]
        self.owners: list[dict[int, int]] = []  # of each: run -> its place in the run's own model
        for name in _of_layers(*members[0]):
            self._stack(name, dict(enumerate(state[name] for state in states)), states)
        self.n_of_layers = len(self.names)
        self.norm = packed_norms.of_models([model for model, _ in members])
        self.sites: dict[str, list[str]] = {}  # site -> the activation of each run
        self.parts = []
        self.learnt: dict[tuple[str, str], dict[str, int]] = {}  # site, activation -> its weights
        self.modules_of: dict[str, nn.Module] = {}  # activation -> an instance of it
        for site in members[0][1].names:
            self.sites[site] = [sites.names[site] for _, sites in members]
            self.parts.append(_parts(site, [sites for _, sites in members]))
            self._stack_weights(site, members, states)
        # Replaced by compiled code on a GPU. Each by itself: in one piece of code the list of
        # activations would decide if a value is rounded before it is dropped.
        self.activated = activated
        self.dropped = dropped

    def _stack_weights(
        self, site: str, members: Sequence[tuple[MLP, Sites]], states: Sequence[dict[str, Tensor]]
    ) -> None:
        """Stack what the activations of a site learn, of the runs that have one of a name."""
        for activation in dict.fromkeys(self.sites[site]):
            runs = [run for run, name in enumerate(self.sites[site]) if name == activation]
            model, sites = members[runs[0]]
            places = self.learnt.setdefault((site, activation), {})
            self.modules_of[activation] = sites.modules[site]
            path = _path(model, sites.modules[site])
            for name, _ in sites.modules[site].named_parameters():
                places[name] = len(self.names)
                full = f"{path}.{name}"
                self._stack(full, {run: states[run][full] for run in runs}, states)

    def _stack(
        self, name: str, values: Mapping[int, Tensor], states: Sequence[dict[str, Tensor]]
    ) -> None:
        """Add a parameter (R, ...) of some runs, run -> its value; the rows of others are zero."""
        first = next(iter(values.values()))
        rows = first.new_zeros(self.runs, *first.shape)
        for run, value in values.items():
            rows[run] = value.detach()
        self.names.append(name)
        self.stacked.append(rows)
        self.owners.append({run: list(states[run]).index(name) for run in values})

    def forward(
        self,
        x: Tensor,
        seen: list[Layer] | None = None,
        dropouts: Sequence[Dropout] | None = None,
    ) -> Tensor:
        """Logits; what each hidden layer computes before dropout is appended to `seen`.

        dropouts: of each hidden layer; None drops nothing.
        """
        h = x.expand(self.runs, *x.shape[-2:])
        parts_of = zip(self.hidden(), self.sites, self.parts, strict=True)
        for index, ((weight, bias, *of_norm), site, parts) in enumerate(parts_of):
            linear = _linear(h, weight, bias)
            product, shift = self.norm(index, *linear, of_norm)
            weights = self._weights(site, parts, product)
            if seen is None:
                h = self.activated(product, shift, parts, weights)
            else:
                pre = product + shift
                h = _applied(pre, parts, weights).view_as(pre)  # identity returns its own input
                seen.append(Layer(pre if product is linear[0] else torch.add(*linear), pre, h))
            if dropouts:
                h = self.dropped(h, *dropouts[index])
        product, shift = _linear(h, *self.stacked[self.n_of_layers - 2 : self.n_of_layers])
        return product + shift

    def hidden(self) -> list[tuple[Tensor, ...]]:
        """Weight, bias and what the norm learns, of each hidden layer."""
        n = self.norm.n_of_layer + 2
        of_layers = list(self.stacked[: self.n_of_layers - 2])
        return [tuple(of_layers[first : first + n]) for first in range(0, len(of_layers), n)]

    def _weights(self, site: str, parts: Parts, product: Tensor) -> tuple[Weights, ...]:
        """What each part of a site learns, expanded to its values.

        So summing a weight's gradient is not part of the activation's code, and is done over all
        runs, whatever their activations.
        """
        expanded: dict[tuple[str, str], Tensor] = {}
        for activation in dict.fromkeys(self.sites[site]):
            for name, place in self.learnt[site, activation].items():
                weight = self.stacked[place][:, None].to(product.dtype)
                expanded[activation, name] = weight.expand_as(product)
        by_part = []
        first = 0
        for size in parts[1]:
            activation = self.sites[site][first]
            names = self.learnt[site, activation]
            runs = slice(first, first + size)
            by_part.append({name: expanded[activation, name][runs] for name in names})
            first += size
        return tuple(by_part)

    def of_run(self, run: int, stacks: Sequence[Tensor]) -> dict[str, Tensor]:
        """Name -> a copy of a run's row of tensors that are stacked as the parameters are.

        After those of the parameters may come those of the norms' statistics.
        """
        rows = {}
        for name, stack, owners in zip(self.names, stacks, self.owners, strict=False):
            if run in owners:
                rows[name] = stack[run].clone()
        for name, stack in zip(self.norm.statistics(), stacks[len(self.names) :], strict=False):
            rows[name] = stack[run].clone()
        return rows

    def n_parameters(self, run: int) -> int:
        """The number of a run's parameters."""
        return sum(row.numel() for row in self.of_run(run, list(self.stacked)).values())

    def in_formula(self) -> dict[tuple[str, str], Mapping[str, Tensor]]:
        """Site and activation -> what it has learnt, name -> (R, ...) as in its formula."""
        by_site = {}
        for (site, activation), places in self.learnt.items():
            weights = {name: self.stacked[place].detach() for name, place in places.items()}
            by_site[site, activation] = functions.in_formula(self.modules_of[activation], weights)
        return by_site

    def outputs(
        self, x: Tensor, dropouts: Sequence[Dropout] | None = None
    ) -> list[tuple[str, Tensor]]:
        """Name and value (R, B, units) of what each part puts out, in the order of the pass."""
        seen: list[Layer] = []
        logits = self(x, seen, dropouts)
        n = self.norm.n_of_layer + 2
        names = [name.rpartition(".")[0] for name in self.names[: self.n_of_layers]]
        named = []
        for index, (site, layer) in enumerate(zip(self.sites, seen, strict=True)):
            named.append((names[index * n], layer.linear))
            if self.norm.n_of_layer:
                named.append((names[index * n + n - 1], layer.pre))
            named.append((f"activation {site}", layer.post))
        return [*named, (names[-1], logits)]


def _linear(h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The product (R, B, units), and the bias expanded to it.

    So summing the bias's gradient is not part of the activation's code.
    """
    product = torch.bmm(h, weight.mT)
    return product, bias[:, None].to(product.dtype).expand_as(product)


def activated(
    product: Tensor,
    shift: Tensor,
    parts: Parts,
    weights: tuple[Weights, ...],
) -> Tensor:
    """f(product + shift), each run by its own f; all (R, B, units)."""
    return _applied(product + shift, parts, weights)


def dropped(post: Tensor, factors: Tensor, seed_of: Tensor) -> Tensor:
    """Values (R, B, units) times the factors (S, B, units) of each run's seed."""
    return post * factors[seed_of].to(post.dtype)


def _applied(pre: Tensor, parts: Parts, weights: tuple[Weights, ...]) -> Tensor:
    modules, sizes = parts
    posts = []
    for module, learnt, part in zip(modules, weights, pre.split(sizes), strict=True):
        post = functional_call(module, learnt, (part,)) if learnt else module(part)
        # softplus answers in float32 under autocast: with it all of its company would
        posts.append(post.to(pre.dtype))
    return posts[0] if len(posts) == 1 else torch.cat(posts)


def _parts(site: str, members: Sequence[Sites]) -> Parts:
    """Each activation of a site once for the neighbours that share it with its arguments."""

    def activation(sites: Sites) -> tuple[str, dict[str, float]]:
        return sites.names[site], sites.args[site]

    groups = [list(group) for _, group in itertools.groupby(members, key=activation)]
    modules = tuple(_of_each_value(group[0].modules[site]) for group in groups)
    return modules, tuple(map(len, groups))


def _of_each_value(module: nn.Module) -> nn.Module:
    """An activation that takes a weight for each value: torch's PReLU takes one per channel."""
    return functions.ChannelPReLU() if isinstance(module, nn.PReLU) else module


def _of_layers(model: MLP, sites: Sites) -> list[str]:
    """The names of a model's parameters but for those of its activations."""
    acting = {id(p) for p in nn.ModuleList(sites.modules.values()).parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) not in acting]


def _path(model: MLP, part: nn.Module) -> str:
    """The name of a part of a model."""
    return next(name for name, module in model.named_modules() if module is part)
