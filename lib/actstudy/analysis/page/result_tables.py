"""The tables of results, steps and time on the pages, as Markdown."""

from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import cell_name, markdown, metric_name
from actstudy.analysis.page import cell_groups
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import FAILED

STAGES = ["wall", "start", "compile", "train", "eval", "probe", "checkpoint"]
MAX_SUMMARY_ROWS = 200  # of a table with a row per group of cells; the appendix has longer ones
NO_TARGET = "No target is set, or no run has completed."
SECOND = {  # what a task predicts -> the metric whose mean stands behind the task's own
    "values": ("rmse", f"test {metric_name('rmse')}, in the label's unit"),
    "pairs": ("knn_accuracy", scale.heading("knn_accuracy")),
}


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


def means(tables: Tables, task: str) -> str:
    """Test metrics, a row per cell: mean, sd and n; the reference methods below."""
    settings = tables.plan.tasks[task]
    own = scale.of_metric(settings.metric, settings.predicts)
    head = f"{scale.heading(settings.metric, settings.predicts)}: mean (sd)"
    others = _second(tables, task)
    runs = tables.of("runs", task)
    words = runs["status"].replace(dict.fromkeys(FAILED, "failed"))
    n_by_cell = words.groupby([runs["group"], runs["level"], words]).size()
    rows = []
    for row in tables.reported(task).to_dict("records"):
        name = cell_name(row["level"], row["group"])
        n = f"{row['n']} of {row['n_planned']}"
        for word in ("diverged", "failed"):
            if n_of_word := n_by_cell.get((row["group"], row["level"], word), 0):
                n += f", {n_of_word} {word}"
        value = own.spread(row["mean"], row["sd"])
        rows.append({tables.plan.compare: name, head: value, **others.get(name, {}), "n": n})
    for row in tables.of("references", task).to_dict("records"):
        name = f"reference: {row['name']}"
        if tables.of("references", task)["data"].nunique() > 1:
            name += f", {settings.data_label(row['data'])}"
        none = dict.fromkeys(next(iter(others.values()), {}), "")
        value = own.number(row["test"])
        rows.append({tables.plan.compare: name, head: value, **none, "n": ""})
    return markdown(rows)


def data_sentences(tables: Tables, task: str) -> list[str]:
    """Which of a task's data sets are not whole, and which are the user's own."""
    settings = tables.plan.tasks[task]
    runs = tables.of("runs", task)
    sentences = []
    if "data_subset" in runs:
        subsets = runs[["data", "data_subset"]].dropna().drop_duplicates()
        sentences += [f"{row.data} is {row.data_subset}" for row in subsets.itertuples()]
    for name, about in settings.own_data.items():
        words = f"{about['label']} is {about['source']} ({name}), licence: {about['licence']}"
        sentences.append(words)
    return sentences


def _second(tables: Tables, task: str) -> dict[str, dict[str, str]]:
    """Cell -> the column of SECOND, a mean over completed runs; empty without such a metric."""
    settings = tables.plan.tasks[task]
    metric, head = SECOND.get(settings.predicts, ("", ""))
    cells = tables.of("cells", task)
    rows = cells[(cells["metric"] == metric) & (cells["checkpoint"] == "reported")]
    if rows.empty or settings.metric == metric:
        return {}
    own = scale.of_metric(metric)
    columns = {}
    for name in map(cell_name, cells["level"], cells["group"]):
        columns[name] = {head: "none"}
    for row in rows.to_dict("records"):
        columns[cell_name(row["level"], row["group"])] = {head: own.number(row["mean"])}
    return columns


def results(tables: Tables, task: str) -> str:
    """Test metrics, a row per cell: n, mean, sd, min, max, last step; means of other metrics."""
    settings = tables.plan.tasks[task]
    cells = tables.of("cells", task).groupby(["group", "level"], sort=False)
    steps = steps_trained(tables, task)
    rows = []
    for (group, level), cell in cells:
        name = cell_name(level, group)
        rows.append({**_result(name, cell, settings), **steps_of(steps, name)})
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


def _result(name: str, cell: pd.DataFrame, settings: TaskPlan) -> dict[str, Any]:
    """A cell's row of the table of results; cell: its rows of the table `cells`."""
    described = cell.set_index(["checkpoint", "metric"])
    metric = settings.metric
    own = scale.of_metric(metric, settings.predicts)
    main = described.loc[("reported", metric)]
    last = main
    if ("last", metric) in described.index:
        last = described.loc[("last", metric)]
    at_last = own.spread(last["mean"], last["sd"])
    if last["n"] < main["n"]:
        at_last += f", n = {last['n']:.0f}"
    others = {}
    for other in cell["metric"].unique():
        if other != metric:
            mean = described.loc[("reported", other), "mean"]
            head = scale.heading(other, settings.predicts)
            others[head] = scale.of_metric(other, settings.predicts).number(mean)
    return {
        "cell": name,
        "n": f"{main['n']:.0f} of {main['n_planned']:.0f}",
        f"{scale.heading(metric, settings.predicts)} (sd)": own.spread(main["mean"], main["sd"]),
        "min": own.number(main["min"]),
        "max": own.number(main["max"]),
        "at the last step (sd)": at_last,
        **others,
    }


def means_by_group(tables: Tables, task: str) -> str:
    """Mean test metrics, a row per group of cells; empty if they are very many."""
    return "" if _is_long(tables, task) else _by_group(tables, task)


def results_by_group(tables: Tables, task: str) -> str:
    """Those of `means_by_group` if they are very many, else empty."""
    return _by_group(tables, task) if _is_long(tables, task) else ""


def _is_long(tables: Tables, task: str) -> bool:
    cells = tables.reported(task)
    return max(cells["group"].nunique(), cells["level"].nunique()) > MAX_SUMMARY_ROWS


def _by_group(tables: Tables, task: str) -> str:
    settings = tables.plan.tasks[task]
    size = scale.of_metric(settings.metric, settings.predicts)
    return cell_groups.means(tables.reported(task), size)


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
