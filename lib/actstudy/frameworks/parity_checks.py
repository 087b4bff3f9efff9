"""Whether two records agree: each check is a pure function of them that returns a `Check`."""

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from actstudy.contract.parity import Check
from actstudy.frameworks.neutral import Arrays
from actstudy.frameworks.record import Record

LOGITS = 2e-6  # of the largest logit: float32 rounds; the tanh form of GELU differs by 1e-4
FIRST_LOSS = 1e-5  # nats
OWN = 3.0  # times the distance of torch's own float32 from float64
EXACT = 1e-9  # after some steps in float64
MOVED = 10.0  # times what becomes, in float64, of a start that was moved by its last digit
FINEST = 5e-7  # of an update: eight roundings of float32, and any distance below is rounding


def compare(torch: Record, keras: Record, exact: Record, shared: Arrays) -> list[Check]:
    """All checks of float32, in the order in which a fault should be looked for.

    exact: torch in float64; shared: the weights that their `updated` and `chained` began at.
    """
    return [
        parameters(torch, keras),
        start(torch, keras),
        order(torch, keras),
        labels(torch, keras),
        pixels(torch, keras),
        rates(torch, keras),
        logits(torch, keras, exact),
        first_loss(torch, keras, exact),
        farthest("one step", torch.updated, keras.updated, exact.updated, shared),
        farthest("three steps", torch.chained, keras.chained, exact.chained, shared),
    ]


def compare_half(full: Record, torch: Record, keras: Record, shared: Arrays) -> list[Check]:
    """The checks of both frameworks in bf16; full: torch in float32.

    Logits and updates of Keras may be OWN times as far from float32 as torch's own.
    """
    *_, last = full.outputs
    own = typical_distance(full.outputs[last], torch.outputs[last])
    return [
        _outputs("logits in bf16", full, keras, OWN * own),
        farthest("one step in bf16", torch.updated, keras.updated, full.updated, shared),
    ]


def parameters(torch: Record, keras: Record) -> Check:
    """The difference of the numbers of trained parameters per layer; none is allowed."""
    counts = {}
    for layer in {**torch.trained, **keras.trained}:
        counts[layer] = float(abs(torch.trained.get(layer, 0) - keras.trained.get(layer, 0)))
    return first_apart("parameters", counts, 0.0)


def start(torch: Record, keras: Record) -> Check:
    """The largest difference of a weight or statistic before training; none is allowed."""
    return first_apart("initial weights", distances(torch.start, keras.start), 0.0)


def order(torch: Record, keras: Record) -> Check:
    """Whether both trained on the same examples in the same order in each step, by their hashes."""
    return _same_hashes("order", [a.rows for a in torch.steps], [b.rows for b in keras.steps])


def labels(torch: Record, keras: Record) -> Check:
    """Whether the labels that both were handed are the same in each step, by their hashes."""
    return _same_hashes("labels", [a.labels for a in torch.steps], [b.labels for b in keras.steps])


def pixels(torch: Record, keras: Record) -> Check:
    """The largest difference of a standardised pixel, as both models got it; none is allowed."""
    apart = {}
    for step, (a, b) in enumerate(zip(torch.steps, keras.steps, strict=True)):
        apart[f"step {step}"] = distance(a.pixels, b.pixels)
    return first_apart("pixels", apart, 0.0)


def rates(torch: Record, keras: Record) -> Check:
    """The largest difference of the learning rates of a step, as float32; none is allowed."""
    apart = {}
    for step, (a, b) in enumerate(zip(torch.steps, keras.steps, strict=True)):
        apart[f"step {step}"] = abs(float(np.float32(a.rate)) - float(np.float32(b.rate)))
    return first_apart("learning rate", apart, 0.0)


def logits(torch: Record, keras: Record, exact: Record) -> Check:
    """The root mean square of the differences of logits in evaluation, over the largest logit.

    At most LOGITS or, if it is larger, OWN times the same measure of torch's own logits against
    those of float64: a deep narrow model rounds more than a shallow one. If it is too large, where:
    the first layer whose outputs differ by as much.
    """
    *_, last = torch.outputs
    own = typical_distance(exact.outputs[last], torch.outputs[last])
    return _outputs("logits", torch, keras, max(LOGITS, OWN * own))


def _outputs(name: str, right: Record, keras: Record, limit: float) -> Check:
    """A check of the distance of Keras's logits from the right ones."""
    apart = {}
    for layer, output in right.outputs.items():
        if layer in keras.outputs:
            apart[layer] = typical_distance(output, keras.outputs[layer])
    last = list(apart)[-1]
    place = last if apart[last] <= limit else first_apart(name, apart, limit).where
    return Check(name, place, apart[last], limit)


def first_loss(torch: Record, keras: Record, exact: Record) -> Check:
    """The difference of the losses of the first batch, in nats.

    At most FIRST_LOSS or OWN times the largest of torch's own from float64 on some batches.
    """
    apart = abs(torch.steps[0].loss - keras.steps[0].loss)
    own = distance(np.array(torch.losses), np.array(exact.losses))
    return Check("first loss", "step 0", apart, max(FIRST_LOSS, OWN * own))


