"""Measurements: the loss around and along the training of small nets, and what their units share.

Every activation is compared with others seed by seed: equal first draws, equal batches.
"""

import torch
from torch import Tensor

from actstudy.contract.reading import Reading, Value, mean_of, share_of
from actstudy.guide import lessons
from actstudy.guide.choices import Choice, conditions, fixed
from actstudy.guide.expressive import XOR_X, XOR_Y, fit, right
from actstudy.guide.lessons import Lesson
from actstudy.guide.stacked import Stack

HIDDEN = (64, 64)
EVERY = 10  # steps between looks at the loss of all examples
ITERATIONS = 40  # of the power method


def curvature(
    activation: Choice | list[Choice],
    against: Choice = "relu",
    loss: float = 0.7,
    data: str = "mnist1d",
    lr: float = 2e-3,
    steps: int = 2000,
    n_examples: int = 1000,
    seeds: int = 20,
) -> list[Reading]:
    """`ratio`: the largest eigenvalue of the loss's Hessian over that with another activation.

    On training examples, where their loss is first below `loss`: at matched loss, that is. The
    geometric mean over the seeds of which both get there, a share `reached`.
    """
    readings = []
    for text, at in conditions(activation=activation):
        sides = []
        for choice in (at["activation"], against):
            lesson = Lesson(fixed(choice), HIDDEN, data=data, lr=lr, steps=steps, seeds=seeds)
            sides.append(_curvatures(lesson, loss, n_examples))
        n_reached = int((sides[0].isfinite() & sides[1].isfinite()).sum())
        values = {"ratio": _ratio(*sides), "reached": share_of(n_reached, seeds)}
        readings.append(Reading(values, text))
    return readings


def _curvatures(lesson: Lesson, loss: float, n_examples: int) -> Tensor:
    """The largest curvature (R,) where a net is first below `loss`; NaN if it never is."""
    net = lesson.net()
    at_loss = lesson.net()
    data = lesson.examples()
    x = data.x[:n_examples]
    y = data.y[:n_examples].expand(net.runs, -1)
    is_there = torch.zeros(net.runs, dtype=torch.bool)
    for step, _ in enumerate(lessons.train(net, lesson)):
        if step % EVERY == 0:
            with torch.no_grad():
                is_new = (lessons.cross_entropy(net(x), y) < loss) & ~is_there
                for to, of in zip(at_loss.parameters(), net.parameters(), strict=True):
                    to[is_new] = of[is_new]
            is_there |= is_new
        if is_there.all():
            break
    return largest_curvature(at_loss, x, y).masked_fill(~is_there, torch.nan)


def largest_curvature(net: Stack, x: Tensor, y: Tensor) -> Tensor:
    """The eigenvalue (R,) of largest size of each net's Hessian, by the power method."""
    parameters = list(net.parameters())
    total = lessons.cross_entropy(net(x), y).sum()  # its Hessian has a block per net
    gradients = torch.autograd.grad(total, parameters, create_graph=True)
    generator = torch.Generator().manual_seed(0)
    vector = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    for _ in range(ITERATIONS):
        length = _product(vector, vector).sqrt()
        vector = [part / length.view(-1, *[1] * (part.ndim - 1)) for part in vector]
        image = torch.autograd.grad(
            gradients, parameters, vector, retain_graph=True, materialize_grads=True
        )
        value = _product(vector, image)
        vector = list(image)
    return value


