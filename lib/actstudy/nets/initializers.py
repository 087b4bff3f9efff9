"""Init policies: numbers for every parameter from the `init` stream.

The draws are the same for every activation.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract.errors import StudyError
from actstudy.contract.streams import stream
from actstudy.nets import own_contract
from actstudy.nets.activations import Sites
from actstudy.nets.feeds import feeds
from actstudy.nets.parameters import biases, branch_ends, weights


@dataclass(frozen=True)
class Weight:
    """One weight to fill: shape (out, in, ...); fans count inputs and outputs.

    gain: of the activation that feeds it. branches: residual branches of the model if the weight
    ends one of them, otherwise 1.
    """

    shape: tuple[int, ...]
    gain: float
    xavier: bool = False  # what the policy `auto` means in this model
    branches: int = 1

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


def gpt2(w: Weight, rng: np.random.Generator, std: float) -> np.ndarray:
    """N(0, std^2); ends of residual branches over the square root of the branches.

    So their sum does not grow with depth (Radford et al. 2019, section 2.3).
    """
    return _normal(w, rng, std / math.sqrt(w.branches))


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
    "gpt2": Policy(gpt2, args={"std": 0.02}),
    "zero": Policy(zero),
}


def initialize(
    model: nn.Module,
    sites: Sites,
    policy: str,
    args: dict[str, float],
    seed: int,
    loss: Callable[[], Tensor],
) -> None:
    """Fill every weight by the policy; biases are zero; other parameters stay as constructed.

    Each weight has its own stream, named after it, so another activation moves no draw. Its gain is
    that of the sites that feed it (nets/feeds.py), 1 if none does. loss: one pass of the model.
    StudyError if there is no weight to draw, or if `auto` cannot give a weight its gain.
    """
    drawn = weights(model, sites)
    if not drawn:
        raise StudyError(f"init: {type(model).__name__} has no matrix called weight to draw")
    fed = feeds(model, sites.modules, loss, set(drawn))
    gains = dict.fromkeys(drawn, 1.0)
    if policy == "auto":
        gains = weight_gains(sites, fed, set(drawn))
    xavier = _auto_init(model) == "xavier"
    ends = branch_ends(model)
    arguments = {**POLICIES[policy].args, **args}
    with torch.no_grad():
        for name, parameter in drawn.items():
            n_branches = len(ends) if name in ends else 1
            weight = Weight(tuple(parameter.shape), gains[name], xavier, n_branches)
            values = POLICIES[policy].draw(weight, stream(seed, f"init/{name}"), **arguments)
            parameter.copy_(torch.from_numpy(values))
        for name, (bias, weight_beside) in biases(model, sites).items():
            values = np.zeros(tuple(bias.shape))
            if policy == "torch_default":
                fan_in = weight_beside[0].numel()
                rng = stream(seed, f"init/{name}")
                values = rng.uniform(-1, 1, tuple(bias.shape)) / math.sqrt(fan_in)
            bias.copy_(torch.from_numpy(values))
        for module in model.modules():
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx] = 0


def weight_gains(sites: Sites, fed: Mapping[str, set[str]], drawn: set[str]) -> dict[str, float]:
    """Each weight's gain: of the activation that feeds it, 1 if none does.

    fed: weight -> sites. StudyError if a gain is unknown, or is that of a matrix which is not
    drawn: another init policy takes such a model.
    """
    for site, name in sites.names.items():
        own_contract.check_gain(name, sites.args[site])
    gain_of = {site: sites.gain(site) for site in sites.modules}
    other = "allowed: another init, such as he_normal"
    for name in sorted(fed.keys() - drawn):
        if fed[name]:
            reason = f"{name} takes in an activation, but only matrices called weight are drawn"
            raise StudyError(f"init: auto: {reason}; to fix: call it weight; {other}")
    gains = {}
    for name in drawn:
        if name not in fed:
            raise StudyError(f"init: auto: {name} takes no part in the loss; {other}")
        values = {1.0}
        if fed[name] and "weight_hh_" not in name:  # which takes in a recurrent layer's own state
            values = {gain_of[site] for site in fed[name]}
        if len(values) > 1:
            names = ", ".join(sorted(fed[name]))
            raise StudyError(f"init: auto: {name} takes in sites of unlike gain, {names}; {other}")
        gains[name] = values.pop()
    return gains


def _auto_init(model: nn.Module) -> str:
    """What `auto` means in a model: its attribute `auto_init`, kaiming if it has none."""
    kind = getattr(model, "auto_init", "kaiming")
    if kind not in ("kaiming", "xavier"):
        where = f"{type(model).__name__}.auto_init"
        raise StudyError(f"{where}: got {kind!r:.80}; allowed: kaiming, xavier")
    return str(kind)
