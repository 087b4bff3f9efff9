"""Which of the levels that are better than the baseline to use, and how their sizes are said."""

import math

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import listed
from actstudy.analysis.questions.reservations import WHEN_IT_TRAINS
from actstudy.contract.plan import TaskPlan

ALL_PAIRS = "all pairs"  # which the page explains
EQUIVALENT = ("equivalent", "equivalent (below the margin)")


def use(better: pd.DataFrame, pairs: pd.DataFrame, settings: TaskPlan) -> list[str]:
    """Which of the levels that are better than the baseline to use: those that no other beats."""
    baseline = settings.baseline
    n = " to ".join(f"{end:.0f}" for end in sorted({better["n"].min(), better["n"].max()}))
    levels = list(better["level"])
    beaten = beaten_by(levels, pairs)
    best = better[~better["level"].isin(beaten)]
    names = list(best["level"])
    text = f"Use {listed(names, 'or')} rather than {baseline} "
    text += f"({sizes(best, settings)}, n = {n} seeds)"
    if len(names) > 1:
        text += f": {between(names, pairs, settings)}"
    texts = [f"{text}."]
    for winner, words in dict.fromkeys(beaten.values()):
        losers = [level for level in levels if beaten.get(level) == (winner, words)]
        part = better[better["level"].isin(losers)]
        texts.append(
            f"{verb(part)} better than {baseline} too ({sizes(part, settings)}), but worse than "
            f"{winner}{words} ({ALL_PAIRS}: {lost(part, winner, pairs, settings)})."
        )
    return texts


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


def beaten_by(levels: list[str], pairs: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Each of some levels that another one beats -> that one, and the verdict's condition.

    One that nothing beats is named if there is one. Empty if every level is beaten by another.
    """
    winners: dict[str, dict[str, str]] = {}
    for row in among(levels, pairs).to_dict("records"):
        if row["verdict"] not in ("better", "worse"):
            continue
        sides = [row["level"], row["baseline"]]
        winner, loser = sides if row["verdict"] == "better" else reversed(sides)
        words = f" when {winner} trains" if row["condition"] else ""
        winners.setdefault(loser, {})[winner] = words
    if len(winners) == len(levels):
        return {}
    beaten = {}
    for loser, words_by_winner in winners.items():
        named = min(words_by_winner, key=winners.__contains__)
        beaten[loser] = (named, words_by_winner[named])
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


def seeds_of(contrasts: pd.DataFrame) -> str:
    """How many pairs of seeds contrasts have: `8`, or `2 to 8` if they have different numbers."""
    ends = sorted({contrasts["n"].min(), contrasts["n"].max()})
    return " to ".join(f"{end:.0f}" for end in ends)
