"""Two small tables, of classes and of numbers, as data sets of a package that a test copies."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import own_package

CLASSES = "table_of_classes"
NUMBERS = "table_of_numbers"
DECLARED = {
    "title": "Three columns",
    "kind": "table",
    "version": 1,
    "source": "drawn here",
    "licence": "none",
    "shape": [3],
}
# The label is the first column, bent, and a little of the second; the third says nothing.
PREPARE = """
import numpy as np

def prepare():
    splits = {}
    for index, split in enumerate(("train", "val", "test")):
        rng = np.random.default_rng(index)
        x = rng.normal([750, 1, 0], [300, 0.2, 5], (400, 3))
        z = (x - [750, 1, 0]) / [300, 0.2, 5]
        number = 1000 + 50 * (np.abs(z[:, 0]) + 0.3 * z[:, 1] + 0.1 * rng.normal(size=400))
        splits[split] = {"x": x, "y": LABEL}
    return splits
"""
FILES = {
    f"data/sets/{CLASSES}.py": f"DATASET = {DECLARED | {'classes': 2}}\n"
    + PREPARE.replace("LABEL", "number > 1040"),
    f"data/sets/{NUMBERS}.py": f"DATASET = {DECLARED | {'target': 'number'}}\n"
    + PREPARE.replace("LABEL", "number"),
}
OF_TASK = {"tabular": CLASSES, "tabular_regression": NUMBERS}  # tasks without data of their own


@contextlib.contextmanager
def there(tmp_path: Path) -> Iterator[own_package.Package]:
    """Both tables are data sets within the block."""
    with own_package.copied(tmp_path, FILES) as package:
        yield package
