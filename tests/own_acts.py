"""A module as somebody writes one: activations that are sound, and one per way to be none."""

SOUND = '''
"""My activations."""
import random

import numpy as np
import torch
from torch import nn


class Squash(nn.Module):
    """x / (1 + |x|), scaled."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def forward(self, x):
        return self.alpha * x / (1 + x.abs())


class Learnt(nn.Module):
    def __init__(self, init=1.0):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(float(init)))

    def forward(self, x):
        return torch.relu(x) * self.slope


class Normed(nn.Module):
    def forward(self, x):
        return torch.softmax(x, -1)


class Noisy(nn.RReLU):
    pass


class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return torch.relu(x - self.mean)


def bump(x, height=1.0):
    return height * x * torch.exp(-x * x / 2)


def steep():
    return nn.LeakyReLU(0.3)


def relu(x):
    return torch.relu(x)


def by_rows(x):
    return torch.tanh(x) / x.size(0) ** 0.5


def by_columns(x):
    return torch.tanh(x) * x.size(1) ** 0.5


def by_axes(x):
    return torch.tanh(x) if x.ndim == 2 else torch.relu(x)


def by_stack(x):
    return torch.relu(x) if x.ndim == 3 else torch.tanh(x)


def by_size(x):
    return torch.tanh(x) if x.numel() < 4000 else torch.relu(x)


def shares(x):
    return x * torch.softmax(x, -1) * x.shape[-1]


def gated(x):
    return x * torch.sigmoid(x.mean(1, keepdim=True))


def nothing(x):
    return 0 * x


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = 0

    def forward(self, x):
        self.t += 1
        return torch.tanh(x) * (1 + self.t / 1000)


class Drawn(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = random.uniform(0.1, 0.3)

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)


class DrawnByNumpy(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = float(np.random.rand())

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)


class FarNoise(nn.Module):
    def forward(self, x):
        return torch.where(x.abs() > 9, x + torch.rand_like(x), torch.tanh(x))


class DrawnFar(Drawn):
    def forward(self, x):
        return torch.where(x.abs() > 1e6, self.slope * x, torch.tanh(x))


class CountsLong(Counts):
    def forward(self, x):
        self.t += 1
        return torch.tanh(x) if self.t < 1000 else torch.relu(x)


class Buffered(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x):
        return torch.tanh(x) * self.scale
'''

# Name -> its definition, and what a message about it must hold.
BAD = {
    "halves": ("def halves(x):\n    return x[..., ::2]", ["returns shape (8, 8) for", "(8, 16)"]),
    "doubles": ("def doubles(x):\n    return x.double()", ["returns torch.float64", "float32"]),
    "mutates": ("def mutates(x):\n    return x.mul_(2)", ["changes its input in place"]),
    "Inplace": (
        "class Inplace(nn.ReLU):\n    def __init__(self):\n        super().__init__(True)",
        ["changes its input in place", "inplace=False"],
    ),
    "roots": ("def roots(x):\n    return x.sqrt()", ["returns nan at x = -12", "allowed: finite"]),
    "at_zero": ("def at_zero(x):\n    return x * x / x", ["returns nan at x = 0"]),
    "explodes": ("def explodes(x):\n    return torch.exp(x * x)", ["returns inf at x = -12"]),
    "ONE": ("ONE = nn.ReLU()", ["got a module, which all sites would share"]),
    "one": ("def one():\n    return ONE_FOR_ALL", ["returns one module for all sites"]),
    "Shares": (
        "class Shares(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.inner = ONE_FOR_ALL\n    def forward(self, x):\n        return self.inner(x)",
        ["its sites share inner"],
    ),
    "OfClass": (
        "class OfClass(nn.Module):\n    slope = nn.Parameter(torch.ones(()))\n"
        "    def forward(self, x):\n        return self.slope * torch.relu(x)",
        ["a tensor of shape () learns that is none of its parameters", "nn.Parameter"],
    ),
    "Remembers": (
        "class Remembers(nn.Module):\n    seen = []\n    def forward(self, x):\n"
        "        if self.training:\n            self.seen.append(x.mean())\n"
        "        return torch.relu(x) + sum(self.seen)",
        ["what one site sees changes another"],
    ),
    "Lambda": (
        "class Lambda(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.f = lambda x: torch.relu(x)\n    def forward(self, x):\n"
        "        return self.f(x)",
        ["cannot be pickled", "to fix: def instead of lambda"],
    ),
    "by_lambda": ("by_lambda = lambda x: torch.relu(x)", ["cannot be pickled"]),
    "Wide": (
        "class Wide(nn.Module):\n    def __init__(self, width):\n        super().__init__()",
        ["got Wide with 1 required argument; ", "give them defaults"],
    ),
    "sized": (
        "def sized(width):\n    return nn.PReLU()",
        ["returns PReLU for", "to fix: give its arguments defaults"],
    ),
    "Plain": ("class Plain:\n    pass", ["returned Plain; allowed: a class of torch.nn.Module"]),
    "Applied": (
        "class Applied(torch.autograd.Function):\n    pass",
        ["got a torch.autograd.Function", "def act(x): return Applied.apply(x)"],
    ),
    "NUMBER": ("NUMBER = 3", ["got int; allowed: a class of torch.nn.Module"]),
    "none": ("def none(x):\n    pass", ["returns NoneType for", "allowed: a tensor"]),
    "numpy": ("def numpy(x):\n    return torch.from_numpy(x.numpy())", ["RuntimeError", "line"]),
    "detached": ("def detached(x):\n    return torch.relu(x).detach()", ["has no gradient"]),
    "trap": (
        "def trap(x):\n    return torch.where(x > 0, x.sqrt(), -x.abs().sqrt())",
        [
            "acts:trap: the gradient is nan at x = -12; to fix: apply torch.where to the argument, "
            "not to the result"
        ],
    ),
    "spike": (
        "def spike(x):\n    return x.abs().sqrt()",
        ["the gradient is nan at x = 0; to fix: keep divisors and arguments of log and sqrt away"],
    ),
    "Powers": (
        "class Powers(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.p = nn.Parameter(torch.tensor(2.0))\n    def forward(self, x):\n"
        "        return x.pow(self.p)",
        ["the gradient of parameter 'p' is not finite; to fix: keep divisors and arguments of"],
    ),
    "fixed": (
        "class Fixed(nn.Module):\n    def forward(self, x):\n        return x * torch.ones(16)\n"
        "fixed = Fixed",
        ["RuntimeError", "called with torch.float32 of shape (2, 16, 3, 3)", "any shape"],
    ),
    "fails": ("def fails(x):\n    return x.relu7()", ["acts.py: line", "relu7", "called with"]),
    "quits": ("def quits():\n    raise SystemExit(0)", ["SystemExit: 0"]),
}


def module() -> str:
    """The text of a module with all of them."""
    parts = [SOUND, "ONE_FOR_ALL = nn.PReLU()"]
    parts += [definition for definition, _ in BAD.values()]
    return "\n\n\n".join(parts) + "\n"
