"""Measurements: units that never fire, at the start and after training."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from actstudy.contract.reading import Reading, exact, mean_of
from actstudy.contract.streams import stream
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions, parts
from actstudy.guide.stacked import Stack
from actstudy.guide.units import units


def firing(
    weights: Sequence[float], bias: float, inputs: list[Choice], n: int = 100_000
) -> list[Reading]:
    """The share of inputs for which a unit with these weights is above 0: `active`.

    inputs: `{normal: {sd: 1}}` or `{uniform: {from: 0, to: 1}}`, independent in each place.
    """
    readings = []
    for text, at in conditions(inputs=inputs):
        x = random_inputs(at["inputs"], (n, len(weights)))
        active = x @ np.asarray(weights) + bias > 0
        readings.append(Reading({"active": exact(active.mean(), n=n)}, text))
    return readings


def firing_with_bias(
    bias: float, inputs: list[Choice], width: int = 100, seeds: int = 1000, n: int = 1000
) -> list[Reading]:
    """How often units with torch's default weights and this bias fire: `active`, `ever_active`."""
    readings = []
    weights = np.stack([stream(seed, "guide/unit").uniform(-1, 1, width) for seed in range(seeds)])
    for text, at in conditions(inputs=inputs):
        x = random_inputs(at["inputs"], (n, width))
        active = x @ weights.T / np.sqrt(width) + bias > 0
        values = {"active": exact(active.mean(), n=active.size)}
        values["ever_active"] = exact(active.any(0).mean(), n=seeds)
        readings.append(Reading(values, text))
    return readings


def random_inputs(kind: Choice, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Inputs of a distribution: normal with `sd`, uniform with `from` and `to`."""
    name, args = parts(kind)
    rng = stream(seed, "guide/inputs")
    if name == "normal" and args.keys() <= {"sd"}:
        return rng.standard_normal(shape) * args.get("sd", 1.0)
    if name == "uniform" and args.keys() <= {"from", "to"}:
        return rng.uniform(args.get("from", 0.0), args.get("to", 1.0), shape)
    raise ValueError(f"inputs: got {kind!r}; allowed: normal with sd, uniform with from and to")


def dead_at_start(
    activation: Choice = "relu",
    init: Choice | list[Choice] = "he_normal",
    against: Choice | list[Choice] = "",
    widths: Sequence[int] = (100, 256, 128),
    inputs: Choice | list[Choice] = "normal",
    batch: int = 128,
    seeds: int = 100,
    after: Choice | list[Choice] = "init",
) -> list[Reading]:
    """The share of hidden units that are dead for all of one batch, means over seeds.

    after: `init`, or a step on that batch with random labels, such as `{adam: {lr: 0.001}}`.
    `fewer`: by how much it is below that of the init `against`, paired by seed, 0 without one.
    """
    readings = []
    for text, at in conditions(init=init, inputs=inputs, after=after, against=against):
        shape = (seeds, batch, widths[0])
        x = torch.from_numpy(random_inputs(at["inputs"], shape)).float()
        dead = _dead_after(activation, at["init"], widths, x, at["after"])
        other = dead
        if at["against"]:
            other = _dead_after(activation, at["against"], widths, x, at["after"])
        values = {"dead": mean_of(dead.tolist()), "fewer": mean_of((other - dead).tolist())}
        readings.append(Reading(values, text))
    return readings


def _dead_after(
    act: Choice, init: Choice, widths: Sequence[int], x: Tensor, after: Choice
) -> Tensor:
    """The share of dead units (R,) for x (R, B, features)."""
    net = Stack([*widths, lessons.CLASSES], act, init, len(x))
    name, args = parts(after)
    if name != "init":
        rng = stream(0, "guide/labels")
        y = torch.from_numpy(rng.integers(lessons.CLASSES, size=x.shape[:2]))
        lessons.cross_entropy(net(x), y).sum().backward()
        lessons.optimizer(name, net, args.get("lr", 1e-3)).step()
    return units(net, x).dead.double().mean(1)


MEASUREMENTS = {
    "firing": firing,
    "firing_with_bias": firing_with_bias,
    "dead_at_start": dead_at_start,
}
