"""Finds the first NaN or infinity of diverged runs by replaying the steps since the last mark."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.training.batches import batches
from actstudy.training.engine import Engine, Places
from actstudy.training.outcome import Interrupted, TimedOut

LOSS = "the loss itself"


def mark(engine: Engine) -> None:
    """Copy the engine's present state; a later search replays from here."""
    engine.mark = (engine.step, {})  # frees the older copy
    engine.mark = (engine.step, engine.snapshot())


def search(engine: Engine, runs: Iterable[int], find: Callable[[], Places]) -> Places:
    """Run -> `; first not finite: ..`, for the reason that it ended with.

    Empty if find() fails, as the runs' results do not depend on it; their logs name the fault.
    """
    try:
        with engine.clock("probe"):
            return {run: f"; first not finite: {place}" for run, place in find().items()}
    except (Interrupted, TimedOut):
        raise
    except Exception as fault:
        for run in runs:
            engine.logs[run].line(f"no site of divergence: {type(fault).__name__}: {fault}")
        return {}


def in_training(engine: Engine, bad: Mapping[int, int], stopping: Callable[[], bool]) -> Places:
    """The first values that are not finite; bad: run -> the first step whose loss is not finite.

    The engine is left as it was. Interrupted if a stop is asked for: the search is repeated when
    the same command is run again.
    """
    places: Places = {}
    start, before = engine.mark
    present = engine.snapshot()
    try:
        engine.rewind(before)
        for step, rows in batches(engine, start):
            if stopping():
                raise Interrupted("stopped while a loss that is not finite was looked into")
            runs = [run for run, bad_step in bad.items() if bad_step == step]
            if runs:
                places |= engine.inspect(step, rows, runs)
            if step == max(bad.values()):
                break
            engine.train(step, rows)
    finally:
        engine.rewind(present)
    return places


def in_validation(engine: Engine, runs: Iterable[int]) -> Places:
    """The first outputs that are not finite in a validation with the present weights."""
    return engine.inspect_validation(list(runs))


@contextmanager
def watch_outputs(model: nn.Module, sites: Mapping[str, nn.Module]) -> Iterator[list[str]]:
    """Collects the outputs of a model's parts that are not finite, in the order of the pass."""
    places: list[str] = []
    site_names = {module: f"activation {site}" for site, module in sites.items()}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Any], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Any) -> None:
            if not all(map(finite, tensors_of(output))):
                places.append(f"output of {name}")

        return hook

    hooks = [
        module.register_forward_hook(watch(site_names.get(module, name)))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        yield places
    finally:
        for hook in hooks:
            hook.remove()


def tensors_of(output: Any) -> list[Tensor]:
    """The tensors of what a module returned: of an LSTM, for example, three in nested tuples."""
    if isinstance(output, Tensor):
        return [output]
    tensors: list[Tensor] = []
    if isinstance(output, tuple | list):
        for part in output:
            tensors += tensors_of(part)
    return tensors


def first(named: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first value that is not finite, or None."""
    return next((name for name, value in named if not finite(value)), None)


def finite(value: Tensor) -> bool:
    """Whether all values are finite."""
    return bool(torch.isfinite(value).all())
