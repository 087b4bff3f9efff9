"""Checks of gradients: backward and double backward against differences; that anything learns."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError

from actstudy.certificate.outcome import Finding
from actstudy.certificate.subject import Subject, call, normal, seeded, with_gradient
from actstudy.nets.own_contract import OFF_ZERO

N_NEAR = 64  # points of [-4, 4], where inputs mostly are
N_FAR = 16  # points of [-30, 30]
STEP = 1e-6  # of differences
OFF_KINKS = 0.0131  # shifts points from round numbers, at which differences see both sides


def points() -> Tensor:
    """Points (10, 8) in float64 at which derivatives are compared with differences."""
    near = torch.linspace(-4, 4, N_NEAR, dtype=torch.float64)
    far = torch.linspace(-30, 30, N_FAR, dtype=torch.float64)
    return (torch.cat([near, far]) + OFF_KINKS).reshape(-1, 8)


def backward(subject: Subject) -> Finding | None:
    """A finding if the gradient by input or parameters is not that of the forward pass."""
    function, inputs = _as_function(subject)
    try:
        torch.autograd.gradcheck(function, inputs)
    except GradcheckError:
        fix = "make backward the derivative of forward; or drop the custom one, autograd makes it"
        return Finding(f"backward is not the derivative of forward: {_worst(subject)}", fix)
    return None


def _worst(subject: Subject) -> str:
    """Where the gradient by the input is furthest from differences, and both."""
    x = points()
    _, gradient = with_gradient(subject.fresh(torch.float64), x)
    above, below = (call(subject.fresh(torch.float64), x + step).detach() for step in (STEP, -STEP))
    differences = (above - below) / (2 * STEP)
    place = int((gradient - differences).abs().argmax())
    got, right = (part.flatten()[place].item() for part in (gradient, differences))
    if abs(got - right) <= 1e-3 * (1 + abs(right)):
        return "the gradient by a parameter is another than by differences"
    return f"{got:.4g} at x = {x.flatten()[place].item():.4g}, by differences {right:.4g}"


def double_backward(subject: Subject) -> Finding | None:
    """A finding if the gradient cannot be differentiated, or not rightly."""
    function, inputs = _as_function(subject)
    fix = (
        "write backward in torch operations on saved tensors, without @once_differentiable, "
        ".data, .item() or numpy"
    )
    try:
        torch.autograd.gradgradcheck(function, inputs)
    except (GradcheckError, RuntimeError) as error:
        return Finding(
            f"the gradient has no right derivative: {_second_fault(subject, error)}", fix
        )
    return None


def _second_fault(subject: Subject, error: Exception) -> str:
    """What autograd says when it differentiates twice, else the error of the comparison."""
    x = points().requires_grad_()
    y = call(subject.fresh(torch.float64), x)
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)
    try:
        torch.autograd.grad(gradient.sum(), x)
    except RuntimeError as fault:
        error = fault
    return " ".join(str(error).split())[:160]


def flow(subject: Subject) -> Finding | None:
    """A finding if no gradient reaches any input, of inputs and gradients drawn at random."""
    x = normal(512, 8) * 3
    _, gradient = with_gradient(subject.fresh(), x, normal(512, 8, seed=2))
    if gradient.any():
        return None
    text = f"the gradient by the input is 0 for all of {x.numel()} inputs: nothing below learns"
    return Finding(text, "no .detach(), .data or torch.no_grad() in forward; no step functions")


def parameters(subject: Subject) -> Finding | None:
    """A finding if a parameter gets no gradient, or if what learns is not a parameter."""
    module = subject.fresh()
    moved(module)
    x = normal(32, 8) * 2
    y = call(module, x)
    known = {id(parameter) for parameter in module.parameters()}
    for leaf in leaves(y):
        if id(leaf) not in known:
            text = (
                f"a tensor of shape {list(leaf.shape)} learns and is not a parameter of the module"
            )
            fix = (
                "self.NAME = nn.Parameter(...) in __init__: optimizers and checkpoints see it then"
            )
            return Finding(text, fix)
    for name, parameter in module.named_parameters():
        gradient = None
        if y.requires_grad:
            (gradient,) = torch.autograd.grad(
                y.square().sum(), parameter, retain_graph=True, allow_unused=True
            )
        if gradient is None or not gradient.any():
            fix = "use it in forward without .item(), .data or .detach(); or make it a buffer"
            return Finding(f"parameter {name!r} gets no gradient", fix)
        if not gradient.isfinite().all():
            return Finding(f"the gradient of parameter {name!r} is not finite", OFF_ZERO)
    return None


def leaves(y: Tensor) -> list[Tensor]:
    """The tensors at the ends of an output's graph: all that learns by it."""
    todo = [y.grad_fn]
    seen = set()
    tensors = []
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            tensors.append(variable)
        todo += [parent for parent, _ in node.next_functions]
    return tensors


def moved(module: nn.Module) -> None:
    """Moves all numbers of a module's state a little, off values such as 0 that hide a fault."""
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                value += 0.1


def _as_function(subject: Subject) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The activation in float64 as a function of its input and its parameters, and their values.

    Each call is of a new instance, so that none sees what another has left.
    """
    named = dict(subject.fresh(torch.float64).named_parameters())
    values = [value.detach().clone().requires_grad_() for value in named.values()]

    def function(x: Tensor, *values: Tensor) -> Tensor:
        state = dict(zip(named, values, strict=True))
        module = subject.fresh(torch.float64)
        with seeded():
            return torch.func.functional_call(module, state, (x.clone(),))

    return function, (points().requires_grad_(), *values)
