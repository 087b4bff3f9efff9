"""What a process keeps of one run for the next: its device, the data, compiled code.

Imports no torch before a run needs it.
"""

import contextlib
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actstudy.contract import store
from actstudy.contract.spec import RunSpec

if TYPE_CHECKING:
    from actstudy.data.prepared import Prepared
    from actstudy.training.job import Job
    from actstudy.training.leases import Lease, Slots


class Warm(contextlib.ExitStack):
    """Holds a device, the data on it and a job; the device is leased until the block is left."""

    def __init__(self) -> None:
        super().__init__()
        self._gpus: list[str] = []
        self._lease: Lease | None = None
        self._data: Prepared | None = None
        self._stamps: Any = None
        self._job: Job | None = None

    def lease(self, kind: str, slots: "Slots", stopping: Callable[[], bool]) -> "Lease":
        """The process's device, leased for its first run (`devices.lease`).

        A later run shares a GPU that the first one had alone if `slots` says so by then.
        Unanswered, for a later run, if its GPU has failed since, or CUDA in this process; Crowded
        if it is shared and full.
        """
        from actstudy.training import devices

        if self._lease is None:
            self._gpus = devices.gpus(kind)
            self._lease = self.enter_context(devices.lease(kind, slots, stopping))
            return self._lease
        self._lease.waited = 0.0
        if self._lease.device.type == "cuda":
            own = os.environ["CUDA_VISIBLE_DEVICES"]  # answers perhaps in another process
            devices.check_answers(
                [name for name in self._gpus if name != own] + [own], self._lease.slots
            )
            self._lease.share(slots)
        return self._lease

    def data(self, folder: Path) -> "Prepared":
        """The prepared data of a folder; checked and read anew if a file of theirs is another."""
        from actstudy.data import staged

        if self._data is None or _stamps(folder, self._data) != self._stamps:
            self._job = None  # which reads the older ones
            self._data = staged.load(folder)
            self._stamps = _stamps(folder, self._data)
        return self._data

    def keep(self, job: "Job") -> None:
        """Hold the job of a run that has ended well, for the next one."""
        self._job = job

    def take(self, spec: RunSpec, state: Path) -> "Job | None":
        """The job of the run before if it may train this one from its start, else None.

        state: the run's checkpoints, with which it starts anew. A job that cannot is given up, and
        its memory is free again.
        """
        from actstudy.training import seat

        job = self._job
        self._job = None
        if job is not None and seat.may_take(job, spec) and not any(state.glob("step-*.pt")):
            return job
        del job
        _free()
        return None


def _stamps(folder: Path, data: "Prepared") -> Any:
    """What changes if a file of prepared data is written again; None if one is missing."""
    stamps = [folder]
    for name in (store.MANIFEST, *data.manifest["sha256"]):
        try:
            status = (folder / name).stat()
        except FileNotFoundError:
            return None
        stamps += [status.st_size, status.st_mtime_ns, status.st_ino]
    return stamps


def _free() -> None:
    """Free what the runs before have left, compiled code and recorded graphs too.

    The peak of a GPU's memory counts from here.
    """
    import torch

    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
