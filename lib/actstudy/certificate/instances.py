"""Checks of instances: deterministic, copied, saved, one a site, and none in another's way."""

import copy
import pickle
from collections.abc import Callable

import torch
from torch import Tensor, nn

from actstudy.certificate.derivatives import leaves, moved
from actstudy.certificate.outcome import Finding
from actstudy.certificate.subject import Subject, call, normal

SHAPE = (32, 8)


def deterministic(subject: Subject) -> Finding | None:
    """A finding if one seed gives two outputs, or if the output is random in evaluation."""
    x = normal(*SHAPE)
    first, second = (call(subject.fresh(), x) for _ in range(2))
    if not _same(first, second):
        text = f"two new instances give different outputs from one seed: {_distance(first, second)}"
        fix = "draw random numbers by torch alone (no random, numpy.random, time); keep no globals"
        return Finding(text, fix)
    module = subject.fresh().eval()
    first, second = (call(module, x, seed) for seed in range(2))
    if not _same(first, second):
        text = f"two calls in evaluation give different outputs: {_distance(first, second)}"
        return Finding(text, "random numbers only `if self.training:`, as nn.Dropout does")
    return None


def picklable(subject: Subject) -> Finding | None:
    """A finding if pickle does not give the same activation back."""
    fix = (
        "name functions and classes at the top of the module (def, no lambda); no open files, locks"
    )
    return _copied(subject, lambda module: pickle.loads(pickle.dumps(module)), "pickle", fix)  # noqa: S301


def copyable(subject: Subject) -> Finding | None:
    """A finding if copy.deepcopy does not give the same activation, with tensors of its own."""
    fix = "keep no computed tensor with a gradient, no generator and no open file in self"
    return _copied(subject, copy.deepcopy, "copy.deepcopy", fix)


def _copied(
    subject: Subject, copier: Callable[[nn.Module], nn.Module], words: str, fix: str
) -> Finding | None:
    module = subject.fresh()
    moved(module)
    try:
        twin = copier(module)
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        return Finding(f"{words} fails: {type(error).__name__}: {line}", fix)
    x = normal(*SHAPE)
    first, second = (call(part.eval(), x) for part in (module, twin))
    if not _same(first, second):
        return Finding(f"after {words} the output is another: {_distance(first, second)}", fix)
    if _shared(module, twin):
        return Finding(f"after {words} both have one tensor in common", fix)
    return None


def restorable(subject: Subject) -> Finding | None:
    """A finding if a state_dict does not bring the activation back as it was after some calls."""
    module = subject.fresh()
    moved(module)
    for seed in range(3):
        call(module, normal(*SHAPE, seed=seed) * 3)
    twin = subject.fresh()
    twin.load_state_dict(module.state_dict())
    x = normal(*SHAPE)
    first, second = (call(part.eval(), x) for part in (module, twin))
    if _same(first, second):
        return None
    text = (
        f"a new instance with the same state_dict gives other outputs: {_distance(first, second)}"
    )
    return Finding(text, "register_buffer for tensors that calls change; no running values in self")


def fresh(subject: Subject) -> Finding | None:
    """A finding if two sites would get one module, or two that learn one tensor."""
    first = subject.fresh()
    second = subject.fresh()
    fix = "make nn.Parameters in __init__, anew in each call: none in the class, file or a cache"
    if first is second:
        return Finding("the factory returns one module each time: all sites would share it", fix)
    common = _shared(first, second)
    if common:
        return Finding(f"two instances have {common} in common: sites would learn it together", fix)
    return None


def apart(subject: Subject) -> Finding | None:
    """A finding if calls of one instance change the output of another."""
    module = subject.fresh().eval()
    x = normal(*SHAPE)
    before = call(module, x)
    other = subject.fresh()
    for seed in range(3):
        call(other, normal(*SHAPE, seed=seed) * 3)
    after = call(module, x)
    if _same(before, after):
        return None
    text = f"calls of one instance change the output of another: {_distance(before, after)}"
    return Finding(
        text, "keep state in self, not in globals, class attributes or default arguments"
    )


def _shared(first: nn.Module, second: nn.Module) -> str:
    """The tensor that two instances learn or save together, in words; empty if there is none."""
    tensors = _tensors(first)
    addresses = {part.data_ptr() for part in _tensors(second).values()}
    names = [name for name, part in tensors.items() if part.data_ptr() in addresses]
    return ", ".join(names)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Name -> parameter or buffer of an instance, and what else learns in it; none of size 0."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    known = {id(part) for part in tensors.values()}
    for leaf in leaves(call(module, normal(*SHAPE))):
        if id(leaf) not in known:
            tensors[f"a tensor of shape {list(leaf.shape)}"] = leaf
    return {name: part for name, part in tensors.items() if part.numel()}


def _same(first: Tensor, second: Tensor) -> bool:
    """Whether two outputs have the same bits, NaN where the other has it."""
    return torch.equal(torch.nan_to_num(first), torch.nan_to_num(second))


def _distance(first: Tensor, second: Tensor) -> str:
    n = int((first != second).sum())
    largest = (first - second).abs().max().item()
    return f"{n} of {first.numel()} values, by up to {largest:.3g}"
