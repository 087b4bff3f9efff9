"""What is compared: one value per cell and seed, of runs paired with their seed's baseline."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from actstudy.contract.plan import Plan
from actstudy.contract.schema import ENDED

Frames = Mapping[str, pd.DataFrame]
PAIRED_BY = ("order_hash", "precision", "engine")


@dataclass(frozen=True)
class TaskValues:
    """What is compared of one task: frames indexed by seed, rising, a column per (group, level).

    Values are the reported metric, or its natural logarithm if the task has a `log_unit`; diverged
    runs are at chance level. A run that has not ended, or is no pair of its baseline (`paired`),
    has none. Cells without any value are left out, and so are seeds.
    """

    values: pd.DataFrame
    diverged: pd.DataFrame  # bool, of the same shape
    chance: pd.Series  # of each column, what a model that knows nothing has; NaN if not known

    def of_rows(self, rows: np.ndarray | slice) -> "TaskValues":
        """The same of some seeds; rows: a mask of them, or a slice by position."""
        return TaskValues(self.values[rows], self.diverged[rows], self.chance)


Values = Mapping[str, TaskValues]  # by task


def seed_values(frames: Frames, plan: Plan) -> dict[str, TaskValues]:
    """The compared values of every task; empty frames for a task of which no run has ended."""
    return {task: task_values(frames, plan, task) for task in plan.tasks}


def task_values(frames: Frames, plan: Plan, task: str) -> TaskValues:
    """The compared values of one task."""
    runs = compared(frames, plan, task)
    if runs.empty:
        return by_cell(runs)
    return by_cell(runs[paired(runs, plan, plan.tasks[task].baseline)])


def compared(frames: Frames, plan: Plan, task: str) -> pd.DataFrame:
    """The runs of a task that have ended, with `value`, `is_diverged` and `chance`, as compared."""
    settings = plan.tasks[task]
    runs = frames["runs"]
    runs = runs[(runs["task"] == task) & runs["status"].isin(ENDED)]
    if runs.empty:
        return runs
    level = runs["data"].map(chances(frames, plan, task)).astype(float)
    is_diverged = runs["status"] == "diverged"
    value = runs[f"reported_{settings.metric}"].astype(float).mask(is_diverged, level)
    if settings.log_unit:
        value = np.log(value)
        level = np.log(level)
    return runs.assign(value=value, is_diverged=is_diverged, chance=level)


def by_cell(runs: pd.DataFrame) -> TaskValues:
    """Runs as `compared` gives them, a row per seed and a column per (group, level)."""
    if runs.empty:
        return TaskValues(pd.DataFrame(), pd.DataFrame(), pd.Series(dtype=float))
    cells = {"index": "seed", "columns": ["group", "level"]}
    values = runs.pivot(values="value", **cells)
    values = values.dropna(axis=1, how="all").dropna(how="all").sort_index()
    diverged = runs.pivot(values="is_diverged", **cells).reindex_like(values)
    chance = runs.groupby(["group", "level"])["chance"].first().reindex(values.columns)
    return TaskValues(values, diverged.eq(True), chance)


def paired(runs: pd.DataFrame, plan: Plan, baseline: str) -> pd.Series:
    """Whether each run saw the batches of its seed's baseline, at the same precision and engine.

    runs: those of one task that have ended; assumes one per group, level and seed. The compared
    axis may differ, and where frameworks are compared the arithmetic with it: a level says its own.
    A run on other data than its baseline's has its own batches. What is missing on either side
    counts as equal, such as all of a baseline that has not ended.
    """
    columns = [column for column in PAIRED_BY if column != plan.compare]
    if plan.compare == "framework":
        columns = ["order_hash"]
    reference = runs.loc[runs["level"] == baseline, ["group", "seed", "data", *columns]]
    both = runs.merge(reference, on=["group", "seed"], how="left", suffixes=("", "_baseline"))
    on_other_data = both["data"] != both["data_baseline"]
    agree = []
    for column in columns:
        value = both[column]
        reference_value = both[f"{column}_baseline"]
        equal = (value == reference_value) | value.isna() | reference_value.isna()
        agree.append(equal | on_other_data if column == "order_hash" else equal)
    return pd.concat(agree, axis=1).all(axis=1).set_axis(runs.index)


def chances(frames: Frames, plan: Plan, task: str) -> dict[str, float]:
    """Prepared data -> the metric of a model that knows nothing: equal odds, or the mean number.

    A language model's is per word and needs a completed run's predictions on these data.
    """
    settings = plan.tasks[task]
    if settings.predicts != "tokens":
        runs = frames["runs"]
        names = runs.loc[runs["task"] == task, "data"].unique()
        return {data: settings.chance(data) for data in names}
    predictions = frames["predictions"]
    runs = frames["runs"].drop_duplicates("run_id").set_index("run_id")
    levels: dict[str, float] = {}
    for example in predictions[predictions["task"] == task].to_dict("records"):
        run = runs.loc[example["run_id"]]
        if run["data"] not in levels:
            per_word = example["tokens"] / example["weights"].sum()
            levels[run["data"]] = uniform(settings.metric, run["vocabulary"], per_word)
    return levels


def uniform(metric: str, vocabulary: float, tokens_per_word: float) -> float:
    """The metric of a model that gives all tokens the same probability; NaN if not known."""
    nats = float(np.log(vocabulary))
    values = {
        "loss": nats,
        "perplexity": float(vocabulary),
        "word_perplexity": float(np.exp(tokens_per_word * nats)),
    }
    return values.get(metric, np.nan)
