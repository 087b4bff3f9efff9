"""Which train examples each step takes and what is done to them, and which ones the probes read."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from actstudy.contract.spec import RunSpec
from actstudy.contract.streams import epoch_order, stream
from actstudy.data import augment, mix
from actstudy.nets import drop_path
from actstudy.training.engine import Engine, count_labels

# Upper limits of the probe batch: a probe should cost about one training step.
MAX_PROBE_EXAMPLES = 256
MAX_PROBE_TOKENS = 2**11
MAX_PROBE_VALUES = 2**19


def order_seeds(engine: Engine) -> list[int]:
    """The distinct seeds of the runs' orders, as the runs have them."""
    return list(dict.fromkeys(progress.order_seed for progress in engine.progress))


def batches(engine: Engine, first: int) -> Iterator[tuple[int, Tensor]]:
    """Each step from `first` on, and its train examples (seeds, B), a row per distinct order.

    A batch is a slice of its epoch's order, so that none is drawn again after a resume.
    """
    seeds = order_seeds(engine)
    size = engine.spec.batch_size
    for step in range(first, engine.total_steps):
        epoch, index = divmod(step, engine.steps_per_epoch)
        if step == first or index == 0:
            n_train = len(engine.splits["train"]["y"])
            orders = np.stack([epoch_order(seed, epoch, n_train) for seed in seeds])
            order = torch.from_numpy(orders).to(engine.device)
        yield step, order[:, index * size : (index + 1) * size]


def probe_batch(x: Tensor, most: int = MAX_PROBE_EXAMPLES) -> Tensor:
    """Indices of the train examples x (N, ...) that all probes of all runs read, drawn evenly."""
    limit = MAX_PROBE_TOKENS if x.dtype == torch.int32 else MAX_PROBE_VALUES
    n = max(1, min(most, limit // x[0].numel()))
    return torch.from_numpy(stream(0, "probes").permutation(len(x))[:n].copy()).to(x.device)


def draws(spec: RunSpec, step: int, n: int, x: Tensor, blocks: int = 0) -> np.ndarray:
    """What happens to each of the n examples of a step, float32 (n, draws); x (N, ...): the split.

    First how images are mixed, then augmentation, of each view, then stochastic depth's factors of
    the model's residual blocks. The same for all activations, losses, engines and frameworks.
    """
    height, width = (0, 0)
    if spec.augment != "none" or spec.mix != "none":
        height, width = x.shape[2:]
    size = (n, height, width)
    drawn = augment.view_draws(spec.augment, spec.seed, step, size, spec.views or 1)
    if spec.mix != "none":
        drawn = np.hstack([mix.draws(spec.mix, spec.seed, step, *size), drawn])
    if not blocks:
        return drawn
    return np.hstack([drawn, drop_path.draws(spec.drop_path, spec.seed, step, n, blocks)])


def probe_draws(spec: RunSpec, n: int, x: Tensor) -> np.ndarray:
    """What happens to each of the n images of the probe batch, float32 (n, draws).

    Nothing but in a run with views, which are the same for all runs: equal ones would say little.
    """
    if spec.views is None:
        return np.empty((n, 0), np.float32)
    height, width = x.shape[2:]
    return augment.view_draws(spec.augment, 0, 0, (n, height, width), spec.views, "probes/views")


def examples(
    split: Mapping[str, Tensor],
    rows: Tensor,
    drawn: Tensor,
    blocks: int = 0,
    views: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """x and y of examples rows (B,) as prepared, x augmented, and the factors (B, blocks).

    x (B, ...); in a run with views (B, views, C, H, W).
    """
    x, y = (split[name][rows] for name in ("x", "y"))
    n_augment = drawn.shape[1] - blocks
    if views is not None:
        x = augment.views(x, drawn[:, :n_augment], views)
    elif n_augment:
        x = augment.augment(x, drawn[:, :n_augment])
    return x, y, drawn[:, n_augment:]


def label_share(y: Tensor, rows: Tensor, batch: Tensor) -> Tensor | float:
    """The rows' share of their batch's labels: so weighted, means of parts add up to the mean."""
    if len(rows) == len(batch):
        return 1.0
    return count_labels(y[rows]) / count_labels(y[batch])
