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
from typing import IO, NoReturn

import torch

from actstudy.study import host
from actstudy.study.registry import StudyError
from actstudy.training.job import Interrupted


@contextlib.contextmanager
def lease(wanted: str, slots: int, stopping: Callable[[], bool]) -> Iterator[torch.device]:
    """A device held until the process ends or the block is left: `cpu`, or a GPU with one of its `slots`.

    Every run sees its GPU alone, as cuda:0: compiled code is kept by device number, and so serves all GPUs. Where Slurm
    chose one GPU for this job, it is that one, unasked. A GPU that does not answer is passed over.
    """
    names = host.gpus() if torch.version.cuda else []
    if wanted == "cpu" or (wanted == "auto" and not names):
        torch.set_num_threads(1)
        _keep_freed_memory()
        yield torch.device("cpu")
        return
    if not names:
        raise StudyError("device: got 'cuda', but torch sees no GPU; allowed: auto or cpu here")
    if "SLURM_JOB_GPUS" in os.environ and len(names) == 1:
        yield torch.device("cuda", 0)
        return
    while (held := _slot(names, slots)) is None:
        if stopping():
            raise Interrupted("stopped while waiting for a GPU")
        time.sleep(1)
    name, handle = held
    with handle:
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        if not _answers():
            _start_again([other for other in names if other != name])
        yield torch.device("cuda", 0)


def _slot(names: list[str], slots: int) -> tuple[str, IO[str]] | None:
    """A GPU's name and the locked file of its slot, None where all are taken.

    One flock a slot in a host-local folder, which a kill frees; every GPU's first slot comes before any second one.
    """
    folder = Path(tempfile.gettempdir()) / f"actstudy-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for slot, name in itertools.product(range(slots), names):
        handle = (folder / f"{name}-{slot}").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return name, handle
        except BlockingIOError:
            handle.close()
    return None


def _answers() -> bool:
    try:
        return torch.zeros(1, device="cuda").item() == 0
    except RuntimeError:  # a GPU that has failed stays listed
        return False


def _start_again(names: list[str]) -> NoReturn:
    """The same command on the other GPUs: a process cannot leave a GPU that it has chosen."""
    if not names:
        raise StudyError("device: no GPU answers; to mend: look at nvidia-smi, or say device: cpu")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    os.execv(sys.executable, sys.orig_argv)


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
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else platform.node()


def peak_memory(device: torch.device) -> tuple[int, str]:
    """Peak bytes and what they count: allocated CUDA memory, or the process's resident set on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "cuda allocated"
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "process RSS"
