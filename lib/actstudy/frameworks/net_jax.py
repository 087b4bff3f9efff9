"""The step of a Keras model on JAX: one jitted function of its weights, which are donated to it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from actstudy.contract.spec import RunSpec
from actstudy.frameworks import arithmetic
from actstudy.frameworks.net import KerasNet, Scores
from actstudy.frameworks.twin import Twin


class JaxNet(KerasNet):
    """weights: values of trainable, of other and of the optimizer's variables, as steps leave them.

    The Keras variables have them after `write_back` alone.
    """

    compilation = "jit"
    weights: Any

    def __init__(
        self, twin: Twin, spec: RunSpec, device: torch.device, policy: str = "float32"
    ) -> None:
        super().__init__(twin, spec, device, policy)
        self._jitted = jax.jit(self._pure_step, donate_argnums=(0, 1))
        self._forward = jax.jit(self._pure_forward)
        self.take_over()

    def native(self, value: Tensor | float) -> Any:
        if not isinstance(value, Tensor):
            return np.asarray(value, self.dtype)
        if value.is_cuda:
            return jax.dlpack.from_dlpack(value.contiguous())
        return value.numpy()

    def to_torch(self, value: Any) -> Tensor:
        if self.device.type == "cuda":  # torch's stream waits for JAX's
            return torch.from_dlpack(value)
        return torch.from_numpy(np.array(value))

    def update(self, *inputs: Any) -> Scores:
        self.weights, self.scaling, scores = self._jitted(self.weights, self.scaling, *inputs)
        return scores

    def forward(self, x: Any) -> Any:
        return self._forward(self.weights, x)

    def _pure_forward(self, weights: Any, x: Any) -> Any:
        keep = jnp.ones((x.shape[0], self.twin.blocks), self.dtype)
        logits, _ = self.model.stateless_call(
            weights[0], weights[1], self.inputs(x, keep), training=False
        )
        return logits.astype(self.dtype)

    def _pure_step(
        self, weights: Any, scaling: Any, x: Any, y: Any, keep: Any, lr: Any
    ) -> tuple[Any, Any, Scores]:
        trained, others, slots = weights
        scale = 1.0 if scaling is None else scaling[0]
        gradients, others, scores = self._gradients(trained, others, scale, (x, y, keep))
        if scaling is not None:
            gradients = [gradient / scale for gradient in gradients]
        gradients, known = self.clipped(gradients)
        slots = [lr if place == self._rate else slot for place, slot in enumerate(slots)]
        new_trained, new_slots = self.optimizer.stateless_apply(slots, gradients, trained)
        if scaling is not None:
            finite = jnp.sum(known["nonfinite"]) == 0
            choose = partial(jnp.where, finite)
            new_trained = jax.tree.map(choose, new_trained, trained)
            new_slots = jax.tree.map(choose, new_slots, slots)
            scaling = arithmetic.next_scale(scaling, finite)
            known["skipped"] = 1.0 - finite
        return (new_trained, others, new_slots), scaling, {**scores, **known}

    def _gradients(
        self, trained: Any, others: Any, scale: Any, batch: tuple[Any, ...]
    ) -> tuple[Any, Any, Scores]:
        """Gradients of the scaled loss of a batch, new running statistics, and scores."""
        of_loss = jax.value_and_grad(self._loss, has_aux=True)
        n = self.spec.accumulate
        if n == 1:
            (_, (others, scores)), gradients = of_loss(trained, others, scale, *batch)
            return gradients, others, scores

        def one_part(carry: Any, part: Any) -> tuple[Any, None]:
            gradients, others, scores = carry
            (_, (others, own)), more = of_loss(trained, others, scale / n, *part)
            gradients = jax.tree.map(jnp.add, gradients, more)
            scores = {name: value + own[name] / n for name, value in scores.items()}
            return (gradients, others, scores), None

        parts = [jnp.reshape(value, (n, len(value) // n, *value.shape[1:])) for value in batch]
        zeros = jax.tree.map(jnp.zeros_like, trained)
        scores = dict.fromkeys(("loss", "accuracy"), jnp.zeros((), self.dtype))
        carry, _ = jax.lax.scan(one_part, (zeros, others, scores), tuple(parts))
        return carry

    def _loss(
        self, trained: Any, others: Any, scale: Any, x: Any, y: Any, keep: Any
    ) -> tuple[Any, Any]:
        """The scaled loss of a part of a batch; new running statistics and scores."""
        logits, others = self.model.stateless_call(
            trained, others, self.inputs(x, keep), training=True
        )
        logits = logits.astype(self.dtype)
        loss = self.loss(logits, y)
        return loss * scale, (others, self.scores(loss, logits, y))

    def peak_bytes(self) -> int:
        if self.device.type == "cpu":
            return 0
        return int(jax.devices()[0].memory_stats()["peak_bytes_in_use"])

    def write_back(self) -> None:
        groups = self._groups()
        copies = _copies(self.weights)  # the next step takes the weights themselves
        for variables, values in zip(groups, copies, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def take_over(self) -> None:
        groups = self._groups()
        self._rate = groups[2].index(self.optimizer._learning_rate)
        values = []
        for variables in groups:
            values.append([variable.value for variable in variables])
        # on a device by name, as steps leave them: else the second step is compiled again
        self.weights = jax.device_put(_copies(tuple(values)), jax.devices()[0])

    def _groups(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Trainable, other and the optimizer's variables."""
        model = self.model
        return model.trainable_variables, model.non_trainable_variables, self.optimizer.variables


@jax.jit
def _copies(weights: Any) -> Any:
    """Copies of all arrays, in one call of the device."""
    return jax.tree.map(jnp.copy, weights)
