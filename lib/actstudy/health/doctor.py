"""The debugging checklist for a user's own model on one batch, before a long training.

After Karpathy 2019, A recipe for training neural networks: loss at the start, examples that leak
into each other, parameters without gradient, one batch learnt by heart, and the health of all
layers meanwhile.
"""

import copy
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.contract.errors import StudyError
from actstudy.health import values
from actstudy.health.monitor import Monitor
from actstudy.health.sites import observe


def examine(
    model: nn.Module, x: Tensor, y: Tensor | None, steps: int = 300, lr: float = 1e-3
) -> Monitor:
    """A Monitor that has watched a copy of the model learn the batch with Adam.

    Its facts hold the results of the checks.

    y: labels (B,) or (B, T) as whole numbers for cross-entropy of the last axis, else values for
    squared error; None: outputs are drawn to zero.
    """
    model = copy.deepcopy(model)
    x = _as_weights(model, x)
    leaked = leak(model.eval(), x)
    parameters = {name: p for name, p in model.train().named_parameters() if p.requires_grad}
    if not parameters:
        raise StudyError("doctor: the model has no trainable parameter")
    optimizer = torch.optim.Adam(parameters.values(), lr=lr)
    losses = []
    with Monitor(model, every=max(1, steps // 10), batch_size=len(x), leak=leaked) as health:
        for _ in range(steps):
            optimizer.zero_grad()
            logits = model(x)
            loss = loss_of(logits, y)
            loss.backward()
            optimizer.step()
            health.step(loss)
            losses.append(loss.item())
    health.facts["no_gradient"] = sum(p.grad is None for p in parameters.values())
    health.facts["one_batch"] = losses[-1] / losses[0] if losses[0] > 0 else 0.0
    if y is not None and not y.is_floating_point():
        health.facts["initial_loss"] = losses[0] / math.log(max(2, logits.shape[-1]))
    return health


def _as_weights(model: nn.Module, x: Tensor) -> Tensor:
    """x in the precision of the model's first weight, as numpy's numbers are float64."""
    for parameter in model.parameters():
        if parameter.is_floating_point() and x.is_floating_point():
            return x.to(parameter.dtype)
    return x


def loss_of(output: Tensor, y: Tensor | None) -> Tensor:
    """Cross-entropy of whole numbers y, else squared error; mean square of the output without y."""
    if y is None:
        return output.float().square().mean()
    if y.is_floating_point():
        return functional.mse_loss(output.float().view_as(y), y)
    return functional.cross_entropy(output.float().flatten(0, -2), y.long().flatten())


@torch.no_grad()
def leak(model: nn.Module, x: Tensor) -> float:
    """Change of the first output, as a share of its size, if all others become that example too."""
    if len(x) < 2:
        return 0.0
    among_copies = model(x[:1].expand_as(x))[0]
    among_others = model(x)[0]
    change = (among_copies - among_others).abs().max()
    return float(change / among_others.abs().max().clamp(min=1e-12))


@torch.no_grad()
def never_positive_units(
    model: nn.Module, sites: Mapping[str, nn.Module], batches: Iterable[Tensor]
) -> dict[str, tuple[int, int]]:
    """Site -> the number of units never above zero over all batches, and of all its units.

    The model is set to evaluation mode.
    """
    highest: dict[str, Tensor] = {}

    def see(site: str, _module: nn.Module, _inputs: Any, post: Tensor) -> None:
        of_batch = values.by_unit(post).amax((0, 1))
        highest[site] = torch.maximum(highest[site], of_batch) if site in highest else of_batch

    model.eval()
    with observe(sites, see):
        for x in batches:
            model(x)
    return {site: (int((units <= 0).sum()), len(units)) for site, units in highest.items()}


def batch(file: Path) -> tuple[Tensor, Tensor | None]:
    """x and y (None if there is none) of a file: .npz with x and y, or .pt with tensors.

    A .pt holds a tensor, a pair or a dict. StudyError if the file does not hold an x with examples.
    """
    parts = _read(file)
    if isinstance(parts, dict):
        x, y = parts.get("x"), parts.get("y")
    elif isinstance(parts, list | tuple):
        x, y = [*parts, None, None][:2]
    else:
        x, y = parts, None
    x = None if x is None else torch.as_tensor(x)
    y = None if y is None else torch.as_tensor(y)
    if x is None or not x.ndim or not len(x):
        raise StudyError(
            f"doctor: --batch {file}: holds no x with examples; allowed: x, or x and y"
        )
    return x, y


def _read(file: Path) -> Any:
    """What a .npz or .pt file holds; StudyError if it cannot be read."""
    try:
        if file.suffix == ".npz":
            return dict(np.load(file, allow_pickle=False))
        return torch.load(file, weights_only=True)
    except FileNotFoundError:
        raise StudyError(f"doctor: --batch {file}: no such file") from None
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise StudyError(
            f"doctor: --batch {file}: {reason}; allowed: .npz or .pt of tensors"
        ) from None
