"""Init policies: numbers for every parameter from the `init` stream.

The draws are the same for every activation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from actstudy.contract.streams import stream
from actstudy.nets.activations import Sites, gain


@dataclass(frozen=True)
class Weight:
    """One weight to fill: shape (out, in, ...); fans count inputs and outputs.

    gain: of the activation that feeds it.
    """

    shape: tuple[int, ...]
    gain: float
    xavier: bool = False  # what the policy `auto` means in this model

    @property
    def fan_in(self) -> int:
        return math.prod(self.shape[1:])

    @property
    def fan_out(self) -> int:
        return self.shape[0] * math.prod(self.shape[2:])


Draw = Callable[..., np.ndarray]  # (weight, generator, **args) -> float64 array of weight.shape


def _normal(weight: Weight, rng: np.random.Generator, std: float) -> np.ndarray:
    return rng.standard_normal(weight.shape) * std


def _uniform(weight: Weight, rng: np.random.Generator, std: float) -> np.ndarray:
    return rng.uniform(-1, 1, weight.shape) * (math.sqrt(3) * std)


def auto(w: Weight, rng: np.random.Generator) -> np.ndarray:
    """Kaiming fan-in with the activation's own gain, Var = gain^2 / fan_in.

    In Transformers Xavier uniform with that gain.
    """
    if w.xavier:
        return xavier_uniform(w, rng, w.gain)
    return _normal(w, rng, w.gain / math.sqrt(w.fan_in))


def torch_default(w: Weight, rng: np.random.Generator) -> np.ndarray:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch draws weights and biases of Linear and Conv."""
    return rng.uniform(-1, 1, w.shape) / math.sqrt(w.fan_in)


def standard_heuristic(w: Weight, rng: np.random.Generator) -> np.ndarray:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), biases zero; Var = 1 / (3 fan_in).

    Equation 1 of Glorot and Bengio 2010.
    """
    return rng.uniform(-1, 1, w.shape) / math.sqrt(w.fan_in)


def he_normal(w: Weight, rng: np.random.Generator, factor: float) -> np.ndarray:
    """N(0, factor / fan_in); He et al. 2015, arXiv:1502.01852."""
    return _normal(w, rng, math.sqrt(factor / w.fan_in))


def he_uniform(w: Weight, rng: np.random.Generator, factor: float) -> np.ndarray:
    """Uniform with variance factor / fan_in."""
    return _uniform(w, rng, math.sqrt(factor / w.fan_in))


def xavier_normal(w: Weight, rng: np.random.Generator, gain: float) -> np.ndarray:
    """N(0, gain^2 * 2 / (fan_in + fan_out)); Glorot and Bengio 2010."""
    return _normal(w, rng, gain * math.sqrt(2 / (w.fan_in + w.fan_out)))


def xavier_uniform(w: Weight, rng: np.random.Generator, gain: float) -> np.ndarray:
    """Uniform with variance gain^2 * 2 / (fan_in + fan_out)."""
    return _uniform(w, rng, gain * math.sqrt(2 / (w.fan_in + w.fan_out)))


def orthogonal(w: Weight, rng: np.random.Generator, gain: float) -> np.ndarray:
    """A random (semi-)orthogonal matrix times gain; Saxe et al. 2014, arXiv:1312.6120."""
    flat = rng.standard_normal((w.shape[0], w.fan_in))
    tall = flat.shape[0] >= flat.shape[1]
    q, r = np.linalg.qr(flat if tall else flat.T)
    q = q * np.sign(np.diag(r))
    matrix = q if tall else q.T
    return gain * matrix.reshape(w.shape)


def normal(w: Weight, rng: np.random.Generator, std: float) -> np.ndarray:
    """N(0, std^2), whatever the fans."""
    return _normal(w, rng, std)


def trunc_normal(
    w: Weight, rng: np.random.Generator, std: float, low: float, high: float
) -> np.ndarray:
    """N(0, std^2) cut to [low, high], by inverse transform.

    The bounds are values, not multiples of std.
    """
    bounds = torch.tensor([low / std, high / std], dtype=torch.float64)
    below_low, below_high = torch.special.ndtr(bounds).tolist()
    uniform = torch.from_numpy(rng.uniform(below_low, below_high, w.shape))
    return np.asarray(torch.special.ndtri(uniform)) * std


def lecun_normal(w: Weight, rng: np.random.Generator) -> np.ndarray:
    """N(0, 1 / fan_in); LeCun et al. 1998."""
    return _normal(w, rng, 1 / math.sqrt(w.fan_in))


def zero(w: Weight, rng: np.random.Generator) -> np.ndarray:
    """All zero: the control that cannot break symmetry."""
    return np.zeros(w.shape)


@dataclass(frozen=True)
class Policy:
    """A way to draw a weight, and its arguments with their textbook defaults."""

    draw: Draw
    args: dict[str, float] = field(default_factory=dict)


POLICIES: dict[str, Policy] = {
    "auto": Policy(auto),
    "torch_default": Policy(torch_default),
    "standard_heuristic": Policy(standard_heuristic),
    "he_normal": Policy(he_normal, args={"factor": 2.0}),
    "he_uniform": Policy(he_uniform, args={"factor": 2.0}),
    "xavier_normal": Policy(xavier_normal, args={"gain": 1.0}),
    "xavier_uniform": Policy(xavier_uniform, args={"gain": 1.0}),
    "orthogonal": Policy(orthogonal, args={"gain": 1.0}),
    "normal": Policy(normal, args={"std": 0.01}),
    "trunc_normal": Policy(trunc_normal, args={"std": 0.1, "low": -2.0, "high": 2.0}),
    "lecun_normal": Policy(lecun_normal),
    "zero": Policy(zero),
}


def initialize(
    model: nn.Module, sites: Sites, policy: str, args: dict[str, float], seed: int
) -> None:
    """Fill every weight of two or more dimensions by the policy; biases are zero.

    Norms and activation parameters stay as constructed. Each weight has its own stream, named after
    it, so another activation moves no draw. `model.fed_by` maps a weight to the site whose output
    it takes in; a weight that is absent there takes in data, and its gain is 1.
    """
    arguments = {**POLICIES[policy].args, **args}
    fed_by: dict[str, str] = getattr(model, "fed_by", {})
    xavier = getattr(model, "auto_init", "kaiming") == "xavier"
    gains = {site: gain(module) for site, module in sites.modules.items()}
    owners = {
        f"{name}.{own}": module
        for name, module in model.named_modules()
        for own, _ in module.named_parameters(recurse=False)
    }
    acting = {id(p) for module in sites.modules.values() for p in module.parameters()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if id(parameter) in acting or "Norm" in type(owners[name]).__name__:
                continue
            rng = stream(seed, f"init/{name}")
            if parameter.ndim >= 2:
                weight_gain = gains[fed_by[name]] if name in fed_by else 1.0
                weight = Weight(tuple(parameter.shape), weight_gain, xavier)
                values = POLICIES[policy].draw(weight, rng, **arguments)
            elif policy == "torch_default":
                fan_in = owners[name].weight[0].numel()
                values = rng.uniform(-1, 1, tuple(parameter.shape)) / math.sqrt(fan_in)
            else:
                values = np.zeros(tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(values))
