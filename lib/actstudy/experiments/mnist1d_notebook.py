"""A published training in miniature, as its authors did it, down to the random draws."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.contract import store
from actstudy.nets.activations import ACTIVATIONS

TASK = "mnist1d_mlp"
N_SAMPLES = 10_000
INPUTS = 40
HIDDEN = 128
CLASSES = 10
BATCH_SIZE = 100
STEPS = 301
LR = 1e-2
DECAY = 0.4
EPSILON = 1e-8
NOISE = 0.1


def mnist1d() -> tuple[Tensor, Tensor]:
    """The 8,000 train signals of 10,000 samples, data seed 42.

    x (N, 40) float32 and labels y (N,).
    """
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples = N_SAMPLES
    arrays = make_dataset(arguments)
    return torch.tensor(arrays["x"], dtype=torch.float32), torch.tensor(arrays["y"])


def mnist1d_mlp(activation: str, seed: int, x: Tensor, y: Tensor) -> list[float]:
    """The train loss of each of 301 steps of a notebook of greydanus/mnist1d.

    The notebook is `8. metalearn_activation_function.ipynb`. One hidden layer of torch's default
    Linear; batches in sequence, never shuffled. After the activation one vector of noise
    0.1 U(-1, 1), shared by the batch. The authors' RMSprop: no bias correction, running average
    from 1. They seed before the weights and again before training, and each step but the first
    also tests, which draws noise too.
    """
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = nn.Linear(INPUTS, HIDDEN)
        head = nn.Linear(HIDDEN, CLASSES)
        parameters = [*hidden.parameters(), *head.parameters()]
        torch.manual_seed(seed)
        act = ACTIVATIONS[activation].factory()
        averages = [torch.ones_like(parameter) for parameter in parameters]
        for step in range(STEPS):
            first = step * BATCH_SIZE % len(x)
            batch = slice(first, first + BATCH_SIZE)
            noise = NOISE * (2 * torch.rand(1, HIDDEN) - 1)
            h = act(hidden(x[batch])) + noise
            loss = functional.cross_entropy(head(h), y[batch])
            _rmsprop(parameters, averages, torch.autograd.grad(loss, parameters))
            losses.append(loss.item())
            if step:
                torch.rand(1, HIDDEN)  # the authors' test of this step
    return losses


@torch.no_grad()
def _rmsprop(
    parameters: Sequence[Tensor], averages: Sequence[Tensor], gradients: Sequence[Tensor]
) -> None:
    """average <- 0.4 average + 0.6 g^2; parameter <- parameter - lr g / (sqrt(average) + 1e-8)."""
    for parameter, average, gradient in zip(parameters, averages, gradients, strict=True):
        average.mul_(DECAY).add_(gradient**2, alpha=1 - DECAY)
        parameter.sub_(LR * gradient / (average.sqrt() + EPSILON))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: two of them sum in another order, which moves relu's mean by 5e-4."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def write(
    activations: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Train each activation with each seed; write the train losses as Parquet, a row per step.

    report: called with a line before each training.
    """
    x, y = mnist1d()
    parts: list[pa.Table] = []
    for level in activations:
        for seed in seeds:
            count = f"{len(parts) + 1} of {len(activations) * len(seeds)}"
            report(f"training {level}, seed {seed}, {count}")
            with one_thread():
                losses = np.array(mnist1d_mlp(level, seed, x, y))
            n = len(losses)
            columns = {
                "task": [TASK] * n,
                "group": [""] * n,
                "level": [level] * n,
                "seed": [seed] * n,
                "run_id": [f"{level}-s{seed}"] * n,
                "split": ["train"] * n,
                "metric": ["loss"] * n,
                "step": np.arange(n),
                "epoch": np.arange(n) * BATCH_SIZE / len(x),
                "value": losses,
            }
            parts.append(pa.table(columns))
    with store.replacing(out) as draft:
        pq.write_table(pa.concat_tables(parts), draft)
