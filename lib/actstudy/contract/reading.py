"""What a measurement gives: values with intervals, per condition."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

LEVEL = 0.95
LEAST_OF_MEDIAN = 6  # values: the extremes of 5 hold it in 93.75% only
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
    half = float(scipy.stats.t.ppf((1 + LEVEL) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Value(mean, mean - half, mean + half, len(x), unit)


def median_of(values: Sequence[float], unit: str = "") -> Value:
    """The median of independent values with its 95% interval from order statistics.

    ValueError below 6 values, as no pair of them is an interval of that level.
    """
    x = np.sort(np.asarray(values, float))
    n = len(x)
    if n < LEAST_OF_MEDIAN:
        raise ValueError(f"a median has an interval from {LEAST_OF_MEDIAN} values on; got {n}")
    below = max(int(scipy.stats.binom.ppf((1 - LEVEL) / 2, n, 0.5)) - 1, 0)
    return Value(float(np.median(x)), float(x[below]), float(x[n - 1 - below]), n, unit)


def ratio_of(values: Sequence[float], others: Sequence[float], unit: str = "") -> Value:
    """The ratio of two means of pairs with its 95% interval (Fieller 1954, JRSS B 16, 175).

    It holds each r for which 0 is in the t interval of value - r * other; without ends if the mean
    of the others cannot be told from 0.
    """
    x, y = np.asarray(values, float), np.asarray(others, float)
    t = scipy.stats.t.ppf((1 + LEVEL) / 2, len(x) - 1)
    covariance = np.cov(x, y) * t**2 / len(x)
    a = y.mean() ** 2 - covariance[1, 1]
    b = x.mean() * y.mean() - covariance[0, 1]
    c = x.mean() ** 2 - covariance[0, 0]
    ratio = float(x.mean() / y.mean()) if y.mean() else math.inf
    if a <= 0:
        return Value(ratio, -math.inf, math.inf, len(x), unit)
    half = math.sqrt(max(b**2 - a * c, 0.0))
    return Value(ratio, float((b - half) / a), float((b + half) / a), len(x), unit)


def share_of(n_true: int, n: int, unit: str = "") -> Value:
    """The share n_true / n with its 95% Wilson interval (Wilson 1927, JASA 22, 209)."""
    interval = scipy.stats.binomtest(n_true, n).proportion_ci(LEVEL, method="wilson")
    return Value(n_true / n, float(interval.low), float(interval.high), n, unit)
