"""What the training loop works on: an engine that trains R runs in step; a run alone is R = 1.

If the loss of one run of several is not finite, the others go on:
1. `window.fetch` sees it at the next evaluation or checkpoint.
2. `blame.search` replays the steps since the last mark to find where, and puts the state back.
3. `Engine.end` notes the run's status and reason; from then on it is not `running`.
4. Each step still computes the run's row, but nothing of it counts.
5. The run's tables are published with those of the others, when all runs have ended.
"""

import contextlib
import math
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from actstudy.contract.schema import BUCKETS
from actstudy.contract.spec import RunSpec
from actstudy.health import values
from actstudy.tasks import modules
from actstudy.tasks.metrics import Evaluation
from actstudy.training import devices
from actstudy.training.clock import Clock
from actstudy.training.cuda_graphs import Scores, is_recorded
from actstudy.training.log import Log

Split = dict[str, Tensor]  # x (N, ...), y (N, ...) and whatever else the task evaluates with
Weights = dict[str, Tensor]  # name -> value, as in the state dict of a run's model
Places = dict[int, str]  # run -> where its first value that is not finite was


@dataclass
class Progress:
    """All that a run carries from step to step besides tensors, as types that a checkpoint holds.

    step: steps done, as of the last evaluation or the run's end. window: train scores per step
    since the last evaluation. rates: labels per second of each evaluation window. seconds: those of
    earlier processes, per bucket.
    """

    order_seed: int = 0
    step: int = 0
    best_step: int = -1
    best_value: float = math.nan
    evaluations_since_best: int = 0
    n_resumes: int = 0
    skipped: int = 0  # steps without an update, as fp16 was out of range
    window: dict[str, list[float]] = field(default_factory=dict)
    curves: list[dict[str, Any]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BUCKETS, 0.0))


def lengths(spec: RunSpec, n_train: int) -> tuple[int, int]:
    """Steps per epoch, the last partial batch dropped, and steps of the whole run."""
    steps_per_epoch = n_train // spec.batch_size
    return steps_per_epoch, spec.steps or (spec.epochs or 0) * steps_per_epoch


def check_lengths(spec: RunSpec, n_train: int, device: torch.device) -> None:
    """ValueError if the data or the device cannot do what the spec asks for."""
    if spec.precision == "fp16" and device.type != "cuda":
        raise ValueError(f"precision: got 'fp16' on {device.type}; allowed there: fp32, bf16")
    if spec.batch_size > n_train:
        allowed = f"at most the {n_train} train examples"
        raise ValueError(f"batch_size: got {spec.batch_size}; allowed: {allowed}")
    steps_per_epoch, total = lengths(spec, n_train)
    if round(spec.warmup * steps_per_epoch) > total:
        got = f"{spec.warmup} epochs of {steps_per_epoch} steps"
        raise ValueError(f"warmup: got {got}; allowed: at most the {total} steps")


