"""The optimizer of a spec and its learning rate as a pure function of the step."""

import inspect
import math
import types
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from actstudy.contract.spec import RunSpec


def learning_rate(spec: RunSpec, step: int, total: int, steps_per_epoch: int) -> float:
    """The rate of a step: linear warm-up to `lr`, then constant or half a cosine down to zero at `total`."""
    warm = round(spec.warmup * steps_per_epoch)
    if step < warm:
        return spec.lr * (step + 1) / warm
    if spec.schedule == "constant":
        return spec.lr
    return spec.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the rate of all groups, in place where it is a tensor that a recorded step reads."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def records(spec: RunSpec, device: torch.device) -> bool:
    """Whether steps are recorded as a CUDA graph; fp16's loss scale decides on the host what a step does."""
    return spec.engine == "compiled" and device.type == "cuda" and spec.precision != "fp16"


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a state, but keep where the rate lives: the checkpoint may come from another kind of device."""
    own = optimizer.param_groups
    groups = [
        {**saved, "lr": group["lr"]}
        | ({"capturable": group["capturable"]} if "capturable" in group else {})
        for saved, group in zip(state["param_groups"], own, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})


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
    device = parameters[0].device
    recorded = records(spec, device)  # a recorded step reads its rate from the device
    warnings.filterwarnings(
        "ignore", message=".*capturable=True"
    )  # the steps before it are not recorded
    lr: Any = torch.tensor(spec.lr, device=device) if recorded else spec.lr
    adam: dict[str, Any] = {
        "lr": lr,
        "betas": spec.betas,
        "eps": spec.eps,
        "fused": True,
        "capturable": recorded,
    }
    match spec.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, **adam)
        case "adam":
            return torch.optim.Adam(groups, **adam)
        case "sgd":
            return torch.optim.SGD(groups, lr=lr, momentum=spec.momentum, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(
                groups,
                lr=lr,
                alpha=spec.rmsprop_alpha,
                eps=spec.eps,
                momentum=spec.momentum,
                capturable=recorded,
            )
