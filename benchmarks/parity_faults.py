"""Faults of Keras twins, each planted in the real code for as long as a block lasts."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import keras
from keras import ops
from torch import nn

from actstudy.frameworks import (
    activations,
    arithmetic,
    layers,
    net,
    nets,
    optimizers,
    parts,
    twin,
)
from actstudy.training import keras_job

Planted = AbstractContextManager[Any]
SPLIT = 2.0**13 + 1  # of 24 bits it leaves the first 11, which TF32 has
SMOOTHING = 0.1


def momentum_swapped() -> Planted:
    class Swapped(layers.BatchNormalization):
        def __init__(self, momentum: float, **options: Any) -> None:
            super().__init__(momentum=1 - momentum, **options)

    return patch.object(layers, "BatchNormalization", Swapped)


def eps_of_keras() -> Planted:
    class Coarse(layers.BatchNormalization):
        def __init__(self, epsilon: float, **options: Any) -> None:
            super().__init__(epsilon=1e-3, **options)

    return patch.object(layers, "BatchNormalization", Coarse)


def biased_variance() -> Planted:
    return patch.object(layers.BatchNormalization, "unbiased", lambda _layer, _x: 1.0)


def same_padding() -> Planted:
    def convolution(module: Any, name: str) -> parts.Part:
        part = parts.convolution(module, name)
        if max(parts.both(module.stride)) > 1 and len(part.layers) > 1:
            part.layers = part.layers[-1:]
            part.layers[0].padding = "same"
        return part

    return patch.dict(parts.PARTS, {nn.Conv2d: convolution})


def tanh_gelu() -> Planted:
    return patch.object(activations, "gelu", activations.gelu_tanh)


def l2_for_adamw() -> Planted:
    def coupled(spec: Any, decayed: list[Any]) -> Any:
        return make(replace(spec, optimizer="adam"), decayed)

    make = net.make_optimizer
    return patch.object(net, "make_optimizer", coupled)


@contextmanager
def tf32_on() -> Any:
    """Inputs of products rounded to TF32's 11 significant bits, as a GPU does."""

    def rounded(call: Callable[..., Any]) -> Callable[..., Any]:
        def on_rounded(layer: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
            high = inputs * SPLIT
            return call(layer, high - (high - inputs), *rest, **options)

        return on_rounded

    with ExitStack() as stack:
        for kind in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense):
            stack.enter_context(patch.object(kind, "call", rounded(kind.call)))
        yield


def label_smoothing() -> Planted:
    def smoothed(logits: Any, y: Any, _smoothing: float) -> Any:
        return cross_entropy(logits, y, SMOOTHING)

    cross_entropy = arithmetic.cross_entropy
    return patch.object(arithmetic, "cross_entropy", smoothed)


def warmup_off_by_one() -> Planted:
    def late(spec: Any, step: int, *rest: int) -> float:
        return rate(spec, step + 1, *rest)

    rate = keras_job.learning_rate
    return patch.object(keras_job, "learning_rate", late)


def default_init() -> Planted:
    """The first weights of a model are Keras's own draws; later ones are loaded."""
    load = twin.Twin.load
    started: set[int] = set()

    def loaded(own: twin.Twin, arrays: Any) -> None:
        if id(own) in started:
            load(own, arrays)
        started.add(id(own))

    return patch.object(twin.Twin, "load", loaded)


def channels_misread() -> Planted:
    def inputs(own: Any, x: Any, keep: Any) -> Any:
        size, channels, height, width = x.shape
        images = ops.cast(ops.reshape(x, (size, height, width, channels)), own.dtype)
        return [images, keep] if own.twin.blocks else images

    return patch.object(net.KerasNet, "inputs", inputs)


def convolution_bias() -> Planted:
    """Convolutions with a bias of zeros that torch's model does not have."""

    def with_bias(*arguments: Any, **options: Any) -> twin.Twin:
        made_twin = make(*arguments, **options)
        for name, place in list(made_twin.places.items()):
            layer = place.layer
            if isinstance(layer, keras.layers.Conv2D) and not layer.use_bias:
                layer._tracker.unlock()
                layer.use_bias = True
                layer.bias = layer.add_weight(shape=(layer.filters,), initializer="zeros")
                bias = name.removesuffix("weight") + "bias"
                made_twin.places[bias] = parts.Place(layer, "bias", parts.VECTOR)
        return made_twin

    make = nets.make_twin
    return patch.object(nets, "make_twin", with_bias)


def rate_inside() -> Planted:
    def update_step(own: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        lr = ops.cast(learning_rate, variable.dtype)
        g = lr * optimizers.with_decay(own, gradient, variable)
        v = own.momentums[own._get_variable_index(variable)]
        value = v * own.momentum + g
        own.assign(v, value)
        own.assign_sub(variable, g + value * own.momentum)

    return patch.object(optimizers.SGD, "update_step", update_step)


def momentum_forgotten() -> Planted:
    def update_step(own: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        lr = ops.cast(learning_rate, variable.dtype)
        g = optimizers.with_decay(own, gradient, variable)
        own.assign_sub(variable, lr * (g + g * own.momentum))

    return patch.object(optimizers.SGD, "update_step", update_step)


def count_stays() -> Planted:
    correction = optimizers.correction
    return patch.object(optimizers, "correction", lambda beta, t: correction(beta, t**0))


def short_memory() -> Planted:
    def forgetful(spec: Any, decayed: list[Any]) -> Any:
        return make(replace(spec, betas=(spec.betas[0], 0.99)), decayed)

    make = net.make_optimizer
    return patch.object(net, "make_optimizer", forgetful)


FAULTS: dict[str, tuple[Callable[[], Planted], str, str]] = {
    # name -> what plants it, the check that names it, the optimizer of its run
    "BatchNorm's momentum swapped": (momentum_swapped, "one step", "adamw"),
    "BatchNorm's eps 1e-3": (eps_of_keras, "logits", "adamw"),
    "running variance biased": (biased_variance, "one step", "adamw"),
    "`same` padding at stride 2": (same_padding, "logits", "adamw"),
    "GELU by tanh": (tanh_gelu, "logits", "adamw"),
    "L2 in place of AdamW's decay": (l2_for_adamw, "one step", "adamw"),
    "TF32 on": (tf32_on, "logits", "adamw"),
    "label smoothing of 0.1": (label_smoothing, "first loss", "adamw"),
    "warm-up off by one": (warmup_off_by_one, "learning rate", "adamw"),
    "Keras's own initial weights": (default_init, "initial weights", "adamw"),
    "images (H, W, C) read as (C, H, W)": (channels_misread, "pixels", "adamw"),
    "a bias in convolutions": (convolution_bias, "parameters", "adamw"),
    "the rate inside SGD's momentum": (rate_inside, "three steps", "sgd"),
    "SGD's momentum never carried over": (momentum_forgotten, "three steps", "sgd"),
    "Adam's count of steps stays 1": (count_stays, "three steps", "adamw"),
    "Adam's second beta of 0.99": (short_memory, "three steps", "adamw"),
}
PLACES = {  # check -> how the place that it names begins, of the model in parity_net.py
    "one step": ("bn1", "bn2", "conv1", "conv2", "head"),
    "three steps": ("bn1", "bn2", "conv1", "conv2", "head"),
    "logits": ("bn1", "conv1", "conv2", "act1"),
    "first loss": ("step",),
    "learning rate": ("step",),
    "initial weights": ("conv1",),
    "pixels": ("step",),
    "parameters": ("conv1",),
}
