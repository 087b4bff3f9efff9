"""The contrasts with the baseline as tables: of all tasks together, and one by one."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import cell_name, listed, markdown
from actstudy.analysis.page import cell_groups
from actstudy.analysis.questions.contrasts import (
    describe_verdict,
    more_seeds,
    primary,
    verdict_words,
)
from actstudy.analysis.questions.procedure import TOO_FEW, UNDECIDED
from actstudy.analysis.tables import Tables

MAX_ROWS = 24  # of a task, a row each
NO_LEVEL = "There is no level to compare with the baseline."
FOR_MARGIN = "seeds to add, for the margin"
AS_SEEN = "seeds to add, for the difference seen"


def overview(tables: Tables, tasks: Sequence[str] = ()) -> str:
    """The contrasts of tasks that have at most MAX_ROWS, a row each; empty if none has.

    tasks: all if none is named. The task is a column if there are several.
    """
    rows = []
    for task in tasks or tables.plan.tasks:
        contrasts = primary(tables.of("contrasts", task))
        if len(contrasts) <= MAX_ROWS:
            rows += [_verdict(tables, row) for row in contrasts.to_dict("records")]
    dropped = ["task"] if len({row["task"] for row in rows}) == 1 else []
    if not any(row[FOR_MARGIN] for row in rows):
        dropped += [FOR_MARGIN, AS_SEEN]
    for row in rows:
        for name in dropped:
            del row[name]
    return markdown(rows, "")


def left_out(tables: Tables) -> list[str]:
    """The tasks whose contrasts are too many for the table of all tasks."""
    counts = primary(tables.frames["contrasts"])["task"].value_counts()
    return [task for task in tables.plan.tasks if counts.get(task, 0) > MAX_ROWS]


def _verdict(tables: Tables, row: dict[Any, Any]) -> dict[str, Any]:
    """A contrast as a row of the table of all tasks."""
    size = scale.of_differences(tables.plan.tasks[row["task"]])
    for_margin = as_seen = ""
    if row["verdict"] == UNDECIDED:
        for_margin, as_seen = more_seeds(row)
    difference = size.signed(row["mean"]) if row["n"] else "none"
    return {
        "task": row["task"],
        tables.plan.compare: cell_name(row["level"], row["group"]),
        "difference": f"{difference} {size.unit}" if row["n"] else difference,
        "interval": size.interval(row["low"], row["high"]),
        "n": row["n"],
        "verdict": verdict_words(row),
        FOR_MARGIN: for_margin,
        AS_SEEN: as_seen,
    }


def lower_is_better(tables: Tables) -> str:
    """A sentence on tasks in which a negative difference is the better one; empty if none is."""
    contrasts = primary(tables.frames["contrasts"])
    tasks = [task for task in contrasts["task"].unique() if tables.plan.tasks[task].sign < 0]
    if not tasks:
        return ""
    return f"{listed(tasks)}: lower is better, so a negative difference is one for the better."


def excluding_zero(tables: Tables, tasks: Sequence[str] = ()) -> str:
    """A sentence on undecided contrasts whose interval excludes zero; empty if there are none.

    tasks: all if none is named.
    """
    contrasts = primary(tables.frames["contrasts"])
    contrasts = contrasts[contrasts["task"].isin(list(tasks or tables.plan.tasks))]
    rows = contrasts.query("verdict == @UNDECIDED and (low > 0 or high < 0)")
    rows = rows[~rows["task"].isin(left_out(tables))]
    if rows.empty:
        return ""
    names = []
    for task, part in rows.groupby("task", sort=False):
        cells = [cell_name(row.level, row.group) for row in part.itertuples()]
        names.append(f"{listed(cells)} ({task})")
    counts = contrasts["task"].value_counts()
    family = listed(sorted({f"{counts[task]}" for task in rows["task"]}), "or")
    return (
        f"Undecided although the interval excludes zero: {'; '.join(names)}. An interval is of one "
        f"comparison alone, a verdict is corrected for all {family} of its task."
    )


def contrasts(tables: Tables, task: str) -> str:
    """The contrasts with the baseline, a row per cell, with p-values and standard errors."""
    size = scale.of_differences(tables.plan.tasks[task])
    name = _difference_name(tables, task)
    rows = []
    for row in primary(tables.of("contrasts", task)).to_dict("records"):
        rows.append(
            {
                "cell": cell_name(row["level"], row["group"]),
                name: size.signed(row["mean"]) if row["n"] else "none",
                "interval": size.interval(row["low"], row["high"]),
                "n": row["n"],
                "p": _p(row["p"]),
                "p, equivalent": _p(row["p_equivalent"]),
                "verdict": describe_verdict(row),
                "test set's standard error": size.number(row["test_se"]),
            }
        )
    return markdown(rows, NO_LEVEL)


def contrasts_by_group(tables: Tables, task: str) -> str:
    """The contrasts with the baseline, a row per group of cells."""
    size = scale.of_differences(tables.plan.tasks[task])
    part = primary(tables.of("contrasts", task))
    return cell_groups.differences(part, _difference_name(tables, task), size) or NO_LEVEL


def all_pairs(tables: Tables, task: str) -> str:
    """The second family in sentences: which pairs differ; empty if nothing was tested."""
    pairs = tables.of("contrasts", task).query("family == 'all pairs'")
    tested = pairs[pairs["verdict"] != TOO_FEW]
    if tested.empty:
        return ""
    differing = tested[tested["verdict"].isin(["better", "worse"])]
    size = scale.of_differences(tables.plan.tasks[task])
    names = []
    for row in differing.to_dict("records"):
        sides = [cell_name(row["level"], row["group"]), row["baseline"]]
        sign = 1
        if row["verdict"] == "worse":
            sides.reverse()
            sign = -1
        words = f"{' better than '.join(sides)} {row['condition']}".strip()
        mean = f"{size.signed(sign * row['mean'])} {size.unit}".strip()
        names.append(f"{words} ({mean}, n = {row['n']})")
    named = ""
    if 0 < len(names) <= MAX_ROWS:
        named = f": {'; '.join(names)}"
    n_equivalent = tested["verdict"].str.startswith("equivalent").sum()
    return (
        f"All pairs of levels, a second family with its own error rate: {len(tested)} tested, "
        f"{n_equivalent} equivalent, {len(differing)} different{named}. "
        "All are in tables/contrasts.csv."
    )


def _difference_name(tables: Tables, task: str) -> str:
    settings = tables.plan.tasks[task]
    unit = scale.of_differences(settings).unit
    return f"difference from {settings.baseline}{', ' if unit else ''}{unit}"


def _p(value: float) -> str:
    return f"{value:.4f}" if pd.notna(value) else ""
