"""How a run ended: does such a network train at all?"""

from collections.abc import Sequence

import pandas as pd

from actstudy.contract.plan import TaskPlan

STALL_FACTOR = 1.5  # a best validation accuracy below this multiple of chance is no learning
STALL_SHARE = 0.1  # of few classes: below this share of the way from chance to 1
TRAINS = "trains"
STALLS = "stalls"
DIVERGES = "diverges"
NOT_ENDED = "not run to its end"


def outcomes(runs: pd.DataFrame, best: pd.Series, bounds: Sequence[float]) -> list[str]:
    """How each run ended: TRAINS, STALLS, DIVERGES or NOT_ENDED.

    best: run_id -> best validation accuracy; bounds: per run, a completed one stalls below it.
    """
    outcome_by_run = []
    accuracies = runs["run_id"].map(best).fillna(0)
    for status, accuracy, bound in zip(runs["status"], accuracies, bounds, strict=True):
        if status == "diverged":
            outcome_by_run.append(DIVERGES)
        elif status != "completed":
            outcome_by_run.append(NOT_ENDED)
        elif accuracy < bound:
            outcome_by_run.append(STALLS)
        else:
            outcome_by_run.append(TRAINS)
    return outcome_by_run


def stall_bound(chance: float) -> float:
    """The best validation accuracy below which a completed run stalls; NaN without a chance."""
    return min(STALL_FACTOR * chance, chance + STALL_SHARE * (1 - chance))


def stall_bounds(runs: pd.DataFrame, settings: TaskPlan) -> list[float]:
    """The `stall_bound` of each run of a task, by the classes of its data."""
    return [stall_bound(settings.chance(data, "accuracy")) for data in runs["data"]]


def best_validation(curves: pd.DataFrame) -> pd.Series:
    """run_id -> best validation accuracy so far."""
    val = curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")]
    return val.groupby("run_id")["value"].max()


def last_train(curves: pd.DataFrame) -> pd.Series:
    """run_id -> train accuracy over the last stretch between two evaluations."""
    train = curves[(curves["split"] == "train") & (curves["metric"] == "accuracy")]
    return train.sort_values("step").groupby("run_id")["value"].last()
