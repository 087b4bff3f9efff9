"""How the step of a run is compiled."""

from collections.abc import Callable
from typing import Any

import torch

from actstudy.contract import recipes
from actstudy.contract.spec import RunSpec

# A gradient through an activation and a batch norm is computed of 6 tensors (itself, what was
# normalised, and 4 per channel) in place; one through a residual sum, of more, is written once.
IN_PLACE: dict[str, Any] = {"realize_reads_threshold": 7, "realize_opcount_threshold": 1000}


def compiled(step: Callable[..., Any], spec: RunSpec, device: torch.device) -> Callable[..., Any]:
    """A step, differentiable, as compiled code; what a process has compiled before is dropped.

    The compiler writes a value that is used twice and takes 5 reads or 30 operations, in float32,
    and keeps sums for the backward pass. Runs that recompute are spared both.
    """
    from torch._functorch import config as functorch  # imported late: it takes seconds

    torch.compiler.reset()  # else the ninth kind of run of a process is over torch's limit
    recomputes = device.type == "cuda" and recipes.recomputes(spec)
    functorch.ban_recompute_used_far_apart = not recomputes
    options = IN_PLACE if recomputes else None
    return torch.compile(step, fullgraph=True, dynamic=False, options=options)
