"""What is read of tensors, for R runs at once: moments, dead and saturated units, norms. A run alone is R = 1."""

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from actstudy.health.moments import MOMENTS, all_moments, totals
from actstudy.nets.activations import ACTIVATIONS

Key = tuple[str, str, int, str]  # kind, name, index, probe
Values = dict[Key, Tensor]  # key -> (R,), NaN where a run has no such probe
SHARES = ("inactive_fraction", "zero_fraction", "nonfinite", "dead_fraction", "saturated_fraction")
FEWEST = 16  # values of a unit below which nobody can tell whether it is dead


def of_site(activations: Sequence[str | None], pre: Tensor, post: Tensor) -> dict[str, Tensor]:
    """Probes of a site, each (R,) in float64; pre and post (R, N, U): N values of each of U units; NaN where N = 0.

    activations: each run's; None, or one without a rule in its entry, has no saturated fraction.
    """
    if not (pre.numel() and post.numel()):
        names = (*(f"{side}_{name}" for side in ("pre", "post") for name in MOMENTS), *SHARES)
        return dict.fromkeys(names, post.new_full((len(post),), math.nan, dtype=torch.float64))
    (found,) = of_each([activations], [(pre, post)])
    return found


@torch.no_grad()
def of_each(
    activations: Sequence[Sequence[str | None]], seen: Sequence[tuple[Tensor, Tensor]]
) -> list[dict[str, Tensor]]:
    """The same of S sites that have values."""
    pres, posts = ([x.flatten(1) for x in side] for side in zip(*seen, strict=True))
    values = {f"pre_{name}": value for name, value in all_moments(pres).items()}
    values |= {f"post_{name}": value for name, value in all_moments(posts).items()}
    counts = [totals(x, lambda part: [part <= 0, part == 0, part * 0 == 0]) for x in posts]
    before = [totals(x, lambda part: [part * 0 == 0])[0] for x in pres]
    shares = torch.stack([count / x.shape[1] for count, x in zip(counts, posts, strict=True)], 1)
    values["inactive_fraction"], values["zero_fraction"] = shares[0], shares[1]
    rest = [
        x.shape[1] + y.shape[1] - b - c[2]
        for x, y, b, c in zip(pres, posts, before, counts, strict=True)
    ]
    values["nonfinite"] = torch.stack(rest)
    values["dead_fraction"] = torch.stack([_dead(post) for _, post in seen])
    values["saturated_fraction"] = torch.stack(
        [_saturated(*one) for one in zip(activations, seen, strict=True)]
    )
    apart = {name: value.unbind() for name, value in values.items()}
    return [{name: value[i] for name, value in apart.items()} for i in range(len(seen))]


def _dead(post: Tensor) -> Tensor:
    """Share (R,) of units never above zero; NaN where a unit has too few values."""
    if post.shape[1] < FEWEST:
        return post.new_full((len(post),), math.nan, dtype=torch.float64)
    return (post.amax(1) <= 0).double().mean(1)


def _saturated(activations: Sequence[str | None], seen: tuple[Tensor, Tensor]) -> Tensor:
    """Share (R,) of values in the flat part of each run's activation; NaN where it has no rule."""
    (pre, post), first = seen, 0
    found = torch.full_like(post[:, 0, 0], math.nan, dtype=torch.float64)
    for name, group in itertools.groupby(activations):
        rows = slice(first, first + len(list(group)))
        first = rows.stop
        if rule := ACTIVATIONS[name].saturated if name else None:
            found[rows] = rule(pre[rows], post[rows]).flatten(1).float().mean(1).double()
    return found


def of_sites(
    sites: Mapping[str, Sequence[str | None]],
    seen: Sequence[tuple[Tensor, Tensor]],
    gradients: Sequence[Tensor],
) -> Values:
    """Probes of all sites, and the flow ratio: the gradient's norm at the first site over that at the last.

    sites: site -> the activation of each run; seen: pre and post (R, N, U) a site; gradients: at post, (R, ...).
    """
    if all(x.numel() for pair in seen for x in pair):
        each = of_each(list(sites.values()), seen)
    else:
        each = [of_site(names, *one) for names, one in zip(sites.values(), seen, strict=True)]
    found = {
        site: {**probes, "gradient_norm": norm(gradient)}
        for site, probes, gradient in zip(sites, each, gradients, strict=True)
    }
    return with_flow(found)