def _product(first: list[Tensor], second: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """The inner product (R,) of two lists of tensors (R, ...)."""
    parts = [(a * b).flatten(1).sum(1) for a, b in zip(first, second, strict=True)]
    return torch.stack(parts).sum(0)


def oscillation(
    activation: Choice | list[Choice],
    against: Choice = "relu",
    window: int = 51,
    data: str = "mnist1d",
    lr: float = 2e-3,
    steps: int = 1000,
    seeds: int = 20,
) -> list[Reading]:
    """`ratio`: the sd of the batches' losses about their running mean, over that of another one.

    A geometric mean over seeds. `relative`: the same of the sd over the running mean.
    """
    readings = []
    for text, at in conditions(activation=activation):
        sides = []
        for choice in (at["activation"], against):
            lesson = Lesson(fixed(choice), HIDDEN, data=data, lr=lr, steps=steps, seeds=seeds)
            losses = lessons.learn(lesson.net(), lesson)
            means = losses.unfold(0, window, 1).mean(2)
            off = losses[window // 2 : window // 2 + len(means)] - means
            sides.append((off.std(0), (off / means).std(0)))
        own, other = sides
        values = {"ratio": _ratio(own[0], other[0]), "relative": _ratio(own[1], other[1])}
        readings.append(Reading(values, text))
    return readings


def redundancy(
    activation: Choice = "relu",
    against: Choice | list[Choice] = "gelu",
    data: str = "mnist1d",
    lr: float = 2e-3,
    steps: int = 1000,
    seeds: int = 20,
) -> list[Reading]:
    """By how much units of the last hidden layer are more alike than with another activation.

    After training, over test examples: `correlation`, the difference of the mean size of the
    correlation of two units; `rank`, that of the effective rank of their correlations (1 over the
    sum of squared shares of eigenvalues) per unit. Constant units are left out.
    """
    own = _alike(activation, data, lr, steps, seeds)
    readings = []
    for text, at in conditions(against=against):
        other = _alike(at["against"], data, lr, steps, seeds)
        values = {name: mean_of((own[name] - other[name]).tolist()) for name in own}
        readings.append(Reading(values, text))
    return readings


def _alike(choice: Choice, data: str, lr: float, steps: int, seeds: int) -> dict[str, Tensor]:
    """The values (R,) that `redundancy` compares."""
    lesson = Lesson(fixed(choice), HIDDEN, data=data, lr=lr, steps=steps, seeds=seeds)
    net = lesson.net()
    lessons.learn(net, lesson)
    with torch.no_grad():
        *_, (_, post) = net.layers(lesson.examples().x_test)
    each = [likeness(values) for values in post]
    correlation, rank = torch.tensor(each).unbind(1)
    return {"correlation": correlation, "rank": rank}


def likeness(values: Tensor) -> tuple[float, float]:
    """`correlation` and `rank` of `redundancy`, of the values (N, U) of units."""
    matrix = torch.corrcoef(values[:, values.std(0) > 0].T)
    n = len(matrix)
    off_diagonal = (matrix.abs().sum() - n) / (n * (n - 1))
    rank = n / matrix.square().sum()  # n^2 over the sum of squared eigenvalues, per unit
    return float(off_diagonal), float(rank)


def xor_gain(
    activation: Choice = "silu",
    against: Choice | list[Choice] = "relu",
    hidden: int = 2,
    seeds: int = 500,
    steps: int = 800,
    lr: float = 0.05,
) -> list[Reading]:
    """`gain`: how many more nets learn XOR of two bits than with another activation, a share."""
    own = _solved(activation, hidden, seeds, steps, lr)
    readings = []
    for text, at in conditions(against=against):
        other = _solved(at["against"], hidden, seeds, steps, lr)
        values = {"gain": mean_of((own - other).tolist()), "solved": mean_of(own.tolist())}
        readings.append(Reading(values, text))
    return readings


def _solved(choice: Choice, hidden: int, seeds: int, steps: int, lr: float) -> Tensor:
    """Whether (R,) nets have all four corners right, as 0 and 1."""
    net = Stack([2, hidden, 1], choice, "torch_default", seeds)
    fit(net, XOR_X, XOR_Y, steps, lr)
    return right(net, XOR_X, XOR_Y).all(1).double()


def _ratio(own: Tensor, other: Tensor) -> Value:
    """The geometric mean of own / other over the runs that have both, with its interval.

    ValueError if one of these is not above 0, as it has no geometric mean.
    """
    has_both = own.isfinite() & other.isfinite()
    sides = torch.stack([own[has_both], other[has_both]])
    n_not_positive = int((sides <= 0).any(0).sum())
    if n_not_positive:
        n = sides.shape[1]
        raise ValueError(f"{n_not_positive} of {n} ratios are of values that are not above 0")
    mean = mean_of((sides[0] / sides[1]).log().tolist())
    low, value, high = torch.tensor([mean.low, mean.value, mean.high]).exp().tolist()
    return Value(value, low, high, mean.n)


MEASUREMENTS = {
    "curvature": curvature,
    "oscillation": oscillation,
    "redundancy": redundancy,
    "xor_gain": xor_gain,
}
