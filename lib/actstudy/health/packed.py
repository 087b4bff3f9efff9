"""The probes of health/probes.py for all runs of a pack at once: the same numbers, a column a run."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from actstudy.nets.activations import ACTIVATIONS

Key = tuple[str, str, int, str]  # kind, name, index, probe
Values = dict[Key, Tensor]  # key -> (R,), NaN where a run has no such probe


@torch.no_grad()
def site_values(
    sites: Mapping[str, Sequence[str]], seen: Sequence[tuple[Tensor, Tensor]], gradients: Sequence[Tensor]
) -> Values:
    """Probes of every site. sites: site -> the activation of each run; seen and gradients: (R, B, units) a site."""
    values: Values = {}
    for index, ((site, names), (pre, post), gradient) in enumerate(zip(sites.items(), seen, gradients, strict=True)):
        pre, post = pre.float(), post.float()
        inactive = post <= 0
        found = {
            "pre_mean": pre.mean((1, 2)),
            "pre_sd": pre.std((1, 2), correction=0),
            "post_mean": post.mean((1, 2)),
            "post_sd": post.std((1, 2), correction=0),
            "inactive_fraction": inactive.float().mean((1, 2)),
            "dead_fraction": inactive.all(1).float().mean(1),
            "gradient_norm": gradient.float().flatten(1).norm(dim=1),
            "saturated_fraction": torch.full((len(names),), math.nan, device=pre.device),
        }
        first = 0
        for name, group in itertools.groupby(names):
            rows = slice(first, first + len(list(group)))
            first = rows.stop
            if saturated := ACTIVATIONS[name].saturated:
                found["saturated_fraction"][rows] = saturated(pre[rows], post[rows]).float().mean((1, 2))
        values |= {("site", site, index, probe): value for probe, value in found.items()}
    return values


@torch.no_grad()
def parameter_values(
    names: Sequence[str], before: Sequence[Tensor], after: Sequence[Tensor], gradients: Sequence[Tensor]
) -> Values:
    """Norms of every parameter (R, ...) and of its update; gradients before clipping."""
    values: Values = {}
    for index, (name, old, new, gradient) in enumerate(zip(names, before, after, gradients, strict=True)):
        weight_norm, update_norm = (part.float().flatten(1).norm(dim=1) for part in (old, new - old))
        values["parameter", name, index, "gradient_norm"] = gradient.float().flatten(1).norm(dim=1)
        values["parameter", name, index, "weight_norm"] = weight_norm
        ratio = torch.where(weight_norm > 0, update_norm / weight_norm, math.nan)
        values["parameter", name, index, "update_ratio"] = ratio
    values["model", "model", 0, "gradient_norm"] = norms(gradients)
    return values


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Every run's global norm (R,) of tensors (R, ...); added one by one, so that no run's place decides its bits."""
    return functools.reduce(torch.add, (tensor.flatten(1).square().sum(1) for tensor in tensors)).sqrt()
