"""What the pairs of one attempt say: keep, do not keep, or not enough seeds.

Everywhere x, of shape (n,), holds the differences of the pairs in the order in which they were run,
positive if the candidate is better, missing if a run diverged.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from actstudy.analysis.questions import stats
from actstudy.analysis.questions.capital import NOISES, of_sums
from actstudy.analysis.questions.crossing import rounded, seeds_to_cross
from actstudy.analysis.questions.power import MIN_SEEDS, POWER, upper_sd
from actstudy.contract.counting import counted

KEEP = "keep"
DO_NOT = "do not keep"
MORE = "not enough seeds"
HALF = 20  # attempts over which half of the budget is spent
GIVEN_UP = 0.03  # share of gains as large as is looked for that are given up too early
LARGEST_EXPONENT = 700.0  # of a capital as a float
MISSED = 0.05  # probability with which a change of the size that is looked for is given up early


@dataclass(frozen=True)
class Rules:
    """What a ledger fixes with its first line."""

    margin: float | None = None  # the smallest gain that matters; None: 1 sd of a difference
    higher_is_better: bool = True
    level: float = 0.05  # of ledgers that only try what changes nothing, those that keep any
    noise: str = "symmetric"  # of differences, a name of NOISES
    max_seeds: int = 100  # of one attempt


@dataclass(frozen=True)
class Decision:
    """What the pairs of one attempt say. rows: of pairs, up to the decision."""

    verdict: str
    reason: str
    rows: int | None
    more_seeds: int | None
    evidence: float  # the largest capital up to the decision; 1 / level keeps the change


def level_of(attempt: int, level: float) -> float:
    """The error that attempt 1, 2, ... may spend: level HALF / ((HALF + j - 1) (HALF + j)).

    The sum over the first j is level j / (HALF + j).
    """
    return level * HALF / ((HALF + attempt - 1) * (HALF + attempt))


def evidence_needed(attempt: int, level: float) -> float:
    """The capital that keeps attempt 1, 2, ...: 1 / `level_of`, without the noise of dividing."""
    return (HALF + attempt - 1) * (HALF + attempt) / (level * HALF)


def spent_by(attempts: int, level: float) -> float:
    """The error that the first `attempts` attempts may spend together: the sum of `level_of`."""
    return level * attempts / (HALF + attempts)


def decide(x: np.ndarray, level: float, rules: Rules) -> Decision:
    """The first decision in differences x (n,), in the order of seeds, positive if better.

    Kept once the capital against "not better" reaches 1 / level. Given up if, from MIN_SEEDS pairs
    on, the capital against a gain as large as is looked for reaches 1 / MISSED before, or if the
    seeds that would find it with 80% are there.
    """
    capital = NOISES[rules.noise](x)
    kept_rows = np.flatnonzero(capital >= -math.log(level))
    given_up = hopeless(x, rules.margin)
    n = int(np.isfinite(x).sum())
    if len(kept_rows) and not given_up[: kept_rows[0] + 1].any():
        rows = int(kept_rows[0]) + 1
        return Decision(KEEP, "better than the baseline", rows, None, evidence(x[:rows], rules))
    sought = f"{rules.margin:g}" if rules.margin else "1 sd of a difference"
    if given_up.any():
        rows = int(np.argmax(given_up)) + 1
        reason = f"a gain of {sought} is excluded"
        return Decision(DO_NOT, reason, rows, None, evidence(x[:rows], rules))
    best = evidence(x, rules)
    needed = seeds_needed(x, level, rules)
    if n >= needed:
        reason = f"no gain seen with {counted(n, 'seed')}, which find one of {sought} with 80%"
        return Decision(DO_NOT, reason, len(x), None, best)
    return Decision(MORE, f"undecided with {n} of {needed} seeds", None, needed - n, best)


def evidence(x: np.ndarray, rules: Rules) -> float:
    """The largest capital that these pairs gave, with 1 at the start; others have no part in it."""
    largest = float(NOISES[rules.noise](x).max(initial=0.0))
    return math.exp(min(largest, LARGEST_EXPONENT))


def hopeless(x: np.ndarray, margin: float | None) -> np.ndarray:
    """After each row, whether a gain of `margin` (None: 1 sd of x so far) is excluded.

    x may have further axes, one attempt each. By the capital of normal differences, whatever the
    noise: to give up early keeps nothing, so it takes no part in the error of the gate.
    """
    n = np.isfinite(x).cumsum(axis=0)
    known = np.nan_to_num(x)
    total = known.cumsum(axis=0)
    squares = (known * known).cumsum(axis=0)
    variance = np.maximum(squares - total**2 / np.maximum(n, 1), 0) / np.maximum(n - 1, 1)
    gain = np.sqrt(variance) if margin is None else np.full(x.shape, margin)
    around = np.maximum(squares - 2 * gain * total + n * gain**2, 0)
    capital = of_sums(n, n * gain - total, around)
    return (n >= MIN_SEEDS) & (capital >= -math.log(MISSED))


def seeds_needed(x: np.ndarray, level: float, rules: Rules) -> int:
    """The pairs that find the gain looked for with 80%, at most `max_seeds`.

    With a margin it depends on the sd seen, from MIN_SEEDS pairs on; before it is that of 1 sd.
    """
    pairs = x[np.isfinite(x)]
    effect = 1.0
    if rules.margin is not None and len(pairs) >= MIN_SEEDS and np.ptp(pairs) > 0:
        effect = rounded(rules.margin / upper_sd(float(pairs.std(ddof=1)), len(pairs)))
    return seeds_for(effect, level, rules)


def seeds_for(effect: float, level: float, rules: Rules) -> int:
    """The pairs that find a gain of `effect` sd with 80%, at most `max_seeds`."""
    power = POWER + GIVEN_UP
    seeds = seeds_to_cross(effect, -math.log(level), rules.noise, rules.max_seeds, power)
    return rules.max_seeds if seeds is None else seeds


def estimate(x: np.ndarray) -> dict[str, Any] | None:
    """Mean gain with its 95% Student interval (None: unbounded), and sd; None without pairs."""
    pairs = x[np.isfinite(x)]
    if not len(pairs):
        return None
    interval = stats.mean_interval(list(pairs))
    ends = {"low": interval.low, "high": interval.high}
    known = {name: end if math.isfinite(end) else None for name, end in ends.items()}
    sd = float(pairs.std(ddof=1)) if len(pairs) > 1 else None
    return {"n": len(pairs), "mean": interval.value, **known, "sd": sd}
