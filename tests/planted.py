"""Activations with one planted defect each, by the check that must name it."""

import random

import torch
from torch import nn

WEIGHT = nn.Parameter(torch.tensor([0.5]))
CALLS = []


class Leaky(nn.Module):
    """A sound one, with a backward of its own and a weight."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.1))

    def forward(self, x):
        return torch.where(x > 0, x, self.slope.to(x.dtype) * x)


class _Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (1 - torch.tanh(x))


class WrongBackward(nn.Module):
    def forward(self, x):
        return _Wrong.apply(x)


class InPlace(nn.Module):
    def forward(self, x):
        return x.relu_()


class Random(nn.Module):
    def forward(self, x):
        return torch.relu(x) * (1 + 0.01 * random.random())


class RandomInEvaluation(nn.Module):
    def forward(self, x):
        return torch.relu(x) * (1 + 0.01 * torch.rand_like(x))


class NoAutocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return torch.lerp(x, torch.tanh(x), self.share.expand_as(x))


class Unpicklable(nn.Module):
    def __init__(self):
        super().__init__()
        self.function = lambda x: x * torch.sigmoid(x)

    def forward(self, x):
        return self.function(x)


class GraphBreak(nn.Module):
    def forward(self, x):
        if x.abs().max().item() > 1e30:
            return torch.zeros_like(x) * x
        return torch.tanh(x)


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (y,) = ctx.saved_tensors
        return gradient * (1 - y * y)


class NoDoubleBackward(nn.Module):
    def forward(self, x):
        return _Once.apply(x)


class OnOneDevice(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.tensor([2.0], dtype=torch.float64)

    def forward(self, x):
        return torch.tanh(x) * self.scale.to(x.dtype)


class NaNAtZero(nn.Module):
    def forward(self, x):
        return x * x / x.abs()


class Overflow(nn.Module):
    def forward(self, x):
        return x / torch.sqrt(1 + x * x)


class Cancels(nn.Module):
    def forward(self, x):
        return torch.tanh((x + 300) - 300)


class Halves(nn.Module):
    def forward(self, x):
        a, b = x.chunk(2, -1)
        return a * torch.sigmoid(b)


class Doubles(nn.Module):
    def forward(self, x):
        return torch.tanh(x.double())


class Viewed(nn.Module):
    def forward(self, x):
        return torch.tanh(x.view(-1)).view(x.shape)


class Cut(nn.Module):
    def forward(self, x):
        return torch.relu(x.detach())


class Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = [torch.tensor([0.5], requires_grad=True)]

    def forward(self, x):
        return torch.tanh(x) * self.weights[0].to(x.dtype)


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return torch.tanh(x * self.beta.item())


class OneWeight(nn.Module):
    """All instances learn the weight of this file."""

    def __init__(self):
        super().__init__()
        self.weight = WEIGHT

    def forward(self, x):
        return torch.where(x > 0, x, self.weight.to(x.dtype) * x)


class Counting(nn.Module):
    """Its slope grows with the calls of all instances."""

    def forward(self, x):
        CALLS.append(None)
        return torch.tanh(x) * (1 + len(CALLS) / 1000)


class SharedMean(nn.Module):
    """A running mean that all instances have in common, used in evaluation."""

    mean = 0.0

    def forward(self, x):
        mean = x.mean()
        if self.training:
            SharedMean.mean = mean.item()
        return torch.tanh(x - (mean if self.training else SharedMean.mean))


class Running(nn.Module):
    """A running mean that is no buffer."""

    def __init__(self):
        super().__init__()
        self.mean = 0.0

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return torch.tanh(x - self.mean)


class Uncopyable(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))
        self.square = self.beta * self.beta

    def forward(self, x):
        return torch.tanh(x * self.square.to(x.dtype))


_single = Leaky()


def one_module():
    """The same module each time."""
    return _single


NAMED = {  # the ten of the contract
    "WrongBackward": {"backward"},
    "InPlace": {"input"},
    "Random": {"deterministic"},
    "NoAutocast": {"autocast"},
    "Unpicklable": {"pickle"},
    "GraphBreak": {"compile"},
    "NoDoubleBackward": {"double_backward"},
    "OnOneDevice": {"device"},
    "NaNAtZero": {"finite", "fp16"},
    "Overflow": {"fp16"},
}
OTHERS = {
    "RandomInEvaluation": {"deterministic"},
    "Counting": {"deterministic"},
    "Cancels": {"fp16", "bf16"},
    "Halves": {"shape"},
    "Doubles": {"dtype"},
    "Viewed": {"layout"},
    "Cut": {"flow"},
    "Hidden": {"parameters"},
    "Idle": {"parameters"},
    "OneWeight": {"instance"},
    "one_module": {"instance"},
    "SharedMean": {"state", "compile"},
    "Running": {"backward", "double_backward", "state_dict"},
    "Uncopyable": {"deepcopy", "parameters"},
}
ON_GPU = {
    name: {"cuda_graph"} for name in ("GraphBreak", "SharedMean", "Running")
}  # more than without one
