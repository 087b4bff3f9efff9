"""Which device a run trains on: its own GPU by a lease, or one CPU thread."""

import contextlib
import ctypes
import fcntl
import functools
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
from actstudy.contract.errors import NodeFault, StudyError
from actstudy.training.outcome import Interrupted

LEASES = Path("/tmp/actstudy-gpus")  # noqa: S108 - of all users; holds empty files, no link is used
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
def lease(kind: str, slots: int, stopping: Callable[[], bool]) -> Iterator[torch.device]:
    """Hold a device until the process ends or the block is left: `cpu`, or one of a GPU's slots.

    Every run sees its GPU alone, as cuda:0: compiled code is kept by device number, and so serves
    all GPUs. If Slurm gave this job one GPU, it is that one. Unanswered if the GPU has failed.
    """
    names = gpus(kind)
    if not names:
        torch.set_num_threads(1)
        _keep_freed_memory()
        yield torch.device("cpu")
        return
    with contextlib.ExitStack() as locks:
        by_slurm = os.environ.get("SLURM_STEP_GPUS") or os.environ.get("SLURM_JOB_GPUS", "")
        if by_slurm.isdecimal():
            name: str | None = names[0]
        else:
            name = _slot(names, slots, locks)
        while name is None:
            if stopping():
                raise Interrupted("stopped while waiting for a GPU")
            time.sleep(1)
            name = _slot(names, slots, locks)
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        check_answers([other for other in names if other != name])
        torch.set_num_threads(min(torch.get_num_threads(), host.cores()))
        yield torch.device("cuda", 0)


def check_answers(others: list[str]) -> None:
    """Unanswered if the present GPU has failed: it may stay listed. others: to use instead."""
    try:
        torch.zeros(1, device="cuda").item()
    except RuntimeError as error:
        raise Unanswered(error, others) from None


def gpus(kind: str) -> list[str]:
    """The GPUs that a run may train on: none on a CPU; StudyError if it has to be one."""
    names = host.gpus() if kind != "cpu" and torch.version.cuda else []
    if kind == "cuda" and not names:
        missing = "there is no GPU that nvidia-smi and torch know"
        raise StudyError(f"device: got 'cuda', but {missing}; allowed: auto, cpu")
    return names


def _slot(names: list[str], slots: int, locks: contextlib.ExitStack) -> str | None:
    """A GPU with a free slot, which `locks` then holds; None if no slot is free.

    flocks in a host-local folder, which a kill frees: one per GPU, shared by runs that share it,
    and one per slot. A GPU's slots are filled before the next GPU's.
    """
    for name, slot in itertools.product(names, range(slots)):
        gpu_lock = fcntl.LOCK_SH if slots > 1 else fcntl.LOCK_EX
        with contextlib.ExitStack() as files, contextlib.suppress(BlockingIOError):
            for file, lock in ((name, gpu_lock), (f"{name}-{slot}", fcntl.LOCK_EX)):
                _lock(file, lock, files)
            locks.enter_context(files.pop_all())
            return name
    return None


def _lock(name: str, lock: int, files: contextlib.ExitStack) -> None:
    """Lock a lease file, which `files` then holds; BlockingIOError if that would wait.

    Cleaners of /tmp remove old files. systemd-tmpfiles leaves a locked folder alone; others see a
    new time; a file that was removed before it was locked is opened again.
    """
    name = name.replace("/", "_")  # in the UUIDs of older MIG devices
    is_there = False
    while not is_there:
        with contextlib.ExitStack() as opened:
            folder, file = _lease_file(name, opened)
            fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, lock | fcntl.LOCK_NB)
            is_there = _is_there(folder, name, file)
            if is_there:
                with contextlib.suppress(PermissionError):  # another user's file
                    os.utime(file)
                files.enter_context(opened.pop_all())


def _is_there(folder: int, name: str, file: int) -> bool:
    """Whether an open file is still the one of that name in its folder."""
    try:
        named = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(file))


def _lease_file(name: str, opened: contextlib.ExitStack) -> tuple[int, int]:
    """Folder and file to lock, opened: of all users of this host, else of this user alone."""
    try:
        return _opened(LEASES, name, 0o1777, opened)
    except OSError as error:
        own = Path(tempfile.gettempdir()) / f"actstudy-gpus-{os.getuid()}"
        _say_own(own, LEASES, error.strerror)
    return _opened(own, name, 0o700, opened)


@functools.cache  # said once
def _say_own(own: Path, shared: Path, reason: str | None) -> None:
    print(
        f"device: {shared} cannot be used ({reason}): GPUs are leased in {own}, which holds for "
        "this user's runs alone",
        file=sys.stderr,
    )


def _opened(folder: Path, name: str, mode: int, opened: contextlib.ExitStack) -> tuple[int, int]:
    """A folder and a file in it that are no links, made if they are missing, as descriptors.

    mode: the folder's rights. Both are made with their final rights at once: other users may
    come in between. The file is opened for reading, which others may. `opened` closes both.
    """
    umask = os.umask(0)
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        opened.callback(os.close, place)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL, 0o644, dir_fd=place))
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=place)
        opened.callback(os.close, file)
    finally:
        os.umask(umask)
    return place, file


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
