"""Checks of what makes an activation fast: torch.compile in one piece, recorded as a CUDA graph."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.certificate.outcome import Finding, NotMeasured
from actstudy.certificate.subject import Subject, is_random, normal, seeded
from actstudy.contract import own

SHAPE = (32, 8)
TOLERANCE = 1e-5
COMPILE_FIX = (
    "torch operations on tensors alone in forward: no print, .item(), numpy, `if` on values or "
    "torch.compiler.disable"
)
RECORD_FIX = (
    "no .item(), .cpu(), nonzero or boolean indexing in forward, and no tensor from numbers"
)


def compiled(subject: Subject) -> Finding | None:
    """A finding if torch.compile breaks the graph, or gives other numbers."""
    torch._dynamo.reset()
    x = normal(*SHAPE)
    module = subject.fresh()
    with seeded():
        graph = torch._dynamo.explain(module)(x.clone())
    if graph.graph_break_count > 0:  # -1 for an identity: no graph at all
        return Finding(f"torch.compile breaks the graph{_first_break(graph)}", COMPILE_FIX)
    torch._dynamo.reset()
    expected = _step(subject.fresh(), x)
    whole = torch.compile(subject.fresh(), fullgraph=True, backend="aot_eager")
    for what, got, right in zip(("output", "gradient"), _step(whole, x), expected, strict=True):
        if not torch.allclose(got, right, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            distance = (got - right).abs().max().item()
            return Finding(f"compiled, the {what} is another by up to {distance:.3g}", COMPILE_FIX)
    return None


def _first_break(graph: Any) -> str:
    """The place and reason of the first graph break; empty if dynamo does not say it."""
    for broken in graph.break_reasons:
        reason = next(iter(str(broken.reason).splitlines()), "")
        return f"{_place(broken.user_stack)}: {reason}"
    return ""


def _place(stack: list[traceback.FrameSummary]) -> str:
    """` in line N of FILE` of the innermost frame in someone's own file."""
    for frame in reversed(stack):
        if own.is_own(Path(frame.filename)):
            return f" in line {frame.lineno} of {Path(frame.filename).name}"
    return ""


def _step(module: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The output for x and the gradient of its sum of squares by x."""
    leaf = x.clone().requires_grad_()
    with seeded():
        y = module(leaf.clone())
    if not y.requires_grad:
        return y, torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(y.square().sum(), leaf, allow_unused=True)
    return y.detach(), torch.zeros_like(leaf) if gradient is None else gradient


def recorded(subject: Subject) -> Finding | None:
    """A finding if forward and backward cannot be recorded as a CUDA graph and replayed rightly."""
    if not torch.cuda.is_available():
        raise NotMeasured("no GPU")
    if is_random(subject):
        raise NotMeasured("random in training")
    module = subject.fresh().to("cuda")
    x = normal(*SHAPE).to("cuda").requires_grad_()
    try:
        graph, y, gradient = _record(module, x)
    except RuntimeError as error:
        line = " ".join(str(error).split())[:160]
        return Finding(f"cannot be recorded as a CUDA graph: {line}", RECORD_FIX)
    other = normal(*SHAPE, seed=2).to("cuda")
    with torch.no_grad():
        x.copy_(other)
    graph.replay()
    expected, slope = _step(subject.fresh().to("cuda"), other)
    for what, got, right in (("output", y, expected), ("gradient", gradient, slope)):
        if not torch.allclose(got, right, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            return Finding(f"replayed as a CUDA graph the {what} is another", RECORD_FIX)
    return None


def _record(module: nn.Module, x: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
    """The graph of a step on x, and the tensors that a replay fills: output and gradient."""

    def step() -> tuple[Tensor, Tensor]:
        y = module(x.clone())
        (gradient,) = torch.autograd.grad(y.square().sum(), x)
        return y, gradient

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y, gradient = step()
    return graph, y.detach(), gradient
