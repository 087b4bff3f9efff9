"""The procedure (docs/statistics.md), fixed before any result: paired differences in, verdicts out.

n is a number of seeds and K the number of contrasts of a family. Everywhere x, of shape (n, K),
holds the differences of one seed per row, positive if the level is better than its opponent, and
missing if the pair has none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from actstudy.analysis.questions import stats
from actstudy.analysis.questions.power import (
    MIN_SEEDS,
    VISIBLE_SEEDS,
    Looks,
    contrast_level,
    detectable,
    more_seeds,
    upper_sd,
)
from actstudy.contract.streams import stream
from actstudy.study.looks import LOOKS, SPENDS

TOO_FEW = "too few seeds"
UNDECIDED = "undecided"
ALPHA = 0.05  # the family-wise error
MAX_EXACT_SEEDS = 12  # up to which all sign flips are taken
PAIRED = "paired by seed"  # a method, which a row of `contrasts` has only from `judge`
RANDOM_FLIPS = 10_000  # beyond, the identity among them


@dataclass(frozen=True)
class Verdict:
    """The result of one contrast; p and p_equivalent are adjusted for the family.

    Each is compared with `spend`. mean, sd, low, high (in units of x) are of all n pairs of the
    last look taken, even if an earlier one decided; `decided_at` is that one's number of
    seeds, of which fewer may have a pair, as of `seeds`.
    """

    verdict: str  # a word of `decision`, or TOO_FEW
    n: int
    seeds: int  # of the last look taken, of which n have a pair
    mean: float
    sd: float
    low: float
    high: float
    interval_level: float
    p: float
    p_equivalent: float
    spend: float
    decided_at: int | None
    more_seeds: int | None  # for the margin; None if decided, or above MAX_MORE_SEEDS
    more_seeds_as_seen: int | None  # likewise for a difference of the observed size
    visible: float  # the difference that VISIBLE_SEEDS seeds detect with power POWER
    n_needed: int = MIN_SEEDS  # pairs below which there is no verdict


@dataclass(frozen=True)
class Look:
    """The two tests of a family at one look: adjusted p, each of shape (K,), and the verdicts."""

    x: np.ndarray
    spend: float
    p: np.ndarray
    p_equivalent: np.ndarray
    verdicts: list[str]

    def tests(self, j: int) -> tuple[float, float, float]:
        """p, p_equivalent and spend of contrast j."""
        return float(self.p[j]), float(self.p_equivalent[j]), self.spend


def looks_of(looks: bool | None, share: float = 1.0) -> Looks:
    """The looks of a task with `share` of the 5%: the schedule, or a single one of all seeds."""
    if not looks:
        return [(None, ALPHA * share)]
    return [(n, spend * share) for n, spend in zip(LOOKS, SPENDS, strict=True)]


def judge(
    differences: np.ndarray,
    margin: float | Sequence[float],
    looks: Looks | None = None,
    seeds: Sequence[int] | None = None,
    reached: int | None = None,
    at_look: Callable[[np.ndarray], np.ndarray] | None = None,
) -> list[Verdict]:
    """A verdict per column of differences (n, K): one family, its error held over all looks.

    margin: the smallest difference that matters, one for all or one per contrast. looks: those up
    to `reached` seeds (default: all rows) are taken in turn, and a contrast keeps its first
    decision. seeds: one per row, rising from 0 (default: 0, 1, ...); a look at n takes those below
    n, even if some of them are missing. at_look: from the mask of a look's rows to their
    differences, if these depend on which rows there are (default: the rows). A contrast with fewer
    than MIN_SEEDS pairs has no verdict, and counts in the family none the less.
    """
    x = np.asarray(differences, dtype=float)
    schedule = looks or looks_of(False)
    check(x, np.asarray(margin), schedule)
    margins = np.broadcast_to(np.asarray(margin, dtype=float), x.shape[1])
    seed = np.arange(len(x)) if seeds is None else np.asarray(seeds)
    limit = len(x) if reached is None else reached
    looks_taken = []
    for n, spend in schedule:
        if n is not None and n > limit:
            continue
        rows = seed < (np.inf if n is None else n)
        if rows.sum() >= MIN_SEEDS:
            differences_now = at_look(rows) if at_look else x[rows]
            looks_taken.append(take_look(differences_now, margins, spend))
    return [contrast(x, j, float(margins[j]), looks_taken, schedule) for j in range(x.shape[1])]


def check(x: np.ndarray, margin: np.ndarray, looks: Looks) -> None:
    """ValueError for what no verdict can rest on: infinity, margins of 0, over 5% spent."""
    if x.ndim != 2 or np.isinf(x).any():
        raise ValueError(
            f"differences: got shape {x.shape}; allowed: seeds x contrasts, no infinity"
        )
    if margin.shape not in ((), (x.shape[1],)) or not (margin > 0).all():
        raise ValueError(
            f"margin: got {margin.tolist()}; allowed: one or {x.shape[1]} positive numbers"
        )
    sizes, spends = zip(*looks, strict=True)
    rising = None not in sizes and list(sizes) == sorted(set(sizes))
    if sizes != (None,) and not (rising and sizes[0] >= MIN_SEEDS):
        raise ValueError(
            f"looks: got {sizes}; allowed: rising numbers of seeds from {MIN_SEEDS} on"
        )
    if min(spends) <= 0 or sum(spends) > ALPHA * (1 + 1e-9):
        raise ValueError(f"looks: got spends {spends}; allowed: positive, {ALPHA} in all")


def take_look(x: np.ndarray, margins: np.ndarray, spend: float) -> Look:
    """Both tests of all contrasts with enough pairs on these seeds."""
    tested = np.isfinite(x).sum(axis=0) >= MIN_SEEDS
    p, p_equivalent = np.ones((2, x.shape[1]))
    p[tested] = difference_p(x[:, tested], sign_flips(len(x)), int((~tested).sum()))
    p_equivalent[tested] = equivalence_p(x[:, tested], margins[tested], x.shape[1])
    verdicts = [TOO_FEW] * x.shape[1]
    for j in np.flatnonzero(tested):
        positive = np.nanmean(x[:, j]) > 0
        verdicts[j] = decision(positive, p[j] <= spend, p_equivalent[j] <= spend)
    return Look(x, spend, p, p_equivalent, verdicts)


def decision(positive: bool, different: bool, inside: bool) -> str:
    """The verdict's word; a difference that is there and inside the margin is too small."""
    if inside:
        return "equivalent (below the margin)" if different else "equivalent"
    if not different:
        return UNDECIDED
    return "better" if positive else "worse"


