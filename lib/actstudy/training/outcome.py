"""How runs end that do not complete: a status, and a reason that says what to change."""

import re
from collections.abc import Sequence

import torch

from actstudy.contract import code, own_import
from actstudy.contract.counting import counted
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.contract.store import Damaged
from actstudy.training.parity_file import ParityFailed


class Interrupted(Exception):
    """A stop was asked for; the same command resumes from the newest checkpoint."""


class Crowded(Exception):
    """Memory ran out on a GPU that runs share: the same command goes on once it has it alone."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"out of memory on a shared GPU: {memory(error)}; waits for one alone")


class TimedOut(Exception):
    """The runs took all the minutes that they may take."""


# Endings that are not the specs' fault, such as a full disk: the same command may succeed later.
NOT_THE_SPECS = (Interrupted, StudyError, Damaged, OSError)

OUT_OF_MEMORY = (
    "DefaultCPUAllocator",
    "RESOURCE_EXHAUSTED",
    "out of memory",  # of CUDA, its driver, Triton, or torch in an error of a compiler
    "_STATUS_ALLOC_FAILED",  # of cuBLAS and cuDNN
)
# of torch on a GPU and on a CPU, JAX (twice), TensorFlow
REQUESTED = (
    r"(?:[Tt]ri?e?d to allocate|trying to allocate|of memory allocating|allocating tensor with)"
    r" (shape\[[\d,]*\]|[\d.]+ ?\w+)"
)


def ending(
    error: Exception, specs: Sequence[RunSpec], has_models: bool, is_stopping: bool
) -> tuple[str, str]:
    """Status and reason of runs that an error ended; StudyError if their pack has to change.

    has_models: whether the error came after all models were made. is_stopping: whether a stop was
    asked for before. Its signal may have ended processes that work for the runs, such as those of
    torch's compiler, so then the error is Interrupted: one of the specs comes again.
    """
    spec = specs[0]
    first_line = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
    if is_stopping and not isinstance(error, TimedOut):
        raise Interrupted(f"stopped, with {first_line}") from error
    if isinstance(error, ParityFailed):
        return "failed", str(error)
    place = own_import.place_of(error)
    if place and any(map(_has_own_code, specs)):
        first_line = f"{place}: {first_line}"
    if isinstance(error, TimedOut):
        return "timeout", str(error)
    if is_memory(error):
        if spec.engine == "pack":
            got = f"pack_width: got {spec.pack_width}: {memory(error)}"
            raise StudyError(f"{got}; allowed: a smaller one") from None
        halved = f"a smaller batch_size, or accumulate: {2 * spec.accumulate}"
        where = f"task {spec.task}, batch_size {spec.batch_size}"
        return "out_of_memory", f"{where}: {memory(error)}; to fix: {halved}"
    if spec.engine == "pack" and not has_models:
        reason = str(error) if isinstance(error, ValueError) else first_line
        raise StudyError(f"pack of {counted(len(specs), 'run')}: {reason}") from error
    return "failed", first_line


def _has_own_code(spec: RunSpec) -> bool:
    return any(map(code.path_of, spec.code))


def is_memory(error: BaseException) -> bool:
    """Whether memory ran out, for which CUDA, JAX and torch on a CPU have no own exception."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    if type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's, which is not imported here
        return True
    return any(words in str(error) for words in OUT_OF_MEMORY)


def memory(error: BaseException) -> str:
    """How much memory was requested and was free if the error says so, else its first line."""
    requested = re.search(REQUESTED, str(error))
    free = re.search(r"([\d.]+ \w+) is free", str(error))
    if not requested:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    if not free:
        return f"asked for {requested[1]}"
    return f"asked for {requested[1]}, {free[1]} free"
