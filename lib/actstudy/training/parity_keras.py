"""A Keras engine as parity sees it; imported when Keras runs on the back end of the cell."""

from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from actstudy.frameworks.nets import make_net
from actstudy.frameworks.neutral import Arrays
from actstudy.frameworks.record import Step
from actstudy.training.keras_job import KerasJob
from actstudy.training.parity_sides import LOGITS, array, numbers


class KerasSide:
    """A Keras engine, in float32 or, on back ends that have it, in float64."""

    def __init__(self, job: KerasJob, exact: bool = False) -> None:
        self.engine = job
        if exact:
            channels, height, width = job.splits["train"]["x"].shape[1:]
            shape = (channels, height, width)
            leaves = job.sites.modules.values()
            job.net = make_net(job.spec, job.model, shape, job.device, leaves, "float64")
        self.blank = job.snapshot()
        self.start = self.weights()

    def trained(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for layer in self.engine.net.model.layers:
            n = sum(int(np.prod(variable.shape)) for variable in layer.trainable_variables)
            if n:
                counts[torch_name(layer)] = n
        return counts

    def weights(self) -> Arrays:
        return numbers(self.engine.weights()[0])

    def restart(self, weights: Arrays) -> None:
        net = self.engine.net
        self.engine.rewind(self.blank)
        net.load({**net.export(), **weights})

    def step(self, step: int, rows: Tensor) -> Step:
        net = self.engine.net
        handed: list[Tensor] = []
        unwatched = net.step

        def watched(x: Tensor, y: Tensor, keep: Tensor, lr: float) -> dict[str, Tensor]:
            handed.extend((x, y, keep))
            return unwatched(x, y, keep, lr)

        net.step = watched  # type: ignore[method-assign]
        try:
            scores = self.engine.train(step, rows)
        finally:
            net.step = unwatched  # type: ignore[method-assign]
        x, y, keep = handed
        return Step(
            rows=rows[0].numpy(),
            pixels=self._pixels(x, keep),
            labels=y.numpy(),
            rate=self._rate(),
            loss=float(scores["loss"]),
        )

    def _pixels(self, x: Tensor, keep: Tensor) -> np.ndarray:
        """The images that the model gets of a batch, as torch lays them out."""
        net = self.engine.net
        inputs = net.inputs(net.native(x), net.native(keep))
        return as_torch(inputs[0] if isinstance(inputs, list) else inputs)

    def _rate(self) -> float:
        """The rate that the optimizer's last step was made with."""
        self.engine.net.write_back()
        return float(keras.ops.convert_to_numpy(self.engine.net.optimizer.learning_rate))

    def outputs(self, x: Tensor) -> Arrays:
        net = self.engine.net
        net.write_back()
        images = self.engine.inputs(x)
        keep = torch.ones(len(x), net.twin.blocks)
        inputs = keras.layers.InputLayer
        layers = [layer for layer in net.model.layers if not isinstance(layer, inputs)]
        reader = keras.Model(net.model.inputs, [layer.output for layer in layers])
        values = reader(net.inputs(net.native(images), net.native(keep)), training=False)
        arrays = {}
        for layer, value in zip(layers, values, strict=True):
            arrays[torch_name(layer)] = as_torch(value)
        return {**arrays, LOGITS: array(self.engine.forward(x))}


def torch_name(layer: keras.layers.Layer) -> str:
    """The name of the torch module that a layer is the twin of."""
    return str(layer.name).replace("-", ".")


def as_torch(value: Any) -> np.ndarray:
    """A copy of a native tensor (B, H, W, C) as (B, C, H, W); others as they are.

    Of half precision in float32.
    """
    if keras.backend.standardize_dtype(value.dtype) in ("bfloat16", "float16"):
        value = keras.ops.cast(value, "float32")
    values = np.array(keras.ops.convert_to_numpy(value))
    return values.transpose(0, 3, 1, 2) if values.ndim == 4 else values
