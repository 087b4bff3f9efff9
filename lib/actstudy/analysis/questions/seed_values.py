"""What is compared: one value per cell and seed, of runs paired with their seed's baseline."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from actstudy.contract.plan import Plan
from actstudy.contract.schema import ENDED

Frames = Mapping[str, pd.DataFrame]
Values = Mapping[str, pd.DataFrame]  # task -> its `task_values`
PAIRED_BY = ("order_hash", "precision", "engine")


def seed_values(frames: Frames, plan: Plan) -> dict[str, pd.DataFrame]:
    """Task -> its `task_values`; an empty frame for a task of which no run has ended."""
    return {task: task_values(frames, plan, task) for task in plan.tasks}


def task_values(frames: Frames, plan: Plan, task: str) -> pd.DataFrame:
    """What is compared, indexed by seed, rising; one column per (group, level).

    Values are the reported metric, or its natural logarithm if the task has a `log_unit`; diverged
    runs are at chance level. A run that is no pair of its baseline (`paired`) has no value. Cells
    without any value are left out, then seeds that not all remaining cells have.
    """
    settings = plan.tasks[task]
    runs = frames["runs"]
    runs = runs[(runs["task"] == task) & runs["status"].isin(ENDED)]
    if runs.empty:
        return pd.DataFrame()
    value = runs[f"reported_{settings.metric}"].astype(float)
    value = value.mask(runs["status"] == "diverged", chance(frames, plan, task))
    if settings.log_unit:
        value = np.log(value)
    pairs = runs.assign(value=value)[paired(runs, plan, settings.baseline)]
    wide = pairs.pivot(index="seed", columns=["group", "level"], values="value")
    return wide.dropna(axis=1, how="all").dropna().sort_index()


def paired(runs: pd.DataFrame, plan: Plan, baseline: str) -> pd.Series:
    """Whether each run saw the batches of its seed's baseline, at the same precision and engine.

    runs: those of one task that have ended; assumes one per group, level and seed. The compared
    axis may differ. What is missing on either side counts as equal, such as all of a baseline
    that has not ended.
    """
    columns = [column for column in PAIRED_BY if column != plan.compare]
    reference = runs.loc[runs["level"] == baseline, ["group", "seed", *columns]]
    both = runs.merge(reference, on=["group", "seed"], how="left", suffixes=("", "_baseline"))
    agree = []
    for column in columns:
        value = both[column]
        reference_value = both[f"{column}_baseline"]
        agree.append((value == reference_value) | value.isna() | reference_value.isna())
    return pd.concat(agree, axis=1).all(axis=1).set_axis(runs.index)


def chance(frames: Frames, plan: Plan, task: str) -> float:
    """The metric of a model that knows nothing: 1 / classes, or the uniform model's perplexity.

    The latter is per word and needs one completed run's predictions: NaN without any.
    """
    settings = plan.tasks[task]
    if settings.predicts == "classes":
        return settings.chance_level
    runs = frames["runs"]
    predictions = frames["predictions"]
    predictions = predictions[predictions["task"] == task]
    if predictions.empty:
        return np.nan
    example = predictions.iloc[0]
    (vocabulary,) = runs.loc[runs["run_id"] == example["run_id"], "vocabulary"].unique()
    nats = example["tokens"] * np.log(float(vocabulary))
    return float(np.exp(nats / example["weights"].sum()))
