"""Losses of torch and of libraries as their users call them, as modules of two views (B, D).

Where a library takes features as they are, they are normalised by torch's `normalize`, as its own
models do; a scale is exp of a parameter, without a limit, which those libraries leave to loops.
"""

import math

import torch
from lightly.loss import DCLLoss, NTXentLoss
from open_clip.loss import ClipLoss, SigLipLoss
from pytorch_metric_learning.losses import NTXentLoss as MetricNTXent
from pytorch_metric_learning.losses import SelfSupervisedLoss
from torch import Tensor, nn
from torch.nn import functional

TEMPERATURE = 0.07


def cross_entropies(logits: Tensor) -> Tensor:
    """The mean of cross-entropies of rows and columns."""
    labels = torch.arange(len(logits))
    rows, columns = (functional.cross_entropy(x, labels) for x in (logits, logits.T))
    return (rows + columns) / 2


class Scaled(nn.Module):
    """A loss with a learnt scale."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))


class CosineSimilarity(Scaled):
    """torch's cosine_similarity of all pairs, and cross-entropy."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        similar = functional.cosine_similarity(x[:, None], y[None], dim=-1)
        return cross_entropies(self.log_scale.exp() * similar)


class Normalize(Scaled):
    """torch's normalize, products, and cross-entropy."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = (functional.normalize(view, dim=1) for view in (x, y))
        return cross_entropies(self.log_scale.exp() * x @ y.T)


class FirstLoop(Scaled):
    """What a user may write first: x / |x|, products, and cross-entropy."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = (view / view.norm(dim=1, keepdim=True) for view in (x, y))
        return cross_entropies(self.log_scale.exp() * x @ y.T)


class CosineEmbedding(nn.Module):
    """torch's cosine_embedding_loss of right pairs and of each sample's neighbour."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        right = torch.ones(len(x))
        pairs = (torch.cat([x, x]), torch.cat([y, y.roll(1, 0)]))
        return functional.cosine_embedding_loss(*pairs, torch.cat([right, -right]))


class OpenClip(Scaled):
    """open_clip's ClipLoss of normalised features."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = (functional.normalize(view, dim=1) for view in (x, y))
        return ClipLoss()(x, y, self.log_scale.exp())


class OpenSigLip(Scaled):
    """open_clip's SigLipLoss of normalised features."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = (functional.normalize(view, dim=1) for view in (x, y))
        return SigLipLoss()(x, y, self.log_scale.exp(), torch.tensor(-10.0))


def metric_learning() -> nn.Module:
    return SelfSupervisedLoss(MetricNTXent(temperature=TEMPERATURE))


def lightly() -> nn.Module:
    return NTXentLoss(temperature=TEMPERATURE)


def lightly_decoupled() -> nn.Module:
    return DCLLoss(temperature=TEMPERATURE)


LIBRARIES = {
    "x / norm, cross_entropy": FirstLoop,
    "torch cosine_similarity": CosineSimilarity,
    "torch normalize": Normalize,
    "torch cosine_embedding_loss": CosineEmbedding,
    "open_clip ClipLoss": OpenClip,
    "open_clip SigLipLoss": OpenSigLip,
    "pytorch-metric-learning NTXentLoss": metric_learning,
    "lightly NTXentLoss": lightly,
    "lightly DCLLoss": lightly_decoupled,
}
PACKAGES = ("torch", "open_clip_torch", "pytorch-metric-learning", "lightly")
