"""Keras layers that compute what torch's do where Keras's own differ."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


class BatchNormalization(keras.layers.BatchNormalization):
    """BatchNorm as torch computes it: the running variance is n / (n - 1) times the batch's.

    x (B, H, W, C) -> the same shape; statistics are in float32 or more. Keras's own keeps the
    biased variance, and on TensorFlow takes it as E[x^2] - E[x]^2, which is off by 1e-5.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        is_double = keras.backend.standardize_dtype(inputs.dtype) == "float64"
        x = ops.cast(inputs, "float64" if is_double else "float32")
        mean = ops.convert_to_tensor(self.moving_mean)
        variance = ops.convert_to_tensor(self.moving_variance)
        if training:
            mean = channel_means(x)
            variance = channel_means(ops.square(x - mean))
            self.move(self.moving_mean, mean)
            self.move(self.moving_variance, variance * self.unbiased(x))
        factor = ops.rsqrt(variance + self.epsilon) * self.gamma
        return ops.cast((x - mean) * factor + self.beta, self.compute_dtype)

    def move(self, running: Any, value: Any) -> None:
        """Take a batch's statistic (C,) into the running one."""
        running.assign(running * self.momentum + value * (1 - self.momentum))

    def unbiased(self, x: Any) -> Any:
        """n / (n - 1) for n values per channel of x (B, H, W, C)."""
        n = ops.cast(ops.size(x), x.dtype) / x.shape[-1]
        return n / (n - 1)


def channel_means(x: Any) -> Any:
    """(C,) means of x (B, H, W, C), of images first: TensorFlow adds up one value after another."""
    return ops.mean(ops.mean(ops.mean(x, axis=2), axis=1), axis=0)


class LayerNormalization(keras.layers.LayerNormalization):
    """LayerNorm over the last axis, the variance as E[(x - mean)^2]; see BatchNormalization."""

    def call(self, inputs: Any) -> Any:
        centred = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta


class PReLU(keras.layers.Layer):
    """max(x, 0) + weight * min(x, 0), with n weights: one, or one per channel."""

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n = n

    def build(self, _shape: Any) -> None:
        self.weight = self.add_weight(shape=(self.n,), name="weight", initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return ops.maximum(inputs, 0) + self.weight * ops.minimum(inputs, 0)


class Learnt(keras.layers.Layer):
    """A function of x and of one weight per site, named as torch's module names it."""

    def __init__(self, weight: str, compute: Callable[[Any, Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.weight_name = weight
        self.compute = compute

    def build(self, _shape: Any) -> None:
        weight = self.add_weight(shape=(1,), name=self.weight_name, initializer="zeros")
        setattr(self, self.weight_name, weight)

    def call(self, inputs: Any) -> Any:
        return self.compute(inputs, getattr(self, self.weight_name))


class LayerScale(keras.layers.Layer):
    """x times a learnt factor per channel (Touvron et al. 2021, arXiv:2103.17239)."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), name="scale", initializer="zeros")

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


class Flatten(keras.layers.Flatten):
    """x (B, H, W, C) -> (B, C * H * W), in torch's order of values; (B, values) as they are."""

    def call(self, inputs: Any) -> Any:
        images = len(inputs.shape) == 4
        return super().call(ops.transpose(inputs, (0, 3, 1, 2)) if images else inputs)
