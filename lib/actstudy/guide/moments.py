"""Measurements: what init policies draw, and what becomes of a signal over many layers."""

import torch
from torch import Tensor, nn

from actstudy.contract.errors import check_name
from actstudy.contract.reading import Reading, Value, exact, mean_of, share_of
from actstudy.guide import choices
from actstudy.guide.choices import Choice, conditions, parts
from actstudy.guide.stacked import Stack, normal_inputs
from actstudy.nets.gain import gain

BAND = (0.9, 1.1)  # a variance that is kept at 1
DRAWS = (  # of torch.nn.init
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
)


def signal(
    activation: Choice,
    init: Choice | list[Choice],
    depth: int | list[int] = 50,
    width: int = 256,
    seeds: int = 5,
    batch: int = 64,
) -> list[Reading]:
    """Moments of the outputs of a net's activations for inputs from N(0, 1), means over seeds.

    `mean`, `variance` and `second_moment` of the last layer, and as `*_kept` over those of the
    first one; `between_kept` likewise of the variance between examples, within a unit.
    `largest_mean`, `least_variance` and `largest_variance`: over all layers. `leaves_band`: the
    share of seeds whose variance is outside BAND in some layer.
    """
    readings = []
    for text, at in conditions(init=init, depth=depth):
        widths = [width] * (at["depth"] + 1)
        net = Stack([*widths, 1], activation, at["init"], seeds)
        seen: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            net(normal_inputs(seeds, batch, width, torch.float32), seen)
        layers = torch.stack([_layer(post.double()) for _, post in seen])  # (depth, moment, R)
        readings.append(Reading(_summary(layers), text))
    return readings


def _layer(post: Tensor) -> Tensor:
    """Mean, variance, second moment and variance between examples (4, R) of outputs (R, B, N)."""
    mean = post.mean((1, 2))
    second = post.square().mean((1, 2))
    between = post.var(1, correction=0).mean(1)
    return torch.stack([mean, second - mean**2, second, between])


def _summary(layers: Tensor) -> dict[str, Value]:
    """The values of `signal` from moments (depth, 4, R)."""
    mean, variance, second, between = layers.unbind(1)
    is_outside = (variance < BAND[0]) | (variance > BAND[1])
    return {
        "mean": _mean(mean[-1]),
        "variance": _mean(variance[-1]),
        "second_moment": _mean(second[-1]),
        "variance_kept": _mean(variance[-1] / variance[0]),
        "second_moment_kept": _mean(second[-1] / second[0]),
        "between_kept": _mean(between[-1] / between[0]),
        "largest_mean": _mean(mean.abs().amax(0)),
        "least_variance": _mean(variance.amin(0)),
        "largest_variance": _mean(variance.amax(0)),
        "leaves_band": share_of(int(is_outside.any(0).sum()), variance.shape[1]),
    }


def _mean(values: Tensor) -> Value:
    return mean_of(values.tolist())


def drawn_variance(
    draw: Choice, inputs: int = 400, outputs: int = 400, seeds: int = 50
) -> list[Reading]:
    """The variance of weights that a function of torch.nn.init draws, means over seeds.

    draw: its name and arguments, or `Linear` for what torch gives a linear layer by itself.
    `times_inputs` and `times_fans` (inputs + outputs): the variance times that number.
    """
    name, args = parts(draw)
    check_name(name, "draw", (*DRAWS, "Linear"))
    variances = []
    with torch.random.fork_rng():
        for seed in range(seeds):
            torch.manual_seed(seed)
            layer = nn.Linear(inputs, outputs)
            if name != "Linear":
                getattr(nn.init, name)(layer.weight, **args)
            variances.append(float(layer.weight.detach().double().var()))
    values = {
        "variance": mean_of(variances),
        "times_inputs": mean_of([inputs * variance for variance in variances]),
        "times_fans": mean_of([(inputs + outputs) * variance for variance in variances]),
    }
    return [Reading(values)]


def keeping_factor(activation: Choice) -> list[Reading]:
    """The factor by which weights of variance factor / inputs keep a second moment of 1."""
    return [Reading({"factor": exact(gain(choices.activation(activation)) ** 2)})]


MEASUREMENTS = {
    "signal": signal,
    "drawn_variance": drawn_variance,
    "keeping_factor": keeping_factor,
}
