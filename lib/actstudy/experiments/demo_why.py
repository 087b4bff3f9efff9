"""Demo: toy problems with and without an activation, and 20 layers that are one without it."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from actstudy.contract import own, registry
from actstudy.experiments import boundaries
from actstudy.guide.expressive import collapse

TURNS = 1.0  # of each arm of the spiral
DEPTH = 20


def spiral(rng: np.random.Generator, n: int) -> boundaries.Points:
    """Two arms that wind around each other, with noise of sd 0.05."""
    y = np.arange(n) % 2
    along = np.sqrt(rng.uniform(0.02, 1, n))  # evenly filled
    angle = 2 * np.pi * TURNS * along + np.pi * y
    x = 1.5 * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return x + rng.normal(0, 0.05, (n, 2)), y


def table(activations: Sequence[str]) -> pa.Table:
    """The table of `boundaries`, and a row per activation of kind `collapse`.

    difference: of a network of 20 layers from the affine map nearest by, the largest.
    """
    problems = {**boundaries.PROBLEMS, "spiral": spiral}
    planes = boundaries.table(activations, problems)
    labels = own.labels(activations, registry.activations())
    rows = []
    for name in activations:
        (reading,) = collapse(name, DEPTH)
        difference = reading.values["difference"].value
        rows.append(
            {"kind": "collapse", "activation": labels[name], "difference": difference, "x": DEPTH}
        )
    depths = pa.Table.from_pylist(rows)
    return pa.concat_tables([planes, depths], promote_options="permissive")
