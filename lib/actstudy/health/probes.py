"""What is read from a model at a due step, from outside: no number of the training changes by it."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.nets.activations import ACTIVATIONS

Row = dict[str, Any]  # step, kind (site, parameter, model), name, index, probe, value


def due(step: int, every: int, total: int) -> bool:
    """Whether probes are read on entering a step: the first, each `every`-th, the last."""
    return step % every == 0 or step == total - 1


@contextmanager
def _observed(model: nn.Module) -> Iterator[None]:
    """Batch statistics with dropout off; buffers and modes as before on leaving."""
    modes = {module: module.training for module in model.modules()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])


def site_rows(
    model: nn.Module,
    sites: Mapping[str, nn.Module],
    names: Mapping[str, str],
    batch_loss: Callable[[], Tensor],
    step: int,
) -> list[Row]:
    """Probes of every site from one forward and backward pass; `batch_loss()` runs the model on the probe batch.

    sites: site -> module; names: site -> activation. Gradients are taken at post-activations; `.grad` is untouched.
    """
    pre: dict[str, Tensor] = {}
    post: dict[str, Tensor] = {}

    def keep(site: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            pre[site], post[site] = inputs[0], output.view_as(output)  # a view: identity returns its own input
            return post[site]

        return hook

    hooks = [module.register_forward_hook(keep(site)) for site, module in sites.items()]
    try:
        with _observed(model):
            loss = batch_loss()
            gradients = torch.autograd.grad(loss, list(post.values()))
    finally:
        for hook in hooks:
            hook.remove()
    values: dict[tuple[str, int, str], Tensor] = {}
    with torch.no_grad():
        for index, (site, gradient) in enumerate(zip(post, gradients, strict=True)):
            for probe, value in _site_values(names[site], pre[site], post[site], gradient).items():
                values[site, index, probe] = value
    return _rows(step, "site", values)


def _rows(step: int, kind: str, values: Mapping[tuple[str, int, str], Tensor]) -> list[Row]:
    """Scalar tensors by (name, index, probe) as rows, fetched in one transfer."""
    fetched = torch.stack([value.double() for value in values.values()]).tolist() if values else []
    return [
        {"step": step, "kind": kind, "name": name, "index": index, "probe": probe, "value": value}
        for (name, index, probe), value in zip(values, fetched, strict=True)
    ]


def _site_values(activation: str, pre: Tensor, post: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """Scalar tensors of one site; a dead unit is never above 0.

    pre, post and gradient of shape (B, units), (B, channels, H, W) or (B, T, units): a unit is a channel or a feature.
    """
    pre, post = pre.float(), post.float()
    units = 2 if post.ndim == 3 else 1
    values = {
        "pre_mean": pre.mean(),
        "pre_sd": pre.std(correction=0),
        "post_mean": post.mean(),
        "post_sd": post.std(correction=0),
        "inactive_fraction": (post <= 0).float().mean(),
        "dead_fraction": (post <= 0).transpose(0, units).flatten(1).all(dim=1).float().mean(),
        "gradient_norm": gradient.float().norm(),
    }
    saturated = ACTIVATIONS[activation].saturated
    if saturated is not None:
        values["saturated_fraction"] = saturated(pre, post).float().mean()
    return values


def parameter_rows(
    parameters: Mapping[str, nn.Parameter], before: Mapping[str, Tensor], norms: list[Tensor], step: int
) -> list[Row]:
    """Gradient norm, weight norm and relative update norm of every parameter for one step.

    before: clones taken before the update; norms: the step's own gradient norms, after unscaling and before clipping.
    """
    values: dict[tuple[str, int, str], Tensor] = {}
    with torch.no_grad():
        for index, (name, gradient_norm) in enumerate(zip(before, norms, strict=True)):
            weight_norm = before[name].float().norm()
            update_norm = (parameters[name] - before[name]).float().norm()
            values[name, index, "gradient_norm"] = gradient_norm
            values[name, index, "weight_norm"] = weight_norm
            values[name, index, "update_ratio"] = torch.where(weight_norm > 0, update_norm / weight_norm, math.nan)
    rows = _rows(step, "parameter", values)
    total = math.sqrt(sum(row["value"] ** 2 for row in rows if row["probe"] == "gradient_norm"))
    whole = {"step": step, "kind": "model", "name": "model", "index": 0, "probe": "gradient_norm", "value": total}
    return [*rows, whole]
