"""Measures of cost: seconds and bytes against relu, both in turn in the same minute."""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from actstudy.certificate.outcome import Reading
from actstudy.certificate.subject import Subject, normal

N_WINDOWS = 31  # of each, relu's and the activation's in turn
WINDOW_SECONDS = 0.003
MAX_CALLS = 100  # per window
LOG2_ELEMENTS = {"cpu": 18, "cuda": 24}


def seconds(subject: Subject) -> Reading:
    """Times of forward, and of both passes, as multiples of relu's: medians and quartiles."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    n = 2 ** LOG2_ELEMENTS[device]
    x = normal(n // 256, 256).to(device)
    module = subject.fresh().to(device)
    with one_thread():
        alone = ratios(forward(module, x), forward(nn.ReLU(), x), device)
        together = ratios(both(module, x), both(nn.ReLU(), x), device)
    where = torch.cuda.get_device_name() if device == "cuda" else "CPU time of one thread"
    text = (
        f"x{_middle(alone)} of relu forward, x{_middle(together)} with backward (eager, float32, "
        f"{n} values, {where}; medians and quartiles of n = {N_WINDOWS} pairs of windows)"
    )
    values = {"forward": statistics.median(alone), "both": statistics.median(together)}
    quartiles = {"forward_quartiles": _quartiles(alone), "both_quartiles": _quartiles(together)}
    return Reading(text, {**values, **quartiles, "n": N_WINDOWS, "elements": n, "device": where})


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch's CPU operations in the block use one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bytes_saved(subject: Subject) -> Reading:
    """Bytes per value that autograd keeps for the backward pass, and as a multiple of relu's."""
    x = normal(64, 64)
    own = saved(subject.fresh(), x) / x.numel()
    relu = saved(nn.ReLU(), x) / x.numel()
    text = f"{own:.4g} bytes a value in float32, relu {relu:.4g}: x{own / relu:.3g}"
    return Reading(text, {"bytes": own, "relu_bytes": relu, "ratio": own / relu})


def saved(module: nn.Module, x: Tensor) -> int:
    """Bytes that one forward pass keeps, parameters left out; a storage counts once."""
    parameters = {parameter.data_ptr() for parameter in module.parameters()}
    bytes_by_address: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in parameters:
            bytes_by_address[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = module(x.clone().requires_grad_().clone())
    del y
    return sum(bytes_by_address.values())


def forward(module: nn.Module, x: Tensor) -> Callable[[], object]:
    """A forward pass without a graph."""

    def call() -> object:
        with torch.no_grad():
            return module(x)

    return call


def both(module: nn.Module, x: Tensor) -> Callable[[], object]:
    """A forward and a backward pass."""
    leaf = x.clone().requires_grad_()
    gradient = torch.ones_like(x)
    inputs = [leaf, *module.parameters()]

    def call() -> object:
        return torch.autograd.grad(module(leaf), inputs, gradient, allow_unused=True)

    return call


def ratios(
    call: Callable[[], object], other: Callable[[], object], device: str, n: int = N_WINDOWS
) -> list[float]:
    """Seconds of a call over seconds of another, per pair of windows, in turn."""
    n_calls = {each: _calls(each, device) for each in (call, other)}
    per_pair = []
    for _ in range(n):
        seconds_of_other = window(other, n_calls[other], device)
        per_pair.append(window(call, n_calls[call], device) / seconds_of_other)
    return per_pair


def _calls(call: Callable[[], object], device: str) -> int:
    """Calls that a window needs to be long enough for a clock."""
    window(call, 3, device)
    return max(1, min(MAX_CALLS, math.ceil(WINDOW_SECONDS / window(call, 3, device))))


def window(call: Callable[[], object], n: int, device: str) -> float:
    """Seconds of a call, as the mean over n."""
    if device == "cpu":  # its own time: what else runs there takes none of it
        began = time.process_time()
        for _ in range(n):
            call()
        return (time.process_time() - began) / n
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(n):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / n


def _quartiles(ratios: list[float]) -> list[float]:
    first, _, third = statistics.quantiles(ratios, n=4)
    return [first, third]


def _middle(ratios: list[float]) -> str:
    first, third = _quartiles(ratios)
    return f"{statistics.median(ratios):.2f} [{first:.2f}, {third:.2f}]"
