"""The step of a Keras model on TensorFlow: one graph function that changes its variables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from actstudy.contract.spec import RunSpec
from actstudy.frameworks import arithmetic
from actstudy.frameworks.net import KerasNet, Scores, summed
from actstudy.frameworks.twin import Twin


class TensorflowNet(KerasNet):
    """Weights are the Keras variables themselves."""

    compilation = "graph"

    def __init__(
        self, twin: Twin, spec: RunSpec, device: torch.device, policy: str = "float32"
    ) -> None:
        super().__init__(twin, spec, device, policy)
        self._graph = tf.function(self._step)
        self._evaluation_graph = tf.function(self._forward)

    def native(self, value: Tensor | float) -> Any:
        if not isinstance(value, Tensor):
            return tf.constant(value, self.dtype)
        if value.is_cuda:
            return tf.experimental.dlpack.from_dlpack(torch.to_dlpack(value.contiguous()))
        return tf.convert_to_tensor(value.numpy())

    def to_torch(self, value: Any) -> Tensor:
        if self.device.type == "cuda":
            return torch.from_dlpack(tf.experimental.dlpack.to_dlpack(value))
        return torch.from_numpy(np.array(value.numpy()))

    def update(self, *inputs: Any) -> Scores:
        scores, self.scaling = self._graph(*inputs, self.scaling)
        return scores

    def forward(self, x: Any) -> Any:
        return self._evaluation_graph(x)

    def _forward(self, x: Any) -> Any:
        keep = tf.ones((x.shape[0], self.twin.blocks), self.dtype)
        return tf.cast(self.model(self.inputs(x, keep), training=False), self.dtype)

    def _step(self, x: Any, y: Any, keep: Any, lr: Any, scaling: Any) -> tuple[Scores, Any]:
        scale = 1.0 if scaling is None else scaling[0]
        gradients, scores = self._gradients(scale, (x, y, keep))
        if scaling is not None:
            gradients = [gradient / scale for gradient in gradients]
        gradients, known = self.clipped(gradients)
        self.optimizer.learning_rate.assign(lr)
        if scaling is None:
            self.optimizer.apply(gradients)
            return {**scores, **known}, None
        finite = tf.reduce_sum(known["nonfinite"]) == 0
        tf.cond(finite, lambda: self.optimizer.apply(gradients), lambda: None)
        known["skipped"] = 1.0 - tf.cast(finite, "float32")
        return {**scores, **known}, arithmetic.next_scale(scaling, finite)

    def _gradients(self, scale: Any, batch: Sequence[Any]) -> tuple[Any, Scores]:
        """Gradients of the scaled loss of a batch, and scores; running statistics change."""
        trained = self.model.trainable_variables
        share = 1 / self.spec.accumulate
        gradients = None
        scores: Scores = {}
        for x, y, keep in self.parts(*batch):
            with tf.GradientTape() as tape:
                logits = tf.cast(self.model(self.inputs(x, keep), training=True), self.dtype)
                loss = self.loss(logits, y)
                scaled = loss * (scale * share)
            more = tape.gradient(scaled, [variable.value for variable in trained])
            gradients = summed(gradients, more)
            for name, value in self.scores(loss, logits, y).items():
                scores[name] = scores.get(name, 0) + value * share
        return gradients, scores
