"""What choosing the learning rate cost and changed, in sentences of the summary."""

import numpy as np
import pandas as pd

from actstudy.analysis.page.markdown import cell_name
from actstudy.analysis.questions.tuning import good_region, rate_pairs
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import CELL

MOST_NAMED = 5  # in a sentence


def sentences(tables: Tables, task: str) -> list[str]:
    """What tuning cost, what it changed, how wide the good rates reach, and where the grid ended too soon."""
    table = tables.of("tuning", task)
    if table.empty:
        return []
    budgets = {tuple(part["budget_runs"].unique()) for _, part in table.groupby(CELL)}
    tried = sorted(table["lr"].unique())
    each, runs = len(tried), max(max(budget) for budget in budgets)
    said = [
        f"Each level was given {each} rates x {runs // each} seeds = {runs} runs of its own to choose its learning "
        f"rate from {', '.join(f'{lr:g}' for lr in tried)} by validation; the fixed rate is "
        f"{table['fixed_lr'].iloc[0]:g}."
    ]
    left = int(runs * len(table.groupby(CELL)) - table["n"].sum())
    said += (
        [f"{left} of these runs have not ended, or failed: the choices may change."] if left else []
    )
    return said + changes(tables, task) + widths(table) + edges(table)


def changes(tables: Tables, task: str) -> list[str]:
    """Per pair of groups, fixed and tuned: pairs of levels whose order differs, and verdicts that do."""
    found, settings = tables.of("contrasts", task), tables.plan.tasks[task]
    found, said = found[(found["family"] == "primary") & (found["n"] > 0)], []
    for base, *pair in rate_pairs(found["group"].unique(), tables.places(task)):
        where = f"{base}: " if base else ""
        fixed, tuned = (found[found["group"] == group] for group in pair)
        said.append(where + flips(ordered(fixed, settings), ordered(tuned, settings)))
        before = fixed.set_index("level")["verdict"]
        after = tuned.set_index("level")["verdict"]
        moved = [
            f"{level} from {before[level]} to {after[level]}"
            for level in before.index.intersection(after.index)
            if before[level] != after[level]
        ]
        if moved:
            said.append(
                f"{where}The verdict reads differently for {named(moved)}; "
                "fixed and tuned were not tested against each other."
            )
    return said


def ordered(part: pd.DataFrame, settings: TaskPlan) -> pd.Series:
    """Level -> mean difference from the baseline, positive where better, the best first; the baseline has 0."""
    means = part.set_index("level")["mean"] * settings.sign
    return pd.concat([pd.Series({settings.baseline: 0.0}), means]).sort_values(
        ascending=False, kind="stable"
    )


def flips(fixed: pd.Series, tuned: pd.Series) -> str:
    """How many pairs of levels change their order between two series, and which is the best of either."""
    levels = [level for level in fixed.index if level in tuned.index]
    pairs = [(one, other) for index, one in enumerate(levels) for other in levels[index + 1 :]]
    flipped = [f"{other} over {one}" for one, other in pairs if tuned[other] > tuned[one]]
    best = [series[levels].idxmax() for series in (fixed, tuned)]
    first = (
        f"{best[0]} has the best mean with both"
        if best[0] == best[1]
        else f"the best mean moves from {best[0]} to"
    )
    first += "" if best[0] == best[1] else f" {best[1]}"
    if not flipped:
        return f"Between the fixed and the tuned rate no pair of levels changes its order by mean; {first}."
    return (
        f"Between the fixed and the tuned rate {len(flipped)} of {len(pairs)} pairs of levels change their order by "
        f"mean ({named(flipped)}), which alone is no verdict; {first}."
    )


def widths(table: pd.DataFrame) -> list[str]:
    """One sentence: over how many decades around the chosen rate the mean stays within the margin of its best."""
    parts = []
    for (_, group, level), part in table.groupby(CELL, sort=False):
        if region := good_region(part):
            low, high = region
            open_ended = low == part["lr"].min() or high == part["lr"].max()
            reach = f"{low:g} to {high:g}" if high > low else f"{low:g} alone"
            least = "at least " if open_ended else ""
            parts.append(
                (
                    np.log10(high / low),
                    f"{cell_name(level, group)} {least}{np.log10(high / low):.1f} ({reach})",
                )
            )
    widest = [text for _, text in sorted(parts, key=lambda part: -part[0])]
    start = "Decades of tried rates whose mean lies within the margin of the best, without a gap"
    return [f"{start}: {'; '.join(widest)}."] if parts else []


def edges(table: pd.DataFrame) -> list[str]:
    """One sentence that names the winners at an edge of the grid, where a better rate may lie outside."""
    at_edge, lowest = table[table["at_edge"].astype(bool)], table["lr"].min()
    names = [
        f"{cell_name(row.level, row.group)} ({'lowest' if row.lr == lowest else 'highest'}: {row.lr:g})"
        for row in at_edge.itertuples()
    ]
    return (
        [f"Widen the grid: the chosen rate is at its edge for {', '.join(names)}."] if names else []
    )


def named(texts: list[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return ", ".join(texts[:MOST_NAMED]) + more