def with_flow(found: Mapping[str, Mapping[str, Tensor]]) -> Values:
    """Site -> probe -> (R,) under their keys, and the flow ratio of the sites whose gradient is known."""
    sites = enumerate(found.items())
    values = {
        ("site", site, i, probe): value
        for i, (site, probes) in sites
        for probe, value in probes.items()
    }
    norms = [probes["gradient_norm"] for probes in found.values() if "gradient_norm" in probes]
    if norms:
        values["model", "model", 0, "flow_ratio"] = torch.where(
            norms[-1] > 0, norms[0] / norms[-1], math.nan
        )
    return values


@torch.no_grad()
def of_gradients(names: Sequence[str], gradients: Sequence[Tensor | None]) -> Values:
    """Probes of every parameter's gradient (R, ...), before clipping, and their global norm; None: it has none."""
    known = {
        (name, i): x
        for i, (name, x) in enumerate(zip(names, gradients, strict=True))
        if x is not None
    }
    if not known:
        return {}
    found = each_norm(list(known.values()))
    nothing = torch._foreach_sub(
        list(known.values()), list(known.values())
    )  # zero, NaN of what is not finite
    lost = torch.stack([(x != 0).reshape(len(x), -1).sum(1) for x in nothing]).double()
    values: Values = {}
    for (name, index), *read in zip(known, found.unbind(), lost.unbind(), strict=True):
        for probe, value in zip(("gradient_norm", "gradient_nonfinite"), read, strict=True):
            values["parameter", name, index, probe] = value
    values["model", "model", 0, "gradient_norm"] = found.square().sum(0).sqrt()
    return values


@torch.no_grad()
def of_updates(names: Sequence[str], before: Sequence[Tensor], after: Sequence[Tensor]) -> Values:
    """Norms of every parameter (R, ...) before a step, and of the step's change over it, NaN where it was zero."""
    if not names:
        return {}
    weights, changes = each_norm(before), each_norm(torch._foreach_sub(list(after), list(before)))
    ratios = torch.where(weights > 0, changes / weights, math.nan)
    values: Values = {}
    for index, (name, weight, ratio) in enumerate(
        zip(names, weights.unbind(), ratios.unbind(), strict=True)
    ):
        values["parameter", name, index, "weight_norm"] = weight
        values["parameter", name, index, "update_ratio"] = ratio
    return values


def each_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The L2 norm of each run's part of each of P tensors (R, ...), (P, R) in float64."""
    if all(len(x) == 1 for x in tensors):  # many in one launch
        return torch.stack(torch._foreach_norm([x.detach() for x in tensors], dtype=torch.float64))[
            :, None
        ]
    return torch.stack([norm(x) for x in tensors])


def norm(x: Tensor) -> Tensor:
    """The L2 norm of each run's part of x (R, ...), (R,) in float64: gradients of 1e-30 have one too."""
    return torch.linalg.vector_norm(x.detach().reshape(len(x), -1), dim=1, dtype=torch.float64)


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Every run's global norm (R,) of tensors (R, ...); added one by one, so that no run's place decides its bits."""
    return functools.reduce(
        torch.add, (tensor.flatten(1).square().sum(1) for tensor in tensors)
    ).sqrt()


def by_unit(x: Tensor) -> Tensor:
    """x as (1, N, U): U channels of (B, C, H, W) and the like, else the last axis; (B, T, C) are features of tokens."""
    if x.ndim < 2:
        return x.reshape(1, 1, -1)
    return (x.movedim(1, -1) if x.ndim > 3 else x).reshape(1, -1, x.shape[1 if x.ndim > 3 else -1])


def stacked(values: Values) -> Tensor:
    """Values of one run (R = 1) as one tensor."""
    return torch.cat([value.double() for value in values.values()]) if values else torch.empty(0)


def rows(step: int, keys: Iterable[Key], read: Tensor) -> list[dict[str, Any]]:
    """Stacked values as rows of the table `health`, fetched in one transfer; NaN of no rule is left out."""
    return [
        {"step": step, "kind": kind, "name": name, "index": index, "probe": probe, "value": value}
        for (kind, name, index, probe), value in zip(keys, read.tolist(), strict=True)
        if not (probe == "saturated_fraction" and math.isnan(value))
    ]
