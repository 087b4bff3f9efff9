"""The minutes that a run may take: then every thread's stack in its log, and a row that says `timeout`."""

import contextlib
import faulthandler
import os
import threading
from collections.abc import Callable
from pathlib import Path

from actstudy.training.job import TimedOut

GRACE = 10.0  # seconds that a loop which is only slow has to end by itself


class Limit:
    """Watches one process's work from a thread of its own, as work that hangs cannot watch itself.

    give_up(reason): seals and publishes what there is; called from that thread, where the work does not end by itself.
    """

    def __init__(
        self,
        minutes: float | None,
        log: Path,
        stopping: Callable[[], bool],
        give_up: Callable[[str], None],
    ):
        self.reason = f"more than timeout_minutes {minutes:g}" if minutes else ""
        self._stopping, self._give_up, self._over = stopping, give_up, False
        self._ending, self._ended = threading.Lock(), threading.Event()
        if minutes:
            self._log = log.open("a", encoding="utf-8")
            threading.Thread(target=self._watch, args=(60 * minutes,), daemon=True).start()
            # Where even that thread does not come to its turn: the stacks, and an exit that is a failure.
            faulthandler.dump_traceback_later(60 * minutes + 3 * GRACE, exit=True, file=self._log)

    def stopping(self) -> bool:
        """Whether a stop was asked for; TimedOut where the time is over."""
        if self._over:
            raise TimedOut(self.reason)
        return self._stopping()

    def end(self) -> None:
        """From here on the work ends by itself; where it was given up a moment before, wait for the process's end."""
        self._ended.set()
        self._ending.acquire()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            return
        self._log.write(f"{self.reason}; what every thread was doing:\n")
        self._log.flush()
        faulthandler.dump_traceback(self._log, all_threads=True)
        self._over = True
        if self._ended.wait(GRACE) or not self._ending.acquire(blocking=False):
            return
        with contextlib.suppress(BaseException):
            self._give_up(self.reason)
            os._exit(0)
        os._exit(1)


def unlimited() -> Limit:
    """No limit."""
    return Limit(None, Path(), lambda: False, lambda _reason: None)
