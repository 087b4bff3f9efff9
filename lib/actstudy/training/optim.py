"""The optimizer of a spec and its learning rate as a pure function of the step."""

import inspect
import math
import types
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.health import clipping
from actstudy.training.cuda_graphs import is_recorded


def learning_rate(spec: RunSpec, step: int, total: int, steps_per_epoch: int) -> float:
    """The rate of a step: linear warm-up to `lr`, then constant, or half a cosine to 0."""
    warmup_steps = round(spec.warmup * steps_per_epoch)
    if step < warmup_steps:
        return spec.lr * (step + 1) / warmup_steps
    if spec.schedule == "constant":
        return spec.lr
    angle = math.pi * (step - warmup_steps) / max(1, total - warmup_steps)
    return spec.lr * 0.5 * (1 + math.cos(angle))


def clip_share(norm: Tensor, clip: float | Literal["adaptive"]) -> Tensor:
    """What gradients of a global norm are multiplied by; `adaptive` clips norms above 10 to 1."""
    if clip == "adaptive":
        return clipping.share(norm, 1.0, clipping.ADAPTIVE_FROM)
    return clipping.share(norm, clip)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the rate of all groups, in place if it is a tensor that a recorded step reads."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a state, but keep where the rate is: the checkpoint may be of another kind of device."""
    own = optimizer.param_groups
    groups = [
        {**saved, "lr": group["lr"]}
        | ({"capturable": group["capturable"]} if "capturable" in group else {})
        for saved, group in zip(state["param_groups"], own, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})


def make_optimizer(spec: RunSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of a spec; weight decay acts on matrices only."""
    make = partial(_optimizer, spec, list(parameters))
    return make() if spec.engine != "eager" else uncompiled(make)


def uncompiled(make: Callable[[], torch.optim.Optimizer]) -> torch.optim.Optimizer:
    """The optimizer that `make` makes, for steps outside of compiled graphs: to the same bits.

    torch wraps what it keeps out of compiled graphs, and the wrappers import its compiler, which
    takes as long as importing torch. This one has the plain methods; if none is wrapped, nothing
    changes.
    """
    for method in vars(torch.optim.Optimizer).values():
        if plain := getattr(method, "__wrapped__", None):
            plain.__dynamo_disable = plain
    optimizer = make()
    step = torch.no_grad()(inspect.unwrap(type(optimizer).step))
    optimizer.step = types.MethodType(step, optimizer)  # type: ignore[method-assign]
    return optimizer


def _optimizer(spec: RunSpec, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """torch's optimizer with the settings of a spec."""
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    others = [parameter for parameter in parameters if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": spec.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    device = parameters[0].device
    capturable = is_recorded(spec, device)
    # the steps before the recording are not recorded
    warnings.filterwarnings("ignore", message=".*capturable=True")
    # a recorded step reads its rate from the device
    lr: Any = torch.tensor(spec.lr, device=device) if capturable else spec.lr
    match spec.optimizer:
        case "adamw" | "adam":
            make = torch.optim.AdamW if spec.optimizer == "adamw" else torch.optim.Adam
            return make(
                groups, lr=lr, betas=spec.betas, eps=spec.eps, fused=True, capturable=capturable
            )
        case "sgd":
            # torch's fused SGD writes its momentum also in a step that the loss scale skips
            fused = spec.precision != "fp16"
            return torch.optim.SGD(
                groups, lr=lr, momentum=spec.momentum, nesterov=spec.nesterov, fused=fused
            )
        case "rmsprop":
            return torch.optim.RMSprop(
                groups,
                lr=lr,
                alpha=spec.rmsprop_alpha,
                eps=spec.eps,
                momentum=spec.momentum,
                capturable=capturable,
            )
