"""Where activations act in a model that is not ours, and what passes through them."""

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.health import values
from actstudy.nets.activations import ACTIVATIONS

NOT_ACTIVATIONS = {"MultiheadAttention", "Softmax", "Softmax2d", "Softmin", "LogSoftmax"}
KINDS = tuple(
    getattr(nn, name) for name in nn.modules.activation.__all__ if name not in NOT_ACTIVATIONS
)
See = Callable[[str, nn.Module, tuple[Any, ...], Any], Tensor | None]


def find_sites(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """name -> module of torch's activations, and of the modules whose name a pattern matches."""
    sites = {}
    for name, module in model.named_modules():
        matches = any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        if matches or isinstance(module, KINDS):
            sites[name] = module
    return sites


def activation_of(module: nn.Module) -> str | None:
    """The name of the registered activation that a module is, with equal arguments, if any."""
    for name, entry in ACTIVATIONS.items():
        if _signature(entry.factory()) == _signature(module):
            return name
    return None


def _signature(module: nn.Module) -> str:
    return re.sub(r"(, )?inplace=True", "", repr(module))


@contextmanager
def observe(modules: Mapping[str, nn.Module], see: See) -> Iterator[None]:
    """Call `see(name, module, inputs, output)` after each forward pass of the named modules.

    What `see` returns replaces the output, unless it is None.
    """
    with ExitStack() as hooks:
        for name, module in modules.items():
            hook = module.register_forward_hook(partial(see, name))
            hooks.callback(hook.remove)
        yield


def is_read(module: nn.Module, x: Any) -> bool:
    """Whether a pass belongs to training and x holds floating-point numbers.

    An evaluation between two steps is not read.
    """
    return (
        module.training
        and torch.is_grad_enabled()
        and isinstance(x, Tensor)
        and x.is_floating_point()
    )


class SiteHooks:
    """Reads the probes of all sites during one training step.

    sites: name -> module; guard: a context in which whatever goes wrong while reading ends there.
    A site's second call in a forward pass is a site of its own, `name#2`.
    """

    def __init__(
        self,
        sites: Mapping[str, nn.Module],
        guard: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.sites = sites
        self.guard = guard
        self.activations = {site: activation_of(module) for site, module in sites.items()}
        self._reset()

    def _reset(self) -> None:
        self.probes: dict[str, dict[str, Tensor]] = {}  # site -> probe -> (1,)
        self._inputs: dict[str, Tensor] = {}
        self._calls: Counter[str] = Counter()
        self._passed_back = False

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Read every forward and backward pass in this context, from nothing."""
        self._reset()
        with ExitStack() as hooks:
            for name, module in self.sites.items():
                enter = partial(self._enter, name)
                hook = module.register_forward_pre_hook(enter, with_kwargs=True)
                hooks.callback(hook.remove)
            with observe(self.sites, self._leave):
                yield

    def _enter(
        self, name: str, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        pre = next(iter((*inputs, *named.values())), None)
        if isinstance(pre, Tensor) and is_read(module, pre):
            pre = pre.detach()
            self._inputs[name] = pre.clone() if getattr(module, "inplace", False) else pre

    def _leave(self, name: str, module: nn.Module, _: tuple[Any, ...], post: Any) -> None:
        pre = self._inputs.pop(name, None)
        if pre is None or not is_read(module, post):
            return
        if self._passed_back:  # a new forward pass: of accumulated gradients the last part is read
            self._passed_back = False
            self._calls.clear()
        self._calls[name] += 1
        calls = self._calls[name]
        probes: dict[str, Tensor] = {}
        self.probes[name if calls == 1 else f"{name}#{calls}"] = probes
        with self.guard():
            activation = [self.activations[name]]
            probes.update(values.of_site(activation, values.by_unit(pre), values.by_unit(post)))

        def backward(gradient: Tensor) -> None:
            self._passed_back = True
            probes["gradient_norm"] = values.norm(gradient[None])

        if post.requires_grad:
            post.register_hook(backward)
