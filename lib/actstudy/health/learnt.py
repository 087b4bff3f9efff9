"""Probes of what activations have learnt: the values of their weights at each site."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from actstudy.health.values import Values
from actstudy.nets import functions

Learnt = Mapping[tuple[str, str], Mapping[str, Tensor]]  # (site, activation) -> name -> (R, ...)


@torch.no_grad()
def at_sites(sites: Mapping[str, nn.Module], names: Mapping[str, str]) -> Learnt:
    """Site and activation -> what it has learnt, name -> (1, ...) as in its formula."""
    by_site = {}
    for site, module in sites.items():
        weights = functions.in_formula(module, dict(module.named_parameters()))
        by_site[site, names[site]] = {name: weight[None] for name, weight in weights.items()}
    return by_site


@torch.no_grad()
def values(learnt: Learnt, sites: Sequence[str]) -> Values:
    """Mean, least and largest of what activations have learnt, under `site activation name`."""
    read: Values = {}
    for (site, activation), weights in learnt.items():
        for name, weight in weights.items():
            rows = weight.reshape(len(weight), -1).double()
            of_weight = {"mean": rows.mean(1), "min": rows.amin(1), "max": rows.amax(1)}
            for probe, value in of_weight.items():
                read["learnt", f"{site} {activation} {name}", sites.index(site), probe] = value
    return read
