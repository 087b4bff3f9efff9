"""What is read from a model at a due step; reading does not change training."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.advice import dead
from actstudy.health import learnt, values
from actstudy.health.sites import observe


def due(step: int, every: int, total: int) -> bool:
    """Whether probes are read on entering a step: the first, every `every`-th, the last."""
    return step % every == 0 or step == total - 1


@contextmanager
def as_observed(model: nn.Module) -> Iterator[None]:
    """Batch statistics, nothing drawn; on exit buffers and modes are as before."""
    modes = {module: module.training for module in model.modules()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd | nn.RReLU):
            module.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])


def at_sites(
    model: nn.Module,
    sites: Mapping[str, nn.Module],
    names: Mapping[str, str],
    batch_loss: Callable[[], Tensor],
) -> values.Values:
    """Probes of every site from one forward and backward pass.

    sites: site -> module; names: site -> activation; batch_loss: runs the model on the probe batch.
    Gradients are taken at post-activations; `.grad` is untouched.
    """
    pre: dict[str, Tensor] = {}
    post: dict[str, Tensor] = {}

    def see(site: str, _module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        pre[site] = inputs[0]
        post[site] = output.view_as(output)  # a view: identity returns its own input
        return post[site]

    with observe(sites, see), as_observed(model):
        loss = batch_loss()
        gradients = torch.autograd.grad(loss, list(post.values()))
    activations = {site: [names[site]] for site in post}
    seen = [(values.by_unit(pre[site]), values.by_unit(post[site])) for site in post]
    read = values.of_sites(activations, seen, [gradient[None] for gradient in gradients])
    return read | learnt.values(learnt.at_sites(sites, names), list(sites))


@torch.no_grad()
def dead_units(
    model: nn.Module, sites: Mapping[str, nn.Module], batches: Iterable[Tensor]
) -> dict[str, tuple[int, int]]:
    """Site -> the number of its units that are dead over all batches, and of all its units.

    The model is set to evaluation mode.
    """
    lowest: dict[str, Tensor] = {}
    highest: dict[str, Tensor] = {}

    def see(site: str, _module: nn.Module, _inputs: Any, post: Tensor) -> None:
        units = values.by_unit(post)
        low = units.amin((0, 1))
        high = units.amax((0, 1))
        lowest[site] = torch.minimum(lowest.get(site, low), low)
        highest[site] = torch.maximum(highest.get(site, high), high)

    model.eval()
    with observe(sites, see):
        for x in batches:
            model(x)
    counts = {}
    for site, low in lowest.items():
        counts[site] = (int(dead.is_dead(low, highest[site]).sum()), len(low))
    return counts


class Update:
    """What a step does to parameters.

    Create it before the step, call `gradients()` before clipping and `values()` after the step.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = parameters
        self.before = [parameter.detach().clone()[None] for parameter in parameters.values()]
        self.of_gradients: values.Values = {}

    @torch.no_grad()
    def restart(self) -> None:
        """Take the parameters as they are now for those before the step."""
        for before, parameter in zip(self.before, self.parameters.values(), strict=True):
            before.copy_(parameter[None])

    def gradients(self) -> None:
        """Read `.grad` as it is now."""
        gradients = [None if p.grad is None else p.grad[None] for p in self.parameters.values()]
        self.of_gradients = values.of_gradients(list(self.parameters), gradients)

    def values(self) -> values.Values:
        """Probes of gradients, and of the change since the start."""
        after = [parameter.detach()[None] for parameter in self.parameters.values()]
        return self.of_gradients | values.of_updates(list(self.parameters), self.before, after)
