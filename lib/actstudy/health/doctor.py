"""The debugging checklist for a user's own model on one batch: what is wrong before a long training is begun.

After Karpathy 2019, A recipe for training neural networks: loss at the start, examples that leak into each other,
parameters without gradient, one batch learnt by heart, and the health of all layers while it is.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.contract.errors import StudyError
from actstudy.health import values
from actstudy.health.monitor import Monitor


def examine(
    model: nn.Module, x: Tensor, y: Tensor | None, steps: int = 300, lr: float = 1e-3
) -> Monitor:
    """A Monitor that has seen a copy of the model learn the batch with Adam; its facts hold the checks.

    y: labels (B,) or (B, T) as whole numbers for cross-entropy of the last axis, else values for squared error; None:
    outputs are drawn to zero.
    """
    model = copy.deepcopy(model)
    kinds = [p.dtype for p in model.parameters() if p.is_floating_point()]
    x = x.to(kinds[0]) if x.is_floating_point() and kinds else x  # numpy's floats are float64
    apart = leak(model.eval(), x)
    parameters = {name: p for name, p in model.train().named_parameters() if p.requires_grad}
    if not parameters:
        raise StudyError("doctor: the model has no trainable parameter")
    optimizer, losses = torch.optim.Adam(parameters.values(), lr=lr), []
    with Monitor(model, every=max(1, steps // 10), batch_size=len(x), leak=apart) as health:
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


def loss_of(output: Tensor, y: Tensor | None) -> Tensor:
    """Cross-entropy where y holds whole numbers, squared error else; mean square of the output without y."""
    if y is None:
        return output.float().square().mean()
    if y.is_floating_point():
        return functional.mse_loss(output.float().view_as(y), y)
    return functional.cross_entropy(output.float().flatten(0, -2), y.long().flatten())


@torch.no_grad()
def leak(model: nn.Module, x: Tensor) -> float:
    """How much the first output changes, as a share of its size, where all others become copies of that example."""
    if len(x) < 2:
        return 0.0
    alone, company = model(x[:1].expand_as(x))[0], model(x)[0]
    return float((alone - company).abs().max() / company.abs().max().clamp(min=1e-12))


@torch.no_grad()
def dead_units(
    model: nn.Module, sites: Mapping[str, nn.Module], batches: Iterable[Tensor]
) -> dict[str, tuple[int, int]]:
    """Site -> its units that never are above zero over all batches, in evaluation mode, and all of its units."""
    highest: dict[str, Tensor] = {}

    def keep(site: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, post: Tensor) -> None:
            here = values.by_unit(post).amax((0, 1))
            highest[site] = torch.maximum(highest[site], here) if site in highest else here

        return hook

    hooks = [module.register_forward_hook(keep(site)) for site, module in sites.items()]
    model.eval()
    for x in batches:
        model(x)
    for hook in hooks:
        hook.remove()
    return {site: (int((most <= 0).sum()), len(most)) for site, most in highest.items()}


def batch(file: Path) -> tuple[Tensor, Tensor | None]:
    """x and y (None where there is none) of a file: .npz with x and y, or .pt with a tensor, a pair or a dict."""
    try:
        found: Any = (
            dict(np.load(file, allow_pickle=False))
            if file.suffix == ".npz"
            else torch.load(file, weights_only=True)
        )
    except FileNotFoundError:
        raise StudyError(f"doctor: --batch {file}: no such file") from None
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise StudyError(
            f"doctor: --batch {file}: {reason}; allowed: .npz or .pt of tensors"
        ) from None
    if isinstance(found, dict):
        pair = [found.get("x"), found.get("y")]
    else:
        pair = [*found, None][:2] if isinstance(found, list | tuple) else [found, None]
    x, y = (None if part is None else torch.as_tensor(part) for part in pair)
    if x is None or not x.ndim or not len(x):
        raise StudyError(
            f"doctor: --batch {file}: holds no x with examples; allowed: x, or x and y"
        )
    return x, y
