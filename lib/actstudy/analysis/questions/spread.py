"""How far apart runs and levels lie: standard deviations and typical sizes with intervals.

Pure functions, arrays in, numbers out. All assume normal values; docs/statistics.md has how often
the intervals cover. y is of shape (n seeds, levels): row s holds the runs of seed s.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy
from scipy import special

from actstudy.analysis.questions.stats import LEVEL, Estimate, mean_interval


def typical_size(differences: Sequence[float], level: float = LEVEL) -> Estimate:
    """The root mean square of differences, one per seed, with its interval.

    The target is sqrt(mu^2 + sigma^2) of normal differences. Its square is a sum, so the intervals
    of its two parts (t of the mean, chi-square of the variance) are joined by the method of
    variance estimates recovery (Zou and Donner 2008, doi:10.1002/sim.3095). A bootstrap over seeds
    covers far less with few seeds (docs/statistics.md). Unbounded below two differences.
    """
    x = np.asarray(differences, dtype=float)
    n = len(x)
    if n < 2:
        value = float(abs(x[0])) if n else np.nan
        return Estimate(value, 0.0, np.inf, n)
    mean = mean_interval(differences, level)
    half = mean.high - mean.value
    square = mean.value**2
    nearest = max(0.0, abs(mean.value) - half) ** 2
    farthest = (abs(mean.value) + half) ** 2
    spread = sd_of_squares(float(((x - x.mean()) ** 2).sum()), n - 1, level)
    variance = spread.value**2
    total = float((x**2).mean())
    low = total - np.hypot(square - nearest, variance - spread.low**2)
    high = total + np.hypot(farthest - square, spread.high**2 - variance)
    return Estimate(float(np.sqrt(total)), float(np.sqrt(max(0.0, low))), float(np.sqrt(high)), n)


def sd_of_squares(total: float, df: int, level: float = LEVEL) -> Estimate:
    """sqrt(total / df), a standard deviation, with its chi-square interval; n is df + 1.

    total: a sum of squares around means, of normal values; df: its degrees of freedom. Missing
    without any.
    """
    if df < 1:
        return Estimate(np.nan, 0.0, np.inf, df + 1)
    # chdtri takes the upper tail
    low = np.sqrt(total / special.chdtri(df, (1 - level) / 2))
    high = np.sqrt(total / special.chdtri(df, (1 + level) / 2))
    return Estimate(float(np.sqrt(total / df)), float(low), float(high), df + 1)


def sd_of_effects(y: np.ndarray, basis: np.ndarray, level: float = LEVEL) -> Estimate:
    """The standard deviation of some effects of levels, seed by seed, with its interval.

    basis: orthonormal columns (levels, k) that span the effects: k = levels - 1 for all
    differences between levels, which gives sqrt(sum (f - mean f)^2 / (levels - 1)) of their true
    means f. By the method of moments; what the levels do differently with each seed is the error,
    with k (n - 1) degrees of freedom. The interval holds all lengths within a ball around the means
    (F distribution); for two levels it is Student's t interval of their difference. It reaches
    down to 0 unless the levels differ. The value is missing below two seeds.
    """
    z = y @ basis
    n, k = z.shape
    if n < 2 or not k:
        return Estimate(np.nan, 0.0, np.inf, n)
    mean = z.mean(axis=0)
    length = float(np.sqrt((mean**2).sum()))
    error = float(((z - mean) ** 2).sum()) / (k * (n - 1))
    radius = np.sqrt(k * scipy.stats.f.ppf(level, k, k * (n - 1)) * error / n)
    value = np.sqrt(max(0.0, length**2 / k - error / n))
    low = max(0.0, length - radius)
    return Estimate(float(value), float(low / np.sqrt(k)), float((length + radius) / np.sqrt(k)), n)


def sd_of_levels(y: np.ndarray, level: float = LEVEL) -> Estimate:
    """The standard deviation of the true means of levels, as `sd_of_effects` has it."""
    return sd_of_effects(y, contrasts_of(y.shape[1]), level)


def sd_of_source(y: np.ndarray, axes: Sequence[int], level: float = LEVEL) -> Estimate:
    """The standard deviation of a main effect, or an interaction, of a crossed design.

    y: of shape (n seeds, levels of the first axis, of the second, ...); axes: those of the source,
    1 for the first one. The others are averaged over first. Of an interaction it is sqrt(sum of
    squared effects / degrees of freedom), as `sd_of_effects` has it.
    """
    others = tuple(axis for axis in range(1, y.ndim) if axis not in axes)
    means = y.mean(axis=others)
    basis = np.ones((1, 1))
    for levels in means.shape[1:]:
        basis = np.kron(basis, contrasts_of(levels))
    return sd_of_effects(means.reshape(len(means), -1), basis, level)


def contrasts_of(n: int) -> np.ndarray:
    """Orthonormal columns (n, n - 1) that span all differences between n levels (Helmert)."""
    columns = np.zeros((n, max(0, n - 1)))
    for place in range(1, n):
        columns[:place, place - 1] = 1
        columns[place, place - 1] = -place
        columns[:, place - 1] /= np.sqrt(place * (place + 1))
    return columns


def mean_squares(y: np.ndarray) -> tuple[float, float, int]:
    """Mean square of seeds, that of the residual, and the residual's degrees of freedom.

    The residual is what is left of y (n, levels) without the means of its rows and columns; its
    mean square is missing if nothing is left.
    """
    n, levels = y.shape
    rows = y.mean(axis=1)
    of_seeds = levels * float(rows.var(ddof=1))
    residual = y - rows[:, None] - y.mean(axis=0) + y.mean()
    df = (n - 1) * (levels - 1)
    return of_seeds, float((residual**2).sum()) / df if df else np.nan, df


def sd_of_residual(y: np.ndarray, level: float = LEVEL) -> Estimate:
    """The standard deviation of what neither seed nor level explains, with its interval."""
    n, levels = y.shape
    if n < 2 or levels < 2:
        return Estimate(np.nan, 0.0, np.inf, n)
    _, square, df = mean_squares(y)
    return dataclasses.replace(sd_of_squares(square * df, df, level), n=n)


def sd_of_seeds(y: np.ndarray, level: float = LEVEL) -> Estimate:
    """The standard deviation of what all runs of a seed share, with its interval.

    (mean square of seeds - that of the residual) / levels, by the method of moments, and Ting et
    al.'s (1990, doi:10.1080/00949659008811240) interval of such a difference; the square root of
    both, 0 for what is negative. Missing below two seeds or two levels.
    """
    n, levels = y.shape
    if n < 2 or levels < 2:
        return Estimate(np.nan, 0.0, np.inf, n)
    first, second, df = mean_squares(y)
    tail = (1 - level) / 2
    down = _margin_of_difference(first, second, n - 1, df, tail)
    up = _margin_of_difference(second, first, df, n - 1, tail)
    variances = np.array([first - second, first - second - down, first - second + up]) / levels
    value, low, high = np.sqrt(np.maximum(0.0, variances))
    return Estimate(float(value), float(low), float(high), n)


def _margin_of_difference(first: float, second: float, df1: int, df2: int, tail: float) -> float:
    """How far below first - second, two mean squares, the lower limit of that difference lies."""
    f = scipy.stats.f.isf(tail, df1, df2)
    below = 1 - df1 / special.chdtri(df1, tail)
    above = df2 / special.chdtri(df2, 1 - tail) - 1
    mixed = ((f - 1) ** 2 - below**2 * f**2 - above**2) / f
    square = (below * first) ** 2 + (above * second) ** 2 + mixed * first * second
    return float(np.sqrt(max(0.0, square)))


def sd_within(y: np.ndarray, level: float = LEVEL) -> Estimate:
    """The standard deviation over seeds within a level, the same for all, with its interval.

    Its square is (mean square of seeds + (levels - 1) that of the residual) / levels; the interval
    of such a sum is Graybill and Wang's (1980, doi:10.1080/01621459.1980.10477565). Missing below
    two seeds.
    """
    n, levels = y.shape
    if n < 2:
        return Estimate(np.nan, 0.0, np.inf, n)
    first, second, df = mean_squares(y)
    parts = [(first / levels, n - 1)]
    if df:
        parts.append((second * (levels - 1) / levels, df))
    tail = (1 - level) / 2
    down = up = 0.0
    for size, own_df in parts:
        down += (size * (1 - own_df / special.chdtri(own_df, tail))) ** 2
        up += (size * (own_df / special.chdtri(own_df, 1 - tail) - 1)) ** 2
    total = sum(size for size, _ in parts)
    low = np.sqrt(max(0.0, total - np.sqrt(down)))
    return Estimate(float(np.sqrt(total)), float(low), float(np.sqrt(total + np.sqrt(up))), n)
