"""The convolution that the image models share."""

from torch import nn


def conv(
    channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution without bias that keeps H x W up to its stride; kernel: odd."""
    return nn.Conv2d(
        channels_in, channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
