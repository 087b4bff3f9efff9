"""What CIFAR-10 and CIFAR-100 share: their official pickles, read without running any code that they name."""

import io
import pickle
from typing import Any

import numpy as np

from actstudy.contract import registry
from actstudy.data.official import content, labelled, reading
from actstudy.data.prepared import Splits, with_val

REBUILD = np.empty(0).__reduce__()[0]  # numpy's own, whose module has changed its name
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): REBUILD,
    ("numpy._core.multiarray", "_reconstruct"): REBUILD,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class Arrays(pickle.Unpickler):
    """Makes arrays and plain values, nothing else: a pickle may otherwise name any function to be called."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may name."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"names {module}.{name}")
        return ALLOWED[module, name]


def splits(dataset: str, key: str) -> Splits:
    """A stratified tenth of the official train is val: x (N, 3, 32, 32) uint8, y (N,) int64; key: of the labels."""
    *train, test = registry.dataset(dataset)["files"]  # test is declared last
    parts = [batch(dataset, file, key) for file in train]
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return with_val((x, y), batch(dataset, test, key), len(y) // 10)


def batch(dataset: str, file: str, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3, 32, 32) and labels (N,) of an official file."""
    raw = content(dataset, file)  # its own faults are told already
    with reading(f"data/raw/{file}"):
        read = Arrays(io.BytesIO(raw), encoding="latin1").load()
        x, labels = read["data"].reshape(-1, 3, 32, 32), read[key]
    return x, labelled(file, labels, registry.dataset(dataset)["classes"])
