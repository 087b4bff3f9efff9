"""The cells of two studies side by side: means, differences of the seeds that pair, verdicts.

The differences are those of the study's own contrasts, with the studies as levels: typical runs of
one seed that saw the same batches. Nothing is tested: each interval is of one cell by itself.
"""

from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.evidence import NO_PREDICTIONS
from actstudy.analysis.questions import collapse, contrasts, stats
from actstudy.analysis.questions.contrasts import Pair
from actstudy.analysis.questions.seed_values import by_cell, compared
from actstudy.contract.plan import TaskPlan
from actstudy.judging.studies.beside import Study, shared_cells, verdict_of

CELL = ["group", "level"]
FIRST = "first"
OTHER = "other"
SAME_RUNS = "same runs"
SAME = "same"
BASELINE = "baseline"  # in place of its verdict
COLUMNS = ["task", *CELL, "metric", "unit", FIRST, OTHER]
COLUMNS += ["n_first", "mean_first", "sd_first", "n_other", "mean_other", "sd_other"]
COLUMNS += ["n_pairs", "difference", "low", "high", "pairs"]
COLUMNS += ["baseline", "verdict_first", "verdict_other", "verdict"]
NEEDED = ["run_id", "seed", "data", "status"]  # columns of runs that can be paired


def compare(first: Study, other: Study, task: str) -> pd.DataFrame:
    """A row per cell of a task that both studies have. Columns COLUMNS.

    difference: other minus first, in `unit`, the mean over n_pairs seeds with its 95% interval;
    pairs: why there are none, or SAME_RUNS; verdict: SAME or OTHER, empty unless both studies
    compare the level with one baseline.
    """
    settings = first.plan.tasks[task]
    cells = shared_cells(first, other, task)
    differences = differences_of(first, other, task)
    rows = []
    for cell in cells:
        head = {"task": task, **dict(zip(CELL, cell, strict=True)), "metric": settings.metric}
        head |= {"unit": settings.compared_unit, FIRST: first.name, OTHER: other.name}
        for side, study in ((FIRST, first), (OTHER, other)):
            head |= summary(study, task, cell, side)
        pairs = differences.get(cell) or unpaired("no runs in the tables")
        rows.append({**head, **pairs, **verdicts(first, other, task, cell)})
    return pd.DataFrame(rows, columns=COLUMNS)


def summary(study: Study, task: str, cell: tuple[str, str], side: str) -> dict[str, Any]:
    """n, mean and sd of a cell's completed runs, in columns that end with `side`."""
    rows = study.of("cells", task)
    row = rows[(rows["group"] == cell[0]) & (rows["level"] == cell[1])].iloc[0]
    return {f"{name}_{side}": row[name] for name in ("n", "mean", "sd")}


