"""Welch's comparison of two independent samples, from their n, mean and sd; arrays broadcast.

Welch 1947, doi:10.1093/biomet/34.1-2.28.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from actstudy.analysis.questions.power import MAX_MORE_SEEDS, detectable, upper_sd

MIN_RUNS = 5  # of either side; below there is no verdict


class Side(NamedTuple):
    """One sample, or an array of them: n runs with their mean and sd (divisor n - 1)."""

    n: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Side":
        """The side of one sample; the sd is missing below two runs."""
        n = len(values)
        sd = values.std(ddof=1) if n > 1 else np.nan
        return cls(np.array(n), np.array(values.mean() if n else np.nan), np.array(sd))


class Difference(NamedTuple):
    """The difference of two means, its standard error and its degrees of freedom."""

    mean: np.ndarray
    error: np.ndarray
    df: np.ndarray


def difference(first: Side, second: Side) -> Difference:
    """First minus second, with Welch and Satterthwaite's degrees of freedom.

    These are those of the smaller side if neither varies.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        first_part = np.square(first.sd) / first.n
        second_part = np.square(second.sd) / second.n
        total = first_part + second_part
        below = np.square(first_part) / (first.n - 1) + np.square(second_part) / (second.n - 1)
        df = np.where(total > 0, np.square(total) / below, np.minimum(first.n, second.n) - 1.0)
    return Difference(np.asarray(first.mean - second.mean), np.sqrt(total), np.asarray(df))


def one_sided(seen: Difference, above: np.ndarray | float = 0.0) -> np.ndarray:
    """p of the t test that the difference is larger than `above`; without noise 0 or 1."""
    room = seen.mean - above
    t = room / np.where(seen.error > 0, seen.error, 1)
    return np.asarray(np.where(seen.error > 0, special.stdtr(seen.df, -t), room <= 0))


def two_sided(seen: Difference) -> np.ndarray:
    """p of the t test that there is a difference."""
    size = seen._replace(mean=np.abs(seen.mean))
    return np.minimum(1.0, 2 * one_sided(size))


def equivalence(seen: Difference, margin: float) -> np.ndarray:
    """The larger p of two one-sided tests that the difference is inside the margin."""
    return one_sided(seen._replace(mean=-np.abs(seen.mean)), -margin)


def half_width(seen: Difference, level: float) -> np.ndarray:
    """Half of the two-sided t interval of a level such as 0.95."""
    return np.asarray(special.stdtrit(seen.df, (1 + level) / 2) * seen.error)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p of a family, in its order (Holm 1979, Scand. J. Statist. 6, 65-70)."""
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(steps)
    return np.minimum(adjusted, 1.0)


def more_runs(first: Side, second: Side, size: float, level: float) -> int | None:
    """The smallest k >= 1 with which k more runs of both sides detect a difference of a size.

    With power 0.8 at a two-sided level. Both sd are replaced by their upper limits, as in
    `power.more_seeds`. None above MAX_MORE_SEEDS; without an sd what a verdict takes at least.
    """
    least = int(min(first.n, second.n))
    if least < 2:
        return max(1, MIN_RUNS - least)
    if size == 0:
        return None
    sds = [upper_sd(float(side.sd), int(side.n)) for side in (first, second)]
    for k in range(max(1, MIN_RUNS - least), MAX_MORE_SEEDS + 1):
        grown = difference(
            Side(first.n + k, first.mean, np.array(sds[0])),
            Side(second.n + k, second.mean, np.array(sds[1])),
        )
        seeds = int(grown.df) + 1
        if detectable(seeds, level) * np.sqrt(seeds) * grown.error <= size:
            return k
    return None


def visible_difference(first: Side, second: Side, runs: int, level: float) -> float:
    """The difference that so many runs of either side detect with power 0.8, at upper sds."""
    if min(first.n, second.n) < 2:
        return np.nan
    sds = [np.array(upper_sd(float(side.sd), int(side.n))) for side in (first, second)]
    n = np.array(runs)
    grown = difference(Side(n, first.mean, sds[0]), Side(n, second.mean, sds[1]))
    seeds = int(grown.df) + 1
    return float(detectable(seeds, level) * np.sqrt(seeds) * grown.error)
