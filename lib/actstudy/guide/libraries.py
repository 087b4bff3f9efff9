"""Measurements of what torch does, and of code that guides print."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import special
from torch import Tensor, nn
from torch.nn import functional

from actstudy.certificate.subject import normal, seeded, with_gradient
from actstudy.contract.reading import Reading, exact
from actstudy.guide.functions import WRITTEN_OUT, derivatives, function, grid

SHAPE = (64, 16)  # examples and values of the inputs here
STEPS = 10


def selu_constants() -> list[Reading]:
    """SELU's scale and alpha as torch has them, and as they must be to keep mean 0 and variance 1.

    scale is the slope at the right; scale * alpha the distance of the left end from 0. They must be
    so that E[f(z)] = 0 and E[f(z)^2] = 1 for z from N(0, 1) (Klambauer et al. 2017,
    arXiv:1706.02515).
    """
    left_end, scale = derivatives(function("selu"), [-50.0, 1.0], 0)[0]
    alpha = math.sqrt(2 / math.pi) / -(math.exp(0.5) * math.erfc(math.sqrt(0.5)) - 1)
    tail = math.exp(2) * math.erfc(math.sqrt(2)) - 2 * math.exp(0.5) * math.erfc(math.sqrt(0.5)) + 1
    needed = 1 / math.sqrt(0.5 + alpha**2 * tail / 2)
    values = {
        "scale": exact(scale),
        "alpha": exact(-left_end / scale),
        "scale_needed": exact(needed),
        "alpha_needed": exact(alpha),
    }
    return [Reading(values)]


def default_gelu() -> list[Reading]:
    """How far nn.GELU() is from the exact form and from the tanh form, in float64."""
    x = grid(10.0)
    with torch.no_grad():
        y = nn.GELU()(torch.from_numpy(x)).numpy()
        approximate = WRITTEN_OUT["gelu_tanh"](torch.from_numpy(x)).numpy()
    values = {
        "off_exact": exact(np.abs(y - x * special.ndtr(x)).max()),
        "off_tanh_form": exact(np.abs(y - approximate).max()),
    }
    return [Reading(values)]


def prelu_slopes(channels: int = 16) -> list[Reading]:
    """Slopes that nn.PReLU learns for inputs of some channels, and what they start at."""
    modules = {
        "num_parameters is the default": nn.PReLU(),
        "num_parameters is the channels": nn.PReLU(num_parameters=channels),
    }
    readings = []
    for condition, module in modules.items():
        module(normal(2, channels, 4, 4))
        values = {
            "slopes": exact(module.weight.numel()),
            "per_channel": exact(module.weight.numel() / channels),
            "start": exact(module.weight.detach().mean().item()),
        }
        readings.append(Reading(values, condition))
    return readings


def where_elu(reaches: Sequence[float]) -> list[Reading]:
    """ELU typed as where(x > 0, x, exp(x) - 1) against torch's, float32, for |x| up to each reach.

    value_off: the largest difference of a value; lost: gradients that are not finite.
    """
    readings = []
    for reach in reaches:
        x = torch.from_numpy(grid(reach, 20_001)).float()
        y, slope = with_gradient(function("elu").fresh(), x)
        leaf = x.clone().requires_grad_()
        typed = WRITTEN_OUT["elu"](leaf)
        (typed_slope,) = torch.autograd.grad(typed.sum(), leaf)
        lost = ~typed_slope.isfinite()
        values = {
            "value_off": exact((typed - y).abs().max().item()),
            "slope_off": exact((typed_slope - slope)[~lost].abs().max().item()),
            "lost": exact(lost.sum().item()),
            "lost_from": exact(x[lost].numpy().min(initial=math.inf)),
        }
        readings.append(Reading(values, f"|x| up to {reach:g}"))
    return readings


def grid_maximum(activation: str, n: int, reaches: Sequence[float]) -> list[Reading]:
    """The largest slope at n even points from -reach to reach, as it prints with four decimals."""
    readings = []
    for reach in reaches:
        x = np.linspace(-reach, reach, n)
        slope = derivatives(function(activation), x, 1)[1].max()
        values = {"printed": exact(float(f"{slope:.4f}")), "largest": exact(slope)}
        readings.append(Reading(values, f"{n} points from -{reach:g} to {reach:g}"))
    return readings


def attention_weights(tokens: int = 12, width: int = 16) -> list[Reading]:
    """How far the weights of nn.MultiheadAttention are from softmax and sigmoid of its scores."""
    with seeded():
        module = nn.MultiheadAttention(width, 1, batch_first=True)
    x = normal(1, tokens, width)
    with torch.no_grad():
        weights = module(x, x, x, need_weights=True)[1]
        q, k, _ = functional.linear(x, module.in_proj_weight, module.in_proj_bias).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / math.sqrt(width)
    values = {
        "off_softmax": exact((weights - scores.softmax(-1)).abs().max().item(), n=tokens**2),
        "off_sigmoid": exact((weights - scores.sigmoid()).abs().max().item(), n=tokens**2),
    }
    return [Reading(values)]


def two_logits() -> list[Reading]:
    """Softmax of two logits against the sigmoid of their difference: probability, loss, slope."""
    logits = 10 * normal(1000, 2, dtype=torch.float64)
    target = torch.arange(1000) % 2
    by_softmax = _loss_and_gradient(logits, lambda x: functional.cross_entropy(x, target))
    by_sigmoid = _loss_and_gradient(
        logits,
        lambda x: functional.binary_cross_entropy_with_logits(
            x[:, 1] - x[:, 0], target.to(x.dtype)
        ),
    )
    difference = logits.softmax(1)[:, 1] - (logits[:, 1] - logits[:, 0]).sigmoid()
    values = {
        "probability_off": exact(difference.abs().max().item(), n=1000),
        "loss_off": exact((by_softmax[0] - by_sigmoid[0]).abs().item(), n=1000),
        "gradient_off": exact((by_softmax[1] - by_sigmoid[1]).abs().max().item(), n=1000),
    }
    return [Reading(values)]


def _loss_and_gradient(
    logits: Tensor, loss_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    loss = loss_of(leaf)
    return loss.detach(), torch.autograd.grad(loss, leaf)[0]


def shared_instance(activations: Sequence[str], depth: int = 4) -> list[Reading]:
    """Per activation whether one instance at all layers trains as an instance per layer does.

    same_outputs, same_gradients: bits, at the start; same_after: of all weights of layers after ten
    steps of SGD; parameters: of the activations, of a net with one and with several.
    """
    readings = []
    for name in activations:
        shared = _network(name, depth, is_shared=True)
        separate = _network(name, depth, is_shared=False)
        first = _first_pass(shared)
        second = _first_pass(separate)
        values = {
            "same_outputs": exact(torch.equal(first[0], second[0])),
            "same_gradients": exact(all(map(torch.equal, first[1], second[1]))),
            "same_after": exact(all(map(torch.equal, _trained(shared), _trained(separate)))),
            "parameters_shared": exact(_n_learnt(shared)),
            "parameters_separate": exact(_n_learnt(separate)),
        }
        readings.append(Reading(values, name))
    return readings


def _network(name: str, depth: int, is_shared: bool) -> nn.Sequential:
    """Linear layers with an activation after each, the same weights each time."""
    acts = [function(name).fresh() for _ in range(depth)]
    layers: list[nn.Module] = []
    with seeded():
        for act in acts:
            layers += [nn.Linear(SHAPE[1], SHAPE[1]), acts[0] if is_shared else act]
    return nn.Sequential(*layers)


def _weights(network: nn.Sequential) -> list[nn.Parameter]:
    """The weights and biases of its linear layers."""
    return list(nn.ModuleList(network[::2]).parameters())


def _n_learnt(network: nn.Sequential) -> int:
    """Parameters of its activations, each counted once."""
    return sum(parameter.numel() for parameter in nn.ModuleList(network[1::2]).parameters())


def _first_pass(network: nn.Sequential) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The output, and the gradients of its mean square by the weights of linear layers."""
    y = network(normal(*SHAPE))
    return y.detach(), torch.autograd.grad(y.square().mean(), _weights(network))


