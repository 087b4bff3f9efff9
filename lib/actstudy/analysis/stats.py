"""Statistics of seeds: pure functions, arrays in, numbers out. The seed is the unit of replication."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """An estimate of a mean with its confidence interval and the number of seeds behind it."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its confidence interval and the number of runs behind it."""

    rho: float
    low: float
    high: float
    n: int


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean and two-sided Student t interval; unbounded below two values."""
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        return Interval(float(x.mean()) if len(x) else np.nan, -np.inf, np.inf, len(x))
    half = stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return Interval(float(x.mean()), float(x.mean() - half), float(x.mean() + half), len(x))


def describe(values: pd.Series) -> dict[str, float]:
    """n, mean, sd (n - 1), min, max of the finite values; sd is missing below two."""
    x = values.dropna()
    return {"n": len(x), "mean": x.mean(), "sd": x.std(ddof=1), "min": x.min(), "max": x.max()}


def censored_median(values: Sequence[float | None]) -> float | None:
    """Median of times, None being later than the common end of all runs; None where the median lies there too."""
    times = np.sort([np.inf if value is None else value for value in values])
    if not len(times):
        return None
    middle = float(times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
    return middle if np.isfinite(middle) else None


def pareto_front(cost_low: Sequence[float], gain_high: Sequence[float]) -> np.ndarray:
    """Mask of the points that no other dominates: no worse on both and better on one."""
    cost, gain = np.asarray(cost_low, dtype=float), np.asarray(gain_high, dtype=float)
    no_worse = (cost[None] <= cost[:, None]) & (gain[None] >= gain[:, None])
    better = (cost[None] < cost[:, None]) | (gain[None] > gain[:, None])
    return np.asarray(~(no_worse & better).any(axis=1))


def spearman(x: Sequence[float], y: Sequence[float], level: float = 0.95) -> Correlation:
    """Spearman's rho with Fisher's z interval: z = atanh(rho), variance (1 + rho^2 / 2) / (n - 3).

    The variance is Bonett and Wright's (2000, doi:10.1007/BF02294183). A perfect rho of few values is none of many:
    the interval's z is that of half a step below, 1 - 6 / (n^3 - n). rho is missing where x or y does not vary, the
    interval too and below four values.
    """
    n = len(x)
    if n < 2 or len(set(x)) < 2 or len(set(y)) < 2:
        return Correlation(np.nan, np.nan, np.nan, n)
    rho = float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
    if n < 4:
        return Correlation(rho, np.nan, np.nan, n)
    most = 1 - 6 / (n**3 - n)
    z, half = np.arctanh(np.clip(rho, -most, most)), np.sqrt((1 + rho**2 / 2) / (n - 3))
    half *= stats.norm.ppf((1 + level) / 2)
    return Correlation(rho, min(rho, float(np.tanh(z - half))), max(rho, float(np.tanh(z + half))), n)
