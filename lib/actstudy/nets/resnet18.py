"""ResNet-18 (He et al. 2016, arXiv:1512.03385), every ReLU replaced by an activation site."""

from collections.abc import Callable

from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.nets.convolution import conv

MakeAct = Callable[..., nn.Module]
MODEL = {"title": "ResNet-18", "fields": ["width", "stem"]}
SITES = (  # study files are checked against them
    "act1",
    "stages.0.0.act1",
    "stages.0.0.act2",
    "stages.0.1.act1",
    "stages.0.1.act2",
    "stages.1.0.act1",
    "stages.1.0.act2",
    "stages.1.1.act1",
    "stages.1.1.act2",
    "stages.2.0.act1",
    "stages.2.0.act2",
    "stages.2.1.act1",
    "stages.2.1.act2",
    "stages.3.0.act1",
    "stages.3.0.act2",
    "stages.3.1.act1",
    "stages.3.1.act2",
)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    (B, channels_in, H, W) -> (B, channels, H / stride, W / stride).
    """

    def __init__(
        self, channels_in: int, channels: int, stride: int, make_act: MakeAct, name: str
    ) -> None:
        super().__init__()
        self.conv1 = conv(channels_in, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = make_act(f"{name}.act1", channels)
        self.conv2 = conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act2 = make_act(f"{name}.act2", channels)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                conv(channels_in, channels, 1, stride), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """x of shape (B, channels_in, H, W) -> logits (B, classes).

    Four stages of two blocks, of `width` channels, doubled at each further stage. stem: `small` is
    a 3x3 convolution of stride 1 for small images; `large` the paper's 7x7 of stride 2 and a
    max-pool.
    """

    def __init__(
        self, channels_in: int, classes: int, width: int, stem: str, make_act: MakeAct
    ) -> None:
        super().__init__()
        small = stem == "small"
        self.conv1 = conv(channels_in, width, 3) if small else conv(channels_in, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = make_act("act1", width)
        self.pool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        stages = []
        channels_before = width
        for stage in range(4):
            channels = width * 2**stage
            blocks = []
            for index in range(2):
                name = f"stages.{stage}.{index}"
                stride = 2 if stage and not index else 1
                blocks.append(BasicBlock(channels_before, channels, stride, make_act, name))
                channels_before = channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels_before, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act1(self.bn1(self.conv1(x))))
        x = self.stages(x)  # (B, 8 width, H', W')
        return self.head(x.mean((2, 3)))


def build(spec: RunSpec, channels_in: int, classes: int, make_act: MakeAct) -> nn.Module:
    """The untrained model of a spec, for images of so many channels and classes."""
    return ResNet18(channels_in, classes, spec.width or 0, spec.stem, make_act)
