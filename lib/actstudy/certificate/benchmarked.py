"""What an activation costs by the project's benchmark (benchmarks/activations.py), against relu."""

from functools import cache
from typing import NamedTuple

import pyarrow.parquet as pq

from actstudy.contract import checkout

LOG2_ELEMENTS = {"cpu": 20, "cuda": 28}  # at which each device is compared


class Times(NamedTuple):
    """Seconds of a forward pass, and of forward and backward, as multiples of relu's."""

    forward: float
    both: float
    device: str


@cache
def times_of(device: str) -> dict[str, Times]:
    """Activation -> its times on a device, eager in float32; empty without that benchmark."""
    file = checkout.ROOT / f"benchmarks/results/activations_{device}.parquet"
    if not file.is_file():
        return {}
    is_meant: list[tuple[str, str, str | int]] = [
        ("engine", "=", "eager"),
        ("precision", "=", "float32"),
        ("log2_elements", "=", LOG2_ELEMENTS[device]),
    ]
    rows = pq.read_table(file, filters=is_meant).to_pylist()
    return {
        row["activation"]: Times(row["forward_to_relu"], row["both_to_relu"], row["device"])
        for row in rows
    }
