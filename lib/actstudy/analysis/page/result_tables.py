"""The tables of results, steps, compute, ranks and time on the summary page, as Markdown."""

from typing import Any

import pandas as pd

from actstudy.analysis.markdown import cell_name, markdown, metric_name, number, spread
from actstudy.analysis.page import cell_groups
from actstudy.analysis.tables import Tables

STAGES = ["wall", "start", "compile", "train", "eval", "probe", "checkpoint"]
NO_TARGET = "No target is set, or no run has completed."
PACKED = "No run has completed by itself: time and memory of a pack are not those of its runs."


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
    rows = []
    for (group, level), cell in cells:
        rows.append(_result(cell_name(level, group), cell, metric))
    return markdown(rows)


def _result(name: str, cell: pd.DataFrame, metric: str) -> dict[str, Any]:
    """A cell's row of the table of results; cell: its rows of the table `cells`."""
    described = cell.set_index(["checkpoint", "metric"])
    main = described.loc[("reported", metric)]
    last = main
    if ("last", metric) in described.index:
        last = described.loc[("last", metric)]
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
        "at the last step (sd)": spread(last["mean"], last["sd"]),
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


def compute(tables: Tables, task: str) -> str:
    """Throughput, training seconds and peak memory, a row per cell."""
    measured = _measured(tables, task)
    return markdown([_cost(row) for row in measured], PACKED)


def compute_of_front(tables: Tables, task: str) -> str:
    """Throughput, training seconds and peak memory of the cells on the Pareto front."""
    measured = _measured(tables, task)
    if not measured:
        return PACKED
    front = [_cost(row) for row in measured if row["on_front"]]
    if not front:
        return "No cell was timed; memory is in tables/pareto.csv."
    note = "Only the cells on the Pareto front of their group; all cells are in tables/pareto.csv."
    return f"{markdown(front)}\n\n{note}"


def gpu_use(tables: Tables, task: str) -> str:
    """How many runs had a GPU that another process used, or may have used, as sentences."""
    runs = tables.of("runs", task).reindex(columns=["slots_per_gpu", "gpu_in_use"])
    alone = runs[runs["slots_per_gpu"] == 1]
    n_beside = int((alone["gpu_in_use"] == True).sum())  # noqa: E712 - missing is neither
    n_unknown = int(alone["gpu_in_use"].isna().sum())
    sentences = []
    if n_beside:
        sentences.append(
            f"Not timed, because another process used their GPU: {n_beside} of {len(alone)} runs."
        )
    if n_unknown:
        sentences.append(
            f"Timed, though it is not known whether another process used their GPU: "
            f"{n_unknown} of {len(alone)} runs."
        )
    return " ".join(sentences)


def _measured(tables: Tables, task: str) -> list[dict[Any, Any]]:
    """The rows of `pareto` with a peak memory."""
    rows = tables.of("pareto", task).to_dict("records")
    return [row for row in rows if pd.notna(row["peak_memory_bytes"])]


def _cost(row: dict[Any, Any]) -> dict[str, Any]:
    """A cell's row of the table of compute."""
    throughput = "not timed"
    seconds = "not timed"
    chance = ""
    if row["n_timed"]:
        throughput = f"{row['throughput']:,.0f}"
        seconds = f"{row['train_seconds']:.2f}"
    if pd.notna(row["front_probability"]):
        chance = f"{100 * row['front_probability']:.0f}%"
    return {
        "cell": cell_name(row["level"], row["group"]),
        f"throughput ({row['throughput_unit']})": throughput,
        "training (s)": seconds,
        f"peak memory (MB, {row['peak_memory_kind']})": f"{row['peak_memory_bytes'] / 1e6:,.0f}",
        "timed n": row["n_timed"],
        "on the Pareto front": "yes" if row["on_front"] else "no",
        "chance of the front": chance,
    }
