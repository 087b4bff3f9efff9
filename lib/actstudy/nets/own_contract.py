"""What an activation must do to be trained: checked of someone's own before any job."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract import own, own_import
from actstudy.contract.errors import StudyError
from actstudy.nets import elementwise
from actstudy.nets.activations import entry
from actstudy.nets.gain import gain

SHAPES = ((8, 16), (2, 4, 16), (2, 16, 3, 3))  # of values of MLPs, Transformers, ResNets
REACH = 12.0  # values between -12 and 12 must give finite ones: the gain is computed on these
SEED = 0
ON_ARGUMENTS = "apply torch.where to the argument, not to the result"  # of log, sqrt, exp, x / y
OFF_ZERO = "keep divisors and arguments of log and sqrt away from 0"
Make = Callable[[], nn.Module]


def examine(name: str, args: Mapping[str, float]) -> dict[str, bool]:
    """Whether an activation learns, keeps values, and acts on each element alone.

    args: arguments other than its defaults. StudyError, in one line, if it could not be trained.
    """
    make = partial(entry(name).factory, **args)
    _check_instances(name, make)
    _check_pickled(name, make())
    for shape in SHAPES:
        _check_output(name, make(), _values(shape))
    _check_output(name, make().double(), _values(SHAPES[0]).double())
    _check_state(name, make)
    for shape in SHAPES:
        _check_gradient(name, make(), _values(shape))
    learns = any(parameter.requires_grad for parameter in make().parameters())
    return {
        "learns": learns,
        "keeps": elementwise.keeps(make),
        "elementwise": elementwise.is_elementwise(make),
    }


def check_gain(name: str, args: Mapping[str, float]) -> None:
    """StudyError unless one number is the gain of an activation, as `init: auto` needs.

    Registered ones have one.
    """
    if not own.is_path(name):
        return
    value = _gain(entry(name).factory, tuple(sorted(args.items())))
    if value is None:
        fault = "its output depends on more than each value alone, so that no number is its gain"
    elif not 0 < value < np.inf:
        fault = f"its gain, 1 / sqrt(E[f(z)^2]) for z from N(0, 1), is {value:g}"
    else:
        return
    allowed = "allowed: another init, such as he_normal"
    raise StudyError(f"{name}: init: got auto, but {fault}; {allowed}")


@cache
def _gain(factory: Callable[..., nn.Module], args: tuple[tuple[str, float], ...]) -> float | None:
    """The gain of new instances; None if an output depends on several values."""
    make = partial(factory, **dict(args))
    if elementwise.mixes(make):
        return None
    with elementwise.seeded(SEED), np.errstate(divide="ignore"):
        return gain(make())


def _values(shape: tuple[int, ...]) -> Tensor:
    """From -REACH to REACH evenly, 0 among them."""
    x = torch.linspace(-REACH, REACH, torch.Size(shape).numel())
    x[len(x) // 2] = 0.0
    return x.view(shape)


def _check_instances(name: str, make: Make) -> None:
    """StudyError if two sites would share a module, a parameter or a buffer."""
    first = make()
    second = make()
    allowed = "allowed: a fresh module per call, with all that it holds"
    if first is second:
        raise StudyError(f"{name}: returns one module for all sites; {allowed}")
    others = {id(part) for _, part in _parts(second)}
    for key, part in _parts(first):
        if id(part) in others:
            raise StudyError(f"{name}: its sites share {key}; {allowed}")


def _parts(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Name and object of each submodule, parameter and buffer."""
    yield from module.named_children()
    yield from module.named_parameters()
    yield from module.named_buffers()


def _check_pickled(name: str, module: nn.Module) -> None:
    """StudyError if a module cannot be pickled."""
    try:
        pickle.dumps(module)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise StudyError(
            f"{name}: cannot be pickled: {reason:.200}; allowed: functions and classes that have "
            "a name in their module; to fix: def instead of lambda, at the top of the file"
        ) from None


def _check_output(name: str, module: nn.Module, x: Tensor) -> None:
    """StudyError if an output has another shape or dtype, is not finite, or the input changes."""
    before = x.clone()
    with torch.no_grad():
        y = _output(name, module, x)
    got = _description(before)
    if not torch.equal(x, before):
        fix = "to fix: inplace=False, and x * 2 instead of x.mul_(2)"
        raise StudyError(f"{name}: changes its input in place; allowed: to leave it; {fix}")
    if not isinstance(y, Tensor):
        fix = "; to fix: give its arguments defaults" if isinstance(y, nn.Module) else ""
        raise StudyError(f"{name}: returns {type(y).__name__} for {got}; allowed: a tensor{fix}")
    if y.shape != x.shape:
        allowed = f"allowed: {tuple(x.shape)}"
        raise StudyError(f"{name}: returns shape {tuple(y.shape)} for {got}; {allowed}")
    if y.dtype != x.dtype:
        raise StudyError(f"{name}: returns {y.dtype} for {got}; allowed: {x.dtype}")
    bad = ~torch.isfinite(y)
    if bad.any():
        at = f"returns {y[bad][0]:g} at x = {x[bad][0]:g}"
        raise StudyError(f"{name}: {at}; allowed: finite for x from {-REACH:g} to {REACH:g}")


