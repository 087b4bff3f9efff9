"""The step of a Keras model on torch, eager, as Keras runs it there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import torch
from torch import Tensor

from actstudy.frameworks import arithmetic
from actstudy.frameworks.net import KerasNet, Scores, summed

ONEDNN_CHANNELS = 16  # of float32 in the longest vectors of a CPU: from there on it is sound


def breaks_onednn(model: keras.Model) -> bool:
    """Whether oneDNN's gradient of a model's layers writes beyond its memory (torch 2.14).

    It does for the inputs of a 1x1 convolution of stride 2, channels last, whose channels do not
    fill a vector (up to 7 on a CPU with AVX2); that Keras has channels last is why torch's own
    models are not concerned.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            is_strided_point = max(layer.kernel_size) == 1 and max(layer.strides) > 1
            if is_strided_point and layer.kernel.shape[2] < ONEDNN_CHANNELS:
                return True
    return False


class TorchNet(KerasNet):
    """Weights are the Keras variables themselves."""

    compilation = "eager"

    @property
    def execution(self) -> str:
        if self._avoids_onednn():
            return f"{super().execution}, no oneDNN"
        return super().execution

    def _avoids_onednn(self) -> bool:
        return self.device.type == "cpu" and breaks_onednn(self.model)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """What is computed in the block is computed without oneDNN if that breaks the model."""
        before = torch.backends.mkldnn.enabled
        if self._avoids_onednn():
            torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
        try:
            yield
        finally:
            torch.backends.mkldnn.enabled = before

    def native(self, value: Tensor | float) -> Any:
        if isinstance(value, Tensor):
            return value
        return torch.tensor(value, dtype=getattr(torch, self.dtype), device=self.device)

    def to_torch(self, value: Any) -> Tensor:
        detached: Tensor = value.detach()
        return detached

    @torch.no_grad()
    def forward(self, x: Any) -> Any:
        keep = x.new_ones((len(x), self.twin.blocks))
        with self._sound():
            logits = self.model(self.inputs(x, keep), training=False)
        return logits.to(getattr(torch, self.dtype))

    def update(self, *inputs: Any) -> Scores:
        scale = 1.0 if self.scaling is None else self.scaling[0]
        *batch, lr = inputs
        with self._sound():
            gradients, scores = self._gradients(scale, batch)
        with torch.no_grad():
            if self.scaling is not None:
                gradients = [gradient / scale for gradient in gradients]
            gradients, known = self.clipped(gradients)
            self.optimizer.learning_rate.assign(lr)
            if self.scaling is None:
                self.optimizer.apply(gradients)
                return {**scores, **known}
            finite = known["nonfinite"].sum() == 0
            if finite:  # waits for the device, as GradScaler does
                self.optimizer.apply(gradients)
            known["skipped"] = 1.0 - finite.float()
            self.scaling = arithmetic.next_scale(self.scaling, finite)
        return {**scores, **known}

    def _gradients(self, scale: Any, batch: Sequence[Any]) -> tuple[Any, Scores]:
        """Gradients of the scaled loss of a batch, and scores; running statistics change."""
        trained = [variable.value for variable in self.model.trainable_variables]
        share = 1 / self.spec.accumulate
        gradients = None
        scores: Scores = {}
        for x, y, keep in self.parts(*batch):
            logits = self.model(self.inputs(x, keep), training=True)
            logits = logits.to(getattr(torch, self.dtype))
            loss = self.loss(logits, y)
            more = torch.autograd.grad(loss * (scale * share), trained)
            gradients = summed(gradients, more)
            with torch.no_grad():
                for name, value in self.scores(loss, logits, y).items():
                    scores[name] = scores.get(name, 0) + value * share
        return gradients, scores
