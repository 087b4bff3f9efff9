"""Small towers on random pairs, as they are written by others, and what a Monitor says of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.health import Monitor
from actstudy.losses import ContrastiveLoss

Unit = Callable[[Tensor], Tensor]
Logits = Callable[[Tensor, Tensor, Tensor], Tensor]
UNITS: dict[str, Unit] = {  # code -> what normalises rows; the first have no epsilon that is one
    "x / x.norm()": lambda x: x / x.norm(dim=-1, keepdim=True),
    "x / torch.norm(x)": lambda x: x / torch.norm(x, dim=-1, keepdim=True),
    "x / linalg.norm(x)": lambda x: x / torch.linalg.norm(x, dim=-1, keepdim=True),
    "x.div(linalg.vector_norm(x))": lambda x: x.div(torch.linalg.vector_norm(x, dim=-1)[:, None]),
    "x / (x**2).sum().sqrt()": lambda x: x / (x**2).sum(-1, keepdim=True).sqrt(),
    "x / (x.square().sum()**0.5)": lambda x: x / (x.square().sum(-1, keepdim=True) ** 0.5),
    "x * (x * x).sum().rsqrt()": lambda x: x * (x * x).sum(-1, keepdim=True).rsqrt(),
    "x * (1 / x.norm())": lambda x: x * (1 / x.norm(dim=-1, keepdim=True)),
    "x / ((x**2).sum().sqrt() + 1e-8)": lambda x: x / ((x**2).sum(-1, keepdim=True).sqrt() + 1e-8),
    "F.normalize(x, eps=0)": lambda x: functional.normalize(x, dim=-1, eps=0.0),
    "x / (x.norm() + 1e-60)": lambda x: x / (x.norm(dim=-1, keepdim=True) + 1e-60),
    "F.normalize(x)": lambda x: functional.normalize(x, dim=-1),
    "x / (x.norm() + 1e-8)": lambda x: x / (x.norm(dim=-1, keepdim=True) + 1e-8),
    "x / x.norm().clamp(min=1e-6)": lambda x: x / x.norm(dim=-1, keepdim=True).clamp(min=1e-6),
    "x / maximum(x.norm(), eps)": lambda x: (
        x / torch.maximum(x.norm(dim=-1, keepdim=True), torch.tensor(1e-6))
    ),
    "x / ((x**2).sum() + 1e-8).sqrt()": lambda x: x / ((x**2).sum(-1, keepdim=True) + 1e-8).sqrt(),
    "x * ((x * x).sum() + 1e-8).rsqrt()": lambda x: (
        x * ((x * x).sum(-1, keepdim=True) + 1e-8).rsqrt()
    ),
    "layer_norm(x)": lambda x: functional.layer_norm(x, x.shape[-1:]) / x.shape[-1] ** 0.5,
}
N_WITHOUT = 11
LOGITS: dict[str, Logits] = {  # code -> logits of a parameter and features
    "s.exp() * p @ q.T": lambda s, p, q: s.exp() * p @ q.T,
    "p @ q.T * s.exp().clamp(max=100)": lambda s, p, q: p @ q.T * s.exp().clamp(max=100),
    "s * (p @ q.T)": lambda s, p, q: s * (p @ q.T),
    "p @ q.T / s": lambda s, p, q: p @ q.T / s,
}
LOG, CLAMPED, PLAIN, DIVIDES = LOGITS
F_NORMALIZE = "F.normalize(x)"


class Towers(nn.Module):
    """Two towers on numbers; returns the loss of their pairs."""

    def __init__(self, scale: float, logits: str = LOG, unit: Unit = UNITS[F_NORMALIZE]) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(12, 32), nn.GELU(), nn.Linear(32, 16))
        self.second = nn.Linear(9, 16)
        start = torch.tensor(float(scale))
        self.logit_scale = nn.Parameter(start.log() if logits in (LOG, CLAMPED) else start)
        self.unit = unit
        self.logits = LOGITS[logits]

    def features(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Of both towers, normalised."""
        return self.unit(self.first(x)), self.unit(self.second(y))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        logits = self.logits(self.logit_scale, *self.features(x, y))
        return functional.cross_entropy(logits, torch.arange(len(x)))


class Returning(Towers):
    """Returns features and the scale; the loss is in the loop, where no module runs.

    in_loop: what the loop makes of features.
    """

    in_loop: Unit = staticmethod(lambda x: x)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scale = self.logit_scale.exp() if self.logits is LOGITS[LOG] else self.logit_scale
        return *self.features(x, y), scale


