"""Published trainings in miniature, each as its authors did it, down to the random draws."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.contract import store
from actstudy.nets.activations import ACTIVATIONS

INPUTS, HIDDEN, CLASSES, N_SAMPLES = 40, 128, 10, 10_000
BATCH, STEPS, LR, DECAY, EPSILON, NOISE = 100, 301, 1e-2, 0.4, 1e-8, 0.1
TASK = "mnist1d_mlp"


def mnist1d() -> tuple[Tensor, Tensor]:
    """The 8,000 train signals x (N, 40) float32 and labels y (N,) of 10,000 samples, data seed 42."""
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples = N_SAMPLES
    made = make_dataset(arguments)
    return torch.tensor(made["x"], dtype=torch.float32), torch.tensor(made["y"])


def mnist1d_mlp(activation: str, seed: int, x: Tensor, y: Tensor) -> list[float]:
    """The train loss of each of 301 steps: greydanus/mnist1d, notebooks/8. metalearn_activation_function.ipynb.

    One hidden layer of torch's default Linear; batches in sequence, never shuffled. After the activation one vector of
    noise 0.1 U(-1, 1), shared by the batch. The authors' RMSprop: no bias correction, running average from 1. They
    seed before the weights and again before training, and each step but the first also tests, which draws noise too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parameters = [
            *nn.Linear(INPUTS, HIDDEN).parameters(),
            *nn.Linear(HIDDEN, CLASSES).parameters(),
        ]
        torch.manual_seed(seed)
        act, averages, losses = (
            ACTIVATIONS[activation].factory(),
            [torch.ones_like(p) for p in parameters],
            [],
        )
        for step in range(STEPS):
            at = step * BATCH % len(x)
            w1, b1, w2, b2 = parameters
            noise = NOISE * (2 * torch.rand(1, HIDDEN) - 1)
            h = act(functional.linear(x[at : at + BATCH], w1, b1)) + noise
            loss = functional.cross_entropy(functional.linear(h, w2, b2), y[at : at + BATCH])
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


def write(activations: Sequence[str], seeds: Sequence[int], out: Path) -> None:
    """Train each activation with each seed; write a row a step as Parquet: task, group, level, seed, run_id, value."""
    (x, y), parts = mnist1d(), []
    for level in activations:
        for seed in seeds:
            values = np.array(mnist1d_mlp(level, seed, x, y))
            n = len(values)
            labels = {
                "task": [TASK] * n,
                "group": [""] * n,
                "level": [level] * n,
                "seed": [seed] * n,
            }
            labels |= {
                "run_id": [f"{level}-s{seed}"] * n,
                "split": ["train"] * n,
                "metric": ["loss"] * n,
            }
            parts.append(
                pa.table(
                    {
                        **labels,
                        "step": np.arange(n),
                        "epoch": np.arange(n) * BATCH / len(x),
                        "value": values,
                    }
                )
            )
    with store.replacing(out) as draft:
        pq.write_table(pa.concat_tables(parts), draft)
