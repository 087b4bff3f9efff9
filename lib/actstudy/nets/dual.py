"""An image tower and a text tower, which reads the name of the image's class (as CLIP).

Radford et al. 2021, arXiv:2103.00020.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from actstudy.contract.spec import RunSpec
from actstudy.losses import make
from actstudy.nets.towers import Embedded, ImageTower, MakeAct, TextTower

MODEL = {"title": "ResNet-18 and text encoder", "fields": ["width", "stem", "norm"]}
BLOCKS = (2, 2, 2, 2)  # of each stage of ResNet-18
SITES = (  # study files are checked against them
    "image.act1",
    "image.stages.{stage}.{block}.act1",
    "image.stages.{stage}.{block}.act2",
    "image.projection",
    "text.blocks.0",
    "text.blocks.1",
    "text.projection",
)
READS_NAMES = True  # of the classes, its text tower


class Dual(nn.Module):
    """Views (B, V, C, H, W) -> `Embedded` with the texts (K, D) of all K class names."""

    def __init__(
        self, spec: RunSpec, channels_in: int, class_names: Sequence[str], make_act: MakeAct
    ) -> None:
        super().__init__()
        self.image = ImageTower(spec, channels_in, make_act)
        self.text = TextTower(spec, class_names, make_act)
        self.loss = make(spec.loss or "", spec.loss_args)

    def forward(self, x: Tensor) -> Embedded:
        pooled, features = self.image(x)
        return Embedded(pooled, features, self.text(), self.loss)


def build(
    spec: RunSpec, channels_in: int, class_names: Sequence[str] | None, make_act: MakeAct
) -> nn.Module:
    """The untrained model of a spec, for images of so many channels and classes of these names."""
    return Dual(spec, channels_in, class_names or [], make_act)
