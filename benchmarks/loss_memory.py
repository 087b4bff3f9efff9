"""The peak of what a step of a loss holds at a time, as torch's allocator counts it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from actstudy.losses import LOSSES, ContrastiveLoss

WIDTH = 4  # of features, which are not counted as logits
BYTES = 4  # of a logit: float32


def peak_of_step(name: str, n: int, samples: int, clamp: float | None) -> tuple[int, int]:
    """Peak bytes of a forward and backward pass on a CPU, and the bytes of its logits.

    Of a loss of pairs those of one pair.
    """
    loss = ContrastiveLoss(name, clamp=clamp, check=False)
    views = [torch.randn(samples, WIDTH, requires_grad=True) for _ in range(n)]
    axes = n if LOSSES[name].axis_per_view else 2
    return peak(lambda: step(loss, views)), BYTES * samples**axes


def step(loss: ContrastiveLoss, views: list[Tensor]) -> None:
    """A forward and a backward pass."""
    torch.autograd.grad(loss(*views), [*views, *loss.parameters()])


def peak(call: Callable[[], None]) -> int:
    """The largest sum of the bytes that a call holds at a time, on a CPU."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        call()
    events = seen.profiler.kineto_results.events()
    changes = [event for event in events if event.name() == "[memory]"]
    current = 0
    largest = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        current += change.nbytes()
        largest = max(largest, current)
    return largest
