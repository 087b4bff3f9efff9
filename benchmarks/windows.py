"""Processor seconds of something short: it is called until a window of time is over."""

import time
from collections.abc import Callable


def seconds_of(call: Callable[[], None], window: float) -> float:
    """Seconds of a call, the mean over a window of calls (seconds)."""
    calls = 0
    began = time.process_time()
    while calls == 0 or time.process_time() - began < window:
        call()
        calls += 1
    return (time.process_time() - began) / calls
