"""Probes of tensors, for R runs at once: moments, shares of units and values, norms.

A single run is R = 1.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from actstudy.health.moments import MOMENTS, PASSES, Passes, all_moments, totals
from actstudy.nets.activations import entry

Key = tuple[str, str, int, str]  # kind, name, index, probe
Values = dict[Key, Tensor]  # key -> (R,), NaN if a run has no such probe
SHARES = ("inactive_fraction", "zero_fraction", "nonfinite", "dead_fraction", "saturated_fraction")
MIN_UNIT_VALUES = 16  # minimum values per unit of `dead_fraction`


def of_site(activations: Sequence[str | None], pre: Tensor, post: Tensor) -> dict[str, Tensor]:
    """Probes of a site, each (R,) in float64; NaN if N = 0.

    pre and post: (R, N, U), N values of each of U units; activations: each run's; None, or one
    without a rule in its entry, has no saturated fraction.
    """
    if pre.numel() and post.numel():
        return of_each([activations], [(pre, post)])[0]
    names = [f"{side}_{name}" for side in ("pre", "post") for name in MOMENTS]
    nothing = post.new_full((len(post),), math.nan, dtype=torch.float64)
    return dict.fromkeys([*names, *SHARES], nothing)


@torch.no_grad()
def of_each(
    activations: Sequence[Sequence[str | None]],
    seen: Sequence[tuple[Tensor, Tensor]],
    passes: Passes = PASSES,
) -> list[dict[str, Tensor]]:
    """Probes of each of S sites, as of_site returns them of one; every site must have values.

    activations: the runs' at each site; seen: pre and post (R, N, U) of each site.
    """
    pres = [pre.flatten(1) for pre, _ in seen]
    posts = [post.flatten(1) for _, post in seen]
    values = {}
    for side, tensors in (("pre", pres), ("post", posts)):
        for name, value in all_moments(tensors, passes).items():
            values[f"{side}_{name}"] = value
    post_counts = [totals(post, _counted_after) for post in posts]
    pre_counts = [totals(pre, _counted_before) for pre in pres]
    fractions = []
    nonfinite = []
    for pre, post, before, after in zip(pres, posts, pre_counts, post_counts, strict=True):
        fractions.append(after / post.shape[1])
        nonfinite.append(pre.shape[1] + post.shape[1] - before[0] - after[2])
    shares = torch.stack(fractions, 1)
    values["inactive_fraction"] = shares[0]
    values["zero_fraction"] = shares[1]
    values["nonfinite"] = torch.stack(nonfinite)
    values["dead_fraction"] = torch.stack([_never_positive(post) for _, post in seen])
    saturated = [_saturated(*site) for site in zip(activations, seen, strict=True)]
    values["saturated_fraction"] = torch.stack(saturated)
    probes: list[dict[str, Tensor]] = [{} for _ in seen]
    for name, value in values.items():
        for site, site_value in zip(probes, value.unbind(), strict=True):
            site[name] = site_value
    return probes


def _counted_after(post: Tensor) -> list[Tensor]:
    """Masks of values that are not above zero, that are zero, that are finite."""
    return [post <= 0, post == 0, post * 0 == 0]


def _counted_before(pre: Tensor) -> list[Tensor]:
    """Mask of values that are finite."""
    return [pre * 0 == 0]


def _never_positive(post: Tensor) -> Tensor:
    """Share (R,) of units never above zero; NaN if a unit has too few values."""
    if post.shape[1] < MIN_UNIT_VALUES:
        return post.new_full((len(post),), math.nan, dtype=torch.float64)
    return (post.amax(1) <= 0).double().mean(1)


def _saturated(activations: Sequence[str | None], seen: tuple[Tensor, Tensor]) -> Tensor:
    """Share (R,) of values in the flat part of each run's activation; NaN if it has no rule."""
    pre, post = seen
    shares = torch.full_like(post[:, 0, 0], math.nan, dtype=torch.float64)
    first = 0
    for name, group in itertools.groupby(activations):
        runs = slice(first, first + len(list(group)))
        first = runs.stop
        rule = entry(name).saturated if name else None
        if rule:
            shares[runs] = rule(pre[runs], post[runs]).flatten(1).float().mean(1).double()
    return shares


def of_sites(
    sites: Mapping[str, Sequence[str | None]],
    seen: Sequence[tuple[Tensor, Tensor]],
    gradients: Sequence[Tensor],
    passes: Passes = PASSES,
) -> Values:
    """Probes of all sites, and the flow ratio: the gradient's norm at the first over the last site.

    sites: site -> the activation of each run; seen: pre and post (R, N, U) of each site;
    gradients: at post, (R, ...).
    """
    activations = list(sites.values())
    if all(x.numel() for pair in seen for x in pair):
        probes_of_sites = of_each(activations, seen, passes)
    else:
        probes_of_sites = []
        for names, (pre, post) in zip(activations, seen, strict=True):
            probes_of_sites.append(of_site(names, pre, post))
    probes = {}
    for site, site_probes, gradient in zip(sites, probes_of_sites, gradients, strict=True):
        probes[site] = {**site_probes, "gradient_norm": norm(gradient)}
    return with_flow(probes)


