"""Where the time of a training process goes."""

import contextlib
import time
from collections.abc import Iterator

import torch

from actstudy.contract.schema import BUCKETS


class Clock:
    """Wall seconds per bucket; a switch waits for the device, so each bucket holds its own work."""

    def __init__(self, device: torch.device) -> None:
        self.seconds = dict.fromkeys(BUCKETS, 0.0)
        self._device = device
        self._bucket = "train"
        self._since = time.perf_counter()

    def restart(self) -> None:
        """Charge nothing for the time since the last switch."""
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def __call__(self, bucket: str) -> Iterator[None]:
        """Charge the block to a bucket, and what follows to the one before it again."""
        outer = self._bucket
        self.to(bucket)
        waits = False  # after an exception the device may be lost: do not wait for it
        try:
            yield
            waits = True
        finally:
            self.to(outer, waits)

    def to(self, bucket: str, waits: bool = True) -> None:
        """Charge the time since the last switch to the present bucket, and enter another one.

        waits: whether the device's work is waited for.
        """
        if bucket == self._bucket:
            return
        if waits and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[self._bucket] += now - self._since
        self._bucket = bucket
        self._since = now
