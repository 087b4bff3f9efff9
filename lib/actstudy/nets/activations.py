"""Every activation: `ACTIVATIONS`, name -> factory, formula, paper and when it saturates."""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

from torch import Tensor, nn

from actstudy.contract import own, own_import, registry
from actstudy.contract.spec import Hybrid
from actstudy.nets import functions
from actstudy.nets.feed_forward import FEED_FORWARD, FeedForward
from actstudy.nets.gain import gain
from actstudy.nets.own_activations import factory as own_factory

Saturated = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Activation:
    """One activation.

    formula: numpy over x and the names in `args`, checked against the module by the tests;
    saturated: (pre, post) -> mask of values in the flat part, None if there is no such part;
    per_unit: whether the factory takes `units`, the number of weights that it makes of a kind.
    """

    factory: Callable[..., nn.Module]
    formula: str
    paper: str
    args: dict[str, float] = field(default_factory=dict)
    saturated: Saturated | None = None
    per_unit: bool = False


def _beyond(limit: float) -> Saturated:
    return lambda pre, post: post.abs() > limit


def _outside(low: float, high: float) -> Saturated:
    return lambda pre, post: (post < low) | (post > high)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(
        nn.Tanh,
        "tanh(x)",
        "LeCun et al. 1998, Efficient BackProp",
        saturated=lambda pre, post: (pre.abs() > 4) | (post.abs() > 0.99),
    ),
    "sigmoid": Activation(
        nn.Sigmoid, "1 / (1 + exp(-x))", "Rumelhart et al. 1986", saturated=_outside(0.01, 0.99)
    ),
    "relu": Activation(nn.ReLU, "maximum(x, 0)", "Nair and Hinton 2010"),
    "leaky_relu": Activation(
        nn.LeakyReLU,
        "maximum(x, 0) + negative_slope * minimum(x, 0)",
        "Maas et al. 2013",
        args={"negative_slope": 0.01},
    ),
    "prelu": Activation(
        nn.PReLU,
        "maximum(x, 0) + init * minimum(x, 0)",
        "He et al. 2015, arXiv:1502.01852",
        args={"init": 0.25},
    ),
    "elu": Activation(
        nn.ELU,
        "where(x > 0, x, alpha * expm1(minimum(x, 0)))",
        "Clevert et al. 2016, arXiv:1511.07289",
        args={"alpha": 1.0},
    ),
    "selu": Activation(
        nn.SELU,
        "1.0507009873554805 * where(x > 0, x, 1.6732632423543772 * expm1(minimum(x, 0)))",
        "Klambauer et al. 2017, arXiv:1706.02515",
    ),
    "celu": Activation(
        nn.CELU,
        "maximum(x, 0) + minimum(0, alpha * expm1(minimum(x, 0) / alpha))",
        "Barron 2017, arXiv:1704.07483",
        args={"alpha": 1.0},
    ),
    "gelu": Activation(
        nn.GELU, "x * (1 + erf(x / sqrt(2))) / 2", "Hendrycks and Gimpel 2016, arXiv:1606.08415"
    ),
    "gelu_tanh": Activation(
        partial(nn.GELU, approximate="tanh"),
        "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))",
        "Hendrycks and Gimpel 2016, arXiv:1606.08415",
    ),
    "silu": Activation(
        nn.SiLU,
        "x / (1 + exp(-x))",
        "Elfwing et al. 2018, arXiv:1702.03118; Ramachandran et al. 2017, arXiv:1710.05941",
    ),
    "silu_written_out": Activation(
        functions.WrittenOutSiLU,
        "x / (1 + exp(-x))",
        "Elfwing et al. 2018, arXiv:1702.03118; Ramachandran et al. 2017, arXiv:1710.05941",
    ),
    "mish": Activation(nn.Mish, "x * tanh(logaddexp(0, x))", "Misra 2020, arXiv:1908.08681"),
    "softplus": Activation(
        nn.Softplus, "logaddexp(0, beta * x) / beta", "Dugas et al. 2001", args={"beta": 1.0}
    ),
    "softsign": Activation(
        nn.Softsign, "x / (1 + abs(x))", "Bergstra et al. 2009", saturated=_beyond(0.9)
    ),
    "hardtanh": Activation(
        nn.Hardtanh, "clip(x, -1, 1)", "Collobert 2004", saturated=lambda pre, post: pre.abs() >= 1
    ),
    "hardswish": Activation(
        nn.Hardswish, "x * clip(x + 3, 0, 6) / 6", "Howard et al. 2019, arXiv:1905.02244"
    ),
    "relu6": Activation(
        nn.ReLU6, "clip(x, 0, 6)", "Krizhevsky 2010", saturated=lambda pre, post: pre >= 6
    ),
    "identity": Activation(nn.Identity, "x", "the linear control"),
    "hard_sigmoid": Activation(
        nn.Hardsigmoid,
        "clip(x + 3, 0, 6) / 6",
        "Howard et al. 2019, arXiv:1905.02244",
        saturated=lambda pre, post: (post <= 0) | (post >= 1),
    ),
    "relu_squared": Activation(
        functions.ReLUSquared, "maximum(x, 0) ** 2", "So et al. 2021, arXiv:2109.08668"
    ),
    "leaky_relu_squared": Activation(
        functions.LeakyReLUSquared,
        "(maximum(x, 0) + negative_slope * minimum(x, 0)) ** 2",
        "the square of Maas et al. 2013, as So et al. 2021 square ReLU",
        args={"negative_slope": 0.5},
    ),
    "rrelu": Activation(
        functions.RReLU,
        "maximum(x, 0) + (lower + upper) / 2 * minimum(x, 0)",  # in evaluation
        "Xu et al. 2015, arXiv:1505.00853",
        args={"lower": 0.125, "upper": 0.3333333333333333},
    ),
    "prelu_channel": Activation(
        functions.ChannelPReLU,
        "maximum(x, 0) + init * minimum(x, 0)",
        "He et al. 2015, arXiv:1502.01852",
        args={"init": 0.25},
        per_unit=True,
    ),
    "swish_beta": Activation(
        functions.LearntSwish,
        "x / (1 + exp(-beta * x))",
        "Ramachandran et al. 2017, arXiv:1710.05941",
        args={"beta": 1.0},
    ),
    "elu_alpha": Activation(
        functions.LearntELU,
        "where(x > 0, x, alpha * expm1(minimum(x, 0)))",
        "Clevert et al. 2016, arXiv:1511.07289, with alpha learnt",
        args={"alpha": 1.0},
    ),
    "xielu": Activation(
        functions.XIELU,
        "where(x > 0, alpha_p * x**2, alpha_n * (expm1(minimum(x, 0)) - x)) + x / 2",
        "Huang et al. 2024, arXiv:2411.13010",
        args={"alpha_p": 0.8, "alpha_n": 0.8},
    ),
    "apl": Activation(
        functions.APL, "maximum(x, 0)", "Agostinelli et al. 2015, arXiv:1412.6830", per_unit=True
    ),
}

