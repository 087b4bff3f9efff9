"""What the training loop works on: a job (wired once), its progress (saved in checkpoints), and a clock."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.contract.schema import BUCKETS
from actstudy.contract.spec import RunSpec
from actstudy.data.augment import augment
from actstudy.health import values
from actstudy.nets.activations import Sites
from actstudy.training.cuda_graphs import Recorder
from actstudy.training.log import Report
from actstudy.training.optim import records

Split = dict[str, Tensor]  # x (N, ...), y (N, ...) and whatever else the task evaluates with


class Diverged(Exception):
    """A loss that is not finite: a result of the run, not a fault of the program. step: None in a validation."""

    def __init__(self, reason: str, step: int | None = None) -> None:
        super().__init__(reason)
        self.step = step


class TimedOut(Exception):
    """The run has taken all the minutes that it was given."""


class Interrupted(Exception):
    """A stop was asked for; the checkpoint is written and the run can go on later."""


@dataclass
class Progress:
    """All that a run carries from step to step besides tensors, in plain types that a checkpoint can hold."""

    step: int = 0
    order_seed: int = 0
    best_step: int = -1
    best_value: float = math.nan
    evaluations_since_best: int = 0
    n_resumes: int = 0
    window: dict[str, list[float]] = field(
        default_factory=dict
    )  # per-step train scores since the last evaluation
    curves: list[dict[str, Any]] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)  # samples per second of each evaluation window
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BUCKETS, 0.0))


def lengths(spec: RunSpec, n_train: int) -> tuple[int, int]:
    """Steps of an epoch, the last partial batch dropped, and of the whole run."""
    steps_per_epoch = n_train // spec.batch_size
    return steps_per_epoch, spec.steps or (spec.epochs or 0) * steps_per_epoch


def checked_lengths(spec: RunSpec, n_train: int, device: torch.device) -> tuple[int, int]:
    """The same; ValueError where data or device cannot do what the spec asks."""
    if spec.precision == "fp16" and device.type != "cuda":
        raise ValueError(f"precision: got 'fp16' on {device.type}; allowed there: fp32, bf16")
    if spec.batch_size > n_train:
        raise ValueError(
            f"batch_size: got {spec.batch_size}; allowed: at most the {n_train} train examples"
        )
    steps_per_epoch, total = lengths(spec, n_train)
    if round(spec.warmup * steps_per_epoch) > total:
        raise ValueError(
            f"warmup: got {spec.warmup} epochs of {steps_per_epoch} steps; allowed: at most the {total} steps"
        )
    return steps_per_epoch, total


@dataclass
class Job:
    """One run, wired: what the loop needs and does not choose."""

    spec: RunSpec
    task: ModuleType
    model: nn.Module
    inputs: Callable[[Tensor], Tensor]  # what makes a model's input of prepared x
    sites: Sites
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    splits: dict[str, Split]
    device: torch.device
    report: Report
    probe_every: int
    save: Callable[["Job", Progress], None]
    checkpoint_seconds: float = 30.0
    stopping: Callable[[], bool] = lambda: False
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    pending: list[dict[str, Tensor]] = field(
        default_factory=list
    )  # train scores still on the device
    updates: int = 0  # made by this process
    probe_rows: Tensor | None = None  # the probe batch, once it is drawn
    health_keys: dict[str, list[values.Key]] = field(
        default_factory=dict
    )  # part of a step -> what it reads

    def __post_init__(self) -> None:
        compiled = self.spec.engine == "compiled"
        if compiled:
            torch.compiler.reset()  # else the ninth kind of run of a process is over torch's limit of recompilations
        self.scored = (
            torch.compile(self._scored, fullgraph=True, dynamic=False) if compiled else self._scored
        )
        self.recorder = Recorder(records(self.spec, self.device))
        self.parameters = dict(self.model.named_parameters())
        labels = self.splits["train"]["y"]
        self.steps_per_epoch, self.total_steps = lengths(self.spec, len(labels))
        self.eval_every = self.spec.eval_every or self.steps_per_epoch
        self.labels_per_example = (labels >= 0).sum().item() / len(
            labels
        )  # 1 for classes; negative ones are padding

    def _scored(self, rows: Tensor, drawn: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss of train examples `rows` (B,), augmented as `drawn` says, and what is watched of the batch."""
        x, y = (self.splits["train"][name][rows] for name in ("x", "y"))
        if drawn.shape[1]:
            x = augment(x, drawn)
        with self.autocast():
            logits = self.forward(x)
            loss = self.task.loss(logits, y, self.spec.label_smoothing)
        with torch.no_grad():
            return loss, self.task.train_scores(logits, y)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of examples as they were prepared, on the device."""
        logits: Tensor = self.model(self.inputs(x))
        return logits

    def compiles(self, probed: bool) -> bool:
        """Whether the next step compiles or is recorded."""
        prepared = self.recorder.prepares("watched" if probed else "update")
        return self.spec.engine == "compiled" and (not self.updates or prepared)

    def keyed(self, part: str, found: values.Values) -> Tensor:
        """What a part of a step reads, as one tensor; its keys are kept beside."""
        self.health_keys[part] = list(found)
        return values.stacked(found)

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The arithmetic of the forward pass that the spec asks for."""
        return autocast(self.spec, self.device)


def autocast(spec: RunSpec, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The arithmetic of the forward pass that a spec asks for."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(spec.precision)
    return torch.autocast(device.type, dtype=dtype) if dtype else contextlib.nullcontext()


def generator(device: torch.device) -> torch.Generator:
    """The device's default generator, which dropout draws from; torch.manual_seed would seed every backend, slowly."""
    return (
        torch.cuda.default_generators[device.index]
        if device.type == "cuda"
        else torch.default_generator
    )


class Clock:
    """Wall seconds in one bucket at a time; a switch waits for the device, so each bucket holds its own work."""

    def __init__(self, seconds: dict[str, float], device: torch.device) -> None:
        self._seconds, self._device, self._since = seconds, device, time.perf_counter()
        self._bucket = self.stepping = (
            "train"  # `stepping`: the bucket of the step itself, compile for a first one
        )

    def to(self, bucket: str) -> None:
        """Charge the time since the last switch to the bucket then entered, and enter this one."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self._seconds[self._bucket] += now - self._since
        self._bucket, self._since = bucket, now
