"""The answer of a task in sentences: what to use, what is decided, what is open."""

import math
from collections import Counter

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import group_head, listed
from actstudy.analysis.page import references, risks
from actstudy.analysis.questions import procedure
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, most_needed, primary
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.questions.reservations import WHEN_IT_TRAINS
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted
from actstudy.contract.plan import TaskPlan

MAX_GROUPS_NAMED = 4  # with a clause each; of more the verdicts are counted
ALL_PAIRS = "all pairs"  # which the page explains
EQUIVALENT = ("equivalent", "equivalent (below the margin)")


def answer(tables: Tables, task: str) -> str:
    """Which level to use in a task instead of the baseline, as far as that is decided.

    Sentences on collapses that several tasks share (`risks.shared`) are left out.
    """
    settings = tables.plan.tasks[task]
    contrasts = primary(tables.of("contrasts", task))
    if contrasts.empty:
        return f"there is no level to compare with {settings.baseline}."
    if contrasts["n"].max() == 0:
        return f"{nothing_to_compare(contrasts)}."
    texts = []
    if (contrasts["verdict"] == procedure.TOO_FEW).all():
        texts.append(too_few(contrasts, settings))
    else:
        texts += decided(tables, task, contrasts)
    if task not in risks.shared(tables)[0]:
        texts.append(risks.sentences(tables, task))
    return f"{' '.join(filter(None, texts))}{references.not_above(tables, task)}"


def decided(tables: Tables, task: str, contrasts: pd.DataFrame) -> list[str]:
    """What is decided and open, a text per group of cells, or of many groups one per level."""
    settings = tables.plan.tasks[task]
    pairs = tables.of("contrasts", task).query("family == 'all pairs'")
    groups = list(contrasts["group"].unique())
    if len(groups) > MAX_GROUPS_NAMED:
        levels = contrasts["level"].unique()
        return [f"{verdict_counts(contrasts, level, len(groups))}." for level in levels]
    texts = []
    for group in groups:
        part = contrasts[contrasts["group"] == group]
        rivals = pairs[pairs["group"] == group]
        texts.append(group_head(group) + advice(part, rivals, settings))
    return texts


def nothing_to_compare(contrasts: pd.DataFrame) -> str:
    """Why no contrast has a pair: runs have not ended, or all that have ended diverged."""
    ended = contrasts["n_runs"].fillna(0) > 0
    diverged = contrasts["n_runs"] == contrasts["n_diverged"]
    if ended.all() and diverged.all():
        return "all runs that have ended diverged, so that there is nothing to compare"
    return "no seed has a comparable run of a level and its baseline yet"


def too_few(contrasts: pd.DataFrame, settings: TaskPlan) -> str:
    """That these seeds decide nothing, and the range of the differences without their names."""
    n = int(contrasts["n"].max())
    text = f"no verdict from {counted(n, 'seed')}: it takes at least {most_needed(contrasts)}."
    means = contrasts["mean"].dropna()
    if contrasts["group"].nunique() > MAX_GROUPS_NAMED or len(means) < 2:
        return text
    size = scale.of_differences(settings)
    ends = dict.fromkeys([size.signed(means.min()), size.signed(means.max())])
    values = f"lie between {' and '.join(ends)}" if len(ends) > 1 else f"are all {''.join(ends)}"
    values = f"{values} {size.unit}".strip()
    return f"{text} The mean differences from {settings.baseline} that were seen {values}."


def advice(group: pd.DataFrame, pairs: pd.DataFrame, settings: TaskPlan) -> str:
    """What to use, what to avoid, what is equal and what is open among one group's levels.

    group: the contrasts with the baseline; pairs: those of all pairs.
    """
    baseline = settings.baseline
    sound = group[group["contradiction"] == ""]
    better = sound[sound["verdict"] == "better"]
    worse = sound[sound["verdict"] == "worse"]
    equal = sound[sound["verdict"].isin(EQUIVALENT)]
    still_open = group[group["verdict"].isin(OPEN_VERDICTS)]
    texts = []
    if len(better):
        texts.append(use(better, pairs, settings))
    elif len(sound) == len(group) and still_open.empty:
        texts.append(keep(settings))
    elif len(worse) or len(equal):
        texts.append(f"Nothing is shown to be better than {baseline}.")
    else:
        texts.append(f"No recommendation from n = {group['n'].max()} seeds.")
    if len(worse):
        texts.append(f"{verb(worse)} worse than {baseline} ({sizes(worse, settings)}).")
    margin = scale.of_differences(settings).amount(settings.margin)
    for _, part in equal.groupby("condition", sort=False):
        texts.append(f"{verb(part)} equivalent to {baseline}, within {margin}{condition(part)}.")
    for row in group[group["contradiction"] != ""].to_dict("records"):
        texts.append(f"{row['level']} was found {row['verdict']}, but {row['contradiction']}.")
    if len(still_open):
        texts.append(f"Not decided: {listed(list(still_open['level']))}.")
    return " ".join(texts)


def keep(settings: TaskPlan) -> str:
    """That no level is better; equal frameworks are no reason to prefer one."""
    if crosses_framework(settings):
        return f"Nothing compared with {settings.baseline} is better."
    return f"Keep {settings.baseline}: nothing compared with it is better."


