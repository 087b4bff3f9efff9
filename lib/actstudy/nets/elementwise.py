"""Whether an activation is a function of each value alone, and whether it keeps values itself."""

import io
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

N = 32_768  # values that are looked at
REACH = 14.0  # most of them lie between -14 and 14
SHAPES = (  # batches, stacks of batches, tokens, images: sizes differ, so none stands for another
    (1,),
    (1, 16),
    (16, 1),
    (7, 64),
    (128, 10),
    (2000, 16),
    (8, 4096),
    (1, 1, 48),
    (1, 128, 32),
    (2, 3, 16),
    (5, 128, 10),
    (3, 1000, 10),
    (64, 7, 16),
    (2, 16, 3, 3),
    (32, 3, 8, 8),
    (3, 2, 4, 5, 6),
)
SEEDS = (0, 1)
N_CALLS = 3
Make = Callable[[], nn.Module]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of torch, numpy and random in the block are those of a seed."""
    python = random.getstate()
    legacy = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(legacy)
            random.setstate(python)


def seed_torch(seed: int) -> None:
    """Seed torch's generators of the CPU, and of CUDA if it is in use.

    torch.manual_seed formats the whole stack per device that is not in use yet: a millisecond.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def is_elementwise(make: Make, modes: tuple[bool, ...] = (True, False)) -> bool:
    """Whether one function of one number gives each value of an output.

    It does not if a value changes with other values of the input, with the input's shape, or from
    call to call; each call is one of a new instance. make: gives that; modes: whether it trains.
    """
    x = _values()
    with seeded(SEEDS[0]), torch.no_grad():
        try:
            return all(_is_alone(make, x, training) for training in modes)
        except Exception:
            return False  # it does not take every shape


def mixes(make: Make) -> bool:
    """Whether an output depends on other inputs than its own, or on their number.

    Noise of each value in training does not count, if the output in evaluation is elementwise.
    """
    if is_elementwise(make):
        return False
    return not (is_elementwise(make, (False,)) and _is_noisy(make) and _has_own_gradient(make))


def keeps(make: Make) -> bool:
    """Whether instances hold values that tell them apart, or that calls change: buffers too.

    Compared are two of different seeds, and one before and after some calls.
    """
    modules = [_seeded_instance(make, seed) for seed in SEEDS]
    contents = [_content(module) for module in modules]
    if list(modules[0].buffers()) or contents[0] != contents[1]:
        return True
    for training in (True, False):
        outputs = torch.cat([_outputs(module.train(training)) for module in modules])
        if not _are_near(outputs[:1].expand_as(outputs), outputs).all():
            return True
    try:
        return [_content(module.train()) for module in modules] != contents
    except Exception:
        return True  # it holds now what cannot be pickled


def _outputs(module: nn.Module) -> Tensor:
    """(N_CALLS, ...): what some calls return, each for one input and one seed."""
    x = _values()[:4096].view(64, 64)
    outputs = []
    for _ in range(N_CALLS):
        with seeded(SEEDS[0]), torch.no_grad():
            outputs.append(module(x.clone()))
    return torch.stack(outputs)


def _seeded_instance(make: Make, seed: int) -> nn.Module:
    with seeded(seed):
        return make().train()


def _values() -> Tensor:
    """(N,) in no order: most between -REACH and REACH, some near 0 and to +-1e4, and 0."""
    near = np.linspace(-REACH, REACH, N - 2001)
    far = np.geomspace(1e-6, 1e4, 1000)
    values = np.concatenate([near, far, -far, [0.0]])
    order = np.random.default_rng(0).permutation(N)
    return torch.from_numpy(values[order]).float()


def _is_alone(make: Make, x: Tensor, training: bool) -> bool:
    """Whether outputs stay for other shapes, another order and other neighbours."""
    y = _call(make, x, training)
    if y.shape != x.shape:
        return False
    for shape in SHAPES:
        n = torch.Size(shape).numel()
        shaped = _call(make, x[:n].view(shape), training)
        if shaped.shape != shape or not _are_near(shaped.flatten(), y[:n]).all():
            return False
    generator = torch.Generator().manual_seed(SEEDS[0])
    order = torch.randperm(N, generator=generator)
    is_other = torch.rand(N, generator=generator) < 0.5
    others = _call(make, torch.where(is_other, 3 * x + 1, x).view(64, -1), training).flatten()
    shuffled = _call(make, x[order].view(64, -1), training).flatten()
    same_place = _are_near(shuffled, y[order]).all()
    return bool(same_place and _are_near(others, y)[~is_other].all())


def _call(make: Make, x: Tensor, training: bool) -> Tensor:
    """What a new instance of the same seed returns for a copy of x; its noise goes on."""
    y: Tensor = _seeded_instance(make, SEEDS[0]).train(training)(x.clone())
    return y


def _are_near(first: Tensor, second: Tensor) -> Tensor:
    """Where two outputs are equal but for rounding; not a number equals itself."""
    return torch.isclose(first, second, rtol=1e-4, atol=1e-6, equal_nan=True)


def _is_noisy(make: Make) -> bool:
    """Whether the seed of a call in training changes its output."""
    x = _values().view(64, -1)
    outputs = []
    for seed in SEEDS:
        with seeded(seed), torch.no_grad():
            outputs.append(_call(make, x, training=True))
    return not _are_near(*outputs).all()


def _has_own_gradient(make: Make) -> bool:
    """Whether the gradient of some outputs in training stays at their own inputs."""
    x = _values()[:4096].view(64, 64).requires_grad_()
    is_summed = torch.rand(x.shape, generator=torch.Generator().manual_seed(SEEDS[0])) < 0.5
    with seeded(SEEDS[0]):
        y = _seeded_instance(make, SEEDS[0])(x * 1)
        (gradient,) = torch.autograd.grad(y[is_summed].sum(), x)
    return not gradient[~is_summed].any()


def _content(module: nn.Module) -> bytes:
    """All that an instance holds, as bytes that are equal for equal content."""
    out = io.BytesIO()
    _Content(out).dump(module)
    return out.getvalue()


class _Content(pickle.Pickler):
    """Pickles tensors by their values: pickle writes where they are in memory."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return list, ((str(value.dtype), str(value.shape), str(value.tolist())),)
        return NotImplemented
