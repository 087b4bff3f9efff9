"""Where runs of a pack first left the finite numbers: the steps since it was marked again, up to the bad ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from actstudy.training.blame import first, searching
from actstudy.training.job import Interrupted, TimedOut, autocast
from actstudy.training.pack import Pack, batches


def sites(pack: Pack, runs: Iterable[int], search: Callable[[], dict[int, str]]) -> dict[int, str]:
    """Run -> `; first not finite: ..`; of a search that fails nothing, as runs have their results all the same."""
    try:
        return {run: f"; first not finite: {place}" for run, place in search().items()}
    except (Interrupted, TimedOut):
        raise
    except Exception as fault:
        for run in runs:
            pack.reports[run].line(f"no site of divergence: {type(fault).__name__}: {fault}")
        return {}


def in_training(pack: Pack, bad: Mapping[int, int], stopping: Callable[[], bool]) -> dict[int, str]:
    """Run -> the first value that is not finite; bad: run -> the step whose loss is not, since the pack was marked.

    The pack is left as it was found.
    """
    found: dict[int, str] = {}
    now = [tensor.clone() for tensor in changed(pack)]
    try:
        start, then = pack.marked
        put(changed(pack), then)
        for step, rows, scalars in batches(pack, start):
            searching(stopping)
            if watched := [run for run, at in bad.items() if at == step]:
                found |= dict(in_step(pack, step, rows, watched))
            if step == max(bad.values()):
                break
            pack.play(pack.update, rows, scalars)
    finally:
        put(changed(pack), now)
    return found


def in_step(
    pack: Pack, step: int, rows: Tensor, watched: Sequence[int]
) -> Iterator[tuple[int, str]]:
    """Runs with the first value that is not finite in a step on rows (R, B): a parameter's, else an output's."""
    inputs = pack.inputs(pack.splits["train"]["x"][rows]).flatten(2)
    passed = dict(in_pass(pack, inputs, watched))
    for run in watched:
        named = zip(pack.model.names, pack.parameters, strict=True)
        spoilt = first((name, value[run]) for name, value in named)
        yield (
            run,
            f"{spoilt} before step {step}"
            if spoilt
            else f"{passed.get(run, 'the loss itself')} at step {step}",
        )


def in_validation(pack: Pack, runs: Sequence[int]) -> dict[int, str]:
    """Run -> the first value that is not finite in a validation with the present weights."""
    found: dict[int, str] = {}
    for x in pack.splits["val"]["x"].split(pack.spec.batch_size):
        left = [run for run in runs if run not in found]
        found |= dict(in_pass(pack, pack.inputs(x).flatten(1), left))
    return {run: found.get(run, "the loss itself") for run in runs}


def in_pass(pack: Pack, x: Tensor, watched: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Runs of which something in the pass over x is not finite, with the first such output's name."""
    seen: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad(), autocast(pack.spec, pack.device):
        logits = pack.model(x, seen)
    layers, activations = pack.model.names[::2], list(pack.model.sites)
    outputs = [value for pair in seen for value in pair] + [logits]
    names = [
        name
        for pair in zip(layers[:-1], activations, strict=True)
        for name in (pair[0], f"activation {pair[1]}")
    ]
    names = [name.removesuffix(".weight") for name in [*names, layers[-1]]]
    for run in watched:
        place = first((name, value[run]) for name, value in zip(names, outputs, strict=True))
        if place:
            yield run, f"output of {place}"


def changed(pack: Pack) -> list[Tensor]:
    """All that a step changes."""
    return [tensor.detach() for part in (pack.parameters, *pack.optimizer.state) for tensor in part]


def mark(pack: Pack) -> None:
    """Remember the pack as it is now: from here a search goes again."""
    kept = pack.marked[1] or [torch.empty_like(tensor) for tensor in changed(pack)]
    put(kept, changed(pack))
    pack.marked = (pack.step, kept)


def put(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values into tensors."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)
