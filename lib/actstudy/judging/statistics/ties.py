"""Which levels cannot be separated from the best, and which rank each may have.

A level leaves the tie group if another one is better by at least the margin, by a one-sided t test
at 5% / (K - 1): the rule of `choice`, for runs that share seeds, are independent, or are known by
their summaries. A difference that has the other sign with collapsed runs separates nothing. The
truly best of K levels is then in the group in at least 95% of all cases. A level is surely above
another one if the one-sided test says so after Holm's method over all K (K - 1) such tests: with
95% all rank intervals hold at once (Al Mohamad, Goeman and van Zwet 2022,
doi:10.1093/biomet/asab029, for tests in place of Tukey's).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actstudy.analysis.questions.choice import (
    LEVEL,
    MIN_PAIRS,
    level_of_tests,
    paired_means,
)
from actstudy.judging.statistics import welch
from actstudy.judging.statistics.welch import Difference, Side


@dataclass(frozen=True)
class Comparisons:
    """Every level against every other: differences of gains, each (K, K), positive if i is better.

    n: pairs, or runs of the smaller side. means, counts: gain and runs of each level, (K,).
    every: mean differences with collapsed runs at their own value, (K, K), missing if unknown.
    """

    difference: Difference
    n: np.ndarray
    means: np.ndarray
    counts: np.ndarray
    every: np.ndarray

    @property
    def best(self) -> int:
        """The place of the level with the largest mean gain of those that have runs."""
        return int(np.where(self.counts > 0, self.means, -np.inf).argmax())

    @property
    def p(self) -> np.ndarray:
        """p of the one-sided tests that level i is better than level j.

        1 below MIN_PAIRS, or if with collapsed runs the difference has the other sign.
        """
        known = Difference(*(np.nan_to_num(part, nan=0.0) for part in self.difference))
        p = welch.one_sided(known._replace(df=np.maximum(known.df, 1.0)))
        enough = (self.n >= MIN_PAIRS) & ~np.eye(len(self.n), dtype=bool)
        enough &= ~(self.every < 0)
        return np.asarray(np.where(enough, p, 1.0))


def of_pairs(x: np.ndarray, every: np.ndarray | None = None) -> Comparisons:
    """Levels whose runs share seeds; x: gains (seeds, K), missing if a run has none.

    every: the same with collapsed runs at their own value, if any collapsed.
    """
    n, mean, error = paired_means(x)
    count = np.maximum(n, 2)
    counts = np.isfinite(x).sum(axis=0)
    means = np.nansum(x, axis=0) / np.maximum(counts, 1)
    of_all = mean if every is None else paired_means(every)[1]
    return Comparisons(Difference(mean, error, count - 1.0), n, means, counts, of_all)


def of_sides(sides: Sequence[Side], every: np.ndarray | None = None) -> Comparisons:
    """Levels whose runs are independent, or of which n, mean and sd of the gains are known.

    every: the mean gain of all runs of each level, (K,), collapsed ones too, if any collapsed.
    """
    n, mean, sd = (np.array(column, dtype=float) for column in zip(*sides, strict=True))
    first = Side(n[:, None], mean[:, None], sd[:, None])
    second = Side(n[None, :], mean[None, :], sd[None, :])
    difference = welch.difference(first, second)
    of_all = difference.mean if every is None else every[:, None] - every[None, :]
    return Comparisons(difference, np.minimum(first.n, second.n), mean, n, of_all)


def of_levels(comparisons: Comparisons, places: Sequence[int]) -> Comparisons:
    """The comparisons among some of the levels."""
    both = np.ix_(places, places)
    difference = Difference(*(part[both] for part in comparisons.difference))
    own = list(places)
    return Comparisons(
        difference,
        comparisons.n[both],
        comparisons.means[own],
        comparisons.counts[own],
        comparisons.every[both],
    )


def tie_group(comparisons: Comparisons, margin: float) -> np.ndarray:
    """Whether each level is in the group that holds the best one with 95%, (K,).

    margin: a level that is behind by less stays in; 0 leaves it to the tests alone.
    """
    p = np.where(comparisons.difference.mean < margin, 1.0, comparisons.p)
    is_better = p <= level_of_tests(len(p))
    is_best = np.arange(len(p)) == comparisons.best  # missing seeds could leave none otherwise
    return np.asarray(is_best | ~is_better.any(axis=0))


def rank_intervals(comparisons: Comparisons) -> np.ndarray:
    """First and last rank that each level may have, (K, 2), 1 for the best; all hold with 95%."""
    n_levels = len(comparisons.n)
    others = ~np.eye(n_levels, dtype=bool)
    above = np.zeros((n_levels, n_levels), dtype=bool)
    above[others] = welch.holm(comparisons.p[others]) <= 1 - LEVEL
    first = 1 + above.sum(axis=0)
    last = n_levels - above.sum(axis=1)
    return np.stack([first, last], axis=1)


def across(tasks: Sequence[Comparisons], margins: Sequence[float]) -> Comparisons:
    """Levels by the mean over tasks of their gains in margins of the task; the same levels in each.

    The claim is about these tasks, not about others like them. Runs of different tasks are taken
    as independent; the degrees of freedom are Satterthwaite's (1946, doi:10.2307/3002019).
    """
    sizes = np.asarray(margins, dtype=float)[:, None, None]
    mean = (np.array([own.difference.mean for own in tasks]) / sizes).mean(axis=0)
    errors = np.array([own.difference.error for own in tasks]) / sizes
    variances = np.square(errors) / len(tasks) ** 2
    total = variances.sum(axis=0)
    df = np.array([np.maximum(own.difference.df, 1.0) for own in tasks])
    below = (np.square(variances) / df).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        joined = np.where(total > 0, np.square(total) / below, df.min(axis=0))
    difference = Difference(mean, np.sqrt(total), joined)
    n = np.min([own.n for own in tasks], axis=0)
    means = (np.array([own.means for own in tasks]) / sizes[:, :, 0]).mean(axis=0)
    counts = np.min([own.counts for own in tasks], axis=0)
    of_all = (np.array([own.every for own in tasks]) / sizes).mean(axis=0)
    return Comparisons(difference, n, means, counts, of_all)
