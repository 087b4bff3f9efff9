"""How a run ended: does such a network train at all?"""

import pandas as pd

STALL_FACTOR = 1.5  # a best validation accuracy below this multiple of chance is no learning
STALL_SHARE = 0.1  # of few classes: below this share of the way from chance to 1
TRAINS = "trains"
STALLS = "stalls"
DIVERGES = "diverges"
NOT_ENDED = "not run to its end"


def outcomes(runs: pd.DataFrame, best: pd.Series, threshold: float) -> list[str]:
    """How each run ended: TRAINS, STALLS, DIVERGES or NOT_ENDED.

    best: run_id -> best validation accuracy; threshold: a completed run stalls below it.
    """
    outcome_by_run = []
    accuracies = runs["run_id"].map(best).fillna(0)
    for status, accuracy in zip(runs["status"], accuracies, strict=True):
        if status == "diverged":
            outcome_by_run.append(DIVERGES)
        elif status != "completed":
            outcome_by_run.append(NOT_ENDED)
        elif accuracy < threshold:
            outcome_by_run.append(STALLS)
        else:
            outcome_by_run.append(TRAINS)
    return outcome_by_run


def stall_bound(chance: float) -> float:
    """The best validation accuracy below which a completed run stalls; NaN without a chance."""
    return min(STALL_FACTOR * chance, chance + STALL_SHARE * (1 - chance))


def best_validation(curves: pd.DataFrame) -> pd.Series:
    """run_id -> best validation accuracy so far."""
    val = curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")]
    return val.groupby("run_id")["value"].max()


def last_train(curves: pd.DataFrame) -> pd.Series:
    """run_id -> train accuracy over the last stretch between two evaluations."""
    train = curves[(curves["split"] == "train") & (curves["metric"] == "accuracy")]
    return train.sort_values("step").groupby("run_id")["value"].last()
