"""The procedure, fixed before any result is seen: paired differences in, verdicts out (docs/statistics.md).

n is a number of seeds and K the number of contrasts of a family. Everywhere x, of shape (n, K), holds the differences
of a seed in a row, positive where the contrast's level is better than what it is compared with.
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

FEWEST, ALPHA = LOOKS[0], 0.05  # seeds below which there is no verdict; the family-wise error
POWER, SD_LIMIT = (
    0.8,
    0.8,
)  # of "k more seeds": power, and the one-sided confidence of the sd's upper limit
MOST_MORE, VISIBLE_AT = (
    100,
    20,
)  # above so many more seeds a contrast is not decidable; seeds of `visible`
EXACT_TO, FLIPS = (
    12,
    10_000,
)  # all sign flips to so many seeds, else so many, the identity among them

Looks = Sequence[
    tuple[int | None, float]
]  # (seeds, spend) in rising order; None: all seeds there are


@dataclass(frozen=True)
class Verdict:
    """What one contrast's seeds say. p and p_equivalent are adjusted for the family: each is compared with `spend`.

    mean, sd, low, high are of the first n seeds, the last look taken, even where an earlier one (`decided_at`) decided.
    """

    verdict: (
        str  # better, worse, equivalent, equivalent (below the margin), undecided or too few seeds
    )
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
    more_seeds: int | None  # None where decided, or where more than MOST_MORE would be needed
    visible: float  # the difference that VISIBLE_AT seeds detect with power POWER


@dataclass(frozen=True)
class Look:
    """The two tests of a family at one look: adjusted p, each of shape (K,), and the verdicts."""

    n: int
    spend: float
    p: np.ndarray
    p_equivalent: np.ndarray
    verdicts: list[str]


def looks_of(looks: bool | None, share: float = 1.0) -> Looks:
    """The looks of a task that has `share` of the 5%: the schedule, or without looks all of it at the study's own n."""
    schedule: Looks = list(zip(LOOKS, SPENDS, strict=True)) if looks else [(None, ALPHA)]
    return [(n, spend * share) for n, spend in schedule]


def judge(
    differences: np.ndarray,
    margin: float | Sequence[float],
    name: str,
    looks: Looks | None = None,
    seeds: Sequence[int] | None = None,
    reached: int | None = None,
) -> list[Verdict]:
    """A verdict for each column of differences (n, K): one family, its error held over all contrasts and looks.

    margin: the smallest difference that matters, one or one a contrast. name: seeds the random sign flips.
    looks: (seeds, spend); those up to `reached` seeds (all rows) are taken in turn, and a contrast's first decision
    stands. seeds: each row's own, rising from 0; a look at n takes those below n, be one missing or not.
    """
    x, schedule = np.asarray(differences, dtype=float), looks or looks_of(False)
    check(x, np.asarray(margin), schedule)
    margins = np.broadcast_to(np.asarray(margin, dtype=float), x.shape[1])
    own, most = (
        np.arange(len(x)) if seeds is None else np.asarray(seeds),
        len(x) if reached is None else reached,
    )
    parts = [
        (x if n is None else x[own < n], spend) for n, spend in schedule if n is None or n <= most
    ]
    taken = [look(part, margins, name, spend) for part, spend in parts if len(part) >= FEWEST]
    return [
        contrast(x[:, j], j, float(margins[j]), x.shape[1], taken, schedule)
        for j in range(x.shape[1])
    ]


def check(x: np.ndarray, margin: np.ndarray, looks: Looks) -> None:
    """Refuse what no verdict can rest on: missing values, margins of 0, more than 5% spent."""
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(f"differences: got shape {x.shape}; allowed: seeds x contrasts, finite")
    if margin.shape not in ((), (x.shape[1],)) or not (margin > 0).all():
        raise ValueError(
            f"margin: got {margin.tolist()}; allowed: one or {x.shape[1]} positive numbers"
        )
    sizes, spends = zip(*looks, strict=True)
    if sizes != (None,) and (
        None in sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < FEWEST
    ):
        raise ValueError(f"looks: got {sizes}; allowed: rising numbers of seeds from {FEWEST} on")
    if min(spends) <= 0 or sum(spends) > ALPHA * (1 + 1e-9):
        raise ValueError(f"looks: got spends {spends}; allowed: positive, {ALPHA} in all")


def look(x: np.ndarray, margins: np.ndarray, name: str, spend: float) -> Look:
    """Both tests of all contrasts on these seeds."""
    p, p_equivalent = difference_p(x, sign_flips(name, len(x))), equivalence_p(x, margins)
    cases = zip(x.mean(axis=0) > 0, p <= spend, p_equivalent <= spend, strict=True)
    return Look(len(x), spend, p, p_equivalent, [decision(*case) for case in cases])


def decision(positive: bool, different: bool, inside: bool) -> str:
    """The verdict's word. A difference that is there and surely inside the margin is too small to matter."""
    if inside:
        return "equivalent (below the margin)" if different else "equivalent"
    return ("better" if positive else "worse") if different else "undecided"


