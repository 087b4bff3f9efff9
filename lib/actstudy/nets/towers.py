"""What contrastive models consist of: an image tower, a text tower, and a projection of each.

A tower is one of our models without its classifier.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.losses import ContrastiveLoss
from actstudy.nets.encoder import Encoder
from actstudy.nets.resnet18 import ResNet18

MakeAct = Callable[..., nn.Module]
EMBEDDING = 128  # features that a loss compares, as of SimCLR (arXiv:2002.05709)
TEXT_DEPTH = 2  # Transformer blocks of the text tower
TEXT_HEADS = 4
PAD = 0  # the token after a text's end
BYTES = 256


class Embedded(NamedTuple):
    """What a contrastive model gives of B examples in V views.

    pooled: (B, V, F) of the image tower, which k-NN reads; features: (B, V, D) of its projection;
    texts: (K, D), of each class name, or None; loss: of the run, with its logit scale.
    """

    pooled: Tensor
    features: Tensor
    texts: Tensor | None
    loss: ContrastiveLoss


class Projection(nn.Module):
    """Linear, norm, activation, linear (Chen et al. 2020, arXiv:2002.05709): (B, F) -> (B, D).

    norm: `layer` (with torch's eps, 1e-5), `batch` or `none`.
    """

    def __init__(self, features: int, norm: str, act: nn.Module) -> None:
        super().__init__()
        norms = {"none": nn.Identity, "layer": nn.LayerNorm, "batch": nn.BatchNorm1d}
        self.hidden = nn.Linear(features, features)
        self.norm = norms[norm]() if norm == "none" else norms[norm](features)
        self.act = act
        self.out = nn.Linear(features, EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.norm(self.hidden(x))))


class ImageTower(nn.Module):
    """Views (B, V, C, H, W) -> pooled (B, V, F) and features (B, V, D), F being 8 `width`.

    Images (B, C, H, W) are one view each.
    """

    def __init__(self, spec: RunSpec, channels_in: int, make_act: MakeAct) -> None:
        super().__init__()
        width = spec.width or 0
        self.tower = ResNet18(channels_in, 1, width, spec.stem, prefixed(make_act, "image"))
        self.tower.head = nn.Identity()  # type: ignore[assignment]
        features = 8 * width
        self.projection = Projection(features, spec.norm, make_act("image.projection", features))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.ndim == 4:
            x = x[:, None]
        pooled = self.tower(x.flatten(0, 1))
        features = self.projection(pooled)
        return pooled.unflatten(0, x.shape[:2]), features.unflatten(0, x.shape[:2])


class TextTower(nn.Module):
    """The features (K, D) of K names, which are read as UTF-8 bytes by a Transformer encoder."""

    tokens: Tensor

    def __init__(self, spec: RunSpec, names: Sequence[str], make_act: MakeAct) -> None:
        super().__init__()
        width = 8 * (spec.width or 0)
        self.register_buffer("tokens", tokens_of(names), persistent=False)
        self.tower = Encoder(
            vocabulary=BYTES + 1,
            context=self.tokens.shape[1],
            classes=1,
            depth=TEXT_DEPTH,
            width=width,
            heads=TEXT_HEADS,
            dropout=0.0,
            make_act=prefixed(make_act, "text"),
            pad=PAD,
        )
        self.tower.head = nn.Identity()  # type: ignore[assignment]
        self.projection = Projection(width, spec.norm, make_act("text.projection", width))

    def forward(self) -> Tensor:
        return self.projection(self.tower(self.tokens))


def tokens_of(names: Sequence[str]) -> Tensor:
    """Names as tokens (K, T), int64: their UTF-8 bytes from 1 on, PAD up to the longest."""
    raw = [name.encode() for name in names]
    tokens = torch.full((len(raw), max(map(len, raw))), PAD)
    for row, encoded in zip(tokens, raw, strict=True):
        row[: len(encoded)] = torch.tensor([*encoded]) + 1
    return tokens


def prefixed(make_act: MakeAct, tower: str) -> MakeAct:
    """The same with the names of sites in a tower."""

    def make(site: str, units: int | None = None) -> nn.Module:
        return make_act(f"{tower}.{site}", units)

    return make
