"""Verdicts that hold at whatever number of seeds one looks (docs/statistics.md).

Everywhere x, of shape (n, ...), holds the differences in the order in which seeds were run,
positive if the level is better, missing if a pair has none.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize

from actstudy.analysis.questions.power import VISIBLE_SEEDS, upper_sd
from actstudy.analysis.questions.procedure import ALPHA, TOO_FEW, UNDECIDED, Verdict, decision
from actstudy.judging.statistics.capital import NOISES, Capital, both, fewest_pairs
from actstudy.judging.statistics.crossing import effect_seen, more_seeds

GRID = 200  # means that an end of an interval is looked for among


def judge(
    differences: np.ndarray,
    margin: float | Sequence[float],
    level: float = ALPHA,
    noise: str = "normal",
) -> list[Verdict]:
    """A verdict per column of differences (n, K), which may be asked for after every seed.

    differences: rows in the order in which seeds were run. margin: the smallest difference that
    matters, positive, one for all or one per contrast. noise: a name of NOISES. At each row the
    contrasts are taken by e-Holm: the j-th by its largest capital so far, each side of it, against
    2 (K - j + 1) / level. Equivalence is a second error, held at `level` too: both one-sided
    gamblers, against a mean of at least the margin and of at most minus it, have K / level. A
    contrast keeps its first decision. p and p_equivalent are adjusted, the smallest so far; the
    interval is a confidence sequence of one contrast, with 1 - level at all n at once. ValueError
    for a shape, infinity or margin that cannot be judged.
    """
    x = np.asarray(differences, dtype=float)
    if x.ndim != 2 or np.isinf(x).any():
        allowed = "seeds x contrasts, no infinity"
        raise ValueError(f"differences: got shape {x.shape}; allowed: {allowed}")
    family = x.shape[1]
    if np.shape(margin) not in ((), (family,)) or not (np.asarray(margin) > 0).all():
        raise ValueError(f"margin: got {margin}; allowed: one or {family} positive numbers")
    margins = np.broadcast_to(np.asarray(margin, dtype=float), family)
    best = both(x, noise).best
    p = holm_p(best)
    p_equivalent = np.minimum(1.0, family * np.exp(-inside(x, margins, noise)))
    upward = best.above >= best.below
    verdicts = []
    for j in range(family):
        tests = (p[:, j], p_equivalent[:, j], upward[:, j])
        verdicts.append(contrast(x[:, j], family, float(margins[j]), tests, level, noise))
    return verdicts


def holm_p(best: Capital) -> np.ndarray:
    """Holm's adjusted p of two-sided tests, after each row: (n, K), of the largest capital so far.

    Ville's inequality and Bonferroni's hold whatever the contrasts have in common, so the error
    is held at all rows at once.
    """
    evidence = np.maximum(*best)
    family = evidence.shape[1]
    order = np.argsort(-evidence, axis=1, kind="stable")
    sorted_evidence = np.take_along_axis(evidence, order, axis=1)
    raw = 2 * (family - np.arange(family)) * np.exp(-sorted_evidence)
    p = np.empty_like(evidence)
    np.put_along_axis(p, order, np.maximum.accumulate(raw, axis=1), axis=1)
    return np.minimum(p, 1.0)


def inside(x: np.ndarray, margins: np.ndarray, noise: str) -> np.ndarray:
    """Log evidence, after each row, that each mean lies between its margins: the weaker side's."""
    sides = Capital(NOISES[noise](margins - x), NOISES[noise](x + margins))
    return np.minimum(*sides.best)


def contrast(
    x: np.ndarray,
    family: int,
    margin: float,
    tests: tuple[np.ndarray, np.ndarray, np.ndarray],
    level: float,
    noise: str,
) -> Verdict:
    """The verdict on one column; tests: p, p_equivalent and whether it is better, at each row."""
    p, p_equivalent, upward = tests
    pairs = x[np.isfinite(x)]
    n = len(pairs)
    mean = float(pairs.mean()) if n else np.nan
    sd = float(pairs.std(ddof=1)) if n > 1 else np.nan
    low, high = interval(pairs, level, noise)
    evidence = math.log(2 * family / level)
    visible = upper_sd(sd, n) * effect_seen(VISIBLE_SEEDS, evidence, noise)
    head = (n, len(x), mean, sd, low, high, 1 - level)
    last = (float(p[-1]), float(p_equivalent[-1])) if len(x) else (np.nan, np.nan)
    rows = np.flatnonzero((p <= level) | (p_equivalent <= level))
    if len(rows):
        row = rows[0]
        word = decision(bool(upward[row]), p[row] <= level, p_equivalent[row] <= level)
        return Verdict(word, *head, *last, level, int(row) + 1, None, None, visible)
    word = UNDECIDED if n >= fewest_pairs(evidence, noise) else TOO_FEW
    more = [more_seeds(n, sd, size, evidence, noise) for size in (margin, abs(mean))]
    return Verdict(word, *head, *last, level, None, more[0], more[1], visible)


def interval(pairs: np.ndarray, level: float, noise: str) -> tuple[float, float]:
    """The means that neither gambler refutes: those whose capital, x - mean, is below 2 / level.

    It covers at every n at once with 1 - level. Unbounded with too few pairs for any decision.
    """
    evidence = math.log(2 / level)
    if len(pairs) < fewest_pairs(evidence, noise):
        return -math.inf, math.inf
    return lower_limit(pairs, evidence, noise), -lower_limit(-pairs, evidence, noise)


def lower_limit(pairs: np.ndarray, evidence: float, noise: str) -> float:
    """The smallest mean that a log capital of `evidence` does not refute.

    It falls as the mean rises, but for ripples (`symmetric`), so the first of GRID means is taken
    and the place before it refined.
    """

    def excess(mean: float) -> float:
        return float(NOISES[noise](pairs - mean)[-1]) - evidence

    width = float(np.ptp(pairs))
    if width == 0:
        return float(pairs[0])
    start = float(pairs.min()) - width
    while excess(start) < 0:
        width *= 2
        start -= width
    means = np.linspace(start, float(pairs.max()), GRID)
    first = int(np.argmax(NOISES[noise](pairs[:, None] - means)[-1] < evidence))
    return float(optimize.brentq(excess, means[first - 1], means[first], xtol=1e-9 * width))
