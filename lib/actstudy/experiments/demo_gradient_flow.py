"""Demo: gradients at every layer of a deep network before any training, per initialisation."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from actstudy.contract import own, registry
from actstudy.contract.streams import stream
from actstudy.guide.lessons import CLASSES, cross_entropy
from actstudy.guide.stacked import Stack, normal_inputs

INITS = ("torch_default", "xavier_normal", "he_normal", "auto")
DEPTH = 20
WIDTH = 64
BATCH = 64
SEEDS = 20


def table(activations: Sequence[str]) -> pa.Table:
    """A row per activation, init, layer (0: the inputs) and seed.

    gradient: norm of the loss's gradient there, over that at the last layer.
    """
    labels = own.labels(activations, registry.activations())
    rows = []
    for name in activations:
        for init in INITS:
            for layer, of_seeds in enumerate(ratios(name, init)):
                place = {"activation": labels[name], "init": init, "layer": layer}
                for seed, ratio in enumerate(of_seeds.tolist()):
                    rows.append({**place, "seed": seed, "gradient": ratio})
    return pa.Table.from_pylist(rows)


def ratios(activation: str, init: str) -> Iterator[Tensor]:
    """The ratios (R,) of the inputs and of each layer's output."""
    net = Stack([WIDTH] * (DEPTH + 1) + [CLASSES], activation, init, SEEDS, dtype=torch.float64)
    x = normal_inputs(SEEDS, BATCH, WIDTH, torch.float64).requires_grad_()
    draws = [stream(seed, "demo/labels").integers(CLASSES, size=BATCH) for seed in range(SEEDS)]
    seen: list[tuple[Tensor, Tensor]] = []
    loss = cross_entropy(net(x, seen), torch.from_numpy(np.stack(draws))).sum()
    places = [x, *(post for _, post in seen)]
    norms = [grad.flatten(1).norm(dim=1) for grad in torch.autograd.grad(loss, places)]
    for norm in norms:
        yield norm / norms[-1]
