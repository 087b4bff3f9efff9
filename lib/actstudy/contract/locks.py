"""A folder held by one writer at a time: an flock, which a kill frees, with a note of who has it."""

import contextlib
import fcntl
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LOCK, HOST, BOOT = ".lock", socket.gethostname(), Path("/proc/sys/kernel/random/boot_id")


@contextlib.contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder alone: a second writer waits, or with `wait=False` gets BlockingIOError naming the holder.

    What writers that have died left half written is removed, and on leaving a folder with nothing in it.
    """
    with _held(folder, wait) as handle:
        boot = BOOT.read_text()[:8] if BOOT.is_file() else "unknown"
        with naming(folder / LOCK):
            handle.truncate(0)
            handle.write(f"pid {os.getpid()} on {HOST} (boot {boot})".encode())
        for left in folder.rglob(".*.tmp"):
            if re.fullmatch(r"\..+\.\d+\.tmp", left.name):
                left.unlink(missing_ok=True)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if [path.name for path in folder.iterdir()] == [LOCK]:
                    (folder / LOCK).unlink()
                    folder.rmdir()


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """The system says that a disk is full, not which file it was for: such an error gets the file's name."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or (str(path) if error.errno else None)
        raise


def _held(folder: Path, wait: bool) -> IO[bytes]:
    """The lock's file, locked; one that its holder has removed by then is not the lock any more."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = (folder / LOCK).open(
                "ab+", buffering=0
            )  # so that no write is left for its closing
        except FileNotFoundError:  # the folder has just been removed
            continue
        try:
            _lock(handle, folder, wait)
            with contextlib.suppress(FileNotFoundError):
                if (folder / LOCK).stat().st_ino == os.fstat(handle.fileno()).st_ino:
                    return handle
        except BaseException:
            handle.close()
            raise
        handle.close()


def _lock(handle: IO[bytes], folder: Path, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        held = f"{folder} is held by {handle.read().decode().strip()}"
        if not wait:
            raise BlockingIOError(held) from None
        print(f"waiting: {held}", file=sys.stderr, flush=True)
        fcntl.flock(handle, fcntl.LOCK_EX)


def holder(run: Path) -> str | None:
    """Who holds a run's folder now, or None."""
    try:
        with locked(run, wait=False):
            return None
    except BlockingIOError as error:
        return str(error)
