"""What a part of a torch model is in Keras: torch class -> its Keras layers and their weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
from torch import nn

from actstudy.frameworks import layers
from actstudy.frameworks.activations import ACTIVATIONS
from actstudy.nets.convnext_tiny import ChannelNorm, LayerScale

CONVOLUTION = (2, 3, 1, 0)  # torch's axes of a kernel (out, in, H, W) in Keras's order
DEPTHWISE = (2, 3, 0, 1)  # of one (channels, 1, H, W)
MATRIX = (1, 0)  # of a weight (out, in)
VECTOR = (0,)
UNDRAWN = "zeros"  # the weights come from torch: drawing them takes JAX a minute of compiling


class Place(NamedTuple):
    """Where a torch tensor is in Keras: a layer's attribute, as the tensor's axes transposed."""

    layer: keras.layers.Layer
    attribute: str
    axes: tuple[int, ...]


@dataclass
class Part:
    """Keras layers, called one after the other, and where the torch module's tensors are."""

    layers: list[keras.layers.Layer]
    places: dict[str, Place] = field(default_factory=dict)


class NoTwin(ValueError):
    """What of a torch module Keras layers cannot be made from, in words, and what they can."""

    def __init__(self, fault: str, allowed: str = "") -> None:
        super().__init__(fault)
        self.allowed = allowed


def both(value: Any) -> tuple[int, int]:
    """A size of rows and columns, which torch lets be one number."""
    return (value, value) if isinstance(value, int) else tuple(value)


def convolution(module: Any, name: str) -> Part:
    """A convolution with torch's symmetric padding: Keras's "same" shifts pixels at stride 2."""
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NoTwin(f"padding {module.padding!r}, {module.padding_mode!r}")
    options = {
        "kernel_size": module.kernel_size,
        "strides": module.stride,
        "dilation_rate": module.dilation,
        "use_bias": module.bias is not None,
        "name": name,
    }
    padding = both(module.padding)
    row: list[keras.layers.Layer] = []
    if any(padding):
        row.append(keras.layers.ZeroPadding2D(padding, name=f"{name}-padding"))
    is_depthwise = module.groups > 1 and module.groups == module.in_channels
    if is_depthwise and module.out_channels == module.groups:
        row.append(keras.layers.DepthwiseConv2D(depthwise_initializer=UNDRAWN, **options))
        axes = DEPTHWISE
    else:
        row.append(
            keras.layers.Conv2D(
                module.out_channels, groups=module.groups, kernel_initializer=UNDRAWN, **options
            )
        )
        axes = CONVOLUTION
    places = {"weight": Place(row[-1], "kernel", axes)}
    if module.bias is not None:
        places["bias"] = Place(row[-1], "bias", VECTOR)
    return Part(row, places)


def batch_norm(module: Any, name: str) -> Part:
    """BatchNorm with torch's eps, momentum and running statistics."""
    if module.momentum is None or not module.affine or not module.track_running_stats:
        raise NoTwin("BatchNorm without weights, momentum or running statistics")
    layer = layers.BatchNormalization(momentum=1 - module.momentum, epsilon=module.eps, name=name)
    places = {
        "weight": Place(layer, "gamma", VECTOR),
        "bias": Place(layer, "beta", VECTOR),
        "running_mean": Place(layer, "moving_mean", VECTOR),
        "running_var": Place(layer, "moving_variance", VECTOR),
    }
    return Part([layer], places)


def linear(module: Any, name: str) -> Part:
    """A linear layer."""
    layer = keras.layers.Dense(
        module.out_features,
        use_bias=module.bias is not None,
        kernel_initializer=UNDRAWN,
        name=name,
    )
    places = {"weight": Place(layer, "kernel", MATRIX)}
    if module.bias is not None:
        places["bias"] = Place(layer, "bias", VECTOR)
    return Part([layer], places)


