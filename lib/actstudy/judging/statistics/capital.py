"""Capital of gamblers who bet against "the level is not better": e-processes, one per side.

A gambler starts with 1 and reaches 1 / a, at any time, with a probability of at most a if what he
bets against is true (Ville 1939). So one may look after each seed, stop, and go on next month.
Everywhere x, of shape (n, ...), holds the differences in the order in which seeds were run,
positive if the level is better, missing if a pair has none.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special

SPREAD = 1.0  # sd of the prior of the effect, in sd of a difference
N_BETS = 12  # sizes of effects that `symmetric` bets on, at equal shares of the prior
SMALLEST = 1e-300  # probability whose logarithm is taken
MAX_EXPONENT = 700.0  # exponent


class Capital(NamedTuple):
    """The logarithms of the capital of two gamblers, each of the shape of x, after each seed.

    above: against "not better", mean at most 0. below: against "not worse".
    """

    above: np.ndarray
    below: np.ndarray

    @property
    def best(self) -> "Capital":
        """The largest capital so far, which Ville's inequality holds for as well."""
        return Capital(*(np.maximum.accumulate(side, axis=0) for side in self))


def normal(x: np.ndarray) -> np.ndarray:
    """Log capital against a mean of at most 0 if differences are normal, whatever their sd.

    The likelihood ratio of t with mean / sd half-normal (SPREAD) against mean 0, in closed form
    (Wang and Ramdas 2024, arXiv:2310.03722). If the mean is below 0, each t is smaller than with
    mean 0 and the same noise, and capital rises with t: it holds there as well.
    """
    known = scaled(x)
    n = np.isfinite(x).cumsum(axis=0)
    return of_sums(n, known.cumsum(axis=0), (known * known).cumsum(axis=0))


def of_sums(n: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """`normal` from the number, the sum and the sum of squares of the differences so far."""
    count = np.maximum(n, 1)
    weight = SPREAD**2 / (1 + n * SPREAD**2)
    some = squares > 0
    # at most 1 - 1 / (1 + n SPREAD^2)
    share = np.where(some, total**2 / np.where(some, squares, 1), 0.0) * weight
    both = -0.5 * np.log1p(n * SPREAD**2) - n / 2 * np.log1p(-share)
    t = np.sign(total) * np.sqrt(count * share / (1 - share))
    return both + math.log(2) + np.log(np.maximum(special.stdtr(count, t), SMALLEST))


def symmetric(x: np.ndarray) -> np.ndarray:
    """Log capital against "symmetric about at most 0", of whatever kind, seed by seed.

    A seed with difference d multiplies the stake on the effect size e by 1 + tanh(v), which is
    exp(v) / cosh(v), v = e sqrt(1 + e^2) d / s (after de la Pena 1999): given |d| its mean is 1 if
    both signs are equally probable. s is the root mean square so far, this seed's included, so that
    the factor rises with d and its mean is at most 1 if d is symmetric about less than 0.
    """
    known = scaled(x)
    n = np.maximum(np.isfinite(x).cumsum(axis=0), 1)
    scale = np.sqrt((known * known).cumsum(axis=0) / n)
    unit = known / np.where(scale > 0, scale, 1)
    middles = (np.arange(N_BETS) + 0.5) / N_BETS
    stakes = []
    for effect in SPREAD * special.ndtri((1 + middles) / 2):
        bet = effect * math.sqrt(1 + effect**2)
        exponent = np.minimum(-2 * bet * unit, MAX_EXPONENT)
        stakes.append((math.log(2) - np.log1p(np.exp(exponent))).cumsum(axis=0))
    return np.asarray(special.logsumexp(stakes, axis=0) - math.log(N_BETS))


NOISES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"normal": normal, "symmetric": symmetric}


def both(x: np.ndarray, noise: str) -> Capital:
    """The log capital of both gamblers; noise: a name of NOISES."""
    return Capital(NOISES[noise](x), NOISES[noise](-x))


def scaled(x: np.ndarray) -> np.ndarray:
    """x in units of its largest size, which changes no capital; 0 if a pair is missing."""
    known = np.nan_to_num(x)
    largest = np.abs(known).max(axis=0, initial=0.0)
    return known / np.where(largest > 0, largest, 1)


@lru_cache(maxsize=1024)
def fewest_pairs(evidence: float, noise: str) -> int:
    """The number of pairs below which no log capital reaches `evidence`: that of equal ones."""
    n = 8
    while NOISES[noise](np.ones(n))[-1] < evidence:
        n *= 2
    return int(np.argmax(NOISES[noise](np.ones(n)) >= evidence)) + 1
