"""Which device a run trains on: its own GPU by a lease, or one CPU thread."""

import contextlib
import ctypes
import fcntl
import itertools
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import torch

from actstudy.study.registry import StudyError
from actstudy.training.job import Interrupted


@contextlib.contextmanager
def lease(wanted: str, slots: int, stopping: Callable[[], bool]) -> Iterator[torch.device]:
    """A device held until the process ends or the block is left: `cpu`, or a GPU with one of its `slots`.

    The GPU with the fewest slots taken that answers. Where Slurm chose one GPU for this job, it is that one, unasked.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        torch.set_num_threads(1)
        _keep_freed_memory()
        yield torch.device("cpu")
        return
    if not torch.cuda.is_available():
        raise StudyError("device: got 'cuda', but torch sees no GPU; allowed: auto or cpu here")
    if "SLURM_JOB_GPUS" in os.environ and torch.cuda.device_count() == 1:
        yield torch.device("cuda", 0)
        return
    while (held := _slot(slots)) is None:
        if stopping():
            raise Interrupted("stopped while waiting for a GPU")
        time.sleep(1)
    index, handle = held
    with handle:
        torch.cuda.set_device(index)
        yield torch.device("cuda", index)


def _slot(slots: int) -> tuple[int, IO[str]] | None:
    """A GPU that answers and the locked file of its slot, None where all are taken; StudyError where none answers.

    One flock a slot in a host-local folder, which a kill frees; every GPU's first slot comes before any second one.
    """
    folder, dead = Path(tempfile.gettempdir()) / f"actstudy-gpus-{os.getuid()}", set()
    folder.mkdir(exist_ok=True)
    for slot, index in itertools.product(range(slots), range(count := torch.cuda.device_count())):
        handle = (folder / f"{torch.cuda.get_device_properties(index).uuid}-{slot}").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            torch.zeros(1, device=f"cuda:{index}").item()
            return index, handle
        except BlockingIOError:
            pass
        except RuntimeError:  # a GPU that has failed stays listed
            dead.add(index)
        handle.close()
    if len(dead) == count:
        raise StudyError(f"device: none of {count} GPUs answers; to mend: look at nvidia-smi, then the same command")
    return None


def _keep_freed_memory() -> None:
    """Let glibc reuse large blocks: handed back, their pages are faulted in again for every tensor of every step."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-4, 0)  # M_MMAP_MAX: large blocks from the heap too
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap never shrinks


def describe(device: torch.device) -> str:
    """The device's name: the GPU's, or the CPU's with its thread count."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    return f"{model}, {torch.get_num_threads()} thread"


def peak_memory(device: torch.device) -> tuple[int, str]:
    """Peak bytes and what they count: allocated CUDA memory, or the process's resident set on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "cuda allocated"
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "process RSS"