def _trained(network: nn.Sequential) -> list[Tensor]:
    """Its linear layers' weights after ten steps of SGD, the activations' parameters learnt too."""
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (network(normal(*SHAPE)) - normal(*SHAPE, seed=2)).square().mean().backward()
        optimizer.step()
    return [parameter.detach() for parameter in _weights(network)]


def gradient_order(depth: int = 4) -> list[Reading]:
    """Whether the first gradient of a list is the output layer's, for two ways to make the list."""
    network = _network("relu", depth, is_shared=False)
    weights = _weights(network)[::2]
    order: list[int] = []
    for index, weight in enumerate(weights):
        weight.register_hook(lambda _, index=index: order.append(index))
    network(normal(*SHAPE)).square().mean().backward()
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    ways = {
        "hooks gather it": order[0] == depth - 1,
        "a loop over parameters() gathers it": parameters[0] is weights[-1],
    }
    return [
        Reading({"output_first": exact(is_first)}, condition)
        for condition, is_first in ways.items()
    ]


MEASUREMENTS = {
    "selu_constants": selu_constants,
    "default_gelu": default_gelu,
    "prelu_slopes": prelu_slopes,
    "where_elu": where_elu,
    "grid_maximum": grid_maximum,
    "attention_weights": attention_weights,
    "two_logits": two_logits,
    "shared_instance": shared_instance,
    "gradient_order": gradient_order,
}
