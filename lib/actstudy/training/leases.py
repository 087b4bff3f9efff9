"""Locks on GPUs and on parts of them: flocks in a host-local folder, which a kill frees."""

import contextlib
import fcntl
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from actstudy.contract import host

LEASES = Path("/tmp/actstudy-gpus")  # noqa: S108 - of all users; holds empty files, no link is used


def alone(_gpu: str) -> int:
    """One run on each GPU."""
    return 1


class Lease(contextlib.ExitStack):
    """A device of this process, until the block is left.

    gpu: its UUID, empty if nothing is locked: of a CPU, or where Slurm chose. slots: as many runs
    may be on it at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("cpu")
        self.gpu = ""
        self.slots = 1
        self._lock = -1  # descriptor of the GPU's file
        self._parts: list[contextlib.ExitStack] = []
        self._turns: dict[str, contextlib.ExitStack] = {}

    def take(self, gpus: Iterable[str], slots_on: Callable[[str], int]) -> bool:
        """Hold a GPU alone or one of its slots; false if none is free by now: to be asked again.

        slots_on: of a GPU, how many runs may be on it at a time, this one among them. A GPU's slots
        are filled before the next GPU's. Who waits has the turn of its GPUs, so that those who come
        later, and want less, do not take them for ever.
        """
        for gpu in gpus:
            if gpu not in self._turns:
                turn = contextlib.ExitStack()
                with contextlib.suppress(BlockingIOError):
                    _lock(f"{gpu}-next", fcntl.LOCK_EX, turn)
                    self._turns[gpu] = self.enter_context(turn)
            if gpu in self._turns and self._take(gpu, slots_on(gpu)):
                for turn in self._turns.values():
                    turn.close()
                return True
        return False

    def _take(self, gpu: str, slots: int) -> bool:
        """Lock a GPU for those who share it, or for this process, and a slot's parts of it."""
        size = max(1, host.GPU_PARTS // slots)
        with contextlib.ExitStack() as files, contextlib.suppress(BlockingIOError):
            lock = _lock(gpu, fcntl.LOCK_SH if slots > 1 else fcntl.LOCK_EX, files)
            for slot in range(slots):
                parts = _locked([f"{gpu}-{slot * size + part}" for part in range(size)])
                if not parts:
                    continue
                for held in (files.pop_all(), *parts):
                    self.enter_context(held)
                self.gpu = gpu
                self.slots = slots
                self._lock = lock
                self._parts = parts
                return True
        return False

    def share(self, slots_on: Callable[[str], int]) -> None:
        """Give back a GPU that was held alone but for one slot if it may have several by now."""
        if not self.gpu or self.slots > 1:
            return
        slots = slots_on(self.gpu)
        if slots == 1:
            return
        # another may have it for a moment in between, and finds all parts locked
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        for part in self._parts[host.GPU_PARTS // slots :]:
            part.close()
        self.slots = slots


def _locked(names: Iterable[str]) -> list[contextlib.ExitStack]:
    """What holds each of some lease files alone; empty, and none is held, if one is not free."""
    held = []
    with contextlib.ExitStack() as all_of_them, contextlib.suppress(BlockingIOError):
        for name in names:
            held.append(all_of_them.enter_context(contextlib.ExitStack()))
            _lock(name, fcntl.LOCK_EX, held[-1])
        all_of_them.pop_all()
        return held
    return []


def _lock(name: str, lock: int, files: contextlib.ExitStack) -> int:
    """Lock a lease file, which `files` then holds; its descriptor. BlockingIOError if it waits.

    Cleaners of /tmp remove old files. systemd-tmpfiles leaves a locked folder alone; others see a
    new time; a file that was removed before it was locked is opened again.
    """
    name = name.replace("/", "_")  # in the UUIDs of older MIG devices
    while True:
        with contextlib.ExitStack() as opened:
            folder, file = _lease_file(name, opened)
            fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, lock | fcntl.LOCK_NB)
            if _is_there(folder, name, file):
                with contextlib.suppress(PermissionError):  # another user's file
                    os.utime(file)
                files.enter_context(opened.pop_all())
                return file


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
