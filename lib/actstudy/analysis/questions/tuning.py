"""The learning rate chosen for each level by validation, at seeds that no reported table has."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from actstudy.analysis.questions.contrasts import ENDED
from actstudy.contract.plan import Plan

CELL = ["task", "group", "level"]
PLACES = {
    "fixed": "lr=fixed",
    "tuned": "lr=tuned",
}  # of reported runs; tuning runs stand in the group without either
COLUMNS = [
    *CELL,
    "lr",
    "n",
    "mean_val",
    "sd_val",
    "chosen",
    "at_edge",
    "good",
    "budget_runs",
    "fixed_lr",
]


def without_rate(group: str) -> str:
    """A group of cells without its place on `lr`: that of its tuning runs."""
    return ", ".join(place for place in group.split(", ") if place not in PLACES.values())


def best_values(frames: Mapping[str, pd.DataFrame], plan: Plan, task: str) -> pd.DataFrame:
    """A row per tuning run of a task: its columns of the plan and `best`, missing where the run has not ended.

    best: of the validation metric, its natural logarithm where the task has a `log_unit`. A run that ended without
    completing because it diverged is as bad as can be: at chance level, or infinitely bad where the metric has none.
    """
    settings, curves = plan.tasks[task], frames["curves"]
    higher = settings.higher_is_better
    rows = pd.DataFrame(
        [row for row in plan.tuning if row["task"] == task],
        columns=["run_id", *CELL, "seed", "lr"],
    )
    known = dict(zip(frames["runs"]["run_id"], frames["runs"]["status"], strict=True))
    status = pd.Series(
        [known.get(run, "missing") for run in rows["run_id"]], rows.index, dtype=object
    )
    seen = (
        curves[curves["run_id"].isin(rows["run_id"])]
        if len(curves)
        else curves.reindex(columns=["run_id", "value"])
    )
    if len(seen):
        seen = seen[(seen["split"] == "val") & (seen["metric"] == settings.metric)]
    best = (
        rows["run_id"]
        .map(seen.groupby("run_id")["value"].agg("max" if higher else "min"))
        .astype(float)
    )
    worst = settings.chance if settings.chance is not None else (-np.inf if higher else np.inf)
    best = best.where(status == "completed").fillna(worst).where(status.isin(ENDED))
    return rows.assign(best=np.log(best) if settings.log_unit else best)


def rates(frames: Mapping[str, pd.DataFrame], plan: Plan, task: str) -> pd.DataFrame:
    """The rows of `tuning` of one task."""
    settings = plan.tasks[task]
    sign, rows = 1 if settings.higher_is_better else -1, []
    for cell, part in best_values(frames, plan, task).groupby(CELL, sort=False):
        found = part.groupby("lr")["best"]
        mean, n = found.mean().sort_index(), found.count().sort_index()
        ranked = (
            (-sign * mean).dropna().sort_values(kind="stable")
        )  # ties: the smaller rate stays first
        best, top = (ranked.index[0], mean[ranked.index[0]]) if len(ranked) else (None, np.nan)
        for lr in mean.index:
            sd = found.get_group(lr).std(ddof=1) if np.isfinite(mean[lr]) else np.nan
            chosen = bool(lr == best)
            good = bool(np.isfinite(top) and abs(top - mean[lr]) <= settings.margin * (1 + 1e-9))
            at_edge = chosen and lr in (mean.index[0], mean.index[-1])
            row = [
                *cell,
                lr,
                n[lr],
                mean[lr],
                sd,
                chosen,
                at_edge,
                good,
                len(part),
                settings.recipe["lr"],
            ]
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)


def tuning(frames: Mapping[str, pd.DataFrame], plan: Plan) -> pd.DataFrame:
    """A row per cell and tried rate of the tasks with `tune_lr`: n, mean and sd of the runs' best validation metric.

    chosen: the rate with the best mean; good: its mean lies within the task's margin of that one's. Of a task with a
    `log_unit` mean and sd are of natural logarithms.
    """
    parts = [rates(frames, plan, task) for task, settings in plan.tasks.items() if settings.tune_lr]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def chosen(
    frames: Mapping[str, pd.DataFrame], plan: Plan, task: str
) -> dict[tuple[str, str], float]:
    """(group, level) -> its chosen rate; a level of which no run has ended is not in it."""
    found = rates(frames, plan, task)
    picked = found[found["chosen"].astype(bool)]
    return {(row.group, row.level): float(row.lr) for row in picked.itertuples()}


def good_region(part: pd.DataFrame) -> tuple[float, float] | None:
    """Lowest and highest rate of the unbroken run of good rates around the chosen one; None where there is none.

    part: rows of `tuning` of one cell.
    """
    part = part.sort_values("lr")
    good, rate = part["good"].astype(bool).tolist(), part["lr"].tolist()
    (place,) = np.flatnonzero(part["chosen"].astype(bool)) if part["chosen"].any() else (None,)
    if place is None or not good[place]:
        return None
    low = high = int(place)
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(good) - 1 and good[high + 1]:
        high += 1
    return rate[low], rate[high]
