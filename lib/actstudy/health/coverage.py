"""What a Monitor has read and what it has not, and why."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from actstudy.contract.counting import counted
from actstudy.health.guard import Guard
from actstudy.health.values import Values

NEVER_OPENED = "the Monitor was never opened"
NO_STEP = "no step has ended"
NO_FORWARD = "no forward pass of this model in a step that was read"
NO_CALL = "no call of an activation was seen"
NOT_CALLED = "not called"
EVAL = "called in eval() mode"
NO_GRAD = "called without gradients: no_grad, or inside an autograd.Function"
NO_TENSOR = "takes or returns no tensor"
SCRIPT = "TorchScript, which runs no hooks"
REPLICA = "in a replica of DataParallel"
FUSED = "one fused call whose tanh, sigmoid or relu cannot be seen"
LAZY = "lazy, not made yet"
EMPTY = "empty"
OTHER_DEVICE = "on another device than the first parameter"
NO_BACKWARD = "no backward pass reached a parameter in a step that was read"
NO_GRADIENT = "no gradient reached it"
USED = "used and cleared during the backward pass"
FROZEN = "no parameter is trainable"
BEFORE_CLIPPING = "before clipping"
FIXES = {
    NEVER_OPENED: "put `with Monitor(model) as health:` around the loop",
    NO_STEP: "call health.step(loss) after the optimizer's step, inside `with Monitor(...)`",
    NO_FORWARD: "watch the module that the loop calls, not a copy or another one",
    NO_CALL: "name modules that are activations: Monitor(sites=['*.act']), doctor --sites '*.act'",
    NOT_CALLED: "watch a module that the loop calls",
    EVAL: "call model.train() before the step",
    NO_GRAD: "call the model without no_grad",
    NO_TENSOR: "name sites whose input and output are tensors",
    SCRIPT: "watch the model before torch.jit.script",
    REPLICA: "DistributedDataParallel, or one device",
    FUSED: "cells of your own (nn.Tanh, nn.Sigmoid) can be read; the gradients of its weights are",
    OTHER_DEVICE: "watch the parts on each device, Monitor(model.part)",
    LAZY: "nothing, they are read at the next due step",
    EMPTY: "feed batches that hold examples",
    NO_BACKWARD: "call health.step after loss.backward() of this model",
    NO_GRADIENT: "call health.step after loss.backward(), and look for detach and no_grad",
    USED: "let the optimizer step after the backward pass",
    FROZEN: "requires_grad_(True) for what is to be trained",
}


def why_unread(x: Tensor, first: Tensor | None = None) -> str | None:
    """Why the numbers of a tensor are not read; None if they can be.

    first: a tensor on the device on which all is read.
    """
    if is_lazy(x):
        return LAZY
    if x.is_complex():
        return "complex"
    if not x.is_floating_point():
        return "not floating-point"
    if x.layout is not torch.strided:
        return "sparse"
    if type(x.detach()) is not Tensor:
        return f"of class {type(x).__name__}"
    if x.is_meta:
        return "on the meta device"
    if first is not None and x.device != first.device:
        return OTHER_DEVICE
    return None if x.numel() else EMPTY


def why_no_loss(loss: Any) -> str | None:
    """Why a loss is not read; None if it is a real number or a tensor of them."""
    if loss is None:
        return "no loss in step()"
    try:
        x = torch.as_tensor(loss)
    except (TypeError, ValueError, RuntimeError):
        x = torch.empty(0)
    if x.is_floating_point() and x.numel():
        return None
    return f"loss not read, no real number and no tensor of them: {type(loss).__name__}"


def of_loss(loss: Any, scale: float | None, device: torch.device | None) -> Values:
    """The mean of a loss that can be read, and the factor by which it was scaled; None: none."""
    read: Values = {}
    if scale not in (None, 1.0):
        read["model", "model", 0, "loss_scale"] = torch.tensor([scale], device=device)
    if loss is not None:
        mean = torch.as_tensor(loss, device=device).detach().mean()
        read["model", "model", 0, "loss"] = mean.view(1)
    return read


@dataclass
class Part:
    """What was read of one kind of things (calls of activations, parameters), by name."""

    readings: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)  # why a thing was not read, the last time
    seen: dict[str, None] = field(default_factory=dict)

    def note(self, read: Iterable[str], unread: Mapping[str, str]) -> None:
        """Add one step."""
        self.readings.update(list(read))
        self.reasons.update(unread)
        self.seen |= dict.fromkeys((*self.readings, *unread))

    def unread(self) -> dict[str, list[str]]:
        """Reason -> the names that were never read for it."""
        names: dict[str, list[str]] = {}
        for name in self.seen:
            if not self.readings[name]:
                names.setdefault(self.reasons[name], []).append(name)
        return names

    def cause(self) -> str:
        """The reason of most things that were never read, and that were called if any was."""
        unread = self.unread()
        return max(unread, key=lambda reason: (reason != NOT_CALLED, len(unread[reason])))

    def text(self, steps_read: int) -> str:
        """How many of how many were read, and why not the others, the first by its name."""
        text = f"{len(self.readings)} of {len(self.seen)} read"
        limits = []
        for reason, names in self.unread().items():
            limits.append(f"{len(names)} not read, {reason}: {names[0]}")
        seldom = [name for name, count in self.readings.items() if count < steps_read]
        if seldom:
            reason = self.reasons.get(seldom[0], "not seen at the others")
            limits.append(f"{len(seldom)} not at each reading, {reason}: {seldom[0]}")
        return f"{text} ({'; '.join(limits)})" if limits else text


@dataclass
class Coverage:
    """The coverage of a report: its first line, and what it cannot speak of."""

    guard: Guard
    steps_seen: int = 0
    steps_read: int = 0
    was_opened: bool = False
    activations: Part = field(default_factory=Part)
    gradients: Part = field(default_factory=Part)
    moment: str = BEFORE_CLIPPING  # at which gradients were read
    remarks: dict[str, str] = field(default_factory=dict)  # further limits, by a key of each
    has_updates: bool = False  # whether a weight changed in a step that was read

    def __str__(self) -> str:
        parts = [f"coverage: steps: {self.steps_seen} seen, {self.steps_read} read"]
        if self.steps_read:
            parts.append(f"calls of activations: {self.activations.text(self.steps_read)}")
            gradients = self.gradients.text(self.steps_read)
            parts.append(f"gradients of parameters: {gradients}, {self.moment}")
        parts += self.remarks.values()
        if self.guard.fault:
            parts.append(f"watching ended: {self.guard.fault}")
        return "; ".join(parts)

    def in_brief(self) -> str:
        """How much was read, in a few words."""
        sites = len(self.activations.readings)
        gradients = len(self.gradients.readings)
        steps = f"{self.steps_read} of {self.steps_seen} steps read"
        of = counted(gradients, "parameter")
        return f"{steps}, {counted(sites, 'site')}, gradients of {of}"

    def note_updates(self, rows: Iterable[dict[str, Any]]) -> None:
        """Note whether a weight has changed; the rows are those of one step."""
        has_gradient = False
        for row in rows:
            if row["probe"] == "update_ratio" and row["value"] != 0:
                self.has_updates = True
            elif row["kind"] == "parameter" and row["probe"].startswith("gradient_norm"):
                has_gradient |= row["value"] > 0
        if self.has_updates:
            self.remarks.pop("updates", None)
        elif has_gradient:
            remedy = "call step() after the optimizer's step"
            self.remarks["updates"] = f"updates not read: no weight changed; {remedy}"

    def nothing(self) -> list[str]:
        """What was not read at all, with the cause and what to change, a line each."""
        if not self.steps_read:
            cause = NO_STEP if self.was_opened else NEVER_OPENED
            return [_unread("nothing", self.guard.fault or cause)]
        parts = (
            ("no activation", self.activations, NO_CALL),
            ("no gradient", self.gradients, FROZEN),
        )
        lines = []
        for name, part, default in parts:
            if not part.readings:
                lines.append(_unread(name, part.cause() if part.seen else default))
        return lines

    def nothing_found(self) -> list[str]:
        """`nothing found` if there were readings, and in which of the two kinds."""
        gradients = bool(self.gradients.readings)
        activations = bool(self.activations.readings)
        if gradients and activations:
            return ["nothing found"]
        if gradients or activations:
            return [f"nothing found in {'gradients' if gradients else 'activations'}"]
        return []

    def rows(self, step: int) -> list[dict[str, Any]]:
        """The counts so far as rows of the table `health`."""
        rows = []
        for name, part in (("activations", self.activations), ("gradients", self.gradients)):
            for probe, count in (("seen", len(part.seen)), ("read", len(part.readings))):
                place = {"step": step, "kind": "coverage", "name": name, "index": 0}
                rows.append({**place, "probe": probe, "value": float(count)})
        return rows


def _unread(what: str, cause: str) -> str:
    """One line with the cause and its remedy."""
    remedies = [remedy for reason, remedy in FIXES.items() if cause.startswith(reason)]
    remedy = next(iter(remedies), "watch a part of the model that can be read, Monitor(model.part)")
    return f"{what} was read: {cause}; to fix: {remedy}"
