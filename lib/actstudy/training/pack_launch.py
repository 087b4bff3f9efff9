"""How the programs of packs begin: compiled, all at the same time, launched, tried."""

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch

from actstudy.contract import host
from actstudy.nets import kernels
from actstudy.training.log import Log

Begin = Callable[[Any, tuple[int, ...]], Callable[..., Any]]  # of a Triton function, on a grid


def launched(program: Any, grid: tuple[int, ...]) -> Callable[..., Any]:
    """What launches a program; if need be, it is compiled first."""
    begin: Callable[..., Any] = program[grid]
    return begin


def compiled(program: Any, grid: tuple[int, ...]) -> Callable[..., Any]:
    """What compiles a program and launches nothing."""
    return partial(program.warmup, grid=grid)


def rehearse(part: Callable[[Begin], Any]) -> None:
    """Compile all programs of a part, as many at a time as there are cores, then launch them."""
    # a mode that a failed compilation leaves on ends with its context
    contextvars.copy_context().run(_compile, part)
    part(launched)
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _compile(part: Callable[[Begin], Any]) -> None:
    import triton  # is not everywhere

    with ThreadPoolExecutor(host.cores()) as pool, triton.AsyncCompileMode(pool):
        part(compiled)


def tried(build: Callable[[], Any], logs: Sequence[Log], otherwise: str) -> Any:
    """What was built and rehearsed; None if that failed: logs say what is done otherwise, and why.

    OutOfMemoryError if memory ran out.
    """
    try:
        built = build()
        built.rehearse()
    except Exception as error:
        reason = kernels.fault(error)
        for log in logs:
            log.line(f"kernel: {otherwise}: {reason}")
        return None
    return built
