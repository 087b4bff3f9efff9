"""Norms of many MLPs of one shape as one: each run's by its own values, as torch's modules do it.

Statistics are computed in float32 if values have fewer bits. What sums (moments, the gradients of
scales) is not part of an activation's code, so that a run's bits do not depend on the others'.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.nets.mlp import MLP

Statistics = dict[str, Tensor]  # name in a model's state -> (R, units), or (R,) of a count


class NoNorm(nn.Module):
    """No norm: a hidden layer has no parameters of one."""

    n_of_layer = 0

    def forward(
        self, index: int, product: Tensor, shift: Tensor, learnt: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The product (R, B, units) of a hidden layer, and the bias that is to be added to it."""
        return product, shift

    def statistics(self) -> Statistics:
        """What is not a parameter and is part of a model's state: nothing."""
        return {}

    def move(self) -> None:
        """Nothing is there to be moved."""


class PackedLayerNorm(NoNorm):
    """Ba et al. 2016, arXiv:1607.06450: over the units of each example."""

    n_of_layer = 2

    def __init__(self, layers: Sequence[Sequence[nn.LayerNorm]]) -> None:
        super().__init__()
        self.eps = layers[0][0].eps

    def forward(
        self, index: int, product: Tensor, shift: Tensor, learnt: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The values of product + shift (R, B, units), scaled, and what is to be added to them.

        index: which hidden layer; learnt: its scale and shift, each (R, units).
        """
        values = _wide(product + shift)
        return _scaled(
            functional.layer_norm(values, values.shape[-1:], eps=self.eps), learnt, product
        )


class PackedBatchNorm(NoNorm):
    """Ioffe and Szegedy 2015, arXiv:1502.03167: over the examples of each unit.

    In training `forward` reads the batch and notes its moments; `move` moves the running statistics
    by them. In evaluation it reads these.

    layers: the norms of each hidden layer, a row per run; names: of each layer's norm.
    """

    n_of_layer = 2

    def __init__(self, layers: Sequence[Sequence[nn.BatchNorm1d]], names: Sequence[str]) -> None:
        super().__init__()
        self.eps = layers[0][0].eps
        self.momentum = layers[0][0].momentum or 0.0
        self.names = names
        for index, norms in enumerate(layers):
            for kind in ("running_mean", "running_var", "num_batches_tracked"):
                rows = torch.stack([getattr(norm, kind) for norm in norms])
                self.register_buffer(f"{kind}_{index}", rows)
        self.moments: dict[int, tuple[Tensor, Tensor, int]] = {}

    def forward(
        self, index: int, product: Tensor, shift: Tensor, learnt: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """As PackedLayerNorm's."""
        values = _wide(product + shift)
        if self.training:
            variance, mean = torch.var_mean(values, 1, correction=0)
            self.moments[index] = (mean.detach(), variance.detach(), values.shape[1])
        else:
            mean = self.get_buffer(f"running_mean_{index}")
            variance = self.get_buffer(f"running_var_{index}")
        normed = (values - mean[:, None]) * torch.rsqrt(variance[:, None] + self.eps)
        return _scaled(normed, learnt, product)

    @torch.no_grad()
    def move(self) -> None:
        """Move the running statistics by the last batch's moments, its variance unbiased."""
        for index, (mean, variance, n) in self.moments.items():
            unbiased = variance * (n / (n - 1))
            self.get_buffer(f"running_mean_{index}").lerp_(mean, self.momentum)
            self.get_buffer(f"running_var_{index}").lerp_(unbiased, self.momentum)
            self.get_buffer(f"num_batches_tracked_{index}").add_(1)

    def statistics(self) -> Statistics:
        """Running means and variances (R, units) and numbers of batches (R,), under their names."""
        named = {}
        for name, buffer in self.named_buffers():
            kind, _, index = name.rpartition("_")
            named[f"{self.names[int(index)]}.{kind}"] = buffer
        return named


def of_models(models: Sequence[MLP]) -> NoNorm:
    """The norms of R models of one shape."""
    by_run = []
    for model in models:
        norms = {}
        for name, module in model.named_modules():
            if isinstance(module, nn.LayerNorm | nn.BatchNorm1d):
                norms[name] = module
        by_run.append(norms)
    if not by_run[0]:
        return NoNorm()
    layers = list(zip(*[norms.values() for norms in by_run], strict=True))
    if isinstance(layers[0][0], nn.LayerNorm):
        return PackedLayerNorm(layers)
    return PackedBatchNorm(layers, list(by_run[0]))


def _wide(values: Tensor) -> Tensor:
    """Values of at least the bits of float32."""
    return values if values.dtype == torch.float64 else values.float()


def _scaled(normed: Tensor, learnt: Sequence[Tensor], like: Tensor) -> tuple[Tensor, Tensor]:
    """Normed values times their scale, and their shift expanded to them, in the type of `like`."""
    scale, shift = learnt
    scaled = (normed * scale[:, None]).to(like.dtype)
    return scaled, shift[:, None].to(like.dtype).expand_as(scaled)
