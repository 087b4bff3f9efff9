"""Do two studies order the same levels alike? Kendall's tau-b of their means, seeds resampled."""

import itertools

import numpy as np
import scipy.stats

from actstudy.analysis.questions.stats import LEVEL, Estimate

MIN_LEVELS = 3  # of two there is one order or its reverse
RESAMPLES = 2_000
MAX_EXACT = 7  # levels of which all orders are taken


def agreement(
    first: np.ndarray, other: np.ndarray, rng: np.random.Generator, level: float = LEVEL
) -> Estimate:
    """Kendall's tau-b of the mean gains of K levels in two studies, with a bootstrap interval.

    first, other: gains (seeds, K), missing where a run does not count; the studies may have other
    seeds. Seeds are drawn with replacement in each study by itself, all levels of a seed together;
    the interval has the percentiles of tau. Noise lowers tau, so that the interval covers less than
    it promises if levels hardly differ (docs/statistics.md). n: the seeds of the smaller study.
    tau-b (Kendall 1945, doi:10.1093/biomet/33.3.239) is missing if all levels of a study tie.
    """
    n = min(len(first), len(other))
    value = float(tau(np.nanmean(first, axis=0), np.nanmean(other, axis=0)))
    if n < 2:
        return Estimate(value, np.nan, np.nan, n)
    means = [resampled_means(gains, rng) for gains in (first, other)]
    drawn = tau(*means)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Estimate(value, np.nan, np.nan, n)
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n)


def tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of orders (..., K); missing if a value is, or if either has ties alone."""
    signs = np.sign(a[..., :, None] - a[..., None, :])
    others = np.sign(b[..., :, None] - b[..., None, :])
    untied = np.sqrt((signs**2).sum(axis=(-2, -1)) * (others**2).sum(axis=(-2, -1)))
    agreeing = (signs * others).sum(axis=(-2, -1))
    return np.divide(agreeing, untied, out=np.full(untied.shape, np.nan), where=untied > 0)


def chance_p(first: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> float:
    """The share of orders of K levels whose tau with `first` reaches that of `other`, exactly.

    first, other: mean gains (K,). It is the p-value of "the order in one study says nothing of that
    in the other"; above MAX_EXACT levels of the observed order and random ones. Missing if tau is.
    For it to be a p-value, all orders must be equally likely in one of the studies, whatever the
    other's: without true differences that takes levels that are equally noisy there, and studies
    that share neither seeds nor test data. Otherwise it is too small too often.
    """
    observed = tau(first, other)
    if not np.isfinite(observed):
        return np.nan
    if len(first) <= MAX_EXACT:
        places = np.array(list(itertools.permutations(range(len(first)))))
    else:
        random = [rng.permutation(len(first)) for _ in range(RESAMPLES)]
        places = np.array([np.arange(len(first)), *random])
    signs = np.sign(first[:, None] - first[None, :])
    orders = other[places]
    sums = (signs * np.sign(orders[:, :, None] - orders[:, None, :])).sum(axis=(1, 2))
    return float((sums >= (signs * np.sign(other[:, None] - other[None, :])).sum()).mean())


def resampled_means(gains: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means over seeds that are drawn with replacement, (RESAMPLES, K); missing without a value."""
    n = len(gains)
    rows = rng.integers(0, n, (RESAMPLES, n))
    known = np.isfinite(gains)
    sums = np.nan_to_num(gains)[rows].sum(axis=1)
    counts = known[rows].sum(axis=1)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def share(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """A share with Wilson's interval (1927, doi:10.1080/01621459.1927.10502953)."""
    if not n:
        return Estimate(np.nan, 0.0, 1.0, 0)
    interval = scipy.stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n)
