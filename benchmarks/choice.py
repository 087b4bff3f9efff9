"""How often the set of `choose` holds the truly best activation, and how large it is.

    python benchmarks/choice.py --studies 4000 --out benchmarks/results

Four kinds of cells, of which each row of the table says its own. `simulated`: K levels, n seeds,
effects of the level (in standard deviations of a run) and of the seed, with noise that is normal,
exponential, `skewed` (the best level has a long upper tail, the others little noise, so that its
mean is rarely seen), or `collapsed` (a run in ten is at chance). Level 0 is the best: by the same
as all others (`equal`: it is the only one that counts as best), by 0.5 sd per level (`spread`), or
shared with level 1, the others 2 sd below (`two`). `left out`: real runs of docs/example/verdicts,
20 seeds per level; a question gets 8 seeds and 3 to 8 of the levels, its truth is the level with
the best mean over all 20 seeds. `real noise`: the same, but its seeds are drawn with replacement.
`real means`: cells of all kept studies with their own levels, whose means are as measured and whose
runs have normal noise of the level's own standard deviation.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import simulations

from actstudy.analysis import evidence, stored
from actstudy.analysis.questions import choice, collapse
from actstudy.analysis.questions.seed_values import TaskValues
from actstudy.contract.plan import TaskPlan

LEVELS = (2, 5, 8)
SEEDS = (3, 5, 8, 20)
PATTERNS = {"equal": (0.0, 0.0, 0.0), "spread": (0.0, -0.5, -0.5), "two": (0.0, 0.0, -2.0)}
NOISES = ("normal", "exponential", "skewed", "collapsed")
MARGINS = (0.0, 0.5)
MEAN = 0.7  # accuracy of level 0, chance is 0.1
SD = 0.01
CHANCE = 0.1
RISK = 0.1  # of a run to collapse
QUESTIONS = 200
ASKED_SEEDS = 8


class Case(NamedTuple):
    """One kind of simulated cell."""

    K: int
    n: int
    pattern: str
    noise: str
    margin: float  # in standard deviations of a run; 0: the tests alone

    @property
    def effects(self) -> np.ndarray:
        """The true mean of each level, (K,), in standard deviations; level 0 is the best."""
        _, second, step = PATTERNS[self.pattern]
        if self.pattern == "spread":
            return step * np.arange(self.K)
        return np.array([0.0, second, *[step] * (self.K - 2)])


def cases() -> Iterator[Case]:
    """The kinds of cells that are simulated."""
    for values in itertools.product(LEVELS, SEEDS, PATTERNS, NOISES, MARGINS):
        yield Case(*values)


def residuals(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Each run's own part, (n, K), of mean 0."""
    shape = (case.n, case.K)
    if case.noise == "exponential":
        return rng.exponential(size=shape) - 1
    if case.noise == "skewed":
        x = 0.25 * rng.normal(size=shape)
        x[:, 0] = rng.exponential(size=case.n) - 1
        return x
    return rng.normal(size=shape)


def gains(case: Case, rng: np.random.Generator, settings: TaskPlan) -> np.ndarray:
    """The gains of one simulated cell, (n, K), of typical runs as a study takes them."""
    seeds = rng.normal(size=(case.n, 1))
    x = MEAN + SD * (case.effects + seeds + residuals(case, rng))
    if case.noise != "collapsed":
        return np.asarray(x)
    values = pd.DataFrame(np.where(rng.random(x.shape) < RISK, CHANCE, x))
    chance = pd.Series(CHANCE, values.columns)
    task = TaskValues(values, values.isna(), chance)
    return collapse.gains(task, settings).typical.to_numpy()


def simulated(case: Case, studies: int, settings: TaskPlan, place: int) -> dict[str, Any]:
    """The row of one case."""
    rng = np.random.default_rng([1, place])
    sets = [choice.members(gains(case, rng, settings), SD * case.margin) for _ in range(studies)]
    holds = [bool(in_set[0]) for in_set in sets]
    return {"cells": "simulated", **case._asdict(), **shares(holds, sets)}


def shares(holds: list[bool], sets: list[np.ndarray]) -> dict[str, Any]:
    """The share of sets that hold the best with its standard error, their size, how many."""
    share = float(np.mean(holds))
    return {
        "holds": share,
        "error": math.sqrt(share * (1 - share) / len(holds)),
        "size": float(np.mean([in_set.sum() for in_set in sets])),
        "studies": len(sets),
    }


def left_out(cells: list[evidence.Cell], n_questions: int, kind: str) -> dict[str, Any]:
    """The row of questions that get some of the seeds and levels of real cells."""
    rng = np.random.default_rng([2, len(kind)])
    holds = []
    sets = []
    for place in range(n_questions):
        cell = cells[place % len(cells)]
        every = typical(cell)
        n_levels = every.shape[1]
        levels = rng.choice(n_levels, size=rng.integers(3, n_levels + 1), replace=False)
        of_levels = every[:, levels]
        seeds = rng.choice(len(every), size=ASKED_SEEDS, replace=kind == "real noise")
        in_set = choice.members(of_levels[seeds], cell.settings.margin)
        holds.append(holds_best(in_set, of_levels.mean(axis=0)))
        sets.append(in_set)
    return of_questions(kind, holds, sets)


def real_means(cells: list[evidence.Cell], n_questions: int) -> dict[str, Any]:
    """The row of questions with the measured means and deviations of real cells."""
    rng = np.random.default_rng([3])
    holds = []
    sets = []
    for place in range(n_questions):
        cell = cells[place % len(cells)]
        every = typical(cell)
        means = np.nanmean(every, axis=0)
        noise = rng.normal(size=(ASKED_SEEDS, len(means))) * np.nanstd(every, axis=0, ddof=1)
        in_set = choice.members(means + noise, cell.settings.margin)
        holds.append(holds_best(in_set, means))
        sets.append(in_set)
    return of_questions("real means", holds, sets)


def typical(cell: evidence.Cell) -> np.ndarray:
    """The gains of a cell's typical runs, (seeds, K)."""
    return np.asarray(collapse.gains(cell.values, cell.settings).typical, dtype=float)


def holds_best(in_set: np.ndarray, means: np.ndarray) -> bool:
    """Whether a level with the best mean is in the set."""
    return bool(in_set[means == means.max()].any())


def of_questions(kind: str, holds: list[bool], sets: list[np.ndarray]) -> dict[str, Any]:
    """A row; K is the mean number of levels of its questions."""
    n_levels = float(np.mean([len(in_set) for in_set in sets]))
    return {"cells": kind, "n": ASKED_SEEDS, "K": n_levels, **shares(holds, sets)}


def main() -> None:
    arguments = simulations.parsed(__doc__, default=4_000)
    every, _ = evidence.cells(stored.kept_folders())
    cells = [cell for cell in every if cell.study == "verdicts"]
    settings = cells[0].settings
    rows = []
    for place, case in enumerate(cases()):
        studies = arguments.studies // (8 if case.noise == "collapsed" else 1)  # those take longer
        rows.append(simulated(case, studies, settings, place))
    rows.append(left_out(cells, QUESTIONS, "left out"))
    rows.append(left_out(cells, arguments.studies, "real noise"))
    rows.append(real_means(every, QUESTIONS))
    table = simulations.write(rows, arguments.out, "choice")
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
