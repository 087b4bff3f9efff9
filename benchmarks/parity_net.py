"""A small model with all that the faults of parity_faults.py change; it compiles in seconds."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn


class Small(nn.Module):
    """Two convolutions with BatchNorms, the second of stride 2: (B, C, H, W) -> (B, classes)."""

    def __init__(
        self, make_act: Callable[[str], nn.Module], shape: Sequence[int], classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.act1 = make_act("act1")
        self.conv2 = nn.Conv2d(8, 16, 3, 2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.act2 = make_act("act2")
        self.head = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))
        return self.head(x.mean((2, 3)))


def small(make_act: Callable[[str], nn.Module], shape: Sequence[int], classes: int) -> nn.Module:
    """The untrained model, for images of a shape (C, H, W)."""
    return Small(make_act, shape, classes)


class Untraceable(Small):
    """A model whose forward pass depends on values, which no trace can follow."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else -x)


def untraceable(
    make_act: Callable[[str], nn.Module], shape: Sequence[int], classes: int
) -> nn.Module:
    """The untrained model, for images of a shape (C, H, W)."""
    return Untraceable(make_act, shape, classes)
