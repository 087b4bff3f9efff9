"""What is read of tensors, for R runs at once: moments, dead and saturated units, norms. A run alone is R = 1."""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from actstudy.nets.activations import ACTIVATIONS

Key = tuple[str, str, int, str]  # kind, name, index, probe
Values = dict[Key, Tensor]  # key -> (R,), NaN where a run has no such probe
CHUNK = {"cpu": 2**18, "cuda": 2**24}  # values summed at a time in float32: as many as a cache holds, or it can count
FEWEST = 16  # values of a unit below which nobody can tell whether it is dead


@torch.no_grad()
def moments(x: Tensor) -> dict[str, Tensor]:
    """Mean, sd, skew, excess kurtosis, min and max of the rows of x (R, N), each (R,) in float64; NaN where N = 0.

    Skew and kurtosis are NaN where all values are equal, but for float32's rounding. Two passes, the second of
    (x - mean) / max|x - mean|, so that no power over- or underflows.
    """
    if not x.numel():
        empty = x.new_full((len(x),), math.nan, dtype=torch.float64)
        return dict.fromkeys(("mean", "sd", "skew", "kurtosis", "min", "max"), empty)
    (mean,) = totals(x, lambda part: [part]) / x.shape[1]
    low, high = x.amin(1).double(), x.amax(1).double()
    reach = torch.maximum(high - mean, mean - low)
    scale = torch.where(reach > 0, reach, 1.0)
    middle, width = (value.to(torch.promote_types(x.dtype, torch.float32))[:, None] for value in (mean, scale))

    def powers(part: Tensor) -> list[Tensor]:
        z = (part - middle) / width
        square = z * z
        return [z, square, square * z, square * square]

    off, r2, r3, r4 = totals(x, powers) / x.shape[1]  # about a mean that float32 sums have rounded
    m2, m3, m4 = r2 - off**2, r3 - 3 * off * r2 + 2 * off**3, r4 - 4 * off * r3 + 6 * off**2 * r2 - 3 * off**4
    sd = m2.sqrt() * scale
    varies = sd > 1e-6 * torch.maximum(low.abs(), high.abs())  # beyond what float32 rounds
    shape = {"skew": m3 / m2**1.5, "kurtosis": m4 / m2**2 - 3}
    shape = {name: torch.where(varies, value, math.nan) for name, value in shape.items()}
    return {"mean": mean + off * scale, "sd": sd, **shape, "min": low, "max": high}


