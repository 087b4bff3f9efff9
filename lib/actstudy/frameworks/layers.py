"""Keras layers that compute what torch's do where Keras's own differ."""

from typing import Any

import keras
from keras import ops

BATCH_NORM_EPS = 1e-5  # torch's; Keras's is 1e-3
BATCH_NORM_MOMENTUM = 0.9  # of the running statistics; torch writes it as 0.1


class BatchNormalization(keras.layers.BatchNormalization):
    """BatchNorm whose running variance is the unbiased one, n / (n - 1) times the batch's.

    x (B, H, W, C) -> the same shape; batch statistics are computed in float32.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training:
            return super().call(inputs, training=False)
        # a copy: `.value` is the variable itself on torch and TensorFlow, which super() overwrites
        before = ops.copy(ops.convert_to_tensor(self.moving_variance))
        outputs = super().call(inputs, training=True)
        after = ops.convert_to_tensor(self.moving_variance)
        own = after - before * self.momentum  # (1 - momentum) times the batch's variance
        n = 1
        for size in ops.shape(inputs)[:-1]:
            n = n * size
        self.moving_variance.assign(after + own / (n - 1))
        return outputs


class PReLU(keras.layers.Layer):
    """max(x, 0) + weight * min(x, 0), with n weights: one, or one per channel."""

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n = n

    def build(self, _shape: Any) -> None:
        self.weight = self.add_weight(shape=(self.n,), name="weight")

    def call(self, inputs: Any) -> Any:
        return ops.maximum(inputs, 0) + self.weight * ops.minimum(inputs, 0)


class LayerScale(keras.layers.Layer):
    """x times a learnt factor per channel (Touvron et al. 2021, arXiv:2103.17239)."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale


class DropPath(keras.layers.Layer):
    """x (B, ...) times column `block` of keep (B, blocks), in training; in evaluation x itself.

    Stochastic depth (Huang et al. 2016, arXiv:1603.09382), with draws from outside.
    """

    def __init__(self, block: int, **options: Any) -> None:
        super().__init__(**options)
        self.block = block

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x, keep = inputs
        if not training:
            return x
        factors = ops.cast(keep[:, self.block], x.dtype)
        return x * ops.reshape(factors, (-1, *[1] * (len(x.shape) - 1)))


class LowestPadding2D(keras.layers.Layer):
    """x (B, H, W, C) with rows and columns of minus infinity around it, as torch pads max-pools."""

    def __init__(self, padding: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self.padding = padding

    def call(self, inputs: Any) -> Any:
        rows, columns = self.padding
        sides = ((0, 0), (rows, rows), (columns, columns), (0, 0))
        return ops.pad(inputs, sides, constant_values=float("-inf"))
