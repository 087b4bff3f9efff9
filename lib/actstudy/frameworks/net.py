"""A Keras model that trains: the twin of a torch model, its optimizer and its loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch import Tensor

from actstudy.contract.spec import RunSpec
from actstudy.frameworks import arithmetic, backend
from actstudy.frameworks.neutral import Arrays
from actstudy.frameworks.optimizers import make_optimizer
from actstudy.frameworks.twin import Twin

SCORES = ("loss", "accuracy", "clipped", "skipped", "norms", "nonfinite")  # in torch's order
Scores = dict[str, Any]  # native scalars of a back end; `norms` and `nonfinite` are (parameters,)


class KerasNet(ABC):
    """The Net of a twin; a subclass per back end says how a step is compiled and handed its batch.

    parameters: torch names of what is trained, in the order of the Keras model. passes: batches
    that its BatchNorms have seen. scaling: in fp16 the loss's scale and the steps since it changed.
    """

    compilation: str

    def __init__(
        self, twin: Twin, spec: RunSpec, device: torch.device, policy: str = "float32"
    ) -> None:
        self.twin = twin
        self.spec = spec
        self.device = device
        self.model = twin.model
        self.dtype = "float64" if policy == "float64" else "float32"
        self.passes = 0
        names = {id(twin.variable(name)): name for name in twin.places}
        trained = self.model.trainable_variables
        self.parameters = [names[id(variable)] for variable in trained]
        self.n_params = sum(int(np.prod(variable.shape)) for variable in trained)
        with backend.default_dtype(policy):
            self.optimizer = make_optimizer(spec, self._decayed())
            self.optimizer.build(trained)
        self.scaling: Any = None
        if spec.precision == "fp16":
            self.scaling = (self.native(arithmetic.FIRST_SCALE), self.native(0.0))

    @property
    def execution(self) -> str:
        """Layout, compilation and TF32 of its steps."""
        tf32 = "on" if self.spec.precision != "fp32" and self.device.type == "cuda" else "off"
        return f"NHWC, {self.compilation}, TF32 {tf32}"

    def peak_bytes(self) -> int:
        """Peak bytes of an allocator of its own on the GPU; 0 if it has none."""
        return 0

    def _decayed(self) -> list[Any]:
        """Variables that weight decay acts on: those of torch's matrices."""
        decayed = []
        for name in self.parameters:
            if len(self.twin.places[name].axes) >= 2:
                decayed.append(self.twin.variable(name))
        return decayed

    def step(self, x: Tensor, y: Tensor, keep: Tensor, lr: float) -> dict[str, Tensor]:
        """One optimizer step at a rate; scores of the batch as torch tensors on x's device.

        x: (B, C, H, W) standardised; y: (B,); keep: (B, blocks), or (B, 0). Besides the Net's
        scores `norms` and `nonfinite` of the gradients of `parameters`, before clipping.
        """
        inputs = [self.native(part) for part in (x, y.int(), keep)]
        scores = self.update(*inputs, self.native(lr))
        self.passes += self.spec.accumulate
        return {name: self.to_torch(scores[name]) for name in SCORES if name in scores}

    def logits(self, x: Tensor) -> Tensor:
        """(B, classes) float32 in evaluation mode; x: (B, C, H, W).

        The batch is filled up to a power of two, so that few sizes are compiled.
        """
        n = len(x)
        filled = torch.cat([x, x[-1:].expand(2 ** (n - 1).bit_length() - n, *x.shape[1:])])
        return self.to_torch(self.forward(self.native(filled)))[:n]

    def export(self) -> Arrays:
        """Copies of all weights, running statistics and counts of batches, as torch has them."""
        self.write_back()
        counts = {name: np.array(self.passes) for name in self.twin.counts}
        return {**self.twin.export(), **counts}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave; the optimizer's state stays."""
        self.write_back()
        self.twin.load(arrays)
        self.take_over()
        for name in self.twin.counts:
            self.passes = int(arrays[name])

    def state(self) -> dict[str, Any]:
        """Copies of all that a step changes, as torch tensors on the CPU."""
        self.write_back()
        values = [torch.from_numpy(_array(variable)) for variable in self._variables()]
        scaling = None
        if self.scaling is not None:
            scaling = [float(value) for value in self.scaling]
        return {"values": values, "passes": self.passes, "scaling": scaling}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` gave, bit for bit."""
        self.write_back()
        for variable, value in zip(self._variables(), state["values"], strict=True):
            variable.assign(value.numpy())
        self.take_over()
        self.passes = state["passes"]
        if state["scaling"] is not None:
            self.scaling = tuple(self.native(value) for value in state["scaling"])

    def _variables(self) -> list[Any]:
        """All variables of model and optimizer."""
        return [*self.model.variables, *self.optimizer.variables]

    def loss(self, logits: Any, y: Any) -> Any:
        """The loss that is trained; logits (B, C), y (B,)."""
        return arithmetic.cross_entropy(logits, y, self.spec.label_smoothing)

    def scores(self, loss: Any, logits: Any, y: Any) -> Scores:
        """Scores of a part of a batch, from its loss and logits (B, C)."""
        return {"loss": loss, "accuracy": arithmetic.accuracy(logits, y)}

    def inputs(self, x: Any, keep: Any) -> Any:
        """The model's inputs of images (B, C, H, W) and factors (B, blocks)."""
        images = ops.cast(ops.transpose(x, (0, 2, 3, 1)), self.dtype)
        return [images, ops.convert_to_tensor(keep)] if self.twin.blocks else images

    def parts(self, *batch: Any) -> list[tuple[Any, ...]]:
        """The parts of x, y and keep whose gradients are accumulated."""
        size = batch[0].shape[0] // self.spec.accumulate
        parts = []
        for start in range(0, size * self.spec.accumulate, size):
            parts.append(tuple(value[start : start + size] for value in batch))
        return parts

    def clipped(self, gradients: Sequence[Any]) -> tuple[list[Any], Scores]:
        """Gradients, clipped as the spec says, and what is known of them before."""
        scores: Scores = {
            "norms": arithmetic.norms(gradients),
            "nonfinite": arithmetic.nonfinite(gradients),
        }
        clip = self.spec.clip
        if clip is None:
            return list(gradients), scores
        norm = ops.sqrt(ops.sum(ops.square(scores["norms"])))
        share = arithmetic.clip_share(norm, clip)
        scores["clipped"] = ops.cast(share < 1, "float32")
        return [gradient * ops.cast(share, gradient.dtype) for gradient in gradients], scores

    @abstractmethod
    def native(self, value: Tensor | float) -> Any:
        """A torch tensor, or a number of the net's dtype, as the back end's tensor."""

    @abstractmethod
    def to_torch(self, value: Any) -> Tensor:
        """A tensor of the back end as torch's, on the device of the data."""

    @abstractmethod
    def update(self, *inputs: Any) -> Scores:
        """One optimizer step on native x, y, keep and lr; its scores."""

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """Logits in evaluation mode of native images (B, C, H, W)."""

    def write_back(self) -> None:
        """Write weights and optimizer state into the Keras variables, if they are elsewhere."""
        return

    def take_over(self) -> None:
        """Take weights and optimizer state from the Keras variables, if they are used elsewhere."""
        return


def _array(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


def summed(gradients: Sequence[Any] | None, more: Sequence[Any]) -> list[Any]:
    """The sums of gradients and those of a further part of a batch; None before the first one."""
    if gradients is None:
        return list(more)
    return [own + other for own, other in zip(gradients, more, strict=True)]
