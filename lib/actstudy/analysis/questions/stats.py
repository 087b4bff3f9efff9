"""Statistics of seeds: pure functions, arrays in, numbers out. The seed is the unit of replication."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

FEWEST_BCA = 20  # values
MIDDLE = ["iqm", "iqm_low", "iqm_high"]  # columns of tables


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
    return Correlation(
        rho, min(rho, float(np.tanh(z - half))), max(rho, float(np.tanh(z + half))), n
    )


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval and the number of seeds behind it."""

    value: float
    low: float
    high: float
    n: int


def interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean of the middle half: a quarter of the values, rounded down, cut off at each end."""
    return np.asarray(stats.trim_mean(values, 0.25, axis=axis))


def bca_interval(
    values: Sequence[float],
    statistic: Callable[..., np.ndarray],
    rng: np.random.Generator,
    level: float = 0.95,
) -> Estimate:
    """statistic(values, axis) with its BCa bootstrap interval (DiCiccio and Efron 1996, doi:10.1214/ss/1032280214).

    For statistics without a Student t interval. Refused below 20 values: there it covers less than it says.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < FEWEST_BCA:
        raise ValueError(f"values: got {len(x)}; allowed: at least {FEWEST_BCA} for a BCa interval")
    value = float(statistic(x, axis=-1))
    if np.ptp(x) == 0:  # every resample is the sample
        return Estimate(value, value, value, len(x))
    made = stats.bootstrap(
        (x,), statistic, confidence_level=level, n_resamples=9_999, method="BCa", rng=rng
    )
    return Estimate(
        value, float(made.confidence_interval.low), float(made.confidence_interval.high), len(x)
    )


def middle(values: pd.Series, rng: np.random.Generator) -> dict[str, float]:
    """Interquartile mean of the finite values and its BCa interval, columns MIDDLE; missing below FEWEST_BCA."""
    x = values.dropna()
    if len(x) < FEWEST_BCA:
        return dict.fromkeys(MIDDLE, np.nan)
    made = bca_interval(x.tolist(), interquartile_mean, rng)
    return dict(zip(MIDDLE, (made.value, made.low, made.high), strict=True))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test, from how many pairs only the first, and only the second, is so."""
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def win_probability(differences: Sequence[float], level: float = 0.95) -> Estimate:
    """Share of seeds with a positive difference, a tie counting half, with Wilson's (1927) interval of a proportion."""
    x = np.asarray(differences, dtype=float)
    n = len(x)
    if not n:
        return Estimate(np.nan, 0.0, 1.0, 0)
    share, z = ((x > 0).sum() + (x == 0).sum() / 2) / n, stats.norm.ppf((1 + level) / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Estimate(float(share), max(0.0, float(middle - half)), min(1.0, float(middle + half)), n)


def front_probability(
    cost: np.ndarray, gain: np.ndarray, rng: np.random.Generator, draws: int = 2_000
) -> np.ndarray:
    """Each cell's share, (K,), of bootstrap draws in which it is on the Pareto front; cost and gain of shape (n, K).

    A draw takes n seeds with replacement, the same for all cells and for both; median cost, mean gain, as in `pareto`.
    """
    picked = rng.integers(len(cost), size=(draws, len(cost)))
    costs, gains = np.median(cost[picked], axis=1), gain[picked].mean(axis=1)
    return np.asarray(
        np.mean([pareto_front(c, g) for c, g in zip(costs, gains, strict=True)], axis=0)
    )


def paired_test_error(
    differences: Sequence[float], weights: Sequence[float] | None = None
) -> float:
    """Standard error, over test examples, of sum(differences) / sum(weights): what another test set would change.

    differences: an example's difference of two methods, seeds averaged. weights: 1 each (then sd / sqrt(N)) or, for
    documents, their words: linearised ratio estimator, sqrt(N / (N - 1) sum (d - ratio w)^2) / sum w (Cochran 1977).
    """
    d = np.asarray(differences, dtype=float)
    w = np.ones(len(d)) if weights is None else np.asarray(weights, dtype=float)
    if len(d) < 2:
        return np.nan
    residuals = d - d.sum() / w.sum() * w
    return float(np.sqrt(len(d) / (len(d) - 1) * (residuals**2).sum()) / w.sum())
