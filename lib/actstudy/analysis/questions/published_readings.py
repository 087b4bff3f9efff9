"""How the numbers of a published row may be meant, and what mean, sd and n then allow.

Standard are a pooled and Welch's t test: unpaired, two-sided, sd with n - 1 as divisor.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from actstudy.study.printed import Printed, Range

Row = Mapping[str, Any]  # name, n, and a `Printed` for mean, sd and, if printed, p, d, low, high
SMALLEST_SD = 1e-12  # for one that is printed as 0
SDS = 9  # values of each sd that are tried between the ends which rounding leaves open
TESTS = ("pooled", "Welch")


@dataclass(frozen=True)
class Reading:
    """What the columns of a table mean; the defaults are what they mean in most tables."""

    test: str  # of TESTS, or paired
    digits: str = "rounded"  # or cut
    sd: str = "n - 1"  # its divisor, or n, or standard error
    tail: str = "both"  # of p, or above, below: the side of the baseline on which the row lies
    normal_p: bool = False
    normal_interval: bool = False
    effect: str = "pooled"  # the column d, see `effects`
    interval_sign: int = 1  # -1: the interval is of baseline - row
    effect_sign: int = 1  # -1: d is of baseline - row

    def bounds(self, number: Printed) -> Range:
        """The values that a printed number may be of."""
        if number.bound == "<":
            return -math.inf, number.value
        if number.bound == ">":
            return number.value, math.inf
        if self.digits == "cut":
            return number.cut()
        return number.rounded()


STANDARD = tuple(Reading(test) for test in TESTS)
PAIRED = Reading("paired")  # bounds alone: how far runs correlate is not printed
DEPARTURES: dict[str, dict[str, Any]] = {
    "a one-sided p for a row above the baseline": {"tail": "above"},
    "a one-sided p for a row below the baseline": {"tail": "below"},
    "n instead of n - 1 as the sd's divisor": {"sd": "n"},
    "n instead of n - 1 as the divisor of the sd and in d": {"sd": "n", "effect": "n"},
    "n instead of n - 1 as divisor in d": {"effect": "n"},
    "the standard error in the sd column": {"sd": "standard error"},
    "a normal (1.96) interval": {"normal_interval": True},
    "p and interval of a normal distribution": {"normal_p": True, "normal_interval": True},
    "Hedges' g in the d column": {"effect": "g"},
    "Glass's delta in the d column": {"effect": "Glass"},
    "d by the mean of both variances": {"effect": "mean"},
    "an interval of baseline - row": {"interval_sign": -1},
    "a d of baseline - row": {"effect_sign": -1},
    "d and interval of baseline - row": {"interval_sign": -1, "effect_sign": -1},
    "digits cut, not rounded": {"digits": "cut"},
}


def departures(name: str) -> list[Reading]:
    """The readings of one entry of DEPARTURES, by each of TESTS."""
    return [dataclasses.replace(standard, **DEPARTURES[name]) for standard in STANDARD]


def recomputed(row: Row, base: Row, reading: Reading, level: float) -> dict[str, Range]:
    """The ranges that the digits of mean and sd leave open: of difference, p, d, half, freedom.

    half: half of the width of an interval of `level`; freedom: the test's degrees of freedom.
    """
    n = row["n"]
    base_n = base["n"]
    difference = differences(row, base, reading)[:, None, None]
    sd = sds(row, reading)[:, None]
    base_sd = sds(base, reading)
    error, freedom = standard_error(reading.test, sd, base_sd, n, base_n)
    values = {
        "difference": difference,
        "p": p_of(difference / error, freedom, reading),
        "d": reading.effect_sign * effects(reading.effect, difference, sd, base_sd, n, base_n),
        "half": critical(freedom, level, reading) * error,
        "freedom": np.asarray(freedom),
    }
    return {name: (float(value.min()), float(value.max())) for name, value in values.items()}


def differences(row: Row, base: Row, reading: Reading) -> np.ndarray:
    """The smallest and the largest difference of means, and 0 if it is between them."""
    low, high = reading.bounds(row["mean"])
    base_low, base_high = reading.bounds(base["mean"])
    ends = [low - base_high, high - base_low]
    if ends[0] < 0 < ends[1]:
        ends.append(0.0)
    return np.array(ends)


def sds(row: Row, reading: Reading) -> np.ndarray:
    """The sds (n - 1) that a row's printed sd may be of, from the smallest to the largest."""
    factors = {
        "n - 1": 1.0,
        "n": math.sqrt(row["n"] / (row["n"] - 1)),
        "standard error": math.sqrt(row["n"]),
    }
    low, high = np.maximum(reading.bounds(row["sd"]), SMALLEST_SD)
    return factors[reading.sd] * np.linspace(low, high, SDS)


