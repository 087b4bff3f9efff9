"""A small model with every kind of layer, and the steps that torch's engine makes with it."""

import copy

import numpy as np
import torch
from torch import nn

from actstudy.frameworks.nets import make_net
from actstudy.nets import drop_path
from actstudy.nets.convnext_tiny import ChannelNorm, LayerScale
from actstudy.tasks import classification
from actstudy.training.optim import clip_share, make_optimizer

SHAPE = (3, 8, 8)  # even sides, where "same" shifts pixels at stride 2
CLASSES = 5
CPU = torch.device("cpu")


class Small(nn.Module):
    """Strided, depthwise and 1x1 convolutions, all norms, a padded max-pool, a residual block."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.act = act
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = ChannelNorm(8)
        self.scale = LayerScale(8)
        self.drop_path = drop_path.DropPath()
        self.blocks = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Tanh())
        self.last = drop_path.DropPath()
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.act(self.bn(self.conv(x))))
        x = x + self.drop_path(self.scale(self.norm(self.depthwise(x))))
        x = x + self.last(self.blocks(x))
        return self.head(x.mean((2, 3)))


def make_model(act: nn.Module | None = None) -> Small:
    """A model whose norms are warm and whose scale is 0.3."""
    torch.manual_seed(0)
    model = Small(act or nn.GELU())
    nn.init.constant_(model.scale.scale, 0.3)
    for _ in range(3):
        model(torch.randn(16, *SHAPE) * 3 + 1)
    return model


def make_batches(n: int, batch: int = 8):
    """n batches x (B, C, H, W), y (B,) and factors (B, 2)."""
    torch.manual_seed(1)
    batches = []
    for _ in range(n):
        keep = torch.randint(0, 2, (batch, 2)) * 1.5
        batches.append((torch.randn(batch, *SHAPE), torch.randint(CLASSES, (batch,)), keep))
    return batches


def torch_steps(model, spec, batches) -> list[float]:
    """Losses of steps as training/job.py makes them; the model is trained in place."""
    optimizer = make_optimizer(spec, model.parameters())
    model.train()
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        total = 0.0
        for x, y, keep in zip(*(part.chunk(spec.accumulate) for part in batch), strict=True):
            drop_path.set_keep(model, keep if spec.drop_path else None)
            loss = classification.loss(model(x), y, spec.label_smoothing) / spec.accumulate
            loss.backward()
            total += loss.item()
        gradients = [parameter.grad for parameter in model.parameters()]
        if spec.clip is not None:
            share = clip_share(nn.utils.get_total_norm(gradients), spec.clip)
            torch._foreach_mul_(gradients, share)
        optimizer.step()
        losses.append(total)
    drop_path.set_keep(model, None)
    return losses


def net_of(model, spec, policy=None):
    """The Net of a copy of a model."""
    return make_net(spec, copy.deepcopy(model), SHAPE, CPU, policy=policy)


def net_steps(net, spec, batches) -> list[float]:
    """Losses of steps of a Net."""
    losses = []
    for x, y, keep in batches:
        columns = keep if spec.drop_path else keep[:, :0]
        losses.append(float(net.step(x, y, columns, spec.lr)["loss"]))
    return losses


def worst(arrays, model) -> tuple[float, str]:
    """The largest difference of a Net's export to a torch model's state, and whose it is."""
    differences = []
    for name, value in model.state_dict().items():
        gap = np.abs(arrays[name].astype(np.float64) - value.double().numpy()).max()
        differences.append((float(gap), name))
    return max(differences)
