"""Verdicts on independent runs: levels against a baseline with which they share no seed."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from actstudy.analysis.questions.power import MIN_SEEDS, VISIBLE_SEEDS
from actstudy.analysis.questions.procedure import ALPHA, TOO_FEW, UNDECIDED, Verdict, decision
from actstudy.contract.streams import stream
from actstudy.judging.statistics import welch
from actstudy.judging.statistics.welch import MIN_RUNS, Side

PERMUTATIONS = 10_000  # the identity among them
MAX_POOL = 1_000  # runs of a family up to which they are permuted; beyond, Holm's method
MAX_CONTRASTS = 30  # likewise


def judge_unpaired(
    samples: Sequence[np.ndarray], margin: float, spend: float = ALPHA
) -> list[Verdict]:
    """A verdict per level; samples: gains of the baseline's runs, then of each level's.

    Gains are larger if better. One family: at most `spend` of studies without any difference have
    a "better" or "worse". n is the number of runs of the smaller side. There is a verdict from
    MIN_RUNS runs of both sides on; a level with fewer counts in the family none the less.
    """
    sides = [Side.of(np.asarray(sample, dtype=float)) for sample in samples]
    p = np.ones(len(samples) - 1)
    tested = np.array([min(sides[0].n, side.n) >= MIN_RUNS for side in sides[1:]], dtype=bool)
    if tested.any():
        own = [samples[0], *(samples[1 + int(j)] for j in np.flatnonzero(tested))]
        p[tested] = difference_p(own, int((~tested).sum()))
    return verdicts_of(sides, p, tested, margin, spend)


def verdicts_of(
    sides: Sequence[Side], p: np.ndarray, tested: np.ndarray, margin: float, spend: float
) -> list[Verdict]:
    """The verdicts of a family: sides of baseline and levels, and p adjusted for the family.

    Equivalence takes MIN_SEEDS runs of both sides: with fewer, the sd of noise with long tails is
    too often too small (benchmarks/judge_errors.py).
    """
    baseline = sides[0]
    family = len(sides) - 1
    level = 1 - ALPHA
    verdicts = []
    for j, side in enumerate(sides[1:]):
        seen = welch.difference(side, baseline)
        mean = float(seen.mean)
        half = float(welch.half_width(seen, level)) if np.isfinite(seen.error) else np.inf
        n = int(min(side.n, baseline.n))
        runs = int(max(side.n, baseline.n))
        sd = float(np.hypot(side.sd, baseline.sd))
        head = (n, runs, mean, sd, mean - half, mean + half, level)
        visible = welch.visible_difference(side, baseline, VISIBLE_SEEDS, spend / family)
        more = welch.more_runs(side, baseline, margin, spend / family)
        as_seen = welch.more_runs(side, baseline, abs(mean), spend / family)
        if not tested[j]:
            few = (np.nan, np.nan, 0.0, None)
            verdicts.append(Verdict(TOO_FEW, *head, *few, more, as_seen, visible))
            continue
        p_equivalent = 1.0
        if n >= MIN_SEEDS:
            p_equivalent = min(1.0, float(welch.equivalence(seen, margin)) * family)
        tests = (float(p[j]), p_equivalent, spend)
        word = decision(mean > 0, p[j] <= spend, p_equivalent <= spend)
        if word == UNDECIDED:
            verdicts.append(Verdict(word, *head, *tests, None, more, as_seen, visible))
        else:
            verdicts.append(Verdict(word, *head, *tests, runs, None, None, visible))
    return verdicts


def difference_p(
    samples: Sequence[np.ndarray], n_untested: int = 0, permutations: int = PERMUTATIONS
) -> np.ndarray:
    """Adjusted p per level, (K,), of differences from the first sample: the larger of two.

    One is of permutations (`step_down_p`), exact whatever the noise if all runs are exchangeable,
    the other is Welch's with Holm's method, which holds for any spreads if noise is nearly normal.
    Each alone errs where the other holds. n_untested: further contrasts of the family, of which
    nothing is known. Large families (MAX_POOL, MAX_CONTRASTS) have the second p alone.
    """
    sides = [Side.of(np.asarray(sample, dtype=float)) for sample in samples]
    stacked = Side(*(np.array(column) for column in zip(*sides[1:], strict=True)))
    alone = welch.two_sided(welch.difference(stacked, sides[0]))
    by_holm = welch.holm(np.concatenate([alone, np.ones(n_untested)]))[: len(alone)]
    total = sum(len(sample) for sample in samples)
    if total > MAX_POOL or len(alone) > MAX_CONTRASTS:
        return by_holm
    by_p = np.argsort(alone, kind="stable")
    return np.maximum(by_holm, step_down_p(samples, by_p, n_untested, permutations))


def step_down_p(
    samples: Sequence[np.ndarray], by_p: np.ndarray, n_untested: int, permutations: int
) -> np.ndarray:
    """Adjusted p per level of permutations of the runs, (K,); by_p: levels, the smallest p first.

    The p of the j-th is the share of permutations of the runs of the baseline and of the levels
    from the j-th on in which the smallest Welch p of these is at most the observed one; no p may
    be below that of a contrast before it (Westfall and Young 1993; at each step the levels that
    remain are permuted alone, so that what is different already has no part in it). Welch's p in
    place of a difference makes samples comparable whose spreads or sizes differ (Chung and Romano
    2013, doi:10.1214/13-AOS1090). Each of n_untested contrasts adds the p of contrast j alone.
    """
    ordered = [samples[0], *(samples[1 + int(j)] for j in by_p)]
    every = orders(sum(len(sample) for sample in samples), permutations)
    p = np.empty(len(by_p))
    start = len(samples[0])
    stop = start
    largest = 0.0
    for step, j in enumerate(by_p):
        remaining = [ordered[0], *ordered[1 + step :]]
        permuted = permuted_p(remaining, without(every, start, stop))
        limit = permuted[0, 0] * (1 + 1e-9)  # equal sums in another order differ by rounding
        reached = float((permuted.min(axis=1) <= limit).mean())
        alone = float((permuted[:, 0] <= limit).mean())
        largest = max(largest, reached + n_untested * alone)
        p[j] = largest
        stop += len(ordered[1 + step])
    return np.minimum(p, 1.0)


def permuted_p(samples: Sequence[np.ndarray], order: np.ndarray) -> np.ndarray:
    """Welch's p of each sample against the first, per permutation of all runs, (permutations, K).

    order: (permutations, runs), the identity first.
    """
    pool = np.concatenate([np.asarray(sample, dtype=float) for sample in samples])
    pool = pool - pool.mean()
    sizes = np.array([len(sample) for sample in samples])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    x = pool[order]
    means = np.add.reduceat(x, starts, axis=1) / sizes
    squares = np.add.reduceat(np.square(x), starts, axis=1) / sizes
    variances = np.maximum(squares - np.square(means), 0) * sizes / (sizes - 1)
    # what is left of a constant sample by rounding is no spread
    variances = np.where(variances > 1e-14 * squares, variances, 0)
    sd = np.sqrt(variances)
    first = Side(sizes[:1], means[:, :1], sd[:, :1])
    others = Side(sizes[1:], means[:, 1:], sd[:, 1:])
    return welch.two_sided(welch.difference(others, first))


def without(order: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Orders of the runs that are left without those from start to stop: random ones, too."""
    rest = order[(order < start) | (order >= stop)].reshape(len(order), -1)
    return np.where(rest >= stop, rest - (stop - start), rest)


@lru_cache(maxsize=8)
def orders(n: int, permutations: int) -> np.ndarray:
    """Orders of n runs, int16 of shape (permutations, n), the identity first.

    Raw bits, whose order numpy promises to keep, are sorted: no verdict depends on a study's name
    or on numpy's version.
    """
    raw = stream(0, f"orders/{n}").bit_generator.random_raw((permutations - 1) * n)
    drawn = np.argsort(raw.reshape(permutations - 1, n), axis=1, kind="stable")
    return np.vstack([np.arange(n), drawn]).astype(np.int16)