@lru_cache(maxsize=16)
def sign_flips(name: str, n: int) -> np.ndarray:
    """Signs, int8 of shape (flips, n), the identity first; one sign a seed, shared by all contrasts.

    To EXACT_TO seeds all 2^n, but one of each mirrored pair: both have the same |t|, so the p-value is the same.
    """
    if n <= EXACT_TO:
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
    else:  # raw bits, whose order numpy promises to keep
        raw = stream(0, f"flips/{name}/{n}").bit_generator.random_raw((FLIPS - 1) * n // 64 + 1)
        drawn = np.unpackbits(raw.astype("<u8").view(np.uint8))[: (FLIPS - 1) * n].reshape(-1, n)
        bits = np.vstack([np.zeros(n, dtype=int), drawn])
    return (1 - 2 * bits).astype(np.int8)


def difference_p(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Westfall and Young's step-down max |t| adjusted p of each contrast, (K,), under sign flips (flips, n).

    A flip leaves sum x^2 as it is, so |t| grows with r = |sum x| / sqrt(n sum x^2), between 0 and 1, and r takes its
    place: finite where the sd is 0. Contrast j, by falling |t|, is compared with the maximum over j and those below.
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
    """The larger p of two one-sided paired t tests against -margin and margin (Schuirmann 1987), times K, (K,)."""
    n = len(x)
    room, error = margins - np.abs(x.mean(axis=0)), x.std(axis=0, ddof=1) / np.sqrt(n)
    p = np.where(error > 0, special.stdtr(n - 1, -room / np.where(error > 0, error, 1)), room <= 0)
    return np.minimum(1.0, p * x.shape[1])


def contrast(
    x: np.ndarray, j: int, margin: float, family: int, taken: list[Look], looks: Looks
) -> Verdict:
    """The verdict of contrast j, x (n,): the first look's that decided, else the last one's; without any too few."""
    n = taken[-1].n if taken else len(x)
    level = 1 - taken[-1].spend if taken and looks[0][0] else 1 - ALPHA
    interval = stats.mean_interval(list(x[:n]), level)
    sd = float(x[:n].std(ddof=1)) if n > 1 else np.nan
    visible = upper_sd(sd, n) * detectable(VISIBLE_AT, contrast_level(VISIBLE_AT, family, looks))
    means = (interval.mean, sd, interval.low, interval.high, level)
    decided = [one for one in taken if one.verdicts[j] != "undecided"]
    more = None if decided else more_seeds(n, sd, margin, family, looks)
    if not taken:
        return Verdict("too few seeds", n, *means, np.nan, np.nan, 0.0, None, more, visible)
    one = (decided or taken)[0 if decided else -1]
    tests = float(one.p[j]), float(one.p_equivalent[j]), one.spend
    return Verdict(one.verdicts[j], n, *means, *tests, one.n if decided else None, more, visible)


def more_seeds(n: int, sd: float, margin: float, family: int, looks: Looks) -> int | None:
    """The smallest k >= 1 with which n + k seeds detect a true difference of the margin with power 0.8; None above 100.

    The sd is replaced by its upper limit: a pilot's sd is as often too small, and then k would be. Too few seeds are at
    least filled up to the first look, with a single seed, which has no sd, no further.
    """
    fewest = looks[0][0] or FEWEST
    if n < 2:
        return fewest - n
    reach = range(max(n + 1, fewest), n + MOST_MORE + 1)
    limit = upper_sd(sd, n)
    m = next(
        (m for m in reach if limit * detectable(m, contrast_level(m, family, looks)) <= margin),
        None,
    )
    return None if m is None else m - n


def contrast_level(n: int, family: int, looks: Looks) -> float:
    """The level at which n seeds can count on testing one contrast: the spend / K, as in a step-down's first step.

    With looks the spend of the look that n seeds wait for; beyond the last one its spend, as if it stood at n.
    """
    spends = [spend for size, spend in looks if size is None or size >= n]
    return (spends[0] if spends else looks[-1][1]) / family


def upper_sd(sd: float, n: int) -> float:
    """The one-sided upper confidence limit, at SD_LIMIT, of the sd of n normal values; missing below two."""
    return float(sd * np.sqrt((n - 1) / special.chdtri(n - 1, SD_LIMIT))) if n > 1 else np.nan


@lru_cache(maxsize=4096)
def detectable(n: int, level: float) -> float:
    """The true difference, in sd, that a two-sided paired t test of n seeds detects with power 0.8 (noncentral t)."""
    critical = float(special.stdtrit(n - 1, 1 - level / 2))
    missing = lambda shift: distributions.nct.sf(critical, n - 1, shift) - POWER  # noqa: E731 - the far side is < 1e-4
    return float(optimize.brentq(missing, 0.0, 2 * critical + 10) / np.sqrt(n))
