"""Which device a run trains on: its own GPU by a lease, or one CPU thread."""

import contextlib
import ctypes
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from actstudy.contract import host
from actstudy.contract.errors import NodeFault, StudyError
from actstudy.training import leases
from actstudy.training.outcome import Crowded, Interrupted, is_memory

PAUSE = 0.25  # seconds between two looks for a free GPU
MAX_BUSY = 10  # percent of the time: a GPU that is busier before a run computes is in use
SETTLING = 5  # seconds that the run before may take to leave its GPU


class Unanswered(NodeFault):
    """A GPU that does not answer; others: GPUs that this process could use instead."""

    def __init__(self, error: RuntimeError, others: list[str]) -> None:
        first = str(error).splitlines()[0]
        super().__init__(
            f"device: no GPU answers ({first}); to fix: look at nvidia-smi, or say device: cpu"
        )
        self.others = others


@contextlib.contextmanager
def lease(kind: str, slots: leases.Slots, stopping: Callable[[], bool]) -> Iterator[leases.Lease]:
    """Hold a device until the process ends or the block is left: a CPU, or one of a GPU's slots.

    Every run sees its GPU alone, as cuda:0: compiled code is kept by device number, and so serves
    all GPUs. If Slurm gave this job one GPU, it is that one. Unanswered if the GPU has failed;
    Crowded if a shared one is full. Commands that start afterwards see what there was before.
    """
    names = gpus(kind)
    with leases.Lease() as place:
        if not names:
            torch.set_num_threads(1)
            _keep_freed_memory()
            yield place
            return
        by_slurm = os.environ.get("SLURM_STEP_GPUS") or os.environ.get("SLURM_JOB_GPUS", "")
        if by_slurm.isdecimal():
            place.slots = slots.on(place.gpu)
        else:
            began = time.monotonic()
            while not place.take(names, slots):
                if stopping():
                    raise Interrupted("stopped while waiting for a GPU")
                time.sleep(PAUSE)
            place.waited = time.monotonic() - began
        name = place.gpu or names[0]
        place.callback(_see, os.environ.get("CUDA_VISIBLE_DEVICES"))
        _see(name)
        check_answers([other for other in names if other != name], place.slots)
        _check_own(name)
        torch.set_num_threads(min(torch.get_num_threads(), host.cores()))
        place.device = torch.device("cuda", 0)
        yield place


def _see(gpus: str | None) -> None:
    """Let CUDA see some GPUs, if it has not started by now; None: all."""
    if gpus is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus


def check_answers(others: list[str], slots: int) -> None:
    """Unanswered if the present GPU has failed: it may stay listed. others: to use instead.

    Crowded if it is full and runs share it: `slots` at a time.
    """
    try:
        torch.zeros(1, device="cuda").item()
    except RuntimeError as error:
        if slots > 1 and is_memory(error):
            raise Crowded(error) from None
        raise Unanswered(error, others) from None


def _check_own(gpu: str) -> None:
    """StudyError if CUDA computes on another GPU than the leased one: it had started before.

    gpu: its UUID; CUDA does not know those of MIG devices.
    """
    own = f"GPU-{identity(torch.device('cuda', 0))}"
    if gpu.startswith("GPU-") and own != gpu:
        raise StudyError(
            f"device: got {gpu}, but CUDA computes on {own}; to fix: leave CUDA alone in modules "
            "of your own until a run starts"
        )


def gpus(kind: str) -> list[str]:
    """The GPUs that a run may train on: none on a CPU; StudyError if it has to be one."""
    names = host.gpus() if kind != "cpu" and torch.version.cuda else []
    if kind == "cuda" and not names:
        missing = "there is no GPU that nvidia-smi and torch know"
        raise StudyError(f"device: got 'cuda', but {missing}; allowed: auto, cpu")
    return names


def in_use(device: torch.device, slots: int, is_first: bool = True) -> bool | None:
    """Whether another process uses a run's GPU, before the run itself computes there.

    It is asked again for a while, until the run before has left; is_first: which was another
    process's, else the GPU may still be busy with our own. None if it is not known or, on a CPU and
    where runs share a GPU, not asked.
    """
    if device.type != "cuda" or slots > 1:
        return None
    if not is_first:
        load = host.load(os.environ["CUDA_VISIBLE_DEVICES"])
        return None if load is None else load.processes > 1
    for _ in range(SETTLING):
        load = host.load(os.environ["CUDA_VISIBLE_DEVICES"])
        if load is None:
            return None
        if load.processes <= 1 and load.busy <= MAX_BUSY:
            return False
        time.sleep(1)
    return True


def in_use_still(before: bool | None) -> bool | None:
    """What `in_use` has found, or true if another process uses the GPU after the training.

    A driver that hides other processes, as in some containers, counts one or none.
    """
    if before is not False:
        return before
    load = host.load(os.environ["CUDA_VISIBLE_DEVICES"])
    return load is not None and load.processes > 1


def _keep_freed_memory() -> None:
    """Let glibc reuse large blocks; otherwise freed pages are faulted in again for every tensor."""
    libc = ctypes.CDLL(None)
    if sys.platform == "linux" and hasattr(libc, "mallopt"):
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
    if device.type == "cuda":
        return str(torch.cuda.get_device_properties(device).uuid)
    return platform.node()


def peak_memory(device: torch.device) -> tuple[int, str]:
    """Peak bytes and their kind: allocated CUDA memory, or the process's resident set on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "cuda allocated"
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "process RSS"


def generator(device: torch.device) -> torch.Generator:
    """The device's default generator, from which dropout draws; torch.manual_seed is slower."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    return torch.default_generator
