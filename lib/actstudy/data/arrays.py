"""What `prepare()` of a data set returns, as arrays that training takes: by a rule, or refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from actstudy.contract.declarations import TOKENIZED
from actstudy.contract.errors import StudyError, nearest

SPLITS = ("train", "val", "test")
MAX_LOST = 1e-3  # of a column's range, by which float32 may change its values


def of_splits(
    raw: Any, kind: str, where: str, predicts_numbers: bool = False
) -> dict[str, dict[str, np.ndarray]]:
    """The splits train, val and test with x, y and whatever else there is, as arrays.

    kind: of the data set; predicts_numbers: y are numbers and no classes. StudyError, in one line,
    if something is missing or no such array.
    """
    splits: dict[str, dict[str, np.ndarray]] = {}
    _check_names(raw, SPLITS, f"{where}: prepare()", closed=True)
    for split in SPLITS:
        needed = ("x",) if kind == "text" else ("x", "y")
        parts = raw[split]
        place = f"{where}: split {split}"
        _check_names(parts, needed, place, closed=kind == "text")
        splits[split] = {}
        for name, value in parts.items():
            part = f"{place}: {name}"
            if name == "y" and predicts_numbers:
                splits[split][name] = targets(value, part)
            else:
                splits[split][name] = _part(name, value, kind, part)
    return splits


def _check_names(parts: Any, needed: tuple[str, ...], where: str, closed: bool) -> None:
    """StudyError unless a mapping has the needed names, and, if closed, no others."""
    allowed = f"a mapping with {', '.join(needed)}"
    if not isinstance(parts, Mapping):
        raise StudyError(f"{where}: got {type(parts).__name__}; allowed: {allowed}")
    for name in parts:
        if name not in needed and (closed or not str(name).isidentifier()):
            hint = nearest(name, needed)
            raise StudyError(f"{where}: unknown {name!r}; {hint}allowed: {allowed}")
    for name in needed:
        if name not in parts:
            raise StudyError(f"{where}: {name}: missing; allowed: {allowed}")


def _part(name: str, value: Any, kind: str, where: str) -> np.ndarray:
    """One array of a split: x are numbers or texts, y labels."""
    if name == "x" and kind in TOKENIZED:
        return texts(value, where)
    return labels(value, where) if name == "y" else numbers(value, where)


def _array(value: Any, where: str, dtype: type | None = None) -> np.ndarray:
    """A value as an array of one example or more; StudyError if it is none."""
    if np.ma.is_masked(value):
        raise StudyError(f"{where}: got masked values; allowed: numbers; to fix: fill them")
    try:
        array = np.asarray(value, dtype)
    except (ValueError, TypeError, RuntimeError) as error:
        raise StudyError(f"{where}: no array: {error}") from None
    if array.ndim == 0 or not len(array):
        got = f"got {type(value).__name__} of shape {array.shape}"
        raise StudyError(f"{where}: {got}; allowed: an array of at least one example")
    return array


def numbers(value: Any, where: str) -> np.ndarray:
    """Numbers (N, ...) in C order: uint8 as they are, bool as uint8, all others as float32.

    StudyError if float32 changes a column by more than MAX_LOST of its range, or a value is not
    finite in it.
    """
    array = _array(value, where)
    if array.dtype.kind not in "buif":
        fault = f"got {array.dtype}; allowed: numbers that float32 holds, uint8 or bool"
        raise StudyError(f"{where}: {fault}")
    if array.dtype in (np.uint8, np.bool_):
        return np.ascontiguousarray(array, np.uint8)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, np.float32)
    rows = ~np.isfinite(converted).reshape(len(array), -1).all(1)
    if rows.any():
        row = int(rows.argmax())
        raise StudyError(f"{where}: row {row} is not finite in float32; allowed: finite numbers")
    if array.dtype.itemsize > 2 and array.dtype.newbyteorder("=") != np.float32:
        _check_lost(array, converted, where)
    return converted


def _check_lost(array: np.ndarray, converted: np.ndarray, where: str) -> None:
    """StudyError if float32 changes a column by more than MAX_LOST of its range."""
    before = array.reshape(len(array), -1)
    error = np.abs(before - converted.reshape(before.shape).astype(np.float64)).max(0)
    largest = before.max(0).astype(np.longdouble)
    ranges = largest - before.min(0).astype(np.longdouble)
    lost = (error > MAX_LOST * ranges) & (ranges > 0)
    if lost.any():
        column = int(lost.argmax())
        fault = f"column {column} of {array.dtype} loses its differences in float32"
        raise StudyError(f"{where}: {fault}; to fix: subtract its mean in prepare()")


def labels(value: Any, where: str) -> np.ndarray:
    """Whole numbers of any type as int64; StudyError if they are others."""
    array = _array(value, where)
    allowed = "allowed: whole numbers from 0 on"
    if array.dtype.kind not in "buif":
        raise StudyError(f"{where}: got {array.dtype}, such as {array.flat[0]!r:.40}; {allowed}")
    with np.errstate(invalid="ignore"):
        whole = np.ascontiguousarray(array, np.int64)
    wrong = (whole != array).ravel()
    if wrong.any():
        row = int(wrong.argmax())
        raise StudyError(f"{where}: got {array.flat[row]} in row {row}; {allowed}")
    return whole


def targets(value: Any, where: str) -> np.ndarray:
    """Numbers (N,) of any type as float64; StudyError if they are others or not finite."""
    array = _array(value, where)
    allowed = "allowed: a finite number per example"
    if array.dtype.kind not in "uif" or array.ndim != 1:
        got = f"got {array.dtype} of shape {array.shape}"
        raise StudyError(f"{where}: {got}; {allowed}")
    converted = np.ascontiguousarray(array, np.float64)
    wrong = ~np.isfinite(converted)
    if wrong.any():
        row = int(wrong.argmax())
        raise StudyError(f"{where}: got {array[row]} in row {row}; {allowed}")
    return converted


def texts(value: Any, where: str) -> np.ndarray:
    """Texts (N,); StudyError if one is none."""
    array = _array(value, where, object)
    for row, text in enumerate(array.ravel()):
        if not isinstance(text, str):
            raise StudyError(f"{where}: got {text!r:.40} in row {row}; allowed: texts")
    return array
