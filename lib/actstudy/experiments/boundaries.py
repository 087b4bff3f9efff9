"""Toy problems in the plane, learnt by the same small network with each activation, in seconds."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract import own, own_import, registry, store
from actstudy.contract.streams import stream
from actstudy.nets.activations import Sites
from actstudy.nets.initializers import initialize
from actstudy.nets.mlp import MLP
from actstudy.training.optim import uncompiled

SEED = 0
N_TRAIN = 200
N_TEST = 200
N_GRID = 60  # points per side of the grid
REACH = 1.8  # the grid covers [-1.8, 1.8] in both directions
HIDDEN = (8, 8)
STEPS = 400
LR = 0.02
Points = tuple[np.ndarray, np.ndarray]  # x (N, 2), y (N,) of 0 and 1
Problem = Callable[[np.random.Generator, int], Points]


def circle(rng: np.random.Generator, n: int) -> Points:
    """A disc of radius 0.8 within a ring from 1 to 1.5, evenly filled, one class each."""
    y = np.arange(n) % 2
    radius = np.sqrt(np.where(y == 1, rng.uniform(0, 0.8**2, n), rng.uniform(1.0, 1.5**2, n)))
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), y


def moons(rng: np.random.Generator, n: int) -> Points:
    """Two half circles that reach into each other, with noise of sd 0.1."""
    y = np.arange(n) % 2
    angle = rng.uniform(0, np.pi, n)
    side = 1 - 2 * y
    x = np.stack([side * np.cos(angle) + y - 0.5, side * np.sin(angle) + y / 2 - 0.25], 1)
    return x + rng.normal(0, 0.1, (n, 2)), y


def xor(rng: np.random.Generator, n: int) -> Points:
    """Four quarters of a square of side 3; opposite ones share a class."""
    x = rng.uniform(-1.5, 1.5, (n, 2))
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


PROBLEMS: dict[str, Problem] = {
    "circle": circle,
    "moons": moons,
    "XOR": xor,
}


def learn(activation: str, x: np.ndarray, y: np.ndarray) -> MLP:
    """An MLP trained on all points at once by Adam; the same initial draws for every activation."""
    sites = Sites(activation, {})
    model = MLP(2, HIDDEN, 2, sites)
    inputs = torch.from_numpy(x).float()
    labels = torch.from_numpy(y)
    initialize(model, sites, "auto", {}, SEED, lambda: model(inputs[:2]).sum())
    optimizer = uncompiled(partial(torch.optim.Adam, model.parameters(), LR))
    for _ in range(STEPS):
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return model


def probabilities(
    activation: str, x: np.ndarray, y: np.ndarray, points: np.ndarray
) -> np.ndarray | None:
    """Probabilities (N,) of class 1 at points (N, 2), learnt from x and y: NaN if it diverged.

    None if an activation of someone's own raises, which must not cost a study its page.
    """
    try:
        model = learn(activation, x, y)
        with torch.no_grad():
            logits: Tensor = model(torch.from_numpy(points).float())
        return logits.softmax(1)[:, 1].numpy()
    except Exception as error:
        if not own.is_path(activation):
            raise
        print(f"boundaries: {activation}: {own_import.blame(error)}", file=sys.stderr)
        return None


def write(activations: Sequence[str], out: Path) -> None:
    """Write the table of PROBLEMS as Parquet."""
    with store.replacing(out) as draft:
        pq.write_table(table(activations, PROBLEMS), draft)


def table(activations: Sequence[str], problems: Mapping[str, Problem]) -> pa.Table:
    """Probabilities of class 1 on a grid and on test points of each problem.

    There is one table row per point, problem and activation; the grid's points have no label, and
    the probability is null where `failed` says that the activation raised an error.
    """
    labels_by_name = own.labels(activations, registry.activations())
    line = np.linspace(-REACH, REACH, N_GRID)
    grid = np.stack(np.meshgrid(line, line), 2).reshape(-1, 2)
    kinds = ["grid"] * len(grid) + ["test"] * N_TEST
    parts = []
    for problem, draw in problems.items():
        x, y = draw(stream(SEED, f"boundaries/{problem}"), N_TRAIN + N_TEST)
        points = np.concatenate([grid, x[N_TRAIN:]])
        labels = [None] * len(grid) + y[N_TRAIN:].tolist()
        for activation in activations:
            probability = probabilities(activation, x[:N_TRAIN], y[:N_TRAIN], points)
            failed = probability is None
            columns = {
                "problem": [problem] * len(points),
                "activation": [labels_by_name[activation]] * len(points),
                "kind": kinds,
                "x": points[:, 0],
                "y": points[:, 1],
                "label": labels,
                "probability": pa.nulls(len(points), pa.float32()) if failed else probability,
                "failed": [failed] * len(points),
            }
            parts.append(pa.table(columns))
    return pa.concat_tables(parts)
