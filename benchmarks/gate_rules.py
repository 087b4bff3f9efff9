"""Rules by which a session may spend its 5%, for benchmarks/gate_errors.py.

Everywhere x, of shape (n, S), holds the differences of one attempt in S sessions, no true one.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import special

from actstudy.analysis.questions.capital import NOISES
from actstudy.judging.gate.decision import Rules, hopeless, level_of, seeds_for

LEVEL = 0.05
NOISE = "symmetric"
LIMIT = 40  # seeds that any attempt may take


def first_rows(reached: np.ndarray) -> np.ndarray:
    """The first row, from 0, at which each column is reached; the number of rows if none is."""
    return np.where(reached.any(axis=0), reached.argmax(axis=0), len(reached))


@dataclass(frozen=True)
class Attempt:
    """One attempt in S sessions: its differences, log capital, and when the gate gives it up."""

    x: np.ndarray
    capital: np.ndarray
    end_rows: np.ndarray  # from 0, their number if never

    @classmethod
    def of(cls, x: np.ndarray, margin: float | None = None) -> "Attempt":
        """What all rules look at."""
        return cls(x, NOISES[NOISE](x), first_rows(hopeless(x, margin)))

    def decided(self, needed: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Whether each is kept, and the pairs it took, if a log capital of `needed` keeps it.

        As `decide` of the gate does, for many attempts at once.
        """
        keep_rows = first_rows(self.capital >= needed)
        keeps = (keep_rows < len(self.x)) & (keep_rows < self.end_rows)
        return keeps, np.minimum(np.minimum(keep_rows, self.end_rows) + 1, len(self.x))


def gate_seeds(attempt: int, effect: float = 1.0) -> int:
    """The seeds that the gate asks for in an attempt, for a gain of `effect` sd."""
    return seeds_for(effect, level_of(attempt, LEVEL), Rules())


class Rule(ABC):
    """How the 5% of a session are spent; one object per S sessions."""

    name = ""

    @abstractmethod
    def judge(self, attempt: Attempt) -> np.ndarray:
        """Whether the next attempt is kept, per session."""


class Spending(Rule):
    """A share of the 5% for each attempt, fixed before: the gate."""

    def __init__(self, name: str, share: list[float]) -> None:
        self.name = name
        self.share = share
        self.number = 0

    def judge(self, attempt: Attempt) -> np.ndarray:
        self.number += 1
        if self.number > len(self.share):
            return np.full(attempt.x.shape[1], False)
        return attempt.decided(-math.log(LEVEL * self.share[self.number - 1]))[0]


class Wealth(Rule):
    """One gambler for the session, who stakes a fraction of his capital on each attempt.

    What an attempt leaves of its stake is bet on later ones; kept if all he has reaches 1 / 5%.
    """

    def __init__(self, name: str, fraction: float, sessions: int) -> None:
        self.name = name
        self.fraction = fraction
        self.capital = np.ones(sessions)

    def judge(self, attempt: Attempt) -> np.ndarray:
        stake = self.fraction * self.capital
        rest = self.capital - stake
        needed = np.log(np.maximum((1 / LEVEL - rest) / stake, 1e-9))
        keeps, used = attempt.decided(needed)
        log_gain = attempt.capital[used - 1, np.arange(len(used))]
        self.capital = rest + stake * np.exp(log_gain)
        return keeps


class FixedT(Rule):
    """A one-sided t test of a fixed number of seeds at the gate's levels: no looks in between."""

    name = "t test at a fixed n, the gate's levels"

    def __init__(self) -> None:
        self.number = 0

    def judge(self, attempt: Attempt) -> np.ndarray:
        self.number += 1
        level = level_of(self.number, LEVEL)
        pairs = attempt.x[: seeds_of_t_test(level)]
        n = len(pairs)
        t = pairs.mean(axis=0) / (pairs.std(axis=0, ddof=1) / math.sqrt(n))
        return special.stdtr(n - 1, -t) <= level


def seeds_of_t_test(level: float) -> int:
    """The smallest n at which a one-sided t test at `level` finds 1 sd with 80% (nct)."""
    for n in range(5, LIMIT):
        critical = special.stdtrit(n - 1, 1 - level)
        if special.nctdtr(n - 1, math.sqrt(n), critical) <= 0.2:
            return n
    return LIMIT


def rules(sessions: int, attempts: int) -> list[Rule]:
    """The rules that are compared."""
    j = np.arange(1, attempts + 1)
    gate = [level_of(int(i), 1.0) for i in j]
    uniform = [0.01] * 100
    return [
        Spending("gate: half of the 5% over 20 attempts", gate),
        Spending("1 / (j (j + 1))", list(1 / (j * (j + 1)))),
        Spending("1 / 100 each, over after 100", uniform),
        Wealth("capital handed on, 2% staked", 0.02, sessions),
        Wealth("capital handed on, 5% staked", 0.05, sessions),
        FixedT(),
    ]
