"""The demos: a table that torch computes and one picture of it, each in seconds on a CPU.

Demo NAME is computed by experiments/demo_NAME.py and drawn by analysis/figures/demo_NAME.py.
"""

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path("results/demos")


class Demo(NamedTuple):
    """What a demo is about; activations: those that it compares, if others may be named."""

    title: str
    activations: tuple[str, ...] = ()


DEMOS = {
    "why": Demo(
        "why activations exist: four problems that no line separates, and 20 layers that are one",
        ("identity", "relu", "tanh", "gelu", "silu"),
    ),
    "gradient_flow": Demo(
        "gradients on their way back through 20 layers, per initialisation, before any training",
        ("sigmoid", "tanh", "relu", "leaky_relu", "gelu", "selu"),
    ),
    "plot": Demo(
        "activations with their first and second derivative, side by side",
        ("relu", "leaky_relu", "elu", "gelu", "silu", "mish"),
    ),
    "dead_units": Demo("units that die, and units that come back, as a Monitor reads them"),
    "notebook": Demo(
        "five experiments: activations, gradient flow, initialisation, early and late, precision"
    ),
    "debugging": Demo("models broken in known ways, and what doctor says of each"),
    "own_activation": Demo("an activation of one's own with its own backward: tests, curve, cost"),
}


def stem(name: str, activations: tuple[str, ...] = ()) -> Path:
    """Where a demo's table and picture are, without suffix; other activations, another place."""
    words = [re.sub(r"\W", "_", word) for word in activations]
    return FOLDER / "-".join([name, *words])
