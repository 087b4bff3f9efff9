"""Error rates of the verdicts when some runs collapse, in simulated studies.

    python benchmarks/collapse.py --studies 2000 --processes 8 --out benchmarks/results

A study has n seeds of a baseline and of K levels. A typical run is standard normal; those of the
levels are better by `effect` sd of a difference, that is, sqrt(2) sd of a run. Chance is `floor`
sd below; a collapsed run is there, or a third of the way to it (`is_partial`). `who` collapses: the
levels or the baseline. Rates are shares of studies in which the verdict on any level is such;
`before` are those of the same tests on all runs, collapsed ones included. A verdict is wrong if the
true mean difference, collapsed runs included, is zero or has the other sign.
"""

import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import simulations

from actstudy.analysis.questions import collapse, contrasts, procedure, reservations
from actstudy.analysis.questions.seed_values import TaskValues
from actstudy.contract.plan import TaskPlan

MARGIN = 1e-9  # nothing is equivalent, so that a difference cannot hide
RATES = (0.02, 0.1, 0.3)
EFFECTS = (0.0, 1.0, 2.0, 3.0)
SIZES = [(8, False), (20, True)]  # seeds, looks
SETTINGS = TaskPlan(
    title="", metric="", unit="", higher_is_better=True, predicts="classes", x_axis="step",
    margin=MARGIN, margin_reason="", log_unit=None, classes={}, targets=[], baseline="0", recipe={},
    axes={}, looks=False, tune_lr=None, figures=(),
)  # fmt: skip


class Case(NamedTuple):
    """One kind of study."""

    who: str
    rate: float
    effect: float
    K: int
    n: int
    looks: bool
    floor: float = 60.0
    is_partial: bool = False


def cases() -> Iterator[Case]:
    """The kinds of studies that are simulated."""
    for (n, looks), effect in itertools.product(SIZES, EFFECTS):
        for rate in (0.0, *RATES):
            yield Case("levels", rate, effect, 4, n, looks)
    for (n, looks), effect, rate in itertools.product(SIZES, (0.0, 1.0), (0.0, 0.1)):
        yield Case("levels", rate, effect, 11, n, looks)
        yield Case("baseline", rate, effect, 4, n, looks)
        yield Case("levels", rate, effect, 4, n, looks, floor=3.0)
    for (n, looks), effect, rate in itertools.product(SIZES, (0.0, 0.75, 3.0, 5.0), RATES):
        yield Case("levels", rate, effect, 4, n, looks, floor=10.0)
    for (n, looks), effect in itertools.product(SIZES, (2.0, 3.0, 5.0)):
        yield Case("levels", 0.0, effect, 4, n, looks, floor=10.0)
    for n, looks in SIZES:
        yield Case("levels", 0.1, 0.0, 4, n, looks, is_partial=True)


def values(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Values of the baseline and the levels, (n, K + 1); chance is -floor."""
    x = rng.normal(size=(case.n, case.K + 1))
    x[:, 1:] += case.effect * math.sqrt(2)
    falls = rng.random(x.shape) < case.rate
    if case.who == "levels":
        falls[:, 0] = False
    else:
        falls[:, 1:] = False
    low = -case.floor / 3 if case.is_partial else -case.floor
    return np.where(falls, low + 0.1 * rng.normal(size=x.shape), x)


def true_mean(case: Case) -> float:
    """The true mean difference of a level from the baseline."""
    low = -case.floor / 3 if case.is_partial else -case.floor
    level_rate = case.rate if case.who == "levels" else 0.0
    baseline_rate = case.rate if case.who == "baseline" else 0.0
    level = (1 - level_rate) * case.effect * math.sqrt(2) + level_rate * low
    return level - baseline_rate * low


def study(case: Case, rng: np.random.Generator) -> dict[str, float]:
    """Whether each kind of verdict was given in one simulated study."""
    x = values(case, rng)
    cells = [("", str(level)) for level in range(case.K + 1)]
    frame = pd.DataFrame(x, columns=pd.MultiIndex.from_tuples(cells))
    task = TaskValues(frame, frame.isna(), pd.Series(-case.floor, frame.columns))
    gains = collapse.gains(task, SETTINGS)
    pairs = [contrasts.Pair("", level, "0") for _, level in cells[1:]]
    schedule = procedure.looks_of(case.looks)
    verdicts = contrasts.judge(task, pairs, SETTINGS, schedule, case.n)
    conditions = []
    for pair, verdict in zip(pairs, verdicts, strict=True):
        conditions.append(reservations.condition(verdict, gains, *pair.cells, case.K))
    before = procedure.judge(x[:, 1:] - x[:, :1], MARGIN, schedule)
    words = [verdict.verdict for verdict in verdicts]
    sure = [word for word, open_ in zip(words, conditions, strict=True) if not open_]
    old = [verdict.verdict for verdict in before]
    mean = true_mean(case)
    wrong = {"better"} if mean < 0 else {"worse"} if mean > 0 else {"better", "worse"}
    misleading = {"better", "worse"} if case.effect == 0 else {"worse"}
    return {
        "wrong without condition": float(not wrong.isdisjoint(sure)),
        "wrong of typical runs": float(not misleading.isdisjoint(words)),
        "wrong before": float(not wrong.isdisjoint(old)),
        "better before": float("better" in old),
        "better": words.count("better") / case.K,
        "better before, per level": old.count("better") / case.K,
        "better without condition": sure.count("better") / case.K,
    }


def simulate(case: Case, studies: int) -> list[dict[str, Any]]:
    """A row per measure of a case: its mean over studies and its Monte Carlo standard error."""
    rng = np.random.default_rng([len(repr(case)), *repr(case).encode()])
    shares = pd.DataFrame([study(case, rng) for _ in range(studies)])
    errors = shares.std(ddof=0) / math.sqrt(studies)
    rows = []
    for measure, mean in shares.mean().items():
        row = {"measure": measure, "value": mean, "error": errors[measure], "studies": studies}
        rows.append({**case._asdict(), **row})
    return rows


def coverage(studies: int) -> list[dict[str, Any]]:
    """The share of studies in which the largest risk not excluded is not below the true one."""
    rng = np.random.default_rng(0)
    rows = []
    for rate, n in itertools.product((0.0, *RATES), (8, 12, 20)):
        events = rng.binomial(n, rate, size=studies)
        inside = [collapse.largest_risk(int(k), n) >= rate for k in events]
        rows.append({"rate": rate, "n": n, "measure": "risk covered", "value": np.mean(inside)})
    return rows


def main() -> None:
    arguments = simulations.parsed(__doc__, processes=2)
    rows = coverage(arguments.studies)
    with ProcessPoolExecutor(arguments.processes) as pool:
        for case_rows in pool.map(partial(simulate, studies=arguments.studies), cases()):
            rows += case_rows
    table = simulations.write(rows, arguments.out, "collapse")
    wide = table.pivot_table(
        index=["who", "floor", "is_partial", "rate", "effect"],
        columns=["measure", "K", "n", "looks"],
        values="value",
        sort=False,
    )
    for measure in wide.columns.get_level_values("measure").unique():
        print(measure, wide[measure].round(3).to_string(), sep="\n", end="\n\n")
    print(
        table[table["measure"] == "risk covered"].pivot(index="rate", columns="n", values="value")
    )


if __name__ == "__main__":
    main()
