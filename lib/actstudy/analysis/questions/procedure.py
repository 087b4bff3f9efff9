"""The procedure (docs/statistics.md), fixed before any result: paired differences in, verdicts out.

n is a number of seeds and K the number of contrasts of a family. Everywhere x, of shape (n, K),
holds the differences of one seed per row, positive if the level is better than its opponent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special
from scipy import stats as distributions

from actstudy.analysis.questions import stats
from actstudy.contract.streams import stream
from actstudy.study.looks import LOOKS, SPENDS

MIN_SEEDS = LOOKS[0]  # below there is no verdict
ALPHA = 0.05  # the family-wise error
POWER = 0.8  # of "k more seeds"
SD_LIMIT = 0.8  # one-sided confidence of the sd's upper limit in "k more seeds"
MAX_MORE_SEEDS = 100  # a contrast that needs more is not decidable
VISIBLE_SEEDS = 20  # seeds of `visible`
MAX_EXACT_SEEDS = 12  # up to which all sign flips are taken
RANDOM_FLIPS = 10_000  # beyond, the identity among them

Looks = Sequence[tuple[int | None, float]]  # (seeds, spend), seeds rising; None: all seeds


@dataclass(frozen=True)
class Verdict:
    """The result of one contrast; p and p_equivalent are adjusted for the family.

    Each is compared with `spend`. mean, sd, low, high (in units of x) are of the first n seeds,
    those of the last look taken, even if an earlier one (`decided_at`) decided.
    """

    verdict: str  # a word of `decision`, or too few seeds
    n: int
    mean: float
    sd: float
    low: float
    high: float
    interval_level: float
    p: float
    p_equivalent: float
    spend: float
    decided_at: int | None
    more_seeds: int | None  # None if decided, or if more than MAX_MORE_SEEDS would be needed
    visible: float  # the difference that VISIBLE_SEEDS seeds detect with power POWER


@dataclass(frozen=True)
class Look:
    """The two tests of a family at one look: adjusted p, each of shape (K,), and the verdicts."""

    n: int
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
    name: str,
    looks: Looks | None = None,
    seeds: Sequence[int] | None = None,
    reached: int | None = None,
) -> list[Verdict]:
    """A verdict per column of differences (n, K): one family, its error held over all looks.

    margin: the smallest difference that matters, one for all or one per contrast. name: seeds the
    random sign flips. looks: those up to `reached` seeds (default: all rows) are taken in turn,
    and a contrast keeps its first decision. seeds: one per row, rising from 0 (default: 0, 1,
    ...); a look at n takes those below n, even if some of them are missing.
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
        rows = x if n is None else x[seed < n]
        if len(rows) >= MIN_SEEDS:
            looks_taken.append(take_look(rows, margins, name, spend))
    return [contrast(x, j, float(margins[j]), looks_taken, schedule) for j in range(x.shape[1])]


def check(x: np.ndarray, margin: np.ndarray, looks: Looks) -> None:
    """ValueError for what no verdict can rest on: missing values, margins of 0, over 5% spent."""
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(f"differences: got shape {x.shape}; allowed: seeds x contrasts, finite")
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


def take_look(x: np.ndarray, margins: np.ndarray, name: str, spend: float) -> Look:
    """Both tests of all contrasts on these seeds."""
    p = difference_p(x, sign_flips(name, len(x)))
    p_equivalent = equivalence_p(x, margins)
    cases = zip(x.mean(axis=0) > 0, p <= spend, p_equivalent <= spend, strict=True)
    return Look(len(x), spend, p, p_equivalent, [decision(*case) for case in cases])


def decision(positive: bool, different: bool, inside: bool) -> str:
    """The verdict's word; a difference that is there and inside the margin is too small."""
    if inside:
        return "equivalent (below the margin)" if different else "equivalent"
    if not different:
        return "undecided"
    return "better" if positive else "worse"


