"""Locks on GPUs and on parts of them: flocks in a host-local folder, which a kill frees."""

import contextlib
import fcntl
import functools
import operator
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch

from actstudy.contract import host

LEASES = Path("/tmp/actstudy-gpus")  # noqa: S108 - of all users; holds empty files, no link is used


class Slots:
    """How many runs may be on a GPU at a time: on each n.

    spread: whether runs go to the GPU with the fewest, else a GPU is filled before the next one.
    """

    spread = False

    def __init__(self, n: int = 1) -> None:
        self._n = n

    def on(self, gpu: str) -> int:
        """How many runs may be on a GPU now; gpu: its UUID, or empty for one that Slurm chose."""
        return self._n


class Lease(contextlib.ExitStack):
    """A device of this process, until the block is left.

    gpu: its UUID, empty if nothing is locked: of a CPU, or where Slurm chose. slots: as many runs
    may be on it at a time. waited: seconds for which the present run waited for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("cpu")
        self.gpu = ""
        self.slots = 1
        self.waited = 0.0
        self._lock = -1  # descriptor of the GPU's file
        self._parts: list[contextlib.ExitStack] = []
        self._turns: dict[str, contextlib.ExitStack] = {}

    def take(self, gpus: Iterable[str], slots: Slots) -> bool:
        """Hold a GPU alone or one of its slots; false if none is free by now: to be asked again.

        Who waits has the turn of its GPUs, so that those who come later, and want less of one, do
        not take them for ever. Who wants one alone takes whatever is free.
        """
        places = []
        for gpu in gpus:
            n = slots.on(gpu)
            if self._has_turn(gpu) or n == 1:
                places += [(slot, gpu, n) for slot in range(n)]
        if slots.spread:
            places.sort(key=operator.itemgetter(0))
        for slot, gpu, n in places:
            with contextlib.suppress(BlockingIOError):
                self._take(slot, gpu, n)
                for turn in self._turns.values():
                    turn.close()
                return True
        return False

    def _has_turn(self, gpu: str) -> bool:
        """Whether nobody else has waited longer for a GPU."""
        if gpu not in self._turns:
            turn = contextlib.ExitStack()
            with contextlib.suppress(BlockingIOError):
                _lock(f"{gpu}-next", fcntl.LOCK_EX, turn)
                self._turns[gpu] = self.enter_context(turn)
        return gpu in self._turns

    def _take(self, slot: int, gpu: str, slots: int) -> None:
        """Hold a slot of so many: the GPU, with others or alone, and the slot's parts of it.

        BlockingIOError if another has one of them.
        """
        size = max(1, host.GPU_PARTS // slots)
        with contextlib.ExitStack() as files:
            lock = _lock(gpu, fcntl.LOCK_SH if slots > 1 else fcntl.LOCK_EX, files)
            parts = [files.enter_context(contextlib.ExitStack()) for _ in range(size)]
            for place, part in enumerate(parts, slot * size):
                _lock(f"{gpu}-{place}", fcntl.LOCK_EX, part)
            self.enter_context(files.pop_all())
        self.gpu = gpu
        self.slots = slots
        self._lock = lock
        self._parts = parts

    def share(self, slots: Slots) -> None:
        """Give back a GPU that was held alone but for one slot, if it may have several by now."""
        if not self.gpu or self.slots > 1:
            return
        self.slots = slots.on(self.gpu)
        if self.slots == 1:
            return
        # another may have it for a moment in between, and finds all parts locked
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        for part in self._parts[host.GPU_PARTS // self.slots :]:
            part.close()


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
