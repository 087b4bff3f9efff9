"""How a run ended that did not complete: its status and the reason, in words that say what to change."""

import re

import torch

from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.contract.store import Damaged
from actstudy.training.job import Diverged, Interrupted, TimedOut

MEMORY = (torch.cuda.OutOfMemoryError, MemoryError)
NOT_THE_SPECS = (
    Interrupted,
    StudyError,
    Damaged,
    OSError,
)  # a full disk, say: the same command may succeed later


def ending(error: Exception, spec: RunSpec) -> tuple[str, str]:
    """Status and reason of a run that ended with an error."""
    if isinstance(error, Diverged):
        return "diverged", str(error)
    if isinstance(error, TimedOut):
        return "timeout", str(error)
    if isinstance(error, MEMORY) or "DefaultCPUAllocator" in str(error):
        halved = f"a smaller batch_size, or accumulate: {2 * spec.accumulate}"
        return (
            "out_of_memory",
            f"task {spec.task}, batch_size {spec.batch_size}: {memory(error)}; to fix: {halved}",
        )
    return "failed", f"{type(error).__name__}: {error}".splitlines()[0]


def memory(error: Exception) -> str:
    """What was asked and what was free, where the error says so, else its first line."""
    asked = re.search(r"[Tt]ri?e?d to allocate ([\d.]+ ?\w+)", str(error))
    free = re.search(r"([\d.]+ \w+) is free", str(error))
    if not asked:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"asked for {asked[1]}, {free[1]} free" if free else f"asked for {asked[1]}"