def with_flow(probes: Mapping[str, Mapping[str, Tensor]]) -> Values:
    """Site -> probe -> (R,) under their keys, and the flow ratio of sites with a known gradient."""
    values: Values = {}
    norms = []
    for index, (site, site_probes) in enumerate(probes.items()):
        for probe, value in site_probes.items():
            values["site", site, index, probe] = value
        if "gradient_norm" in site_probes:
            norms.append(site_probes["gradient_norm"])
    if norms:
        ratio = torch.where(norms[-1] > 0, norms[0] / norms[-1], math.nan)
        values["model", "model", 0, "flow_ratio"] = ratio
    return values


@torch.no_grad()
def of_gradients(
    names: Sequence[str], gradients: Sequence[Tensor | None], n_of_all: int | None = None
) -> Values:
    """Probes of every parameter's gradient (R, ...), before clipping, and their global norm.

    None is a parameter without gradient, which has no probes. n_of_all: the first so many are of
    all runs; the others, with rows of zeros, are added to the global norm one by one, so that no
    run's bits depend on what the others have. None: all are.
    """
    keys = []
    known = []
    for index, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
        if gradient is not None:
            keys.append((name, index))
            known.append(gradient)
    if not known:
        return {}
    each = each_norm(known)
    zeros = torch._foreach_sub(known, known)  # NaN if the gradient is not finite
    nonfinite = torch.stack([(x != 0).reshape(len(x), -1).sum(1) for x in zeros]).double()
    values: Values = {}
    pairs = zip(each.unbind(), nonfinite.unbind(), strict=True)
    for (name, index), (known_norm, count) in zip(keys, pairs, strict=True):
        values["parameter", name, index, "gradient_norm"] = known_norm
        values["parameter", name, index, "gradient_nonfinite"] = count
    total = each[:n_of_all].square().sum(0)
    for of_some in each[len(each) if n_of_all is None else n_of_all :]:
        total = total + of_some.square()
    values["model", "model", 0, "gradient_norm"] = total.sqrt()
    return values


@torch.no_grad()
def of_updates(names: Sequence[str], before: Sequence[Tensor], after: Sequence[Tensor]) -> Values:
    """Norms of every parameter (R, ...) before a step, and of the step's change over it.

    The ratio is NaN if the norm was zero.
    """
    if not names:
        return {}
    weights = each_norm(before)
    changes = each_norm(torch._foreach_sub(list(after), list(before)))
    ratios = torch.where(weights > 0, changes / weights, math.nan)
    pairs = zip(weights.unbind(), ratios.unbind(), strict=True)
    values: Values = {}
    for index, (name, (weight, ratio)) in enumerate(zip(names, pairs, strict=True)):
        values["parameter", name, index, "weight_norm"] = weight
        values["parameter", name, index, "update_ratio"] = ratio
    return values


def each_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The L2 norm of each run's part of each of P tensors (R, ...), (P, R) in float64."""
    if all(len(x) == 1 for x in tensors):  # many in one launch
        detached = [x.detach() for x in tensors]
        return torch.stack(torch._foreach_norm(detached, dtype=torch.float64))[:, None]
    return torch.stack([norm(x) for x in tensors])


def norm(x: Tensor) -> Tensor:
    """The L2 norm of each run's part of x (R, ...), (R,) in float64: also of values of 1e-30."""
    return torch.linalg.vector_norm(x.detach().reshape(len(x), -1), dim=1, dtype=torch.float64)


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Every run's global norm (R,) of tensors (R, ...).

    Squares are added tensor by tensor, so that no run's place decides its bits.
    """
    squares = (tensor.flatten(1).square().sum(1) for tensor in tensors)
    return functools.reduce(torch.add, squares).sqrt()


def by_unit(x: Tensor, axis: int | None = None) -> Tensor:
    """x as (1, N, U): the units are on `axis`; if None, on 1 of (B, C, H, W) and the like, else -1.

    The units of (B, T, C) are the features of tokens.
    """
    if x.ndim < 2:
        return x.reshape(1, 1, -1)
    if axis is None:
        axis = 1 if x.ndim > 3 else -1
    return x.movedim(axis, -1).reshape(1, -1, x.shape[axis])


def stacked(values: Values) -> Tensor:
    """Values of one run (R = 1) as one tensor, empty if there are none."""
    if not values:
        return torch.empty(0)
    return torch.cat([value.double() for value in values.values()])


def rows(step: int, keys: Iterable[Key], read: Tensor) -> list[dict[str, Any]]:
    """Stacked values as rows of the table `health`, fetched in one transfer.

    A saturated fraction that is NaN, as the activation has no rule, has no row.
    """
    table = []
    for (kind, name, index, probe), value in zip(keys, read.tolist(), strict=True):
        if probe == "saturated_fraction" and math.isnan(value):
            continue
        place = {"step": step, "kind": kind, "name": name, "index": index}
        table.append({**place, "probe": probe, "value": value})
    return table
