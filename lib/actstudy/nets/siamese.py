"""One image tower that sees several views of each image (as SimCLR, arXiv:2002.05709)."""

from collections.abc import Sequence

from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.losses import make
from actstudy.nets.towers import Embedded, ImageTower, MakeAct

MODEL = {"title": "Siamese ResNet-18", "fields": ["width", "stem", "norm"]}
BLOCKS = (2, 2, 2, 2)  # of each stage of ResNet-18
SITES = (  # study files are checked against them
    "image.act1",
    "image.stages.{stage}.{block}.act1",
    "image.stages.{stage}.{block}.act2",
    "image.projection",
)


class Siamese(nn.Module):
    """Views (B, V, C, H, W) -> `Embedded` without texts; the loss and its scale are a part."""

    def __init__(self, spec: RunSpec, channels_in: int, make_act: MakeAct) -> None:
        super().__init__()
        self.image = ImageTower(spec, channels_in, make_act)
        self.loss = make(spec.loss or "", spec.loss_args)

    def forward(self, x: Tensor) -> Embedded:
        pooled, features = self.image(x)
        return Embedded(pooled, features, None, self.loss)


def build(
    spec: RunSpec, channels_in: int, class_names: Sequence[str] | None, make_act: MakeAct
) -> nn.Module:
    """The untrained model of a spec, for images of so many channels; class names are not read."""
    return Siamese(spec, channels_in, make_act)
