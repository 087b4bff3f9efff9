"""The optimizer of a spec and its learning rate as a pure function of the step."""

import math
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
    parameters = list(parameters)
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
