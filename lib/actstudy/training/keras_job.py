"""One run, trained by Keras on a back end: all but the arithmetic of a step is torch's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from actstudy.frameworks.net import KerasNet
from actstudy.health import probes, values
from actstudy.nets import drop_path
from actstudy.nets.activations import Sites
from actstudy.tasks.metrics import Evaluation
from actstudy.training.batches import draws, examples, probe_batch
from actstudy.training.blame import LOSS, first, watch_outputs
from actstudy.training.cuda_graphs import Scores
from actstudy.training.engine import Engine, Places, Weights, autocast
from actstudy.training.optim import learning_rate


@dataclass(kw_only=True)
class KerasJob(Engine):
    """One run: a Keras model trains; the torch model that it is the twin of is read by probes.

    model: has the present weights only while something is read from it.
    """

    model: nn.Module
    sites: Sites
    net: KerasNet
    updates: int = 0  # made by this process
    validations: int = 0
    best_weights: Weights = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.n_params = [self.net.n_params]
        self.activations = {site: [name] for site, name in self.sites.names.items()}
        self.probe_rows = probe_batch(self.splits["train"]["x"])

    @property
    def execution(self) -> str:
        return self.net.execution

    def peak_memory(self) -> tuple[int, str]:
        peak, kind = super().peak_memory()
        own = self.net.peak_bytes()
        return (peak + own, f"{kind} by torch and {self.spec.framework}") if own else (peak, kind)

    def compiles(self, part: str) -> bool:
        if part == "probe":
            return False
        return not (self.validations if part == "validate" else self.updates)

    def train(self, step: int, rows: Tensor, part: str = "update") -> Scores:
        x, y, keep = self.batch(step, rows[0])
        before = self.parameters() if part == "watched" else []
        scores = self.net.step(x, y, keep, self.learning_rates(step)[0])
        self.updates += 1
        of_gradients = [scores.pop(name) for name in ("norms", "nonfinite")]
        if part == "watched":
            scores["health"] = self._watched(before, *of_gradients)
        return {name: value[..., None] for name, value in scores.items()}

    def batch(self, step: int, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised x (B, C, H, W), y (B,) and stochastic depth's factors (B, blocks)."""
        split = self.splits["train"]
        blocks = self.net.twin.blocks
        drawn = draws(self.spec, step, len(rows), split["x"], blocks)
        on_device = torch.from_numpy(drawn).to(self.device, non_blocking=True)
        x, y, keep = examples(split, rows, on_device, blocks)
        return self.inputs(x), y, keep

    def parameters(self) -> list[Tensor]:
        """Copies of the trained parameters (1, ...) on the CPU, in `net.parameters`' order."""
        arrays = self.net.export()
        return [torch.from_numpy(arrays[name])[None] for name in self.net.parameters]

    def _watched(self, before: list[Tensor], norms: Tensor, nonfinite: Tensor) -> Tensor:
        """The probes (probes,) of a step's gradients and of its update."""
        names = self.net.parameters
        read: values.Values = {}
        pairs = zip(norms.double(), nonfinite.double(), strict=True)
        for index, (name, (norm, count)) in enumerate(zip(names, pairs, strict=True)):
            read["parameter", name, index, "gradient_norm"] = norm[None]
            read["parameter", name, index, "gradient_nonfinite"] = count[None]
        whole = norms.double().square().sum().sqrt()
        read["model", "model", 0, "gradient_norm"] = whole[None]
        read |= values.of_updates(names, before, self.parameters())
        self.health_keys["watched"] = list(read)
        return values.stacked({key: value.to(self.device) for key, value in read.items()})

    def read_sites(self) -> Tensor:
        self._load_model()
        x, y = (self.splits["train"][name][self.probe_rows] for name in ("x", "y"))

        def batch_loss() -> Tensor:
            with autocast(self.spec, self.device):
                loss: Tensor = self.task.loss(self.model(self.inputs(x)), y)
            return loss

        read = probes.at_sites(self.model, self.sites.modules, self.sites.names, batch_loss)
        self.health_keys["probe"] = list(read)
        return values.stacked(read)[:, None]

    def _load_model(self) -> None:
        """Give the torch model the present weights."""
        self.model.load_state_dict(self.weights()[0])

    def forward(self, x: Tensor) -> Tensor:
        """Logits of examples as they were prepared, on the device."""
        return self.net.logits(self.inputs(x))

    def evaluate(self, split: str, runs: Sequence[int]) -> list[Evaluation]:
        evaluation = self.task.evaluate(self.forward, self.splits[split])
        self.validations += 1
        return [evaluation for _ in runs]

    def learning_rates(self, step: int) -> list[float]:
        return [learning_rate(self.spec, step, self.total_steps, self.steps_per_epoch)]

    def keep_best(self, runs: Sequence[int]) -> None:
        self.best_weights = self.weights()[0]

    def load(self, checkpoint: str) -> None:
        if checkpoint == "best":
            self.net.load({name: value.numpy() for name, value in self.best_weights.items()})

    def weights(self) -> list[Weights]:
        return [{name: torch.from_numpy(value) for name, value in self.net.export().items()}]

    def changed(self) -> dict[str, Tensor]:
        return self.weights()[0]

    def snapshot(self) -> dict[str, Any]:
        return self.net.state()

    def rewind(self, copies: Mapping[str, Any]) -> None:
        self.net.restore(copies)

    def state(self) -> dict[str, Any]:
        return {"net": self.net.state(), "best": self.best_weights}

    def restore(self, state: Mapping[str, Any], rows: Sequence[int]) -> None:
        self.net.restore(state["net"])
        self.best_weights = state["best"]

    def inspect(self, step: int, rows: Tensor, runs: Sequence[int]) -> Places:
        self._load_model()
        place = first(self.model.named_parameters())
        if place:
            return dict.fromkeys(runs, f"{place} before step {step}")
        x, _, keep = self.batch(step, rows[0])
        drop_path.set_keep(self.model, keep)
        watched = watch_outputs(self.model, self.sites.modules)
        with watched as places, torch.no_grad(), autocast(self.spec, self.device):
            self.model(x)
        drop_path.set_keep(self.model, None)
        return dict.fromkeys(runs, f"{places[0] if places else LOSS} at step {step}")

    def inspect_validation(self, runs: Sequence[int]) -> Places:
        self._load_model()
        self.model.eval()
        watched = watch_outputs(self.model, self.sites.modules)
        with watched as places, autocast(self.spec, self.device):
            self.task.evaluate(lambda x: self.model(self.inputs(x)), self.splits["val"])
        self.model.train()
        return dict.fromkeys(runs, places[0] if places else LOSS)
