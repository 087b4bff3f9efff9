"""Measurements of time: operations and training steps against another activation's, in turn.

On a CPU the process's own seconds with one thread; on a GPU, if there is one, also there. n is the
number of starts with new tensors and models, all in one process.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from actstudy.certificate.cost import both, forward, one_thread, ratios, window
from actstudy.certificate.subject import normal, seeded
from actstudy.contract.reading import Reading, Value, exact, mean_of, median_of
from actstudy.contract.spec import Hybrid
from actstudy.guide.functions import function
from actstudy.guide.precision import dtype_of
from actstudy.guide.steps import MODELS, hybrid, step

ALONE = True  # nothing else may run beside it
LOG2_VALUES = {"cpu": 16, "cuda": 26}  # of an operation: within a core's cache; beyond a GPU's
N_STARTS = 9
N_PAIRS = 5  # of windows of an operation per start
N_STEPS = {"cpu": 2, "cuda": 5}  # per start, each a pair with the other's
PASSES = {"forward": forward, "forward and backward": both}


def devices(on: Sequence[str] = ("cpu", "cuda")) -> list[str]:
    """Those of the named devices that are there."""
    is_there = {"cpu": True, "cuda": torch.cuda.is_available()}
    return [device for device in on if is_there[device]]


def words(device: str) -> str:
    """What a condition calls a device."""
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


@cache
def _operation(name: str, against: str, way: str, dtype: str, device: str) -> tuple[float, ...]:
    """Seconds of an activation's pass as multiples of another's, a median per start."""
    medians = []
    for start in range(N_STARTS):
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
    for _ in range(N_STARTS):
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
    on: Sequence[str] = ("cpu", "cuda"),
) -> list[Reading]:
    """Time of an activation over that of another, per device, way and dtype.

    ways: `forward`, `forward and backward` (of the operation alone), or a model, whose training
    step is timed: mlp, transformer, resnet18. ratio; slower and faster: in percent; speed: of the
    other's in percent.
    """
    readings = []
    for device in devices(on):
        for way in ways:
            if way in MODELS:
                with one_thread():
                    times = _step(way, activation, against, device)
                readings.append(Reading(_values(times), f"{words(device)}, step of {way}"))
                continue
            for dtype in dtypes:
                with one_thread():
                    times = _operation(activation, against, _pass(way), dtype, device)
                readings.append(Reading(_values(times), f"{words(device)}, {way}, {dtype}"))
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
    for device in devices():
        for model in models:
            values = {}
            for name in activations:
                with one_thread():
                    in_forms = _values(_step(model, name, against, device))
                values[name] = in_forms["ratio"]
                values[f"{name}_speed"] = in_forms["speed"]
            readings.append(Reading(values, f"{words(device)}, step of {model}"))
    return readings


def hybrid_saving(early: str, late: str) -> list[Reading]:
    """What a step of ResNet-18 saves, in percent, if its first half has another activation.

    saved: by the first half; at_most: by all of it.
    """
    readings = []
    for device in devices():
        with one_thread():
            half = _step("resnet18", hybrid(early, late), late, device)
            whole = _step("resnet18", early, late, device)
        values = {
            "saved": median_of([100 * (1 - ratio) for ratio in half], "%"),
            "at_most": median_of([100 * (1 - ratio) for ratio in whole], "%"),
        }
        readings.append(Reading(values, words(device)))
    return readings


def bandwidth_floor(
    values: float, bytes_per_value: Sequence[int], gigabytes_per_second: float
) -> list[Reading]:
    """Milliseconds that reading and writing values takes at least, at a memory's bandwidth."""
    readings = []
    for n_bytes in bytes_per_value:
        seconds = 2 * n_bytes * values / (gigabytes_per_second * 1e9)
        readings.append(Reading({"floor": exact(1000 * seconds, "ms")}, f"{n_bytes} bytes a value"))
    return readings


def softmax_growth(log2_lengths: Sequence[int], log2_values: int = 18) -> list[Reading]:
    """How the time of softmax's backward pass per row grows with the row's length: its exponent.

    The values of all rows together stay the same. per_value: its time per value at the longest
    rows over that at the shortest.
    """
    exponents = []
    growths = []
    for start in range(N_STARTS):
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
    "bandwidth_floor": bandwidth_floor,
    "softmax_growth": softmax_growth,
}
