"""Cost against gain: who is on the Pareto front."""

import numpy as np
import pandas as pd

from actstudy.analysis.questions import stats
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.schema import CELL
from actstudy.contract.streams import stream

MIN_TIMED_SEEDS = 2  # of a level that takes part in bootstrap draws, and common to all levels


def timed(runs: pd.DataFrame) -> pd.DataFrame:
    """The completed runs whose times may be compared: not resumed, not sharing a device."""
    clean = runs["timing_clean"] == True  # noqa: E712 - missing is neither
    return runs[(runs["status"] == "completed") & clean]


def pareto(runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell: median throughput of cleanly timed seeds, mean reported metric, the front.

    front_probability: the share of bootstrap draws of seeds in which the cell is on the front of
    its group.
    """
    completed = runs[runs["status"] == "completed"]
    if completed.empty:
        return pd.DataFrame(columns=[*CELL, "n", "mean", "on_front", "front_probability"])
    rows = []
    for cell, part in completed.groupby(CELL, sort=False):
        metric = plan.tasks[cell[0]].metric
        clean = timed(part)
        rows.append(
            {
                **dict(zip(CELL, cell, strict=True)),
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
    frame = pd.DataFrame(rows).assign(on_front=False, front_probability=np.nan)
    mark_fronts(frame, runs, plan)
    return frame


def mark_fronts(frame: pd.DataFrame, runs: pd.DataFrame, plan: Plan) -> None:
    """Fill in `on_front` and `front_probability` of the cells that have a timed seed."""
    for (task, group), part in frame[frame["n_timed"] > 0].groupby(["task", "group"]):
        settings = plan.tasks[task]
        front = stats.pareto_front(-part["throughput"], settings.sign * part["mean"])
        frame.loc[part.index, "on_front"] = front
        peers = runs[(runs["task"] == task) & (runs["group"] == group)]
        name = f"{plan.study} {task} {group} front"
        shares = front_probabilities(peers, settings, name)
        frame.loc[part.index, "front_probability"] = part["level"].map(shares)


def front_probabilities(runs: pd.DataFrame, settings: TaskPlan, name: str) -> pd.Series:
    """Level -> share of bootstrap draws of seeds in which it is on its group's front.

    runs: of one group of cells. A draw takes the same seeds for all levels, from those at which
    every level was cleanly timed; levels timed at fewer than MIN_TIMED_SEEDS seeds are left out,
    and with fewer common seeds all levels are. name: seeds the draws.
    """
    value = f"reported_{settings.metric}"
    clean = timed(runs)
    n_seeds = clean.groupby("level")["seed"].transform("nunique")
    clean = clean[n_seeds >= MIN_TIMED_SEEDS].astype({"throughput": float, value: float})
    wide = clean.pivot(index="seed", columns="level", values=["throughput", value]).dropna()
    if len(wide) < MIN_TIMED_SEEDS:
        return pd.Series(dtype=float)
    cost = -wide["throughput"]
    gain = settings.sign * wide[value]
    shares = stats.front_probability(cost.to_numpy(), gain.to_numpy(), stream(0, name))
    return pd.Series(shares, cost.columns)
