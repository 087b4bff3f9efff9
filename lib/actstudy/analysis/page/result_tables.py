"""The tables of results, steps, ranks and time on the summary page, as Markdown."""

from typing import Any

import pandas as pd

from actstudy.analysis.markdown import cell_name, markdown, metric_name, number, spread
from actstudy.analysis.page import cell_groups
from actstudy.analysis.tables import Tables

STAGES = ["wall", "start", "compile", "train", "eval", "probe", "checkpoint"]
NO_TARGET = "No target is set, or no run has completed."


def glance(tables: Tables) -> str:
    """Mean test metrics: a row per cell, the references below, a column per task."""
    columns: dict[str, dict[str, str]] = {}  # heading -> cell -> text
    references: dict[str, str] = {}  # heading -> text
    for task, settings in tables.plan.tasks.items():
        better = "higher" if settings.higher_is_better else "lower"
        heading = f"{task}: {metric_name(settings.metric)}, {better} is better"
        columns[heading] = {}
        for row in tables.reported(task).itertuples():
            name = cell_name(row.level, row.group)
            columns[heading][name] = f"{spread(row.mean, row.sd)}, n = {row.n}"
        references[heading] = _references(tables.of("references", task))
    columns = {key: column for key, column in columns.items() if column or references[key]}
    rows = []
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        rows.append({"": name, **{key: column.get(name, "") for key, column in columns.items()}})
    rows.append({"": "reference", **{key: references[key] for key in columns}})
    return markdown(rows)


def _references(references: pd.DataFrame) -> str:
    texts = []
    for row in references.itertuples():
        data = f", {row.data}" if len(references) > 1 else ""
        texts.append(f"{number(row.test)} ({row.name}{data})")
    return "; ".join(texts)


def mean_ranks(tables: Tables) -> str:
    """Mean ranks: a row per cell, a column per task."""
    return markdown(ranks_over_tasks(tables.frames["ranks"]))


def ranks_over_tasks(ranks: pd.DataFrame) -> list[dict[str, str]]:
    """A row per cell: its mean rank in each task, on n seeds, and in how many tasks it won.

    ranks: the table `ranks`. Cells that won most tasks come first.
    """
    tasks = list(dict.fromkeys(ranks["task"]))
    rows = {}
    n_won = {}
    for (level, group), part in ranks.groupby(["level", "group"], sort=False):
        cell = cell_name(level, group)
        rows[cell] = {"cell": cell, **dict.fromkeys(tasks, "")}
        for rank in part.itertuples():
            rows[cell][rank.task] = f"{rank.mean_rank:.1f} of {rank.n_levels}, n = {rank.n}"
        n_won[cell] = int(part["won"].sum())
        rows[cell]["tasks won"] = f"{n_won[cell]} of {len(part)}"
    return [rows[cell] for cell in sorted(rows, key=lambda cell: -n_won[cell])]


def time(runs: pd.DataFrame) -> str:
    """Seconds per task: the processes' lifetimes, and what they spent on start-up, training etc."""
    completed = runs[runs["status"] == "completed"]
    if completed.empty:
        return markdown([])
    lifetime = pd.to_datetime(completed["ended"]) - pd.to_datetime(completed["started"])
    wall = lifetime.dt.total_seconds()
    if "packed_with" in completed:
        wall = wall / completed["packed_with"].fillna(1)
    completed = completed.assign(wall_seconds=wall)
    stages = [stage for stage in STAGES if f"{stage}_seconds" in completed]  # old runs have fewer
    rows = []
    for task, part in completed.groupby("task", sort=False):
        row: dict[str, Any] = {"task": task, "runs": len(part)}
        for stage in stages:
            row[f"{stage} (s)"] = f"{part[f'{stage}_seconds'].astype(float).sum():,.0f}"
        rows.append(row)
    return markdown(rows)


def results(tables: Tables, task: str) -> str:
    """Test metrics, a row per cell: n, mean, sd, min, max, last step; means of other metrics."""
    metric = tables.plan.tasks[task].metric
    cells = tables.of("cells", task).groupby(["group", "level"], sort=False)
    steps = steps_trained(tables, task)
    rows = []
    for (group, level), cell in cells:
        name = cell_name(level, group)
        rows.append({**_result(name, cell, metric), **steps_of(steps, name)})
    return markdown(rows)


