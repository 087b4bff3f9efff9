"""What must hold of a data set's splits before they are written."""

import hashlib
import sys
from collections.abc import Mapping

import numpy as np

from actstudy.contract.errors import StudyError

MAX_DUPLICATES = 0.01  # tolerated share of duplicates across splits (at least one example)


def check(where: str, arrays: dict[str, np.ndarray], shape: list[int], classes: int | None) -> None:
    """StudyError if a split is not as its data set declares: shape, finite values, every class."""
    x = arrays["x"]
    y = arrays["y"]
    fault = label_fault(y, classes) if classes else ""
    labels_fit = not classes or (y.dtype == np.int64 and y.ndim == 1)
    shapes_fit = len(x) == len(y) and x.shape[1:] == tuple(shape)
    finite = x.dtype.kind != "f" or bool(np.isfinite(x).all())
    if fault or not (labels_fit and shapes_fit and finite):
        expected = "y (N, ...)"
        if classes:
            expected = f"y int64 (N,) and every class of {classes} present"
        raise StudyError(
            f"{where}: got x {x.shape}, y {y.dtype} {y.shape}{fault}; allowed: finite x of shape "
            f"(N, {shape}), {expected}"
        )


def check_targets(where: str, y: np.ndarray) -> None:
    """StudyError if the numbers y (N,) of a regression have no spread, by which R2 is divided."""
    with np.errstate(over="ignore"):
        sd = y.std()
    if y.min() == y.max() or not 0 < sd < np.inf:
        got = f"got {len(y):,} labels from {y.min():g} to {y.max():g}, sd {sd:g}"
        raise StudyError(
            f"{where}: y: {got}; allowed: labels that differ, as R2 divides by their sd"
        )


def label_fault(y: np.ndarray, classes: int) -> str:
    """What is wrong with labels, as a part of a line; "" if every class and no other is there."""
    wrong = (y < 0) | (y >= classes)
    if wrong.any():
        row = int(wrong.argmax())
        return f", label {y.flat[row]} in row {row}"
    absent = [str(label) for label in range(classes) if not (y == label).any()]
    return f", no example of class {', '.join(absent)}" if absent else ""


def count_duplicates(dataset: str, inputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Number of val and of test examples that are also in an earlier split, bit for bit, if any.

    StudyError if they are more than MAX_DUPLICATES: such a leak favours what memorises, whatever
    the activation. Measured: none in MNIST, Fashion-MNIST, WikiText-2, AG News's test and a part
    of its train; 7 of 10,000 in Tiny-ImageNet's test.

    inputs: split -> x (N, ...), in the order train, val, test.
    """
    earlier = set[bytes]()
    counts = {}
    for split, x in inputs.items():
        keys = [example_key(example) for example in x]
        n = sum(key in earlier for key in keys)
        earlier.update(keys)
        if not n:
            continue
        counts[split] = n
        allowed = max(1, MAX_DUPLICATES * len(keys))
        sentence = f"{dataset}: {n:,} of {len(keys):,} {split} examples also stand in another split"
        if n > allowed:
            raise StudyError(
                f"{sentence}; allowed: {allowed:.0f}; to fix: leave each in one split alone"
            )
        print(sentence, file=sys.stderr)
    return counts


def example_key(example: str | np.ndarray) -> bytes:
    """SHA-256 of an example, a text or an array."""
    content = example.encode() if isinstance(example, str) else example.tobytes()
    return hashlib.sha256(content).digest()
