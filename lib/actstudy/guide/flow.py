"""Measurements: gradients through the layers of networks before any training, over many seeds."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from actstudy.contract.reading import Reading, exact, mean_of, median_of, share_of
from actstudy.contract.streams import stream
from actstudy.guide import choices
from actstudy.guide.choices import Choice, conditions, label, listed
from actstudy.guide.stacked import Stack, normal_inputs

CLASSES = 10


def gradient_ratio(
    activation: Choice | list[Choice],
    init: Choice | list[Choice] = "he_normal",
    depth: int | list[int] = 20,
    width: int | list[int] = 64,
    seeds: int = 100,
    batch: int = 64,
    residual: bool = False,
    against: Choice = "",
) -> list[Reading]:
    """How gradients of the first layers compare with those of the last, medians over seeds.

    `through`: norm of the loss's gradient at the input over that at the last hidden output, which
    is all hidden layers; `weights`: that of the first hidden matrix over the last, and
    `weights_inverse` of the last over the first. `slope`: the mean slope of the activation.
    against: another activation, of which `over_against` is the ratio of `through`, paired by seed;
    without one it is 1.
    """
    readings = []
    varied = {"activation": activation, "init": init, "depth": depth, "width": width}
    for text, at in conditions(**varied):
        act = at.pop("activation")
        shape = {**at, "seeds": seeds, "batch": batch, "residual": residual}
        ratios = _ratios(act, **shape)
        other = _ratios(against, **shape) if against else ratios
        through = ratios["through"]
        values = {
            "through": median_of(through.tolist()),
            "weights": median_of(ratios["weights"].tolist()),
            "weights_inverse": median_of((1 / ratios["weights"]).tolist()),
            "within_factor_2": share_of(int(((through >= 0.5) & (through <= 2)).sum()), seeds),
            "slope": mean_of(ratios["slope"].tolist()),
            "over_against": median_of((through / other["through"]).tolist()),
        }
        readings.append(Reading(values, text))
    return readings


def _ratios(
    act: Choice, init: Choice, depth: int, width: int, seeds: int, batch: int, residual: bool
) -> dict[str, np.ndarray]:
    """`through`, `weights` and `slope` of each seed."""
    widths = [width] * (depth + 1) + [CLASSES]
    net = Stack(widths, act, init, seeds, residual=residual, dtype=torch.float64)
    x = normal_inputs(seeds, batch, width, torch.float64).requires_grad_()
    seen: list[tuple[Tensor, Tensor]] = []
    loss = _loss(net(x, seen), seeds, batch)
    last = seen[-1][1]
    places = [x, last, net.weights[0], net.weights[depth - 1]]
    sizes = [_norms(gradient) for gradient in torch.autograd.grad(loss, places)]
    return {
        "through": sizes[0] / sizes[1],
        "weights": sizes[2] / sizes[3],
        "slope": _slopes(net, [pre for pre, _ in seen]),
    }


def _loss(logits: Tensor, seeds: int, batch: int) -> Tensor:
    """The cross-entropy of random labels, summed over networks."""
    labels = [stream(seed, "guide/labels").integers(CLASSES, size=batch) for seed in range(seeds)]
    y = torch.from_numpy(np.stack(labels))
    return functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / batch


def _norms(gradient: Tensor) -> np.ndarray:
    """The norm of each run's part of a gradient (R, ...)."""
    return np.asarray(torch.linalg.vector_norm(gradient.flatten(1), dim=1))


def _slopes(net: Stack, before: list[Tensor]) -> np.ndarray:
    """The mean slope of the activations of each run, at their inputs (R, B, units)."""
    means = []
    for act, values in zip(net.activations, before, strict=True):
        pre = values.detach().requires_grad_()
        (slope,) = torch.autograd.grad(act(pre).sum(), pre)
        means.append(slope.mean((1, 2)))
    return torch.stack(means).mean(0).numpy()


def nearest_init(
    activation: Choice,
    expected: Choice,
    others: list[Choice],
    depth: int = 20,
    width: int = 64,
    seeds: int = 100,
    batch: int = 64,
) -> list[Reading]:
    """Whether one init policy brings the gradient nearest to 1, and what it is under each.

    `lead`: factor by which the expected one is nearer than the best other, median over seeds;
    1 is a tie. `first`: share of seeds in which it is nearer. The best other is the nearest in the
    mean over seeds.
    """
    distances = {}
    for init in (expected, *others):
        ratios = _ratios(activation, init, depth, width, seeds, batch, residual=False)
        distances[label(init)] = np.abs(np.log(ratios["through"]))
    own = distances.pop(label(expected))
    best_other = min(distances.values(), key=np.mean)
    values = {"lead": median_of(np.exp(best_other - own).tolist())}
    values["first"] = share_of(int((own < best_other).sum()), seeds)
    return [Reading(values)]


def composition(activations: list[Choice], times: int = 20, x: float = -1.0) -> list[Reading]:
    """The slope of f(f(...f(x))), per activation under its name, in float64."""
    values = {}
    for act in listed(activations):
        start = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        y = start
        module = choices.activation(act).double()
        for _ in range(times):
            y = module(y)
        (slope,) = torch.autograd.grad(y, start)
        values[label(act)] = exact(float(slope))
    return [Reading(values)]


def gradient_signs(
    activation: Choice, batch: int | list[int] = 64, width: int = 64, seeds: int = 50
) -> list[Reading]:
    """The share of units whose incoming weight gradients all have one sign, in a second layer."""
    readings = []
    for text, at in conditions(batch=batch):
        net = Stack([width] * 3 + [CLASSES], activation, "xavier_normal", seeds)
        x = normal_inputs(seeds, at["batch"], width, torch.float32)
        loss = _loss(net(x), seeds, at["batch"])
        (gradient,) = torch.autograd.grad(loss, net.weights[1])
        one_sign = (gradient > 0).all(1) | (gradient < 0).all(1)
        readings.append(Reading({"one_sign": mean_of(one_sign.double().mean(1).tolist())}, text))
    return readings


MEASUREMENTS = {
    "gradient_ratio": gradient_ratio,
    "nearest_init": nearest_init,
    "composition": composition,
    "gradient_signs": gradient_signs,
}
