"""The optimizer of a spec and its learning rate as a pure function of the step."""

import inspect
import math
import types
from collections.abc import Iterable

import torch
from torch import nn

from actstudy.study.spec import RunSpec


def learning_rate(spec: RunSpec, step: int, total: int, steps_per_epoch: int) -> float:
    """The rate of a step: linear warm-up to `lr`, then constant or half a cosine down to zero at `total`."""
    warm = round(spec.warmup * steps_per_epoch)
    if step < warm:
        return spec.lr * (step + 1) / warm
    if spec.schedule == "constant":
        return spec.lr
    return spec.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def make_optimizer(spec: RunSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of a spec; weight decay acts on matrices only, not on norms, biases or activation parameters."""
    if spec.engine != "eager":
        return _made(spec, list(parameters))
    # torch wraps what it keeps out of compiled graphs, and the wrappers import its compiler, which takes as long as
    # importing torch. An eager run has no graphs and takes the plain methods; where none is wrapped, nothing changes.
    for method in vars(torch.optim.Optimizer).values():
        if plain := getattr(method, "__wrapped__", None):
            plain.__dynamo_disable = plain
    optimizer = _made(spec, list(parameters))
    step = torch.no_grad()(inspect.unwrap(type(optimizer).step))
    optimizer.step = types.MethodType(step, optimizer)  # type: ignore[method-assign]
    return optimizer


def _made(spec: RunSpec, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": spec.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    match spec.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=spec.lr, momentum=spec.momentum, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(
                groups, lr=spec.lr, alpha=spec.rmsprop_alpha, eps=spec.eps, momentum=spec.momentum
            )
