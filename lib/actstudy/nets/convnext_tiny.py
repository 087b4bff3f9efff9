"""ConvNeXt-Tiny (Liu et al. 2022, arXiv:2201.03545), every GELU replaced by an activation site.

All is computed on (B, C, H, W): the two linear layers of a block are 1x1 convolutions.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.nets.drop_path import DropPath

MakeAct = Callable[..., nn.Module]
MODEL = {"title": "ConvNeXt-Tiny", "fields": ["width", "depth", "stem", "drop_path"]}
BLOCKS = (3, 3, 9, 3)  # of each stage in the paper
SITES = ("stages.{stage}.{block}.act",)  # study files are checked against them
PATCHES = {"small": 2, "large": 4}  # pixels, each way, of the stem's
MIN_PIXELS = {"small": 16, "large": 32}  # each way, of an image: three more halvings leave one
EPS = 1e-6  # of all norms
SCALE = 1e-6  # of a block's output at first


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel: (B, C, H, W) -> (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    """x times a learnt factor per channel: (B, C, H, W) -> (B, C, H, W).

    Touvron et al. 2021, arXiv:2103.17239.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), SCALE))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.view(-1, 1, 1)


class Block(nn.Module):
    """x + scale * (depthwise 7x7, norm, 1x1, activation, 1x1)(x): (B, C, H, W) -> (B, C, H, W).

    Between the 1x1 convolutions there are 4 C channels.
    """

    def __init__(self, channels: int, make_act: MakeAct, name: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = ChannelNorm(channels, EPS)
        self.up = nn.Conv2d(channels, 4 * channels, 1)
        self.act = make_act(f"{name}.act", 4 * channels)
        self.down = nn.Conv2d(4 * channels, channels, 1)
        self.scale = LayerScale(channels)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(self.act(self.up(self.norm(self.conv(x)))))
        return x + self.drop_path(self.scale(y))


class ConvNeXtTiny(nn.Module):
    """x of shape (B, channels_in, H, W) -> logits (B, classes).

    Four stages of 3, 3, 9 and 3 blocks, at most `depth` each, of `width` channels, doubled at each
    further stage; the paper's width is 96. stem: `small` cuts images into patches of 2x2 pixels,
    `large` into the paper's 4x4. Each further stage begins with a norm and patches of 2x2.
    """

    def __init__(
        self,
        channels_in: int,
        classes: int,
        width: int,
        depth: int | None,
        stem: str,
        make_act: MakeAct,
    ) -> None:
        super().__init__()
        patch = PATCHES[stem]
        steps = [
            nn.Sequential(nn.Conv2d(channels_in, width, patch, patch), ChannelNorm(width, EPS))
        ]
        stages = []
        channels = width
        for stage, count in enumerate(BLOCKS):
            if stage:
                halving = nn.Conv2d(channels, 2 * channels, 2, 2)
                steps.append(nn.Sequential(ChannelNorm(channels, EPS), halving))
                channels *= 2
            blocks = []
            for index in range(min(count, depth or count)):
                blocks.append(Block(channels, make_act, f"stages.{stage}.{index}"))
            stages.append(nn.Sequential(*blocks))
        self.steps = nn.ModuleList(steps)
        self.stages = nn.ModuleList(stages)
        self.norm = nn.LayerNorm(channels, EPS)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        for step, stage in zip(self.steps, self.stages, strict=True):
            x = stage(step(x))
        return self.head(self.norm(x.mean((2, 3))))  # of (B, 8 width, H', W')


def build(spec: RunSpec, channels_in: int, classes: int, make_act: MakeAct) -> nn.Module:
    """The untrained model of a spec, for images of so many channels and classes."""
    return ConvNeXtTiny(channels_in, classes, spec.width or 0, spec.depth, spec.stem, make_act)
