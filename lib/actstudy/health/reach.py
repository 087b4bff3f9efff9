"""What a model's last operation and its precision let it return, and what a loss can then reach."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.health.loss import Loss
from actstudy.health.output import returned
from actstudy.health.sites import observe

SHAPING = (  # what moves or picks values and changes none
    *("View", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Permute", "Clone", "ToCopy"),
    *("Select", "Slice"),
)
SPANS = {  # operation, as its node in torch's graph is named -> the values that it can return
    "Relu": (0.0, math.inf),
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Softplus": (0.0, math.inf),
    "Softmax": (0.0, 1.0),
    "Exp": (0.0, math.inf),
}


def last_operation(output: Tensor) -> str:
    """The name of the operation that returned an output, such as Softmax; what shapes is skipped.

    Empty for a tensor outside of torch's graph.
    """
    node: Any = output.grad_fn
    while node is not None and node.name().startswith(SHAPING):
        node = node.next_functions[0][0]
    return node.name().partition("Backward")[0] if node is not None else ""


def facts_of(loss: Loss, output: Tensor, y: Tensor | None) -> dict[str, float]:
    """What the last operation of an output keeps from a loss, by the name of its rule.

    softmax_twice, bounded_logits: the lowest cross-entropy of labels that is possible;
    targets_out_of_reach: the share of targets of a regression that cannot be returned.
    """
    operation = last_operation(output)
    if operation not in SPANS:
        return {}
    low, high = SPANS[operation]
    if loss.name == "mse" and y is not None:
        return {"targets_out_of_reach": float(((y < low) | (y > high)).double().mean())}
    if loss.name == "cross_entropy" and not loss.floor and math.isfinite(high - low):
        name = "softmax_twice" if operation == "Softmax" else "bounded_logits"
        return {name: math.log1p((loss.n_classes - 1) * math.exp(low - high))}
    return {}


def largest_value(model: nn.Module, x: Tensor) -> float | None:
    """The largest absolute value that any module of a float16 model returns, in float32.

    None if no parameter is float16.
    """
    if all(parameter.dtype is not torch.float16 for parameter in model.parameters()):
        return None
    largest = 0.0

    def see(_: str, __: nn.Module, ___: tuple[Any, ...], output: Any) -> None:
        nonlocal largest
        if isinstance(output, Tensor) and output.is_floating_point() and output.numel():
            largest = max(largest, float(output.abs().max()))

    wide = copy.deepcopy(model).float().eval()
    with torch.no_grad(), observe(dict(wide.named_modules()), see):
        returned(wide, x.float() if x.is_floating_point() else x)
    return largest
