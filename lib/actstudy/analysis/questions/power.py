"""How many more seeds a verdict takes, and the difference that many seeds can see."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy
from scipy import optimize, special

from actstudy.study.looks import LOOKS

MIN_SEEDS = LOOKS[0]  # pairs of a contrast; below there is no verdict
POWER = 0.8  # of `more_seeds`
SD_LIMIT = 0.8  # one-sided confidence of the sd's upper limit in `more_seeds`
MAX_MORE_SEEDS = 100  # a contrast that needs more is not counted further
VISIBLE_SEEDS = 20  # seeds of `visible`

Looks = Sequence[tuple[int | None, float]]  # (seeds, spend), seeds rising; None: all seeds


def more_seeds(n: int, sd: float, difference: float, family: int, looks: Looks) -> int | None:
    """The smallest k >= 1 with which n + k seeds detect a true difference of size `difference`.

    None above MAX_MORE_SEEDS and for a difference of 0. The sd is replaced by its upper limit,
    since a pilot's is as often too small. Too few seeds are filled up to the first look that can
    find a difference; a single one, without sd, no further.
    """
    first = first_to_decide(looks)
    if n < 2:
        return first - n
    if difference == 0:
        return None
    limit = upper_sd(sd, n)
    for m in range(max(n + 1, first), n + MAX_MORE_SEEDS + 1):
        if limit * detectable(m, contrast_level(m, family, looks)) <= difference:
            return m - n
    return None


def first_to_decide(looks: Looks) -> int:
    """The seeds of the first look whose spend the smallest possible p, 2 / 2^n, does not exceed.

    With a small share of the 5% the look at 8 seeds can find no difference, only an equivalence.
    """
    for size, spend in looks:
        if size is not None and 2 / 2**size <= spend:
            return size
    n = MIN_SEEDS
    while 2 / 2**n > looks[-1][1]:
        n += 1
    return n


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
        return float(scipy.stats.nct.sf(critical, n - 1, shift)) - POWER

    return float(optimize.brentq(missing_power, 0.0, 2 * critical + 10) / np.sqrt(n))
