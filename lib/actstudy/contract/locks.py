"""One writer per folder: an flock on a file beside the folder, which the system frees on a kill."""

import contextlib
import errno
import fcntl
import functools
import json
import os
import re
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from actstudy.contract.errors import StudyError

LOCKS = ".locks"  # beside the folders that are held: one file per folder, never removed
HOST = socket.gethostname()
BOOT = Path("/proc/sys/kernel/random/boot_id")
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
RELIANCE: set[str] = set()  # what keeps writers apart if locks cannot: empty, or SNAKEMAKE
SNAKEMAKE = "Snakemake"
OWNER = ".owner"  # ends the name of the file, beside a lock, of a Slurm job without locks


class Holder(NamedTuple):
    """The process that holds a folder."""

    pid: int
    host: str
    boot: str  # 8 hex digits of the host's boot id

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host} (boot {self.boot})"


class Lockless(StudyError):
    """A folder on a file system without locks. reason: the system's."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"{folder}: its file system keeps no locks ({reason}); to fix: put it on "
            "a local disk, or mount it with locks (NFS: version 4; Lustre: option flock)"
        )
        self.reason = reason


UNKNOWN = Holder(0, "unknown", "unknown")  # it has the lock and has not written its note yet


def lock_file(folder: Path) -> Path:
    """The file that is locked while a folder is held; it holds a `Holder` as JSON.

    Links and relative paths of one folder give one file.
    """
    whole = folder.resolve()
    return whole.parent / LOCKS / whole.name


def rely_on_snakemake() -> None:
    """From now on do without locks on file systems that have none: this is a workflow's job."""
    RELIANCE.add(SNAKEMAKE)


@contextlib.contextmanager
def locked(folder: Path, wait: bool = True, is_of_one_job: bool = False) -> Iterator[None]:
    """Hold a folder alone: a second writer waits or, if not `wait`, gets BlockingIOError.

    Removes drafts left by dead writers; on exit removes the folder if it is empty. If the file
    system keeps no locks: StudyError. is_of_one_job: whether one job of the workflow alone writes
    the folder; after `rely_on_snakemake` it then gets a line instead and drafts stay, in a job of
    Slurm's StudyError only if another job owns the folder.
    """
    path = lock_file(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as handle, contextlib.ExitStack() as stack:
        has_locks = True
        try:
            _lock(handle, folder, wait)
        except Lockless as fault:
            if not (is_of_one_job and RELIANCE):
                raise
            has_locks = False
            _say_lockless(fault.reason, folder.resolve().parent)
            stack.enter_context(_owned(path))
        folder.mkdir(exist_ok=True)
        boot = BOOT.read_text()[:8] if BOOT.is_file() else "unknown"
        with naming(path):
            handle.truncate(0)
            handle.write(json.dumps(Holder(os.getpid(), HOST, boot)).encode())
        if has_locks:
            _remove_drafts(folder)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[None]:
    """Own a lock's folder for this Slurm job, by a file that only one can make; else do nothing.

    Slurm may not know a job that runs, which Snakemake then starts again. A job that goes back
    into the queue keeps its number, and so what it owns.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        yield
        return
    owner = path.with_name(f"{path.name}{OWNER}")
    try:
        with owner.open("x", encoding="utf-8") as file:
            file.write(job)
    except FileExistsError:
        other = owner.read_text(encoding="utf-8")
        if other != job:
            raise StudyError(
                f"{owner}: got Slurm job {job}; allowed: job {other or 'unknown'}, which has the "
                "folder; to fix: remove this file once that job has ended"
            ) from None
    try:
        yield
    finally:
        owner.unlink(missing_ok=True)


def allow_files(needed: int) -> None:
    """Let this process hold `needed` files open, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def holder(folder: Path) -> Holder | None:
    """The process that holds a folder now, if any; to ask takes the right to read, no other.

    OSError, naming the lock's file, if the answer cannot be had.
    """
    path = lock_file(folder)
    with contextlib.suppress(FileNotFoundError), path.open("rb") as handle, naming(path):
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _note(handle)
    return None


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the file's name to an OSError without one, as when the disk is full."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or (str(path) if error.errno else None)
        raise


def _lock(handle: IO[bytes], folder: Path, wait: bool) -> None:
    try:
        _flock(handle, folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held = f"{folder} is held by {_note(handle)}"
        if not wait:
            raise BlockingIOError(held) from None
        print(f"waiting: {held}", file=sys.stderr, flush=True)
        _flock(handle, folder, fcntl.LOCK_EX)


@functools.cache  # said once
def _say_lockless(reason: str, parent: Path) -> None:
    print(
        f"{parent}: its file system keeps no locks ({reason}); runs are kept apart by {SNAKEMAKE}: "
        "let no second one run in this folder, nor after a kill before its jobs have ended",
        file=sys.stderr,
        flush=True,
    )


def _flock(handle: IO[bytes], folder: Path, lock: int) -> None:
    """flock; Lockless, naming the folder, if its file system has none."""
    try:
        with naming(lock_file(folder)):
            fcntl.flock(handle, lock)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise Lockless(folder, str(error.strerror)) from None


def _note(handle: IO[bytes]) -> Holder:
    handle.seek(0)
    try:
        return Holder(*json.loads(handle.read()))
    except (ValueError, TypeError):
        return UNKNOWN


def _remove_drafts(folder: Path) -> None:
    for draft in folder.rglob(".*.tmp"):
        if re.fullmatch(r"\..+\.\d+\.tmp", draft.name):
            draft.unlink(missing_ok=True)
