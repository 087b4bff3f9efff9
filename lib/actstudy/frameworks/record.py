"""What one framework computed of a cell: all that parity compares, as NumPy arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actstudy.frameworks.neutral import Arrays


@dataclass(frozen=True)
class Step:
    """A training step: what it was handed, and what came of it.

    rows: (B,), which train examples; pixels: (B, C, H, W) as the model got them; labels: (B,);
    rate: what the optimizer multiplied with; loss: of the batch before the update, in nats.
    """

    rows: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray
    rate: float
    loss: float


@dataclass(frozen=True)
class Record:
    """What a framework computed: from its own start, then from weights that both share.

    trained: layer -> how many numbers the optimizer changes there. start: weights and running
    statistics before the first step; steps: the first ones from there. outputs: layer -> what it
    gives in evaluation mode, in the order of the forward pass, the last the logits; updated: per
    batch, weights and running statistics after one step of a new optimizer; losses: of these
    batches before it, in nats; chained: per sequence of batches, weights and statistics after some
    steps of one optimizer. The last four begin at the shared weights.
    """

    trained: dict[str, int]
    start: Arrays
    steps: Sequence[Step]
    outputs: Arrays
    updated: Sequence[Arrays]
    losses: Sequence[float]
    chained: Sequence[Arrays]
