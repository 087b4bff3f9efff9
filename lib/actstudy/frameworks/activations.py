"""Every registered activation as a Keras layer: torch class -> what makes it from a module.

Each operation is rounded to half precision where torch's kernel rounds: once, at its end.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from torch import nn

from actstudy.frameworks import backend
from actstudy.frameworks.layers import Learnt, PReLU
from actstudy.nets.functions import (
    ChannelPReLU,
    LeakyReLUSquared,
    LearntELU,
    LearntSwish,
    ReLUSquared,
    WrittenOutSiLU,
)

SOFTPLUS_LINEAR_FROM = 20.0  # torch: beyond it softplus is x
HALF = ("bfloat16", "float16")


def rounded_once(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of x that computes in float32 if x is in half precision, as torch's kernels do.

    In bfloat16 itself the exact GELU is 0 from -2.9 down, where torch's is not.
    """

    def of(x: Any) -> Any:
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype not in HALF:
            return compute(x)
        return ops.cast(compute(ops.cast(x, "float32")), dtype)

    return of


def function(compute: Callable[[Any], Any]) -> Callable[[nn.Module, str], keras.layers.Layer]:
    """A maker of the layer that applies a function of x alone, one kernel of torch."""
    return steps(rounded_once(compute))


def steps(compute: Callable[[Any], Any]) -> Callable[[nn.Module, str], keras.layers.Layer]:
    """A maker of the layer of a function of x alone that rounds after each of its operations."""
    return lambda module, name: keras.layers.Activation(compute, name=name)


def gelu(x: Any) -> Any:
    """x * Phi(x), exactly; Keras's default is the approximation by tanh.

    TensorFlow's own has the root of 2 in float32, also if x is float64.
    """
    return 0.5 * x * (1 + ops.erf(x * math.sqrt(0.5)))


def gelu_tanh(x: Any) -> Any:
    """GELU's approximation by tanh; written out for the same reason."""
    return 0.5 * x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def make_gelu(module: Any, name: str) -> keras.layers.Layer:
    """GELU, exact or by tanh, as a module has it."""
    return function(gelu if module.approximate == "none" else gelu_tanh)(module, name)


def make_leaky_relu(module: Any, name: str) -> keras.layers.Layer:
    """Leaky ReLU of a module's slope."""
    slope = module.negative_slope
    return function(lambda x: ops.where(x > 0, x, slope * x))(module, name)


def make_prelu(module: Any, name: str) -> keras.layers.Layer:
    """PReLU of as many weights as a module has."""
    return PReLU(module.num_parameters, name=name)


def make_channel_prelu(module: Any, name: str) -> keras.layers.Layer:
    """PReLU of a weight per channel."""
    return PReLU(len(module.weight), name=name)


def make_learnt_swish(_module: Any, name: str) -> keras.layers.Layer:
    """x * sigmoid(beta x), in as many operations as torch has it."""
    return Learnt("beta", lambda x, beta: x * rounded_once(ops.sigmoid)(beta * x), name=name)


def make_learnt_elu(_module: Any, name: str) -> keras.layers.Layer:
    """ELU of an alpha that is learnt."""

    def elu(x: Any, alpha: Any) -> Any:
        return ops.where(x > 0, x, alpha * rounded_once(ops.expm1)(ops.minimum(x, 0)))

    return Learnt("alpha", elu, name=name)


def make_leaky_relu_squared(module: Any, name: str) -> keras.layers.Layer:
    """The square of leaky ReLU of a module's slope."""
    slope = module.negative_slope
    return steps(lambda x: ops.square(ops.where(x > 0, x, slope * x)))(module, name)


def make_elu(module: Any, name: str) -> keras.layers.Layer:
    """ELU of a module's alpha."""
    return function(lambda x: ops.elu(x, alpha=module.alpha))(module, name)


def make_celu(module: Any, name: str) -> keras.layers.Layer:
    """CELU of a module's alpha."""
    return function(lambda x: ops.celu(x, alpha=module.alpha))(module, name)


def make_softplus(module: Any, name: str) -> keras.layers.Layer:
    """log(1 + exp(beta x)) / beta of a module's beta.

    torch's autocast leaves it in float32 on a GPU, and in half precision on a CPU.
    """
    beta = module.beta
    dtype = keras.config.floatx() if backend.is_on_gpu() else None

    def softplus(x: Any) -> Any:
        return ops.where(beta * x > SOFTPLUS_LINEAR_FROM, x, ops.softplus(beta * x) / beta)

    return keras.layers.Activation(rounded_once(softplus), name=name, dtype=dtype)


def make_hardtanh(module: Any, name: str) -> keras.layers.Layer:
    """x within a module's bounds."""
    return function(lambda x: ops.clip(x, module.min_val, module.max_val))(module, name)


def mish(x: Any) -> Any:
    """x * tanh(softplus(x))."""
    return x * ops.tanh(ops.softplus(x))


def hardswish(x: Any) -> Any:
    """x * min(max(x + 3, 0), 6) / 6."""
    return x * ops.clip(x + 3, 0, 6) / 6


def hard_sigmoid(x: Any) -> Any:
    """min(max(x + 3, 0), 6) / 6."""
    return ops.clip(x + 3, 0, 6) / 6


def written_out_silu(x: Any) -> Any:
    """x * sigmoid(x) in two operations."""
    return x * rounded_once(ops.sigmoid)(x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|) in three operations, as torch has it."""
    return x / (ops.abs(x) + 1)


ACTIVATIONS: dict[type[nn.Module], Callable[[Any, str], keras.layers.Layer]] = {
    nn.Tanh: function(ops.tanh),
    nn.Sigmoid: function(ops.sigmoid),
    nn.ReLU: function(ops.relu),
    nn.LeakyReLU: make_leaky_relu,
    nn.PReLU: make_prelu,
    nn.ELU: make_elu,
    nn.SELU: function(ops.selu),
    nn.CELU: make_celu,
    nn.GELU: make_gelu,
    nn.SiLU: function(ops.silu),
    WrittenOutSiLU: steps(written_out_silu),
    nn.Mish: function(mish),
    nn.Softplus: make_softplus,
    nn.Softsign: steps(softsign),
    nn.Hardtanh: make_hardtanh,
    nn.Hardswish: function(hardswish),
    nn.ReLU6: function(ops.relu6),
    nn.Identity: function(lambda x: x),
    nn.Hardsigmoid: function(hard_sigmoid),
    ReLUSquared: steps(lambda x: ops.square(ops.relu(x))),
    LeakyReLUSquared: make_leaky_relu_squared,
    ChannelPReLU: make_channel_prelu,
    LearntSwish: make_learnt_swish,
    LearntELU: make_learnt_elu,
}
