"""Calls of functions: activations that are no modules, such as x.tanh(), and all others."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode

ELEMENTWISE = {
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "threshold"),
    *("gelu", "silu", "mish", "softplus", "softsign", "tanh", "sigmoid", "logsigmoid", "erf"),
    *("hardtanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink", "tanhshrink", "glu"),
}
FUSED = {  # activations that no Python code calls
    *("lstm", "gru", "rnn_tanh", "rnn_relu"),
    *("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "transformer_encoder_layer_fwd"),
}
NORMS = {"layer_norm", "batch_norm", "group_norm", "instance_norm", "rms_norm", "rsqrt"}
OTHER_NAMES = {"special_expit": "sigmoid", "log_sigmoid": "logsigmoid"}


@dataclass
class Call:
    """A call of an ELEMENTWISE, FUSED or NORMS function."""

    function: str
    args: tuple[Any, ...]
    named: dict[str, Any]
    is_in_place: bool
    pre: Tensor | None = None  # what it was given, as it was before the call
    post: Any = None

    @property
    def x(self) -> Any:
        """Its first argument."""
        return next(iter((*self.args, *self.named.values())), None)

    @property
    def is_plain(self) -> bool:
        """Whether it has default arguments only."""
        return len(self.args) + len(self.named.keys() - {"inplace"}) == 1


class Seen(NamedTuple):
    """A call of any function: its name without underscores, what it was given and returned."""

    function: Callable[..., Any]
    name: str
    args: Sequence[Any]
    named: Mapping[str, Any]
    result: Any

    @property
    def operands(self) -> list[Any]:
        """Its arguments, those of a list each."""
        operands: list[Any] = []
        for value in (*self.args, *self.named.values()):
            operands += value if isinstance(value, list | tuple) else [value]
        return operands


@dataclass(eq=False)
class Listener:
    """What is called before and after each Call, and after each call of any function."""

    before: Callable[[Call], object]
    after: Callable[[Call], object]
    see: Callable[[Seen], object]


@dataclass(eq=False)
class _Mode(TorchFunctionMode):
    """Informs its listeners; torch keeps modes on a stack, so a thread has at most one of ours."""

    listeners: list[Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        full_name = getattr(func, "__name__", "")
        name = full_name.strip("_")
        name = OTHER_NAMES.get(name, name)
        if name not in ELEMENTWISE and name not in FUSED and name not in NORMS:
            result = func(*args, **named)
            self._show(Seen(func, name, args, named, result))
            return result
        in_place = full_name.endswith("_") or any(x is True for x in (*args, *named.values()))
        call = Call(name, args, named, in_place)
        for listener in self.listeners:
            listener.before(call)
        call.post = func(*args, **named)
        for listener in self.listeners:
            listener.after(call)
        self._show(Seen(func, name, args, named, call.post))
        return call.post

    def _show(self, call: Seen) -> None:
        for listener in self.listeners:
            listener.see(call)


_OF_THREAD = threading.local()


def listen(listener: Listener) -> None:
    """Inform a listener of the calls of this thread from now on."""
    mode = getattr(_OF_THREAD, "mode", None)
    if mode is None:
        mode = _Mode()
        mode.__enter__()
        _OF_THREAD.mode = mode
    mode.listeners.append(listener)


def unlisten(listener: Listener) -> None:
    """Inform a listener no more; the last one takes the mode away."""
    mode = getattr(_OF_THREAD, "mode", None)
    if mode is None or listener not in mode.listeners:
        return
    mode.listeners.remove(listener)
    if not mode.listeners and _get_current_function_mode() is mode:
        _OF_THREAD.mode = None
        mode.__exit__(None, None, None)
