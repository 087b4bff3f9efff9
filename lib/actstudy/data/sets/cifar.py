"""What CIFAR-10 and CIFAR-100 share: pickles, read without running any code that they name."""

import io
import pickle
from typing import Any

import numpy as np

from actstudy.contract import registry
from actstudy.data.official import class_indices, content, reading
from actstudy.data.prepared import Splits, with_val

REBUILD = np.empty(0).__reduce__()[0]  # of numpy, whose module has changed its name
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): REBUILD,
    ("numpy._core.multiarray", "_reconstruct"): REBUILD,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads arrays and plain values only: a pickle may otherwise name any function to be called."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of a name that a pickle uses; UnpicklingError if it is not allowed."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"names {module}.{name}")
        return ALLOWED[module, name]


def splits(dataset: str, key: str) -> Splits:
    """Splits of x (N, 3, 32, 32) uint8, y (N,) int64; a tenth of train is val (stratified).

    key: of the labels in the pickles.
    """
    *train_files, test_file = registry.dataset(dataset)["files"]  # test is declared last
    batches = [batch(dataset, file, key) for file in train_files]
    x = np.concatenate([images for images, _ in batches])
    y = np.concatenate([labels for _, labels in batches])
    return with_val((x, y), batch(dataset, test_file, key), len(y) // 10)


def batch(dataset: str, file: str, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3, 32, 32) and labels (N,) of an official file."""
    raw = content(dataset, file)
    with reading(f"data/raw/{file}"):
        arrays = ArrayUnpickler(io.BytesIO(raw), encoding="latin1").load()
        x = arrays["data"].reshape(-1, 3, 32, 32)
        labels = arrays[key]
    return x, class_indices(file, labels, registry.dataset(dataset)["classes"])
