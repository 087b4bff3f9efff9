"""Published numbers against the study's own: reproduced, not reproduced, or undecided."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from actstudy.analysis.questions import stats
from actstudy.analysis.questions.outcomes import JUDGED_BY
from actstudy.analysis.questions.seed_values import Frames
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import ENDED

COLUMNS = ["task", "level", "group", "metric", "claimed", "claimed_sd", "claimed_n"]
COLUMNS += ["tolerance", "ours", "ours_sd", "n", "n_diverged", "low", "high"]
COLUMNS += ["difference", "verdict"]
VERDICTS = ("reproduced", "not reproduced", "undecided")
MAX_EXACT_CLAIMS = 8  # whose orders (8! = 40,320) are all tried for tau's p


@dataclass(frozen=True)
class Compared:
    """What claims need of a task that is not a study's."""

    metric: str
    sign: int

    @staticmethod
    def chance(data: str, metric: str) -> float:
        """No metric's chance level is known."""
        return math.nan


Task = TaskPlan | Compared


def replication(
    frames: Frames, stated: Mapping[str, Any] | None, tasks: Mapping[str, Task]
) -> pd.DataFrame:
    """A row per claim: the level's value in this study and the published one, columns COLUMNS.

    Both are in the claim's metric. If other axes are crossed, a level's value is that of its cell
    with the best mean validation metric. stated: `Plan.claims`; without any the table is empty.
    """
    rows = []
    stated = stated or {"values": {}}
    for level, claim in stated["values"].items():
        runs = frames["runs"][frames["runs"]["level"] == level]
        task = runs["task"].iloc[0]
        group = best_group(runs, frames["curves"], tasks[task])
        cell = runs[runs["group"] == group]
        measured = values_of_runs(cell, frames["curves"], stated["metric"], tasks[task])
        rows.append(
            {
                "task": task,
                "level": level,
                "group": group,
                "metric": stated["metric"],
                "claimed": claim["mean"],
                "claimed_sd": claim["sd"],
                "claimed_n": claim["n"],
                "n_diverged": int((cell["status"] == "diverged").sum()),
                **judge(measured, claim["mean"], stated["tolerance"]),
            }
        )
    kinds = dict.fromkeys(["claimed", "claimed_sd", "claimed_n"], float)
    return pd.DataFrame(rows, columns=COLUMNS).astype(kinds)


def judge(values: np.ndarray, claimed: float, tolerance: float) -> dict[str, Any]:
    """Columns of our mean, its 95% t interval, and the verdict on the claim.

    A claim is reproduced if the whole interval is within the tolerance of it, and not reproduced
    if none of it is. A single value is its own interval and has none in the table; without values
    the claim is undecided.
    """
    n = len(values)
    interval = stats.mean_interval(values.tolist())
    mean = interval.value
    low, high = mean, mean
    printed = {"ours_sd": math.nan, "low": math.nan, "high": math.nan}
    if n > 1:
        low, high = interval.low, interval.high
        printed = {"ours_sd": float(values.std(ddof=1)), "low": low, "high": high}
    verdict = "undecided"
    if claimed - tolerance <= low and high <= claimed + tolerance:
        verdict = "reproduced"
    elif high < claimed - tolerance or claimed + tolerance < low:
        verdict = "not reproduced"
    return {
        "tolerance": tolerance,
        "ours": mean,
        "n": n,
        **printed,
        "difference": mean - claimed,
        "verdict": verdict,
    }


def best_group(runs: pd.DataFrame, curves: pd.DataFrame, task: Task) -> str:
    """The group of the level's cell with the best mean of its runs' best validation metrics.

    runs: all of one level. Test values are not used. A cell with a run that did not complete is
    chosen only if every cell has one; ties go to the first.
    """
    groups = list(dict.fromkeys(runs["group"]))
    if len(groups) == 1:
        return str(groups[0])
    validated = (curves["split"] == "val") & (curves["metric"] == task.metric)
    own = curves[validated & curves["run_id"].isin(runs["run_id"])]
    best = (task.sign * own.set_index("run_id")["value"]).groupby("run_id").max()
    scores = runs["run_id"].map(best).groupby(runs["group"]).mean()
    complete = (runs["status"] == "completed").groupby(runs["group"]).all()

    def merit(group: str) -> tuple[bool, float]:
        return complete[group], np.nan_to_num(scores[group], nan=-np.inf)

    return str(max(groups, key=merit))


def values_of_runs(cell: pd.DataFrame, curves: pd.DataFrame, metric: str, task: Task) -> np.ndarray:
    """The claim's metric of each run of a cell that has ended.

    A diverged run counts at chance; if the metric is no accuracy and no R2, one makes all values
    missing, so that the claim is undecided.
    """
    ended = cell[cell["status"].isin(ENDED)]
    diverged = ended["status"] == "diverged"
    if metric == "mean_train_loss":
        losses = curves[(curves["split"] == "train") & (curves["metric"] == "loss")]
        values = ended["run_id"].map(losses.groupby("run_id")["value"].mean())
    elif metric == "error_percent":
        values = ended["reported_accuracy"].astype(float)
    else:
        values = ended[metric].astype(float)
    if diverged.any():
        name = "accuracy" if metric == "error_percent" else metric.split("_", 1)[1]
        if name not in JUDGED_BY.values():
            return np.array([])
        values = values.mask(diverged, task.chance(ended["data"].iloc[0], name))
    if metric == "error_percent":
        values = 100 * (1 - values)
    return values.dropna().to_numpy(float)


def agreement(claims: pd.DataFrame) -> dict[str, Any]:
    """Kendall's tau-b of claimed and our values, its two-sided p, and the number n of claims.

    p is exact over all orders up to MAX_EXACT_CLAIMS claims, then scipy's. tau and p are NaN if
    either side does not vary.
    """
    both = claims.dropna(subset=["claimed", "ours"])
    x = both["claimed"].to_numpy(float)
    y = both["ours"].to_numpy(float)
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return {"tau": math.nan, "p": math.nan, "n": len(both)}
    tau, p = scipy.stats.kendalltau(x, y)
    if len(x) <= MAX_EXACT_CLAIMS:
        first, second = np.triu_indices(len(x), 1)
        orders = np.array(list(itertools.permutations(y)))
        concord = np.sign(orders[:, first] - orders[:, second]) @ np.sign(x[first] - x[second])
        # tau-b's divisor is the same for all orders
        p = (np.abs(concord) >= abs(concord[0]) - 1e-9).mean()
    return {"tau": float(tau), "p": float(p), "n": len(both)}
