"""When runs reach the targets of their task."""

import pandas as pd

from actstudy.analysis.questions.stats import censored_median
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.schema import CELL, ENDED

TARGETS = [*CELL, "target", "n", "n_reached", "median_steps", "median_seconds"]
TIMES = ["step", "train_seconds"]


def targets(runs: pd.DataFrame, curves: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell and target: median steps and training seconds until val reaches it.

    Over completed and diverged runs; one that never reaches it counts as later than the end.
    Columns TARGETS.
    """
    rows = []
    ended = runs[runs["status"].isin(ENDED)]
    reached = {}
    for task, part in ended.groupby("task"):
        of_task = curves[curves["run_id"].isin(part["run_id"])]
        reached[task] = first_at(of_task, plan.tasks[str(task)])
    for cell, part in ended.groupby(CELL, sort=False):
        for target, first in reached[cell[0]]:
            at_target = first.reindex(part["run_id"])
            rows.append(
                {
                    **dict(zip(CELL, cell, strict=True)),
                    "target": target,
                    "n": len(part),
                    "n_reached": int(at_target["step"].notna().sum()),
                    "median_steps": median_time(at_target["step"]),
                    "median_seconds": median_time(at_target["train_seconds"]),
                }
            )
    return pd.DataFrame(rows, columns=TARGETS)


def first_at(curves: pd.DataFrame, settings: TaskPlan) -> list[tuple[float, pd.DataFrame]]:
    """Each target of a task, and by run when val reaches it: TIMES of those that do."""
    val = curves[(curves["split"] == "val") & (curves["metric"] == settings.metric)]
    val = val.sort_values("step", kind="stable")
    reached = []
    for target in settings.targets:
        gain = settings.sign * (val["value"] - target)
        reached.append((target, val[gain >= 0].groupby("run_id")[TIMES].first()))
    return reached


def median_time(times: pd.Series) -> float | None:
    """The median of times, a missing one being later than the end of all runs."""
    return censored_median([None if pd.isna(time) else float(time) for time in times])
