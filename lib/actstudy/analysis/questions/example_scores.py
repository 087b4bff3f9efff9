"""What another test set of the same size would change: scores per test example of every run."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from actstudy.analysis.questions import stats
from actstudy.contract.spec import data_parts

Scores = dict[tuple[str, str], pd.DataFrame]  # (group, level) -> its rows of `predictions` by seed


def scores_of_cells(predictions: pd.DataFrame, runs: pd.DataFrame) -> Scores:
    """(group, level) -> `scores` and `weights` per test example and `dataset`, indexed by seed.

    predictions: as `collect` makes them, of which runs without an end have none; runs: all of one
    task.
    """
    scores: Scores = {}
    datasets = {row.run_id: data_parts(row.data)[0] for row in runs.itertuples()}
    rows = predictions[predictions["task"].isin(runs["task"])]
    for (group, level), part in rows.groupby(["group", "level"], sort=False):
        cell = part.assign(dataset=part["run_id"].map(datasets))
        scores[str(group), str(level)] = cell.set_index("seed")
    return scores


def test_error(
    level: pd.DataFrame | None, opponent: pd.DataFrame | None, seeds: Collection[int]
) -> float:
    """Standard error over test examples of the mean difference of these seeds.

    level, opponent: `scores_of_cells`. Seeds of which a side has no predictions, as it diverged,
    are left out. Missing without any seed, or if the sides have different test sets.
    """
    if level is None or opponent is None:
        return np.nan
    both = level.index.intersection(opponent.index).intersection(list(seeds))
    if both.empty or level["dataset"].iloc[0] != opponent["dataset"].iloc[0]:
        return np.nan
    sides = [np.stack(list(side.loc[both, "scores"])) for side in (level, opponent)]
    difference = np.mean(sides[0] - sides[1], axis=0, dtype=float)
    return stats.paired_test_error(difference, level["weights"].iloc[0])