def _output(name: str, module: nn.Module, x: Tensor) -> Tensor:
    """What a module returns; StudyError with the place and what x was if it fails."""
    elementwise.seed_torch(SEED)
    try:
        output: Tensor = module(x)
    except Exception as error:
        called = f"called with {_description(x)}, values from {x.min():g} to {x.max():g}"
        fault = f"{own_import.blame(error)}; {called}"
        raise StudyError(f"{name}: {fault}; allowed: {allowed_instead(module, x)}") from None
    return output


def allowed_instead(module: nn.Module, x: Tensor) -> str:
    """What a module must take that fails on x, by what it does take: a shape, dtype or values."""
    others = [_values(shape).to(x.dtype) for shape in SHAPES if shape != x.shape]
    if any(_takes(module, other.requires_grad_(x.requires_grad)) for other in others):
        return "a module that takes any shape"
    if x.requires_grad and _takes(module, x.detach()):
        return "torch functions of an x that has a gradient: no numpy(), no item()"
    if x.dtype != torch.float32 and _takes(module.float(), x.float()):
        return "a module that takes any dtype"
    if _takes(module, torch.zeros_like(x)):
        return f"a module that takes every x from {x.min():g} to {x.max():g}"
    return "a module that takes one tensor"


def _takes(module: nn.Module, x: Tensor) -> bool:
    """Whether a module returns anything for x."""
    try:
        module(x)
    except Exception:
        return False
    return True


def _description(x: Tensor) -> str:
    return f"{x.dtype} of shape {tuple(x.shape)}"


def _check_gradient(name: str, module: nn.Module, x: Tensor) -> None:
    """StudyError if the input gets no gradient, or a tensor learns that is no parameter."""
    x.requires_grad_()
    y = _output(name, module, x * 1)
    allowed = "allowed: an output that torch can differentiate"
    if not y.requires_grad:
        raise StudyError(f"{name}: its output has no gradient; {allowed}")
    known = {x, *module.parameters()}
    for leaf in _leaves(y):
        if leaf not in known:
            got = f"a tensor of shape {tuple(leaf.shape)} learns that is none of its parameters"
            fix = "to fix: self.NAME = nn.Parameter(...) in __init__"
            raise StudyError(f"{name}: {got}, so that sites share it; {fix}")
    try:
        y.sum().backward()
    except Exception as error:
        fault = f"its gradient: {own_import.blame(error)}"
        raise StudyError(f"{name}: {fault}; {allowed}") from None
    if x.grad is None:
        raise StudyError(f"{name}: its input gets no gradient; {allowed}")
    _check_finite(name, module, x.detach(), x.grad)


def _check_finite(name: str, module: nn.Module, x: Tensor, gradient: Tensor) -> None:
    """StudyError if a gradient is not finite where the output is: every training would diverge.

    module: after a backward pass; gradient: by x.
    """
    bad = ~torch.isfinite(gradient)
    if bad.any():
        place = x[bad][0].item()
        at = f"the gradient is {gradient[bad][0]:g} at x = {place:g}"
        raise StudyError(f"{name}: {at}; to fix: {ON_ARGUMENTS if place else OFF_ZERO}")
    for key, parameter in module.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            fault = f"the gradient of parameter {key!r} is not finite"
            raise StudyError(f"{name}: {fault}; to fix: {OFF_ZERO}")


def _leaves(y: Tensor) -> Iterator[Tensor]:
    """The tensors that get a gradient from y."""
    nodes = [y.grad_fn]
    seen = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "torch::autograd::AccumulateGrad":
            yield node.variable  # type: ignore[attr-defined]
        nodes += [parent for parent, _ in node.next_functions]


def _check_state(name: str, make: Make) -> None:
    """StudyError if what one site sees changes what another returns, in evaluation.

    Nothing is said of one that returns other values for the same input by itself.
    """
    quiet = make().eval()
    busy = make().train()
    x = _values(SHAPES[0])
    with torch.no_grad():
        before = _output(name, quiet, x)
        again = _output(name, quiet, x)
        for _ in range(3):
            _output(name, busy, 5 * x + 1)
        after = _output(name, quiet, x)
    if torch.equal(before, again) and not torch.equal(before, after):
        fix = "to fix: keep it in self, as a buffer, and not in the class or the module"
        raise StudyError(f"{name}: what one site sees changes another; {fix}")