class Fixed(Towers):
    """The scale is one over a temperature, a number in the code or a parameter."""

    def __init__(
        self, temperature: float, unit: Unit = UNITS[F_NORMALIZE], learns: bool = False
    ) -> None:
        super().__init__(1.0, PLAIN, unit)
        del self.logit_scale
        self.temperature = nn.Parameter(torch.tensor(temperature)) if learns else temperature

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        p, q = self.features(x, y)
        return functional.cross_entropy(p @ q.T / self.temperature, torch.arange(len(x)))


class Written(torch.autograd.Function):
    """x / |x|, with a backward of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norm = x.norm(dim=-1, keepdim=True)
        ctx.save_for_backward(x / norm, norm)
        return x / norm

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        unit, norm = ctx.saved_tensors
        return (gradient - unit * (gradient * unit).sum(-1, keepdim=True)) / norm


class WithLoss(Towers):
    """The loss is a module of actstudy.losses."""

    def __init__(self, loss: ContrastiveLoss) -> None:
        super().__init__(1.0, PLAIN, lambda x: x)
        del self.logit_scale
        self.loss = loss

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.loss(*self.features(x, y))


class Prototypes(Towers):
    """Cosines with ten prototypes, as a classifier has them: its batch is of no pairs."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        p = self.unit(self.first(x))
        logits = self.logit_scale.exp() * p @ self.unit(self.first[2].weight[:, :10].T).T
        return functional.cross_entropy(logits, torch.arange(len(x)) % 10)


def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What goes backward."""
    returned = model(x, y)
    if isinstance(returned, Tensor):
        return returned
    p, q, scale = returned
    logits = scale * model.in_loop(p) @ model.in_loop(q).T
    return functional.cross_entropy(logits, torch.arange(len(x)))


def spoken(
    model: nn.Module,
    batch: int = 16,
    steps: int = 3,
    lr: float = 1e-5,
    factor: Callable[[int], float] = lambda step: 1.0,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    change: Callable[[Tensor], Tensor] = lambda x: x,
    **facts: Any,
) -> set[str]:
    """The rules that speak of a training; factor: of the rate at a step; change: of the inputs."""
    stepper = optimizer(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(stepper, factor)
    dtype = next(model.parameters()).dtype
    g = torch.Generator().manual_seed(1)
    with Monitor(model, every=1, **facts) as health:
        for _ in range(steps):
            x, y = (torch.randn(batch, n, generator=g).to(dtype) for n in (12, 9))
            loss = loss_of(model, change(x), change(y))
            stepper.zero_grad()
            loss.backward()
            stepper.step()
            schedule.step()
            health.step(loss)
    return {finding.rule for finding in health.findings()}


def learnt_temperature(value: float) -> Callable[[], nn.Module]:
    """Towers with a parameter that is one over a scale, of a name of its own."""
    return lambda: Fixed(value, learns=True)


def scaled(times: float) -> Unit:
    """No normalisation, but a factor."""
    return lambda x: times * x


def plain_loss(times: float) -> Callable[[], nn.Module]:
    """Towers without normalisation, with a loss that does not normalise either."""

    def model() -> nn.Module:
        towers = WithLoss(ContrastiveLoss(normalize=False))
        towers.unit = scaled(times)
        return towers

    return model


def in_the_loop(unit: Unit) -> Callable[[], nn.Module]:
    """Towers whose features the loop normalises."""

    def model() -> nn.Module:
        towers = Returning(14.3, LOG, lambda x: x)
        towers.in_loop = unit
        return towers

    return model


def halved(unit: Unit, dtype: torch.dtype = torch.float16) -> Callable[[], nn.Module]:
    """Towers whose weights are of few bits."""
    return lambda: Towers(14.3, LOG, unit).to(dtype)


def linear(model: Towers) -> Towers:
    """The model with towers of one layer without bias, which keep zeros and sizes."""
    model.first = nn.Sequential(nn.Linear(12, 16, bias=False))
    model.second = nn.Linear(9, 16, bias=False)
    return model


def without_bias(unit: Unit) -> Callable[[], nn.Module]:
    """Towers of one layer without bias."""
    return lambda: linear(Towers(14.3, LOG, unit))


def silenced(unit: Unit) -> Callable[[], nn.Module]:
    """Towers of which one starts with zeros alone."""

    def model() -> nn.Module:
        towers = Towers(14.3, LOG, unit)
        nn.init.zeros_(towers.second.weight)
        nn.init.zeros_(towers.second.bias)
        return towers

    return model


def padded(x: Tensor) -> Tensor:
    """Inputs whose last example is zeros."""
    return x * (torch.arange(len(x)) < len(x) - 1)[:, None]