def standard_error(test: str, sd: Any, base_sd: Any, n: int, base_n: int) -> tuple[Any, Any]:
    """Standard error of a difference and its degrees of freedom, by a test of TESTS.

    paired: the errors of runs that correlate by 1 and by -1, on a new first axis.
    """
    if test == "paired":
        ends = np.stack([abs(sd - base_sd), sd + base_sd])
        return np.maximum(ends, SMALLEST_SD)[:, None] / n**0.5, n - 1
    a = sd**2 / n
    b = base_sd**2 / base_n
    if test == "Welch":
        return (a + b) ** 0.5, (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (base_n - 1))
    variance = pooled_variance(sd, base_sd, n, base_n)
    return (variance / n + variance / base_n) ** 0.5, n + base_n - 2


def pooled_variance(sd: Any, base_sd: Any, n: int, base_n: int) -> Any:
    """The variance of both rows' runs about their own means."""
    return ((n - 1) * sd**2 + (base_n - 1) * base_sd**2) / (n + base_n - 2)


def p_of(t: np.ndarray, freedom: Any, reading: Reading) -> np.ndarray:
    """The p of a t statistic; both tails, or the one on which the row was expected."""
    if reading.tail == "above":
        return upper_tail(t, freedom, reading)
    if reading.tail == "below":
        return upper_tail(-t, freedom, reading)
    return 2 * upper_tail(abs(t), freedom, reading)


def upper_tail(t: np.ndarray, freedom: Any, reading: Reading) -> np.ndarray:
    """The chance of a larger t statistic."""
    if reading.normal_p:
        return special.ndtr(-t)
    return special.stdtr(freedom, -t)


def t_of(p: np.ndarray, freedom: np.ndarray, reading: Reading) -> np.ndarray:
    """The size of the t statistic of a p: the inverse of `p_of`."""
    tail = p / 2 if reading.tail == "both" else p
    if reading.normal_p:
        return abs(special.ndtri(tail))
    return abs(special.stdtrit(freedom, tail))


def smallest_rank_p(n: int, base_n: int) -> float:
    """The smallest two-sided p of a rank sum test of two samples, exact or by its normal limit."""
    exact = 2 / math.comb(n + base_n, n)
    z = math.sqrt(3 * n * base_n / (n + base_n + 1))
    return min(exact, float(2 * special.ndtr(-z)))


def critical(freedom: Any, level: float, reading: Reading) -> Any:
    """The number of standard errors in half an interval."""
    if reading.normal_interval:
        return special.ndtri((1 + level) / 2)
    return special.stdtrit(freedom, (1 + level) / 2)


def effects(kind: str, difference: Any, sd: Any, base_sd: Any, n: int, base_n: int) -> np.ndarray:
    """A standardised difference: by the pooled sd, or as `kind` says.

    g: Hedges' correction, exact and approximate; Glass: the baseline's sd; mean: the root of the
    mean of both variances; n: variances with n as divisor, pooled and in the mean.
    """
    if kind == "Glass":
        return difference / base_sd
    if kind == "mean":
        return difference / ((sd**2 + base_sd**2) / 2) ** 0.5
    if kind == "n":
        variance = sd**2 * (n - 1) / n
        base_variance = base_sd**2 * (base_n - 1) / base_n
        pooled = (n * variance + base_n * base_variance) / (n + base_n)
        both = np.stack([pooled, (variance + base_variance) / 2])
        return difference / both[:, None] ** 0.5
    d = difference / pooled_variance(sd, base_sd, n, base_n) ** 0.5
    if kind == "g":
        freedom = n + base_n - 2
        exact = math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2))
        exact *= math.sqrt(2 / freedom)
        return np.stack([d * exact, d * (1 - 3 / (4 * freedom - 1))])
    return np.asarray(d)
