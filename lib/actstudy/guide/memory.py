"""Measurements of memory on a CPU: bytes that pass through, that backward needs, at the peak."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from actstudy.certificate.cost import saved
from actstudy.certificate.subject import normal
from actstudy.contract.reading import Reading, exact
from actstudy.guide.functions import function
from actstudy.guide.precision import ways

WIDTH = 256
EXAMPLES = 1024
SHAPES = {"8 equal layers": [WIDTH] * 8, "a layer 8 times as wide": [8 * WIDTH]}
SIZE = 4 * WIDTH * EXAMPLES  # bytes of a layer's values


class Traffic(TorchDispatchMode):
    """Counts the operations in its block that compute, and the bytes that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.operations = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        returned = operation(*args, **(kwargs or {}))
        sources = _tensors((args, kwargs))
        results = _tensors(returned)
        if {id_of(tensor) for tensor in results} - {id_of(tensor) for tensor in sources}:
            self.operations += 1
            self.bytes += sum(tensor.nbytes for tensor in chain(sources, results))
        return returned


class Peak(TorchDispatchMode):
    """Watches the memory of the tensors that its block makes, after each operation."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self._bytes: dict[StorageWeakRef, int] = {}

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        returned = operation(*args, **(kwargs or {}))
        old = {id_of(tensor) for tensor in _tensors((args, kwargs))}
        for tensor in _tensors(returned):
            if id_of(tensor) not in old:
                storage = tensor.untyped_storage()
                self._bytes[StorageWeakRef(storage)] = storage.nbytes()
        self._bytes = {ref: n for ref, n in self._bytes.items() if not ref.expired()}
        self.largest = max(self.largest, sum(self._bytes.values()))
        return returned


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def id_of(tensor: Tensor) -> int:
    """The address of a tensor's memory: that of a view is its base's."""
    return tensor.untyped_storage().data_ptr()


def traffic(activation: str, against: str = "relu") -> list[Reading]:
    """Operations of a forward pass, bytes that they read and write per value, and those of another.

    float32, as one operation of torch and as the formula typed; both: with the backward pass.
    """
    other_forward, other_both, _ = _traffic(function(against).fresh())
    readings = []
    for _, way, module in ways([activation]):
        forward, both, operations = _traffic(module)
        values = {
            "operations": exact(operations),
            "forward": exact(forward, "B"),
            "both": exact(both, "B"),
            "forward_ratio": exact(forward / other_forward),
            "both_ratio": exact(both / other_both),
        }
        readings.append(Reading(values, way))
    return readings


def _traffic(module: nn.Module) -> tuple[float, float, int]:
    """Bytes per value of the forward pass, of both passes, and operations of the forward pass."""
    x = normal(EXAMPLES, WIDTH).requires_grad_()
    gradient = torch.ones_like(x)
    with Traffic() as there:
        y = module(x)
    with Traffic() as back:
        torch.autograd.grad(y, x, gradient)
    return there.bytes / x.numel(), (there.bytes + back.bytes) / x.numel(), there.operations


def saved_maps(activations: Sequence[str], against: str = "relu") -> list[Reading]:
    """Values that backward needs of a layer's, in multiples of it, and those of another activation.

    By itself: of an activation alone. Between layers: all but the first one's input, so that what
    the last one keeps counts too, once.
    """
    other = _maps(against)
    readings = []
    for name in activations:
        for setting, maps in _maps(name).items():
            values = {
                "maps": exact(maps),
                "other_maps": exact(other[setting]),
                "ratio": exact(maps / other[setting]),
            }
            readings.append(Reading(values, f"{name} {setting}"))
    return readings


def _maps(activation: str) -> dict[str, float]:
    """Values kept in multiples of a layer's, by setting."""
    act = function(activation).fresh()
    x = normal(EXAMPLES, WIDTH)
    linear = nn.Linear(WIDTH, WIDTH)
    last = nn.Linear(WIDTH, WIDTH)
    norm = nn.BatchNorm1d(WIDTH)
    return {
        "by itself": saved(act, x) / SIZE,
        "between linear layers": saved(nn.Sequential(linear, act, last), x) / SIZE - 1,
        "between norm and linear layer": (
            saved(nn.Sequential(linear, norm, act, last), x) / SIZE - 1
        ),
    }


def in_place() -> list[Reading]:
    """Memory of nets of linear layers with ReLU, in place against not, in multiples of a layer's.

    Kept for backward; at the peak of a training step; at the peak of a pass without gradients.
    """
    readings = []
    x = normal(EXAMPLES, WIDTH)
    for shape, widths in SHAPES.items():
        nets = [_relu_net(widths, is_in_place) for is_in_place in (True, False)]
        for kind, memory in KINDS.items():
            maps, other_maps = (memory(net, x) / SIZE for net in nets)
            values = {
                "maps": exact(maps),
                "other_maps": exact(other_maps),
                "saved": exact(100 * (1 - maps / other_maps), "%"),
            }
            readings.append(Reading(values, f"{kind} of {shape}"))
    return readings


def _relu_net(widths: Sequence[int], is_in_place: bool) -> nn.Sequential:
    """Linear layers of these widths with ReLU after each, then ten outputs."""
    layers: list[nn.Module] = []
    before = WIDTH
    for width in widths:
        layers += [nn.Linear(before, width), nn.ReLU(inplace=is_in_place)]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, 10))


def _saved_by(net: nn.Sequential, x: Tensor) -> float:
    return saved(net, x)


def _peak_of_step(net: nn.Sequential, x: Tensor) -> float:
    return peak(lambda: net(x).square().mean().backward())


def _peak_of_pass(net: nn.Sequential, x: Tensor) -> float:
    with torch.no_grad():
        return peak(lambda: net(x))


def peak(call: Callable[[], object]) -> float:
    """The most bytes of tensors that a call makes and that are there at a time."""
    with Peak() as memory:
        call()
    return memory.largest


def bandwidth_floor(
    values: float, bytes_per_value: Sequence[int], gigabytes_per_second: float
) -> list[Reading]:
    """Milliseconds that reading and writing values takes at least, at a memory's bandwidth."""
    readings = []
    for n_bytes in bytes_per_value:
        seconds = 2 * n_bytes * values / (gigabytes_per_second * 1e9)
        readings.append(Reading({"floor": exact(1000 * seconds, "ms")}, f"{n_bytes} bytes a value"))
    return readings


KINDS = {
    "kept for backward": _saved_by,
    "peak of a training step": _peak_of_step,
    "peak without gradients": _peak_of_pass,
}
MEASUREMENTS = {
    "bandwidth_floor": bandwidth_floor,
    "traffic": traffic,
    "saved_maps": saved_maps,
    "in_place": in_place,
}
