"""Runs of one shape that train as one: the engine whose R is as large as the device allows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from actstudy.health import learnt, values
from actstudy.health.moments import PASSES, Passes
from actstudy.nets.packed import Dropout, Layer
from actstudy.tasks import classification
from actstudy.tasks.metrics import Evaluation
from actstudy.training import pack_evaluation, pack_kernel
from actstudy.training.batches import order_seeds, probe_batch
from actstudy.training.blame import LOSS, first
from actstudy.training.cuda_graphs import Recorder, Scores, is_recorded
from actstudy.training.engine import Places, Weights, autocast
from actstudy.training.optim import learning_rate
from actstudy.training.pack_dropout import PackDropout
from actstudy.training.pack_stacks import PackStacks
from actstudy.training.pack_steps import PackSteps

MAX_EVAL_ROWS = 65_536  # examples times runs that are evaluated at a time


@dataclass(kw_only=True)
class Pack(PackSteps):
    """Runs that train as one model: row r of its weights is run r's; further rows are not used."""

    epoch_scalars: tuple[int, Tensor] = (-1, torch.empty(0))
    evaluation: Any = None  # a PackEvaluation, if the kernel evaluates
    passes: Passes = PASSES

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = list(self.model.stacked)
        self.n_params = [self.model.n_parameters(run) for run in range(len(self.specs))]
        self.activations = self.model.sites
        seeds = order_seeds(self)
        places = [seeds.index(progress.order_seed) for progress in self.progress]
        places += [places[-1]] * (self.model.runs - len(places))
        self.seed_of = torch.tensor(places, device=self.device)
        with self.clock("compile"):
            self.kernel = pack_kernel.make(self.model, self.specs, self.seed_of, self.logs)
            if self.kernel:
                self.evaluation = pack_evaluation.make(self.kernel, self.logs)
                self.passes = pack_evaluation.passes(self.kernel, self.logs)
        self.by_kernel = self.kernel is not None
        self.dropout = PackDropout(self.model, self.spec, seeds, self.seed_of)
        self.probe_rows = probe_batch(self.splits["train"]["x"])
        self.stacks = PackStacks(self.model, self.optimizer, self.spec.patience is not None)
        self.scored = self._scored
        self.recorder = Recorder(is_recorded(self.spec, self.device))
        if self.recorder.on:
            self._compile()

    def index_of(self, run: int, index: int) -> int | None:
        return self.model.owners[index].get(run)

    def _compile(self) -> None:
        """Compile layers, not whole models: seconds for any depth, as all of a step is recorded."""
        from torch._dynamo import config as dynamo  # imported late: they take a second
        from torch._functorch import config as functorch

        dynamo.recompile_limit = 128  # shapes and lists of activations that one pack may have
        # else code that is not compiled, of other bits, would run
        dynamo.fail_on_recompile_limit_hit = True

        # the product is read again: nothing else of a layer is kept; other models have their own
        @functorch.patch(activation_memory_budget=0.0)
        def called(part: Callable[..., Any], *arguments: Any) -> Any:
            return part(*arguments)

        def compiled(part: Callable[..., Any]) -> Callable[..., Any]:
            return partial(called, torch.compile(part, dynamic=False, fullgraph=True))

        self.model.activated = compiled(self.model.activated)
        self.model.dropped = compiled(self.model.dropped)
        self.optimizer.update = compiled(self.optimizer.update)
        self.inputs = compiled(self.inputs)
        self.scored = compiled(self.scored)

    def compiles(self, part: str) -> bool:
        return self.recorder.prepares(part)

    def train(self, step: int, rows: Tensor, part: str = "update") -> Scores:
        parts = {"update": self.update, "watched": self.watched}
        scalars = self._scalars(step)
        drawn = self.dropout.drawn(step)
        return self.recorder.play(part, parts[part], rows, scalars, *drawn)

    def _scalars(self, step: int) -> Tensor:
        """What the optimizer needs of the host at a step (3,): sent per epoch, as sending waits."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if self.epoch_scalars[0] != epoch:
            lengths = (self.total_steps, self.steps_per_epoch)
            start = epoch * self.steps_per_epoch
            steps = range(start, start + self.steps_per_epoch)
            scalars = torch.stack([self.optimizer.scalars(step, *lengths) for step in steps])
            self.epoch_scalars = (epoch, scalars.to(self.device))
        return self.epoch_scalars[1][index]

    def read_sites(self) -> Tensor:
        return self.recorder.play("probe", self.probe)["health"]

    def probe(self) -> Scores:
        """The probes (probes, R) of all sites, from a forward and backward pass."""
        x, y = (self.splits["train"][name][self.probe_rows] for name in ("x", "y"))
        layers: list[Layer] = []
        with autocast(self.spec, self.device):
            logits = self.model(self.inputs(x).flatten(1), layers)
            loss = classification.losses(logits, y.expand(self.model.runs, -1))
        seen = [(layer.pre, layer.post) for layer in layers]
        gradients = torch.autograd.grad(loss.sum(), [layer.post for layer in layers])
        read = values.of_sites(self.model.sites, seen, gradients, self.passes)
        read |= learnt.values(self.model.in_formula(), list(self.model.sites))
        return {"health": self.keyed("probe", read)}

    def evaluate(self, split: str, runs: Sequence[int]) -> list[Evaluation]:
        y = self.splits[split]["y"]
        if split == "val":
            counts = self.recorder.play("validate", self.validate)
            return classification.evaluate_counts(counts, y, runs)
        return classification.evaluate_runs(self.logits(split), y, runs)

    def validate(self) -> Scores:
        """What the scores of the validation split follow from, each (R, ...)."""
        return classification.counted(self.logits("val"), self.splits["val"]["y"])

    def logits(self, split: str) -> Tensor:
        """Logits (R, N, C) of a whole split."""
        x = self.splits[split]["x"]
        if self.evaluation:
            logits: Tensor = self.evaluation.logits(self.inputs(x).flatten(1))
            return logits
        parts = []
        self.model.eval()
        size = min(len(x), max(1, MAX_EVAL_ROWS // self.model.runs))
        with torch.no_grad(), autocast(self.spec, self.device):
            for begin in range(0, len(x), size):
                # all parts are of one size: compiled code is for one
                start = min(begin, len(x) - size)
                part = self.model(self.inputs(x[start : start + size]).flatten(1)).float()
                parts.append(part[:, begin - start :])
        self.model.train()
        return torch.cat(parts, 1)

    def learning_rates(self, step: int) -> list[float]:
        share = learning_rate(self.optimizer.unit, step, self.total_steps, self.steps_per_epoch)
        return [share * spec.lr for spec in self.specs]

    def keep_best(self, runs: Sequence[int]) -> None:
        self.stacks.keep_best(runs)

    def set_aside(self, runs: Sequence[int]) -> None:
        self.stacks.set_aside(runs)

    def load(self, checkpoint: str) -> None:
        if checkpoint == "best":
            self.stacks.load_best()
        else:
            self.stacks.load_last([run for run in self.completed if run in self.ended])

    def weights(self) -> list[Weights]:
        return self.stacks.weights(len(self.specs))

    def changed(self) -> dict[str, Tensor]:
        return self.stacks.changed()

    def state(self) -> dict[str, Any]:
        return {name: rows[: len(self.specs)] for name, rows in self.stacks.all().items()}

    def restore(self, state: Mapping[str, Any], rows: Sequence[int]) -> None:
        self.stacks.restore(state, [*rows, *[rows[-1]] * (self.model.runs - len(rows))])

    def inspect(self, step: int, rows: Tensor, runs: Sequence[int]) -> Places:
        x = self.splits["train"]["x"][rows[self.seed_of]]
        dropouts = self.dropout.of_layers(self.dropout.drawn(step))
        outputs = self._inspect_outputs(self.inputs(x).flatten(2), runs, dropouts)
        places = {run: f"{outputs.get(run, LOSS)} at step {step}" for run in runs}
        for run in runs:
            place = first(self.model.of_run(run, self.parameters).items())
            if place:
                places[run] = f"{place} before step {step}"
        return places

    def inspect_validation(self, runs: Sequence[int]) -> Places:
        places: Places = {}
        self.model.eval()
        for x in self.splits["val"]["x"].split(self.spec.batch_size):
            others = [run for run in runs if run not in places]
            places |= self._inspect_outputs(self.inputs(x).flatten(1), others)
        self.model.train()
        return {run: places.get(run, LOSS) for run in runs}

    def _inspect_outputs(
        self, x: Tensor, runs: Sequence[int], dropouts: Sequence[Dropout] = ()
    ) -> Places:
        """The first output that is not finite in the pass over x, of the runs that have one."""
        with torch.no_grad(), autocast(self.spec, self.device):
            outputs = self.model.outputs(x, dropouts)
        places: Places = {}
        for run in runs:
            place = first((name, value[run]) for name, value in outputs)
            if place:
                places[run] = f"output of {place}"
        return places
