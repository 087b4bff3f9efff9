"""ResNet-50 v1.5 (He et al. 2016, arXiv:1512.03385), every ReLU replaced by an activation site.

v1.5: a block's stride is in its 3x3 convolution, not in the 1x1 before it as in the paper.
"""

from collections.abc import Callable

from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.nets.convolution import conv

MakeAct = Callable[..., nn.Module]
MODEL = {"title": "ResNet-50", "fields": ["width", "depth", "stem"]}
BLOCKS = (3, 4, 6, 3)  # of each stage in the paper
SITES = (  # study files are checked against them
    "act1",
    "stages.{stage}.{block}.act1",
    "stages.{stage}.{block}.act2",
    "stages.{stage}.{block}.act3",
)
EXPANSION = 4  # output channels of a block per channel of its 3x3 convolution


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut.

    (B, channels_in, H, W) -> (B, 4 channels, H / stride, W / stride).
    """

    def __init__(
        self, channels_in: int, channels: int, stride: int, make_act: MakeAct, name: str
    ) -> None:
        super().__init__()
        channels_out = EXPANSION * channels
        self.conv1 = conv(channels_in, channels, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = make_act(f"{name}.act1", channels)
        self.conv2 = conv(channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act2 = make_act(f"{name}.act2", channels)
        self.conv3 = conv(channels, channels_out, 1)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.act3 = make_act(f"{name}.act3", channels_out)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                conv(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv1(x)))
        y = self.act2(self.bn2(self.conv2(y)))
        return self.act3(self.bn3(self.conv3(y)) + self.shortcut(x))


class ResNet50(nn.Module):
    """x of shape (B, channels_in, H, W) -> logits (B, classes).

    Four stages of 3, 4, 6 and 3 blocks, at most `depth` each, whose 3x3 convolutions have `width`
    channels, doubled at each further stage; the paper's width is 64. stem: `small` is a 3x3
    convolution of stride 1 for small images; `large` the paper's 7x7 of stride 2 and a max-pool.
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
        small = stem == "small"
        self.conv1 = conv(channels_in, width, 3) if small else conv(channels_in, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = make_act("act1", width)
        self.pool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        stages = []
        channels_before = width
        for stage, count in enumerate(BLOCKS):
            channels = width * 2**stage
            blocks = []
            for index in range(min(count, depth or count)):
                name = f"stages.{stage}.{index}"
                stride = 2 if stage and not index else 1
                blocks.append(Bottleneck(channels_before, channels, stride, make_act, name))
                channels_before = EXPANSION * channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels_before, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act1(self.bn1(self.conv1(x))))
        x = self.stages(x)  # (B, 32 width, H', W')
        return self.head(x.mean((2, 3)))


def build(spec: RunSpec, channels_in: int, classes: int, make_act: MakeAct) -> nn.Module:
    """The untrained model of a spec, for images of so many channels and classes."""
    return ResNet50(channels_in, classes, spec.width or 0, spec.depth, spec.stem, make_act)
