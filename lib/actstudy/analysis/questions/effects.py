"""What a framework, a back end, an arithmetic, an activation or a seed changes, pair by pair.

Every row is of one context and of runs that differ in its factor alone: nothing is averaged over
models, data, activations or precisions.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.questions import (
    collapse,
    contrasts,
    factors,
    reservations,
    spread,
)
from actstudy.analysis.questions.contrasts import Pair
from actstudy.analysis.questions.factors import FACTORS, OF_RUNS
from actstudy.analysis.questions.seed_values import Frames, by_cell
from actstudy.analysis.questions.stats import Estimate
from actstudy.contract.plan import Plan

SEED = "seed"
PLACE = ["task", "block", "factor", "at"]
PAIR = ("group", "level", "baseline")
SIZE = ["size", "size_low", "size_high"]
RESULT = [name for name in contrasts.COLUMNS if name not in ("task", "test_se")]
COLUMNS = [*PLACE, *RESULT, *SIZE]
FAMILIES = ("all pairs", "primary")  # of `contrasts`; the later one has the last word


def effects(frames: Frames, plan: Plan) -> pd.DataFrame:
    """A row per context and pair of levels, and one of the factor `seed` per cell.

    frames: `runs`, `contrasts`, and `predictions` as `collect` makes them. Columns COLUMNS; group:
    block and context; mean, low, high: the mean over seeds of level minus baseline; size, size_low,
    size_high: the typical size of that difference (`spread.typical_size`), of the factor `seed`
    that of two runs of other seeds, sqrt(2) times their standard deviation. A pair that the table
    `contrasts` has keeps the verdict from there, and `family` says so; all others of a factor are
    a family with its own 5%. Empty for a task that does not cross `framework`.
    """
    rows: list[dict[str, Any]] = []
    for task, _, runs in factors.crossing(frames, plan):
        planned = frames["runs"][frames["runs"]["task"] == task]
        table = frames["contrasts"][frames["contrasts"]["task"] == task]
        judged_already = by_cells(table)
        for name in FACTORS:
            for row in of_factor(runs, name, plan, task, contrasts.reached(planned)):
                key = (row.pop("own_group"), row.pop("own_level"), row.pop("own_baseline"))
                rows.append({**row, **judged_already.get(key, {})})
        rows += of_seeds(runs, plan, task)
    return pd.DataFrame(rows, columns=COLUMNS)


def of_factor(
    runs: pd.DataFrame, name: str, plan: Plan, task: str, reached: int
) -> Iterator[dict[str, Any]]:
    """The rows of one factor of a task, judged as a family of their own.

    reached: seeds that have ended in every cell. own_group, own_level, own_baseline: the pair as
    `contrasts` has it; own_group is None if that table cannot have it.
    """
    settings = plan.tasks[task]
    own = factors.contexts(runs, FACTORS[name])
    pairs = [Pair(*pair) for pair in factors.pairs(own, name, settings.baseline)]
    if not pairs:
        return
    values = by_cell(own)
    share = contrasts.family_share(plan)
    verdicts = contrasts.verdicts_of(values, pairs, settings, share, reached)
    seeds = slice(max((verdict.seeds for verdict in verdicts), default=0))
    gains = collapse.gains(values.of_rows(seeds), settings)
    cells = own.groupby(["group", "level"])[["own_group", "own_level", "block", "at"]].first()
    for pair, verdict in zip(pairs, verdicts, strict=True):
        level, opponent = (cells.loc[cell] for cell in pair.cells)
        differences = contrasts.paired_differences(gains, [pair])[:, 0]
        size = spread.typical_size(differences[np.isfinite(differences)])
        is_in_a_group = level["own_group"] == opponent["own_group"]
        yield {
            **{"task": task, "block": level["block"], "factor": name, "at": level["at"]},
            **{"family": name, **contrasts.describe_pair(pair, settings)},
            **contrasts.describe_result(pair, verdict, gains, settings, len(pairs)),
            **reservations.risks(gains, *pair.cells),
            **size_columns(size),
            "own_group": level["own_group"] if is_in_a_group else None,
            "own_level": level["own_level"],
            "own_baseline": opponent["own_level"],
        }


def by_cells(table: pd.DataFrame) -> dict[tuple[str, ...], dict[Any, Any]]:
    """Group, level and baseline -> the columns RESULT of `contrasts` but for these three.

    Of a pair of both families that of the primary one.
    """
    rows: dict[tuple[str, ...], dict[Any, Any]] = {}
    for family in FAMILIES:
        for row in table[table["family"] == family].to_dict("records"):
            key = (row["group"], row["level"], row["baseline"])
            rows[key] = {name: row[name] for name in RESULT if name not in PAIR}
    return rows


def of_seeds(runs: pd.DataFrame, plan: Plan, task: str) -> Iterator[dict[str, Any]]:
    """A row per cell: how far two of its runs of other seeds typically are from each other."""
    settings = plan.tasks[task]
    own = factors.contexts(runs, OF_RUNS)
    gains = collapse.gains(by_cell(own), settings)
    cells = own.groupby(["group", "level"], sort=False)[["block", "at"]].first()
    for cell, place in cells.iterrows():
        if cell not in gains.typical:
            continue
        typical = gains.typical[cell].dropna().to_numpy()
        sd = spread.sd_of_squares(float(((typical - typical.mean()) ** 2).sum()), len(typical) - 1)
        root = np.sqrt(2)
        size = Estimate(root * sd.value, root * sd.low, root * sd.high, len(typical))
        yield {
            **{"task": task, "block": place["block"], "factor": SEED, "at": place["at"]},
            **contrasts.describe_pair(Pair(cell[0], cell[1], ""), settings),
            "n": len(typical),
            "seeds": int(gains.every[cell].count()),
            "sd": sd.value,
            **size_columns(size),
        }


def size_columns(size: Estimate) -> dict[str, float]:
    """The columns SIZE."""
    return dict(zip(SIZE, (size.value, size.low, size.high), strict=True))
