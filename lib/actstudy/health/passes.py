"""What passes through a model's activations in one training step: of modules and of plain calls."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from actstudy.health import calls, coverage, sites
from actstudy.health.calls import Call, Seen
from actstudy.health.contrast import Contrast
from actstudy.health.frames import Frame, Frames
from actstudy.health.guard import Guard, scriptable
from actstudy.health.site_values import SiteValues
from actstudy.nets.activations import ACTIVATIONS


class Passes:
    """Finds the calls of activations during one training step; `values` reads them.

    An activation is a module of torch's or of `patterns`, a call of calls.ELEMENTWISE, or a module
    without weights and children that makes such a call: `name(function)`.
    """

    def __init__(self, model: nn.Module, patterns: Sequence[str], guard: Guard) -> None:
        self.model = model
        self.patterns = patterns
        self.guard = guard
        see = guard(self._see)
        self.listener = calls.Listener(guard(self._before), guard(self._after), see)
        self.frames = Frames(self.listener)
        self.values = SiteValues(guard)
        self.contrast = Contrast()
        self.norms: set[str] = set()  # the functions of norms that were called
        self.modules: dict[str, nn.Module] = {}
        self.scripted: list[str] = []  # the outermost modules of TorchScript
        self.sites: dict[str, nn.Module] = {}
        self.passes = 0  # calls of the model or its parts in this step
        self.is_fp16 = False

    def find(self) -> None:
        """Find the modules of the model as it is now, and those that are activations."""
        self.modules = {}
        self.scripted = []
        for name, module in self.model.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                self.modules[name] = module
            elif not any(name.startswith(f"{outer}.") or not outer for outer in self.scripted):
                self.scripted.append(name)
        self.sites = sites.find_sites(self.model, self.patterns)

    @contextmanager
    def watch(self, first: Tensor | None) -> Iterator[None]:
        """Read every pass in this context, from nothing, on the device of `first`."""
        self.values.reset(first)
        self.passes = 0
        self.is_fp16 = False
        self.frames.reset()
        self.find()
        self.contrast.reset(self.model, first)
        with ExitStack() as hooks:
            hooks.callback(calls.unlisten, self.listener)
            for name, module in self.modules.items():
                enter = self.guard(partial(self._enter, name))
                leave = self.guard(partial(self._leave, name))
                before = module.register_forward_pre_hook(enter, with_kwargs=True)
                hooks.callback(before.remove)
                after = module.register_forward_hook(leave, always_call=True)
                hooks.callback(after.remove)
                hooks.enter_context(scriptable(module))
            yield

    def facts(self) -> dict[str, Any]:
        """What findings may use of the calls so far: the one activation, norms, fp16."""
        facts: dict[str, Any] = {}
        activations = set(self.values.activations.values())
        if len(activations) == 1:
            facts["activation"] = activations.pop() or "another"
        if self.norms:
            facts["norm"] = "some"
        if "batch_norm" in self.norms:
            facts["batch_norm"] = True
        if self.is_fp16:
            facts["precision"] = "fp16"
        return facts | self.contrast.facts

    def not_read(self) -> dict[str, str]:
        """Site -> why it was not read in this step."""
        reasons = dict.fromkeys(
            self.sites, coverage.NOT_CALLED if self.passes else coverage.NO_FORWARD
        )
        for name in self.scripted:
            reasons[name or "the model"] = coverage.SCRIPT
        reasons |= self.values.unread
        read = self.values.probes
        return {site: reason for site, reason in reasons.items() if site not in read}

    def _enter(
        self, name: str, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return
        if module is not self.modules[name]:
            if name in self.sites or not name:
                self.values.unread[name or "the model"] = coverage.REPLICA
            return
        stack = self.frames.stack
        if not stack:
            self.frames.listen()
            self.is_fp16 = self.is_fp16 or _is_fp16()
            if not name:
                self.values.read_input(module, (*inputs, *named.values()))
        is_site = name in self.sites
        frame = Frame(name, module, is_site or bool(stack and stack[-1].in_site))
        stack.append(frame)
        self.passes += 1
        self.contrast.enter(name, module, inputs)
        x = next(iter((*inputs, *named.values())), None)
        if isinstance(x, Tensor) and (is_site or _may_be_activation(module)):
            frame.x = x
            frame.pre = x.detach().clone() if getattr(module, "inplace", False) else x.detach()

    def _leave(self, name: str, module: nn.Module, _: tuple[Any, ...], post: Any) -> None:
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return
        stack = self.frames.stack
        if all(frame.module is not module for frame in stack):
            return
        frame = stack.pop()
        while frame.module is not module:  # left by an exception
            frame = stack.pop()
        if not stack:
            self.frames.unlisten()
        if post is None or self.guard.fault:
            return
        if name in self.sites:
            activation = sites.activation_of(module)
            kind = type(module).__name__ if isinstance(module, sites.KINDS) else ""
            self.values.read(name, module, frame.pre, post, activation, kind)
        elif frame.calls:
            self._leave_activation(frame, post)
        elif not frame.in_site:
            self.values.units = sites.units_after(module, post, self.values.units)
        if not name:
            self.values.read_output(post)

    def _leave_activation(self, frame: Frame, post: Any) -> None:
        """Read a module that called activations as one, if its output has the input's shape."""
        first = frame.calls[0]
        pre = frame.pre
        if pre is None or not isinstance(post, Tensor) or post.shape != pre.shape:
            for call in frame.calls:
                self._read_call(frame, call)
            return
        if first.x is frame.x:
            pre = first.pre  # as it was, if the call was in place
        functions = ", ".join(dict.fromkeys(call.function for call in frame.calls))
        site = f"{frame.place}({functions})"
        if len(frame.calls) == 1 and post is first.post:
            self.values.read(site, frame.module, pre, post, _registered(first), first.function)
        else:
            self.values.read(site, frame.module, pre, post)

    def _before(self, call: Call) -> None:
        """Keep what a call is given, if it may be overwritten."""
        x = call.x
        if call.pre is None and isinstance(x, Tensor) and call.function in calls.ELEMENTWISE:
            call.pre = x.detach().clone() if call.is_in_place else x.detach()

    def _after(self, call: Call) -> None:
        stack = self.frames.stack
        if not stack or stack[-1].in_site or self.guard.fault:
            return
        frame = stack[-1]
        if call.function in calls.NORMS:
            self.norms.add(call.function)
        elif call.function in calls.FUSED:
            if frame.module.training and torch.is_grad_enabled():
                self.values.unread[frame.place] = coverage.FUSED
        elif isinstance(call.x, nn.Parameter):
            return
        elif _may_be_activation(frame.module):
            frame.calls.append(call)
        else:
            self._read_call(frame, call)

    def _see(self, call: Seen) -> None:
        """Trace a call of any function that belongs to training."""
        stack = self.frames.stack
        is_training = not stack or stack[-1].module.training
        is_repeated = torch._C._current_graph_task_id() != -1  # by gradient checkpointing
        if is_training and torch.is_grad_enabled() and not is_repeated and not self.guard.fault:
            place = stack[-1].place if stack else "the step"
            self.contrast.see([frame.module for frame in stack], place, call)

    def _read_call(self, frame: Frame, call: Call) -> None:
        site = f"{frame.place}({call.function})"
        activation = _registered(call)
        self.values.read(site, frame.module, call.pre, call.post, activation, call.function)


def _registered(call: Call) -> str | None:
    """The name of the registered activation that a call is, if any."""
    return call.function if call.is_plain and call.function in ACTIVATIONS else None


def _may_be_activation(module: nn.Module) -> bool:
    """Whether a module has no children, and no weights but vectors."""
    if next(module.children(), None) is not None:
        return False
    weights = module.parameters(recurse=False)
    return all(not is_lazy(weight) and weight.ndim < 2 for weight in weights)


def _is_fp16() -> bool:
    """Whether this is a context of autocast to fp16."""
    for kind in ("cuda", "cpu"):
        if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.float16:
            return True
    return False
