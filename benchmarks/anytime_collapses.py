"""Verdicts at any number of seeds if some runs collapse, in simulated studies.

    python benchmarks/anytime_collapses.py --studies 500 --out benchmarks/results

Studies are those of benchmarks/collapse.py: four levels, of whose runs some fall to chance, and a
baseline whose runs never do. Each is looked at after every second of LAST seeds; at each look all
seeds so far say which runs are typical. Rates are shares of studies, or of decided contrasts for
`withdrawn`; `error` is their Monte Carlo standard error.
"""

import argparse
import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from collapse import SETTINGS, Case, true_mean, values

from actstudy.analysis.questions import anytime, collapse, contrasts, reservations
from actstudy.analysis.questions.capital import both
from actstudy.analysis.questions.procedure import ALPHA, Verdict
from actstudy.analysis.questions.seed_values import TaskValues
from actstudy.contract.plan import ANYTIME

LAST = 40
LOOKS = range(6, LAST + 1, 2)
AT_ANY_N = dataclasses.replace(SETTINGS, looks=ANYTIME)
CASES = (  # effect, chance in sd below, rate of falls
    (0.0, 60.0, 0.0),
    (0.0, 60.0, 0.02),
    (0.0, 60.0, 0.1),
    (0.0, 10.0, 0.1),
    (1.5, 60.0, 0.02),
    (1.5, 60.0, 0.1),
)


def look(task: TaskValues, case: Case) -> list[tuple[str, str]]:
    """The verdict on each level, empty if it is open, and its condition."""
    pairs = [contrasts.Pair("", str(level), "0") for level in range(1, case.K + 1)]
    gains = collapse.gains(task, AT_ANY_N)
    x = contrasts.paired_differences(gains, pairs)
    best = both(x, "normal").best
    p = anytime.holm_p(best)
    words = []
    for j, pair in enumerate(pairs):
        rows = np.flatnonzero(p[:, j] <= ALPHA)
        if not len(rows):
            words.append(("", ""))
            continue
        word = "better" if best.above[rows[0], j] >= best.below[rows[0], j] else "worse"
        own = x[np.isfinite(x[:, j]), j]
        ends = (math.nan, math.nan)
        numbers = (len(own), len(x), float(own.mean()), float(own.std(ddof=1)), *ends, 1 - ALPHA)
        verdict = Verdict(word, *numbers, p[-1, j], 1.0, ALPHA, int(rows[0]) + 1, None, None, 0.0)
        words.append((word, reservations.condition(verdict, gains, *pair.cells, case.K, True)))
    return words


def study(case: Case, rng: np.random.Generator) -> dict[str, float]:
    """What was ever said in one simulated study."""
    x = values(case, rng)
    cells = pd.MultiIndex.from_tuples([("", str(level)) for level in range(case.K + 1)])
    frame = pd.DataFrame(x, columns=cells)
    task = TaskValues(frame, frame.isna(), pd.Series(-case.floor, cells))
    looks = [look(task.of_rows(slice(n)), case) for n in LOOKS]
    mean = true_mean(case)
    wrong = {"better"} if mean < 0 else {"worse"} if mean > 0 else {"better", "worse"}
    misleading = {"better", "worse"} if case.effect == 0 else {"worse"}
    decided = 0
    withdrawn = 0
    for verdicts in zip(*looks, strict=True):
        words = [word for word, _ in verdicts]
        first = next((place for place, word in enumerate(words) if word), None)
        if first is not None:
            decided += 1
            withdrawn += len(set(words[first:])) > 1
    every = list(itertools.chain.from_iterable(looks))
    return {
        "wrong of typical runs": float(any(word in misleading for word, _ in every)),
        "wrong without condition": float(any(word in wrong and not open_ for word, open_ in every)),
        "decided": float(decided),
        "withdrawn": float(withdrawn),
    }


def simulate(case: Case, studies: int) -> list[dict[str, Any]]:
    """A row per measure of a case."""
    rng = np.random.default_rng([len(repr(case)), *repr(case).encode()])
    table = pd.DataFrame([study(case, rng) for _ in range(studies)])
    total = table["decided"].sum()
    share = table["withdrawn"].sum() / total if total else math.nan
    rows = []
    for measure in ("wrong of typical runs", "wrong without condition"):
        error = table[measure].std(ddof=0) / math.sqrt(studies)
        rows.append({"measure": measure, "value": table[measure].mean(), "error": error})
    error = math.sqrt(share * (1 - share) / total) if total else math.nan
    rows.append({"measure": "withdrawn", "value": share, "error": error})
    return [{**case._asdict(), **row, "studies": studies, "decided": total} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for effect, floor, rate in CASES:
        case = Case("levels", rate, effect, 4, LAST, False, floor)
        rows += simulate(case, arguments.studies)
        print(*rows[-3:], sep="\n", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(arguments.out / "anytime_collapses.parquet", index=False)


if __name__ == "__main__":
    main()
