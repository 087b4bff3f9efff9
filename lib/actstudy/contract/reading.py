"""What a measurement gives: values with intervals, per condition."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
YES_NO = "yes/no"  # the unit of a value that is 1 for yes and 0 for no


class Absent(ValueError):
    """What a measurement needs and does not have, in one line: its claim is not measurable here."""


@dataclass(frozen=True)
class Value:
    """A measured number, the ends of its interval, and the samples behind it.

    Without an interval low and high are the value. n = 0: computed, not sampled.
    """

    value: float
    low: float
    high: float
    n: int = 0
    unit: str = ""


@dataclass(frozen=True)
class Reading:
    """Values by name, and the condition that they hold for, if there are several."""

    values: dict[str, Value]
    condition: str = ""


def exact(value: float, unit: str = "", n: int = 0) -> Value:
    """A number without an interval; n: samples that it is the extreme of, if any.

    True and False have the unit YES_NO.
    """
    unit = YES_NO if isinstance(value, (bool, np.bool_)) else unit
    return Value(float(value), float(value), float(value), n, unit)


def mean_of(values: Sequence[float], unit: str = "") -> Value:
    """The mean of independent values with its 95% t interval; none finite gives NaN."""
    x = np.asarray(values, float)
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return Value(mean, mean, mean, len(x), unit)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Value(mean, mean - half, mean + half, len(x), unit)


def median_of(values: Sequence[float], unit: str = "") -> Value:
    """The median of independent values with its 95% interval from order statistics.

    Below 6 values no pair of them is an interval of that level: the ends are the extremes.
    """
    x = np.sort(np.asarray(values, float))
    n = len(x)
    below = max(int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5)) - 1, 0)
    return Value(float(np.median(x)), float(x[below]), float(x[n - 1 - below]), n, unit)


def share_of(n_true: int, n: int, unit: str = "") -> Value:
    """The share n_true / n with its 95% Wilson interval (Wilson 1927, JASA 22, 209)."""
    interval = stats.binomtest(n_true, n).proportion_ci(LEVEL, method="wilson")
    return Value(n_true / n, float(interval.low), float(interval.high), n, unit)
