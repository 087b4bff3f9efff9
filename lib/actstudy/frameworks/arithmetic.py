"""What an optimizer step computes besides model and update, in Keras operations as torch does."""

from collections.abc import Sequence
from typing import Any, Literal

from keras import ops

from actstudy.health.clipping import ADAPTIVE_FROM

FIRST_SCALE = 2.0**16  # of an fp16 loss, as torch's GradScaler has it; Keras's is 2^15
GROWTH = 2.0
GROWTH_STEPS = 2000  # without overflow, after which the scale grows
BACKOFF = 0.5


def cross_entropy(logits: Any, y: Any, label_smoothing: float) -> Any:
    """Mean cross-entropy in nats; logits (B, C) in float32 or more, y (B,)."""
    log_p = ops.log_softmax(logits, axis=-1)
    classes = logits.shape[-1]
    each = -ops.sum(ops.one_hot(y, classes, dtype=log_p.dtype) * log_p, axis=-1)
    if label_smoothing:
        uniform = -ops.mean(log_p, axis=-1)
        each = (1 - label_smoothing) * each + label_smoothing * uniform
    return ops.mean(each)


def accuracy(logits: Any, y: Any) -> Any:
    """The share of examples whose largest logit is their label's."""
    hits = ops.equal(ops.argmax(logits, axis=-1), ops.cast(y, "int32"))
    return ops.mean(ops.cast(hits, "float32"))


def norms(gradients: Sequence[Any]) -> Any:
    """The L2 norm of each of P gradients, (P,)."""
    return ops.stack([ops.sqrt(ops.sum(ops.square(gradient))) for gradient in gradients])


def nonfinite(gradients: Sequence[Any]) -> Any:
    """The number of values of each of P gradients that are not finite, (P,)."""
    counts = []
    for gradient in gradients:
        counts.append(ops.sum(ops.cast(ops.logical_not(ops.isfinite(gradient)), "float32")))
    return ops.stack(counts)


def clip_share(norm: Any, clip: float | Literal["adaptive"]) -> Any:
    """What gradients of a global norm are multiplied by; `adaptive` clips norms above 10 to 1.

    NaN if the norm is.
    """
    to = 1.0 if clip == "adaptive" else clip
    above = ADAPTIVE_FROM if clip == "adaptive" else 0.0
    share = to / (norm + 1e-6)
    share = ops.where(share > 1, ops.ones_like(share), share)
    return ops.where(norm <= above, ops.ones_like(share), share)


def next_scale(scaling: tuple[Any, Any], finite: Any) -> tuple[Any, Any]:
    """An fp16 loss's scale after a step, and the steps since it last changed: GradScaler's rule."""
    scale, steps = scaling
    steps = ops.where(finite, steps + 1, ops.zeros_like(steps))
    grows = steps >= GROWTH_STEPS
    grown = ops.where(grows, scale * GROWTH, scale)
    return ops.where(finite, grown, scale * BACKOFF), ops.where(grows, ops.zeros_like(steps), steps)
