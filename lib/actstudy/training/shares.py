"""How many runs of a kind share a GPU: as many as leave it busy, by the first that had it alone."""

import contextlib
import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Self

from actstudy.contract import host, store
from actstudy.contract.spec import RunSpec
from actstudy.study import packs
from actstudy.training.leases import Lease, Slots

AUTO = "auto"
NOTES = ".slots"  # beside the folders of runs
SLOTS = (8, 4, 2)  # equal parts of host.GPU_PARTS
MOST_MEMORY = 0.9  # of a GPU's, by all runs on it
MOST_BUSY = 1.2  # of the time, by all of them if each were alone: two that take 60% share a GPU
PAUSE = 0.5  # seconds between two looks at a GPU
ENOUGH = 3  # looks that say how much a run uses
PATIENCE = 5  # seconds that the end of a run waits for a look


def slots_for(busy: float, memory: float) -> int:
    """How many runs may share a GPU if each uses these shares of its time and its memory."""
    for slots in SLOTS:
        if slots * busy <= MOST_BUSY and slots * memory <= MOST_MEMORY:
            return slots
    return 1


class Meter:
    """What is used of a GPU while the block runs, asked in a thread: not known if a look fails."""

    def __init__(self, gpu: str) -> None:
        self._gpu = gpu
        self._usages: list[host.Usage] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)
        self._seconds = time.monotonic() - self._started

    def _look(self) -> None:
        while not self._ended.wait(PAUSE):
            usage = None
            with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                usage = host.usage(self._gpu)
            if usage is None:
                self._usages.clear()
                return
            self._usages.append(usage)

    def usage(self, idle_seconds: float) -> host.Usage | None:
        """The share of the time, and the most of the memory; None if that is not known.

        idle_seconds: in which the GPU waited for what is done once for all runs of a kind.
        """
        if self._thread.is_alive() or len(self._usages) < ENOUGH:
            return None
        mean = sum(usage.busy for usage in self._usages) / len(self._usages)
        rest = max(self._seconds - idle_seconds, PAUSE)
        busy = min(1.0, mean * self._seconds / rest)
        return host.Usage(busy, max(usage.memory for usage in self._usages))


class Share(Slots):
    """How many runs of one kind, which differ in the fields of packs.STACKED alone, share a GPU.

    slots: a number, or `auto`: 1 until a run of the kind has been measured on that GPU. Notes of it
    are files beside the runs' folders; what cannot be read is not known.
    """

    def __init__(self, slots: int | str, spec: RunSpec, root: Path) -> None:
        self._auto = slots == AUTO
        self.spread = self._auto
        super().__init__(1 if isinstance(slots, str) else slots)
        kind = hashlib.sha256(packs.shared(spec).encode()).hexdigest()[:12]
        self._alone = root / NOTES / f"{kind}.json"
        self._root = root
        self._kind = kind

    def on(self, gpu: str) -> int:
        if self._alone.is_file():
            return 1
        if not self._auto:
            return self._n
        try:
            slots = json.loads(self._note(gpu).read_text(encoding="utf-8"))["slots"]
        except (OSError, ValueError, KeyError, TypeError):
            return 1
        return slots if slots in SLOTS else 1

    def go_alone(self, reason: str) -> None:
        """Note that runs of this kind have each GPU alone from now on."""
        store.write_json(self._alone, {"slots": 1, "reason": reason})

    def meter(self, lease: Lease) -> "contextlib.AbstractContextManager[Meter | None]":
        """What measures a run in a block if its kind has to be: it has its GPU alone."""
        is_due = self._auto and lease.gpu and lease.slots == 1
        if not is_due or self._alone.is_file() or self._note(lease.gpu).is_file():
            return contextlib.nullcontext()
        return Meter(lease.gpu)

    def note(self, gpu: str, usage: host.Usage | None) -> str:
        """Note what a run alone used of a GPU, if that is known; returns it in words."""
        if usage is None:
            return "slots_per_gpu: auto: not known how busy the GPU was; runs have it alone"
        slots = slots_for(usage.busy, usage.memory)
        store.write_json(self._note(gpu), {"slots": slots, **usage._asdict()})
        return (
            f"slots_per_gpu: auto: the GPU was busy {usage.busy:.0%} of the time, with "
            f"{usage.memory:.0%} of its memory in use; runs like this at a time: {slots}"
        )

    def _note(self, gpu: str) -> Path:
        return self._root / NOTES / f"{self._kind}-{gpu.replace('/', '_')}.json"
