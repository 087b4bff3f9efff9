"""A multilayer perceptron with one activation site after each hidden layer."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}


class MLP(nn.Module):
    """(linear, norm, activation, dropout) x depth, linear: x of in_features values (B, ...) -> logits (B, classes)."""

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        classes: int,
        make_act: Callable[[str], nn.Module],
        norm: str = "none",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        make_norm, layers, width_before = NORMS[norm], [], in_features
        self.fed_by: dict[str, str] = {}
        for index, width in enumerate(hidden):
            parts = [nn.Linear(width_before, width), make_norm(width) if make_norm else None]
            parts += [make_act(f"layers.{index}"), nn.Dropout(dropout) if dropout else None]
            layers.append(nn.Sequential(*[part for part in parts if part is not None]))
            if index:
                self.fed_by[f"layers.{index}.0.weight"] = f"layers.{index - 1}"
            width_before = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width_before, classes)
        if hidden:
            self.fed_by["head.weight"] = f"layers.{len(hidden) - 1}"

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x.flatten(1)))
