"""How many seeds until a gambler of `capital` has won, by simulated normal differences."""

import math
from functools import lru_cache

import numpy as np

from actstudy.analysis.questions.power import MAX_MORE_SEEDS, POWER, upper_sd
from actstudy.contract.streams import stream
from actstudy.judging.statistics.capital import NOISES, fewest_pairs

PATHS = 1_000  # simulated series
ERROR = 0.013  # of their share, which is added to the power that is asked for
LARGEST_EFFECT = 64.0  # that `effect_seen` tries, in sd of a difference


def more_seeds(n: int, sd: float, difference: float, evidence: float, noise: str) -> int | None:
    """The smallest k >= 1 with which n + k seeds decide a true difference of size `difference`.

    With power POWER, of a fresh study. evidence: the log capital that decides. As in
    questions/power.py the sd is replaced by its upper limit, and None is above MAX_MORE_SEEDS or
    for a difference of 0.
    """
    first = fewest_pairs(evidence, noise)
    if n < 2:
        return first - n
    if not difference > 0:
        return None
    limit = n + MAX_MORE_SEEDS
    if sd == 0:
        return max(1, first - n)
    seeds = seeds_to_cross(rounded(difference / upper_sd(sd, n)), evidence, noise, limit)
    return None if seeds is None else max(1, seeds - n)


def rounded(effect: float) -> float:
    """An effect with three digits, downwards, so that few are simulated."""
    step = 10.0 ** (math.floor(math.log10(effect)) - 2)
    return math.floor(effect / step) * step


@lru_cache(maxsize=1024)
def seeds_to_cross(
    effect: float, evidence: float, noise: str, limit: int, power: float = POWER
) -> int | None:
    """The seeds by which a share `power` of all series has reached a log capital of `evidence`.

    effect: mean of a difference in its sd. None if that takes more than `limit` seeds.
    """
    rows = min(limit, 16)
    while True:
        x = stream(0, "crossing").normal(size=(rows, PATHS)) + effect
        shares = np.logical_or.accumulate(NOISES[noise](x) >= evidence).mean(axis=1)
        if shares[-1] >= power + ERROR:
            return int(np.argmax(shares >= power + ERROR)) + 1
        if rows == limit:
            return None
        rows = min(limit, 2 * rows)


@lru_cache(maxsize=256)
def effect_seen(n: int, evidence: float, noise: str) -> float:
    """The mean, in sd of a difference, that n seeds decide with power POWER, to one in a hundred.

    Infinite if n seeds decide nothing.
    """
    if n < fewest_pairs(evidence, noise):
        return math.inf
    low, high = 0.0, LARGEST_EFFECT
    if seeds_to_cross(high, evidence, noise, n) is None:
        return math.inf
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        if seeds_to_cross(middle, evidence, noise, n) is None:
            low = middle
        else:
            high = middle
    return high