def steps_trained(tables: Tables, task: str) -> dict[str, str]:
    """Cell -> the steps that its completed runs trained; empty if none ended early."""
    runs = tables.of("runs", task)
    if "steps_done" not in runs or not ended_early(runs).any():
        return {}
    completed = runs[runs["status"] == "completed"]
    texts = {}
    for (group, level), part in completed.groupby(["group", "level"], sort=False):
        done = part["steps_done"].astype(int)
        total = part["total_steps"].astype(int).max()
        text = f"{done.min()}" if done.min() == done.max() else f"{done.min()} to {done.max()}"
        texts[cell_name(level, group)] = f"{text} of {total}"
    return texts


def ended_early(runs: pd.DataFrame) -> pd.Series:
    """Whether each run completed before its last step: its `patience` ended it."""
    completed = runs["status"] == "completed"
    return completed & (runs["steps_done"].astype(float) < runs["total_steps"].astype(float))


def early_ends(tables: Tables, task: str) -> str:
    """A sentence on the runs that `patience` ended, empty if there are none."""
    runs = tables.of("runs", task)
    if "steps_done" not in runs:
        return ""
    early = int(ended_early(runs).sum())
    if not early:
        return ""
    n = int((runs["status"] == "completed").sum())
    return (
        f"patience ended {early} of {n} completed runs before their last step: values at the "
        "last step and training seconds are of trainings of unlike length."
    )


def steps_of(steps: dict[str, str], cell: str) -> dict[str, str]:
    """The column of steps in a cell's row; none if no run ended early."""
    return {"steps trained": steps.get(cell, "none")} if steps else {}


def _result(name: str, cell: pd.DataFrame, metric: str) -> dict[str, Any]:
    """A cell's row of the table of results; cell: its rows of the table `cells`."""
    described = cell.set_index(["checkpoint", "metric"])
    main = described.loc[("reported", metric)]
    last = main
    if ("last", metric) in described.index:
        last = described.loc[("last", metric)]
    at_last = spread(last["mean"], last["sd"])
    if last["n"] < main["n"]:
        at_last += f", n = {last['n']:.0f}"
    others = {}
    for other in cell["metric"].unique():
        if other != metric:
            mean = described.loc[("reported", other), "mean"]
            others[f"test {metric_name(other)}"] = number(mean)
    return {
        "cell": name,
        "n": f"{main['n']:.0f} of {main['n_planned']:.0f}",
        f"test {metric_name(metric)} (sd)": spread(main["mean"], main["sd"]),
        "min": number(main["min"]),
        "max": number(main["max"]),
        "at the last step (sd)": at_last,
        **others,
    }


def results_by_group(tables: Tables, task: str) -> str:
    """Mean test metrics, a row per group of cells."""
    return cell_groups.means(tables.reported(task))


def targets(tables: Tables, task: str) -> str:
    """Steps and training seconds to each target, a row per cell and target."""
    rows = []
    for row in tables.of("targets", task).to_dict("records"):
        rows.append(
            {
                "cell": cell_name(row["level"], row["group"]),
                "target": row["target"],
                "reached": f"{row['n_reached']} of {row['n']}",
                "median steps": _censored(row["median_steps"], 0),
                "median training seconds": _censored(row["median_seconds"], 2),
            }
        )
    return markdown(rows, NO_TARGET)


def _censored(median: float, digits: int) -> str:
    """A median with `digits` decimals, two significant digits below 0.1; NaN: after the end."""
    if pd.isna(median):
        return "after the end"
    if median < 0.1:
        return f"{median:.2g}"
    return f"{median:.{digits}f}"


def targets_by_group(tables: Tables, task: str) -> str:
    """Median steps to each target, a row per group of cells and target."""
    planned = tables.of("runs", task).groupby(["group", "level"]).size()
    return cell_groups.steps(tables.of("targets", task), planned) or NO_TARGET
