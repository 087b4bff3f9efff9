"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), every ReLU6 replaced by an activation site.

For the paper's own model the activation is relu6.
"""

from collections.abc import Callable

from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.nets.convolution import conv

MakeAct = Callable[..., nn.Module]
MODEL = {"title": "MobileNetV2", "fields": ["width", "depth", "stem"]}
BLOCKS = (2, 3, 4, 3, 3, 1)  # of each stage in the paper
SITES = (  # study files are checked against them
    "act1",
    "first.act2",
    "stages.{stage}.{block}.act1",
    "stages.{stage}.{block}.act2",
    "act2",
)
CHANNELS = (24, 32, 64, 96, 160, 320)  # of each stage's output in the paper
STRIDES = (2, 2, 2, 1, 2, 1)
STEM_STRIDES = {"small": 1, "large": 2}
WIDTH = 32  # the paper's channels of the first convolution
FIRST = 16
LAST = 1280
EXPANSION = 6


def rounded(channels: float) -> int:
    """A number of channels, rounded to a multiple of 8, at least 8, and by at most 10% down."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    if nearest < 0.9 * channels:
        nearest += 8
    return nearest


class InvertedResidual(nn.Module):
    """A 1x1 convolution to `expansion` times the channels, a depthwise 3x3, a linear 1x1.

    (B, channels_in, H, W) -> (B, channels, H / stride, W / stride), added to x if the shapes are
    equal. At expansion 1 the first convolution and its activation are left out.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        stride: int,
        expansion: int,
        make_act: MakeAct,
        name: str,
    ) -> None:
        super().__init__()
        hidden = expansion * channels_in
        self.expands = expansion > 1
        self.adds = stride == 1 and channels_in == channels
        if self.expands:
            self.conv1 = conv(channels_in, hidden, 1)
            self.bn1 = nn.BatchNorm2d(hidden)
            self.act1 = make_act(f"{name}.act1", hidden)
        self.conv2 = conv(hidden, hidden, 3, stride, groups=hidden)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.act2 = make_act(f"{name}.act2", hidden)
        self.conv3 = conv(hidden, channels, 1)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expands:
            y = self.act1(self.bn1(self.conv1(y)))
        y = self.act2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.adds:
            y = x + y
        return y


class MobileNetV2(nn.Module):
    """x of shape (B, channels_in, H, W) -> logits (B, classes).

    A first convolution of `width` channels, the paper's are 32, a block without expansion, six
    stages of 2, 3, 4, 3, 3 and 1 blocks, at most `depth` each, and a last convolution. All
    channels are the paper's times width / 32, rounded to multiples of 8; the last are at least
    1,280. stem: the first convolution has stride 1 (`small`) or, as in the paper, 2 (`large`).
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
        multiplier = width / WIDTH
        channels_before = rounded(width)
        self.conv1 = conv(channels_in, channels_before, 3, STEM_STRIDES[stem])
        self.bn1 = nn.BatchNorm2d(channels_before)
        self.act1 = make_act("act1", channels_before)
        channels = rounded(FIRST * multiplier)
        self.first = InvertedResidual(channels_before, channels, 1, 1, make_act, "first")
        channels_before = channels
        stages = []
        for stage, count in enumerate(BLOCKS):
            channels = rounded(CHANNELS[stage] * multiplier)
            blocks = []
            for index in range(min(count, depth or count)):
                name = f"stages.{stage}.{index}"
                stride = 1 if index else STRIDES[stage]
                blocks.append(
                    InvertedResidual(channels_before, channels, stride, EXPANSION, make_act, name)
                )
                channels_before = channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        last = rounded(LAST * max(1.0, multiplier))
        self.conv2 = conv(channels_before, last, 1)
        self.bn2 = nn.BatchNorm2d(last)
        self.act2 = make_act("act2", last)
        self.head = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.stages(self.first(x))
        x = self.act2(self.bn2(self.conv2(x)))  # (B, 1280, H', W')
        return self.head(x.mean((2, 3)))


def build(spec: RunSpec, channels_in: int, classes: int, make_act: MakeAct) -> nn.Module:
    """The untrained model of a spec, for images of so many channels and classes."""
    return MobileNetV2(channels_in, classes, spec.width or 0, spec.depth, spec.stem, make_act)
