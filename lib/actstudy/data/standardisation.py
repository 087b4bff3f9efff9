"""Mean and sd of the train split, by which a model's inputs are standardised."""

from typing import Any

import numpy as np

from actstudy.contract.errors import StudyError

MAX_RATIO = 100  # of the columns' sd, and of their ranges, that one mean and sd may serve


def statistics(x: np.ndarray, kind: str) -> dict[str, Any]:
    """Mean and sd of all values of x (N, ...); of several channels of images, of each.

    The latter as lists of shape (C, 1, 1). Of a table: of each column, as lists of an example's
    shape. What is constant has an sd of 1.
    """
    if kind == "table":
        return column_statistics(x)
    if x.ndim < 4 or x.shape[1] == 1:
        mean, sd = moments(x)
        return {"mean": mean, "sd": sd}
    means = []
    sds = []
    for channel in range(x.shape[1]):
        mean, sd = moments(x[:, channel])
        means.append([[mean]])
        sds.append([[sd]])
    return {"mean": means, "sd": sds}


def column_statistics(x: np.ndarray) -> dict[str, Any]:
    """Mean and sd of each column of x (N, ...)."""
    constant = x.min(0) == x.max(0)
    mean = np.where(constant, x[0], x.mean(0, dtype=np.float64))
    sd = np.where(constant, 1.0, x.std(0, dtype=np.float64))
    return {"mean": mean.tolist(), "sd": sd.tolist()}


def moments(x: np.ndarray) -> tuple[float, float]:
    """Mean and sd of all values, an sd of 1 if they are equal.

    Those of uint8 come from their counts: exact, and without a float copy of many gigabytes.
    """
    if x.min() == x.max():
        return float(x.flat[0]), 1.0
    if x.dtype != np.uint8:
        return float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64))
    levels = np.arange(256)
    parts = np.array_split(x, -(-len(x) // 4096))
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in parts)
    mean = float(np.average(levels, weights=counts))
    variance = np.average((levels - mean) ** 2, weights=counts)
    return mean, float(np.sqrt(variance))


def check_scales(x: np.ndarray, where: str) -> None:
    """StudyError if one mean and sd for all values would drown columns of x (N, ...).

    A column counts by its sd and by its range, so that neither rare values nor single far ones
    look like another scale. Constant columns do not count.
    """
    columns = x.reshape(len(x), -1)
    ranges = np.ptp(columns, 0).astype(np.float64)
    varying = np.flatnonzero(ranges)
    sds = columns[:, varying].std(0, dtype=np.float64)
    if not len(varying) or _ratio(sds) <= MAX_RATIO or _ratio(ranges[varying]) <= MAX_RATIO:
        return
    large = varying[sds.argmax()]
    small = varying[sds.argmin()]
    fault = f"column {large} has {_ratio(sds):,.0f} times the sd of column {small}"
    reason = "kind signals standardises all columns by one mean and sd"
    raise StudyError(f"{where}: x: {fault}; {reason}; allowed: kind table, each by its own")


def _ratio(values: np.ndarray) -> float:
    return float(values.max() / values.min())


def target_statistics(y: np.ndarray) -> dict[str, float]:
    """Mean and sd of the numbers y (N,) that a regression predicts, which are not all equal."""
    return {"target_mean": float(y.mean()), "target_sd": float(y.std())}