@dataclass(kw_only=True)
class Engine(ABC):
    """R runs that train in step: what the loop needs, and what it notes of each run.

    specs, logs: of the runs. ended: run -> status and reason, of runs that need no more steps.
    health: pairs of a step and its values (probes, R) on the CPU; health_keys: part of a step ->
    the keys of its probes. pending: train scores per step, still on the device, each (R or more,);
    only the first R are used. timed: steps since the last evaluation that count as training. mark:
    a step, and copies of all that a step changes, as that step found it. n_params: of each run's
    model. activations: site -> the activation of each run.
    """

    specs: Sequence[RunSpec]
    splits: dict[str, Split]
    inputs: Callable[[Tensor], Tensor]  # what makes a model's input of prepared x
    device: torch.device
    logs: Sequence[Log]
    probe_every: int
    step: int = 0
    ended: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    health: list[tuple[int, Tensor]] = field(default_factory=list)
    health_keys: dict[str, list[values.Key]] = field(default_factory=dict)
    pending: list[Scores] = field(default_factory=list)
    timed: int = 0
    window_start: float = 0.0  # the clock's train seconds at the last evaluation
    mark: tuple[int, dict[str, Any]] = (0, {})
    n_params: Sequence[int] = field(init=False)
    activations: Mapping[str, Sequence[str]] = field(init=False)
    by_kernel: bool = field(init=False)  # whether kernels of the project's own train a run

    def __post_init__(self) -> None:
        self.spec = self.specs[0]  # of what all runs share
        self.task: Any = modules.load(self.spec.task)
        labels = self.splits["train"]["y"]
        self.steps_per_epoch, self.total_steps = lengths(self.spec, len(labels))
        self.eval_every = self.spec.eval_every or self.steps_per_epoch
        self.labels_per_example = float(count_labels(labels)) / len(labels)
        self.clock = Clock(self.device)
        self.progress = [Progress(order_seed=order_seed(spec)) for spec in self.specs]

    @property
    def running(self) -> list[int]:
        """The runs that have not ended."""
        return [run for run in range(len(self.specs)) if run not in self.ended]

    @property
    def completed(self) -> list[int]:
        """The runs that trained as long as their specs ask for."""
        runs = range(len(self.specs))
        return [run for run in runs if self.ended.get(run, ("completed", None))[0] == "completed"]

    @property
    def execution(self) -> str:
        """Layout of images, compilation, kernels and TF32: what its speed holds for."""
        on_gpu = self.device.type == "cuda"
        words = {"eager": "eager", "compiled": "torch.compile", "pack": "pack"}[self.spec.engine]
        words += " by kernel" * self.by_kernel
        if is_recorded(self.spec, self.device):
            words += " and CUDA graphs"
        if self.splits["train"]["x"].ndim == 4:
            words = f"{'NHWC' if on_gpu else 'NCHW'}, {words}"
        return f"{words}, TF32 {'on' if on_gpu and self.spec.precision != 'fp32' else 'off'}"

    def peak_memory(self) -> tuple[int, str]:
        """Peak bytes of this process's device memory, and their kind."""
        return devices.peak_memory(self.device)

    def end(self, run: int, status: str, reason: str | None, steps: int) -> None:
        """Note that a run has ended after some steps; what is read of it later does not count."""
        self.ended[run] = (status, reason)
        self.progress[run].step = steps

    def index_of(self, run: int, index: int) -> int | None:
        """The place in a run's model of a probed parameter; None if the run does not have it."""
        return index

    def share(self, run: int, bucket: str) -> float:
        """A run's seconds in a bucket: an equal share of this process's, and earlier processes'."""
        return self.progress[run].seconds[bucket] + self.clock.seconds[bucket] / len(self.specs)

    def snapshot(self) -> dict[str, Any]:
        """Copies of all that a step changes."""
        return {name: tensor.clone() for name, tensor in self.changed().items()}

    @torch.no_grad()
    def rewind(self, copies: Mapping[str, Any]) -> None:
        """Put copies back, in place, as recorded steps read there.

        What has no copy becomes zero, as an optimizer's state is before the first step.
        """
        for name, tensor in self.changed().items():
            if name in copies:
                tensor.copy_(copies[name])
            else:
                tensor.zero_()

    def set_aside(self, runs: Sequence[int]) -> None:
        """Keep the present weights of runs that end before the others; a run alone needs none."""
        return

    @abstractmethod
    def compiles(self, part: str) -> bool:
        """Whether the next call of update, watched, probe or validate compiles or is recorded."""

    @abstractmethod
    def train(self, step: int, rows: Tensor, part: str = "update") -> Scores:
        """The scores, each (R or more,), of one optimizer step on train examples rows (seeds, B).

        part: `update`, or `watched` for `health` too, the probes (probes, R or more) of parameters.
        """

    @abstractmethod
    def read_sites(self) -> Tensor:
        """The probes (probes, R or more) of all sites on a fixed batch; no state changes."""

    @abstractmethod
    def evaluate(self, split: str, runs: Sequence[int]) -> list[Evaluation]:
        """Evaluations of some runs on a whole split."""

    @abstractmethod
    def learning_rates(self, step: int) -> list[float]:
        """The learning rate of each run at a step."""

    @abstractmethod
    def keep_best(self, runs: Sequence[int]) -> None:
        """Note that the present weights of some runs are their best so far."""

    @abstractmethod
    def load(self, checkpoint: str) -> None:
        """Put the runs' `last` or `best` weights into the model; for use after the training."""

    @abstractmethod
    def weights(self) -> list[Weights]:
        """Copies of each run's present weights on the CPU, named as in its model alone."""

    @abstractmethod
    def changed(self) -> dict[str, Tensor]:
        """All tensors that a step changes, by name."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of tensors; draws depend on seed and step alone."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any], rows: Sequence[int]) -> None:
        """Load what `state` returned; rows: the place that each run had then."""

    @abstractmethod
    def inspect(self, step: int, rows: Tensor, runs: Sequence[int]) -> Places:
        """The first values that are not finite in the next step, `step`, on rows (seeds, B).

        An engine may do that step to find them; the caller puts the state before it back.
        """

    @abstractmethod
    def inspect_validation(self, runs: Sequence[int]) -> Places:
        """The first outputs that are not finite in a validation with the present weights."""


def count_labels(y: Tensor) -> Tensor | int:
    """The number of labels in y (N, ...): negative classes are padding, numbers are all labels."""
    return y.numel() if y.is_floating_point() else (y >= 0).sum()


def order_seed(spec: RunSpec) -> int:
    """The seed of the batches' order: the spec's, or one from the system, which breaks pairing."""
    return spec.seed if spec.deterministic_shuffle else secrets.randbits(63)


def autocast(spec: RunSpec, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The arithmetic of the forward pass that a spec asks for."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(spec.precision)
    return torch.autocast(device.type, dtype=dtype) if dtype else contextlib.nullcontext()
