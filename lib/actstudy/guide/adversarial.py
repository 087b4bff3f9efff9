"""Measurement: small GANs on a ring of normal distributions, by what their discriminator uses."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract.reading import Reading, mean_of
from actstudy.guide.choices import Choice, conditions
from actstudy.guide.stacked import Stack

RADIUS = 2.0
SD = 0.1  # of each distribution of the ring
WITHIN = 3 * SD  # a point so near to a centre is of its distribution
LEAST = 0.01  # of all points: a distribution with so many is covered
LATENT = 8  # values that a generator begins with
BETAS = (0.5, 0.999)  # of Adam, as in Radford et al. 2016, arXiv:1511.06434
POINTS = 1000  # per look
LOOKS = 10  # in the last quarter of a training


def adversarial(
    activation: Choice | list[Choice] = "leaky_relu",
    against: Choice = "relu",
    generator: Choice = "relu",
    hidden: Sequence[int] = (64, 64),
    modes: int = 8,
    lr: float | list[float] = 1e-3,
    steps: int = 2000,
    batch: int = 64,
    seeds: int = 10,
) -> list[Reading]:
    """How much nearer GANs come to a ring of distributions with an activation in D: `better`.

    `distance`: the energy distance (Szekely and Rizzo 2013) of generated points to true ones, the
    mean over ten looks in the last quarter of the steps; `distance_against`: with the other
    activation; `better`: the latter minus the former, paired by seed. `covered` and
    `covered_against`: the share of the ring's distributions that have 1% of the points or more.
    The loss is that of Goodfellow et al. 2014 that does not saturate.
    """
    readings = []
    for text, at in conditions(activation=activation, lr=lr):
        sides = []
        for act in (at["activation"], against):
            nets = (
                Stack([LATENT, *hidden, 2], generator, "auto", seeds),
                Stack([2, *hidden, 1], act, "auto", seeds),
            )
            sides.append(_course(*nets, modes, at["lr"], steps, batch))
        (distance, covered), (other, other_covered) = sides
        values = {
            "better": other - distance,
            "distance": distance,
            "distance_against": other,
            "covered": covered,
            "covered_against": other_covered,
        }
        means = {name: mean_of(each.tolist()) for name, each in values.items()}
        readings.append(Reading(means, text))
    return readings


def _course(
    maker: Stack, judge: Stack, modes: int, lr: float, steps: int, batch: int
) -> tuple[Tensor, Tensor]:
    """Energy distance and covered share (R,), means of looks, of a training of both nets."""
    draws = torch.Generator().manual_seed(0)  # the same for each activation
    updates = [
        torch.optim.Adam(net.parameters(), lr, betas=BETAS, fused=True) for net in (maker, judge)
    ]
    every = max(steps // (4 * LOOKS), 1)
    looks = []
    for step in range(1, steps + 1):
        fake = maker(torch.randn(maker.runs, batch, LATENT, generator=draws))
        real = ring(maker.runs, batch, modes, draws)
        updates[1].zero_grad()
        loss = functional.softplus(-judge(real)) + functional.softplus(judge(fake.detach()))
        loss.mean((1, 2)).sum().backward()
        updates[1].step()
        updates[0].zero_grad()
        functional.softplus(-judge(fake)).mean((1, 2)).sum().backward()
        updates[0].step()
        if step > 3 * steps // 4 and step % every == 0:
            looks.append(_look(maker, modes, draws))
    distances, covered = zip(*looks, strict=True)
    return torch.stack(distances).mean(0), torch.stack(covered).mean(0)


def _look(net: Stack, modes: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Energy distance and covered share (R,) of points that are generated now."""
    with torch.no_grad():
        points = net(torch.randn(net.runs, POINTS, LATENT, generator=draws))
        true = ring(net.runs, POINTS, modes, draws)
        return energy_distance(points, true), covering(points, modes)


def centres(modes: int) -> Tensor:
    """The centres (modes, 2) of the ring's distributions."""
    angles = torch.arange(modes) * (2 * math.pi / modes)
    return RADIUS * torch.stack([angles.cos(), angles.sin()], 1)


def ring(runs: int, n: int, modes: int, draws: torch.Generator) -> Tensor:
    """Points (R, n, 2) of a ring of normal distributions."""
    which = torch.randint(modes, (runs, n), generator=draws)
    return centres(modes)[which] + SD * torch.randn(runs, n, 2, generator=draws)


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """2 E|x - y| - E|x - x'| - E|y - y'| (R,) of points x (R, N, 2) and y (R, M, 2)."""
    return 2 * torch.cdist(x, y).mean((1, 2)) - _within(x) - _within(y)


def _within(x: Tensor) -> Tensor:
    """The mean distance (R,) of two different points of x (R, N, 2)."""
    n = x.shape[1]
    return torch.cdist(x, x).sum((1, 2)) / (n * (n - 1))


def covering(points: Tensor, modes: int) -> Tensor:
    """The share (R,) of the ring's distributions with LEAST of the points (R, N, 2) or more."""
    is_within = torch.cdist(points, centres(modes)) < WITHIN
    return (is_within.double().mean(1) >= LEAST).double().mean(1)


MEASUREMENTS = {"adversarial": adversarial}
