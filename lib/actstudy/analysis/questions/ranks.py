"""Who ranks where: within a task seed by seed, over tasks beside the table of each, never as an average of metrics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.page.markdown import cell_name
from actstudy.analysis.questions import contrasts, stats
from actstudy.contract.plan import Plan

Frames = Mapping[str, pd.DataFrame]
WINS = ["task", "group", "level", "other", "n", "share", "low", "high"]
RANKS = ["task", "group", "level", "n", "n_levels", "mean_rank", "won"]


def compared(frames: Frames, plan: Plan, task: str) -> dict[str, pd.DataFrame]:
    """Group -> values where larger is better, a row a seed that every level has, a column a level."""
    sign = 1 if plan.tasks[task].higher_is_better else -1
    wide = contrasts.task_values(frames, plan, task)
    groups = wide.columns.get_level_values(0).unique() if wide.size else []
    return {group: sign * wide[group] for group in groups}


def duels(values: pd.DataFrame) -> pd.DataFrame:
    """A row per ordered pair of levels: in which share of the seeds `level` beats `other`, ties a half.

    values: larger is better, a row a seed, a column a level. low, high: the share's 95% interval, of each pair alone.
    """
    rows = []
    for one, other in [(one, other) for one in values for other in values if one != other]:
        found = stats.win_probability((values[one] - values[other]).tolist())
        rows.append([one, other, len(values), found.value, found.low, found.high])
    return pd.DataFrame(rows, columns=WINS[2:])


def wins(frames: Frames, plan: Plan) -> pd.DataFrame:
    """The `duels` of every group of cells of every task, columns WINS."""
    parts = [
        duels(values).assign(task=task, group=group)
        for task in plan.tasks
        for group, values in compared(frames, plan, task).items()
    ]
    return pd.concat(parts, ignore_index=True)[WINS] if parts else pd.DataFrame(columns=WINS)


def square(wins: pd.DataFrame, column: str = "share") -> pd.DataFrame:
    """A square of levels from the rows of `wins` of one group: row beats column; the diagonal is missing."""
    levels = list(dict.fromkeys(wins["level"]))
    return wins.pivot(index="level", columns="other", values=column).reindex(
        index=levels, columns=levels
    )


def ranks(frames: Frames, plan: Plan) -> pd.DataFrame:
    """A row per cell: its mean rank among the levels of its group over the common seeds, 1 being the best.

    won: it has the lowest mean rank of its group, alone or with others, and is not alone there.
    """
    rows: list[dict[str, Any]] = []
    for task in plan.tasks:
        for group, values in compared(frames, plan, task).items():
            mean = values.rank(axis=1, ascending=False).mean()
            head = {"task": task, "group": group, "n": len(values), "n_levels": values.shape[1]}
            won = np.isclose(mean, mean.min()) & (values.shape[1] > 1)
            each = zip(mean.index, mean, won, strict=True)
            rows += [
                head | {"level": level, "mean_rank": rank, "won": bool(first)}
                for level, rank, first in each
            ]
    return pd.DataFrame(rows, columns=RANKS)


def over_tasks(ranks: pd.DataFrame) -> pd.DataFrame:
    """A row per cell: its mean rank of how many levels in each task, on n seeds, and in how many tasks it won.

    ranks: the table `ranks`. It stands beside the table of each task: ranks say nothing of how large a difference is.
    """
    rows: dict[str, dict[str, Any]] = {}
    for row in ranks.itertuples():
        mine = rows.setdefault(cell_name(row.level, row.group), {"won": 0, "of": 0})
        mine[row.task] = f"{row.mean_rank:.1f} of {row.n_levels}, n = {row.n}"
        mine["won"] += bool(row.won)
        mine["of"] += 1
    tasks = list(dict.fromkeys(ranks["task"]))
    ordered = sorted(rows.items(), key=lambda item: -item[1]["won"])
    table = [
        {"cell": name}
        | {task: row.get(task, "") for task in tasks}
        | {"tasks won": f"{row['won']} of {row['of']}"}
        for name, row in ordered
    ]
    return pd.DataFrame(table, columns=["cell", *tasks, "tasks won"])
