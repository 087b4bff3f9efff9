"""Settings of a training process besides its specs; imports no torch, so that it is quick."""

from collections.abc import Callable
from dataclasses import dataclass

from actstudy.training.warm import Warm


@dataclass(frozen=True)
class Settings:
    """Where and how runs train; no setting is part of a run's id.

    Two can change a result: the kind of `device` changes bits, and runs that take longer than
    `timeout_minutes` end as `timeout`. slots_per_gpu: runs that may be on a GPU at a time, or
    `auto`. started: when the process began, or its present run if that is not the first, in seconds
    since the epoch, so that imports count. sealed: each published run is written as one file, too
    (`contract.sealed`). goes_on: the same command has other runs to
    train. is_first: it has trained no other before, so that the process's peak of memory is the
    run's. warm: what it keeps of a run for the next. stopping: called after every step; true ends
    the training after a checkpoint.
    """

    device: str = "auto"
    slots_per_gpu: int | str = 1
    probe_every: int = 200
    checkpoint_seconds: float = 30.0
    timeout_minutes: float | None = None
    quiet: bool = False
    tensorboard: bool = False
    sealed: bool = False
    goes_on: bool = False
    is_first: bool = True
    warm: Warm | None = None
    started: float | None = None
    stopping: Callable[[], bool] = lambda: False
