"""Measurements of time: operations and training steps against another activation's, in turn.

On a CPU the process's own seconds with one thread; on a GPU, if there is one, also there. n is the
number of starts with new tensors and models, all in one process.
"""

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from actstudy.certificate.cost import both, forward, one_thread, ratios, window
from actstudy.certificate.subject import normal, seeded
from actstudy.contract.reading import Reading, Value, mean_of, median_of
from actstudy.contract.spec import Hybrid
from actstudy.guide.functions import function
from actstudy.guide.precision import dtype_of
from actstudy.guide.steps import MODELS, builder, hybrid, step

ALONE = True  # nothing else may run beside it
DEVICES = ("cpu", "cuda")
LOG2_VALUES = {"cpu": 16, "cuda": 26}  # of an operation: within a core's cache; beyond a GPU's
N_STARTS = {"operation": 25, "mlp": 25, "transformer": 17, "resnet18": 9}
N_PAIRS = 3  # of windows of an operation per start
N_PROCESSES = 3
N_STEPS = {"cpu": 2, "cuda": 5}  # per start, each a pair with the other's
# Vector instructions beyond SSE 4.1, which torch's own kernels and those of oneDNN may not use.
OLDEST = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
PASSES = {"forward": forward, "forward and backward": both}


def present(devices: Sequence[str] = DEVICES) -> list[str]:
    """Those of the named devices that are there; ValueError if one has no such name."""
    is_there = {"cpu": True, "cuda": torch.cuda.is_available()}
    for device in devices:
        if device not in is_there:
            raise ValueError(f"devices: got {device!r}; allowed: {', '.join(is_there)}")
    return [device for device in devices if is_there[device]]


def words(device: str) -> str:
    """What a condition calls a device."""
    return torch.cuda.get_device_name() if device == "cuda" else "the CPU"