def layer_norm(module: Any, name: str) -> Part:
    """LayerNorm over the channels; never in half precision, as torch's autocast has it."""
    if len(module.normalized_shape) != 1 or module.weight is None or module.bias is None:
        raise NoTwin("LayerNorm of several axes or without weights")
    layer = layers.LayerNormalization(epsilon=module.eps, name=name, dtype=keras.config.floatx())
    places = {"weight": Place(layer, "gamma", VECTOR), "bias": Place(layer, "beta", VECTOR)}
    return Part([layer], places)


def layer_scale(_module: Any, name: str) -> Part:
    """A factor per channel; never in half precision, as torch has it for its weights' type."""
    layer = layers.LayerScale(name=name, dtype=keras.config.floatx())
    return Part([layer], {"scale": Place(layer, "scale", VECTOR)})


def max_pool(module: Any, name: str) -> Part:
    """A max-pool, padded with minus infinity."""
    if module.ceil_mode or both(module.dilation) != (1, 1):
        raise NoTwin("a max-pool with ceil_mode or dilation")
    row = []
    if any(both(module.padding)):
        row.append(layers.LowestPadding2D(both(module.padding), name=f"{name}-padding"))
    size = both(module.kernel_size)
    return Part([*row, keras.layers.MaxPooling2D(size, both(module.stride), name=name)])


def average_pool(module: Any, name: str) -> Part:
    """An average over all pixels, which leaves one."""
    if both(module.output_size) != (1, 1):
        raise NoTwin(f"an average pool to {module.output_size}")
    pool = keras.layers.GlobalAveragePooling2D(keepdims=True, name=name, autocast=False)
    return Part([pool])


def average(module: Any, name: str) -> Part:
    """An average of windows, their zero padding counted, as torch has it by default."""
    padding = both(module.padding)
    if module.ceil_mode or module.divisor_override:
        raise NoTwin("an average pool with ceil_mode or divisor_override")
    if any(padding) and not module.count_include_pad:
        raise NoTwin("an average pool with padding that does not count")
    row: list[keras.layers.Layer] = []
    if any(padding):
        row.append(keras.layers.ZeroPadding2D(padding, name=f"{name}-padding", autocast=False))
    sizes = both(module.kernel_size), both(module.stride)
    row.append(keras.layers.AveragePooling2D(*sizes, name=name, autocast=False))
    return Part(row)


def flatten(module: Any, name: str) -> Part:
    """(B, ...) -> (B, values), in torch's order."""
    if (module.start_dim, module.end_dim) != (1, -1):
        raise NoTwin(f"flatten of axes {module.start_dim} to {module.end_dim}")
    return Part([layers.Flatten(name=name, autocast=False)])


def activation(module: Any, name: str) -> Part:
    """A registered activation, with its weights if it has any."""
    layer = ACTIVATIONS[type(module)](module, name)
    places = {weight: Place(layer, weight, VECTOR) for weight, _ in module.named_parameters()}
    return Part([layer], places)


def nothing(_module: Any, _name: str) -> Part:
    """What a twin leaves out."""
    return Part([])


def dropout(module: Any, _name: str) -> Part:
    """Nothing, if nothing is dropped."""
    if module.p:
        raise NoTwin(f"dropout of {module.p}, whose draws are torch's own")
    return Part([])


PARTS: dict[type[nn.Module], Callable[[Any, str], Part]] = {
    **dict.fromkeys(ACTIVATIONS, activation),
    nn.Conv2d: convolution,
    nn.BatchNorm2d: batch_norm,
    nn.Linear: linear,
    nn.LayerNorm: layer_norm,
    ChannelNorm: layer_norm,
    LayerScale: layer_scale,
    nn.MaxPool2d: max_pool,
    nn.AdaptiveAvgPool2d: average_pool,
    nn.AvgPool2d: average,
    nn.Flatten: flatten,
    nn.Dropout: dropout,
    nn.Identity: nothing,
}
