"""What is read of someone's own data: how, into which arrays, and what a manifest says of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Content:
    """Own data as they have been read.

    kind: of data set; how: every key by which they were read, as `Source` has them; splits: split
    -> x and, but for text, y, or nothing if only a description was asked for; train_size: examples
    of train, None of text; about: what else the manifest says of them.
    """

    kind: str
    how: dict[str, Any]
    sums: list[tuple[str, str]]  # name and SHA-256 of each file
    splits: dict[str, Arrays]
    train_size: int | None
    shape: list[int] | None = None
    class_names: list[str] | None = None
    is_number: bool = False  # the target is one
    about: dict[str, Any] = field(default_factory=dict)