@lru_cache(maxsize=16)
def sign_flips(name: str, n: int) -> np.ndarray:
    """Signs, int8 of shape (flips, n), the identity first; one sign per seed for all contrasts."""
    if n <= MAX_EXACT_SEEDS:  # all, but one of each mirrored pair: both have the same |t|
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
    else:  # raw bits, whose order numpy promises to keep
        size = (RANDOM_FLIPS - 1) * n
        raw = stream(0, f"flips/{name}/{n}").bit_generator.random_raw(size // 64 + 1)
        drawn = np.unpackbits(raw.astype("<u8").view(np.uint8))[:size].reshape(-1, n)
        bits = np.vstack([np.zeros(n, dtype=int), drawn])
    return (1 - 2 * bits).astype(np.int8)


def difference_p(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Westfall and Young's step-down max |t| adjusted p per contrast, (K,), signs (flips, n).

    A flip leaves sum x^2 as it is, so |t| grows with r = |sum x| / sqrt(n sum x^2), between 0 and
    1, and r takes its place: it is finite even if the sd is 0. Contrast j, by falling |t|, is
    compared with the maximum over j and those below.
    """
    root = np.sqrt(len(x) * (x * x).sum(axis=0))
    r = np.abs(signs.astype(float) @ x) / np.where(root > 0, root, 1)
    order = np.argsort(-r[0], kind="stable")
    largest = np.maximum.accumulate(r[:, order[::-1]], axis=1)[:, ::-1]
    p = np.empty(x.shape[1])
    # equal sums in another order differ by rounding: that is a tie
    p[order] = np.maximum.accumulate((largest >= r[0, order] - 1e-10).mean(axis=0))
    return p


def equivalence_p(x: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """The larger p of two one-sided paired t tests (Schuirmann 1987), times K, shape (K,)."""
    n = len(x)
    room = margins - np.abs(x.mean(axis=0))
    error = x.std(axis=0, ddof=1) / np.sqrt(n)
    p = np.where(error > 0, special.stdtr(n - 1, -room / np.where(error > 0, error, 1)), room <= 0)
    return np.minimum(1.0, p * x.shape[1])


def contrast(
    x: np.ndarray, j: int, margin: float, looks_taken: Sequence[Look], looks: Looks
) -> Verdict:
    """The verdict on column j: of the first look that decided it, else of the last one.

    Without any look it is "too few seeds". looks: the schedule, which "k more seeds" goes by.
    """
    family = x.shape[1]
    n = looks_taken[-1].n if looks_taken else len(x)
    level = 1 - ALPHA
    if looks_taken and looks[0][0]:
        level = 1 - looks_taken[-1].spend
    column = x[:n, j]
    interval = stats.mean_interval(list(column), level)
    sd = float(column.std(ddof=1)) if n > 1 else np.nan
    spread = detectable(VISIBLE_SEEDS, contrast_level(VISIBLE_SEEDS, family, looks))
    visible = upper_sd(sd, n) * spread
    means = (interval.value, sd, interval.low, interval.high, level)
    for look in looks_taken:
        if look.verdicts[j] != "undecided":
            return Verdict(look.verdicts[j], n, *means, *look.tests(j), look.n, None, visible)
    more = more_seeds(n, sd, margin, family, looks)
    if not looks_taken:
        return Verdict("too few seeds", n, *means, np.nan, np.nan, 0.0, None, more, visible)
    return Verdict("undecided", n, *means, *looks_taken[-1].tests(j), None, more, visible)


def more_seeds(n: int, sd: float, margin: float, family: int, looks: Looks) -> int | None:
    """The smallest k >= 1 with which n + k seeds detect a true difference of the margin.

    None above MAX_MORE_SEEDS. The sd is replaced by its upper limit, since a pilot's is as often
    too small. Too few seeds are filled up to the first look; a single one, without sd, no further.
    """
    first = looks[0][0] or MIN_SEEDS
    if n < 2:
        return first - n
    limit = upper_sd(sd, n)
    for m in range(max(n + 1, first), n + MAX_MORE_SEEDS + 1):
        if limit * detectable(m, contrast_level(m, family, looks)) <= margin:
            return m - n
    return None


def contrast_level(n: int, family: int, looks: Looks) -> float:
    """The level of one test of n seeds: spend / K of the look they wait for, or of the last."""
    for size, spend in looks:
        if size is None or size >= n:
            return spend / family
    return looks[-1][1] / family


def upper_sd(sd: float, n: int) -> float:
    """The one-sided upper confidence limit of the sd of n normal values; missing below two."""
    if n < 2:
        return np.nan
    return float(sd * np.sqrt((n - 1) / special.chdtri(n - 1, SD_LIMIT)))


@lru_cache(maxsize=4096)
def detectable(n: int, level: float) -> float:
    """The true difference, in sd, that a two-sided paired t test of n seeds detects.

    With power POWER (noncentral t); rejection in the other tail (< 1e-4) is ignored.
    """
    critical = float(special.stdtrit(n - 1, 1 - level / 2))

    def missing_power(shift: float) -> float:
        return float(distributions.nct.sf(critical, n - 1, shift)) - POWER

    return float(optimize.brentq(missing_power, 0.0, 2 * critical + 10) / np.sqrt(n))
