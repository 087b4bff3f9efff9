"""Measurements of a GPU: the time of kernels on large tensors, their number, an epoch's seconds.

Tensors are far larger than the GPU's cache, so that nothing is read from it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.autograd import DeviceType
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from actstudy.certificate.cost import both, forward, window
from actstudy.certificate.subject import normal, seeded
from actstudy.contract.reading import Reading, exact, mean_of, median_of
from actstudy.guide.cost import words
from actstudy.guide.functions import function
from actstudy.guide.memory import Traffic
from actstudy.guide.precision import dtype_of

DEVICE = "cuda"
ALONE = True
N_WINDOWS = 11  # of each kernel, in turn
N_CALLS = 3  # per window
N_EPOCHS = 5
CLASSES = 10
Call = Callable[[], object]


def kernel_time(
    activation: str, values: Mapping[str, float], against: str = "relu", device: str = DEVICE
) -> list[Reading]:
    """Time of a forward kernel over that of another, per dtype; values: how many, by dtype.

    Inputs are from N(0, 1). bandwidth: what it reads and writes per second. n: windows of N_CALLS
    calls, in one process.
    """
    readings = []
    for dtype, n in values.items():
        with seeded():
            x = torch.randn(int(n), dtype=dtype_of(dtype), device=device)
        calls = [
            forward(function(name).fresh(x.dtype).to(device), x) for name in (activation, against)
        ]
        times = _in_turn(calls, device)
        milliseconds = [1000 * pair[0] for pair in times]
        values_here = {
            "ratio": median_of([pair[0] / pair[1] for pair in times]),
            "milliseconds": median_of(milliseconds, "ms"),
            "other_milliseconds": median_of([1000 * pair[1] for pair in times], "ms"),
            "bandwidth": median_of([2e-9 * x.nbytes / (ms / 1000) for ms in milliseconds], "GB/s"),
        }
        readings.append(Reading(values_here, f"{n:.3g} values of {dtype} on {words(device)}"))
    return readings


def _in_turn(calls: Sequence[Call], device: str) -> list[list[float]]:
    """Seconds of each call per window, after one that does not count."""
    rows = []
    for _ in range(N_WINDOWS + 1):
        rows.append([window(call, N_CALLS, device) for call in calls])
    return rows[1:]


def kernels(activation: str, log2_values: int = 20, device: str = DEVICE) -> list[Reading]:
    """How many kernels a forward pass, and both passes, start on the GPU.

    On a CPU: operations that compute.
    """
    x = normal(2**log2_values // 256, 256).to(device)
    module = function(activation).fresh().to(device)
    passes = {"forward": forward(module, x), "both": both(module, x)}
    values = {name: exact(_n_kernels(call, device)) for name, call in passes.items()}
    return [Reading(values)]


def _n_kernels(call: Call, device: str) -> int:
    call()
    if device == "cpu":
        with Traffic() as counter:
            call()
        return counter.operations
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as record:
        call()
        torch.cuda.synchronize()
    return sum(event.device_type == DeviceType.CUDA for event in record.events())


def numpy_epoch(
    hidden: Sequence[int] = (256, 128),
    examples: int = 60_000,
    batch: int = 64,
    device: str = DEVICE,
) -> list[Reading]:
    """Seconds of an epoch of a ReLU MLP, in torch on the device and in NumPy on the CPU; SGD.

    784 inputs, 10 classes, random values: the data lie in memory, nothing is loaded or augmented.
    """
    x = normal(examples, 784)
    y = torch.arange(examples) % CLASSES
    sizes = [784, *hidden, CLASSES]
    in_numpy = []
    in_torch = []
    for _ in range(N_EPOCHS + 1):
        in_numpy.append(_numpy_seconds(sizes, x.numpy(), y.numpy(), batch))
        in_torch.append(_torch_seconds(sizes, x.to(device), y.to(device), batch))
    in_numpy = in_numpy[1:]  # the first epoch warms both up
    in_torch = in_torch[1:]
    ratios = [slow / fast for slow, fast in zip(in_numpy, in_torch, strict=True)]
    values = {
        "ratio": mean_of(ratios),
        "torch": mean_of(in_torch, "s"),
        "numpy": mean_of(in_numpy, "s"),
    }
    return [Reading(values, f"on {words(device)}")]


def _torch_seconds(sizes: Sequence[int], x: torch.Tensor, y: torch.Tensor, batch: int) -> float:
    layers: list[nn.Module] = []
    with seeded():
        for before, width in pairwise(sizes):
            layers += [nn.Linear(before, width), nn.ReLU()]
    net = nn.Sequential(*layers[:-1]).to(x.device)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    began = time.perf_counter()
    for start in range(0, len(x) - batch + 1, batch):
        loss = functional.cross_entropy(net(x[start : start + batch]), y[start : start + batch])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    loss.item()  # waits for the device
    return time.perf_counter() - began


def numpy_gradients(
    weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], x: np.ndarray, y: np.ndarray
) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """Mean cross-entropy of a ReLU MLP in nats, and its gradients by weights and biases."""
    inputs = [x]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        inputs.append(np.maximum(inputs[-1] @ weight + bias, 0))
    logits = inputs[-1] @ weights[-1] + biases[-1]
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    delta = exponentials / exponentials.sum(1, keepdims=True)
    rows = np.arange(len(y))
    loss = float(-np.log(delta[rows, y]).mean())
    delta[rows, y] -= 1
    delta /= len(y)
    by_weight: list[np.ndarray] = []
    by_bias: list[np.ndarray] = []
    for layer in reversed(range(len(weights))):
        by_weight.insert(0, inputs[layer].T @ delta)
        by_bias.insert(0, delta.sum(0))
        delta = (delta @ weights[layer].T) * (inputs[layer] > 0)
    return loss, by_weight, by_bias


def _numpy_seconds(sizes: Sequence[int], x: np.ndarray, y: np.ndarray, batch: int) -> float:
    generator = np.random.default_rng(0)
    weights = []
    for before, width in pairwise(sizes):
        weights.append(generator.normal(0, before**-0.5, (before, width)).astype(np.float32))
    biases = [np.zeros(width, np.float32) for width in sizes[1:]]
    began = time.perf_counter()
    for start in range(0, len(x) - batch + 1, batch):
        rows = slice(start, start + batch)
        _, by_weight, by_bias = numpy_gradients(weights, biases, x[rows], y[rows])
        for parameter, gradient in zip(weights + biases, by_weight + by_bias, strict=True):
            parameter -= 0.01 * gradient
    return time.perf_counter() - began


MEASUREMENTS = {"kernel_time": kernel_time, "kernels": kernels, "numpy_epoch": numpy_epoch}
