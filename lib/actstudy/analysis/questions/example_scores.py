"""What another test set of the same size would change: scores per test example of every cell."""

import numpy as np
import pandas as pd

from actstudy.analysis.questions import stats

Scores = dict[tuple[str, str], pd.DataFrame]  # (group, level) -> `mean_scores` of that cell


def mean_scores(predictions: pd.DataFrame, task: str) -> Scores:
    """(group, level) -> `score` per test example, its mean over completed seeds, and `weight`."""
    scores: Scores = {}
    rows = predictions[predictions["task"] == task]
    for (group, level), part in rows.groupby(["group", "level"], sort=False):
        mean = np.mean(np.stack(list(part["scores"])), axis=0)
        scores[str(group), str(level)] = pd.DataFrame(
            {"score": mean, "weight": part["weights"].iloc[0]}
        )
    return scores


def test_error(level: pd.DataFrame | None, opponent: pd.DataFrame | None) -> float:
    """Standard error of the mean difference over test examples, from `mean_scores`.

    Missing if a side has none, or if they are of different test sets.
    """
    if level is None or opponent is None or len(level) != len(opponent):
        return np.nan
    return stats.paired_test_error(level["score"] - opponent["score"], level["weight"])
