"""R networks of one shape as one, a seed each: (linear, norm, activation) x depth, linear."""

import copy
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from actstudy.contract.streams import stream
from actstudy.guide.choices import Choice, activation, policy
from actstudy.nets.gain import gain
from actstudy.nets.initializers import POLICIES, Weight

EPSILON = 1e-5  # of the normalisation, as in torch


class Networks(nn.Module):
    """R networks: x (R, B, inputs), or (B, inputs) for all -> (R, B, outputs)."""

    runs: int


class Stack(Networks):
    """x (R, B, widths[0]), or (B, widths[0]) for all -> (R, B, widths[-1]).

    Network r has the initial draws of an MLP run of seed r; weights are (R, in, out). norm `batch`
    takes mean and variance of the examples that it is called with. residual: a block's input is
    added to its output if they have one shape.
    """

    def __init__(
        self,
        widths: Sequence[int],
        act: Choice,
        init: Choice = "he_normal",
        seeds: int = 5,
        norm: str = "none",
        residual: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if norm not in ("none", "batch"):
            raise ValueError(f"norm: got {norm!r}; allowed: none, batch")
        if seeds < 1 or min(widths) < 1:
            raise ValueError(f"seeds {seeds}, widths {list(widths)}: allowed: from 1")
        self.runs = seeds
        self.residual = residual
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.scales = nn.ParameterList()
        self.shifts = nn.ParameterList()
        self.activations = nn.ModuleList()
        for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            is_head = index == len(widths) - 2
            name = "head" if is_head else f"layers.{index}.0"
            act_gain = gain(activation(act)) if index and policy(init)[0] == "auto" else 1.0
            weight, bias = drawn(name, Weight((outputs, inputs), act_gain), init, seeds)
            self.weights.append(weight.to(dtype))
            self.biases.append(bias.to(dtype))
            if not is_head:
                self.activations.append(PerRun(activation(act, outputs).to(dtype), seeds))
                if norm == "batch":
                    self.scales.append(torch.ones(seeds, 1, outputs, dtype=dtype))
                    self.shifts.append(torch.zeros(seeds, 1, outputs, dtype=dtype))

    def forward(self, x: Tensor, seen: list[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """Outputs; values (R, B, units) before and after each activation are appended to `seen`."""
        last = x.expand(self.runs, *x.shape[-2:])
        for pre, post in self.layers(x):
            if seen is not None:
                seen.append((pre, post))
            last = post
        return self.linear(-1, last)

    def layers(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Values (R, B, units) before and after each activation, in their order."""
        h = x.expand(self.runs, *x.shape[-2:])
        for index, act in enumerate(self.activations):
            pre = self.linear(index, h)
            if self.scales:
                pre = normalised(pre) * self.scales[index] + self.shifts[index]
            post = act(pre)
            h = h + post if self.residual and post.shape == h.shape else post
            yield pre, h

    def linear(self, index: int, h: Tensor) -> Tensor:
        """The layer of an index applied to h (R, B, inputs)."""
        return torch.baddbmm(self.biases[index][:, None], h, self.weights[index])

    def alone(self, run: int) -> "Stack":
        """A copy of one network as a stack of one."""
        net = copy.deepcopy(self)
        net.runs = 1
        for parameter in net.parameters():
            parameter.data = parameter.data[run : run + 1].clone()
        return net

    def centre(self) -> None:
        """Give each later layer the biases by which it outputs 0 where the one before does."""
        with torch.no_grad():
            for index, act in enumerate(self.activations):
                level = act(torch.zeros_like(self.biases[index])[:, None])
                self.biases[index + 1].copy_(-self.linear(index + 1, level)[:, 0])


class PerRun(nn.Module):
    """An activation of x (R, B, units) whose weights, if it learns any, are each run's own."""

    def __init__(self, module: nn.Module, runs: int) -> None:
        super().__init__()
        self.names = [name for name, _ in module.named_parameters()]
        self.learnt = nn.ParameterList()
        for parameter in module.parameters():
            self.learnt.append(parameter.detach().expand(runs, *parameter.shape).clone())
        self.module = [module]  # in a list, so that its own weights are none of this one

    def forward(self, x: Tensor) -> Tensor:
        if not self.names:
            return self.module[0](x)
        stacked = dict(zip(self.names, self.learnt, strict=True))

        def apply(own: dict[str, Tensor], values: Tensor) -> Tensor:
            return functional_call(self.module[0], own, (values,))

        return torch.vmap(apply)(stacked, x)


def drawn(name: str, weight: Weight, init: Choice, seeds: int) -> tuple[Tensor, Tensor]:
    """Weights (R, in, out) and biases (R, out) of a layer, as an MLP of each seed draws them."""
    policy_name, args = policy(init)
    drawn_weights = []
    drawn_biases = []
    for seed in range(seeds):
        rng = stream(seed, f"init/{name}.weight")
        drawn_weights.append(POLICIES[policy_name].draw(weight, rng, **args).T)
        bias = np.zeros(weight.shape[0])
        if policy_name == "torch_default":
            rng = stream(seed, f"init/{name}.bias")
            bias = rng.uniform(-1, 1, weight.shape[0]) / math.sqrt(weight.fan_in)
        drawn_biases.append(bias)
    return torch.from_numpy(np.stack(drawn_weights)), torch.from_numpy(np.stack(drawn_biases))


def normalised(x: Tensor) -> Tensor:
    """x (R, B, units) with mean 0 and variance 1 over the examples B of each run."""
    variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + EPSILON)


def normal_inputs(seeds: int, batch: int, width: int, dtype: torch.dtype) -> Tensor:
    """Inputs (R, B, width) from N(0, 1), of each seed its own."""
    rows = [stream(seed, "guide/inputs").standard_normal((batch, width)) for seed in range(seeds)]
    return torch.from_numpy(np.stack(rows)).to(dtype)
