"""Runs that train as one: what the loop of a pack works on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from actstudy.contract.schema import BUCKETS
from actstudy.contract.spec import RunSpec
from actstudy.contract.streams import epoch_order
from actstudy.health import values
from actstudy.nets.packed import PackedMLP
from actstudy.tasks import classification
from actstudy.training.cuda_graphs import Recorder, Scores
from actstudy.training.job import Progress, Split, autocast
from actstudy.training.log import Report
from actstudy.training.loop import probe_batch
from actstudy.training.pack_optim import PackOptimizer, clipped

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
    ended: dict[int, tuple[str, str]] = field(
        default_factory=dict
    )  # run -> status and reason, where it ended early
    health: list[tuple[int, Tensor]] = field(default_factory=list)  # step, values (probes, n)
    health_keys: dict[str, list[values.Key]] = field(
        default_factory=dict
    )  # part of a step -> what it reads
    best: list[Tensor] = field(default_factory=list)
    pending: list[Scores] = field(default_factory=list)
    marked: tuple[int, list[Tensor]] = field(
        default_factory=lambda: (0, [])
    )  # a step, what one changes (pack_blame)
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(BUCKETS, 0.0)
    )  # of this process, all runs
    timed: int = 0  # steps since the last evaluation that count as training
    seen_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.spec, self.parameters = self.specs[0], list(self.model.stacked)
        self.eval_every = self.spec.eval_every or self.steps_per_epoch
        self.seeds = list(dict.fromkeys(spec.seed for spec in self.specs))
        self.seed_of = torch.tensor(
            [self.seeds.index(spec.seed) for spec in self.specs], device=self.device
        )
        self.probe_rows, self.scored = probe_batch(self.splits["train"]["x"]), self._scored
        self.recorder = Recorder(self.device.type == "cuda")
        if self.recorder.on:
            self._compile()

    def _compile(self) -> None:
        """What a layer, not a model, is made of is compiled: seconds for any depth, as all of a step is recorded."""
        from torch._dynamo import config as dynamo  # here: they take a second
        from torch._functorch import config as functorch

        dynamo.recompile_limit = 128  # shapes and lists of activations that one pack may have
        dynamo.fail_on_recompile_limit_hit = (
            True  # else code that is not compiled, of other bits, would run
        )
        functorch.activation_memory_budget = (
            0.0  # the product is read again: nothing else of a layer is kept
        )
        compiled = partial(torch.compile, dynamic=False, fullgraph=True)
        self.model.activated, self.optimizer.update = (
            compiled(self.model.activated),
            compiled(self.optimizer.update),
        )
        self.inputs, self.scored = compiled(self.inputs), compiled(self.scored)

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

    def play(self, part: Callable[..., Scores], *inputs: Tensor) -> Scores:
        """part(*inputs), or its record."""
        return self.recorder.play(part.__name__, part, *inputs)

    def compiles(self, part: Callable[..., Scores]) -> bool:
        """Whether the next call of a part is one of those that compile and record."""
        return self.recorder.prepares(part.__name__)

    def update(self, rows: Tensor, scalars: Tensor) -> Scores:
        """One step on train examples rows (R, B)."""
        loss, accuracy, gradients = self._gradients(rows)
        return {"loss": loss, "accuracy": accuracy, **self._step(gradients, scalars)}

    def watched(self, rows: Tensor, scalars: Tensor) -> Scores:
        """The same step, with the probes of its parameters."""
        loss, accuracy, gradients = self._gradients(rows)
        before = [parameter.detach().clone() for parameter in self.parameters]
        scores = {"loss": loss, "accuracy": accuracy, **self._step(gradients, scalars)}
        found = values.of_gradients(self.model.names, gradients)
        found |= values.of_updates(self.model.names, before, self.parameters)
        return {**scores, "health": self._read("watched", found)}

    def probe(self) -> Scores:
        """The probes of all sites, from one forward and backward pass over the probe batch."""
        x, y = (self.splits["train"][name][self.probe_rows] for name in ("x", "y"))
        seen: list[tuple[Tensor, Tensor]] = []
        with autocast(self.spec, self.device):
            logits = self.model(self.inputs(x).flatten(1), seen)
            loss = classification.losses(logits, y.expand(len(self.specs), -1))
        gradients = torch.autograd.grad(loss.sum(), [post for _, post in seen])
        return {"health": self._read("probe", values.of_sites(self.model.sites, seen, gradients))}

    def _read(self, part: str, found: values.Values) -> Tensor:
        self.health_keys[part] = list(found)
        return torch.stack([value.double() for value in found.values()])

    def _gradients(self, rows: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        train = self.splits["train"]
        with autocast(self.spec, self.device):
            logits = self.model(self.inputs(train["x"][rows]).flatten(2))
            loss, accuracy = self.scored(logits, train["y"][rows])
        return loss.detach(), accuracy, list(torch.autograd.grad(loss.sum(), self.parameters))

    def _scored(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss = classification.losses(logits, y, self.spec.label_smoothing)
        return loss, (logits.argmax(2) == y).float().mean(1)

    def _step(self, gradients: list[Tensor], scalars: Tensor) -> Scores:
        scores: Scores = {}
        if self.spec.clip is not None:
            gradients, scores["clipped"] = clipped(gradients, self.spec.clip)
        self.optimizer.step(gradients, scalars)
        return scores

    def validated(self) -> Scores:
        """Logits (R, N, C) of the validation split."""
        return {"logits": self.logits("val")}

    def logits(self, split: str) -> Tensor:
        """Logits (R, N, C) of a whole split."""
        x, parts = self.splits[split]["x"], []
        size = min(len(x), max(1, EVAL_ROWS // len(self.specs)))
        with torch.no_grad(), autocast(self.spec, self.device):
            for first in range(0, len(x), size):
                start = min(
                    first, len(x) - size
                )  # all parts are of one size: compiled code is for one
                part = self.model(self.inputs(x[start : start + size]).flatten(1)).float()
                parts.append(part[:, first - start :])
        return torch.cat(parts, 1)


def batches(pack: Pack, first: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Each step from `first` on, its examples rows (R, B), and what the optimizer needs of the host (3,)."""
    epoch, size = -1, pack.spec.batch_size
    for step in range(first, pack.total_steps):
        if step // pack.steps_per_epoch != epoch:
            epoch = step // pack.steps_per_epoch
            drawn = [
                epoch_order(seed, epoch, len(pack.splits["train"]["y"])) for seed in pack.seeds
            ]
            order = torch.from_numpy(np.stack(drawn)).to(pack.device)
            scalars = epoch_scalars(pack, epoch)
        at = step % pack.steps_per_epoch
        yield step, order[:, at * size : (at + 1) * size][pack.seed_of], scalars[at]


def epoch_scalars(pack: Pack, epoch: int) -> Tensor:
    """What the optimizer needs of the host in an epoch's steps, (steps, 3): sent at once, as each sending is a wait."""
    steps = range(epoch * pack.steps_per_epoch, (epoch + 1) * pack.steps_per_epoch)
    rows = [pack.optimizer.scalars(step, pack.total_steps, pack.steps_per_epoch) for step in steps]
    return torch.stack(rows).to(pack.device)
