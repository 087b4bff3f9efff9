"""A multilayer perceptron with one activation site after each hidden layer."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

SITES = ("layers.{index}",)  # one per hidden layer; study files are checked against them
NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
DROPOUTS: dict[str, Callable[[float], nn.Module]] = {"plain": nn.Dropout, "alpha": nn.AlphaDropout}


class MLP(nn.Module):
    """(linear, norm, activation, dropout) x depth, linear: x (B, ...) -> logits (B, classes).

    x has in_features values per example.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        classes: int,
        make_act: Callable[..., nn.Module],
        norm: str = "none",
        dropout: float = 0.0,
        dropout_kind: str = "plain",
    ) -> None:
        super().__init__()
        make_norm = NORMS[norm]
        make_dropout = DROPOUTS[dropout_kind]
        layers = []
        width_before = in_features
        for index, width in enumerate(hidden):
            parts: list[nn.Module] = [nn.Linear(width_before, width)]
            if make_norm:
                parts.append(make_norm(width))
            parts.append(make_act(f"layers.{index}", width))
            if dropout:
                parts.append(make_dropout(dropout))
            layers.append(nn.Sequential(*parts))
            width_before = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width_before, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x.flatten(1)))
