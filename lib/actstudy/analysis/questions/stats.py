"""Statistics of seeds, the unit of replication: pure functions, arrays in, numbers out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its stats are imported when they are first used: they take half a second
from scipy import special

LEVEL = 0.95  # of confidence intervals
MIN_BCA_VALUES = 20
MIN_RHO_VALUES = 4  # for an interval of a rank correlation
MIDDLE = ["iqm", "iqm_low", "iqm_high"]  # columns of tables


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval and the number of seeds or runs behind it."""

    value: float
    low: float
    high: float
    n: int


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Mean with its two-sided Student t interval, which is unbounded below two values."""
    x = np.asarray(values, dtype=float)
    n = len(x)
    mean = float(x.mean()) if n else np.nan
    if n < 2:
        return Estimate(mean, -np.inf, np.inf, n)
    half = special.stdtrit(n - 1, (1 + level) / 2) * x.std(ddof=1) / np.sqrt(n)
    return Estimate(mean, float(x.mean() - half), float(x.mean() + half), n)


def describe(values: pd.Series) -> dict[str, float]:
    """n, mean, sd (n - 1), min, max of the finite values; sd is missing below two."""
    x = values.to_numpy(dtype=float)
    x = x[np.isfinite(x)]
    row = {"n": len(x), "mean": np.nan, "sd": np.nan, "min": np.nan, "max": np.nan}
    if len(x):
        row |= {"mean": x.mean(), "min": x.min(), "max": x.max()}
    if len(x) > 1:
        row["sd"] = x.std(ddof=1)
    return row


def censored_median(values: Sequence[float | None]) -> float | None:
    """Median of times; None means later than the common end of all runs, as value and as result."""
    times = np.sort([np.inf if value is None else value for value in values])
    n = len(times)
    if not n:
        return None
    median = float(times[(n - 1) // 2] + times[n // 2]) / 2
    return median if np.isfinite(median) else None


def spearman(x: Sequence[float], y: Sequence[float], level: float = LEVEL) -> Estimate:
    """Spearman's rho with Fisher's z interval: z = atanh(rho), variance (1 + rho^2 / 2) / (n - 3).

    The variance is Bonett and Wright's (2000, doi:10.1007/BF02294183). For |rho| = 1 the interval
    uses a value half a step below, 1 - 6 / (n^3 - n), because z would be infinite. rho is missing
    if x or y does not vary; the interval also below MIN_RHO_VALUES values.
    """
    n = len(x)
    if n < 2 or len(set(x)) < 2 or len(set(y)) < 2:
        return Estimate(np.nan, np.nan, np.nan, n)
    rho = float(np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))[0, 1])
    if n < MIN_RHO_VALUES:
        return Estimate(rho, np.nan, np.nan, n)
    limit = 1 - 6 / (n**3 - n)
    z = np.arctanh(np.clip(rho, -limit, limit))
    half = np.sqrt((1 + rho**2 / 2) / (n - 3))
    half *= scipy.stats.norm.ppf((1 + level) / 2)
    low = min(rho, float(np.tanh(z - half)))
    high = max(rho, float(np.tanh(z + half)))
    return Estimate(rho, low, high, n)


def interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean of the middle half: a quarter of the values, rounded down, is cut off at each end."""
    return np.asarray(scipy.stats.trim_mean(values, 0.25, axis=axis))


def bca_interval(
    values: Sequence[float],
    statistic: Callable[..., np.ndarray],
    rng: np.random.Generator,
    level: float = LEVEL,
) -> Estimate:
    """statistic(values, axis) with its BCa bootstrap interval (DiCiccio and Efron 1996).

    For statistics without a Student t interval (doi:10.1214/ss/1032280214). ValueError below
    MIN_BCA_VALUES values, because the interval covers less than its level there.
    """
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n < MIN_BCA_VALUES:
        raise ValueError(f"values: got {n}; allowed: at least {MIN_BCA_VALUES} for a BCa interval")
    value = float(statistic(x, axis=-1))
    if np.ptp(x) == 0:  # every resample is the sample
        return Estimate(value, value, value, n)
    resampled = scipy.stats.bootstrap(
        (x,), statistic, confidence_level=level, n_resamples=9_999, method="BCa", rng=rng
    )
    low, high = resampled.confidence_interval
    return Estimate(value, float(low), float(high), n)


def middle(values: pd.Series, rng: np.random.Generator) -> dict[str, float]:
    """Interquartile mean of the finite values and its BCa interval, columns MIDDLE.

    All three are missing below MIN_BCA_VALUES values.
    """
    x = values[np.isfinite(values)]
    if len(x) < MIN_BCA_VALUES:
        return dict.fromkeys(MIDDLE, np.nan)
    iqm = bca_interval(x.tolist(), interquartile_mean, rng)
    return dict(zip(MIDDLE, (iqm.value, iqm.low, iqm.high), strict=True))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test; the counts are of pairs in which only one side is so."""
    discordant = only_first + only_second
    if not discordant:
        return 1.0
    return float(scipy.stats.binomtest(only_first, discordant).pvalue)


def paired_test_error(
    differences: Sequence[float], weights: Sequence[float] | None = None
) -> float:
    """Standard error, over N test examples, of sum(differences) / sum(weights).

    It says what another test set would change. differences: per example, of two methods, seeds
    averaged. weights: 1 each (then sd / sqrt(N)) or, for documents, their words: linearised ratio
    estimator, sqrt(N / (N - 1) sum (d - ratio w)^2) / sum w (Cochran 1977). Missing below two.
    """
    d = np.asarray(differences, dtype=float)
    w = np.ones(len(d)) if weights is None else np.asarray(weights, dtype=float)
    if len(d) < 2:
        return np.nan
    residuals = d - d.sum() / w.sum() * w
    return float(np.sqrt(len(d) / (len(d) - 1) * (residuals**2).sum()) / w.sum())
