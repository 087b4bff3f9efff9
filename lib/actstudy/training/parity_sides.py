"""An engine as parity sees it: stepped from weights that it is handed, and read layer by layer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from actstudy.frameworks.neutral import Arrays
from actstudy.frameworks.record import Step
from actstudy.training.batches import batches
from actstudy.training.engine import Engine, autocast
from actstudy.training.job import Job

LOGITS = "logits"  # the name of the last of the outputs
HALVES = (torch.bfloat16, torch.float16)


class Side(Protocol):
    """What parity asks of an engine of any framework; all names are those of the torch model."""

    start: Arrays  # its weights and running statistics, as it was made

    @property
    def engine(self) -> Engine:
        """The engine."""

    def trained(self) -> dict[str, int]:
        """Layer -> how many numbers its optimizer changes."""

    def weights(self) -> Arrays:
        """Copies of all weights and running statistics."""

    def restart(self, weights: Arrays) -> None:
        """Begin anew at some weights: the optimizer forgets all steps."""

    def step(self, step: int, rows: Tensor) -> Step:
        """A training step on rows (1, B), and what it was handed."""

    def outputs(self, x: Tensor) -> Arrays:
        """Layer -> its output in evaluation mode, of prepared x (B, ...); the last are logits."""


class TorchSide:
    """torch's engine, in float32 or, to know what is exact, in float64."""

    def __init__(self, job: Job, exact: bool = False) -> None:
        self.engine = job
        if exact:
            standardise = job.inputs
            job.model.double()
            job.inputs = lambda x: standardise(x).double()
        self.blank = job.snapshot()
        self.start = self.weights()

    def trained(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for name, parameter in self.engine.parameters.items():
            layer = name.rpartition(".")[0]
            counts[layer] = counts.get(layer, 0) + parameter.numel()
        return counts

    def weights(self) -> Arrays:
        return numbers(self.engine.weights()[0])

    def restart(self, weights: Arrays) -> None:
        self.engine.rewind(self.blank)
        tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
        self.engine.model.load_state_dict(tensors, strict=False)

    def step(self, step: int, rows: Tensor) -> Step:
        with inputs_of(self.engine.model) as parts:
            scores = self.engine.train(step, rows)
        return Step(
            rows=rows[0].numpy(),
            pixels=np.concatenate(parts),
            labels=self.engine.splits["train"]["y"][rows[0]].numpy(),
            rate=float(self.engine.optimizer.param_groups[0]["lr"]),
            loss=float(scores["loss"]),
        )

    @torch.no_grad()
    def warm_up(self) -> None:
        """Set running statistics to their means over the run's batches; weights stay."""
        job = self.engine
        averaged = [module for module in job.model.modules() if isinstance(module, _BatchNorm)]
        momenta = [module.momentum for module in averaged]
        for module in averaged:
            module.reset_running_stats()
            module.momentum = None  # torch: all batches count the same
        for _, rows in batches(job, 0):
            job.forward(job.splits["train"]["x"][rows[0]])
        for module, momentum in zip(averaged, momenta, strict=True):
            module.momentum = momentum

    @torch.no_grad()
    def outputs(self, x: Tensor) -> Arrays:
        self.engine.model.eval()
        half = autocast(self.engine.spec, self.engine.device)
        with outputs_of(self.engine.model) as arrays, half:
            logits = array(self.engine.forward(x))
        self.engine.model.train()
        return {**arrays, LOGITS: logits}


def numbers(tensors: Mapping[str, Tensor]) -> Arrays:
    """The tensors that are no counts, as arrays."""
    return {name: array(value) for name, value in tensors.items() if value.is_floating_point()}


def array(tensor: Tensor) -> np.ndarray:
    """A copy of a tensor as an array, of half precision in float32."""
    values = tensor.detach().cpu()
    return np.array((values.float() if values.dtype in HALVES else values).numpy())


@contextmanager
def inputs_of(model: nn.Module) -> Iterator[list[np.ndarray]]:
    """What the model gets in the block, an array (B, ...) per forward pass."""
    parts: list[np.ndarray] = []
    handle = model.register_forward_pre_hook(lambda _model, inputs: parts.append(array(inputs[0])))
    try:
        yield parts
    finally:
        handle.remove()


@contextmanager
def outputs_of(model: nn.Module) -> Iterator[Arrays]:
    """What the layers of a model give in the block, by name, in the order of the forward pass."""
    arrays: Arrays = {}
    handles = []
    for name, module in model.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(partial(_note, arrays, name)))
    try:
        yield arrays
    finally:
        for handle in handles:
            handle.remove()


def _note(
    arrays: Arrays, name: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor
) -> None:
    arrays[name] = array(output)