ALIASES = {"leaky": "leaky_relu", "swish": "silu"}
# activations with weights of their own
LEARNT = ("prelu", "prelu_channel", "swish_beta", "elu_alpha", "xielu", "apl")
RANDOM = ("rrelu",)  # that draw in training, from the stream of dropout
# One function twice: what differs is noise (no bit of the first pair, as celu calls elu).
NULL_PAIRS = [("celu", "elu"), ("silu_written_out", "silu")]


@cache
def entry(name: str) -> Activation | FeedForward:
    """The entry of a registered name, or one made for the import path of someone's own."""
    if not own.is_path(name):
        return ACTIVATIONS.get(name) or FEED_FORWARD[name]
    args = registry.activation_arguments(name)
    return Activation(own_factory(name, own_import.load(name)), "", "", args)


class Sites:
    """Makes the activation of each site, a fresh instance per call, and remembers it by site.

    choice: a name, or pairs of site pattern (`*` and `?` as in file names) and name, of which the
    first match wins.
    """

    def __init__(self, choice: str | Hybrid, args: Mapping[str, float]) -> None:
        self._choice = (("*", choice),) if isinstance(choice, str) else choice
        self._args = dict(args)
        self.modules: dict[str, nn.Module] = {}
        self.names: dict[str, str] = {}
        self.args: dict[str, dict[str, float]] = {}

    def __call__(self, site: str, units: int | None = None) -> nn.Module:
        """The activation of a site; ValueError if no pattern matches it or it has one already.

        units: of the site, for activations with weights per unit.
        """
        name = self._name(site)
        if site in self.modules:
            fix = "to fix: a name of its own for each call of make_act"
            raise ValueError(f"activation: site {site!r} is made twice; {fix}")
        activation = entry(name)
        args = {key: value for key, value in self._args.items() if key in activation.args}
        if activation.per_unit and units is None:
            fix = f"to fix: make_act({site!r}, UNITS)"
            raise ValueError(f"activation: {name} needs the number of units of {site!r}; {fix}")
        per_unit = {"units": units} if activation.per_unit else {}
        module = activation.factory(**per_unit, **args)
        self.modules[site] = module
        self.names[site] = name
        self.args[site] = args
        return module

    def gain(self, site: str) -> float:
        """The gain of a site's activation; of one with weights per unit that of one unit."""
        activation = entry(self.names[site])
        per_unit = activation.per_unit
        return gain(activation.factory(**self.args[site]) if per_unit else self.modules[site])

    def _name(self, site: str) -> str:
        for pattern, name in self._choice:
            if fnmatch.fnmatchcase(site, pattern):
                return name
        patterns = [pattern for pattern, _ in self._choice]
        raise ValueError(
            f"activation: site {site!r} matches none of {patterns}; add the pattern '*'"
        )

    def check(self) -> None:
        """ValueError if there is no site, or a pattern of a hybrid matches none."""
        if not self.modules:
            allowed = "a model with at least one site"
            raise ValueError(f"activation: the model never calls make_act; allowed: {allowed}")
        for pattern, _ in self._choice:
            if not any(fnmatch.fnmatchcase(site, pattern) for site in self.modules):
                raise ValueError(f"activation: {pattern!r} matches no site of {list(self.modules)}")
