"""The best of k trials: pure functions, arrays in, numbers out; larger is better everywhere."""

import numpy as np
from scipy import special

from actstudy.analysis.questions.stats import LEVEL

RESAMPLES = 1_000
AT_ONCE = 50  # resamples, so that arrays stay small


def expected_best(val: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The mean test value of the best on val of k trials, over all subsets of k of N, k = 1 to N.

    E_k = sum_i test_i (C(N - b_i, k) - C(N - b_i - e_i, k)) / (e_i C(N, k)), of which b_i trials
    are better than trial i on val and e_i are as good, itself among them: one of equal trials is
    drawn. val, test: (..., N); returns (..., N). Subsets are without replacement, so that it is
    exact; with replacement (Dodge et al. 2019, doi:10.18653/v1/D19-1224) it is biased (Tang et al.
    2020, doi:10.18653/v1/2020.acl-main.246). Minus infinity is worse than any number.
    """
    n = val.shape[-1]
    better = (val[..., None, :] > val[..., :, None]).sum(axis=-1)
    equal = (val[..., None, :] == val[..., :, None]).sum(axis=-1)
    share = share_of_subsets(n)
    weights = (share[:, n - better] - share[:, n - better - equal]) / equal  # (k, ..., trial)
    terms = np.where(weights > 0, weights * np.where(weights > 0, test, 0.0), 0.0)
    return np.moveaxis(terms.sum(axis=-1), 0, -1)


def share_of_subsets(n: int) -> np.ndarray:
    """C(m, k) / C(n, k), the share of subsets of k of n that avoid n - m of them, (k, m).

    k = 1 to n in rows, m = 0 to n in columns.
    """
    k = np.arange(1, n + 1)[:, None]
    m = np.arange(n + 1)[None, :]
    logarithm = special.gammaln(m + 1) - special.gammaln(np.maximum(m - k, 0) + 1)
    logarithm = logarithm - special.gammaln(n + 1) + special.gammaln(n - k + 1)
    return np.where(m >= k, np.exp(logarithm), 0.0)


def resampled_interval(
    val: np.ndarray, test: np.ndarray, rng: np.random.Generator, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the percentile interval of the mean of `expected_best` over seeds, each (N,).

    val, test: (seeds, N). Seeds and trials are drawn with replacement; docs/statistics.md has how
    often it covers.
    """
    seeds, n = val.shape
    curves = []
    for _ in range(RESAMPLES // AT_ONCE):
        rows = rng.integers(0, seeds, (AT_ONCE, seeds, 1))
        columns = rng.integers(0, n, (AT_ONCE, 1, n))
        curves += list(expected_best(val[rows, columns], test[rows, columns]).mean(axis=1))
    tail = (1 - level) / 2
    low, high = np.quantile(curves, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return low, high
