"""Runs that train as one: what the loop of a pack works on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from actstudy.health import packed
from actstudy.nets.packed import PackedMLP
from actstudy.study.schema import BUCKETS
from actstudy.study.spec import RunSpec
from actstudy.tasks import classification
from actstudy.training.job import Progress, Split, autocast
from actstudy.training.pack_optim import PackOptimizer, clipped
from actstudy.training.report import Report
from actstudy.training.step import Replay, Scores

EVAL_ROWS = 65_536  # examples times runs that are evaluated at a time


@dataclass
class Pack:
    """Runs that train as one: the first `n` rows are runs, the others copies of the last, thrown away."""

    specs: list[RunSpec]  # of all rows
    n: int
    model: PackedMLP
    optimizer: PackOptimizer
    inputs: Callable[[Tensor], Tensor]
    splits: dict[str, Split]
    device: torch.device
    reports: list[Report]
    probe_every: int
    total_steps: int
    steps_per_epoch: int
    progress: list[Progress]  # of the runs
    step: int = 0
    ended: dict[int, tuple[str, str]] = field(default_factory=dict)  # run -> status and reason, where it ended early
    health: list[tuple[int, Tensor]] = field(default_factory=list)  # step, values (probes, n)
    health_keys: list[packed.Key] = field(default_factory=list)
    best: list[Tensor] = field(default_factory=list)
    pending: list[Scores] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BUCKETS, 0.0))  # of this process, all runs
    replay: Replay | None = None
    updates: int = 0
    timed: int = 0  # steps since the last evaluation that count as training
    seen_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.spec, self.parameters = self.specs[0], list(self.model.stacked)
        self.eval_every = self.spec.eval_every or self.steps_per_epoch
        cuda = self.device.type == "cuda"
        self.losses: Callable[..., Any] = torch.compile(self._losses, dynamic=False) if cuda else self._losses
        self.seeds = list(dict.fromkeys(spec.seed for spec in self.specs))
        self.seed_of = torch.tensor([self.seeds.index(spec.seed) for spec in self.specs], device=self.device)

    @property
    def running(self) -> list[int]:
        """The runs that have not ended early."""
        return [run for run in range(self.n) if run not in self.ended]

    def share(self, run: int, bucket: str) -> float:
        """A run's seconds in a bucket: its even share of the pack's, and what earlier processes left."""
        return self.progress[run].seconds[bucket] + self.seconds[bucket] / self.n

    def window_seconds(self) -> float:
        """A run's share of the training seconds since this was last asked."""
        now = self.seconds["train"] / self.n
        since, self.seen_seconds = now - self.seen_seconds, now
        return since

    def _losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(self.spec, self.device):
            logits = self.model(self.inputs(x).flatten(2))
            loss = classification.losses(logits, y, self.spec.label_smoothing)
        return loss, (logits.argmax(2) == y).float().mean(1)

    def update(self, rows: Tensor, scalars: Tensor, watch: Callable[[list[Tensor]], None] | None = None) -> Scores:
        """One step on train examples rows (R, B); `watch` gets the gradients before clipping."""
        train = self.splits["train"]
        loss, accuracy = self.losses(train["x"][rows], train["y"][rows])
        gradients = list(torch.autograd.grad(loss.sum(), self.parameters))
        if watch:
            watch(gradients)
        if self.spec.clip is not None:
            gradients = clipped(gradients, self.spec.clip)
        self.optimizer.step(gradients, scalars)
        return {"loss": loss.detach(), "accuracy": accuracy}

    def logits(self, split: str) -> Tensor:
        """Logits (R, N, C) of a whole split."""
        parts = []
        with torch.no_grad(), autocast(self.spec, self.device):
            for x in self.splits[split]["x"].split(max(1, EVAL_ROWS // len(self.specs))):
                parts.append(self.model(self.inputs(x).flatten(1)).float())
        return torch.cat(parts, 1)
