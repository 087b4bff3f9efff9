"""What a GPU records of a run as CUDA graphs: one launch for all kernels of a part."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from actstudy.contract.spec import RunSpec

Scores = dict[str, Tensor]  # what a part of training returns, on the device


def is_recorded(spec: RunSpec, device: torch.device) -> bool:
    """Whether steps are recorded as CUDA graphs; not in fp16, whose loss scale needs the host."""
    return device.type == "cuda" and spec.engine != "eager" and spec.precision != "fp16"


def is_evaluation_recorded(spec: RunSpec, device: torch.device) -> bool:
    """Whether an evaluation's forward passes are, also of eager steps.

    Not with someone's own or edited code, which may do there what a record leaves out.
    """
    return device.type == "cuda" and not spec.code


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection in the block: collecting an earlier run's graphs spoils a recording."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def uncached() -> Iterator[None]:
    """Autocast casts weights at each use: a cast from before a record would be gone at a replay."""
    was_on = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(was_on)


class Replay:
    """A part recorded once as a CUDA graph, then one launch per call, of the same kernels.

    pool: memory that other records may use as well: what a part returns is copied before the next
    one begins.
    """

    def __init__(self, part: Callable[..., Any], *inputs: Tensor, pool: Any) -> None:
        self.inputs = [value.clone() for value in inputs]
        self.graph = torch.cuda.CUDAGraph()
        with uncollected(), torch.cuda.graph(self.graph, pool=pool):
            self.scores = part(*self.inputs)

    def __call__(self, *inputs: Tensor) -> Any:
        for place, value in zip(self.inputs, inputs, strict=True):
            place.copy_(value)
        self.graph.replay()
        return tree_map_only(Tensor, Tensor.clone, self.scores)


class Recorder:
    """Plays parts of a run by name.

    If on, a part's second call records it; this call and all later ones replay the record.
    pool: memory of another recorder, whose records are never replayed at the same time.
    """

    def __init__(self, on: bool, pool: Any = None) -> None:
        self.on = on
        self.pool = pool or (torch.cuda.graph_pool_handle() if on else None)
        self.calls: Counter[str] = Counter()
        self.recorded: dict[str, Replay] = {}

    def play(self, name: str, part: Callable[..., Any], *inputs: Tensor) -> Any:
        """part(*inputs), or its record of that name."""
        self.calls[name] += 1
        if not self.on or self.calls[name] == 1:
            return part(*inputs)
        if name not in self.recorded:
            self.recorded[name] = Replay(part, *inputs, pool=self.pool)
        return self.recorded[name](*inputs)

    def play_pass(self, forward: Callable[[Tensor], Any], x: Tensor) -> Any:
        """forward(x), or its record of the shape of x."""
        if not self.on:
            return forward(x)
        with uncached():
            return self.play(f"{x.dtype} {tuple(x.shape)}", forward, x)

    def prepares(self, name: str) -> bool:
        """Whether the part's next call is one of those that compile and record."""
        return self.on and self.calls[name] < 2