def totals(x: Tensor, terms: Callable[[Tensor], list[Tensor]]) -> Tensor:
    """Sums of terms over each row of x (R, N), (terms, R): in float32 within a part, in float64 over parts."""
    parts = x.split(max(1, CHUNK.get(x.device.type, CHUNK["cuda"]) // len(x)), 1)
    return torch.stack([torch.stack([term.float().sum(1) for term in terms(part)]).double() for part in parts]).sum(0)


@torch.no_grad()
def of_site(activations: Sequence[str | None], pre: Tensor, post: Tensor) -> dict[str, Tensor]:
    """Probes of a site, each (R,) in float64; pre and post (R, N, U): N values of each of U units; NaN where N = 0.

    activations: each run's; None, or one without a rule in its entry, has no saturated fraction.
    """
    values = {f"pre_{name}": value for name, value in moments(pre.flatten(1)).items()}
    values |= {f"post_{name}": value for name, value in moments(post.flatten(1)).items()}
    unknown = torch.full_like(values["pre_mean"], math.nan)
    if not post.numel():
        shares = ("inactive_fraction", "zero_fraction", "dead_fraction", "nonfinite", "saturated_fraction")
        return values | dict.fromkeys(shares, unknown)
    n = post[0].numel()
    inactive, zero, finite = totals(post.flatten(1), lambda part: [part <= 0, part == 0, part * 0 == 0])
    (finite_before,) = totals(pre.flatten(1), lambda part: [part * 0 == 0])
    values |= {
        "inactive_fraction": inactive / n,
        "zero_fraction": zero / n,
        "nonfinite": n + pre[0].numel() - finite - finite_before,
    }
    dead = (post.amax(1) <= 0).double().mean(1)
    values["dead_fraction"] = dead if post.shape[1] >= FEWEST else unknown.clone()
    values["saturated_fraction"], first = unknown, 0
    for name, group in itertools.groupby(activations):
        rows = slice(first, first + len(list(group)))
        first = rows.stop
        if rule := ACTIVATIONS[name].saturated if name else None:
            unknown[rows] = rule(pre[rows], post[rows]).flatten(1).float().mean(1).double()
    return values


def of_sites(
    sites: Mapping[str, Sequence[str | None]], seen: Sequence[tuple[Tensor, Tensor]], gradients: Sequence[Tensor]
) -> Values:
    """Probes of all sites, and the flow ratio: the gradient's norm at the first site over that at the last.

    sites: site -> the activation of each run; seen: pre and post (R, N, U) a site; gradients: at post, (R, ...).
    """
    found = {
        site: {**of_site(names, pre, post), "gradient_norm": norm(gradient)}
        for (site, names), (pre, post), gradient in zip(sites.items(), seen, gradients, strict=True)
    }
    return with_flow(found)


def with_flow(found: Mapping[str, Mapping[str, Tensor]]) -> Values:
    """Site -> probe -> (R,) under their keys, and the flow ratio of the sites whose gradient is known."""
    sites = enumerate(found.items())
    values = {("site", site, i, probe): value for i, (site, probes) in sites for probe, value in probes.items()}
    norms = [probes["gradient_norm"] for probes in found.values() if "gradient_norm" in probes]
    if norms:
        values["model", "model", 0, "flow_ratio"] = torch.where(norms[-1] > 0, norms[0] / norms[-1], math.nan)
    return values


@torch.no_grad()
def of_gradients(names: Sequence[str], gradients: Sequence[Tensor | None]) -> Values:
    """Probes of every parameter's gradient (R, ...), before clipping, and their global norm; None: it has none."""
    values: Values = {}
    found = []
    for index, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
        if gradient is not None:
            found.append(norm(gradient))
            values["parameter", name, index, "gradient_norm"] = found[-1]
            values["parameter", name, index, "gradient_nonfinite"] = (
                (~gradient.isfinite()).reshape(len(gradient), -1).sum(1).double()
            )
    if found:
        values["model", "model", 0, "gradient_norm"] = torch.stack(found).square().sum(0).sqrt()
    return values


@torch.no_grad()
def of_updates(names: Sequence[str], before: Sequence[Tensor], after: Sequence[Tensor]) -> Values:
    """Norms of every parameter (R, ...) before a step, and of the step's change over it, NaN where it was zero."""
    values: Values = {}
    for index, (name, old, new) in enumerate(zip(names, before, after, strict=True)):
        weight = norm(old)
        values["parameter", name, index, "weight_norm"] = weight
        values["parameter", name, index, "update_ratio"] = torch.where(weight > 0, norm(new - old) / weight, math.nan)
    return values


def norm(x: Tensor) -> Tensor:
    """The L2 norm of each run's part of x (R, ...), (R,) in float64: gradients of 1e-30 have one too."""
    return torch.linalg.vector_norm(x.detach().reshape(len(x), -1), dim=1, dtype=torch.float64)


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Every run's global norm (R,) of tensors (R, ...); added one by one, so that no run's place decides its bits."""
    return functools.reduce(torch.add, (tensor.flatten(1).square().sum(1) for tensor in tensors)).sqrt()


def by_unit(x: Tensor) -> Tensor:
    """x as (1, N, U): U channels of (B, C, H, W) and the like, else the last axis; (B, T, C) are features of tokens."""
    if x.ndim < 2:
        return x.reshape(1, 1, -1)
    return (x.movedim(1, -1) if x.ndim > 3 else x).reshape(1, -1, x.shape[1 if x.ndim > 3 else -1])


def rows(step: int, values: Values) -> list[dict[str, Any]]:
    """Values of one run (R = 1) as rows of the table `health`, fetched in one transfer; NaN of no rule is left out."""
    fetched = torch.cat([value.double() for value in values.values()]).tolist() if values else []
    return [
        {"step": step, "kind": kind, "name": name, "index": index, "probe": probe, "value": value}
        for (kind, name, index, probe), value in zip(values, fetched, strict=True)
        if not (probe == "saturated_fraction" and math.isnan(value))
    ]
