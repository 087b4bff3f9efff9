"""One run, trained by itself: the engine whose R is 1."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.contract.streams import step_seed
from actstudy.data import mix
from actstudy.health import probes, values
from actstudy.nets import drop_path
from actstudy.nets.activations import Sites
from actstudy.tasks.metrics import Evaluation
from actstudy.training.batches import (
    MAX_PROBE_EXAMPLES,
    draws,
    examples,
    label_share,
    probe_batch,
    probe_draws,
)
from actstudy.training.blame import LOSS, first, watch_outputs
from actstudy.training.compiling import compiled
from actstudy.training.cuda_graphs import Recorder, Scores, is_recorded
from actstudy.training.devices import generator
from actstudy.training.engine import Engine, Places, Weights, autocast
from actstudy.training.optim import clip_share, learning_rate, restore, set_rate


@dataclass(kw_only=True)
class Job(Engine):
    """One run: a model of any task, eager or compiled; a GPU records and replays compiled steps."""

    model: nn.Module
    sites: Sites
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    updates: int = 0  # made by this process
    best_weights: Weights = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = dict(self.model.named_parameters())
        self.n_params = [sum(parameter.numel() for parameter in self.parameters.values())]
        self.activations = {site: [name] for site, name in self.sites.names.items()}
        self.by_kernel = getattr(self.model, "uses_kernels", False)
        self.recorder = Recorder(is_recorded(self.spec, self.device))
        self.blocks = len(drop_path.paths(self.model)) if self.spec.drop_path else 0
        self.mixes = mix.columns(self.spec.mix)
        x = self.splits["train"]["x"]
        # a contrastive loss grows with a power of the batch
        most = self.spec.batch_size if self.spec.views else MAX_PROBE_EXAMPLES
        self.probe_rows = probe_batch(x, min(most, MAX_PROBE_EXAMPLES))
        drawn = probe_draws(self.spec, len(self.probe_rows), x)
        self.probe_drawn = torch.from_numpy(drawn).to(self.device)
        # of a task whose loss and scores share what is large
        self.loss_and_scores = getattr(self.task, "loss_and_scores", None)
        self.scored = self._scored
        if self.spec.engine == "compiled":
            self.scored = compiled(self._scored, self.spec, self.device)

    def compiles(self, part: str) -> bool:
        if part == "validate":
            return False
        prepares = self.recorder.prepares(part)
        if part == "probe":
            return prepares
        return self.spec.engine == "compiled" and (not self.updates or prepares)

    def train(self, step: int, rows: Tensor, part: str = "update") -> Scores:
        spec = self.spec
        batch = rows[0]
        set_rate(self.optimizer, self.learning_rates(step)[0])
        # dropout: the same for all activations and resumes
        generator(self.device).manual_seed(step_seed(spec.seed, step))
        drawn = draws(spec, step, len(batch), self.splits["train"]["x"], self.blocks)
        on_device = torch.from_numpy(drawn).to(self.device, non_blocking=True)
        parts = {"update": self.update, "watched": self.watched}
        scores = self.recorder.play(part, parts[part], batch, on_device)
        self.updates += 1
        return {name: value[..., None] for name, value in scores.items()}

    def read_sites(self) -> Tensor:
        return self.recorder.play("probe", self.probe, self.probe_rows)["health"][:, None]

    def update(
        self, batch: Tensor, draws: Tensor, before_update: Callable[[], None] | None = None
    ) -> Scores:
        """One step on train examples batch (B,), augmented by draws: all that the device does.

        before_update: called when gradients are whole, unscaled and not clipped.
        """
        spec = self.spec
        y = self.splits["train"]["y"]
        self.optimizer.zero_grad(set_to_none=True)
        scores: Scores = {}
        pairs = zip(batch.chunk(spec.accumulate), draws.chunk(spec.accumulate), strict=True)
        for rows, drawn in pairs:
            share = label_share(y, rows, batch)
            loss, seen = self.scored(rows, drawn)
            self.scaler.scale(loss * share).backward()
            for name, value in {"loss": loss.detach(), **seen}.items():
                scores[name] = scores.get(name, 0) + value * share
        self.scaler.unscale_(self.optimizer)
        if before_update:
            before_update()
        if spec.clip is not None:
            gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
            share = clip_share(nn.utils.get_total_norm(gradients, foreach=True), spec.clip)
            torch._foreach_mul_(gradients, share)
            scores["clipped"] = (share < 1).float()
        self.scaler.step(self.optimizer)
        if not self.scaler.is_enabled():
            return scores
        before = self.scaler._get_scale_async().clone()  # type: ignore[union-attr]
        self.scaler.update()
        scores["skipped"] = (self.scaler._get_scale_async() < before).float()  # type: ignore[operator]
        return scores

    def watched(self, batch: Tensor, draws: Tensor) -> Scores:
        """`update`, with the probes (probes,) of its parameters under `health`."""
        watch = probes.Update(self.parameters)
        scores = self.update(batch, draws, watch.gradients)
        return {**scores, "health": self._keyed("watched", watch.values())}

    def probe(self, rows: Tensor) -> Scores:
        """The probes (probes,) of all sites, from a forward and backward pass over rows (N,)."""
        x, y, _ = examples(self.splits["train"], rows, self.probe_drawn, views=self.spec.views)

        def batch_loss() -> Tensor:
            with autocast(self.spec, self.device):
                loss: Tensor = self.task.loss(self.forward(x), y)
            return loss

        read = probes.at_sites(self.model, self.sites.modules, self.sites.names, batch_loss)
        return {"health": self._keyed("probe", read)}

    def _keyed(self, part: str, read: values.Values) -> Tensor:
        """What a part of a step reads, as one tensor (probes,), its keys noted.

        A recorded part runs as Python code only until it is recorded, always with the same keys.
        """
        self.health_keys[part] = list(read)
        return values.stacked(read)

    def _scored(self, rows: Tensor, drawn: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss of train examples rows (B,), changed as `drawn`, and other scores."""
        mixed = drawn[:, : self.mixes]
        drawn = drawn[:, self.mixes :]
        x, y, keep = examples(self.splits["train"], rows, drawn, self.blocks, self.spec.views)
        if self.blocks:
            drop_path.set_keep(self.model, keep)
        with autocast(self.spec, self.device):
            logits = self.forward(mix.images(x, mixed))
            if self.loss_and_scores:
                loss, scores = self.loss_and_scores(logits, y, self.spec.label_smoothing)
            else:
                smoothing = self.spec.label_smoothing
                loss = mix.loss(self.task.loss, logits, y, mixed, smoothing)
        if self.blocks:
            drop_path.set_keep(self.model, None)  # probes read whole blocks
        if self.loss_and_scores:
            return loss, scores
        with torch.no_grad():
            return loss, self.task.train_scores(logits, y)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of examples as they were prepared, on the device."""
        logits: Tensor = self.model(self.inputs(x))
        return logits

    def evaluate(self, split: str, runs: Sequence[int]) -> list[Evaluation]:
        self.model.eval()
        with autocast(self.spec, self.device):
            evaluation = self.task.evaluate(self.forward, self.splits[split])
        self.model.train()
        return [evaluation for _ in runs]

    def learning_rates(self, step: int) -> list[float]:
        return [learning_rate(self.spec, step, self.total_steps, self.steps_per_epoch)]

    def keep_best(self, runs: Sequence[int]) -> None:
        self.best_weights = deepcopy(self.model.state_dict())

    def load(self, checkpoint: str) -> None:
        if checkpoint == "best":
            self.model.load_state_dict(self.best_weights)

    def weights(self) -> list[Weights]:
        state = self.model.state_dict()
        return [{name: value.to("cpu", copy=True) for name, value in state.items()}]

    def changed(self) -> dict[str, Tensor]:
        tensors = dict(self.model.state_dict())
        for name, parameter in self.parameters.items():
            for kind, value in self.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"{kind} of {name}"] = value
        return tensors

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "scaler": self.scaler.state_dict()}

    def rewind(self, copies: Mapping[str, Any]) -> None:
        super().rewind(copies)
        self.scaler.load_state_dict(copies["scaler"])

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "best": self.best_weights,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any], rows: Sequence[int]) -> None:
        self.model.load_state_dict(state["model"])
        self.best_weights = state["best"]
        restore(self.optimizer, state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def inspect(self, step: int, rows: Tensor, runs: Sequence[int]) -> Places:
        place = first(self.parameters.items())
        if place:
            return dict.fromkeys(runs, f"{place} before step {step}")
        with self._plain_code(), watch_outputs(self.model, self.sites.modules) as places:
            self.train(step, rows)
        return dict.fromkeys(runs, f"{places[0] if places else LOSS} at step {step}")

    def inspect_validation(self, runs: Sequence[int]) -> Places:
        with watch_outputs(self.model, self.sites.modules) as places:
            self.evaluate("val", runs)
        return dict.fromkeys(runs, places[0] if places else LOSS)

    @contextmanager
    def _plain_code(self) -> Iterator[None]:
        """Steps in the block run uncompiled and unrecorded, as hooks need it."""
        scored = self.scored
        recorder = self.recorder
        self.scored = self._scored
        self.recorder = Recorder(on=False)
        try:
            yield
        finally:
            self.scored = scored
            self.recorder = recorder
