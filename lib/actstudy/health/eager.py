"""Compiled code runs as it was written, while anybody in this process needs that."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _Stance:
    """The process-wide stance of torch's compiler, with a count of those who hold it eager."""

    def __init__(self) -> None:
        self.holders = 0
        self.lock = threading.Lock()

    def hold(self) -> None:
        with self.lock:
            if self.holders == 0:
                self.eager = torch.compiler.set_stance("force_eager")
            self.holders += 1

    def release(self) -> None:
        """The last holder gives back the stance of before, unless the user has set another."""
        from torch._dynamo import eval_frame

        with self.lock:
            self.holders -= 1
            if self.holders:
                return
            if eval_frame._stance is self.eager.stance:
                self.eager.__exit__(None, None, None)
            # A `with set_stance(...)` of the user that began meanwhile will put ours back.
            self.eager.stance.stance = self.eager.prev.stance


_STANCE = _Stance()


@contextmanager
def eager() -> Iterator[None]:
    """Nothing that torch compiles runs compiled in this context; contexts need not nest."""
    _STANCE.hold()
    try:
        yield
    finally:
        _STANCE.release()
