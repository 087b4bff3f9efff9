"""Where a run first left the finite numbers: the steps since its last checkpoint again, the last two watched."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from actstudy.training import checkpoint
from actstudy.training.job import Diverged, Job, Progress
from actstudy.training.loop import batches, evaluate
from actstudy.training.record import Recorder, Scores
from actstudy.training.resume import load
from actstudy.training.step import train_step, update


def first_nonfinite(job: Job, progress: Progress, error: Diverged, again: Callable[[], Job], folder: Path) -> str:
    """`; first not finite: ..` for the reason of a run that diverged, or nothing where it is not found.

    again: makes the job anew; a run without a checkpoint is replayed from its start, which is not long ago then.
    """
    began = time.perf_counter()
    try:
        if error.step is None:
            found = in_validation(job)
        else:
            found = in_training(again(), progress.order_seed, error.step, folder)
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
    """The first value that is not finite in step `bad`, whose loss is not, or in the one before it."""
    state = checkpoint.newest(folder / "checkpoints", job.device)
    start = load(job, state).step if state else 0
    for step, batch in enumerate(batches(job, order_seed, start), start):
        if step < bad - 1:
            train_step(job, step, batch)
        elif found := watched_step(job, step, batch):
            return f"{found} at step {step}"
        if step == bad:
            break
        job.pending.clear()
    return f"the loss itself at step {bad}"


def watched_step(job: Job, step: int, batch: Tensor) -> str | None:
    """A train step; its first value that is not finite: an output, a gradient (last layers first), an update."""
    job.scored, job.recorder = job._scored, Recorder(on=False)  # hooks are for code that is not compiled

    def gradients() -> None:
        named = [] if found or job.scaler.is_enabled() else reversed(job.parameters.items())  # fp16 skips such steps
        found.extend(f"gradient of {name}" for name, p in named if p.grad is not None and not finite(p.grad))

    def examined(job: Job, rows: Tensor, draws: Tensor) -> Scores:
        return update(job, rows, draws, gradients)

    with outputs(job) as found:
        train_step(job, step, batch, examined)
    found.extend(f"{name} as updated" for name, p in job.parameters.items() if not finite(p))
    return found[0] if found else None


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

    parts = [(module, name) for name, module in job.model.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(watch(sites.get(module, name))) for module, name in parts]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def finite(value: Tensor) -> bool:
    """Whether all values are."""
    return bool(torch.isfinite(value).all())
