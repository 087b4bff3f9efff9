"""Demo: five small experiments on MNIST-1D, whose table a notebook reads."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from itertools import product
from typing import Any

import pyarrow as pa
import torch

from actstudy.experiments.demo_gradient_flow import ratios
from actstudy.guide import lessons
from actstudy.guide.choices import activation
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import PerRun, Stack
from actstudy.guide.units import units

DATA = "mnist1d"
SEEDS = 4
STEPS = 300
LR = 3e-3
EVERY = 20  # steps between points of a loss curve
WIDTH = 64
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "gelu", "silu")
PAIRED = ("tanh", "relu", "selu")
INITS = ("xavier_normal", "he_normal", "lecun_normal")
DEPTH = 8  # of the networks with pairs of activations and initialisations
EARLY_LATE = ("tanh", "gelu")
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
Row = dict[str, Any]


def table() -> pa.Table:
    """A row per experiment, activation, condition, metric, step and seed."""
    rows = []
    for experiment in (_activations, _flow, _pairs, _hybrids, _precisions):
        name = experiment.__name__.removeprefix("_")
        rows += [{"experiment": name, **row} for row in experiment()]
    return pa.Table.from_pylist(rows)


def _lesson(act: str, depth: int = 2, init: str = "he_normal") -> Lesson:
    """A training by Adam; the networks of each lesson have the same batches."""
    hidden = (WIDTH,) * depth
    return Lesson((act, ()), hidden, (init, ()), data=DATA, lr=LR, steps=STEPS, seeds=SEEDS)


def _rows(place: Mapping[str, Any], metric: str, values: torch.Tensor, step: int) -> Iterator[Row]:
    """A row per seed of values (R,)."""
    for seed, value in enumerate(values.tolist()):
        yield {**place, "metric": metric, "step": step, "seed": seed, "value": value}


def _trained(place: Mapping[str, Any], net: Stack, lesson: Lesson) -> Iterator[Row]:
    """Rows of the loss on the way, and of accuracy and dead units before and after."""
    data = lesson.examples()
    yield from _rows(place, "dead", units(net, data.x).dead.double().mean(1), 0)
    for step, losses in enumerate(lessons.train(net, lesson)):
        if step % EVERY == 0:
            yield from _rows(place, "loss", losses, step)
    yield from _rows(place, "accuracy", lessons.accuracy(net, data), STEPS)
    yield from _rows(place, "dead", units(net, data.x).dead.double().mean(1), STEPS)


def _activations() -> Iterator[Row]:
    """The same data and networks, different activations."""
    for name in ACTIVATIONS:
        lesson = _lesson(name)
        yield from _trained({"activation": name, "condition": ""}, lesson.net(), lesson)


def _flow() -> Iterator[Row]:
    """Gradients at each layer of 20 over that at the last, before training; step: the layer."""
    for name in ACTIVATIONS:
        place = {"activation": name, "condition": "he_normal"}
        for layer, of_seeds in enumerate(ratios(name, "he_normal")):
            yield from _rows(place, "gradient", of_seeds, layer)


def _pairs() -> Iterator[Row]:
    """Each activation with each initialisation, in eight layers."""
    for name, init in product(PAIRED, INITS):
        lesson = _lesson(name, DEPTH, init)
        yield from _trained({"activation": name, "condition": init}, lesson.net(), lesson)


def _hybrids() -> Iterator[Row]:
    """One activation in the first half of eight layers, another in the second; condition: late."""
    for early, late in product(EARLY_LATE, repeat=2):
        lesson = _lesson(early, DEPTH)
        net = lesson.net()
        for layer in range(DEPTH // 2, DEPTH):
            net.activations[layer] = PerRun(activation(late, WIDTH), SEEDS)
        yield from _trained({"activation": early, "condition": late}, net, lesson)


def _precisions() -> Iterator[Row]:
    """Forward passes in fewer bits under autocast; weights and Adam stay in float32."""
    for name, (precision, dtype) in product(PAIRED, PRECISIONS.items()):
        lesson = _lesson(name)
        place = {"activation": name, "condition": precision}
        # without its cache, which would keep the weights of the first step
        casts = torch.autocast("cpu", dtype, cache_enabled=False) if dtype else nullcontext()
        with casts:
            yield from _trained(place, lesson.net(), lesson)
