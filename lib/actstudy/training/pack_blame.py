"""Where runs of a pack first left the finite numbers: the steps since it was marked again, two of each run watched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from actstudy.training.blame import finite
from actstudy.training.job import autocast
from actstudy.training.pack import Pack, batches


def changed(pack: Pack) -> list[Tensor]:
    """All that a step changes."""
    return [tensor.detach() for part in (pack.parameters, *pack.optimizer.state) for tensor in part]


def first_nonfinite(pack: Pack, bad: Mapping[int, int]) -> dict[int, str]:
    """Run -> `; first not finite: ..`; bad: run -> the step whose loss is not finite, since the pack was marked.

    The pack is left as it was found; where the search fails, as in `blame`, runs keep their results without a site.
    """
    found: dict[int, str] = {}
    now = [tensor.clone() for tensor in changed(pack)]
    try:
        start, then = pack.marked
        put(changed(pack), then)
        for step, rows, scalars in batches(pack, start):
            watched = [run for run, at in bad.items() if step in (at - 1, at) and run not in found]
            found |= {run: f"{place} at step {step}" for run, place in before(pack, rows, watched)}
            pack.play(pack.update, rows, scalars)
            watched = [run for run in watched if run not in found]
            places = named(pack, pack.parameters, watched, "{} as updated")
            found |= {run: f"{place} at step {step}" for run, place in places}
            if step == max(bad.values()):
                break
        found |= {run: f"the loss itself at step {at}" for run, at in bad.items() if run not in found}
    except Exception as fault:
        for run in bad:
            pack.reports[run].line(f"no site of divergence: {type(fault).__name__}: {fault}")
    finally:
        put(changed(pack), now)
    return {run: f"; first not finite: {place}" for run, place in found.items()}


def before(pack: Pack, rows: Tensor, watched: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Runs whose pass over examples rows (R, B), or whose gradients, are not finite, with the first place."""
    if not watched:
        return
    inside = dict(in_pass(pack, pack.inputs(pack.splits["train"]["x"][rows]).flatten(2), watched))
    yield from inside.items()
    gradients = pack._gradients(rows)[2]
    left = [run for run in watched if run not in inside]
    yield from named(pack, gradients, left, "gradient of {}", last_first=True)


def in_pass(pack: Pack, x: Tensor, watched: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Runs of which something in the pass over x is not finite, with the first such output's name."""
    seen: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad(), autocast(pack.spec, pack.device):
        logits = pack.model(x, seen)
    layers, sites = pack.model.names[::2], list(pack.model.sites)
    outputs = [value for pair in seen for value in pair] + [logits]
    names = [name for pair in zip(layers[:-1], sites, strict=True) for name in (pair[0], f"activation {pair[1]}")]
    names = [name.removesuffix(".weight") for name in [*names, layers[-1]]]
    for run in watched:
        place = next((name for name, value in zip(names, outputs, strict=True) if not finite(value[run])), None)
        if place:
            yield run, f"output of {place}"


def in_validation(pack: Pack, runs: Sequence[int]) -> dict[int, str]:
    """Run -> `; first not finite: ..` of a validation with the present weights."""
    found: dict[int, str] = {}
    for x in pack.splits["val"]["x"].split(pack.spec.batch_size):
        left = [run for run in runs if run not in found]
        found |= dict(in_pass(pack, pack.inputs(x).flatten(1), left))
    return {run: f"; first not finite: {found.get(run, 'the loss itself')}" for run in runs}


def named(
    pack: Pack, tensors: Sequence[Tensor], runs: Sequence[int], words: str, last_first: bool = False
) -> Iterator[tuple[int, str]]:
    """Runs for which a tensor (R, ...), one a parameter, is not finite, with the first one's name in words."""
    pairs = list(zip(pack.model.names, tensors, strict=True))
    for run in runs:
        place = next((name for name, value in pairs[:: -1 if last_first else 1] if not finite(value[run])), None)
        if place:
            yield run, words.format(place)


def mark(pack: Pack) -> None:
    """Remember the pack as it is now: from here a search goes again."""
    pack.marked = (pack.step, [tensor.clone() for tensor in changed(pack)])


def put(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values into tensors."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)
