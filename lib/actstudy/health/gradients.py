"""Gradients of parameters, read when a backward pass has ended and nothing has clipped them yet."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from actstudy.health import coverage, values
from actstudy.health.guard import Guard

AFTER_CLIPPING = "_after_clipping"


class Gradients:
    """The gradients of one step, after its last backward pass and before clipping.

    Of several backward passes the sum is read, as it stands in `.grad`; what an optimizer has used
    is not read again. A gradient that no backward pass of torch's has accumulated (a sharded
    parameter, a `.grad` set by hand) is read by `read_rest`.
    """

    def __init__(self, trainable: Mapping[str, nn.Parameter], guard: Guard) -> None:
        self.trainable = trainable
        self.guard = guard
        self.unread: dict[str, str] = {}
        self.parameters: dict[str, nn.Parameter] = {}  # those that can be read
        for name, parameter in trainable.items():
            reason = coverage.why_unread(parameter, self.first)
            if reason:
                self.unread[name] = reason
            else:
                self.parameters[name] = parameter
        self.names = {id(p): name for name, p in self.parameters.items()}
        self.passes = 0  # backward passes
        self.optimizers: set[str] = set()  # classes of those that stepped with these parameters
        self.rates: list[Tensor] = []  # of the groups of these parameters that stepped
        self.betas: Any = None  # of Adam
        self.read: values.Values = {}
        self.read_at_clip: values.Values = {}
        self.read_late: values.Values = {}  # at the end of the step
        self._is_behind = False  # whether an optimizer stepped before the first backward pass
        self.restart: Callable[[], None] = lambda: None  # called if so, at the end of that pass
        self._accumulated_names: set[str] = set()
        self._used: set[str] = set()  # those with which an optimizer has stepped
        self._queued = -1  # the backward pass at whose end the gradients are read

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Read after each backward pass in this context."""
        accumulated = self.guard(self._accumulated)
        stepped = self.guard(self._stepped)
        with ExitStack() as hooks:
            for parameter in self.parameters.values():
                hook = parameter.register_post_accumulate_grad_hook(accumulated)
                hooks.callback(hook.remove)
            hooks.callback(register_optimizer_step_post_hook(stepped).remove)
            yield

    def _accumulated(self, parameter: Tensor) -> None:
        self._accumulated_names.add(self.names[id(parameter)])
        number = torch._C._current_graph_task_id()
        if number != self._queued:
            self._queued = number
            _at_the_end_of_backward(self.guard(self._queue_again))

    def _queue_again(self) -> None:
        """Run after what others queued in this backward pass, such as the averages of DDP."""
        _at_the_end_of_backward(self.guard(self._passed))

    def _passed(self) -> None:
        self.passes += 1
        if self._is_behind:
            self._is_behind = False
            self.restart()
        self.read |= self._values(self._used)

    def _stepped(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        names_read = _names(self.read)
        is_first = not self.passes and torch._C._current_graph_task_id() == -1
        for group in optimizer.param_groups:
            names = {self.names.get(id(parameter), "") for parameter in group["params"]}
            self._used |= names & names_read
            if not names.isdisjoint(self.parameters):
                self.optimizers.add(type(optimizer).__name__.lower())
                self.rates.append(torch.as_tensor(group["lr"]).detach().double().reshape(1))
                self.betas = group.get("betas", self.betas)
            self._is_behind |= is_first and not names.isdisjoint(self.parameters)

    def _values(self, without: set[str]) -> values.Values:
        """Probes of all gradients that are there, but for those of the names `without`."""
        gradients: list[Tensor | None] = []
        for name, parameter in self.parameters.items():
            gradient = None if name in without else parameter.grad
            reason = coverage.why_unread(gradient, parameter) if gradient is not None else None
            if reason:
                self.unread[name] = reason
                gradient = None
            gradients.append(gradient if gradient is None else gradient[None])
        read = values.of_gradients(list(self.parameters), gradients)
        read.pop(("model", "model", 0, "gradient_norm"), None)
        return read

    def read_rest(self, at_clip: bool = False) -> None:
        """Read the gradients that no backward pass has left; clipped or not."""
        rest = self._values(set(self.names_read()))
        if at_clip:
            self.read_at_clip |= rest
        else:
            self.read_late |= rest

    def names_read(self) -> list[str]:
        """The names of the parameters whose gradient was read."""
        names = _names(self.read | self.read_at_clip | self.read_late)
        return [name for name in self.parameters if name in names]

    def values(self, scale: float, suffix: str = "") -> values.Values:
        """Probes of all gradients, and their global norm if all were read alike.

        scale: the factor of gradients that were read after a backward pass; suffix: of the names
        of their norms. Those that were read last are named `gradient_norm_after_clipping`.
        """
        parts = (
            _named(self.read, scale, suffix),
            _named(self.read_at_clip, 1.0, ""),
            _named(self.read_late, 1.0, AFTER_CLIPPING),
        )
        is_alike = sum(bool(part) for part in parts) == 1
        read: values.Values = {}
        for part in parts:
            for key, value in part.items():
                if key[0] == "parameter" or is_alike:
                    read[key] = value
        if self.rates and self.first is not None:
            rates = [rate.to(self.first.device) for rate in self.rates]
            read["model", "model", 0, "lr"] = torch.cat(rates).amax().reshape(1)
        return read

    def facts(self) -> dict[str, Any]:
        """What findings may use of the optimizers: the class of the one that stepped, its betas."""
        facts = {"optimizer": next(iter(self.optimizers))} if len(self.optimizers) == 1 else {}
        return facts | ({"betas": self.betas} if self.betas else {})

    def moment(self) -> str:
        """When the gradients of this step were read."""
        late = len(_names(self.read_late))
        if not late:
            return coverage.BEFORE_CLIPPING
        return f"{late} of them at the end of the step, after clipping if there was any"

    @property
    def first(self) -> nn.Parameter | None:
        """The first parameter that can be read."""
        return next(iter(self.parameters.values()), None)

    def not_read(self) -> dict[str, str]:
        """Parameter -> why its gradient was not read."""
        names_read = self.names_read()
        cause = coverage.NO_GRADIENT if self.passes else coverage.NO_BACKWARD
        reasons = {}
        for name in self.trainable:
            if name in names_read:
                continue
            default = coverage.USED if name in self._accumulated_names else cause
            reasons[name] = self.unread.get(name, default)
        return reasons


def _at_the_end_of_backward(function: Callable[[], None]) -> None:
    """Call a function when the backward pass that runs now has accumulated all gradients."""
    torch.autograd.Variable._execution_engine.queue_callback(function)


def _names(read: values.Values) -> set[str]:
    return {name for _, name, _, _ in read}


def _named(read: values.Values, scale: float, suffix: str) -> values.Values:
    """Values with norms divided by `scale` and named with a suffix, and their global norm."""
    named: values.Values = {}
    norms = []
    for (kind, name, index, probe), value in read.items():
        if probe == "gradient_norm":
            norms.append(value / scale)
            named[kind, name, index, probe + suffix] = norms[-1]
        else:
            named[kind, name, index, probe] = value
    if norms:
        total = torch.stack(norms).square().sum(0).sqrt()
        named["model", "model", 0, f"gradient_norm{suffix}"] = total
    return named
