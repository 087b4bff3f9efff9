"""SGD, Adam and AdamW by torch's rules, as Keras optimizers."""

import math
from typing import Any

import keras
from keras import ops

from actstudy.contract.spec import RunSpec


class SGD(keras.optimizers.SGD):
    """v <- momentum v + g; w <- w - lr v, or with Nesterov w - lr (g + momentum v).

    g is the gradient plus `decay` times w. Keras's own SGD has the rate inside v, where a changed
    rate acts late, and decays w by itself.
    """

    def __init__(self, decay: float, decayed: list[Any], **options: Any) -> None:
        super().__init__(**options)
        self.decay = decay
        self.decayed = {self._var_key(variable) for variable in decayed}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        lr = ops.cast(learning_rate, variable.dtype)
        g = with_decay(self, gradient, variable)
        if self.momentum:
            v = self.momentums[self._get_variable_index(variable)]
            value = v * self.momentum + g
            self.assign(v, value)
            g = g + value * self.momentum if self.nesterov else value
        self.assign_sub(variable, lr * g)


class Adam(keras.optimizers.Adam):
    """m and v as means of g and g^2; w <- w - lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps).

    Kingma and Ba 2015, arXiv:1412.6980. Keras's own adds eps to the uncorrected root. `decay` is
    added to the gradient, or, if `decoupled`, to the update (Loshchilov and Hutter 2019,
    arXiv:1711.05101).
    """

    def __init__(self, decay: float, decayed: list[Any], decoupled: bool, **options: Any) -> None:
        super().__init__(**options)
        self.decay = decay
        self.decoupled = decoupled
        self.decayed = {self._var_key(variable) for variable in decayed}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        lr = ops.cast(learning_rate, dtype)
        w = ops.convert_to_tensor(variable)
        if not self.decoupled:
            gradient = with_decay(self, gradient, variable)
        elif self._var_key(variable) in self.decayed:
            w = w - lr * self.decay * w
        t = ops.cast(self.iterations + 1, dtype)
        m_variable = self._momentums[self._get_variable_index(variable)]
        v_variable = self._velocities[self._get_variable_index(variable)]
        m = m_variable + (gradient - m_variable) * (1 - self.beta_1)
        v = v_variable * self.beta_2 + ops.square(gradient) * (1 - self.beta_2)
        self.assign(m_variable, m)
        self.assign(v_variable, v)
        root = ops.sqrt(v) / ops.sqrt(correction(self.beta_2, t)) + self.epsilon
        self.assign(variable, w - lr / correction(self.beta_1, t) * m / root)


def with_decay(optimizer: Any, gradient: Any, variable: Any) -> Any:
    """The gradient plus the optimizer's decay times the variable, if it decays."""
    if optimizer.decay and optimizer._var_key(variable) in optimizer.decayed:
        return gradient + optimizer.decay * ops.convert_to_tensor(variable)
    return gradient


def correction(beta: float, t: Any) -> Any:
    """1 - beta^t without cancellation: in float32, 1 - 0.999 is off by 1e-5 of its value."""
    if not beta:
        return ops.ones_like(t)
    return -ops.expm1(t * math.log(beta))


def make_optimizer(spec: RunSpec, decayed: list[Any]) -> keras.optimizers.Optimizer:
    """The optimizer of a spec; weight decay acts on `decayed` variables, the matrices, only."""
    shared: dict[str, Any] = {
        "decay": spec.weight_decay,
        "decayed": decayed,
        "learning_rate": spec.lr,
    }
    if spec.optimizer == "sgd":
        return SGD(momentum=spec.momentum, nesterov=spec.nesterov, **shared)
    return Adam(
        decoupled=spec.optimizer == "adamw",
        beta_1=spec.betas[0],
        beta_2=spec.betas[1],
        epsilon=spec.eps,
        **shared,
    )
