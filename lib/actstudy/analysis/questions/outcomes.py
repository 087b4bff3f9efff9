"""How a run ended: does such a network train at all?"""

from collections.abc import Sequence

import pandas as pd

from actstudy.contract.plan import TaskPlan

STALL_FACTOR = 1.5  # a best validation accuracy below this multiple of chance is no learning
STALL_SHARE = 0.1  # of few classes: below this share of the way from chance to 1
STALL_R2 = 0.01  # a best validation R2 below it is no learning
JUDGED_BY = {"classes": "accuracy", "values": "r2"}  # what a task predicts -> the metric of stalls
BEST = "val, best"  # split of the best values of val in tables that are thinned
TRAINS = "trains"
STALLS = "stalls"
DIVERGES = "diverges"
NOT_ENDED = "not run to its end"


def outcomes(runs: pd.DataFrame, best: pd.Series, bounds: Sequence[float]) -> list[str]:
    """How each run ended: TRAINS, STALLS, DIVERGES or NOT_ENDED.

    best: run_id -> best validation accuracy, or R2; bounds: of each, a completed run stalls below.
    """
    outcome_by_run = []
    values = runs["run_id"].map(best).fillna(0)
    for status, value, bound in zip(runs["status"], values, bounds, strict=True):
        if status == "diverged":
            outcome_by_run.append(DIVERGES)
        elif status != "completed":
            outcome_by_run.append(NOT_ENDED)
        elif value < bound:
            outcome_by_run.append(STALLS)
        else:
            outcome_by_run.append(TRAINS)
    return outcome_by_run


def stall_bound(chance: float) -> float:
    """The best validation accuracy below which a completed run stalls; NaN without a chance."""
    return min(STALL_FACTOR * chance, chance + STALL_SHARE * (1 - chance))


def stall_bounds(runs: pd.DataFrame, settings: TaskPlan) -> list[float]:
    """The value of its best validation below which each run of a task stalls."""
    if settings.predicts == "values":
        return [STALL_R2] * len(runs)
    return [stall_bound(settings.chance(data, "accuracy")) for data in runs["data"]]


def best_validation(curves: pd.DataFrame, metric: str = "accuracy") -> pd.Series:
    """run_id -> best validation accuracy so far, or another metric that is better if higher."""
    val = curves[curves["split"].isin(["val", BEST]) & (curves["metric"] == metric)]
    return val.groupby("run_id")["value"].max()


def last_train(curves: pd.DataFrame, metric: str) -> pd.Series:
    """run_id -> train metric over the last stretch between two evaluations; empty without any."""
    train = curves[(curves["split"] == "train") & (curves["metric"] == metric)]
    return train.sort_values("step").groupby("run_id")["value"].last()