@cache
def _operation(name: str, against: str, way: str, dtype: str, device: str) -> tuple[float, ...]:
    """Seconds of an activation's pass as multiples of another's, a median per start."""
    medians = []
    for start in range(N_STARTS["operation"]):
        x = normal(2 ** LOG2_VALUES[device] // 256, 256, seed=start).to(device, dtype_of(dtype))
        own, other = (
            PASSES[way](function(each).fresh(x.dtype).to(device), x) for each in (name, against)
        )
        medians.append(statistics.median(ratios(own, other, device, N_PAIRS)))
    return tuple(medians)


@cache
def _step(
    model: str, activation: str | Hybrid, against: str | Hybrid, device: str
) -> tuple[float, ...]:
    """Seconds of a training step as multiples of another activation's, a median per start."""
    medians = []
    for _ in range(N_STARTS[model]):
        calls = [step(model, each, device) for each in (activation, against)]
        for call in calls:
            window(call, 1, device)  # the first step makes the optimizer's state
        pairs = []
        for _ in range(N_STEPS[device]):
            seconds, seconds_of_other = (window(call, 1, device) for call in calls)
            pairs.append(seconds / seconds_of_other)
        medians.append(statistics.median(pairs))
    return tuple(medians)


def relative_time(
    activation: str,
    against: str = "relu",
    ways: Sequence[str] = ("forward",),
    dtypes: Sequence[str] = ("float32",),
    devices: Sequence[str] = DEVICES,
) -> list[Reading]:
    """Time of an activation over that of another, per device, way and dtype.

    ways: `forward`, `forward and backward` (of the operation alone), or a model, whose training
    step is timed: mlp, transformer, resnet18. ratio; slower and faster: in percent; speed: of the
    other's in percent.
    """
    readings = []
    for device in present(devices):
        for way in ways:
            if way in MODELS:
                with one_thread():
                    times = _step(way, activation, against, device)
                readings.append(Reading(_values(times), f"step of {way} on {words(device)}"))
                continue
            for dtype in dtypes:
                with one_thread():
                    times = _operation(activation, against, _pass(way), dtype, device)
                readings.append(Reading(_values(times), f"{way} in {dtype} on {words(device)}"))
    return readings


def _pass(way: str) -> str:
    """A way to time an operation; ValueError if it is none."""
    if way not in PASSES:
        raise ValueError(f"ways: got {way!r}; allowed: {', '.join([*PASSES, *MODELS])}")
    return way


def _values(times: Sequence[float]) -> dict[str, Value]:
    """A ratio of seconds in four forms."""
    return {
        "ratio": median_of(times),
        "slower": median_of([100 * (ratio - 1) for ratio in times], "%"),
        "faster": median_of([100 * (1 / ratio - 1) for ratio in times], "%"),
        "speed": median_of([100 / ratio for ratio in times], "%"),
    }


def step_times(
    activations: Sequence[str], models: Sequence[str], against: str = "relu"
) -> list[Reading]:
    """Per model the time of a training step over that with another activation, and its speed.

    A value per activation: gelu, and gelu_speed in percent of the other's.
    """
    readings = []
    for device in present():
        for model in models:
            builder(model)  # is there such a model?
            values = {}
            for name in activations:
                with one_thread():
                    in_forms = _values(_step(model, name, against, device))
                values[name] = in_forms["ratio"]
                values[f"{name}_speed"] = in_forms["speed"]
            readings.append(Reading(values, f"step of {model} on {words(device)}"))
    return readings


def hybrid_saving(early: str, late: str) -> list[Reading]:
    """What a step of ResNet-18 saves, in percent, if its first half has another activation.

    saved: by the first half; at_most: by all of it.
    """
    readings = []
    for device in present():
        with one_thread():
            half = _step("resnet18", hybrid(early, late), late, device)
            whole = _step("resnet18", early, late, device)
        values = {
            "saved": median_of([100 * (1 - ratio) for ratio in half], "%"),
            "at_most": median_of([100 * (1 - ratio) for ratio in whole], "%"),
        }
        readings.append(Reading(values, f"on {words(device)}"))
    return readings


def vector_gain(activation: str) -> list[Reading]:
    """Time of a forward pass on the CPU over relu's, and its time without late vector instructions.

    vector_gain: the time of processes that may use none later than SSE 4.1 (2007), over that of
    processes as they are, in turn.
    """
    gains = []
    for _ in range(N_PROCESSES):
        plain, usual = (_own_process(activation, settings) for settings in (OLDEST, {}))
        gains.append(plain / usual)
    with one_thread():
        times = _operation(activation, "relu", "forward", "float32", "cpu")
    return [Reading({"ratio": median_of(times), "vector_gain": mean_of(gains)}, "on the CPU")]


def _own_process(activation: str, settings: Mapping[str, str]) -> float:
    """What seconds_alone gives in a process of its own with these environment variables."""
    code = f"from {__name__} import seconds_alone; print(seconds_alone({activation!r}))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ended.stdout.split()[-1])


def seconds_alone(activation: str) -> float:
    """Seconds of a forward pass on a CPU, the median of some windows."""
    x = normal(2 ** LOG2_VALUES["cpu"] // 256, 256)
    with one_thread():
        return _seconds(forward(function(activation).fresh(), x))


def softmax_growth(log2_lengths: Sequence[int], log2_values: int = 18) -> list[Reading]:
    """How the time of softmax's backward pass per row grows with the row's length: its exponent.

    The values of all rows together stay the same. per_value: its time per value at the longest
    rows over that at the shortest.
    """
    exponents = []
    growths = []
    for start in range(N_STARTS["operation"]):
        times = []
        for log2_length in log2_lengths:
            x = normal(2 ** (log2_values - log2_length), 2**log2_length, seed=start)
            with one_thread():
                times.append(_seconds(_softmax_backward(x)))
        rows = [seconds * 2**length for seconds, length in zip(times, log2_lengths, strict=True)]
        logs = [math.log2(row) for row in rows]
        exponents.append(statistics.linear_regression(log2_lengths, logs).slope)
        growths.append(times[-1] / times[0])
    return [Reading({"exponent": mean_of(exponents), "per_value": median_of(growths)})]


def _softmax_backward(x: Tensor) -> Callable[[], object]:
    leaf = x.clone().requires_grad_()
    y = leaf.softmax(-1)
    with seeded():
        gradient = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, leaf, gradient, retain_graph=True)


def _seconds(call: Callable[[], object], n: int = 5) -> float:
    """Seconds of a call on a CPU, the median of some windows of ten."""
    window(call, 3, "cpu")
    return statistics.median(window(call, 10, "cpu") for _ in range(n))


MEASUREMENTS = {
    "relative_time": relative_time,
    "step_times": step_times,
    "hybrid_saving": hybrid_saving,
    "vector_gain": vector_gain,
    "softmax_growth": softmax_growth,
}
