"""The learning rate chosen for each level by validation, at seeds that no reported table has."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.questions.seed_values import Frames
from actstudy.contract.plan import RATE_AXIS, Plan, TaskPlan, group_name, without_rate
from actstudy.contract.schema import CELL, ENDED
from actstudy.study.looks import FIXED, TUNED

COLUMNS = ["task", "group", "level", "lr", "n", "mean_val", "sd_val", "chosen"]
COLUMNS += ["at_edge", "good", "budget_runs", "fixed_lr"]

Places = Mapping[str, str]  # crossed axis -> a cell's place on it


def base_places(places: Places) -> dict[str, str]:
    """A cell's places without fixed or tuned: those of the runs that chose its learning rate."""
    if places.get(RATE_AXIS) in (FIXED, TUNED):
        return without_rate(places)
    return dict(places)


def side_by_side(groups: Iterable[str], places: Mapping[str, Places]) -> list[str]:
    """Groups of cells with those that differ in fixed or tuned alone next to each other.

    places: group -> its places.
    """
    bases = {group: base_places(places[group]) for group in groups}
    order = list(bases.values())
    return sorted(bases, key=lambda group: order.index(bases[group]))


def rate_pairs(groups: Iterable[str], places: Mapping[str, Places]) -> list[tuple[str, str, str]]:
    """(group without a rate, its group at the fixed rate, its group at the tuned rate).

    groups: those that there are, in their order; places: group -> its places. A fixed group
    without its tuned one is left out.
    """
    tuned = {}
    for group in groups:
        if places[group].get(RATE_AXIS) == TUNED:
            tuned[group_name(base_places(places[group]))] = group
    pairs = []
    for group in groups:
        base = group_name(base_places(places[group]))
        if places[group].get(RATE_AXIS) == FIXED and base in tuned:
            pairs.append((base, group, tuned[base]))
    return pairs


def best_values(frames: Frames, plan: Plan, task: str) -> pd.DataFrame:
    """A row per tuning run of a task: its columns of the plan and `best`.

    best: of the validation metric, its natural logarithm if the task has a `log_unit`. A run that
    diverged is at chance level, or infinitely bad if the metric has none; other runs that did not
    complete have no value.
    """
    settings = plan.tasks[task]
    planned = [row for row in plan.tuning if row["task"] == task]
    rows = pd.DataFrame(planned, columns=["run_id", *CELL, "data", "seed", "lr"])
    status_of = dict(zip(frames["runs"]["run_id"], frames["runs"]["status"], strict=True))
    status = pd.Series(
        [status_of.get(run, "missing") for run in rows["run_id"]], rows.index, dtype=object
    )
    best = rows["run_id"].map(best_of_runs(frames["curves"], settings)).astype(float)
    best = best.where(status == "completed").fillna(worst_values(rows["data"], settings))
    best = best.where(status.isin(ENDED))
    if settings.log_unit:
        best = np.log(best)
    return rows.assign(best=best)


def best_of_runs(curves: pd.DataFrame, settings: TaskPlan) -> pd.Series:
    """Run -> its best validation metric of all evaluations."""
    if curves.empty:
        return pd.Series(dtype=float)
    validated = curves[(curves["split"] == "val") & (curves["metric"] == settings.metric)]
    return validated.groupby("run_id")["value"].agg("max" if settings.sign > 0 else "min")


def worst_values(data: pd.Series, settings: TaskPlan) -> pd.Series:
    """The metric of diverged runs on some data: chance, or infinitely bad if there is none."""
    return data.map(settings.chance).astype(float).fillna(-np.inf * settings.sign)


def rates_of_task(frames: Frames, plan: Plan, task: str) -> pd.DataFrame:
    """The rows of `tuning` of one task."""
    settings = plan.tasks[task]
    rows: list[dict[str, Any]] = []
    for cell, part in best_values(frames, plan, task).groupby(CELL, sort=False):
        head = dict(zip(CELL, cell, strict=True))
        rows += [{**head, **row} for row in rates_of_cell(part, settings)]
    return pd.DataFrame(rows, columns=COLUMNS)


def rates_of_cell(runs: pd.DataFrame, settings: TaskPlan) -> list[dict[str, Any]]:
    """The rows of `tuning` of one cell, by rate; runs: its `best_values`."""
    by_rate = runs.groupby("lr")["best"]
    mean = by_rate.mean().sort_index()
    n = by_rate.count().sort_index()
    badness = (-settings.sign * mean).dropna().sort_values(kind="stable")  # ties: smaller rate
    best_rate = None
    top = np.nan
    if len(badness):
        best_rate = badness.index[0]
        top = mean[best_rate]
    rows = []
    for lr in mean.index:
        finite = np.isfinite(mean[lr])
        near = np.isfinite(top) and abs(top - mean[lr]) <= settings.margin * (1 + 1e-9)
        is_best = bool(lr == best_rate)
        rows.append(
            {
                "lr": lr,
                "n": n[lr],
                "mean_val": mean[lr],
                "sd_val": by_rate.get_group(lr).std(ddof=1) if finite else np.nan,
                "chosen": is_best,
                "at_edge": is_best and lr in (mean.index[0], mean.index[-1]),
                "good": bool(near),
                "budget_runs": len(runs),
                "fixed_lr": settings.recipe["lr"],
            }
        )
    return rows


def tuning(frames: Frames, plan: Plan) -> pd.DataFrame:
    """A row per cell and tried rate of the tasks with `tune_lr`, columns COLUMNS.

    n, mean and sd are of the runs' best validation metric, of its natural logarithm if the task
    has a `log_unit`. chosen: the rate with the best mean; good: its mean lies within the task's
    margin of the best.
    """
    tasks = [task for task, settings in plan.tasks.items() if settings.tune_lr]
    parts = [rates_of_task(frames, plan, task) for task in tasks]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)


def chosen_rates(frames: Frames, plan: Plan, task: str) -> dict[tuple[str, str], float]:
    """(group, level) -> its chosen rate; a level of which no run has ended is not in it."""
    table = rates_of_task(frames, plan, task)
    best = table[table["chosen"].astype(bool)]
    return {(row.group, row.level): float(row.lr) for row in best.itertuples()}


def good_region(rates: pd.DataFrame) -> tuple[float, float] | None:
    """Lowest and highest rate of the unbroken run of good rates around the chosen one.

    rates: rows of `tuning` of one cell. None if no rate is chosen, or if it is not good.
    """
    rates = rates.sort_values("lr")
    rate = rates["lr"].tolist()
    good = rates["good"].astype(bool).tolist()
    places = np.flatnonzero(rates["chosen"].astype(bool))
    if not len(places) or not good[places[0]]:
        return None
    low = high = int(places[0])
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(good) - 1 and good[high + 1]:
        high += 1
    return rate[low], rate[high]