@lru_cache(maxsize=16)
def sign_flips(n: int) -> np.ndarray:
    """Signs, int8 of shape (flips, n), the identity first; one sign per seed for all contrasts.

    The random ones are the same in every study: no verdict depends on a study's name.
    """
    if n <= MAX_EXACT_SEEDS:  # all, but one of each mirrored pair: both have the same |t|
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
    else:  # raw bits, whose order numpy promises to keep
        size = (RANDOM_FLIPS - 1) * n
        raw = stream(0, f"flips/{n}").bit_generator.random_raw(size // 64 + 1)
        drawn = np.unpackbits(raw.astype("<u8").view(np.uint8))[:size].reshape(-1, n)
        bits = np.vstack([np.zeros(n, dtype=int), drawn])
    return (1 - 2 * bits).astype(np.int8)


def difference_p(x: np.ndarray, signs: np.ndarray, n_untested: int = 0) -> np.ndarray:
    """Westfall and Young's step-down max |t| adjusted p per contrast, (K,), signs (flips, n).

    A flip leaves sum x^2 as it is, so |t| grows with r = |sum x| / sqrt(sum x^2), which takes its
    place: it is finite even if the sd is 0. Each of n_untested further contrasts of the family,
    whose differences are not known, adds the p of contrast j alone (Bonferroni's inequality), so
    that a contrast without seeds never helps another one to a verdict.
    """
    known = np.nan_to_num(x)
    root = np.sqrt((known * known).sum(axis=0))
    r = signs.astype(float) @ known
    np.divide(np.abs(r, out=r), np.where(root > 0, root, 1), out=r)  # no copies: it may be large
    return step_down(r, n_untested)


def step_down(r: np.ndarray, n_untested: int = 0) -> np.ndarray:
    """Adjusted p per contrast, (K,), of statistics r (flips, K), the observed ones first.

    Contrast j, by falling r, is compared with the maximum over j and those below; n_untested: as of
    `difference_p`.
    """
    order = np.argsort(-r[0], kind="stable")
    observed = r[0, order] - 1e-9  # equal sums in another order differ by rounding: that is a tie
    counts = np.zeros((2, r.shape[1]))  # of flips that reach it: of all below, of it alone
    for start in range(0, len(r), 1_000):
        alone = r[start : start + 1_000, order]
        largest = np.maximum.accumulate(alone[:, ::-1], axis=1)[:, ::-1]
        counts += [(largest >= observed).sum(axis=0), (alone >= observed).sum(axis=0)]
    reached, reached_alone = counts / len(r)
    p = np.empty(r.shape[1])
    p[order] = np.maximum.accumulate(reached + n_untested * reached_alone)
    return np.minimum(p, 1.0)


def equivalence_p(x: np.ndarray, margins: np.ndarray, family: int) -> np.ndarray:
    """The larger p of two one-sided paired t tests (Schuirmann 1987), times `family`, (K,)."""
    n = np.isfinite(x).sum(axis=0)
    room = margins - np.abs(np.nanmean(x, axis=0))
    error = np.nanstd(x, axis=0, ddof=1) / np.sqrt(n)
    p = np.where(error > 0, special.stdtr(n - 1, -room / np.where(error > 0, error, 1)), room <= 0)
    return np.minimum(1.0, p * family)


def contrast(
    x: np.ndarray, j: int, margin: float, looks_taken: Sequence[Look], looks: Looks
) -> Verdict:
    """The verdict on column j: of the first look that decided it, else of the last one.

    Without any look it is "too few seeds". looks: the schedule, which `more_seeds` goes by.
    """
    family = x.shape[1]
    if looks_taken:
        x = looks_taken[-1].x
    seeds = len(x)
    level = 1 - ALPHA
    if looks_taken and looks[0][0]:
        level = 1 - looks_taken[-1].spend
    pairs = x[:, j]
    pairs = pairs[np.isfinite(pairs)]
    n = len(pairs)
    interval = stats.mean_interval(list(pairs), level)
    sd = float(pairs.std(ddof=1)) if n > 1 else np.nan
    spread = detectable(VISIBLE_SEEDS, contrast_level(VISIBLE_SEEDS, family, looks))
    visible = upper_sd(sd, n) * spread
    head = (n, seeds, interval.value, sd, interval.low, interval.high, level)
    for look in looks_taken:
        if look.verdicts[j] not in (UNDECIDED, TOO_FEW):
            tests = look.tests(j)
            return Verdict(look.verdicts[j], *head, *tests, len(look.x), None, None, visible)
    more = more_seeds(n, sd, margin, family, looks)
    as_seen = more_seeds(n, sd, abs(interval.value), family, looks)
    if not looks_taken or looks_taken[-1].verdicts[j] == TOO_FEW:
        return Verdict(TOO_FEW, *head, np.nan, np.nan, 0.0, None, more, as_seen, visible)
    return Verdict(UNDECIDED, *head, *looks_taken[-1].tests(j), None, more, as_seen, visible)
