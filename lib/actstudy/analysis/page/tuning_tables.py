"""What tuning the learning rate cost and changed, in sentences of the summary page."""

import itertools

import numpy as np
import pandas as pd

from actstudy.analysis.markdown import cell_name, group_head
from actstudy.analysis.questions.tuning import good_region, rate_pairs
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import CELL

MAX_NAMED = 5  # in a sentence


def sentences(tables: Tables, task: str) -> list[str]:
    """Cost of tuning, what it changed, how wide the good rates reach, and chosen edges."""
    rates = tables.of("tuning", task)
    if rates.empty:
        return []
    return [*budget(rates), *changes(tables, task), *widths(rates), *edges(rates)]


def budget(rates: pd.DataFrame) -> list[str]:
    """How many runs chose each level's rate, and how many of them left nothing."""
    tried = sorted(rates["lr"].unique())
    n_rates = len(tried)
    n_runs = rates["budget_runs"].max()
    texts = [
        f"Each level used {n_rates} rates x {n_runs // n_rates} seeds = {n_runs} tuning runs to "
        f"choose its learning rate from {', '.join(f'{lr:g}' for lr in tried)} by validation; the "
        f"fixed rate is {rates['fixed_lr'].iloc[0]:g}."
    ]
    n_open = int(n_runs * len(rates.groupby(CELL)) - rates["n"].sum())
    if n_open:
        texts.append(f"{n_open} of these runs have not ended, or failed: the choices may change.")
    return texts


def changes(tables: Tables, task: str) -> list[str]:
    """Per pair of groups, fixed and tuned: levels whose order differs, verdicts that differ."""
    contrasts = tables.of("contrasts", task)
    contrasts = contrasts[(contrasts["family"] == "primary") & (contrasts["n"] > 0)]
    groups = dict(iter(contrasts.groupby("group", sort=False)))
    texts = []
    settings = tables.plan.tasks[task]
    for base, fixed_group, tuned_group in rate_pairs(groups, tables.places(task)):
        fixed = groups[fixed_group]
        tuned = groups[tuned_group]
        start = group_head(base)
        texts.append(start + flips(ordered(fixed, settings), ordered(tuned, settings)))
        changed = changed_verdicts(fixed, tuned)
        if changed:
            texts.append(
                f"{start}The verdict changes for {named(changed)}; fixed and tuned rates were not "
                "tested against each other."
            )
    return texts


def changed_verdicts(fixed: pd.DataFrame, tuned: pd.DataFrame) -> list[str]:
    """`gelu from undecided to better` per level whose verdicts differ."""
    before = fixed.set_index("level")["verdict"]
    after = tuned.set_index("level")["verdict"]
    texts = []
    for level in before.index.intersection(after.index):
        if before[level] != after[level]:
            texts.append(f"{level} from {before[level]} to {after[level]}")
    return texts


def ordered(contrasts: pd.DataFrame, settings: TaskPlan) -> pd.Series:
    """Level -> mean difference from the baseline, positive if better, best first; baseline 0."""
    means = settings.sign * contrasts.set_index("level")["mean"]
    with_baseline = pd.concat([pd.Series({settings.baseline: 0.0}), means])
    return with_baseline.sort_values(ascending=False, kind="stable")


def flips(fixed: pd.Series, tuned: pd.Series) -> str:
    """How many pairs of levels change their order by mean between two series."""
    levels = [level for level in fixed.index if level in tuned.index]
    pairs = list(itertools.combinations(levels, 2))
    flipped = [f"{lower} over {upper}" for upper, lower in pairs if tuned[lower] > tuned[upper]]
    start = "Between the fixed and the tuned rate"
    if not flipped:
        return f"{start} no pair of levels changes its order by mean."
    return (
        f"{start} {len(flipped)} of {len(pairs)} pairs of levels change their order by mean "
        f"({named(flipped)}), which alone is not a verdict."
    )


def widths(rates: pd.DataFrame) -> list[str]:
    """One sentence: over how many decades around each chosen rate the mean is still good."""
    decades_and_text = []
    for (_, group, level), part in rates.groupby(CELL, sort=False):
        region = good_region(part)
        if not region:
            continue
        low, high = region
        decades = np.log10(high / low)
        reach = f"{low:g} to {high:g}"
        if low == high:
            reach = f"{low:g} alone"
        bound = ""
        if low == part["lr"].min() or high == part["lr"].max():
            bound = "at least "
        text = f"{cell_name(level, group)} {bound}{decades:.1f} ({reach})"
        decades_and_text.append((decades, text))
    if not decades_and_text:
        return []
    widest_first = sorted(decades_and_text, key=lambda pair: -pair[0])
    texts = "; ".join(text for _, text in widest_first)
    return [
        "Width (in decades) of the contiguous range of rates within the margin of the best: "
        f"{texts}."
    ]


def edges(rates: pd.DataFrame) -> list[str]:
    """One sentence that names chosen rates at an edge of the grid: a better one may be outside."""
    lowest = rates["lr"].min()
    names = []
    for row in rates[rates["at_edge"].astype(bool)].itertuples():
        edge = "lowest" if row.lr == lowest else "highest"
        names.append(f"{cell_name(row.level, row.group)} ({edge}: {row.lr:g})")
    if not names:
        return []
    return [f"Widen the grid: the chosen rate is at its edge for {', '.join(names)}."]


def named(texts: list[str]) -> str:
    """The first MAX_NAMED texts, and how many more there are."""
    start = ", ".join(texts[:MAX_NAMED])
    if len(texts) <= MAX_NAMED:
        return start
    return f"{start} and {len(texts) - MAX_NAMED} more"
