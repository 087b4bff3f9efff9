"""Where a run first left the finite numbers: the steps since its last checkpoint again, up to the bad one."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from actstudy.training import checkpoint
from actstudy.training.cuda_graphs import Recorder
from actstudy.training.job import Diverged, Interrupted, Job, Progress, TimedOut
from actstudy.training.loop import batches, evaluate
from actstudy.training.resume import load
from actstudy.training.step import train_step


def first_nonfinite(
    job: Job, progress: Progress, error: Diverged, again: Callable[[], Job], folder: Path
) -> str:
    """`; first not finite: ..` for the reason of a run that diverged, or nothing where it is not found.

    again: makes the job anew; a run without a checkpoint is replayed from its start, which is not long ago then.
    """
    began = time.perf_counter()
    try:
        if error.step is None:
            found = in_validation(job)
        else:
            found = in_training(again(), progress.order_seed, error.step, folder)
    except (Interrupted, TimedOut):
        raise
    except Exception as fault:  # the run has its result, whatever becomes of the search
        job.report.line(f"no site of divergence: {type(fault).__name__}: {fault}")
        return ""
    finally:
        progress.seconds["probe"] += time.perf_counter() - began
    return f"; first not finite: {found}"


def in_validation(job: Job) -> str:
    """The first value that is not finite in a validation with the present weights."""
    with outputs(job) as found:
        evaluate(job, "val")
    return found[0] if found else "the loss itself"


def in_training(job: Job, order_seed: int, bad: int, folder: Path) -> str:
    """The first value that is not finite in step `bad`, whose loss is not: a parameter's, else an output's.

    All that is asked of is the state before that step, so that the answer is one from whichever checkpoint.
    """
    state = checkpoint.newest(folder / "checkpoints", job.device)
    start = load(job, state).step if state else 0
    steps = batches(job, order_seed, start)
    for step in range(start, bad):
        searching(job.stopping)
        train_step(job, step, next(steps))
        job.pending.clear()
    spoilt = first(job.parameters.items())
    if spoilt:
        return f"{spoilt} before step {bad}"
    job.scored, job.recorder = (
        job._scored,
        Recorder(on=False),
    )  # hooks are for code that is not compiled
    with outputs(job) as found:
        train_step(job, bad, next(steps))
    return f"{found[0] if found else 'the loss itself'} at step {bad}"


def searching(stopping: Callable[[], bool]) -> None:
    """Interrupted where a stop is asked for: the run is found out again when the same command goes on."""
    if stopping():
        raise Interrupted("stopped while a loss that is not finite was looked into")


@contextmanager
def outputs(job: Job) -> Iterator[list[str]]:
    """Collects which outputs of sites and other parts of the model are not finite, in the order of the pass."""
    found: list[str] = []
    sites = {module: f"activation {site}" for site, module in job.sites.modules.items()}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not finite(output):
                found.append(f"output of {name}")

        return hook

    parts = [
        (module, name) for name, module in job.model.named_modules() if not list(module.children())
    ]
    hooks = [module.register_forward_hook(watch(sites.get(module, name))) for module, name in parts]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def first(named: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first value that is not finite."""
    return next((name for name, value in named if not finite(value)), None)


def finite(value: Tensor) -> bool:
    """Whether all values are."""
    return bool(torch.isfinite(value).all())
