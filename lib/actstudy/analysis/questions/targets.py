"""When runs reach the targets of their task."""

import pandas as pd

from actstudy.analysis.questions.stats import censored_median
from actstudy.contract.plan import Plan
from actstudy.contract.schema import CELL, ENDED

TIMES = ["run_id", "metric", "value", "step", "train_seconds"]  # what is read of `curves`
TARGETS = [*CELL, "target", "n", "n_reached", "median_steps", "median_seconds"]


def targets(runs: pd.DataFrame, curves: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell and target: median steps and training seconds until val reaches it.

    Over completed and diverged runs; one that never reaches it counts as later than the end.
    Columns TARGETS.
    """
    rows = []
    ended = runs.loc[runs["status"].isin(ENDED), [*CELL, "run_id"]]
    by_run = {}
    if len(ended):
        of_val = curves.loc[curves["split"] == "val", TIMES]
        by_run = dict(iter(of_val.groupby("run_id")))
        curves = of_val
    for cell, part in ended.groupby(CELL, sort=False):
        settings = plan.tasks[cell[0]]
        val = pd.concat([by_run.get(run, curves.head(0)) for run in part["run_id"]])
        val = val[val["metric"] == settings.metric]
        for target in settings.targets:
            gain = settings.sign * (val["value"] - target)
            first = val[gain >= 0].sort_values("step").groupby("run_id").first()
            at_target = first.reindex(part["run_id"])
            rows.append(
                {
                    **dict(zip(CELL, cell, strict=True)),
                    "target": target,
                    "n": len(part),
                    "n_reached": len(first),
                    "median_steps": median_time(at_target["step"]),
                    "median_seconds": median_time(at_target["train_seconds"]),
                }
            )
    return pd.DataFrame(rows, columns=TARGETS)


def median_time(times: pd.Series) -> float | None:
    """The median of times, a missing one being later than the end of all runs."""
    return censored_median([None if pd.isna(time) else float(time) for time in times])
