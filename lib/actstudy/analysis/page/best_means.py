"""Which levels have the best mean test metric, in sentences of the summary page."""

from collections import Counter

from actstudy.analysis.markdown import group_head, number, spread
from actstudy.analysis.tables import Tables

MAX_GROUPS_NAMED = 8  # with a sentence each
SHARED = "shared by several levels"
SAME = "the same for all levels"
PARTIAL = "not every level has a completed run"
BIAS = "best of several means is optimistically biased"


def sentences(tables: Tables, task: str) -> list[str]:
    """The best mean of each group of cells; of many groups, how often each level is the best."""
    runs = tables.of("runs", task)
    groups = runs["group"].unique()
    if len(groups) <= MAX_GROUPS_NAMED:
        return [best_mean(tables, task, group) for group in groups]
    if runs["level"].nunique() == 1:
        return []
    return [most_often_best(tables, task, len(groups))]


def best_mean(tables: Tables, task: str, group: str) -> str:
    """One sentence that names the best mean of a group of cells, and the number of means."""
    start = group_head(group)
    cells = tables.reported(task).query("group == @group and n > 0")
    if cells.empty:
        return f"{start}no run has completed."
    best = cells.loc[(tables.plan.tasks[task].sign * cells["mean"]).idxmax()]
    if len(cells) > 1 and cells["mean"].nunique() == 1:
        return f"{start}all {len(cells)} have the same mean, {number(best['mean'])}."
    seeds = f"n = {best['n']} of {best['n_planned']} seeds"
    return (
        f"{start}{best['level']} has the best mean of {len(cells)}, "
        f"{spread(best['mean'], best['sd'])}, {seeds}; the {BIAS}."
    )


def most_often_best(tables: Tables, task: str, n_groups: int) -> str:
    """In how many groups of cells each level has the best mean, and in how many no level has."""
    wins = Counter[str]()
    without = Counter[str]()
    for _, cells in tables.reported(task).groupby("group", sort=False):
        values = tables.plan.tasks[task].sign * cells["mean"]
        best = cells.loc[values == values.max(), "level"]
        if not cells["n"].all():
            without[PARTIAL] += 1
        elif len(best) == 1:
            wins[best.iloc[0]] += 1
        elif len(best) == len(cells):
            without[SAME] += 1
        else:
            without[SHARED] += 1
    counts = [
        f"{reason} in {without[reason]}" for reason in (SHARED, SAME, PARTIAL) if without[reason]
    ]
    if wins:
        levels = ", ".join(f"{level} in {n}" for level, n in wins.most_common())
        counts.insert(0, f"the best mean: {levels}")
    return f"{n_groups} groups of cells, {'; '.join(counts)}. The {BIAS}."