def differences_of(first: Study, other: Study, task: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Cell -> its columns on pairs, of the cells that have runs in both studies."""
    settings = first.plan.tasks[task]
    runs = joined(first, other, task)
    by_pair = {}
    for cell, part in runs.groupby(CELL, sort=False):
        by_pair[cell] = of_cell(part, settings)
    return by_pair


def joined(first: Study, other: Study, task: str) -> pd.DataFrame:
    """The runs of a task that have ended, of both studies, with `side`; one per cell and seed."""
    parts = []
    for side, study in ((FIRST, first), (OTHER, other)):
        metric = f"reported_{study.plan.tasks[task].metric}"
        if not {*NEEDED, metric} <= set(study.runs):
            return pd.DataFrame(columns=CELL)
        frames = {"runs": study.runs, "predictions": NO_PREDICTIONS}
        ended = compared(frames, study.plan, task)
        parts.append(ended.assign(side=side))
    if any(part.empty for part in parts):
        return pd.DataFrame(columns=CELL)
    return pd.concat(parts, ignore_index=True)


def of_cell(runs: pd.DataFrame, settings: TaskPlan) -> dict[str, Any]:
    """The columns on pairs of one cell; runs: its runs of both studies, with `side`."""
    own, reason = of_pairs(runs)
    if own.empty:
        return unpaired(reason)
    return {**difference(own, settings), "pairs": reason}


def of_pairs(runs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The runs of one cell whose seeds pair, and SAME_RUNS if both studies have the very same.

    Without a pair the text says why.
    """
    none = runs.head(0)
    sides = {side: part.set_index("seed") for side, part in runs.groupby("side")}
    if len(sides) < 2:
        return none, "no run of one of them has ended"
    seeds = sides[FIRST].index.intersection(sides[OTHER].index)
    if seeds.empty:
        return none, "no seed in common"
    of_first, of_other = (sides[side].loc[seeds] for side in (FIRST, OTHER))
    batches = of_other.reindex(columns=["order_hash"])["order_hash"]
    expected = of_first.reindex(columns=["order_hash"])["order_hash"]
    alike = (batches == expected) | batches.isna() | expected.isna()
    if not alike.any():
        return none, "seeds saw other batches"
    seeds = seeds[alike.to_numpy()]
    is_same = (of_first["run_id"] == of_other["run_id"])[alike.to_numpy()].all()
    return runs[runs["seed"].isin(seeds)], SAME_RUNS if is_same else ""


def of_seeds(first: Study, other: Study, task: str) -> pd.DataFrame:
    """Other minus first of each seed that counts, columns group, level, seed and difference."""
    rows = []
    for cell, part in joined(first, other, task).groupby(CELL, sort=False):
        own, _ = of_pairs(part)
        if len(own):
            for seed, value in seed_differences(own, first.plan.tasks[task]).items():
                head = dict(zip(CELL, cell, strict=True))
                rows.append({**head, "seed": seed, "difference": value})
    return pd.DataFrame(rows, columns=[*CELL, "seed", "difference"])


def difference(runs: pd.DataFrame, settings: TaskPlan) -> dict[str, Any]:
    """Mean difference of the typical runs of a cell's seeds, other minus first, with n."""
    estimate = stats.mean_interval(list(seed_differences(runs, settings)))
    names = ("difference", "low", "high", "n_pairs")
    return dict(zip(names, vars(estimate).values(), strict=True))


def seed_differences(runs: pd.DataFrame, settings: TaskPlan) -> pd.Series:
    """Seed -> other minus first of its typical runs, of one cell."""
    values = by_cell(runs.assign(group="", level=runs["side"]))
    gains = collapse.gains(values, settings)
    x = contrasts.paired_differences(gains, [Pair("", OTHER, FIRST)])[:, 0]
    return pd.Series(settings.sign * x, gains.every.index).dropna()


def unpaired(reason: str) -> dict[str, Any]:
    """The columns on pairs of a cell without any, and why."""
    missing = dict.fromkeys(("difference", "low", "high"), np.nan)
    return {"n_pairs": 0, **missing, "pairs": reason}


def verdicts(first: Study, other: Study, task: str, cell: tuple[str, str]) -> dict[str, str]:
    """The verdicts of both studies on a cell's level, and whether they are the same.

    BASELINE in place of that of a study whose baseline the level is.
    """
    baselines = []
    words = []
    for study in (first, other):
        rows = study.of("verdicts", task)
        rows = rows[(rows["group"] == cell[0]) & (rows["level"] == cell[1])]
        baselines.append(str(rows["baseline"].iloc[0]) if len(rows) else "")
        own = BASELINE if cell[1] == study.plan.tasks[task].baseline else ""
        words.append(verdict_of(rows.iloc[0]) if len(rows) else own)
    verdict = ""
    if all(baselines) and baselines[0] == baselines[1]:
        verdict = SAME if words[0] == words[1] else OTHER
    names = ("verdict_first", "verdict_other", "verdict")
    of_both = {"baseline": " or ".join(dict.fromkeys(filter(None, baselines)))}
    return of_both | dict(zip(names, (*words, verdict), strict=True))
