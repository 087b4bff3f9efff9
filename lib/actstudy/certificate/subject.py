"""The activation that a certificate is about: fresh instances of it, and what they return."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from actstudy.contract import own_import, registry
from actstudy.contract.errors import StudyError
from actstudy.nets import activations, elementwise, own_contract

SHAPE = (6, 8)
LIMIT = 1e4  # the largest |x| that is looked at
ALLOWED = "an activation that takes a tensor of any shape and returns one of that shape"


@dataclass(frozen=True)
class Subject:
    """An activation; elementwise: whether a value of its output depends on one of its input alone.

    name: as registered, or an import path.
    """

    name: str
    factory: Callable[[], nn.Module]
    elementwise: bool

    def fresh(self, dtype: torch.dtype = torch.float32) -> nn.Module:
        """A new instance as a site gets it, in training mode; the same initial values each time.

        It is on the CPU, also if the factory gives out one module which a check has moved.
        """
        with seeded():
            return self.factory().to("cpu", dtype)


def subject_of(name: str, args: Mapping[str, float] | None = None) -> Subject:
    """The subject of a name; StudyError if there is none, or if it does not take one tensor.

    args: arguments other than its defaults.
    """
    known = registry.function(name)
    factory = partial(activations.entry(known).factory, **(args or {}))
    return Subject(known, factory, _is_elementwise(known, factory))


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Torch's random numbers in the block are those of a seed; afterwards they go on as before."""
    with torch.random.fork_rng(devices=[]):
        elementwise.seed_torch(seed)
        yield


def normal(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of draws from N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def call(module: nn.Module, x: Tensor, seed: int = 0) -> Tensor:
    """The output for a copy of x, which the module may change."""
    with seeded(seed):
        return module(x.clone())


def with_gradient(
    module: nn.Module, x: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The output for x, and the gradient of its sum by x: 0 where it is cut from the graph.

    weights: of a weighted sum.
    """
    leaf = x.detach().clone().requires_grad_()
    y = call(module, leaf)
    gradient = None
    if y.requires_grad:
        of_sum = torch.ones_like(y) if weights is None else weights
        (gradient,) = torch.autograd.grad(y, leaf, of_sum, allow_unused=True)
    return y.detach(), torch.zeros_like(leaf) if gradient is None else gradient.detach()


def is_random(subject: Subject) -> bool:
    """Whether another seed gives another output in training."""
    x = normal(*SHAPE)
    first, second = (call(subject.fresh(), x, seed) for seed in range(2))
    return not torch.equal(first, second)


def comparable(subject: Subject, dtype: torch.dtype) -> nn.Module:
    """A new instance of which two precisions can be compared: in evaluation if training draws."""
    module = subject.fresh(dtype)
    return module.eval() if is_random(subject) else module


def grid() -> Tensor:
    """Values of x in float64, in order: every 0.01 to +-20, 10 a decade from 1e-30 to +-1e4, 0."""
    near = np.arange(-2000, 2001) / 100
    far = np.geomspace(1e-30, LIMIT, 341)
    return torch.from_numpy(np.unique(np.concatenate([near, far, -far])))


def rows(values: Tensor) -> Tensor:
    """Values (V,) as rows (V, 8) of one value each, for activations that mix values of a row."""
    return values[:, None].expand(-1, SHAPE[1]).clone()


def all_of_rows(mask: Tensor) -> Tensor:
    """Whether all of a row holds: (V, 8) -> (V,)."""
    return mask.reshape(len(mask), -1).all(1)


def places(values: Tensor) -> str:
    """Up to three values of x, nearest to 0 first, and how many more there are."""
    ordered = values[values.abs().argsort(stable=True)].tolist()
    listed = ", ".join(f"{value:.4g}" for value in ordered[:3])
    more = len(ordered) - 3
    return f"x = {listed}" + (f" and {more} more" if more > 0 else "")


def _is_elementwise(name: str, factory: Callable[[], nn.Module]) -> bool:
    """Whether a value of the output depends on one of the input alone; StudyError if it fails."""
    x = normal(*SHAPE)
    y = _first_output(name, factory, x)
    return y.shape == x.shape and not elementwise.mixes(factory)


def _first_output(name: str, factory: Callable[[], nn.Module], x: Tensor) -> Tensor:
    """What a new instance returns for x; StudyError if that fails or is no tensor."""
    module = None
    try:
        with seeded():
            module = factory()
            y = module(x.clone())
    except StudyError:
        raise
    except Exception as error:
        allowed = own_contract.allowed_instead(module, x) if module else ALLOWED
        fault = f"fails on a float32 tensor of shape {list(SHAPE)}, values from N(0, 1)"
        fault = f"{fault}: {own_import.blame(error)}"
        raise StudyError(f"{name}: {fault}; allowed: {allowed}") from None
    if not isinstance(y, Tensor):
        raise StudyError(f"{name}: returned {type(y).__name__}; allowed: {ALLOWED}")
    return y
