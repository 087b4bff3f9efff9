"""The minutes that runs may take; then all stacks are in the log, and rows say `timeout`."""

import contextlib
import faulthandler
import os
import threading
from collections.abc import Callable
from pathlib import Path

from actstudy.training.outcome import TimedOut

GRACE = 10.0  # seconds a slow loop gets to stop on its own


class Limit:
    """Watches a process's work from a thread of its own, as work that hangs cannot watch itself.

    when the time is over    the work then               ends
    0 s                      asks stopping()             TimedOut is raised in the work's thread
    after GRACE              does not call stopping()    give_up(reason) seals and publishes; exit 0
    after 3 GRACE            keeps even threads waiting  faulthandler dumps all stacks; exit 1
    """

    def __init__(
        self,
        minutes: float | None,
        log: Path,
        stopping: Callable[[], bool],
        give_up: Callable[[str], None],
    ):
        self.reason = f"more than timeout_minutes {minutes:g}" if minutes else ""
        self._stopping = stopping
        self._give_up = give_up
        self._over = False
        self._ending = threading.Lock()  # held by whoever ends the work: its own thread or ours
        self._ended = threading.Event()
        if minutes:
            self._log = log.open("a", encoding="utf-8")
            threading.Thread(target=self._watch, args=(60 * minutes,), daemon=True).start()
            faulthandler.dump_traceback_later(60 * minutes + 3 * GRACE, exit=True, file=self._log)

    def stopping(self) -> bool:
        """Whether a stop is asked for; TimedOut if the time is over."""
        if self._over:
            raise TimedOut(self.reason)
        return self._stopping()

    def end(self) -> None:
        """From now on the work ends by itself; if it was just given up, wait for the exit."""
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
