"""The tables of the summary page, as Markdown."""

from typing import Any

import pandas as pd

from actstudy.analysis.page import cell_groups
from actstudy.analysis.page.markdown import cell_name, markdown, metric_name, number, spread
from actstudy.analysis.tables import Tables


def glance(tables: Tables) -> str:
    """Every cell's mean test metric, a column a task, the references below; nothing where that is no glance."""
    rows: dict[str, dict[str, str]] = {}
    if len(tables.frames["cells"][["group", "level"]].drop_duplicates()) > cell_groups.MOST_CELLS:
        return ""
    for task, settings in tables.plan.tasks.items():
        better = "higher" if settings.higher_is_better else "lower"
        column = f"{task}: {metric_name(settings.metric)}, {better} is better"
        for row in tables.reported(task).itertuples():
            rows.setdefault(cell_name(row.level, row.group), {})[column] = (
                f"{spread(row.mean, row.sd)}, n = {row.n}"
            )
        references = tables.of("references", task)
        for row in references.itertuples():
            shown = (
                f"{number(row.test)} ({row.name}{f', {row.data}' if len(references) > 1 else ''})"
            )
            before = rows.setdefault("reference", {}).get(column)
            rows["reference"][column] = f"{before}; {shown}" if before else shown
    rows["reference"] = rows.pop("reference", {})  # last
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    return markdown(
        [
            {"": name} | {column: row.get(column, "") for column in columns}
            for name, row in rows.items()
        ]
    )


def ranked(tables: Tables) -> str:
    """Every cell's mean rank, a column a task; nothing where there are too many."""
    rows = ranks_over_tasks(tables.frames["ranks"])
    return markdown(rows) if len(rows) <= cell_groups.MOST_CELLS else ""


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
    """Seconds by task: a run's process from start to end, and what of it was start-up, compilation, training ...."""
    done = runs[runs["status"] == "completed"]
    if done.empty:
        return markdown([])
    wall = (pd.to_datetime(done["ended"]) - pd.to_datetime(done["started"])).dt.total_seconds()
    done = done.assign(
        wall_seconds=wall / (done["packed_with"].fillna(1) if "packed_with" in done else 1)
    )
    names = ["wall", "start", "compile", "train", "eval", "probe", "checkpoint"]
    buckets = [
        name for name in names if f"{name}_seconds" in done
    ]  # runs of an earlier version have fewer
    return markdown(
        [
            {"task": task, "runs": len(part)}
            | {
                f"{name} (s)": f"{part[f'{name}_seconds'].astype(float).sum():,.0f}"
                for name in buckets
            }
            for task, part in done.groupby("task", sort=False)
        ]
    )


def results(tables: Tables, task: str) -> str:
    """Every cell's test metrics: n, mean, sd, smallest, largest, at the last step, then the other metrics' means."""
    cells, settings = tables.of("cells", task), tables.plan.tasks[task]
    if cell_groups.many(cells):
        return cell_groups.means(tables.reported(task))
    rows = []
    for (group, level), part in cells.groupby(["group", "level"], sort=False):
        wanted = part.set_index(["checkpoint", "metric"])
        main = wanted.loc[("reported", settings.metric)]
        last = (
            wanted.loc[("last", settings.metric)]
            if ("last", settings.metric) in wanted.index
            else main
        )
        row = {"cell": cell_name(level, group), "n": f"{main['n']:.0f} of {main['n_planned']:.0f}"}
        row |= {
            f"test {metric_name(settings.metric)} (sd)": spread(main["mean"], main["sd"]),
            "min": number(main["min"]),
            "max": number(main["max"]),
        }
        row |= {"at the last step (sd)": spread(last["mean"], last["sd"])}
        others = [m for m in part["metric"].unique() if m != settings.metric]
        row |= {
            f"test {metric_name(metric)}": number(wanted.loc[("reported", metric), "mean"])
            for metric in others
        }
        rows.append(row)
    return markdown(rows)


def targets(tables: Tables, task: str) -> str:
    """Steps and training seconds to each target."""

    def shown(value: float, digits: int) -> str:
        return (
            "after the end"
            if pd.isna(value)
            else f"{value:.{digits}f}"
            if value >= 0.1
            else f"{value:.2g}"
        )

    found = tables.of("targets", task)
    if cell_groups.many(found):
        return cell_groups.steps(found, tables.of("runs", task).groupby(["group", "level"]).size())
    return markdown(
        [
            {
                "cell": cell_name(row["level"], row["group"]),
                "target": row["target"],
                "reached": f"{row['n_reached']} of {row['n']}",
                "median steps": shown(row["median_steps"], 0),
                "median training seconds": shown(row["median_seconds"], 2),
            }
            for row in found.to_dict("records")
        ],
        "No target is set, or no run has completed.",
    )


def compute(tables: Tables, task: str) -> str:
    """Throughput, training seconds and peak memory of every cell, or of very many those on the Pareto front."""
    found = tables.of("pareto", task)
    known = [row for row in found.to_dict("records") if pd.notna(row["peak_memory_bytes"])]
    if not known:
        return (
            "No run has completed by itself: time and memory of a pack are not those of its runs."
        )
    if not cell_groups.many(found):
        return markdown([cost(row) for row in known])
    if not (front := [cost(row) for row in known if row["on_front"]]):
        return "No cell was timed; memory is in tables/pareto.csv."
    return f"{markdown(front)}\n\nThe cells on their groups' fronts; all are in tables/pareto.csv."


def cost(row: dict[Any, Any]) -> dict[str, Any]:
    """A cell's row of the table of compute."""
    return {
        "cell": cell_name(row["level"], row["group"]),
        f"throughput ({row['throughput_unit']})": f"{row['throughput']:,.0f}"
        if row["n_timed"]
        else "not timed",
        "training (s)": f"{row['train_seconds']:.2f}" if row["n_timed"] else "not timed",
        f"peak memory (MB, {row['peak_memory_kind']})": f"{row['peak_memory_bytes'] / 1e6:,.0f}",
        "timed n": row["n_timed"],
        "on the Pareto front": "yes" if row["on_front"] else "no",
        "chance of the front": f"{100 * row['front_probability']:.0f}%"
        if pd.notna(row["front_probability"])
        else "",
    }
