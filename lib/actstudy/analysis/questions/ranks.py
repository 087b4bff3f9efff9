"""How often a level is ahead of another one, seed by seed."""

import pandas as pd

from actstudy.analysis.questions import stats
from actstudy.analysis.questions.seed_values import Values
from actstudy.contract.plan import Plan

WINS = ["task", "group", "level", "other", "n", "share", "low", "high"]


def gains(values: Values, plan: Plan, task: str) -> dict[str, pd.DataFrame]:
    """Group -> values of which larger are better, a row per common seed, a column per level.

    values: `seed_values`; a seed counts if every cell of the task has it.
    """
    wide = values[task].values.dropna()
    if not wide.size:
        return {}
    groups = wide.columns.get_level_values(0).unique()
    return {group: plan.tasks[task].sign * wide[group] for group in groups}


def duels(gains: pd.DataFrame) -> pd.DataFrame:
    """A row per ordered pair of levels: the share of seeds in which `level` beats `other`.

    Ties count half. gains: larger is better, a row per seed, a column per level. low, high: the
    share's 95% interval, of each pair alone.
    """
    rows = []
    for level in gains:
        for other in gains:
            if level == other:
                continue
            share = stats.win_probability((gains[level] - gains[other]).tolist())
            rows.append([level, other, len(gains), share.value, share.low, share.high])
    return pd.DataFrame(rows, columns=WINS[2:])


def wins(values: Values, plan: Plan) -> pd.DataFrame:
    """The `duels` of every group of cells of every task, columns WINS; values: `seed_values`."""
    parts = []
    for task in plan.tasks:
        for group, group_gains in gains(values, plan, task).items():
            parts.append(duels(group_gains).assign(task=task, group=group))
    if not parts:
        return pd.DataFrame(columns=WINS)
    return pd.concat(parts, ignore_index=True)[WINS]


def square(wins: pd.DataFrame, column: str = "share") -> pd.DataFrame:
    """The rows of `wins` of one group as a square: row beats column; the diagonal is missing."""
    levels = list(dict.fromkeys(wins["level"]))
    wide = wins.pivot(index="level", columns="other", values=column)
    return wide.reindex(index=levels, columns=levels)
