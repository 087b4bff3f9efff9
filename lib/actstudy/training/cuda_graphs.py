"""Parts of training that a GPU records as CUDA graphs: one launch for all their kernels."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from actstudy.contract.spec import RunSpec

Scores = dict[str, Tensor]  # what a part of training returns, on the device


def is_recorded(spec: RunSpec, device: torch.device) -> bool:
    """Whether steps are recorded as CUDA graphs; not in fp16, whose loss scale needs the host."""
    return device.type == "cuda" and spec.engine != "eager" and spec.precision != "fp16"


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


class Replay:
    """A part recorded once as a CUDA graph, then one launch per call, of the same kernels.

    pool: memory that other records may use as well: what a part returns is copied before the next
    one begins.
    """

    def __init__(self, part: Callable[..., Scores], *inputs: Tensor, pool: Any) -> None:
        self.inputs = [value.clone() for value in inputs]
        self.graph = torch.cuda.CUDAGraph()
        with uncollected(), torch.cuda.graph(self.graph, pool=pool):
            self.scores = part(*self.inputs)

    def __call__(self, *inputs: Tensor) -> Scores:
        for place, value in zip(self.inputs, inputs, strict=True):
            place.copy_(value)
        self.graph.replay()
        return {name: value.clone() for name, value in self.scores.items()}


class Recorder:
    """Plays parts of training by name.

    If on, a part's second call records it; this call and all later ones replay the record.
    """

    def __init__(self, on: bool) -> None:
        self.on = on
        self.pool = torch.cuda.graph_pool_handle() if on else None
        self.calls: Counter[str] = Counter()
        self.recorded: dict[str, Replay] = {}

    def play(self, name: str, part: Callable[..., Scores], *inputs: Tensor) -> Scores:
        """part(*inputs), or its record of that name."""
        self.calls[name] += 1
        if not self.on or self.calls[name] == 1:
            return part(*inputs)
        if name not in self.recorded:
            self.recorded[name] = Replay(part, *inputs, pool=self.pool)
        return self.recorded[name](*inputs)

    def prepares(self, name: str) -> bool:
        """Whether the part's next call is one of those that compile and record."""
        return self.on and self.calls[name] < 2
