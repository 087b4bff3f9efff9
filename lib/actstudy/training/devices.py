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

import torch

from actstudy.contract import host
from actstudy.contract.errors import StudyError
from actstudy.training.job import Interrupted


class Unanswered(StudyError):
    """A GPU that does not answer; `others` are those that this process might have had instead."""

    def __init__(self, error: RuntimeError, others: list[str]) -> None:
        first = str(error).splitlines()[0]
        super().__init__(
            f"device: no GPU answers ({first}); to fix: look at nvidia-smi, or say device: cpu"
        )
        self.others = others


@contextlib.contextmanager
def lease(wanted: str, slots: int, stopping: Callable[[], bool]) -> Iterator[torch.device]:
    """A device held until the process ends or the block is left: `cpu`, or a GPU with one of its `slots`.

    Every run sees its GPU alone, as cuda:0: compiled code is kept by device number, and so serves all GPUs. Where Slurm
    gave this job one GPU, it is that one, unasked. Unanswered where the GPU has failed.
    """
    names = host.gpus() if wanted != "cpu" and torch.version.cuda else []
    if wanted != "cuda" and not names:
        torch.set_num_threads(1)
        _keep_freed_memory()
        yield torch.device("cpu")
        return
    if not names:
        raise StudyError(
            "device: got 'cuda', but there is no GPU that nvidia-smi and torch know; allowed: auto, cpu"
        )
    with contextlib.ExitStack() as held:
        name = (
            names[0]
            if os.environ.get("SLURM_JOB_GPUS", "").isdecimal()
            else _slot(names, slots, held)
        )
        while name is None:
            if stopping():
                raise Interrupted("stopped while waiting for a GPU")
            time.sleep(1)
            name = _slot(names, slots, held)
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        try:
            torch.zeros(1, device="cuda").item()
        except RuntimeError as error:  # a GPU that has failed may stay listed
            raise Unanswered(error, [other for other in names if other != name]) from None
        yield torch.device("cuda", 0)


def _slot(names: list[str], slots: int, held: contextlib.ExitStack) -> str | None:
    """A GPU with a free slot, which `held` then keeps; None where all are taken.

    flocks in a host-local folder, which a kill frees: one a GPU, shared by runs that share it, and one a slot. A GPU's
    slots are filled before the next GPU's, so that no more GPUs are used than were asked for.
    """
    folder = Path(tempfile.gettempdir()) / f"actstudy-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for name, slot in itertools.product(names, range(slots)):
        with contextlib.ExitStack() as tried, contextlib.suppress(BlockingIOError):
            for file, kind in (
                (name, fcntl.LOCK_SH if slots > 1 else fcntl.LOCK_EX),
                (f"{name}-{slot}", fcntl.LOCK_EX),
            ):
                fcntl.flock(tried.enter_context((folder / file).open("w")), kind | fcntl.LOCK_NB)
            held.enter_context(tried.pop_all())
            return name
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


def identity(device: torch.device) -> str:
    """What tells this device from others of its kind: a GPU's UUID, or the host's name."""
    return (
        str(torch.cuda.get_device_properties(device).uuid)
        if device.type == "cuda"
        else platform.node()
    )


def peak_memory(device: torch.device) -> tuple[int, str]:
    """Peak bytes and what they count: allocated CUDA memory, or the process's resident set on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "cuda allocated"
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "process RSS"