def farthest(
    name: str,
    torch: Sequence[Arrays],
    keras: Sequence[Arrays],
    exact: Sequence[Arrays],
    shared: Arrays,
) -> Check:
    """How many times farther from the exact one an update of Keras is than those of torch, at most.

    torch, keras, exact: what became of the shared weights, per batch or sequence of batches. Per
    tensor, with the `errors` of Keras's best batch and of torch's worst. So a fault, which is
    there in each batch, shows, and rounding does not: a ReLU whose input rounds to the other side
    of 0 changes a whole gradient, in torch's steps as in those of Keras.
    """
    of_torch = errors(torch, exact, shared)
    of_keras = errors(keras, exact, shared)
    ratios = {}
    for tensor in shared:
        ratios[tensor] = min(of_keras[tensor]) / max(*of_torch[tensor], FINEST)
    where = max(ratios, key=lambda tensor: ratios[tensor])
    return Check(name, where, ratios[where], OWN)


def errors(
    updated: Sequence[Arrays], exact: Sequence[Arrays], shared: Arrays
) -> dict[str, list[float]]:
    """Tensor -> per batch, the distance of its update from the exact one, over the update's size.

    Both are root mean squares. The size is that of the exact update, or, if it is larger, the
    median one of such tensors: a gradient that is 0 but for rounding, as that of a bias before a
    BatchNorm, has no size of its own. Infinite if the tensor is not there or not finite.
    """
    each: dict[str, list[float]] = {name: [] for name in shared}
    for after, right in zip(updated, exact, strict=True):
        sizes = update_sizes(right, shared)
        for name, size in sizes.items():
            each[name].append(_error(after.get(name), right[name], size))
    return each


def update_sizes(exact: Arrays, shared: Arrays) -> dict[str, float]:
    """Tensor -> root mean square of its update, at least the median of its kind.

    Running statistics are one kind, weights the other.
    """
    sizes = {name: rms(exact[name] - before.astype(np.float64)) for name, before in shared.items()}
    by_kind: dict[bool, list[float]] = {True: [], False: []}
    for name, size in sizes.items():
        by_kind[is_statistic(name)].append(size)
    least = {kind: float(np.median(values)) for kind, values in by_kind.items() if values}
    return {name: max(size, least[is_statistic(name)]) for name, size in sizes.items()}


def is_statistic(name: str) -> bool:
    """Whether torch's tensor of a name is a running mean or variance."""
    return name.rpartition(".")[2].startswith("running_")


def _error(update: np.ndarray | None, exact: np.ndarray, size: float) -> float:
    if update is None or update.shape != exact.shape or not np.isfinite(update).all():
        return math.inf
    apart = rms(update.astype(np.float64) - exact)
    return apart / size if apart else 0.0


def exact_steps(torch: Arrays, keras: Arrays, moved: Sequence[Arrays]) -> Check:
    """The largest difference of a weight or statistic after some steps in float64.

    At most EXACT or, if it is larger, MOVED times the largest difference that torch has from
    itself. moved: torch's, each from a start that was moved by the last digit of float64.
    """
    own = 0.0
    for after in moved:
        own = max(own, *distances(torch, after).values())
    return first_apart("steps in float64", distances(torch, keras), max(EXACT, MOVED * own))


def distances(torch: Arrays, keras: Arrays) -> dict[str, float]:
    """Name -> the largest difference of two arrays; infinite if only one framework has it."""
    apart = {}
    for name in {**torch, **keras}:
        apart[name] = math.inf
        if name in torch and name in keras:
            apart[name] = distance(torch[name], keras[name])
    return apart


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest absolute difference of two arrays; infinite if their shapes differ."""
    if a.shape != b.shape:
        return math.inf
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))


def typical_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The root mean square of the differences of two arrays, over the largest value of `a`."""
    if a.shape != b.shape:
        return math.inf
    return rms(a.astype(np.float64) - b) / (float(np.abs(a).max()) or 1.0)


def rms(values: np.ndarray) -> float:
    """The root mean square of values."""
    return float(np.sqrt(np.mean(np.square(values))))


def first_apart(name: str, apart: Mapping[str, float], limit: float) -> Check:
    """A check of the first place whose difference exceeds the limit, else of the worst place."""
    for where, value in apart.items():
        if not value <= limit:  # also if it is no number
            return Check(name, where, value, limit)
    where = max(apart, key=lambda place: apart[place])
    return Check(name, where, apart[where], limit)


def _same_hashes(name: str, torch: Sequence[np.ndarray], keras: Sequence[np.ndarray]) -> Check:
    """A check of whole numbers per step: 0 where the hashes agree, else 1."""
    apart = {}
    for step, (of_torch, of_keras) in enumerate(zip(torch, keras, strict=True)):
        apart[f"step {step}"] = float(_digest(of_torch) != _digest(of_keras))
    return first_apart(name, apart, 0.0)


def _digest(values: np.ndarray) -> str:
    """The SHA-256 of whole numbers."""
    return hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()
