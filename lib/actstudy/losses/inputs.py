"""What contrastive losses refuse, as one line: views that do not fit, too large, not finite.

Compiled code asks for shapes and types alone, not for memory.
"""

from collections.abc import Sequence
from functools import cache
from math import prod

import torch
from torch import Tensor

from actstudy.contract import host


def check_views(views: Sequence[Tensor]) -> None:
    """ValueError unless there are two views or more, (B, D) alike, of B >= 2 and floats."""
    if len(views) < 2:
        raise ValueError(f"views: got {len(views)}; allowed: 2 or more, each (B, D)")
    shape = tuple(views[0].shape)
    for number, view in enumerate(views, 1):
        if not view.is_floating_point():
            raise ValueError(f"view {number}: got {view.dtype}; allowed: floating point")
        if view.dim() != 2 or view.shape[1] == 0:
            raise ValueError(f"view {number}: got shape {tuple(view.shape)}; allowed: (B, D)")
        if tuple(view.shape) != shape:
            got = f"got shape {tuple(view.shape)}"
            raise ValueError(f"view {number}: {got}; allowed: {shape}, that of view 1")
        if view.device != views[0].device:
            raise ValueError(f"view {number}: got {view.device}; allowed: {views[0].device}")
    if shape[0] < 2:
        got = f"views: got a batch of {shape[0]}"
        raise ValueError(f"{got}; allowed: 2 or more, as the others are what a sample is not")


def check_memory(shape: Sequence[int], copies: float, like: Tensor) -> None:
    """ValueError, with the bytes, if copies of logits of a shape exceed the memory of a device.

    like: a tensor of their dtype and device.
    """
    if torch.compiler.is_compiling():
        return
    size = int(copies * prod(shape) * like.dtype.itemsize)
    limit = memory(like.device)
    if size > limit:
        got = f"logits {' x '.join(map(str, shape))} need {size:,} bytes in a step, of {limit:,}"
        raise ValueError(f"views: {got}; to fix: a smaller batch, fewer views or `chunk`")


@cache  # asked for at each step
def memory(device: torch.device) -> int:
    """Bytes of a device's memory, used or not: of a CPU at most those of the process's cgroup."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return host.memory()


def not_finite(loss: Tensor, views: Sequence[Tensor], scale: Tensor) -> str:
    """What is not finite of a loss that is not, as one line."""
    for number, view in enumerate(views, 1):
        bad = ~torch.isfinite(view).all(1)
        if bad.any():
            rows = f"{int(bad.sum())} of {len(view)} rows, first row {int(bad.nonzero()[0])}"
            return f"view {number}: not finite in {rows}; allowed: finite features"
    if not torch.isfinite(scale):
        return f"scale: got {float(scale.detach())}; allowed: finite"
    largest = max(float(view.detach().abs().max()) for view in views)
    got = f"loss: got {float(loss.detach())} of features up to {largest:.1e}"
    return f"{got}; to fix: normalize=True, or smaller features"