def use(better: pd.DataFrame, pairs: pd.DataFrame, settings: TaskPlan) -> str:
    """Which of the levels that are better than the baseline to use: those that no other beats."""
    baseline = settings.baseline
    n = int(better["n"].max())
    levels = list(better["level"])
    beaten = beaten_by(levels, pairs)
    best = better[~better["level"].isin(beaten)]
    names = list(best["level"])
    text = f"Use {listed(names, 'or')} rather than {baseline} "
    text += f"({sizes(best, settings)}, n = {n} seeds)"
    if len(names) > 1:
        text += f": {between(names, pairs, settings)}"
    texts = [f"{text}."]
    for winner in dict.fromkeys(beaten.values()):
        part = better[better["level"].map(beaten) == winner]
        texts.append(
            f"{verb(part)} better than {baseline} too ({sizes(part, settings)}), but worse than "
            f"{winner} ({ALL_PAIRS}: {lost(part, winner.split(' when ')[0], pairs, settings)})."
        )
    return " ".join(texts)


def lost(levels: pd.DataFrame, winner: str, pairs: pd.DataFrame, settings: TaskPlan) -> str:
    """The mean differences of levels from the one that beats them: `-1.20 points, n = 8`."""
    size = scale.of_differences(settings)
    means = []
    counts = []
    for level in levels["level"]:
        row = among([level, winner], pairs).iloc[0]
        sign = 1 if row["level"] == level else -1
        means.append(size.signed(sign * row["mean"]))
        counts.append(int(row["n"]))
    n = " to ".join(f"{count}" for count in sorted({min(counts), max(counts)}))
    return f"{f'{listed(means)} {size.unit}'.strip()}, n = {n}"


def among(levels: list[str], pairs: pd.DataFrame) -> pd.DataFrame:
    """The contrasts of all pairs between some levels, contradicted ones left out."""
    is_among = pairs["level"].isin(levels) & pairs["baseline"].isin(levels)
    return pairs[is_among & (pairs["contradiction"] == "")]


def beaten_by(levels: list[str], pairs: pd.DataFrame) -> dict[str, str]:
    """Each of some levels that another one beats -> that one, with the verdict's condition.

    One that nothing beats is named if there is one. Empty if every level is beaten by another.
    """
    winners: dict[str, dict[str, str]] = {}
    for row in among(levels, pairs).to_dict("records"):
        if row["verdict"] not in ("better", "worse"):
            continue
        sides = [row["level"], row["baseline"]]
        winner, loser = sides if row["verdict"] == "better" else reversed(sides)
        words = f"{winner} when {winner} trains" if row["condition"] else winner
        winners.setdefault(loser, {})[winner] = words
    if len(winners) == len(levels):
        return {}
    beaten = {}
    for loser, words_by_winner in winners.items():
        named = min(words_by_winner, key=winners.__contains__)
        beaten[loser] = words_by_winner[named]
    return beaten


def between(levels: list[str], pairs: pd.DataFrame, settings: TaskPlan) -> str:
    """What the verdicts of all pairs say between levels of which none beats another."""
    rows = among(levels, pairs)
    equal = rows[rows["verdict"].isin(EQUIVALENT)]
    margin = scale.of_differences(settings).amount(settings.margin)
    words = condition(equal) if equal["condition"].nunique() == 1 else ""
    within = f"within {margin}{words} ({ALL_PAIRS})"
    if len(equal) == math.comb(len(levels), 2) and equal["condition"].nunique() == 1:
        return f"these are equivalent to each other, {within}"
    text = "which of these is better is not decided"
    if equal.empty:
        return text
    names = []
    for row in equal.to_dict("records"):
        own = "" if words else f" {row['condition']}"
        names.append(f"{row['level']} and {row['baseline']}{own}".strip())
    return f"{text}; equivalent to each other are {'; '.join(names)}, {within}"


def sizes(rows: pd.DataFrame, settings: TaskPlan) -> str:
    """The mean differences of contrasts with their condition: `+3.13 and +1.96 points`.

    If conditions differ, each level has its own: `gelu +3.13 points; silu +1.96 points when ..`.
    """
    size = scale.of_differences(settings)
    if rows["condition"].nunique() > 1:
        texts = []
        for row in rows.to_dict("records"):
            own = f"{row['level']} {size.signed(row['mean'])} {size.unit}".strip()
            texts.append(f"{own} {row['condition']}".strip())
        return "; ".join(texts)
    means = listed([size.signed(mean) for mean in rows["mean"]])
    return f"{means} {size.unit}".strip() + condition(rows)


def verb(rows: pd.DataFrame) -> str:
    """`elu is`, `elu and celu are`."""
    levels = list(rows["level"])
    return f"{listed(levels)} {'is' if len(levels) == 1 else 'are'}"


def condition(rows: pd.DataFrame) -> str:
    """What verdicts of one kind take for granted, with a blank before it; empty for nothing."""
    conditions = sorted(set(rows["condition"]) - {""})
    if not conditions:
        return ""
    if conditions == [WHEN_IT_TRAINS] and len(rows) > 1:
        conditions = ["when they train"]
    return f" {listed(conditions)}"


def verdict_counts(contrasts: pd.DataFrame, level: str, n_groups: int) -> str:
    """A level's verdicts in many groups: `gelu better in 3, undecided in 45 of 48 groups`."""
    counts: Counter[str] = Counter()
    for row in contrasts[contrasts["level"] == level].to_dict("records"):
        words = f"{row['verdict']} {row['condition'] or ''}".strip()
        if row["contradiction"]:
            words += " (contradicted)"
        counts[words] += 1
    texts = [f"{words} in {count}" for words, count in counts.most_common()]
    return f"{level} {', '.join(texts)} of {n_groups} groups"
