"""Cost beside gain: who is on the Pareto front."""

import numpy as np
import pandas as pd

from actstudy.analysis.questions import stats
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.streams import stream

CELL = ["task", "group", "level"]


def timed(runs: pd.DataFrame) -> pd.DataFrame:
    """The completed runs whose times may be compared: not resumed, not sharing a device."""
    return runs[(runs["status"] == "completed") & (runs["timing_clean"] == True)]  # noqa: E712 - missing is neither


def pareto(runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell: median throughput of cleanly timed seeds, mean reported metric, and who is on the front.

    front_probability: in which share of bootstrap draws of seeds the cell is on the front of its group.
    """
    rows = []
    for cell, part in runs[runs["status"] == "completed"].groupby(CELL, sort=False):
        metric = plan.tasks[cell[0]].metric
        clean = timed(part)
        rows.append(
            dict(zip(CELL, cell, strict=True))
            | {
                "n": len(part),
                "n_timed": len(clean),
                "throughput": clean["throughput"].astype(float).median(),
                "throughput_unit": part["throughput_unit"].iloc[0],
                "train_seconds": clean["train_seconds"].astype(float).median(),
                "peak_memory_bytes": part["peak_memory_bytes"].max(),
                "peak_memory_kind": part["peak_memory_kind"].iloc[0],
                "device": " + ".join(sorted(part["device"].unique())),
                "metric": metric,
                "mean": part[f"reported_{metric}"].mean(),
            }
        )
    empty = pd.DataFrame(columns=[*CELL, "n", "mean", "on_front", "front_probability"])
    frame = pd.DataFrame(rows).assign(on_front=False, front_probability=np.nan) if rows else empty
    for (task, group), part in frame[frame.get("n_timed", frame["n"]) > 0].groupby(
        ["task", "group"]
    ):
        sign = 1 if plan.tasks[task].higher_is_better else -1
        frame.loc[part.index, "on_front"] = stats.pareto_front(
            -part["throughput"], sign * part["mean"]
        )
        name = f"{plan.study} {task} {group} front"
        chances = front_probabilities(
            runs[(runs["task"] == task) & (runs["group"] == group)], plan.tasks[task], name
        )
        frame.loc[part.index, "front_probability"] = part["level"].map(chances)
    return frame


def front_probabilities(runs: pd.DataFrame, settings: TaskPlan, name: str) -> pd.Series:
    """Level -> share of bootstrap draws of seeds in which it is on the front of throughput and reported metric.

    runs: of one group of cells. A draw takes the same seeds for all levels, from those that every level was cleanly
    timed at; levels timed at fewer than two seeds are left out, and below two common seeds there is none. name: seeds
    the draws.
    """
    clean, value = timed(runs), f"reported_{settings.metric}"
    clean = clean[clean.groupby("level")["seed"].transform("nunique") >= 2]
    wide = clean.astype({"throughput": float, value: float}).pivot(
        index="seed", columns="level", values=["throughput", value]
    )
    wide = wide.dropna()
    if len(wide) < 2:
        return pd.Series(dtype=float)
    sign = 1 if settings.higher_is_better else -1
    cost, gain = -wide["throughput"], sign * wide[value]
    found = stats.front_probability(cost.to_numpy(), gain.to_numpy(), stream(0, name))
    return pd.Series(found, cost.columns)
