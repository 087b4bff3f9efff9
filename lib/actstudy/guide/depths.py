"""Measurements: whether deep networks learn, on embedded data, and what their gradients say."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from actstudy.contract.reading import Reading, Value, mean_of, median_of, share_of
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Stack

FASHION = "fashion_mnist_tenth"
LEARNT = 0.15  # test accuracy above which a net has learnt something; chance is 0.1


def deep_training(
    activation: Choice | list[Choice],
    depth: int | list[int] = 20,
    init: Choice | list[Choice] = "xavier_normal",
    optimizer: str | list[str] = "adam",
    lr: float | list[float] = 1e-3,
    steps: int | list[int] = 200,
    centred: bool | list[bool] = False,
    width: int = 128,
    data: str = FASHION,
    seeds: int = 3,
) -> list[Reading]:
    """What nets of equal layers learn: `accuracy` on test and the last `loss`, means over seeds.

    Chance is 0.1. centred: with biases by which each layer's inputs to activations are centred at
    first.
    """
    readings = []
    lists = {"activation": activation, "depth": depth, "init": init, "optimizer": optimizer}
    for text, at in conditions(**lists, lr=lr, steps=steps, centred=centred):
        hidden = (width,) * at.pop("depth")
        at |= {"activation": fixed(at["activation"]), "init": fixed(at["init"])}
        learnt = lessons.learnt(Lesson(**at, hidden=hidden, data=data, seeds=seeds))
        values = {"accuracy": _mean(learnt.accuracy), "loss": _mean(learnt.losses[-1])}
        readings.append(Reading(values, text))
    return readings


def weight_changes(
    activation: Choice,
    optimizer: str | list[str],
    first_layers: int = 15,
    depth: int = 20,
    init: Choice = "xavier_normal",
    lr: float = 1e-3,
    steps: int = 200,
    width: int = 128,
    data: str = FASHION,
    seeds: int = 6,
) -> list[Reading]:
    """How far training takes the weights of layers 1 to first_layers, medians over seeds.

    Of a layer: the norm of what was added over the norm that there was. `most`: the largest of the
    layers, `least`: the smallest. `accuracy`: on test, a mean.
    """
    readings = []
    for text, at in conditions(optimizer=optimizer):
        lesson = Lesson(
            fixed(activation), (width,) * depth, fixed(init), data=data, lr=lr, steps=steps,
            seeds=seeds, **at,
        )  # fmt: skip
        learnt = lessons.learnt(lesson)
        changes = []
        before = list(lesson.net().weights)[:first_layers]
        for weight, old in zip(list(learnt.net.weights)[:first_layers], before, strict=True):
            changes.append(_norms((weight - old).detach()) / _norms(old.detach()))
        changed = torch.stack(changes)
        values = {"most": median_of(changed.amax(0).tolist())}
        values["least"] = median_of(changed.amin(0).tolist())
        readings.append(Reading({**values, "accuracy": _mean(learnt.accuracy)}, text))
    return readings


def init_compared(
    init: Choice,
    against: list[Choice],
    activation: Choice = "relu",
    depth: int | list[int] = 20,
    optimizer: str = "adam",
    lr: float = 1e-3,
    steps: int = 200,
    width: int = 128,
    batch: int = 128,
    data: str = FASHION,
    seeds: int = 5,
) -> list[Reading]:
    """By how much test accuracy is `better` with one init than with the best of others.

    Paired by seed; the best is by its mean. `accuracy`: with the one init.
    """
    readings = []
    for text, at in conditions(depth=depth):
        accuracies = []
        for choice in (init, *against):
            lesson = Lesson(
                fixed(activation), (width,) * at["depth"], fixed(choice), data=data, lr=lr,
                optimizer=optimizer, steps=steps, batch=batch, seeds=seeds,
            )  # fmt: skip
            accuracies.append(lessons.learnt(lesson).accuracy)
        own, *others = accuracies
        best = max(others, key=lambda values: float(values.mean()))
        readings.append(Reading({"better": _mean(own - best), "accuracy": _mean(own)}, text))
    return readings


def small_gradients(
    activations: list[Choice],
    inits: list[Choice],
    optimizers: Mapping[str, float],
    limit: float = 1e-6,
    depth: int = 20,
    width: int = 128,
    steps: int = 200,
    data: str = FASHION,
    seeds: int = 3,
) -> list[Reading]:
    """The share of kinds of nets that learn, of those whose first weights have tiny gradients.

    A kind: an activation, init and optimizer; its nets differ by their seed alone and count once.
    Tiny: a root mean square up to `limit` before training, the mean over seeds; to learn: a mean
    test accuracy above LEARNT. optimizers: their learning rates by name.
    """
    n_tiny = n_learnt = 0
    for _, at in conditions(activation=activations, init=inits, optimizer=list(optimizers)):
        at |= {"activation": fixed(at["activation"]), "init": fixed(at["init"])}
        lr = optimizers[at["optimizer"]]
        lesson = Lesson(**at, hidden=(width,) * depth, lr=lr, steps=steps, data=data, seeds=seeds)
        if _first_gradient(lesson).mean() <= limit:
            n_tiny += 1
            n_learnt += bool(lessons.learnt(lesson).accuracy.mean() > LEARNT)
    if not n_tiny:
        raise ValueError(f"limit: got {limit:g}; no net has so small a gradient at first")
    return [Reading({"learnt": share_of(n_learnt, n_tiny)})]


def _first_gradient(lesson: Lesson) -> Tensor:
    """The root mean square (R,) of the gradient of the first weights, before training."""
    net = lesson.net()
    next(lessons.train(net, lesson))  # one step, which leaves its gradients
    return gradients(net)[0].square().mean((1, 2)).sqrt()


def losses_by_epoch(
    activation: Choice | list[Choice],
    optimizer: str | list[str],
    lr: Mapping[str, float],
    hidden: Sequence[int] = (256, 128, 64),
    components: int = 100,
    epochs: int = 4,
    stalled_after: int = 2,
    steps_per_epoch: int = 469,
    init: Choice = "torch_default",
    data: str = FASHION,
    seeds: int = 3,
) -> list[Reading]:
    """How the training loss goes on: `loss_early` of the epoch stalled_after, `loss_end` of the
    last one, `fallen` the part of the early loss that is gone by then; means over seeds.

    An epoch is a number of steps, as many as MNIST has in batches of 128 by default.
    """
    readings = []
    for text, at in conditions(activation=activation, optimizer=optimizer):
        lesson = Lesson(
            fixed(at["activation"]), tuple(hidden), fixed(init), data=data,
            components=components, optimizer=at["optimizer"], lr=lr[at["optimizer"]],
            steps=epochs * steps_per_epoch, seeds=seeds,
        )  # fmt: skip
        losses = lessons.learnt(lesson).losses
        means = losses.view(epochs, steps_per_epoch, seeds).mean(1)
        early = means[stalled_after - 1]
        values = {"loss_early": _mean(early), "loss_end": _mean(means[-1])}
        values["fallen"] = _mean(1 - means[-1] / early)
        readings.append(Reading(values, text))
    return readings


def gradient_norms(
    activation: Choice | list[Choice] = "relu",
    depth: int | list[int] = 2,
    norm: str | list[str] = "none",
    band: Sequence[float] = (0.1, 10.0),
    width: int = 128,
    lr: float = 1e-3,
    steps: int = 390,
    success: float = 0.8,
    data: str = FASHION,
    seeds: int = 5,
) -> list[Reading]:
    """`in_band`: the share of steps whose norm over all gradients is within a band.

    A mean over the seeds whose test accuracy is a success. `median`: of the norms of a seed, a
    mean over these seeds.
    """
    low, high = band
    readings = []
    for text, at in conditions(activation=activation, depth=depth, norm=norm):
        lesson = Lesson(
            fixed(at["activation"]), (width,) * at["depth"], norm=at["norm"], data=data, lr=lr,
            steps=steps, seeds=seeds,
        )  # fmt: skip
        net = lesson.net()
        norms = torch.stack([_gradient_norm(net) for _ in lessons.train(net, lesson)])
        succeeded = lessons.accuracy(net, lesson.examples()) >= success
        if not succeeded.any():
            raise ValueError(f"success: got {success:g}; no net reached it")
        norms = norms[:, succeeded]
        inside = ((norms >= low) & (norms <= high)).double().mean(0)
        values = {"in_band": _mean(inside), "median": _mean(norms.median(0).values)}
        readings.append(Reading(values, text))
    return readings


def _gradient_norm(net: Stack) -> Tensor:
    """The norm (R,) of the gradients of all parameters."""
    squares = [gradient.square().flatten(1).sum(1) for gradient in gradients(net)]
    return torch.stack(squares).sum(0).sqrt()


def gradients(net: Stack) -> list[Tensor]:
    """The gradients of the last step, that of the first weights first."""
    return [parameter.grad for parameter in net.parameters() if parameter.grad is not None]


def _norms(values: Tensor) -> Tensor:
    """The norm (R,) of each run's part of values (R, ...)."""
    return torch.linalg.vector_norm(values.flatten(1), dim=1)


def _mean(values: Tensor) -> Value:
    return mean_of(values.tolist())


MEASUREMENTS = {
    "deep_training": deep_training,
    "weight_changes": weight_changes,
    "init_compared": init_compared,
    "small_gradients": small_gradients,
    "losses_by_epoch": losses_by_epoch,
    "gradient_norms": gradient_norms,
}
